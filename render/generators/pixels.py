"""A raster: every pixel is a number of the latent, in colours that are not correlated.

Steps move waves of every length, or squares of every size, instead of single pixels (Olah,
Mordvintsev & Schubert, Feature Visualization, 2017; V. Lysyakov's aphantasia).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from render.generators.generator import Generator, Start
from render.generators.warp import View
from render.plan.camera import Matrix, moves

# The square root of the covariance of colours in photographs, as Lucid has it: three uncorrelated
# numbers times this are red, green and blue before the sigmoid (github.com/tensorflow/lucid).
COLOURS = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
SATURATED = 1 / 512  # how near to 0 and 1 a colour is encoded: half a step of eight bits
LIMIT = 100.0  # of a latent's numbers; those of saturated colours are up to 77
PYRAMID = (0.3, 0.5, 0.5, 0.5, 0.5, 0.5)  # down to squares of 32 pixels


class Pixels(Generator):
    """Latents are (B, 3, H, W), pictures of the same size."""

    kind = "pixels"
    spread = 20.0

    def __init__(self, basis: str) -> None:
        """`basis` is "spectrum" or "pyramid": what steps move."""
        super().__init__()
        self.basis = basis
        self.unit = 0.3
        self.step_shares = PYRAMID if basis == "pyramid" else (1.0,)
        colours = COLOURS / COLOURS.norm(dim=0).max()
        self.register_buffer("colours", colours)
        self.register_buffer("to_latent", colours.inverse())
        self.register_buffer("low", torch.full((3, 1, 1), -LIMIT))
        self.register_buffer("high", torch.full((3, 1, 1), LIMIT))

    colours: Tensor  # (3, 3)
    to_latent: Tensor  # (3, 3): its inverse

    @property
    def levels(self) -> tuple[int, ...]:
        """0 to 2, by averages over squares."""
        return (0, 1, 2)

    def encode(self, picture: Tensor) -> Tensor:
        """Returns the latents of pictures; `decode` gives them back, but for what is brighter or
        darker than SATURATED allows."""
        values = picture.clamp(SATURATED, 1 - SATURATED).logit()
        return torch.einsum("ij,bjhw->bihw", self.to_latent, values)

    def paint(self, codes: Tensor, *, step: bool = False, level: int = 0) -> Tensor:
        """Returns the pictures."""
        picture = torch.einsum("ij,bjhw->bihw", self.colours, codes).sigmoid()
        return F.avg_pool2d(picture, 2**level) if level else picture

    @torch.no_grad()
    def seen(self, latent: Tensor, matrix: Matrix, border: str) -> Tensor:
        """Returns a latent as the camera sees it after a movement: its picture is warped."""
        return self.warm_start(latent, View(matrix, border)).latent

    @torch.no_grad()
    def warm_start(self, parent: Tensor, view: View) -> Start:
        """Returns the parent, warped where the camera moves."""
        picture = self.decode(parent)
        if not moves(view.matrix):
            return Start(parent, picture)
        return self.start_from(picture, view)

    def with_exposed(self, start: Start, view: View) -> Start:
        """Returns a start with what its parent did not show, which alone may change at first."""
        start = super().with_exposed(start, view)
        return replace(start, free=start.exposed)

    def zero_offsets(self, latent: Tensor) -> list[Tensor]:
        """Returns a spectrum (B, 3, H, W/2 + 1, 2) of zeros, or the pyramid of a grid."""
        if self.basis == "pyramid":
            return super().zero_offsets(latent)
        batch, channels, height, width = latent.shape
        return [latent.new_zeros(batch, channels, height, width // 2 + 1, 2)]

    def add_offsets(self, start: Tensor, offsets: list[Tensor]) -> Tensor:
        """Returns the start and the waves of a spectrum, or the pyramid of a grid."""
        if self.basis == "pyramid":
            return super().add_offsets(start, offsets)
        height, width = start.shape[-2:]
        waves = torch.view_as_complex(offsets[0]) * wave_heights(height, width, start.device)
        raster: Tensor = torch.fft.irfft2(waves, s=(height, width), norm="ortho")
        return start + raster

    def move_offsets(self, offsets: list[Tensor], change: Tensor) -> None:
        """Moves the waves, or the pyramid, so that the latent moves by a change of its shape."""
        if self.basis == "pyramid":
            super().move_offsets(offsets, change)
            return
        height, width = change.shape[-2:]
        waves = torch.fft.rfft2(change, norm="ortho") / wave_heights(height, width, change.device)
        offsets[0].add_(torch.view_as_real(waves))


def wave_heights(height: int, width: int, device: torch.device) -> Tensor:
    """Returns how high each wave of a spectrum is for its number, (H, W/2 + 1): the lower its
    frequency the higher; 1 on average over all pixels. By the frequency itself, as in photographs,
    a small perceptor leaves grain in the picture; hence the power."""
    rows = torch.fft.fftfreq(height, device=device)[:, None]
    columns = torch.fft.rfftfreq(width, device=device)[None]
    frequency = (rows.square() + columns.square()).sqrt().clamp_min(1 / max(height, width))
    heights = frequency**-1.4
    scaled: Tensor = heights / heights.square().mean().sqrt()
    return scaled
