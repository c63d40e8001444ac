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

STROKE_NUMBERS = 14  # of a stroke: eight of its curve, width, colour, opacity, birth
Shape = tuple[int, int, int]  # (C, h, w) of a latent


@dataclass(frozen=True)
class Kind:
    """A kind of generator."""

    latent_shape: Callable[[Model, tuple[int, int]], Shape]  # for pictures of (width, height)
    # The GFLOP that a decode of so many megapixels takes, by its time.
    gflop: Callable[[Model, float], float]
    # Bytes that a step keeps at so many megapixels, beside what its perceptors keep.
    memory: Callable[[Model, float], float]
    encode: float = 1.0  # decodes that take as long as encoding a picture
    has_weights: bool = False  # of a network, in a file
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


# Costs were measured by tools/bench_generators.py.
KINDS: dict[str, Kind] = {
    # Cells of numbers that a decoder makes pictures of.
    "vqgan": Kind(
        latent_shape=lambda model, size: (
            model.channels, size[1] // model.factor, size[0] // model.factor
        ),
        gflop=lambda model, megapixels: model.gflop_per_megapixel * megapixels,
        memory=_network_memory,
        has_weights=True,
    ),
    # A raster in decorrelated colours.
    "pixels": Kind(
        latent_shape=lambda model, size: (3, size[1], size[0]),
        gflop=lambda model, megapixels: 8 * megapixels,
        memory=lambda model, megapixels: 1e9 * megapixels,
        parameters=("basis",),
        losses={"smoothness": 40.0},
    ),
    # One colour for the whole frame.
    "color": Kind(
        latent_shape=lambda model, size: (3, 1, 1),
        gflop=lambda model, megapixels: megapixels,
        memory=lambda model, megapixels: 0.7e9 * megapixels,
        # The decay as Text-to-Color has it: torch's own 0.01, of which a step of size 1 takes 0.05.
        settings={"optimizer": "adamw", "weight_decay": 0.0005},
    ),
    # Cubic Bezier curves, one behind another.
    "strokes": Kind(
        latent_shape=lambda model, size: (STROKE_NUMBERS, model.config["count"], 1),
        gflop=lambda model, megapixels: (5 + 0.18 * model.config["count"]) * megapixels,
        # Bands of the picture are painted one after another before there is more.
        memory=lambda model, megapixels: (
            0.7e9 * megapixels + min(4.5e6 * model.config["count"] * megapixels, 2e9)
        ),
        encode=80,
        parameters=("count", "width", "paper"),
    ),
}  # fmt: skip


# Whether a value may be a parameter, as it may stand in the note of a file from anywhere.
STROKE_LIMIT, WIDTH_LIMITS, BASES = 4096, (0.002, 0.5), ("spectrum", "pyramid")
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


def latent_shape(model: Model, size: tuple[int, int]) -> Shape:
    """Returns (C, h, w) of a generator's latents for pictures of (width, height)."""
    return kind_of(model).latent_shape(model, size)


def with_parameters(model: Model, parameters: Iterable[tuple[str, Any]]) -> Model:
    """Returns a generator with these parameters in place of its usual ones."""
    own = dict(parameters)
    return replace(model, config={**model.config, **own}) if own else model
