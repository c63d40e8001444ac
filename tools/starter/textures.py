"""Painters of patterns and materials that fill the picture; fills.py has more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from starter import fills
from starter.canvas import (
    SIZE,
    Array,
    Random,
    X,
    Y,
    ink,
    mix,
    noise,
    painted,
    pick,
    rgb,
    shifted,
    slope,
    solid,
    step,
)
from starter.fills import COLOURS, Painted


def pair(random: Random) -> tuple[str, str, Array, Array]:
    """Returns the names and values of two colours that differ enough to show a pattern."""
    words = list(COLOURS)
    while True:
        first, second = (words[i] for i in random.choice(len(words), 2, replace=False))
        one, two = shifted(random, COLOURS[first], 0.03), shifted(random, COLOURS[second], 0.03)
        if np.abs(one - two).max() > 0.35:
            return first, second, one, two


def waves(place: Array, count: float) -> Array:
    """Returns the mask of `count` soft-edged bands along `place`."""
    return step(0.0, np.sin(place * (2 * np.pi * count)), 0.25)


def stripes(random: Random) -> Painted:
    """Paints stripes of two colours."""
    first, second, one, two = pair(random)
    angle = float(pick(random, 0.0, np.pi / 2, np.pi / 4, -np.pi / 4)) + random.normal(0, 0.04)
    place = X * np.cos(angle) + Y * np.sin(angle)
    return mix(solid(one), two, waves(place, float(random.uniform(3, 9)))), (
        "stripes",
        "a striped pattern",
        f"{first} and {second} stripes",
    )


def checkerboard(random: Random) -> Painted:
    """Paints squares of two colours."""
    first, second, one, two = pair(random)
    if random.random() < 0.4:
        first, second, one, two = "black", "white", COLOURS["black"], COLOURS["white"]
    count = int(random.integers(4, 10))
    odd = (np.floor(X * count) + np.floor(Y * count)) % 2
    return mix(solid(one), two, odd.astype(np.float32)), (
        "a checkerboard",
        "a chessboard pattern",
        "checks",
        f"{first} and {second} squares",
    )


def polka_dots(random: Random) -> Painted:
    """Paints dots of one colour on another."""
    first, second, one, two = pair(random)
    count, radius = float(random.uniform(4, 8)), float(random.uniform(0.22, 0.38))
    row = np.floor(Y * count)
    x, y = (X * count + 0.5 * (row % 2)) % 1 - 0.5, Y * count % 1 - 0.5
    return mix(solid(one), two, 1 - step(radius, np.hypot(x, y), 0.06)), (
        "polka dots",
        "a dotted pattern",
        f"{second} dots on {first}",
    )


def plaid(random: Random) -> Painted:
    """Paints crossing bands of two colours with thin lines."""
    first, second, one, two = pair(random)
    count, soft = float(random.uniform(2.5, 5)), float(random.uniform(0.35, 0.55))
    picture = mix(solid(one), two, soft * waves(X, count))
    picture = mix(picture, two, soft * waves(Y, count))
    line = shifted(random, COLOURS[pick(random, "white", "yellow", "black")], 0.03)
    for place in (X, Y):
        picture = mix(picture, line, 0.7 * step(0.94, np.sin(place * 2 * np.pi * count + 1), 0.05))
    return picture, ("plaid", "tartan", f"a {first} and {second} plaid", "checked cloth")


def bricks(random: Random) -> Painted:
    """Paints a brick wall."""
    rows = int(random.integers(6, 12))
    row = np.floor(Y * rows)
    across = X * rows / 2 + 0.5 * (row % 2)
    x, y = across % 1, Y * rows % 1
    tone = pick(random, rgb(165, 70, 50), rgb(185, 95, 65), rgb(140, 60, 50))
    tones = random.uniform(0.75, 1.15, (rows + 1, rows + 2)).astype(np.float32)
    light = tones[row.astype(int), np.floor(across).astype(int)] * (
        0.8 + 0.4 * noise(random, 4, 0.7, 12)
    )
    joint = np.minimum(np.minimum(x, 1 - x) * 2, np.minimum(y, 1 - y))
    mortar = rgb(205, 198, 188) * pick(random, 1.0, 0.8)
    return np.clip(mix(solid(mortar), tone * light[..., None], step(0.07, joint, 0.05)), 0, 1), (
        "a brick wall",
        "bricks",
        "a wall of red bricks",
    )


def weave(random: Random) -> Painted:
    """Paints woven cloth of one colour."""
    word = str(pick(random, *COLOURS))
    tone = shifted(random, COLOURS[word], 0.03) * 0.8 + 0.1
    count = float(random.uniform(11, 20))
    over = (np.floor(X * count) + np.floor(Y * count)) % 2
    across, along = np.sin(X * count * np.pi) ** 2, np.sin(Y * count * np.pi) ** 2
    thread = np.where(over > 0, across, along).astype(np.float32)
    light = (0.55 + 0.5 * thread) * (0.9 + 0.2 * noise(random, 4))
    return np.clip(tone * light[..., None], 0, 1), (
        "woven fabric",
        "cloth",
        f"{word} fabric",
        "a textile",
    )


def honeycomb(random: Random) -> Painted:
    """Paints hexagonal cells."""
    count = float(random.uniform(5, 9))
    x, y = X * count, Y * count * 2 / np.sqrt(3)
    row = np.floor(y)
    near = np.full((2, SIZE, SIZE), 9, np.float32)  # distances to the two nearest cell centres
    for dy in (-1, 0, 1, 2):
        line = row + dy
        shift = 0.5 * (line % 2)
        for dx in (-1, 0, 1):
            away = np.hypot(x - (np.round(x - shift) + shift + dx), (y - line) * np.sqrt(3) / 2)
            near[1] = np.minimum(near[1], np.maximum(near[0], away))
            near[0] = np.minimum(near[0], away)
    wax, honey = rgb(120, 70, 15), pick(random, rgb(240, 175, 40), rgb(250, 200, 70))
    cell = honey * (0.75 + 0.4 * noise(random, 4))[..., None]
    return np.clip(mix(solid(wax), cell, step(0.12, near[1] - near[0], 0.08)), 0, 1), (
        "a honeycomb",
        "a hexagonal honeycomb pattern",
        "golden honeycomb",
    )


def zigzag(random: Random) -> Painted:
    """Paints zigzag bands of two colours."""
    first, second, one, two = pair(random)
    count = float(random.uniform(3, 6))
    fold = np.abs((X * count) % 1 - 0.5) / count
    return mix(solid(one), two, waves(Y + 2 * fold, count * 1.3)), (
        "a zigzag pattern",
        "zigzag lines",
        f"{first} and {second} zigzag",
    )


def grain(random: Random) -> Painted:
    """Paints grey or coloured noise."""
    if random.random() < 0.5:
        field = random.random((SIZE // 2, SIZE // 2, 1)).repeat(2, 0).repeat(2, 1).repeat(3, 2)
        return field.astype(np.float32), ("noise", "television static", "grey noise")
    field = random.random((SIZE // 2, SIZE // 2, 3)).repeat(2, 0).repeat(2, 1)
    return field.astype(np.float32), ("colourful noise", "noise", "coloured static")


def spots(random: Random) -> Painted:
    """Paints leopard fur."""
    field = noise(random, 3, 0.4, 9)
    coat = (
        pick(random, rgb(215, 165, 90), rgb(230, 190, 120))
        * (0.9 + 0.2 * noise(random, 4))[..., None]
    )
    rim = np.exp(-(((field - 0.56) / 0.05) ** 2))
    return np.clip(mix(coat, rgb(45, 28, 15), rim), 0, 1), (
        "leopard fur",
        "a leopard pattern",
        "spotted fur",
    )


def tiles(random: Random) -> Painted:
    """Paints a wall of square tiles."""
    word = str(pick(random, *COLOURS))
    count = int(random.integers(4, 8))
    tones = random.normal(0, 0.06, (count, count, 3)).astype(np.float32)
    tile = COLOURS[word] + tones[(Y * count).astype(int), (X * count).astype(int)]
    x, y = X * count % 1, Y * count % 1
    joint = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    return np.clip(mix(solid(rgb(225, 222, 215)), tile, step(0.05, joint, 0.04)), 0, 1), (
        "tiles",
        "a tiled wall",
        f"{word} tiles",
    )


def bark(random: Random) -> Painted:
    """Paints the bark of a tree."""
    field = noise(random, 6, 0.65, 5, 2.5, 0.5)
    tone = pick(random, rgb(105, 80, 60), rgb(85, 65, 50))
    shade = 0.75 + 0.5 * np.clip(slope(field, 0.1), -1.4, 1.4) * 0.6 + 0.4 * (field - 0.5)
    return np.clip(tone * shade[..., None], 0, 1), ("tree bark", "bark", "rough brown bark")


def gravel(random: Random) -> Painted:
    """Paints pebbles."""

    def draw(canvas: Any, edge: int) -> None:
        for _ in range(420):
            x, y = random.random(2) * edge
            wide, tall = random.uniform(0.015, 0.045, 2) * edge
            light = int(random.integers(95, 225))
            warm = int(random.integers(0, 18))
            canvas.ellipse(
                [x - wide, y - tall, x + wide, y + tall],
                (light, light - warm // 2, light - warm),
                ink(rgb(60, 58, 55)),
            )

    stones, cover = painted(draw)
    return mix(solid(rgb(60, 58, 55)), stones, cover), ("pebbles", "gravel", "small grey stones")


TEXTURES: dict[Callable[[Random], Painted], float] = {  # painter: its relative frequency
    stripes: 1.2,
    checkerboard: 1.2,
    polka_dots: 1.2,
    plaid: 1.2,
    bricks: 1.2,
    weave: 1,
    honeycomb: 1,
    zigzag: 0.7,
    grain: 0.7,
    spots: 0.7,
    tiles: 0.7,
    bark: 0.6,
    gravel: 0.7,
    fills.timber: 1,
    fills.marble: 1,
    fills.sand: 1,
    fills.surface: 1,
    fills.grass: 1,
    fills.stone: 0.7,
    fills.ice: 0.5,
}
