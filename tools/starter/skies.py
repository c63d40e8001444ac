"""Painters of skies: the upper part of most procedural scenes, and its light on the lower part.

A painter is given a random generator and the height of the horizon (0 is the upper edge, 1 the
lower).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from starter.canvas import (
    SIZE,
    Array,
    Random,
    X,
    Y,
    disc,
    glow,
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


@dataclass(frozen=True)
class Sky:
    """A painted sky, its light and the words for captions."""

    picture: Array
    light: Array  # (3,) the colour of white ground under it
    names: tuple[str, ...]  # "a blue sky": can stand alone
    settings: tuple[str, ...]  # "under a blue sky": can follow a ground's name
    source: tuple[float, float] | None = None  # sun or moon: x, height above the horizon
    source_colour: Array | None = None


def gradient(random: Random, stops: tuple[Array, ...], horizon: float) -> Array:
    """Returns a slightly uneven vertical gradient through the stops, which ends at the horizon."""
    uneven = 0.06 * (noise(random, 3, 0.5, 2, 1, 1) - 0.5)
    return ramp(tuple(shifted(random, stop, 0.02) for stop in stops), Y / horizon + uneven)


def clouds(
    random: Random, picture: Array, lit: Array, shade: Array, amount: float, base: float = 2.5
) -> Array:
    """Returns the picture with clouds that have a lit and a shaded side, from `amount` 0 (clear) to
    1 (covered)."""
    field = noise(random, 6, 0.55, base, 1, float(random.uniform(1.4, 3.5)))
    cover = np.clip((field - (0.75 - 0.5 * amount)) * 4, 0, 1)
    side = np.clip(0.55 + 0.35 * slope(noise(random, 4, 0.5, base) * 0.3 + field, 1.2), 0, 1)
    return mix(picture, mix(solid(shade), lit, side), cover * 0.92)


def stars(random: Random, picture: Array, count: int) -> Array:
    """Returns the picture with `count` stars, a few of them large."""
    layer = np.zeros((SIZE, SIZE), np.float32)
    rows, columns = random.integers(0, SIZE, count), random.integers(0, SIZE, count)
    layer[rows, columns] = random.random(count) ** 2 * 0.8 + 0.25
    for _ in range(max(2, count // 25)):
        x, y = random.random(2)
        layer += disc(x, y, float(random.uniform(0.004, 0.009)), 0.008)
    tint = ramp((rgb(200, 215, 255), rgb(255, 255, 255), rgb(255, 240, 210)), noise(random, 2))
    return np.clip(picture + layer[..., None] * tint, 0, 1)


DAY = (
    (rgb(30, 100, 200), rgb(100, 170, 235), rgb(200, 228, 248)),
    (rgb(55, 130, 215), rgb(120, 185, 240), rgb(225, 240, 250)),
    (rgb(20, 80, 180), rgb(70, 145, 225), rgb(150, 200, 240)),
)
SUNSETS: dict[str, tuple[Array, ...]] = {
    "orange": (rgb(70, 50, 110), rgb(200, 90, 80), rgb(250, 140, 50), rgb(255, 205, 110)),
    "red": (rgb(50, 25, 60), rgb(150, 35, 50), rgb(230, 60, 40), rgb(255, 140, 70)),
    "pink": (rgb(100, 90, 170), rgb(215, 130, 180), rgb(250, 160, 170), rgb(255, 205, 180)),
    "golden": (rgb(170, 120, 80), rgb(235, 170, 70), rgb(255, 205, 90), rgb(255, 235, 160)),
    "purple": (rgb(40, 25, 90), rgb(110, 50, 140), rgb(190, 90, 150), rgb(250, 160, 130)),
}
FANTASY: dict[str, tuple[Array, ...]] = {
    "green": (rgb(10, 70, 50), rgb(40, 150, 80), rgb(150, 225, 140)),
    "purple": (rgb(45, 10, 90), rgb(120, 50, 170), rgb(205, 150, 230)),
    "pink": (rgb(200, 70, 140), rgb(245, 140, 190), rgb(255, 210, 225)),
    "red": (rgb(90, 5, 15), rgb(190, 30, 30), rgb(240, 110, 80)),
    "yellow": (rgb(220, 160, 20), rgb(245, 210, 60), rgb(255, 240, 170)),
    "turquoise": (rgb(0, 90, 110), rgb(30, 165, 175), rgb(160, 230, 220)),
    "white": (rgb(225, 230, 235), rgb(240, 243, 246), rgb(252, 252, 252)),
    "black": (rgb(4, 4, 6), rgb(10, 10, 13), rgb(22, 22, 27)),
}


def day(random: Random, horizon: float) -> Sky:
    """Paints a blue sky, clear or with white clouds, sometimes with the sun."""
    picture = gradient(random, pick(random, *DAY), horizon)
    if random.random() < 0.35:
        names: tuple[str, ...] = (
            "a clear blue sky",
            "a blue sky",
            "a bright blue sky",
            "a light blue sky",
        )
        settings = ("under a clear blue sky", "on a sunny day", "under a blue sky", "at noon")
    else:
        amount = float(random.uniform(0.35, 0.8))
        picture = clouds(random, picture, rgb(255, 255, 255), rgb(190, 202, 220), amount)
        names = (
            "a blue sky with white clouds",
            "clouds in a blue sky",
            "fluffy white clouds",
            "a cloudy sky",
        )
        settings = (
            "under white clouds",
            "under a blue sky with clouds",
            "under a cloudy sky",
            "on a bright day",
        )
    if random.random() < 0.25:
        x, height = float(random.uniform(0.15, 0.85)), float(random.uniform(0.2, 0.4))
        picture = sun(picture, x, horizon - height, 0.05, rgb(255, 250, 220), 0.16)
        names = (*names, "the sun in a blue sky", "bright sunshine")
        return Sky(picture, rgb(255, 252, 244), names, settings, (x, height), rgb(255, 250, 220))
    return Sky(picture, rgb(255, 252, 244), names, settings)


def sun(picture: Array, x: float, y: float, radius: float, colour: Array, spread: float) -> Array:
    """Returns the picture with the sun's disc and its halo."""
    picture = mix(picture, colour, 0.75 * glow(x, y, spread))
    return mix(picture, np.minimum(colour * 1.08, 1), disc(x, y, radius, 0.015))


