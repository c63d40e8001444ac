"""Procedural scenes with exact captions: a sky over a ground, or one subject that fills all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from starter.canvas import Random, Y, as_bytes, mix, pick
from starter.fills import FILLS
from starter.grounds import GROUNDS
from starter.skies import SKIES

PREFIXES = ("a picture of ", "a painting of ", "a photo of ", "a view of ", "a beautiful view of ")
LANDSCAPES = 0.58  # share of the scenes that are a sky over a ground


@dataclass(frozen=True)
class Scene:
    """A picture (SIZE, SIZE, 3) in bytes and several captions, each of which is true of it."""

    picture: np.ndarray[Any, np.dtype[np.uint8]]
    captions: tuple[str, ...]
    kind: str


def chosen(random: Random, weights: dict[Callable[..., Any], float]) -> Callable[..., Any]:
    """Returns one of the painters, drawn with a probability proportional to its weight."""
    shares = np.array(list(weights.values()))
    return list(weights)[int(random.choice(len(shares), p=shares / shares.sum()))]


def landscape(random: Random) -> Scene:
    """Returns a sky over a ground that is painted in the sky's light."""
    horizon = float(random.uniform(0.38, 0.68))
    sky = chosen(random, SKIES)(random, horizon)
    ground = chosen(random, GROUNDS)
    picture, names = ground(random, sky, horizon)
    if random.random() < 0.06:
        haze = picture[: int(horizon * 150)].mean((0, 1))
        picture = mix(picture, haze, 0.6 * np.exp(-(((Y - horizon) / 0.2) ** 2)))
    kind = ground.__name__
    captions = []
    for _ in range(6):
        name, setting, alone = (
            pick(random, *names),
            pick(random, *sky.settings),
            pick(random, *sky.names),
        )
        form = int(random.integers(8))
        if form <= 4:
            captions.append(f"{name} {setting}")
        elif form == 5:
            captions.append(f"{alone} over {name}")
        elif form == 6:
            captions.append(f"{name}, {alone}")
        else:
            captions.append(name)
    return Scene(as_bytes(picture), tuple(captions), kind)


def fill(random: Random) -> Scene:
    """Returns a scene of one subject that fills the picture."""
    painter = chosen(random, FILLS)
    picture, names = painter(random)
    captions = tuple(str(pick(random, *names)) for _ in range(6))
    return Scene(as_bytes(picture), captions, painter.__name__)


def scene(seed: int) -> Scene:
    """Returns the scene of a seed: the same on every machine with the same numpy and Pillow."""
    random = np.random.default_rng(seed)
    made = landscape(random) if random.random() < LANDSCAPES else fill(random)
    picture = made.picture
    captions = [
        pick(random, *PREFIXES) + text if random.random() < 0.08 else text for text in made.captions
    ]
    if random.random() < 0.5:
        picture = picture[:, ::-1]
    return Scene(np.ascontiguousarray(picture), tuple(captions), made.kind)
