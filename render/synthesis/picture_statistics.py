"""Statistics of a picture that later keyframes keep: its palette and its sharpness."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from kornia.color import rgb_to_lab
from kornia.filters import laplacian
from torch import Tensor

from render.generators.generator import Generator
from render.plan.plan import Plan
from render.synthesis.images import halved, load_image


@dataclass(frozen=True)
class ShotStatistics:
    """The palette and sharpness that a keyframe keeps, as `losses.LossInputs` takes them; None is
    not kept."""

    palette: Tensor | None = None  # (2, 3), see `palette_of`
    sharpness: Tensor | None = None  # (), see `sharpness_of`


@torch.no_grad()
def shot_statistics(
    plan: Plan, picture: Path | None, first: Tensor | None, generator: Generator, level: int = 0
) -> ShotStatistics:
    """Returns what later keyframes of a shot keep of its first one, whose latent is (1, C, h, w),
    in steps that look at pictures halved `level` times.

    The sharpness is that of the first keyframe; the palette is that of `picture`, a file scaled and
    cropped to the frame, or else of the first keyframe.
    """
    first_picture = None
    if first is not None:
        first_picture = generator.paint(generator.quantise(first), level=level)
    sharpness = None if first_picture is None else sharpness_of(first_picture)
    source = first_picture
    if picture is not None:
        source = halved(load_image(picture, generator.device, plan.size), level)
    return ShotStatistics(None if source is None else palette_of(source), sharpness)


def palette_of(picture: Tensor) -> Tensor:
    """Returns the mean and standard deviation of CIELAB's L, a and b, in hundredths, of a picture
    (B, 3, H, W) in [0, 1]: (2, 3).

    The statistics of colour transfer (Reinhard et al. 2001, there in another opponent space).
    """
    pixels = rgb_to_lab(picture).transpose(0, 1).flatten(1) / 100  # (3, B·H·W)
    # The square root has no finite slope at 0: a flat picture would give NaN.
    return torch.stack([pixels.mean(1), (pixels.var(1) + 1e-6).sqrt()])


def detail(picture: Tensor) -> Tensor:
    """Returns the finest detail of a picture (B, 3, H, W), of the same shape, around 0.

    It is the negative 3x3 Laplacian: the difference of each pixel from its eight neighbours.
    """
    # On CUDA, the gradient of a reflected border adds in an order that varies.
    border = "replicate" if torch.are_deterministic_algorithms_enabled() else "reflect"
    negative: Tensor = -laplacian(picture, 3, border)
    return negative


def sharpness_of(picture: Tensor) -> Tensor:
    """Returns the mean square () of the finest detail of a picture (B, 3, H, W); resampling takes
    that detail away first."""
    return detail(picture).square().mean()
