"""Simple shapes in one named colour on a background in another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from starter.canvas import Array, Random, X, Y, glow, ink, mix, noise, painted, pick, shifted, solid
from starter.fills import COLOURS, Painted
from starter.words import article

ELEVEN = tuple(COLOURS)[:11]  # the basic colour terms
Points = list[tuple[float, float]]  # around (0, 0), within 1 of it
Outline = Callable[[], Points]


def polygon(corners: int, turn: float = 0.0) -> Points:
    """Returns a regular polygon whose first corner is at the top, turned by `turn` radians."""
    angles = turn + np.arange(corners) * 2 * np.pi / corners
    return [(float(np.sin(a)), float(-np.cos(a))) for a in angles]


def star() -> Points:
    """Returns a star with five points."""
    angles = np.arange(10) * np.pi / 5
    return [
        (float(r * np.sin(a)), float(-r * np.cos(a)))
        for a, r in zip(angles, [1, 0.42] * 5, strict=True)
    ]


def heart() -> Points:
    """Returns a heart."""
    t = np.linspace(0, 2 * np.pi, 60)
    x = np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
    return [(float(a), float(b)) for a, b in zip(x, y - 0.1, strict=True)]


def cross() -> Points:
    """Returns a cross with four equal arms."""
    a = 0.32
    return [
        *((-a, -1), (a, -1), (a, -a), (1, -a), (1, a), (a, a)),
        *((a, 1), (-a, 1), (-a, a), (-1, a), (-1, -a), (-a, -a)),
    ]


def arrow() -> Points:
    """Returns an arrow that points to the right."""
    return [(-1, -0.3), (0.1, -0.3), (0.1, -0.8), (1, 0), (0.1, 0.8), (0.1, 0.3), (-1, 0.3)]


def crescent() -> Points:
    """Returns a crescent that opens to the right."""
    outer, inner = np.linspace(0.6, 2 * np.pi - 0.6, 40), np.linspace(2 * np.pi - 0.86, 0.86, 40)
    points = [(np.cos(a), np.sin(a)) for a in outer]
    points += [(0.3 + 0.8 * np.cos(a), 0.75 * np.sin(a)) for a in inner]
    return [(float(x), float(y)) for x, y in points]


def spiral() -> Points:
    """Returns a spiral band."""
    t = np.linspace(0.5, 5.5 * np.pi, 160)
    line = np.stack([np.cos(t), np.sin(t)], 1) * (t / t[-1])[:, None]
    inner = np.stack([np.cos(t), np.sin(t)], 1) * (t / t[-1] - 0.13).clip(0)[:, None]
    return [(float(x), float(y)) for x, y in np.concatenate([line, inner[::-1]])]


def ring() -> Points:
    """Returns a ring, its outer and its inner circle as one outline."""
    t = np.linspace(0, 2 * np.pi, 60)
    outer = np.stack([np.sin(t), np.cos(t)], 1)
    return [(float(x), float(y)) for x, y in np.concatenate([outer, outer[::-1] * 0.62])]


SHAPES: dict[str, Outline] = {
    "circle": lambda: polygon(60),
    "square": lambda: polygon(4, np.pi / 4),
    "triangle": lambda: polygon(3),
    "star": star,
    "heart": heart,
    "cross": cross,
    "ring": ring,
    "hexagon": lambda: polygon(6),
    "diamond": lambda: [(x * 0.7, y) for x, y in polygon(4)],
    "crescent": crescent,
    "arrow": arrow,
    "spiral": spiral,
}


def shape(random: Random, name: str | None = None) -> Painted:
    """Returns a picture of one shape, the one named or any, slightly turned, and its captions."""
    name = name or str(pick(random, *SHAPES))
    words = [ELEVEN[i] for i in random.choice(len(ELEVEN), 2, replace=False)]
    front, back = (shifted(random, COLOURS[word], 0.04) for word in words)
    size = float(random.uniform(0.26, 0.46))
    x, y = random.uniform(size, 1 - size, 2)
    turn = float(random.normal(0, 0.12))
    cosine, sine = np.cos(turn) * size, np.sin(turn) * size

    def draw(canvas: Any, edge: int) -> None:
        points = [
            (float(x + a * cosine - b * sine) * edge, float(y + a * sine + b * cosine) * edge)
            for a, b in SHAPES[name]()
        ]
        canvas.polygon(points, ink(front))

    colour, cover = painted(draw)
    background = solid(back)
    kind = random.random()
    if kind < 0.25:
        background = background * (0.75 + 0.35 * glow(0.5, 0.5, 0.6))[..., None]
    elif kind < 0.5:
        background = background * (0.9 + 0.2 * noise(random, 4))[..., None]
    if random.random() < 0.3:  # lit from above
        colour = colour * (1.1 - 0.3 * ((Y - y) + (X - x) * 0.3 + size) / (2 * size))[..., None]
    picture: Array = np.clip(mix(background, colour, cover), 0, 1)
    coloured, back_word = article(f"{words[0]} {name}"), words[1]
    return picture, (
        name,
        article(name),
        f"{article(name)} shape",
        coloured,
        f"{coloured} on {back_word}",
        f"{coloured} on {article(back_word)} ground",
    )