def sunset(random: Random, horizon: float) -> Sky:
    """Paints a sunset or sunrise in one of SUNSETS' colours."""
    colour = pick(random, *SUNSETS)
    stops = SUNSETS[colour]
    rising = random.random() < 0.2
    picture = gradient(random, stops, horizon)
    dark, bright = stops[0] * 0.8 + 0.1, np.minimum(stops[-1] * 1.05, 1)
    picture = clouds(random, picture, bright, dark, float(random.uniform(0.2, 0.7)))
    x, height = float(random.uniform(0.2, 0.8)), float(random.uniform(-0.01, 0.15))
    if random.random() < 0.8:
        radius = float(random.uniform(0.035, 0.085))
        picture = sun(picture, x, horizon - height, radius, rgb(255, 238, 180), 0.22)
    word = "sunrise" if rising else "sunset"
    article = "an" if colour == "orange" else "a"
    names = (
        f"{article} {colour} {word}",
        f"a {word} with {colour} light",
        f"{article} {colour} {word} sky",
        f"the sun {'rising' if rising else 'setting'} in {article} {colour} sky",
        f"{colour} clouds at {word}",
        f"a beautiful {word}",
    )
    settings = (
        f"at {word}",
        f"under {article} {colour} {word}",
        f"under {article} {colour} sky at {word}",
        "at dawn" if rising else "in the evening",
        "in the morning" if rising else "in warm evening light",
        f"at {word} with a glowing {colour} sky",
    )
    light = np.clip(stops[-2] * 0.45 + stops[-1] * 0.4, 0, 1)
    return Sky(picture, light, names, settings, (x, max(height, 0)), rgb(255, 225, 150))


def dusk(random: Random, horizon: float) -> Sky:
    """Paints the sky after sunset."""
    stops = (rgb(18, 22, 62), rgb(50, 50, 115), rgb(125, 85, 150), rgb(225, 145, 150))
    picture = gradient(random, stops, horizon)
    picture = clouds(random, picture, rgb(200, 130, 160), rgb(50, 45, 95), 0.35)
    if random.random() < 0.4:
        picture = stars(random, picture, 20)
    names = ("dusk", "twilight", "a purple and blue evening sky", "the blue hour")
    settings = ("at dusk", "at twilight", "in the blue hour", "under a purple evening sky")
    return Sky(picture, rgb(105, 95, 150), names, settings)


