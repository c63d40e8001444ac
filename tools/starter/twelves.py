"""Twelve names of each kind with painters, on which recognition and guidance are tested.

Their random generators have seeds that training never uses.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from starter import fills, grounds, skies, textures
from starter.canvas import Array, Random, shifted, solid
from starter.drawings import Drawings
from starter.fills import COLOURS
from starter.shapes import SHAPES, shape
from starter.studies import styled
from starter.styles import STYLES
from starter.words import article

Paint = Callable[[Random], Array]


def over(ground: Any, sky: Any, *rest: Any) -> Paint:
    """Returns a painter of that ground under that sky; `rest` goes to the ground's painter."""

    def paint(random: Random) -> Array:
        horizon = float(random.uniform(0.4, 0.65))
        picture: Array = ground(random, sky(random, horizon), horizon, *rest)[0]
        return np.clip(picture, 0, 1)

    return paint


def named(painter: Any, *words: str) -> Paint:
    """Returns a painter of pictures with at least one name that contains one of the words."""

    def paint(random: Random) -> Array:
        while True:
            made = painter(random)
            picture, names = made if isinstance(made, tuple) else (made.picture, made.names)
            if any(word in name for name in names for word in words):
                return np.clip(picture, 0, 1)

    return paint


def colour(word: str) -> Paint:
    """Returns a painter of that plain colour with a little noise."""
    return lambda random: solid(shifted(random, COLOURS[word], 0.04))


def style(name: str) -> Paint:
    """Returns a painter of random scenes in that style."""
    no_drawings = Drawings(Path())
    return lambda random: np.clip(styled(random, no_drawings, name)[0], 0, 1)


def outline(name: str) -> Paint:
    """Returns a painter of that shape."""
    return lambda random: shape(random, name)[0]


TWELVES: dict[str, dict[str, Paint]] = {
    "colours": {word: colour(word) for word in list(COLOURS)[:12]},
    "shapes": {article(name): outline(name) for name in SHAPES},
    "scenes": {
        "a blue sky with white clouds": named(lambda r: skies.day(r, 1.1), "white clouds"),
        "the blue sea": over(grounds.sea, skies.day),
        "an orange sunset": named(lambda r: skies.sunset(r, 1.0), "orange"),
        "a green forest": named(fills.inside_forest, "green"),
        "fire": named(fills.fire, "fire"),
        "a starry night sky": named(lambda r: skies.night(r, 1.1), "starry", "full of stars"),
        "snowy mountains": over(grounds.mountains, skies.day, True),
        "a golden desert": over(grounds.desert, skies.day),
        "northern lights": named(lambda r: skies.aurora(r, 1.1), "green"),
        "a city at night": over(grounds.city, skies.night),
        "underwater": named(fills.underwater, "underwater"),
        "autumn leaves": named(fills.leaves, "autumn"),
    },
    "textures": {
        "stripes": named(textures.stripes, ""),
        "a checkerboard": named(textures.checkerboard, ""),
        "polka dots": named(textures.polka_dots, ""),
        "plaid": named(textures.plaid, ""),
        "a brick wall": named(textures.bricks, ""),
        "woven fabric": named(textures.weave, ""),
        "a honeycomb": named(textures.honeycomb, ""),
        "wood": named(fills.timber, ""),
        "marble": named(fills.marble, "white"),
        "sand": named(fills.sand, ""),
        "rippling blue water": named(fills.surface, ""),
        "green grass": named(fills.grass, ""),
    },
    "styles": {name: style(name) for name in STYLES},
}
