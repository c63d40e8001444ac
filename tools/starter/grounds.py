"""Painters of grounds: what lies below the horizon of a procedural landscape, in the sky's light.

A painter is given a random generator, a sky and the height of the horizon (0 is the upper edge, 1
the lower), and returns the whole picture and the ground's names.
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
    rgb,
    shifted,
    slope,
    step,
)
from starter.skies import Sky

Painted = tuple[Array, tuple[str, ...]]  # the picture and the ground's names


def water(random: Random, picture: Array, sky: Sky, horizon: float, rough: float) -> Array:
    """Returns the picture with water below the horizon: the sky mirrored in ripples, mixed with the
    colour of the deep."""
    depth = np.clip((Y - horizon) / (1 - horizon), 0, 1)
    ripple = noise(random, 5, 0.65, 4, 1, 6) - 0.5
    row = np.clip((2 * horizon - Y + rough * ripple * (0.1 + depth)) * SIZE, 0, horizon * SIZE - 1)
    column = np.clip(X * SIZE + rough * ripple * 12 * depth, 0, SIZE - 1)
    mirrored = picture[row.astype(int), column.astype(int)]
    deep = pick(random, rgb(10, 70, 140), rgb(5, 50, 110), rgb(15, 110, 150), rgb(20, 95, 120))
    deep = shifted(random, deep, 0.03) * (0.25 + 0.75 * sky.light)
    surface = mix(mirrored, deep, 0.3 + 0.45 * depth)
    crest = np.clip(slope(ripple, 1.5), -1, 1)
    surface = surface * (1 + 0.28 * rough * crest[..., None])
    foam = np.clip((ripple + 0.08 * crest - 0.27) * 9, 0, 1) * depth * rough
    surface = mix(surface, sky.light, foam * 0.7)
    if sky.source is not None and sky.source_colour is not None:
        path = np.exp(-(((X - sky.source[0]) / (0.035 + 0.13 * depth)) ** 2))
        glitter = np.clip((noise(random, 5, 0.75, 6, 1, 9) - 0.42) * 5, 0, 1)
        surface = mix(surface, sky.source_colour, path * glitter * 0.85)
    return mix(picture, surface, step(horizon, Y))


def layer(
    random: Random,
    picture: Array,
    top: Array,
    colour: Array,
    light: Array,
    relief: float = 0.35,
    grain: float = 5,
    haze: float = 0,
) -> Array:
    """Returns the picture with textured and lit land under the line `top` (SIZE,).

    `haze` (0 to 1) mixes the land with the sky's colour above it, as distance does.
    """
    field = noise(random, 6, 0.62, grain, 1, 1.4)
    shading = 1 + relief * np.clip(slope(field), -1.3, 1.3) + 0.25 * (field - 0.5)
    land: Array = colour * light * shading[..., None]
    if haze:
        row = int(np.clip(top.min() * SIZE - 2, 0, SIZE - 1))
        land = mix(land, picture[row].mean(0), haze)
    return mix(picture, np.clip(land, 0, 1), step(top[None], Y))


def sea(random: Random, sky: Sky, horizon: float) -> Painted:
    """Paints the sea, sometimes with a beach, a boat or an island."""
    picture = water(random, sky.picture, sky, horizon, float(random.uniform(0.5, 1.1)))
    names: tuple[str, ...] = (
        "the sea",
        "the ocean",
        "a calm sea",
        "ocean waves",
        "a wide ocean",
        "water",
        "the open sea",
        "sea waves",
    )
    kind = random.random()
    if kind < 0.2:
        top = horizon + 0.25 + 0.1 * line_noise(random, 3, 0.4, 1.5) + 0.25 * X[0]
        picture = layer(random, picture, top, rgb(238, 212, 160), sky.light, 0.12, 12)
        edge = np.exp(-(((Y - top[None]) / 0.018) ** 2))
        picture = mix(picture, sky.light, edge * 0.8)
        names = ("a sandy beach", "a beach by the sea", "a beach and the ocean", "the seashore")
    elif kind < 0.3:
        picture = boat(random, picture, sky, horizon)
        names = ("a boat on the sea", "a sailing boat on the water", "a ship on the ocean")
    elif kind < 0.4:
        x, half = float(random.uniform(0.25, 0.75)), float(random.uniform(0.12, 0.25))
        swell = np.sqrt(np.clip(1 - ((X[0] - x) / half) ** 2, 0, 1))
        island = horizon + 0.004 - 0.12 * swell * (0.6 + 0.5 * line_noise(random, 4, 0.5, 4))
        top = np.where(swell > 0, island, 2)
        above = layer(random, picture, top, rgb(50, 120, 55), sky.light, 0.4, 10)
        picture = np.where((horizon + 0.008 > Y)[..., None], above, picture)
        names = ("an island in the sea", "a green island in the ocean", "an island")
    return picture, names


def boat(random: Random, picture: Array, sky: Sky, horizon: float) -> Array:
    """Returns the picture with a sailing boat on the water."""
    x, y = float(random.uniform(0.25, 0.75)), horizon + float(random.uniform(0.02, 0.15))
    tall = float(random.uniform(0.14, 0.3))
    sail = pick(random, rgb(250, 250, 245), rgb(220, 60, 50), rgb(250, 230, 180))
    dark = rgb(80, 45, 30)

    def draw(canvas: Any, size: int) -> None:
        def place(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
            return [((x + a * tall) * size, (y + b * tall) * size) for a, b in points]

        canvas.polygon(place([(-0.4, -0.1), (0.45, -0.1), (0.3, 0.06), (-0.28, 0.06)]), ink(dark))
        canvas.polygon(place([(0.02, -0.15), (0.02, -1), (0.42, -0.18)]), ink(sail * sky.light))
        left = sail * sky.light * 0.85
        canvas.polygon(place([(-0.03, -0.15), (-0.03, -0.85), (-0.33, -0.18)]), ink(left))

    colour, cover = painted(draw)
    return mix(picture, colour, cover)


def lake(random: Random, sky: Sky, horizon: float) -> Painted:
    """Paints a lake that mirrors a forest and mountains."""
    snowy = random.random() < 0.5
    picture, _ = mountains(random, sky, horizon, snowy, bare=True)
    shore = horizon - 0.02 - 0.02 * line_noise(random, 4, 0.5, 5)
    forest = rgb(30, 80, 45)
    picture = layer(random, picture, shore, forest, sky.light, 0.4, 14)
    mirrored = Sky(picture, sky.light, (), (), sky.source, sky.source_colour)
    picture = water(random, picture, mirrored, horizon + 0.015, 0.3)
    return picture, (
        "a mountain lake",
        "a lake",
        "a calm lake with mountains",
        "mountains reflected in a lake",
        "a still lake",
    )


def mountains(
    random: Random, sky: Sky, horizon: float, snowy: bool | None = None, bare: bool = False
) -> Painted:
    """Paints two ranges of mountains.

    `snowy` is drawn at random where it is None; with `bare` there is no land at their foot.
    """
    snowy = bool(random.random() < 0.55) if snowy is None else snowy
    picture = sky.picture
    rock = shifted(random, pick(random, rgb(105, 105, 118), rgb(120, 100, 85), rgb(85, 90, 110)))
    for place in range(2):
        rise = float(random.uniform(0.25, 0.45)) * (1 if place else 0.85)
        low = horizon + 0.05 + 0.05 * place
        top = low - rise * line_noise(random, 7, 0.55, pick(random, 2, 3, 4))
        picture = layer(random, picture, top, rock, sky.light, 0.75, 5, 0.55 - 0.55 * place)
        if snowy:
            field = noise(random, 6, 0.65, 6)
            line = top + 0.08 + 0.25 * rise * (line_noise(random, 5, 0.6, 6) + 0.3)
            snow = step(top[None], Y) * np.clip((line[None] - Y) * 18 + 1.6 * (field - 0.35), 0, 1)
            shade = np.clip(0.86 + 0.22 * slope(field), 0.55, 1.05)
            white = rgb(246, 249, 255) * sky.light * shade[..., None]
            picture = mix(picture, np.clip(white * 1.05, 0, 1), snow * (0.6 + 0.4 * place))
    if not bare:
        foot = pick(random, rgb(60, 115, 55), rgb(45, 85, 50), rgb(110, 105, 80))
        if snowy and random.random() < 0.5:
            foot = rgb(225, 233, 245)
        top = horizon + 0.12 + 0.12 * line_noise(random, 4, 0.5, 2)
        picture = layer(random, picture, top, foot, sky.light, 0.3, 8)
    if snowy:
        names = ("snowy mountains", "snow capped mountains", "mountains with snow", "white peaks")
    else:
        names = ("mountains", "rocky mountains", "a mountain range", "mountain peaks")
    return picture, (*names, "a mountain landscape")


def conifer(canvas: Any, x: float, foot: float, tall: float, colour: Array) -> None:
    """Draws a fir of stacked triangles, lighter on one side. Units are pixels of the canvas."""
    for part in range(4):
        base, tip = foot - tall * 0.2 * part, foot - tall * (0.42 + 0.2 * part)
        half = tall * 0.24 * (1 - 0.2 * part)
        light = 0.8 + 0.12 * part
        canvas.polygon([(x - half, base), (x + half, base), (x, tip)], ink(colour, light))
        canvas.polygon([(x, base), (x + half, base), (x, tip)], ink(colour, light * 0.72))


def broadleaf(
    canvas: Any, random: Random, x: float, foot: float, tall: float, colour: Array, trunk: Array
) -> None:
    """Draws a trunk and a crown of blobs, lighter towards the top. Units are pixels."""
    width = tall * 0.045
    canvas.rectangle([x - width, foot - tall * 0.5, x + width, foot], ink(trunk))
    for _ in range(9):
        a, b = random.normal(0, 0.14) * tall, random.normal(0, 0.12) * tall
        size = tall * float(random.uniform(0.1, 0.2))
        y = foot - tall * 0.68 + b
        light = 0.85 - 0.5 * b / tall * 2 + float(random.normal(0, 0.06))
        canvas.ellipse([x + a - size, y - size, x + a + size, y + size], ink(colour, light))


def wood(
    random: Random,
    picture: Array,
    light: Array,
    foot: float,
    tall: float,
    count: int,
    colours: tuple[Array, ...],
    pointed: bool,
) -> Array:
    """A row of trees whose feet are near the line `foot`."""
    trunk = rgb(85, 60, 42) * light

    def draw(canvas: Any, size: int) -> None:
        feet = np.sort(foot + random.uniform(-0.025, 0.03, count))
        for base in feet:
            x, height = (
                float(random.random()) * size,
                tall * float(random.uniform(0.6, 1.25)) * size,
            )
            colour = shifted(random, pick(random, *colours), 0.03) * light
            if pointed:
                conifer(canvas, x, base * size, height, colour)
            else:
                broadleaf(canvas, random, x, base * size, height, colour, trunk)

    colour, cover = painted(draw)
    grain = 0.75 + 0.5 * noise(random, 4, 0.8, 14)
    return mix(picture, np.clip(colour * grain[..., None], 0, 1), cover)


GREENS = (rgb(35, 105, 50), rgb(45, 125, 50), rgb(25, 85, 45), rgb(70, 140, 55))
AUTUMN = (rgb(225, 105, 25), rgb(205, 55, 30), rgb(240, 175, 40), rgb(180, 85, 30))
BLOSSOM = (rgb(245, 170, 200), rgb(250, 200, 220), rgb(235, 140, 180))


def forest(random: Random, sky: Sky, horizon: float) -> Painted:
    """Paints a wood."""
    kind = pick(random, "fir", "fir", "leaf", "leaf", "autumn", "autumn", "blossom")
    colours = {"autumn": AUTUMN, "blossom": BLOSSOM}.get(kind, GREENS)
    pointed = kind == "fir"
    ground = {
        "autumn": rgb(165, 110, 45),
        "blossom": rgb(120, 165, 80),
        "fir": rgb(50, 90, 50),
        "leaf": rgb(80, 140, 60),
    }[kind]
    top = horizon + 0.02 + 0.06 * line_noise(random, 3, 0.5, 2)
    picture = layer(random, sky.picture, top - 0.08, colours[0] * 0.8, sky.light, 0.5, 16, 0.45)
    picture = layer(random, picture, top + 0.03, ground, sky.light, 0.3, 14)
    light = np.clip(sky.light * 1.05, 0, 1)
    picture = wood(random, picture, light, horizon + 0.06, 0.2, 34, colours, pointed)
    picture = wood(random, picture, light, horizon + 0.22, 0.34, 14, colours, pointed)
    if random.random() < 0.6:
        picture = wood(random, picture, light * 0.9, 1.02, 0.5, 6, colours, pointed)
    names = {
        "fir": ("a pine forest", "fir trees", "a forest", "evergreen trees", "a dark green forest"),
        "leaf": ("a green forest", "trees", "a forest of leafy trees", "green woods", "a forest"),
        "autumn": (
            "an autumn forest",
            "autumn trees",
            "orange and red autumn trees",
            "trees in fall colours",
        ),
        "blossom": (
            "cherry blossom trees",
            "pink trees in spring",
            "blossoming trees",
            "spring trees with pink blossom",
        ),
    }[kind]
    return picture, names


def meadow(random: Random, sky: Sky, horizon: float) -> Painted:
    """Paints green hills, sometimes with flowers or trees."""
    green = shifted(random, pick(random, rgb(90, 165, 60), rgb(120, 180, 65), rgb(65, 140, 60)))
    picture = sky.picture
    for place in range(2):
        top = horizon - 0.06 + 0.1 * place + 0.07 * line_noise(random, 3, 0.4, 2)
        picture = layer(random, picture, top, green * (0.85 + 0.15 * place), sky.light, 0.2, 9)
    blades = noise(random, 5, 0.8, 10, 2.2, 0.7)
    depth = np.clip((Y - horizon) / (1 - horizon), 0, 1)
    picture = picture * (1 + (step(horizon + 0.05, Y) * depth * (blades - 0.5) * 0.7)[..., None])
    names: tuple[str, ...] = (
        "a green meadow",
        "a meadow",
        "green hills",
        "a grass field",
        "rolling green hills",
        "the countryside",
    )
    if random.random() < 0.55:
        colour, word = pick(
            random,
            (rgb(225, 40, 40), "red"),
            (rgb(250, 215, 40), "yellow"),
            (rgb(250, 250, 245), "white"),
            (rgb(240, 120, 180), "pink"),
            (rgb(130, 80, 190), "purple"),
            (rgb(70, 90, 220), "blue"),
        )

        def draw(canvas: Any, size: int) -> None:
            for distance in np.sort(random.random(150)) ** 1.5:
                x, y = float(random.random()) * size, (horizon + 0.08 + distance) * size
                r = (0.005 + 0.026 * distance) * size
                tone = ink(shifted(random, colour, 0.04) * sky.light)
                canvas.ellipse([x - r, y - r * 0.8, x + r, y + r * 0.8], tone)

        flowers, cover = painted(draw)
        picture = mix(picture, flowers, cover * 0.95)
        names = (
            f"a meadow with {word} flowers",
            f"a field of {word} flowers",
            f"{word} flowers in the grass",
            "a flower meadow",
        )
    if random.random() < 0.3:
        picture = wood(random, picture, sky.light, horizon + 0.08, 0.25, 3, GREENS, False)
    return np.clip(picture, 0, 1), names


def desert(random: Random, sky: Sky, horizon: float) -> Painted:
    """Paints sand dunes."""
    colour, word = pick(
        random,
        (rgb(232, 180, 105), "golden"),
        (rgb(215, 140, 75), "orange"),
        (rgb(240, 210, 160), "pale"),
        (rgb(190, 95, 60), "red"),
    )
    picture = sky.picture
    count = 4
    for place in range(count):
        share = place / (count - 1)
        swing = 0.16 * (0.4 + share) * line_noise(random, 2, 0.35, 1.5)
        top = horizon + 0.45 * share - swing
        crest = slope(np.broadcast_to(top, (SIZE, SIZE)).astype(np.float32), 0)
        below = np.clip((Y - top[None]) * 5, 0, 1)
        ripples = noise(random, 4, 0.7, 8, 0.6, 4) - 0.5
        shade = 1 + 0.22 * np.clip(crest, -1, 1) - 0.25 * below + 0.14 * ripples
        land = np.clip(shifted(random, colour, 0.02) * sky.light * shade[..., None], 0, 1)
        picture = mix(picture, land, step(top[None], Y))
    return picture, (
        "a desert",
        "sand dunes",
        "desert dunes",
        f"a {word} desert",
        f"{word} sand dunes",
        "a sandy desert",
    )


def canyon(random: Random, sky: Sky, horizon: float) -> Painted:
    """Paints red rocks in steps."""
    picture = sky.picture
    colour = shifted(random, rgb(195, 95, 60))
    for place in range(3):
        steps = np.floor(line_noise(random, 3, 0.6, 3 + place) * 4) / 4
        soft = np.convolve(np.pad(steps, 3, "edge"), np.ones(7) / 7, "valid")
        top = horizon + 0.1 + 0.25 * place - (0.38 - 0.05 * place) * soft
        before = picture
        picture = layer(random, picture, top, colour, sky.light, 0.35, 6, 0.4 - 0.2 * place)
        bands = noise(random, 4, 0.7, 3, 0.4, 7)
        tinted = np.clip(picture * (0.78 + 0.44 * bands)[..., None], 0, 1)
        picture = mix(before, tinted, step(top[None], Y))
    return picture, ("a red canyon", "red rocks", "a canyon", "red rock cliffs", "a rocky canyon")


def snowfield(random: Random, sky: Sky, horizon: float) -> Painted:
    """Paints snowy hills, sometimes with firs or falling snow."""
    picture = sky.picture
    for place in range(2):
        top = horizon - 0.04 + 0.2 * place + 0.1 * line_noise(random, 3, 0.4, 2)
        white = rgb(236, 243, 253)
        picture = layer(random, picture, top, white, np.clip(sky.light * 1.05, 0, 1), 0.1, 4)
        if place == 0 and random.random() < 0.75:
            fir = (rgb(60, 95, 80), rgb(75, 110, 95), rgb(190, 210, 225))
            count = int(random.integers(4, 20))
            picture = wood(random, picture, sky.light, horizon + 0.1, 0.26, count, fir, True)
    names: tuple[str, ...] = (
        "snow",
        "a snowy landscape",
        "a winter landscape",
        "fields of white snow",
        "a snowy field in winter",
    )
    if random.random() < 0.4:
        picture = snowfall(random, picture)
        names = ("falling snow", "a snowy landscape with falling snow", "snowfall in winter")
    return picture, names


def snowfall(random: Random, picture: Array) -> Array:
    """Returns the picture with snowflakes of different sizes."""

    def draw(canvas: Any, size: int) -> None:
        for _ in range(150):
            x, y = random.random(2) * size
            r = float(random.uniform(0.8, 3.2))
            canvas.ellipse([x - r, y - r, x + r, y + r], (255, 255, 255))

    colour, cover = painted(draw, 0.8)
    return mix(picture, colour, cover * 0.85)


def city(random: Random, sky: Sky, horizon: float) -> Painted:
    """Paints a skyline, with lit windows under a dark sky, sometimes above water."""
    dark = float(sky.light.mean()) < 0.5
    picture = sky.picture
    base = horizon + 0.2
    for place in range(2):
        x = -3
        while x < SIZE:
            width = int(random.integers(8, 20))
            tall = float(random.uniform(0.15, 0.55)) * (1.1 - 0.25 * place)
            top = int(np.clip((base + 0.15 * place - tall) * SIZE, 0, SIZE - 1))
            left, right = max(x, 0), min(x + width, SIZE)
            wall = shifted(random, pick(random, rgb(120, 125, 140), rgb(150, 140, 130)), 0.05)
            wall = rgb(16, 18, 34) * (1 + 0.4 * random.random()) if dark else wall * sky.light
            if right > left:
                picture = picture.copy()
                picture[top:, left:right] = np.clip(wall * (0.8 + 0.2 * place), 0, 1)
                rows, columns = np.mgrid[top:SIZE, left:right]
                lattice = ((rows - top) % 4 < 2) & ((columns - x) % 4 < 2) & (rows - top > 1)
                lit = random.random(((SIZE - top) // 4 + 1, width // 4 + 1)) < (
                    0.5 if dark else 0.9
                )
                on = lit[(rows - top) // 4, (columns - x) // 4] & lattice
                shine = pick(random, rgb(255, 220, 130), rgb(255, 240, 190), rgb(170, 215, 255))
                pane = shine if dark else np.clip(wall * 0.6 + rgb(20, 40, 70), 0, 1)
                picture[top:, left:right][on] = pane
            x += width + int(random.integers(0, 4))
    if random.random() < 0.4:
        mirrored = Sky(picture, sky.light, (), (), None, None)
        picture = water(random, picture, mirrored, base + 0.08, 0.5)
    if dark:
        return picture, (
            "a city at night",
            "city lights",
            "a city with lit windows",
            "skyscrapers at night",
            "a night skyline",
        )
    return picture, ("a city", "a city skyline", "skyscrapers", "tall buildings", "a modern city")


def palms(random: Random, sky: Sky, horizon: float) -> Painted:
    """Paints palm trees on a beach."""
    picture = water(random, sky.picture, sky, horizon, 0.6)
    top = horizon + 0.25 + 0.12 * line_noise(random, 3, 0.4, 1.5)
    picture = layer(random, picture, top, rgb(240, 218, 170), sky.light, 0.1, 12)
    dim = 0.25 + 0.75 * sky.light
    if sky.source is not None and sky.light[2] < 0.8:
        dim = dim * 0.45

    def draw(canvas: Any, size: int) -> None:
        for _ in range(int(random.integers(1, 4))):
            x, y = float(random.uniform(0.1, 0.9)), float(random.uniform(0.8, 0.95))
            lean, tall = float(random.uniform(-0.15, 0.15)), float(random.uniform(0.35, 0.6))
            t = np.linspace(0, 1, 12)
            stem = [((x + lean * a * a) * size, (y - tall * a) * size) for a in t]
            canvas.line(stem, ink(rgb(120, 85, 55) * dim), int(size * 0.018))
            crown = stem[-1]
            for angle in np.linspace(-0.3, np.pi + 0.3, 9):
                reach = size * tall * 0.42
                far = (
                    crown[0] + reach * np.cos(angle),
                    crown[1] - reach * (0.55 * np.sin(angle) - 0.25),
                )
                middle = (
                    crown[0] + reach * 0.5 * np.cos(angle),
                    crown[1] - reach * 0.4 * np.sin(angle),
                )
                leaf = ink(shifted(random, rgb(50, 130, 55), 0.04) * dim)
                canvas.line([crown, middle, far], leaf, int(size * 0.02))

    colour, cover = painted(draw)
    return mix(picture, colour, cover), (
        "palm trees on a beach",
        "a tropical beach",
        "palm trees by the sea",
        "a tropical island beach",
    )


def volcano(random: Random, sky: Sky, horizon: float) -> Painted:
    """Paints an erupting volcano."""
    x, rise, half = float(random.uniform(0.35, 0.65)), float(random.uniform(0.35, 0.5)), 0.5
    cone = np.maximum(np.abs(X[0] - x) - 0.05, 0) / half
    top = horizon + 0.15 - rise * np.clip(1 - cone, 0, 1) ** 1.5
    top = top + 0.03 * line_noise(random, 5, 0.6, 5)
    crater = float(top[int(x * SIZE)])
    smoke = np.clip(noise(random, 5, 0.6, 3) - 0.35, 0, 1) * glow(x, crater - 0.2, 0.25) * 2
    picture = mix(sky.picture, rgb(70, 60, 65), np.clip(smoke, 0, 0.9))
    picture = mix(picture, rgb(255, 110, 30), 0.9 * glow(x, crater, 0.13))
    picture = layer(random, picture, top, rgb(75, 62, 62), sky.light, 0.5, 7)
    bed = noise(random, 5, 0.6, 5, 2, 1)
    flow = np.clip(1 - np.abs(bed - 0.5) * 14, 0, 1) * np.exp(-(((X - x) / 0.22) ** 2))
    flow = flow * step(top[None], Y)
    picture = mix(picture, rgb(255, 120, 25), flow)
    picture = mix(picture, rgb(255, 190, 70), disc(x, crater + 0.01, 0.035, 0.03))
    return picture, (
        "a volcano",
        "an erupting volcano",
        "a volcano with lava",
        "lava flowing from a volcano",
    )


GROUNDS = {  # painter: its relative frequency
    sea: 8.0,
    lake: 2.5,
    mountains: 5.0,
    forest: 6.0,
    meadow: 4.5,
    desert: 3.0,
    canyon: 1.2,
    snowfield: 3.0,
    city: 3.0,
    palms: 1.2,
    volcano: 1.2,
}
