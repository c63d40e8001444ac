"""Camera moves: pictures and latents resampled once, in float, through a homography.

The parent of a keyframe is resampled to where the camera is now, and so are the two neighbours of
a frame between keyframes. Coordinates are the camera units of `render.plan.camera`: the origin is
the picture's centre, and its height is 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from kornia.filters import gaussian_blur2d, unsharp_mask
from PIL import ImageColor
from torch import Tensor
from torch.nn import functional as F

from render.plan.camera import IDENTITY, Matrix, inverse, moves

# From a border's name to how `grid_sample` reads points outside the picture. `wrap` folds the grid
# instead. A colour is black, with the colour subtracted before and added after. `dream` mirrors
# until the newly exposed part is painted.
BORDERS = {
    "mirror": "reflection", "smear": "border", "black": "zeros", "wrap": "reflection",
    "dream": "reflection",
}  # fmt: skip
FAR = 8.0  # in half pictures: the limit for coordinates of points near and beyond a horizon
SAMPLES = 8  # the most samples along one side of an output pixel that covers many input pixels


@dataclass(frozen=True)
class View:
    """How the camera sees a parent now: what a keyframe's start is made with."""

    matrix: Matrix = IDENTITY  # from the parent's picture to this one
    border: str = "mirror"  # what comes in from outside the parent's picture
    sharpen: float = 0.0  # how much of its finest detail the picture gets back
    seed: int = 0  # of what is drawn anew


