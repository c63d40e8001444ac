"""Picture files and the regions of prompts, as tensors."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from render.generators.warp import resample
from render.media.pictures import flattened, open_picture
from render.plan.camera import Matrix, moves
from render.storyboard.model import BOXES, FADES, Region

Frame = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]  # (height, width, 3)


def load_image(path: Path, device: torch.device, size: tuple[int, int] | None = None) -> Tensor:
    """Returns a picture file as (1, 3, H, W) in [0, 1], scaled and cropped to `size`, (width,
    height), if given.

    It is what `open_picture` gives; transparent pixels are put on white.
    """
    return _to_tensor(flattened(open_picture(path), "white"), device, size)


def load_mask(path: Path, device: torch.device, size: tuple[int, int]) -> Tensor:
    """Returns a mask file as (1, 1, height, width) in [0, 1]: how bright it is, and 0 where it is
    transparent."""
    bright = flattened(open_picture(path), "black")
    return _to_tensor(bright, device, size).mean(1, keepdim=True)


def _to_tensor(image: Image.Image, device: torch.device, size: tuple[int, int] | None) -> Tensor:
    """Returns an RGB image as (1, 3, H, W) in [0, 1], at `size` if given."""
    pixels = torch.from_numpy(np.array(image))  # (H, W, 3) uint8
    picture = pixels.permute(2, 0, 1)[None].to(device).float() / 255
    return picture if size is None else fill(picture, size)


def fill(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns (1, 3, H, W) in [0, 1] scaled until it covers `size`, (width, height), and cropped
    to its centre."""
    width, height = size
    scale = max(width / picture.shape[-1], height / picture.shape[-2])
    covering = (
        max(height, round(picture.shape[-2] * scale)),
        max(width, round(picture.shape[-1] * scale)),
    )
    picture = F.interpolate(picture, size=covering, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (covering[0] - height) // 2, (covering[1] - width) // 2
    return picture[..., top : top + height, left : left + width]


def to_frame(picture: Tensor, size: tuple[int, int]) -> Frame:
    """Returns the centre of a picture (1, 3, H, W) in [0, 1] as a frame (height, width, 3) uint8.

    `size` is (width, height).
    """
    frame: Frame = crop_to_bytes(picture, size)[0].cpu().numpy()
    return frame


def crop_to_bytes(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns the centres of (n, 3, H, W) in [0, 1] as (n, height, width, 3) uint8."""
    width, height = size
    top, left = (pictures.shape[-2] - height) // 2, (pictures.shape[-1] - width) // 2
    cropped = pictures[..., top : top + height, left : left + width]
    return (cropped * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def region_mask(
    region: Region | None, moved: Matrix, size: tuple[int, int], device: torch.device
) -> Tensor:
    """Returns the share of each pixel that belongs to a region: (1, 1, height, width) in [0, 1].

    `moved` is the camera matrix that has moved the region with the picture; no region is the whole
    picture.
    """
    if region is None:
        return torch.ones(1, 1, size[1], size[0], device=device)
    if region.picture:
        mask = _cached_mask(region.picture, device, size)
    else:
        mask = named_mask(str(region.name), size, device)
    if moves(moved):
        mask = resample(mask, moved, "smear").clamp(0, 1)
    return mask


def named_mask(name: str, size: tuple[int, int], device: torch.device) -> Tensor:
    """Returns the mask (1, 1, height, width) in [0, 1] of a name in `BOXES` or `FADES`."""
    width, height = size
    x = ((torch.arange(width, device=device) + 0.5) / width)[None, :]
    y = ((torch.arange(height, device=device) + 0.5) / height)[:, None]
    if name in BOXES:
        left, top, right, bottom = BOXES[name]
        inside = (left <= x) & (x < right) & (top <= y) & (y < bottom)
        return inside.float()[None, None]
    slope_x, slope_y = FADES[name]
    mask = 0.5 + slope_x * (x - 0.5) + slope_y * (y - 0.5)
    return mask.expand(height, width)[None, None]


_cached_mask = lru_cache(maxsize=8)(load_mask)  # for the next keyframes


def halved(picture: Tensor, level: int) -> Tensor:
    """Returns a picture (B, C, H, W) averaged over squares of 2^level pixels."""
    return F.avg_pool2d(picture, 2**level) if level else picture
