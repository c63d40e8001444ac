"""A picture as the camera sees it: resampled once, as float, by a 3x3 matrix."""

from __future__ import annotations

import math

import torch
from kornia.filters import gaussian_blur2d
from kornia.geometry import warp_grid
from torch import Tensor
from torch.nn import functional as F

from render.camera import Matrix, inverse

# Border name to how `grid_sample` looks up points outside; `wrap` folds the grid instead.
BORDERS = {"mirror": "reflection", "smear": "border", "black": "zeros", "wrap": "reflection"}


def pixel_grid(height: int, width: int, device: torch.device) -> Tensor:
    """(1, H, W, 2): the centre of every pixel in camera units (see `render.camera`)."""
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5 - width / 2) / height
    y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5 - height / 2) / height
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]


def source_grid(matrix: Matrix, height: int, width: int, device: torch.device) -> Tensor:
    """(1, H, W, 2): where each output pixel comes from, -1..1 across the source picture."""
    back = torch.tensor(inverse(matrix), dtype=torch.float32, device=device).view(1, 3, 3)
    points: Tensor = warp_grid(pixel_grid(height, width, device), back)  # (1, H, W, 2) camera units
    return points * torch.tensor([2 * height / width, 2.0], device=device)


def warp(picture: Tensor, matrix: Matrix, border: str) -> Tensor:
    """(B, 3, H, W) in [0, 1], seen through `matrix`."""
    return resample(picture, matrix, border).clamp(0, 1)  # bicubic overshoots at edges


def resample(picture: Tensor, matrix: Matrix, border: str) -> Tensor:
    """(B, C, H, W) float, pictures or latents; outside what there was, `border` decides.

    Bicubic, because it is resampled at every keyframe and linear weights would blur a zoom;
    blurred first where the picture shrinks, so that a zoom out does not shimmer.
    """
    height, width = picture.shape[-2:]
    grid = source_grid(matrix, height, width, picture.device)
    shrink = 1 / math.sqrt(abs(matrix[0] * matrix[4] - matrix[1] * matrix[3]))
    if shrink > 1.1:
        sigma = 0.5 * math.sqrt(shrink**2 - 1)
        size = min(2 * math.ceil(3 * sigma) + 1, 2 * (min(height, width) // 2) - 1)
        edge = "circular" if border == "wrap" else "reflect"
        picture = gaussian_blur2d(picture, (size, size), (sigma, sigma), edge)
    if border == "wrap":
        grid = torch.remainder(grid + 1, 2) - 1
        pad = 2  # bicubic reads two pixels beyond
        picture = F.pad(picture, (pad,) * 4, mode="circular")
        grid = grid * torch.tensor(
            [width / (width + 2 * pad), height / (height + 2 * pad)], device=grid.device
        )
    grid = grid.expand(picture.shape[0], -1, -1, -1)
    return F.grid_sample(
        picture, grid, mode="bicubic", padding_mode=BORDERS[border], align_corners=False
    )


def coverage(matrix: Matrix, height: int, width: int, device: torch.device) -> Tensor:
    """(1, 1, H, W) in [0, 1]: 1 where the warped picture shows what was inside the old one.

    It falls to 0 over the last 4% at the edge, so that what is blended by it has no seam.
    """
    grid = source_grid(matrix, height, width, device).abs()  # (1, H, W, 2)
    inside = ((1 - grid) / 0.04).clamp(0, 1)
    return (inside[..., 0] * inside[..., 1])[:, None]
