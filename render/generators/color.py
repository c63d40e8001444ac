"""One colour for the whole frame, as Text-to-Color optimises it."""

from __future__ import annotations

import torch
from torch import Tensor

from render.generators.generator import Generator, Start
from render.generators.warp import View
from render.plan.camera import Matrix

# The standard deviation of the colours that a step looks at around its own, at the first step and
# at the last. To a small perceptor similarity is a hilly land: without them the colour of grass
# ended violet, at 0.37, and with them green, at 0.59.
FAR, NEAR = 0.3, 0.05


class Color(Generator):
    """Latents are (B, 3, 1, 1): red, green and blue in [0, 1]. The camera does not change them."""

    kind = "color"
    unit = 0.05
    step_shares = (1.0,)
    spread = 1 / 6  # the mean squared difference of two random numbers in [0, 1]
    moves_latents = True

    def __init__(self, size: tuple[int, int]) -> None:
        """For pictures of a size, (width, height)."""
        super().__init__()
        self.size = size
        self.register_buffer("low", torch.zeros(3, 1, 1))
        self.register_buffer("high", torch.ones(3, 1, 1))

    @property
    def levels(self) -> tuple[int, ...]:
        """0 to 2: a flat picture is the same at every size."""
        return (0, 1, 2)

    def tint(self, progress: float) -> float:
        """Returns how far around its own colour a step looks."""
        return FAR + (NEAR - FAR) * progress

    def encode(self, picture: Tensor) -> Tensor:
        """Returns the mean colour of pictures."""
        return picture.mean((2, 3), keepdim=True)

    def paint(self, codes: Tensor, *, step: bool = False, level: int = 0) -> Tensor:
        """Returns flat pictures."""
        width, height = self.size
        return codes.clamp(0, 1).expand(-1, -1, height >> level, width >> level)

    def seen(self, latent: Tensor, matrix: Matrix, border: str) -> Tensor:
        """Returns the latent as it is."""
        return latent

    def warm_start(self, parent: Tensor, view: View) -> Start:
        """Returns the parent as it is."""
        return Start(parent, self.decode(parent))

    def with_exposed(self, start: Start, view: View) -> Start:
        """Returns the start as it is: what the parent did not show has the same colour."""
        return start
