"""The generators by kind, and how each is made ready."""

from __future__ import annotations

from collections.abc import Callable

from render.generators.color import Color
from render.generators.generator import Generator
from render.generators.pixels import Pixels
from render.generators.strokes import Strokes
from render.generators.vqgan import load_vqgan
from render.weights.catalog import Model
from render.weights.library import known_digest

Size = tuple[int, int]  # (width, height)

# A row for each of `weights.kinds.KINDS`: what makes a generator of a row of the catalogue.
LOADERS: dict[str, Callable[[Model, Size], Generator]] = {
    "vqgan": lambda model, size: load_vqgan(model),
    "pixels": lambda model, size: Pixels(model.config["basis"]),
    "color": lambda model, size: Color(size),
    "strokes": lambda model, size: Strokes(size, **model.config),
}


def load_generator(model: Model, size: Size = (0, 0)) -> Generator:
    """Returns a generator, on the CPU, for pictures of a size, (width, height), which only those
    need whose latents say nothing of it. Raises ModelError for weights that are absent or damaged.
    """
    generator = LOADERS[model.kind](model, size)
    generator.digest = known_digest(model)
    return generator