def night(random: Random, horizon: float) -> Sky:
    """Paints a night sky with stars, the moon or the milky way."""
    low = pick(random, rgb(22, 35, 90), rgb(40, 30, 85), rgb(12, 50, 80), rgb(15, 18, 45))
    picture = gradient(random, (rgb(3, 5, 18), rgb(8, 13, 45), low), horizon)
    kind = pick(random, "stars", "stars", "moon", "moon", "milky way")
    if kind == "milky way":
        band = np.exp(
            -((((X - 0.5) * 0.8 + (Y - 0.4) + 0.2 * (noise(random, 4) - 0.5)) / 0.2) ** 2)
        )
        dust = noise(random, 6, 0.65, 4)
        tint = ramp((rgb(60, 60, 140), rgb(170, 120, 190), rgb(250, 225, 220)), dust)
        picture = mix(picture, tint, band * dust * 0.8)
        picture = stars(random, picture, 260)
        names: tuple[str, ...] = (
            "the milky way",
            "a night sky full of stars",
            "the milky way in a starry sky",
        )
        settings: tuple[str, ...] = (
            "under the milky way",
            "under a sky full of stars",
            "on a starry night",
        )
        return Sky(picture, rgb(55, 62, 110), names, settings)
    picture = stars(random, picture, int(random.integers(40, 170)))
    if kind == "stars":
        names = (
            "a starry night sky",
            "stars in a dark sky",
            "the night sky with stars",
            "stars at night",
            "a dark night sky",
        )
        settings = (
            "at night",
            "under the stars",
            "under a starry night sky",
            "in the dark of night",
            "on a dark starry night",
        )
        return Sky(picture, rgb(45, 55, 100), names, settings)
    x, height = float(random.uniform(0.2, 0.8)), float(random.uniform(0.15, 0.4))
    radius = float(random.uniform(0.05, 0.12))
    y = horizon - height
    face = 0.86 + 0.14 * noise(random, 4, 0.6, 6)
    picture = mix(picture, rgb(170, 190, 235), 0.5 * glow(x, y, radius * 2.6))
    mask = disc(x, y, radius)
    crescent = random.random() < 0.35
    if crescent:
        mask = mask * (1 - disc(x + radius * 0.55, y - radius * 0.2, radius * 0.95))
    picture = mix(picture, rgb(250, 246, 222) * face[..., None], mask)
    moon = "crescent moon" if crescent else "full moon"
    names = (
        f"a {moon} in the night sky",
        f"the {moon} at night",
        "the moon and the stars",
        "the moon in a dark sky",
    )
    settings = (
        f"under a {moon}",
        "in the moonlight",
        "by moonlight at night",
        "at night under the moon",
    )
    return Sky(picture, rgb(85, 98, 150), names, settings, (x, height), rgb(220, 228, 250))


def aurora(random: Random, horizon: float) -> Sky:
    """Paints northern lights over stars."""
    picture = gradient(random, (rgb(3, 6, 22), rgb(6, 18, 45), rgb(12, 45, 65)), horizon)
    picture = stars(random, picture, 70)
    low, high, colour = pick(
        random,
        (rgb(60, 250, 140), rgb(60, 60, 190), "green"),
        (rgb(60, 250, 140), rgb(180, 50, 190), "green"),
        (rgb(90, 240, 200), rgb(40, 90, 210), "turquoise"),
        (rgb(225, 80, 190), rgb(90, 40, 190), "purple"),
    )
    for _ in range(int(random.integers(1, 4))):
        foot = horizon * (0.45 + 0.5 * line_noise(random, 3, 0.4, 2))[None]
        rays = 0.35 + 0.65 * line_noise(random, 4, 0.75, 10)[None]
        reach = float(random.uniform(0.15, 0.35))
        above = (foot - Y) / reach
        strength = np.where(above > 0, np.exp(-above * 1.3), np.exp(above * 9)) * rays
        tint = ramp((low, low, high), np.clip(above / 2, 0, 1))
        picture = np.clip(picture + tint * strength[..., None] * 0.75, 0, 1)
    names = (
        "the aurora",
        "northern lights",
        f"{colour} northern lights",
        f"a {colour} aurora in the night sky",
        "aurora borealis",
    )
    settings = (
        "under the aurora",
        "under the northern lights",
        f"under a {colour} aurora",
        f"at night under {colour} northern lights",
    )
    return Sky(picture, low * 0.25 + rgb(40, 55, 90), names, settings)


