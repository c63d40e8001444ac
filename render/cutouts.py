"""Views: what the perceptor is shown, n looks at one picture, each through one homography.

Notebooks of this field crop, pad, rotate, shear, distort and flip one after another, each step
blurring and each drawing from global randomness. Here the steps are composed into one 3x3 matrix
per view, and the picture is read once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from kornia.geometry import warp_grid
from torch import Tensor
from torch.nn import functional as F

ROTATION = math.radians(8)  # standard deviations, small: a horizon should stay a horizon
SHEAR = 0.04
PERSPECTIVE = 0.06
OVERHANG = 0.1  # how far a view may look past the edge, as a share of its own side
GAIN = 0.04  # per colour channel
NOISE = 0.06  # at most, as in the field's notebooks


@dataclass(frozen=True)
class Views:
    """The random numbers of n views of one step; on the CPU, so every device sees the same."""

    homographies: Tensor  # (n, 3, 3): view coordinates -1..1 to picture pixels from its centre
    gains: Tensor  # (n, 3, 1, 1)
    noise: Tensor | None  # (n, 1, 1, 1): strength
    seed: int


def sample_views(
    count: int,
    picture: tuple[int, int],
    sizes: tuple[float, float],
    seed: int,
    *,
    noise: bool = True,
) -> Views:
    """`count` views of a (width, height) picture; sides are `sizes` of its shorter side.

    Sizes and places are stratified, not independent: a few views that cover the picture see as
    much as many that overlap. Places follow the R2 sequence (M. Roberts 2018), shifted at random.
    """
    width, height = picture
    random = torch.Generator().manual_seed(seed)
    uniform = torch.rand(count, 4, generator=random)
    normal = torch.randn(count, 8, generator=random)
    shift = torch.rand(2, generator=random)
    index = torch.arange(count)
    order = torch.randperm(count, generator=random)

    low, high = sizes
    sides = (low + (high - low) * (order + uniform[:, 0]) / count) * min(width, height)
    places = torch.stack([index * 0.7548776662466927, index * 0.5698402909980532], dim=1)
    places = torch.remainder(places + shift, 1)  # (n, 2) in [0, 1)
    room = torch.tensor([width, height]) - sides[:, None] * (1 - 2 * OVERHANG)  # (n, 2)
    centres = (places - 0.5) * room.clamp_min(0)

    homography = torch.eye(3).repeat(count, 1, 1)
    cosine, sine = torch.cos(normal[:, 0] * ROTATION), torch.sin(normal[:, 0] * ROTATION)
    flip = torch.where(uniform[:, 1] < 0.5, -1.0, 1.0)
    half = sides / 2
    homography[:, 0, 0] = half * cosine * flip
    homography[:, 0, 1] = half * (normal[:, 1] * SHEAR - sine)
    homography[:, 1, 0] = half * sine * flip
    homography[:, 1, 1] = half * (cosine + normal[:, 2] * SHEAR)
    homography[:, :2, 2] = centres
    homography[:, 2, :2] = (normal[:, 3:5] * PERSPECTIVE).clamp(-0.25, 0.25)
    # The centre row must carry the shift through the perspective divide.
    homography[:, :2, :2] += centres[:, :, None] * homography[:, 2:, :2]
    return Views(
        homography,
        (1 + normal[:, 5:8] * GAIN)[:, :, None, None],
        (uniform[:, 2] * NOISE)[:, None, None, None] if noise else None,
        seed,
    )


def cut(picture: Tensor, views: Views, side: int) -> Tensor:
    """(1, 3, H, W) in [0, 1] to views (n, 3, side, side); differentiable in the picture.

    A view that shrinks the picture reads from a copy averaged to about its own scale, so that
    what it skips still counts and still gets a gradient.
    """
    device = picture.device
    height, width = picture.shape[-2:]
    steps = (torch.arange(side, device=device, dtype=torch.float32) + 0.5) * (2 / side) - 1
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)[None]  # (1, S, S, 2)
    scale = torch.tensor([2 / width, 2 / height], device=device)

    pieces: list[Tensor] = []
    order: list[int] = []
    reduced = picture
    for level, chosen in enumerate(by_level(views, side, min(height, width))):
        if level:
            reduced = F.avg_pool2d(reduced, 2, ceil_mode=True, count_include_pad=False)
        if chosen:
            matrices = views.homographies[chosen].to(device)
            points = warp_grid(grid.expand(len(chosen), -1, -1, -1), matrices) * scale
            source = reduced.expand(len(chosen), -1, -1, -1)
            pieces.append(
                F.grid_sample(source, points, padding_mode="reflection", align_corners=False)
            )
            order += chosen
    cuts = torch.cat(pieces)[torch.tensor(order).argsort().to(device)]  # (n, 3, S, S)
    cuts = cuts * views.gains.to(device)
    if views.noise is not None:
        random = torch.Generator().manual_seed(views.seed ^ 0x5EED)
        grain = torch.randn(cuts.shape, generator=random)
        cuts = cuts + (views.noise * grain).to(device)
    return cuts


def by_level(views: Views, side: int, shorter: int) -> list[list[int]]:
    """The numbers of the views of `side` pixels that read a picture, whose shorter side is given,
    as it is, halved, quartered, and so on. On the CPU: no device is waited for."""
    homographies = views.homographies
    # The view's own axis, without what the perspective divide takes back from its centre.
    axis = homographies[:, :2, 1] - homographies[:, :2, 2] * homographies[:, 2:, 1]
    shrink = torch.linalg.norm(axis, dim=1) * 2 / side  # picture pixels per view pixel
    levels = torch.log2(shrink).round().clamp(0, math.log2(shorter)).long().tolist()
    return [[n for n, level in enumerate(levels) if level == of] for of in range(max(levels) + 1)]


def shares(masks: Tensor, views: Views) -> Tensor:
    """How much of each view lies in each mask (p, 1, H, W): (n, p) in [0, 1]."""
    height, width = masks.shape[-2:]
    count = len(views.homographies)
    steps = (torch.arange(12, device=masks.device, dtype=torch.float32) + 0.5) / 6 - 1
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)[None]
    points = warp_grid(grid.expand(count, -1, -1, -1), views.homographies.to(masks.device))
    points = points * torch.tensor([2 / width, 2 / height], device=masks.device)
    seen = F.grid_sample(
        masks[:, 0].expand(count, -1, -1, -1), points, padding_mode="border", align_corners=False
    )
    return seen.mean((2, 3))
