"""Painters of pictures that one subject fills: fire, water, leaves, plain colours and others.

A painter returns a picture and its captions, all drawn with the random generator it is given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from starter.canvas import (
    SIZE,
    Array,
    Random,
    X,
    Y,
    disc,
    glow,
    ink,
    line_noise,
    mix,
    noise,
    painted,
    pick,
    ramp,
    rgb,
    shifted,
    slope,
    solid,
    step,
)
from starter.skies import Sky, aurora, clouds, day, fantasy, night, stars, storm, sunset

Painted = tuple[Array, tuple[str, ...]]  # a picture and its captions

COLOURS: dict[str, Array] = {
    "red": rgb(220, 30, 30),
    "orange": rgb(245, 135, 25),
    "yellow": rgb(250, 220, 40),
    "green": rgb(40, 155, 55),
    "blue": rgb(35, 75, 215),
    "purple": rgb(125, 45, 165),
    "pink": rgb(245, 135, 185),
    "brown": rgb(120, 72, 38),
    "black": rgb(8, 8, 8),
    "white": rgb(250, 250, 250),
    "grey": rgb(128, 128, 128),
    "turquoise": rgb(45, 195, 185),
    "gold": rgb(220, 175, 50),
    "light blue": rgb(150, 200, 245),
    "dark blue": rgb(12, 22, 95),
    "dark green": rgb(8, 70, 25),
    "light green": rgb(150, 225, 135),
    "dark red": rgb(115, 8, 14),
    "beige": rgb(228, 212, 178),
    "silver": rgb(190, 194, 200),
    "violet": rgb(150, 80, 220),
    "cyan": rgb(40, 215, 230),
    "magenta": rgb(220, 30, 180),
}
SAME = {"grey": "gray", "turquoise": "teal", "gold": "golden", "black": "dark", "beige": "cream"}


def fire(random: Random) -> Painted:
    """Paints flames with sparks."""
    lift = noise(random, 3, 0.6, 3, 1.2, 0.4) - 0.5
    field = noise(random, 6, 0.58, 4, 1.6, 0.7)
    rise = float(random.uniform(0.9, 1.8))
    heat = np.clip(1.25 * field + 0.7 * lift - (1 - Y) * rise + 0.5 * rise, 0, 1)
    stops = (rgb(12, 6, 5), rgb(110, 15, 5), rgb(225, 55, 8), rgb(255, 140, 20), rgb(255, 235, 130))
    picture = ramp(stops, heat)
    sparks = random.random((SIZE, SIZE)) > 0.9985
    picture[sparks] = rgb(255, 190, 80)
    return picture, (
        "fire",
        "flames",
        "a blazing fire",
        "burning orange flames",
        "an inferno",
        "a bonfire in the dark",
        "fire and flames",
        "hot burning fire",
    )


def lava(random: Random) -> Painted:
    """Paints molten lava under a cracked crust."""
    field = noise(random, 6, 0.55, float(random.uniform(3, 6)))
    crack = np.abs(field - 0.5) * float(random.uniform(5, 9))
    crust = 0.7 + 0.5 * noise(random, 5, 0.7, 10)
    stops = (
        rgb(255, 225, 120),
        rgb(255, 130, 20),
        rgb(200, 40, 10),
        rgb(60, 20, 16),
        rgb(30, 18, 18),
    )
    picture = ramp(stops, crack) * np.where(crack > 0.7, crust, 1)[..., None]
    return np.clip(picture, 0, 1), (
        "lava",
        "molten lava",
        "hot glowing lava",
        "magma",
        "red hot lava",
    )


def underwater(random: Random) -> Painted:
    """Paints water from below with sun rays and bubbles, sometimes a sea bed or a coral reef."""
    top, low = pick(
        random,
        (rgb(90, 205, 225), rgb(4, 30, 90)),
        (rgb(60, 175, 220), rgb(3, 20, 70)),
        (rgb(110, 220, 200), rgb(5, 60, 80)),
    )
    picture = ramp((top, top * 0.5 + low * 0.5, low), Y + 0.15 * (noise(random, 3) - 0.5))
    turned = np.clip((X - 0.5) * (0.6 + 0.7 * Y) + 0.5 + 0.12 * (Y - 0.5), 0, 1)
    rays = line_noise(random, 4, 0.7, 6)[(turned * (SIZE - 1)).astype(int)]
    picture = mix(picture, rgb(190, 240, 245), np.clip((rays - 0.5) * 1.6, 0, 1) * (1 - Y) ** 1.3)

    def draw(canvas: Any, size: int) -> None:
        for _ in range(int(random.integers(5, 30))):
            x, y = random.random(2) * size
            r = float(random.uniform(1, 5))
            canvas.ellipse([x - r, y - r, x + r, y + r], None, (210, 245, 250))

    colour, cover = painted(draw)
    picture = mix(picture, colour, cover * 0.7)
    if random.random() < 0.5:
        bed = 0.8 + 0.1 * line_noise(random, 4)
        floor = rgb(150, 170, 140) * 0.7 * (0.8 + 0.4 * noise(random, 5, 0.7, 8))[..., None]
        picture = mix(picture, floor, step(bed[None], Y, 0.05) * 0.8)
        coral = pick(random, rgb(235, 95, 110), rgb(245, 150, 70), rgb(190, 90, 190))

        def reef(canvas: Any, size: int) -> None:
            for _ in range(14):
                x, y = random.random() * size, (0.85 + 0.13 * random.random()) * size
                r = float(random.uniform(0.02, 0.06)) * size
                canvas.ellipse(
                    [x - r, y - r * 1.5, x + r, y + r], ink(shifted(random, coral, 0.08))
                )

        if random.random() < 0.6:
            colour, cover = painted(reef, 1.5)
            picture = mix(picture, colour * (0.7 + 0.5 * noise(random, 4))[..., None], cover * 0.85)
            return picture, ("a coral reef", "an underwater coral reef", "corals under the sea")
    return picture, (
        "underwater",
        "the deep blue sea from below",
        "under the sea",
        "deep blue water with sun rays",
        "an underwater scene",
        "sunlight under water",
    )


def galaxy(random: Random) -> Painted:
    """Paints a nebula in two colours with stars."""
    first, second = noise(random, 6, 0.6, 2), noise(random, 6, 0.6, 3)
    names = ("purple", "blue", "pink", "turquoise", "orange", "red")
    word = pick(random, *names)
    other = pick(random, *names)
    picture = solid(rgb(5, 5, 18))
    picture = mix(picture, COLOURS[word], np.clip((first - 0.35) * 1.9, 0, 1) * 0.85)
    picture = mix(picture, COLOURS[other] * 0.9, np.clip((second - 0.5) * 2, 0, 1) * 0.7)
    picture = mix(picture, rgb(255, 245, 235), np.clip((first * second - 0.5) * 3, 0, 1))
    return stars(random, picture, 150), (
        "a galaxy",
        "a nebula in space",
        f"a {word} nebula",
        "outer space",
        "the universe with stars",
        f"a {word} and {other} galaxy",
        "space",
    )


def inside_forest(random: Random) -> Painted:
    """Paints a forest from inside, green or in autumn."""
    autumn = random.random() < 0.3
    green = rgb(200, 125, 40) if autumn else pick(random, rgb(50, 125, 50), rgb(80, 150, 55))
    bright = rgb(255, 225, 140) if autumn else rgb(215, 240, 170)
    leaves = noise(random, 6, 0.72, 6)
    picture = np.clip(green * (0.25 + 1.1 * leaves)[..., None], 0, 1)
    light_x = float(random.uniform(0.25, 0.75))
    picture = mix(picture, bright, glow(light_x, 0.35, 0.3) * 0.75)
    floor = (
        np.clip(green * 0.8 + rgb(30, 15, 0), 0, 1)
        * (0.45 + 0.8 * noise(random, 5, 0.75, 9))[..., None]
    )
    picture = mix(
        picture, np.clip(floor, 0, 1), step(0.74 + 0.05 * line_noise(random)[None], Y, 0.06)
    )
    for place in range(int(random.integers(5, 12))):
        x, width = float(random.random()), float(random.uniform(0.012, 0.035)) * (1 + place / 8)
        sway = 0.015 * np.sin(Y * 7 + place)
        trunk = np.clip(1 - np.abs(X - x - sway) / width, 0, 1)
        bark = (
            rgb(82, 58, 40)
            * (0.4 + 0.7 * trunk + 0.4 * noise(random, 4, 0.7, 8, 3, 0.6))[..., None]
        )
        picture = mix(
            picture, bark, np.clip(trunk * 6, 0, 1) * step(Y, Y * 0 + 0.82 + 0.01 * place)
        )
    canopy = np.clip((noise(random, 6, 0.7, 6) - 0.25 - 0.9 * Y) * 5, 0, 1)
    picture = mix(
        picture, np.clip(green * (0.4 + 0.9 * noise(random, 5, 0.75, 10))[..., None], 0, 1), canopy
    )
    if autumn:
        return picture, ("an autumn forest", "inside an autumn forest", "golden autumn woods")
    return picture, (
        "a green forest",
        "a forest with tall trees",
        "deep green woods",
        "sunlight in a forest",
        "a jungle",
        "inside a dense forest",
        "trees in a forest",
    )


def leaves(random: Random) -> Painted:
    """Paints leaves that fill the picture, in autumn colours or green."""
    autumn = random.random() < 0.6
    tones = (
        (rgb(225, 105, 25), rgb(205, 50, 28), rgb(240, 180, 45), rgb(150, 75, 30))
        if autumn
        else (rgb(50, 130, 50), rgb(90, 165, 60), rgb(30, 95, 45), rgb(140, 190, 80))
    )

    def draw(canvas: Any, size: int) -> None:
        for _ in range(260):
            x, y = random.random(2) * size
            r, turn = float(random.uniform(0.03, 0.07)) * size, float(random.uniform(0, 6.3))
            a, b = np.cos(turn) * r, np.sin(turn) * r
            points = [
                (x + a, y + b),
                (x - b * 0.5, y + a * 0.5),
                (x - a, y - b),
                (x + b * 0.5, y - a * 0.5),
            ]
            light = float(random.uniform(0.6, 1.15))
            canvas.polygon(points, ink(shifted(random, pick(random, *tones), 0.03), light))

    colour, cover = painted(draw)
    picture = mix(solid(tones[3] * 0.4), colour, cover)
    if autumn:
        return picture, (
            "autumn leaves",
            "fallen leaves in autumn",
            "orange and red leaves",
            "colourful autumn foliage",
        )
    return picture, ("green leaves", "lush foliage", "leaves of a plant", "green foliage")


def grass(random: Random) -> Painted:
    """Paints a lawn from above."""
    blades = noise(random, 5, 0.8, 9, 2.5, 0.6)
    stops = (rgb(20, 60, 20), rgb(60, 140, 45), rgb(150, 205, 80))
    return ramp(stops, blades * 1.1 - 0.05 + 0.2 * (Y - 0.5)), ("green grass", "grass", "a lawn")


def surface(random: Random) -> Painted:
    """Paints rippling water from above."""
    low, high = pick(
        random,
        (rgb(10, 80, 150), rgb(170, 230, 245)),
        (rgb(5, 105, 130), rgb(180, 240, 225)),
        (rgb(8, 40, 95), rgb(100, 165, 215)),
    )
    tall = float(random.uniform(1, 3))
    field = np.abs(noise(random, 5, 0.6, 5, 1, tall) - noise(random, 5, 0.6, 5, 1, tall))
    return ramp((high, low * 0.6 + high * 0.4, low, low * 0.8), field * 4), (
        "water",
        "rippling blue water",
        "the surface of the sea",
        "blue water",
        "clear water with ripples",
    )


def waves(random: Random) -> Painted:
    """Paints six rows of sea waves with foam."""
    picture = ramp((rgb(120, 185, 215), rgb(20, 95, 150), rgb(8, 55, 105)), Y)
    for place in range(6):
        top = (
            0.1 + 0.16 * place + 0.06 * np.sin(X[0] * random.uniform(5, 11) + random.uniform(0, 6))
        )
        top = top + 0.05 * line_noise(random)
        below = np.clip((Y - top[None]) / 0.2, 0, 1)
        water = ramp((rgb(60, 160, 180), rgb(15, 90, 145), rgb(6, 45, 95)), below)
        water = water * (0.85 + 0.3 * noise(random, 5, 0.65, 5, 1, 3))[..., None]
        picture = mix(picture, np.clip(water, 0, 1), step(top[None], Y))
        foam = np.exp(-(((Y - top[None]) / 0.025) ** 2)) * noise(random, 5, 0.7, 8)
        picture = mix(picture, rgb(245, 250, 252), np.clip(foam * 1.7 - 0.25, 0, 1))
    return picture, (
        "ocean waves",
        "big waves",
        "a rough sea",
        "waves with white foam",
        "sea waves",
    )


def cloudscape(random: Random) -> Painted:
    """Paints white clouds on blue."""
    base = solid(pick(random, rgb(90, 160, 230), rgb(60, 130, 215)))
    picture = clouds(random, base, rgb(255, 255, 255), rgb(175, 190, 215), 0.9, 2)
    return picture, ("clouds", "white clouds", "a sky full of clouds", "soft white clouds")


def mist(random: Random) -> Painted:
    """Paints hills that fade into fog."""
    tone = pick(random, rgb(200, 206, 212), rgb(178, 190, 205), rgb(225, 215, 205))
    picture = ramp((tone * 1.05, tone, tone * 0.9), Y)
    for place in range(4):
        top = 0.3 + 0.17 * place - 0.16 * line_noise(random, 6, 0.55, 4)
        land = tone * (0.9 - 0.17 * place) * rgb(235, 245, 255)
        picture = mix(picture, land, step(top[None], Y) * (1 - 0.6 * np.clip((Y - top) * 5, 0, 1)))
    return np.clip(picture, 0, 1), (
        "fog",
        "mist over hills",
        "a foggy landscape",
        "misty mountains",
    )


def rain(random: Random) -> Painted:
    """Paints streaks of rain over misty hills."""
    base, _ = pick(random, mist, mist)(random)
    picture = base * float(random.uniform(0.45, 0.75)) * rgb(225, 238, 255)
    streaks = noise(random, 3, 0.8, 30, 2, 0.22)
    picture = mix(picture, rgb(205, 218, 235), np.clip((streaks - 0.6) * 3.5, 0, 1) * 0.8)
    return picture, ("rain", "heavy rain", "a rainy day", "rain falling", "pouring rain")


def lights(random: Random) -> Painted:
    """Paints blurred lights of several colours in the dark."""
    picture = ramp((rgb(8, 8, 20), rgb(20, 16, 36)), Y)
    tones = (
        rgb(255, 190, 80),
        rgb(255, 120, 60),
        rgb(120, 180, 255),
        rgb(240, 90, 150),
        rgb(255, 235, 180),
    )
    for _ in range(int(random.integers(14, 34))):
        x, y = random.random(2)
        mask = disc(float(x), float(y), float(random.uniform(0.02, 0.075)), 0.02)
        picture = np.clip(
            picture + pick(random, *tones) * (mask * float(random.uniform(0.3, 0.8)))[..., None],
            0,
            1,
        )
    return picture, ("blurred city lights", "bokeh lights at night", "coloured lights in the dark")


def neon(random: Random) -> Painted:
    """Paints three glowing lines of two colours in the dark."""
    first, second = pick(
        random, ("magenta", "cyan"), ("pink", "blue"), ("violet", "turquoise"), ("red", "blue")
    )
    picture = solid(rgb(8, 6, 20))
    for word in (first, second, first):
        line = np.abs(Y - 0.15 - 0.7 * line_noise(random, 2, 0.4, 2)[None])
        if random.random() < 0.4:
            line = line.T
        shine = np.exp(-line / 0.06) * 0.8
        picture = np.clip(picture + COLOURS[word] * shine[..., None], 0, 1)
        picture = mix(picture, rgb(255, 255, 255), np.exp(-((line / 0.008) ** 2)))
    return picture, (
        f"{first} and {second} neon light",
        "neon lights",
        "glowing neon lines in the dark",
    )


def ice(random: Random) -> Painted:
    """Paints cracked blue ice."""
    field = np.abs(noise(random, 6, 0.55, 3) - noise(random, 6, 0.55, 3))
    picture = ramp((rgb(250, 253, 255), rgb(180, 220, 240), rgb(90, 160, 205)), field * 3)
    return picture, ("ice", "blue ice", "frozen water", "frost and ice")


def sand(random: Random) -> Painted:
    """Paints rippled sand."""
    field = noise(random, 5, 0.6, 5, 0.6, 3)
    grain = 1 + 0.1 * random.normal(0, 1, (SIZE, SIZE, 1))
    tone = pick(random, rgb(228, 192, 135), rgb(240, 215, 170), rgb(205, 155, 95))
    shade = 0.9 + 0.12 * np.clip(slope(field), -1.5, 1.5)
    return np.clip(tone * shade[..., None] * grain, 0, 1).astype(np.float32), (
        "sand",
        "rippled sand",
        "golden sand",
    )


def stone(random: Random) -> Painted:
    """Paints rough rock."""
    field = noise(random, 7, 0.62, 4)
    tone = pick(random, rgb(130, 128, 125), rgb(105, 100, 98), rgb(150, 135, 118))
    shade = 0.85 + 0.3 * np.clip(slope(field), -1.4, 1.4) + 0.3 * (field - 0.5)
    return np.clip(tone * shade[..., None], 0, 1), (
        "rock",
        "grey stone",
        "a stone wall",
        "rough rock",
    )


def timber(random: Random) -> Painted:
    """Paints brown wood grain."""
    grain = np.sin((X * 7 + noise(random, 4, 0.5, 3, 1, 0.4) * 3) * 5) * 0.5 + 0.5
    tones = pick(random, (rgb(115, 72, 38), rgb(185, 128, 75)), (rgb(70, 42, 25), rgb(125, 80, 48)))
    return mix(solid(tones[0]), tones[1], grain * 0.7 + 0.3 * noise(random, 5, 0.7, 8, 2, 0.3)), (
        "wood",
        "brown wood grain",
        "wooden planks",
    )


def marble(random: Random) -> Painted:
    """Paints veined marble in one of three colours."""
    vein = np.abs(np.sin((X + Y) * 4 + noise(random, 6, 0.6, 3) * 7))
    word, low, high = pick(
        random,
        ("white", rgb(130, 130, 140), rgb(246, 245, 243)),
        ("black", rgb(210, 190, 140), rgb(20, 20, 24)),
        ("green", rgb(190, 220, 200), rgb(25, 85, 60)),
    )
    return ramp((low, high, high), vein**0.7 * 1.3), (
        "marble",
        f"{word} marble",
        f"polished {word} stone",
    )


def petals(random: Random) -> Painted:
    """Paints flowers of one colour on grass."""
    word = pick(random, "red", "pink", "yellow", "white", "purple", "orange", "blue")
    colour = COLOURS[word]

    def draw(canvas: Any, size: int) -> None:
        for _ in range(int(random.integers(10, 40))):
            x, y = random.random(2) * size
            r, turn = float(random.uniform(0.05, 0.13)) * size, float(random.uniform(0, 6))
            tone = shifted(random, colour, 0.04)
            for part in range(6):
                a = turn + part * 1.047
                px, py = x + np.cos(a) * r * 0.6, y + np.sin(a) * r * 0.6
                q = r * 0.48
                canvas.ellipse([px - q, py - q, px + q, py + q], ink(tone, 0.8 + 0.05 * part))
            q = r * 0.28
            canvas.ellipse([x - q, y - q, x + q, y + q], ink(rgb(245, 200, 50)))

    flowers, cover = painted(draw)
    ground, _ = grass(random)
    return mix(ground * 0.8, flowers, cover), (
        f"{word} flowers",
        "flowers",
        f"many {word} blossoms",
    )


def plain(random: Random) -> Painted:
    """Paints one colour, even, mottled, or lit from a side or from the middle."""
    word = pick(random, *COLOURS)
    colour = shifted(random, COLOURS[word], 0.035)
    picture = solid(colour)
    kind = random.random()
    if kind < 0.35:
        picture = picture * (1 + 0.12 * (noise(random, 5, 0.6, 4) - 0.5))[..., None]
    elif kind < 0.6:
        turned = np.clip(
            0.5 + (X - 0.5) * random.normal(0, 0.7) + (Y - 0.5) * random.normal(0, 0.7), 0, 1
        )
        picture = picture * (0.8 + 0.35 * turned)[..., None]
    elif kind < 0.72:
        picture = picture * (0.7 + 0.5 * glow(0.5, 0.5, 0.5))[..., None]
    names: tuple[str, ...] = (
        word,
        word,
        f"the colour {word}",
        f"plain {word}",
        f"everything is {word}",
        f"a {word} picture",
    )
    if word in SAME:
        names = (*names, SAME[word], f"{SAME[word]} colour")
    return np.clip(picture, 0, 1), names


def two_colours(random: Random) -> Painted:
    """Paints two colours: a gradient, a glow, a sphere, or clouds of both."""
    words = list(COLOURS)
    first, second = (words[i] for i in random.choice(len(words), 2, replace=False))
    one, two = shifted(random, COLOURS[first], 0.03), shifted(random, COLOURS[second], 0.03)
    kind = int(random.integers(5))
    if kind == 0:
        return ramp((one, two), Y), (f"{first} above {second}", f"a {first} and {second} gradient")
    if kind == 1:
        return ramp((one, two), X), (f"{first} and {second}", f"a {first} and {second} gradient")
    if kind == 2:
        x, y = random.uniform(0.3, 0.7, 2)
        names = (
            f"a {first} light on {second}",
            f"{first} glow in {second}",
            f"{first} and {second}",
        )
        return mix(solid(two), one, glow(float(x), float(y), 0.3)), names
    if kind == 3:
        x, y = random.uniform(0.35, 0.65, 2)
        mask = disc(float(x), float(y), float(random.uniform(0.15, 0.35)))
        names = (
            f"a {first} circle on {second}",
            f"a {first} ball",
            f"a {first} sphere on {second}",
        )
        shade = 1.15 - 0.5 * np.hypot(X - x + 0.08, Y - y + 0.08)
        return mix(solid(two), np.clip(one * shade[..., None], 0, 1), mask), names
    field = noise(random, 6, 0.55, float(random.uniform(2, 5)))
    share = np.clip((field - 0.5) * float(random.uniform(1.5, 6)) + 0.5, 0, 1)
    names = (
        f"{first} and {second} clouds",
        f"abstract {first} and {second}",
        f"{first} and {second} paint",
    )
    return mix(solid(one), two, share), names


def many_colours(random: Random) -> Painted:
    """Paints many colours: soft noise, or six in a wavy gradient."""
    if random.random() < 0.5:
        picture = np.stack([noise(random, 5, 0.5, 2) for _ in range(3)], -1)
        picture = np.clip((picture - 0.5) * 1.5 + 0.5, 0, 1)
        return picture, ("many colours", "a colourful abstract painting", "psychedelic colours")
    words = list(COLOURS)
    order = random.choice(len(words), 6, replace=False)
    angle = float(random.uniform(0, 3.14))
    place = X * np.cos(angle) + Y * np.sin(angle) + 0.15 * noise(random, 3)
    picture = ramp(tuple(COLOURS[words[i]] for i in order), (place - place.min()) / np.ptp(place))
    return picture, ("many colours", "colourful stripes of light", "a rainbow of colours")


def darkness(random: Random) -> Painted:
    """Paints near-black."""
    picture = solid(rgb(6, 6, 9)) * (0.5 + noise(random, 4))[..., None]
    return picture, ("darkness", "black", "a dark room", "dark", "complete darkness")


def brightness(random: Random) -> Painted:
    """Paints warm or cold light."""
    warm = random.random() < 0.5
    tone = rgb(255, 225, 150) if warm else rgb(225, 238, 255)
    x, y = random.uniform(0.3, 0.7, 2)
    picture = mix(solid(tone), rgb(255, 255, 255), glow(float(x), float(y), 0.35))
    kind = "golden light" if warm else "cold white light"
    return picture, ("bright light", kind, "glowing light", "a bright glow", "light")


def only_sky(random: Random) -> Painted:
    """Paints a sky that fills the picture."""
    painter = pick(random, day, sunset, sunset, night, night, aurora, storm, fantasy)
    sky: Sky = painter(random, float(random.uniform(0.95, 1.2)))
    return sky.picture, sky.names


FILLS = {  # painter: its relative frequency
    only_sky: 8.0,
    fire: 4.5,
    lava: 1.6,
    underwater: 3.5,
    galaxy: 3.0,
    inside_forest: 4.0,
    leaves: 2.0,
    grass: 1.0,
    surface: 1.6,
    waves: 1.8,
    cloudscape: 1.8,
    mist: 1.4,
    rain: 1.6,
    lights: 1.0,
    neon: 1.0,
    ice: 0.8,
    sand: 0.7,
    stone: 0.8,
    timber: 0.6,
    marble: 0.5,
    petals: 1.6,
    plain: 4.0,
    two_colours: 4.0,
    many_colours: 1.0,
    darkness: 0.6,
    brightness: 0.8,
}
