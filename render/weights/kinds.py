"""What the plan knows of the kinds of generators, without torch: what a latent is, what a generator
of the kind may be told, and what it costs.

What a generator does with its latents is in `render/generators`, a module for each kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from render.weights.catalog import Model

STROKE_NUMBERS = 14  # of a stroke, see `generators.strokes`
LATENT_SIDE = 8192  # pixels of the picture that a latent decodes to; twice SIDE_LIMIT
STROKE_LIMIT, WIDTH_LIMITS, BASES = 4096, (0.002, 0.2), ("spectrum", "pyramid")
Shape = tuple[int, int, int]  # (C, h, w) of a latent


@dataclass(frozen=True)
class Kind:
    """A kind of generator."""

    latent_shape: Callable[[Model, tuple[int, int]], Shape]  # for pictures of (width, height)
    # Whether a latent of some size has this shape.
    fits: Callable[[Model, Shape], bool]
    # The GFLOP that a decode of so many megapixels takes, by its time.
    gflop: Callable[[Model, float], float]
    # Bytes that a step keeps at so many megapixels, beside what its perceptors keep.
    memory: Callable[[Model, float], float]
    encode: float = 1.0  # decodes that take as long as encoding a picture
    moves_latents: bool = False  # the camera moves latents; else it warps pictures
    any_size: bool = False  # one latent is painted at every size
    parameters: tuple[str, ...] = ()  # that a storyboard may set
    # Weights of losses that are others than usual, where a storyboard sets none.
    losses: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)  # likewise; as `Settings` names them


def _network_memory(model: Model, megapixels: float) -> float:
    """Measured, peak of a step: 12 GB a megapixel with taming's decoder of 3856 GFLOP, 3.3 with the
    starter's of 228. Activations grow with the channels, GFLOP with their square: hence the root.
    The constant part is the losses'. Steps in bfloat16 need as much, because frames are decoded in
    float32."""
    return float((0.7e9 + 11.5e9 * (model.gflop_per_megapixel / 3856) ** 0.5) * megapixels)


def _painted(model: Model) -> float:
    """How many strokes of the usual width cost as much as those of a generator: what is looked at
    around each piece of a stroke grows with the square of its width."""
    width = (model.config["width"] + 0.03) / 0.07
    return float(model.config["count"] * max(1.0, width**2))


# Costs were measured by tools/bench_generators.py.
KINDS: dict[str, Kind] = {
    # Cells of numbers that a decoder makes pictures of.
    "vqgan": Kind(
        latent_shape=lambda model, size: (
            model.channels, size[1] // model.factor, size[0] // model.factor
        ),
        gflop=lambda model, megapixels: model.gflop_per_megapixel * megapixels,
        memory=_network_memory,
        # How many channels it has, its digest says.
        fits=lambda model, shape: 0 < max(shape[1:]) * model.factor <= LATENT_SIDE,
    ),
    # A raster in decorrelated colours.
    "pixels": Kind(
        latent_shape=lambda model, size: (3, size[1], size[0]),
        gflop=lambda model, megapixels: 8 * megapixels,
        memory=lambda model, megapixels: 1e9 * megapixels,
        fits=lambda model, shape: shape[0] == 3 and 0 < max(shape[1:]) <= LATENT_SIDE,
        parameters=("basis",),
        losses={"smoothness": 40.0},
    ),
    # One colour for the whole frame.
    "color": Kind(
        latent_shape=lambda model, size: (3, 1, 1),
        gflop=lambda model, megapixels: megapixels,
        memory=lambda model, megapixels: 0.7e9 * megapixels,
        fits=lambda model, shape: shape == (3, 1, 1),
        moves_latents=True,
        any_size=True,
        # The decay as Text-to-Color has it: torch's own 0.01, of which a step of size 1 takes 0.05.
        settings={"optimizer": "adamw", "weight_decay": 0.0005},
    ),
    # Cubic Bezier curves, one behind another.
    "strokes": Kind(
        latent_shape=lambda model, size: (STROKE_NUMBERS, model.config["count"], 1),
        gflop=lambda model, megapixels: (5 + 0.18 * _painted(model)) * megapixels,
        # Bands of the picture are painted one after another before there is more.
        memory=lambda model, megapixels: (
            0.7e9 * megapixels + min(4.5e6 * _painted(model) * megapixels, 2.5e9)
        ),
        encode=80,
        fits=lambda model, shape: (
            shape[0] == STROKE_NUMBERS and 0 < shape[1] <= STROKE_LIMIT and shape[2] == 1
        ),
        moves_latents=True,
        any_size=True,
        parameters=("count", "width", "paper"),
    ),
}  # fmt: skip


# Whether a value may be a parameter, as it may stand in the note of a file from anywhere.
PARAMETERS: dict[str, Callable[[Any], bool]] = {
    "count": lambda value: type(value) is int and 1 <= value <= STROKE_LIMIT,
    "width": lambda value: (
        type(value) in (int, float) and WIDTH_LIMITS[0] <= value <= WIDTH_LIMITS[1]
    ),
    "paper": lambda value: isinstance(value, str) and bool(re.fullmatch("#[0-9a-f]{6}", value)),
    "basis": lambda value: value in BASES,
}


def parameters_in(note: Any, model: Model) -> dict[str, Any]:
    """Returns the parameters that the note of a file gives a generator, without those that no
    storyboard could have set."""
    found = note if isinstance(note, dict) else {}
    return {
        name: found[name]
        for name in kind_of(model).parameters
        if name in found and PARAMETERS[name](found[name])
    }


def kind_of(model: Model) -> Kind:
    """Returns the kind of a generator."""
    return KINDS[model.kind]


def is_shape_of(model: Model, shape: Any) -> bool:
    """Returns whether a tensor of this shape, as it stands in a file from anywhere, may be a
    latent of a generator."""
    numbers = list(shape) if isinstance(shape, list | tuple) else []
    if [type(side) for side in numbers] != [int] * 4 or numbers[0] != 1:
        return False
    channels, height, width = numbers[1:]
    return kind_of(model).fits(model, (channels, height, width))


def latent_shape(model: Model, size: tuple[int, int]) -> Shape:
    """Returns (C, h, w) of a generator's latents for pictures of (width, height)."""
    return kind_of(model).latent_shape(model, size)


def with_parameters(model: Model, parameters: Iterable[tuple[str, Any]]) -> Model:
    """Returns a generator with these parameters in place of its usual ones."""
    own = dict(parameters)
    return replace(model, config={**model.config, **own}) if own else model
