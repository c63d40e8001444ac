"""A picture as the camera sees it: resampled once, as float, by a homography."""

from __future__ import annotations

import math

import torch
from kornia.filters import gaussian_blur2d
from PIL import ImageColor
from torch import Tensor
from torch.nn import functional as F

from render.plan.camera import Matrix, inverse

# Border name to how `grid_sample` looks up points outside; `wrap` folds the grid instead, a colour
# is black with the colour taken away before and given back behind, and what a `dream` will paint
# anew looks like a mirror until then.
BORDERS = {
    "mirror": "reflection", "smear": "border", "black": "zeros", "wrap": "reflection",
    "dream": "reflection",
}  # fmt: skip
FAR = 8.0  # halves of a picture: where points towards and beyond a horizon are looked up
SAMPLES = 8  # most samples along one side of a pixel that shows much of a picture


def pixel_points(height: int, width: int, device: torch.device, samples: tuple[int, int]) -> Tensor:
    """(1, H·down, W·across, 2): `samples` (across, down) points in every pixel, in camera units
    (see `render.camera`)."""
    sides = []
    for side, count in zip((width, height), samples, strict=True):
        place = torch.arange(side * count, device=device, dtype=torch.float32)
        sides.append(((place + 0.5) / count - side / 2) / height)
    return torch.stack(torch.meshgrid(*sides, indexing="xy"), dim=-1)[None]


def source_grid(
    matrix: Matrix,
    height: int,
    width: int,
    device: torch.device,
    samples: tuple[int, int] = (1, 1),
) -> Tensor:
    """(1, H, W, 2): where each output pixel comes from, -1..1 across the source picture.

    Through a homography a point may come from behind the camera, w <= 0: from far outside.
    """
    back = torch.tensor(inverse(matrix), dtype=torch.float32, device=device).view(3, 3)
    points = F.pad(pixel_points(height, width, device, samples), (0, 1), value=1.0) @ back.T
    across = torch.tensor([2 * height / width, 2.0], device=device)
    if is_affine(matrix):
        return points[..., :2] * across
    w = points[..., 2:]
    grid = points[..., :2] * across / w.clamp_min(1e-6)
    return grid.clamp(-FAR, FAR)


def is_affine(matrix: Matrix) -> bool:
    """Whether parallels stay parallel."""
    return matrix[6:] == (0.0, 0.0, 1.0)


def warp(picture: Tensor, matrix: Matrix, border: str) -> Tensor:
    """(B, 3, H, W) in [0, 1], seen through `matrix`."""
    if border.startswith("#"):
        colour = torch.tensor(ImageColor.getrgb(border), device=picture.device).view(3, 1, 1) / 255
        return (resample(picture - colour, matrix, border) + colour).clamp(0, 1)
    return resample(picture, matrix, border).clamp(0, 1)  # bicubic overshoots at edges


def resample(picture: Tensor, matrix: Matrix, border: str) -> Tensor:
    """(B, C, H, W) float, pictures or latents; outside what there was, `border` decides: of a
    colour nothing is left, zeros.

    Bicubic, because it is resampled at every keyframe and linear weights would blur a zoom. Where
    the picture shrinks it must not shimmer: it is blurred first if it shrinks evenly, and else
    every pixel is the mean of as many points as it shows of the old picture's.
    """
    height, width = picture.shape[-2:]
    samples = (1, 1)
    if is_similarity(matrix):
        shrink = 1 / math.sqrt(abs(matrix[0] * matrix[4] - matrix[1] * matrix[3]))
        picture = blur_for_shrinking(picture, shrink, border)
    else:
        samples = samples_per_pixel(source_grid(matrix, height, width, picture.device))
    grid = source_grid(matrix, height, width, picture.device, samples)
    if border == "wrap":
        grid = torch.remainder(grid + 1, 2) - 1
        pad = 2  # bicubic reads two pixels beyond
        picture = F.pad(picture, (pad,) * 4, mode="circular")
        grid = grid * torch.tensor(
            [width / (width + 2 * pad), height / (height + 2 * pad)], device=grid.device
        )
    grid = grid.expand(picture.shape[0], -1, -1, -1)
    sampled = F.grid_sample(
        picture,
        grid,
        mode="bicubic",
        padding_mode=BORDERS.get(border, "zeros"),
        align_corners=False,
    )
    return sampled if samples == (1, 1) else F.avg_pool2d(sampled, (samples[1], samples[0]))


def is_similarity(matrix: Matrix) -> bool:
    """Whether it only zooms, turns and moves."""
    return is_affine(matrix) and matrix[0] == matrix[4] and matrix[1] == -matrix[3]


def blur_for_shrinking(picture: Tensor, shrink: float, border: str) -> Tensor:
    """What can be seen of a picture (B, C, H, W) that will be `shrink` times smaller."""
    if shrink <= 1.1:
        return picture
    height, width = picture.shape[-2:]
    sigma = 0.5 * math.sqrt(shrink**2 - 1)
    size = min(2 * math.ceil(3 * sigma) + 1, 2 * (min(height, width) // 2) - 1)
    edge = "circular" if border == "wrap" else "reflect"
    calm: Tensor = gaussian_blur2d(picture, (size, size), (sigma, sigma), edge)
    return calm


def samples_per_pixel(grid: Tensor) -> tuple[int, int]:
    """How many points to take across and down each pixel of a source grid (1, H, W, 2), so that
    none of the source's pixels inside the picture lies between two of them."""
    height, width = grid.shape[1:3]
    half = torch.tensor([width / 2, height / 2], device=grid.device)
    inside = (grid.abs() <= 1).all(-1)  # (1, H, W): beyond a horizon steps have no end
    counts = []
    for along in (2, 1):
        steps = (grid.diff(dim=along) * half).norm(dim=-1)
        shown = inside.narrow(along, 0, inside.shape[along] - 1)
        longest = steps[shown].max().item() if shown.any() else 1.0
        counts.append(min(SAMPLES, max(1, math.ceil(longest - 0.1))))
    return counts[0], counts[1]


def coverage(matrix: Matrix, height: int, width: int, device: torch.device) -> Tensor:
    """(1, 1, H, W) in [0, 1]: 1 where the warped picture shows what was inside the old one.

    It falls to 0 over the last 4% at the edge, so that what is blended by it has no seam.
    """
    grid = source_grid(matrix, height, width, device).abs()  # (1, H, W, 2)
    inside = ((1 - grid) / 0.04).clamp(0, 1)
    return (inside[..., 0] * inside[..., 1])[:, None]


def newly_exposed_mask(matrix: Matrix, height: int, width: int, device: torch.device) -> Tensor:
    """(1, 1, H, W), 0 or 1: where the warped picture shows what was outside the old one."""
    outside = (source_grid(matrix, height, width, device).abs() > 1).any(-1)
    return outside[:, None].float()
