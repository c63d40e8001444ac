"""Statistics of a picture that later keyframes keep: its palette and its sharpness."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from kornia.color import rgb_to_lab
from kornia.filters import laplacian
from torch import Tensor

from render.generators.vqgan import Generator
from render.plan.plan import Plan
from render.synthesis.images import load_image


@dataclass(frozen=True)
class ShotStatistics:
    """What a keyframe keeps to, if it does; as `losses.Sight` holds it."""

    palette: Tensor | None = None
    sharpness: Tensor | None = None


@torch.no_grad()
def shot_statistics(
    plan: Plan, picture: Path | None, first: Tensor | None, generator: Generator
) -> ShotStatistics:
    """Of the palette's picture, as it fills the frame, and of the shot's first latent
    (1, C, h, w), which is the palette where there is no picture."""
    palette = None if first is None else generator.decode(first)
    sharp = None if palette is None else sharpness_of(palette)
    if picture is not None:
        palette = load_image(picture, generator.low.device, plan.size)
    return ShotStatistics(None if palette is None else palette_of(palette), sharp)


def palette_of(picture: Tensor) -> Tensor:
    """Mean and standard deviation of a picture's L, a and b (B, 3, H, W) to (2, 3), in hundredths.

    What colour transfer keeps to (Reinhard et al. 2001, there in another opponent space).
    """
    pixels = rgb_to_lab(picture).transpose(0, 1).flatten(1) / 100  # (3, B·H·W)
    # The root has no slope at nothing: a flat picture would give NaN.
    return torch.stack([pixels.mean(1), (pixels.var(1) + 1e-6).sqrt()])


def detail(picture: Tensor) -> Tensor:
    """What is finest in a picture (B, 3, H, W), about 0: how far each pixel is from its eight."""
    away: Tensor = -laplacian(picture, 3)
    return away


def sharpness_of(picture: Tensor) -> Tensor:
    """The mean square of a picture's detail (B, 3, H, W), (): what moving it takes away first."""
    return detail(picture).square().mean()
