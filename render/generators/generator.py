"""What every generator is asked for, whatever its latents are: the loop, the store, the frames and
interpolation know nothing else about it.

A generator of another kind is a module here with its row in `generators/load.py` and in
`weights/kinds.py`; tests/generators/test_contract.py runs over all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from render.generators.warp import View, newly_exposed, warp_parent
from render.plan.arithmetic import PLAIN, Arithmetic
from render.plan.camera import Matrix, moves

# How far a step moves each level of a grid's offsets, from single cells to eighths of the latent.
LEVEL_STEPS = (0.3, 0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Start:
    """What a keyframe starts from."""

    latent: Tensor  # (1, C, h, w)
    picture: Tensor  # (1, 3, H, W) in [0, 1]: what its losses compare with
    exposed: Tensor | None = None  # (1, 1, H, W), 0 or 1: what the parent did not show
    free: Tensor | None = None  # broadcasts to the latent, 0 to 1: what of it may change at first


class Generator(nn.Module, ABC):
    """Paints pictures (B, 3, H, W) float32 in [0, 1] from latents (B, C, h, w) float32.

    Offsets are what steps move: a list of tensors that `add_offsets` adds to a start. Those of a
    grid, here, are a pyramid (the preconditioning of Olah, Mordvintsev & Schubert, Feature
    Visualization, 2017).
    """

    kind = ""  # its row in weights/kinds.py
    digest = ""  # what its latents are tied to
    low: Tensor  # (C, 1, 1): the least value of each channel of a latent
    high: Tensor  # (C, 1, 1): the greatest
    spread = 1.0  # the mean squared difference of two usual latents, of one number
    unit = 1.0  # how far a step of size 1 moves a number
    gradient_scale = 1.0  # by which a step's loss is multiplied for its backward pass
    step_shares: tuple[float, ...] = LEVEL_STEPS  # of each tensor of offsets, how far a step goes
    # Whether the camera moves latents exactly, so that frames between keyframes are painted from
    # moved latents and not from warped pictures.
    moves_latents = False
    is_network = False  # then its convolutions can be chosen, and its steps recorded

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.low.device

    @property
    def levels(self) -> tuple[int, ...]:
        """How often the picture of a step may be halved, 0 among them."""
        return (0,)

    def on(self, device: torch.device, arithmetic: Arithmetic = PLAIN) -> Generator:
        """Moves the generator to a device, and returns it."""
        self.to(device)
        return self

    def tint(self, progress: float) -> float:
        """Returns the standard deviation of what is added to the colours of cutouts, from the first
        step of a keyframe (0) to the last (1)."""
        return 0.0

    def begin(self, picture: Tensor, seed: int) -> Tensor:
        """Returns the latent that a chain begins with, near to a soft picture (1, 3, H, W)."""
        return self.encode(picture)

    @abstractmethod
    def encode(self, picture: Tensor) -> Tensor:
        """Returns the latents of pictures (B, 3, H, W) in [0, 1], as near to them as may be."""

    def quantise(self, latent: Tensor) -> Tensor:
        """Returns the codes of a latent, of its shape; the gradient passes through."""
        return latent

    @abstractmethod
    def paint(self, codes: Tensor, *, step: bool = False, level: int = 0) -> Tensor:
        """Returns the pictures of codes; with `step` for a step only, at the size halved `level`
        times, one of `levels`."""

    def decode(self, latent: Tensor) -> Tensor:
        """Returns the pictures of a latent: quantised, then painted."""
        return self.paint(self.quantise(latent))

    @abstractmethod
    def seen(self, latent: Tensor, matrix: Matrix, border: str) -> Tensor:
        """Returns a latent (1, C, h, w) as the camera sees it after a movement."""

    @abstractmethod
    def warm_start(self, parent: Tensor, view: View) -> Start:
        """Returns what a keyframe starts from whose parent has this latent (1, C, h, w)."""

    def start_from(self, picture: Tensor, view: View) -> Start:
        """Returns what a keyframe starts from with a picture (1, 3, H, W) in place of a parent: an
        image, or the picture of another generator's latent."""
        if not moves(view.matrix):
            return Start(self.encode(picture), picture)
        warped = warp_parent(picture, view)
        return self.with_exposed(Start(self.encode(warped), warped), view)

    def with_exposed(self, start: Start, view: View) -> Start:
        """Returns a start with what its parent did not show."""
        height, width = start.picture.shape[-2:]
        return replace(start, exposed=newly_exposed(view, (width, height), start.picture.device))

    def between(self, before: Tensor, after: Tensor, fraction: float) -> Tensor:
        """Returns the codes between those of two neighbouring keyframes of a chain, 0 to 1."""
        return torch.lerp(before, after, fraction)

    def travel(self, before: Tensor, after: Tensor, fraction: float) -> Tensor:
        """Returns the codes between two that have nothing to do with one another, 0 to 1."""
        return torch.lerp(before, after, fraction)

    def share_of(self, mask: Tensor, latent: Tensor) -> Tensor:
        """Returns how much of each part of a latent a mask (1, 1, H, W) covers, in a shape that
        broadcasts to the latent's: of a grid, of each cell."""
        return F.interpolate(mask, size=latent.shape[-2:], mode="area")

    def zero_offsets(self, latent: Tensor) -> list[Tensor]:
        """Returns offsets of a latent that change nothing: of a grid at its size, and at a half, a
        quarter, ... of it."""
        height, width = latent.shape[-2:]
        return [
            latent.new_zeros(*latent.shape[:2], max(1, height >> level), max(1, width >> level))
            for level in range(len(self.step_shares))
        ]

    def add_offsets(self, start: Tensor, offsets: list[Tensor]) -> Tensor:
        """Returns a start with its offsets, differentiable: of a grid all enlarged to its size."""
        size = start.shape[-2:]
        coarse = (
            F.interpolate(offset, size=size, mode="bilinear", align_corners=False)
            for offset in offsets[1:]
        )
        return start + offsets[0] + sum(coarse)

    def move_offsets(self, offsets: list[Tensor], change: Tensor) -> None:
        """Moves offsets in place so that the latent moves by a change of its shape."""
        offsets[0].add_(change)

    def restored(self, average: Tensor, start: Tensor) -> Tensor:
        """Returns the average of latents with what steps never change, as the start has it."""
        return average