def pixel_points(height: int, width: int, device: torch.device, samples: tuple[int, int]) -> Tensor:
    """Returns `samples`, (across, down), points in every pixel: (1, H·down, W·across, 2) in camera
    units, x before y."""
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
    """Returns where the samples of each output pixel are read: (1, H·down, W·across, 2), from -1 to
    1 across the source picture, for `samples`, (across, down), in every pixel.

    Under perspective a point can lie behind the camera (w <= 0); its coordinates are then limited
    to `FAR`, far outside the picture.
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
    """Returns whether parallel lines stay parallel."""
    return matrix[6:] == (0.0, 0.0, 1.0)


def is_similarity(matrix: Matrix) -> bool:
    """Returns whether the matrix only zooms, rotates and shifts."""
    return is_affine(matrix) and matrix[0] == matrix[4] and matrix[1] == -matrix[3]


def warp(picture: Tensor, matrix: Matrix, border: str) -> Tensor:
    """Returns a picture (B, 3, H, W) in [0, 1] resampled through `matrix`, of the same shape and
    range.

    `border`, one of `BORDERS` or a colour "#rrggbb", decides what is outside the picture.
    """
    if border.startswith("#"):
        colour = torch.tensor(ImageColor.getrgb(border), device=picture.device).view(3, 1, 1) / 255
        return (resample(picture - colour, matrix, border) + colour).clamp(0, 1)
    return resample(picture, matrix, border).clamp(0, 1)  # bicubic overshoots at edges


def resample(values: Tensor, matrix: Matrix, border: str) -> Tensor:
    """Returns a picture, latent or mask (B, C, H, W) resampled through `matrix`, unclamped.

    `border` decides what is outside the source; a colour gives zeros there.

    Bicubic, because the picture is resampled at every keyframe and bilinear weights would blur a
    zoom. To avoid shimmer where the picture shrinks, it is blurred first if it shrinks evenly
    (a similarity); otherwise each output pixel is the mean of as many samples as it covers source
    pixels.
    """
    height, width = values.shape[-2:]
    samples = (1, 1)
    if is_similarity(matrix):
        shrink = 1 / math.sqrt(abs(matrix[0] * matrix[4] - matrix[1] * matrix[3]))
        values = blur_for_shrinking(values, shrink, border)
    else:
        samples = samples_per_pixel(source_grid(matrix, height, width, values.device))
    grid = source_grid(matrix, height, width, values.device, samples)
    if border == "wrap":
        grid = torch.remainder(grid + 1, 2) - 1
        pad = 2  # bicubic reads two pixels beyond
        values = F.pad(values, (pad,) * 4, mode="circular")
        grid = grid * torch.tensor(
            [width / (width + 2 * pad), height / (height + 2 * pad)], device=grid.device
        )
    sampled = F.grid_sample(
        values,
        grid.expand(values.shape[0], -1, -1, -1),
        mode="bicubic",
        padding_mode=BORDERS.get(border, "zeros"),
        align_corners=False,
    )
    return sampled if samples == (1, 1) else F.avg_pool2d(sampled, (samples[1], samples[0]))


def blur_for_shrinking(values: Tensor, shrink: float, border: str) -> Tensor:
    """Returns (B, C, H, W) without the detail that is too fine after shrinking by `shrink`."""
    if shrink <= 1.1:
        return values
    height, width = values.shape[-2:]
    sigma = 0.5 * math.sqrt(shrink**2 - 1)
    size = min(2 * math.ceil(3 * sigma) + 1, 2 * (min(height, width) // 2) - 1)
    padding = "circular" if border == "wrap" else "reflect"
    blurred: Tensor = gaussian_blur2d(values, (size, size), (sigma, sigma), padding)
    return blurred


def samples_per_pixel(grid: Tensor) -> tuple[int, int]:
    """Returns how many samples, (across, down), each output pixel takes, at most `SAMPLES` each.

    They are chosen so that no source pixel inside the picture is skipped between two samples of the
    source grid (1, H, W, 2).
    """
    height, width = grid.shape[1:3]
    half = torch.tensor([width / 2, height / 2], device=grid.device)
    inside = (grid.abs() <= 1).all(-1)  # (1, H, W): beyond a horizon steps are unbounded
    counts = []
    for axis in (2, 1):
        steps = (grid.diff(dim=axis) * half).norm(dim=-1)  # in source pixels
        visible = inside.narrow(axis, 0, inside.shape[axis] - 1)
        longest = steps[visible].max().item() if visible.any() else 1.0
        counts.append(min(SAMPLES, max(1, math.ceil(longest - 0.1))))
    return counts[0], counts[1]


def coverage(matrix: Matrix, height: int, width: int, device: torch.device) -> Tensor:
    """Returns where the warped picture shows the inside of its source: (1, 1, H, W) in [0, 1].

    Falls from 1 to 0 over the last 4% before the source's edge, so that blending by it leaves no
    seam.
    """
    grid = source_grid(matrix, height, width, device).abs()  # (1, H, W, 2)
    inside = ((1 - grid) / 0.04).clamp(0, 1)
    return (inside[..., 0] * inside[..., 1])[:, None]


def newly_exposed_mask(matrix: Matrix, height: int, width: int, device: torch.device) -> Tensor:
    """Returns where the warped picture shows what was outside its source: (1, 1, H, W), 0 or 1."""
    outside = (source_grid(matrix, height, width, device).abs() > 1).any(-1)
    return outside[:, None].float()


def warp_parent(picture: Tensor, view: View) -> Tensor:
    """Returns a picture (1, 3, H, W) in [0, 1] warped to a view and sharpened by its `sharpen`.

    The unsharp mask has Deforum's size: a kernel of 5 pixels and a sigma of 1 pixel.
    """
    warped = warp(picture, view.matrix, view.border)
    if view.sharpen == 0.0:
        return warped
    sharp = unsharp_mask(warped, (5, 5), (1.0, 1.0))
    return warped.lerp(sharp, view.sharpen).clamp(0, 1)


def newly_exposed(view: View, size: tuple[int, int], device: torch.device) -> Tensor | None:
    """Returns where a view with the border `dream` shows what its parent did not: (1, 1, H, W),
    0 or 1; None if nowhere, or if the border is another. `size` is (width, height)."""
    if view.border != "dream" or not moves(view.matrix):
        return None
    width, height = size
    exposed = newly_exposed_mask(view.matrix, height, width, device)
    return exposed if exposed.any() else None