def storm(random: Random, horizon: float) -> Sky:
    """Paints dark storm clouds, sometimes with lightning."""
    picture = gradient(random, (rgb(28, 32, 42), rgb(65, 72, 88), rgb(130, 138, 150)), horizon)
    picture = clouds(random, picture, rgb(120, 128, 142), rgb(22, 25, 34), 0.85, 2)
    light = rgb(95, 102, 118)
    if random.random() < 0.55:
        fork = bolts(random)
        colour, cover = painted(fork, 5)
        picture = mix(picture, rgb(190, 195, 255), cover * 0.8)
        colour, cover = painted(fork)
        picture = mix(picture, colour, cover)
        names = (
            "lightning",
            "a thunderstorm",
            "lightning in a dark stormy sky",
            "a lightning bolt",
        )
        settings: tuple[str, ...] = (
            "in a thunderstorm",
            "with lightning",
            "under a stormy sky with lightning",
        )
        return Sky(picture, light, names, settings)
    names = ("storm clouds", "a dark stormy sky", "heavy dark grey clouds", "a stormy sky")
    settings = ("in a storm", "under dark storm clouds", "under a dark grey sky", "before a storm")
    return Sky(picture, light, names, settings)


def bolts(random: Random):  # type: ignore[no-untyped-def]
    """Returns a function that draws lightning; it is painted twice, blurred and sharp."""
    lines = []
    start = float(random.uniform(0.2, 0.8))
    for branch in range(int(random.integers(1, 4))):
        x, y = start, 0.0 if branch == 0 else float(random.uniform(0.1, 0.35))
        points = [(x, y)]
        while y < (0.75 if branch == 0 else 0.6):
            x, y = x + float(random.normal(0, 0.05)), y + float(random.uniform(0.03, 0.08))
            points.append((x, y))
        lines.append((points, 4 if branch == 0 else 2))

    def draw(canvas, size):  # type: ignore[no-untyped-def]
        for points, width in lines:
            canvas.line([(x * size, y * size) for x, y in points], (245, 245, 255), width)

    return draw


def overcast(random: Random, horizon: float) -> Sky:
    """Paints grey clouds."""
    picture = gradient(
        random, (rgb(125, 134, 146), rgb(165, 172, 182), rgb(205, 209, 214)), horizon
    )
    picture = clouds(random, picture, rgb(215, 219, 224), rgb(120, 128, 140), 0.7)
    names = ("a grey sky", "an overcast sky", "grey clouds", "a dull grey cloudy sky")
    settings = ("under a grey sky", "on a grey day", "under an overcast sky", "on a cloudy day")
    return Sky(picture, rgb(175, 180, 188), names, settings)


def fantasy(random: Random, horizon: float) -> Sky:
    """Paints a sky in one of FANTASY's colours, sometimes with clouds."""
    colour = pick(random, *FANTASY)
    stops = FANTASY[colour]
    picture = gradient(random, stops, horizon)
    if random.random() < 0.6:
        picture = clouds(random, picture, np.minimum(stops[-1] * 1.05, 1), stops[0], 0.45)
    names = (f"a {colour} sky", f"{colour} clouds in a {colour} sky", f"a sky all {colour}")
    settings = (f"under a {colour} sky", f"with a {colour} sky", f"in {colour} light")
    return Sky(picture, np.clip(stops[1] * 0.6 + stops[2] * 0.4, 0.1, 1), names, settings)


def rainbow(random: Random, horizon: float) -> Sky:
    """Paints a rainbow in a blue or a grey sky."""
    base = day(random, horizon) if random.random() < 0.6 else overcast(random, horizon)
    distance = np.hypot(
        X - random.uniform(0.3, 0.7), (Y - horizon - random.uniform(0, 0.15)) * 1.05
    )
    inner, width = float(random.uniform(0.3, 0.45)), float(random.uniform(0.07, 0.13))
    place = (distance - inner) / width
    bands = ramp(
        (
            rgb(130, 60, 190),
            rgb(60, 90, 230),
            rgb(50, 190, 90),
            rgb(250, 230, 60),
            rgb(250, 140, 40),
            rgb(235, 50, 50),
        ),
        place,
    )
    mask = step(0, place, 0.15) * (1 - step(1, place, 0.15))
    picture = mix(base.picture, bands, mask * float(random.uniform(0.6, 0.95)))
    names = ("a rainbow", "a rainbow in the sky", "a colourful rainbow", "a colorful rainbow")
    settings = ("under a rainbow", "with a rainbow", "after the rain with a rainbow")
    return Sky(picture, base.light, names, settings)


SKIES = {  # painter: its relative frequency
    day: 5.0,
    sunset: 6.0,
    dusk: 1.5,
    night: 4.0,
    aurora: 2.0,
    storm: 2.0,
    overcast: 1.2,
    fantasy: 2.0,
    rainbow: 1.0,
}
