"""Frames and latents of the generator `strokes` as drawings, which have no resolution."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from render.film.frames import FramePainter
from render.generators.generator import Generator
from render.generators.strokes import COLOUR, OPACITY, POINTS, WIDTH, Strokes
from render.media.svg import Layer, Stroke
from render.plan.plan import Plan
from render.synthesis.latents import Store


def frame_layers(
    plan: Plan, store: Store, generators: Sequence[Generator], number: int
) -> list[Layer]:
    """Returns the layers of frame `number`, all of whose shots `strokes` must draw."""
    painter = FramePainter(plan, store, generators)
    return [
        layer_of(codes, strokes, plan.board.size, opacity)
        for strokes, codes, opacity in painter.layers(number)
        if isinstance(strokes, Strokes)
    ]


def layer_of(
    codes: Tensor, generator: Strokes, size: tuple[int, int], opacity: float = 1.0
) -> Layer:
    """Returns the drawing of codes (1, 14, N, 1) in the centre of whose picture is a frame of a
    size, (width, height)."""
    height = generator.size[1]
    numbers = codes[0, ..., 0].cpu()  # (14, N)
    middle = numbers.new_tensor([size[0] / 2, size[1] / 2] * 4)[:, None]
    points = (numbers[POINTS] * height + middle).T.tolist()
    widths = (numbers[WIDTH] * height).tolist()
    colours = (numbers[COLOUR].clamp(0, 1) * 255).round().int().T.tolist()
    opacities = numbers[OPACITY].clamp(0, 1).tolist()
    strokes = [
        Stroke(curve, width, _hex(colour), share)
        for curve, width, colour, share in zip(points, widths, colours, opacities, strict=True)
    ]
    return Layer(_hex((generator.paper * 255).round().int().tolist()), strokes, opacity)


def _hex(colour: Sequence[int]) -> str:
    """Returns a colour as '#rrggbb'."""
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"
