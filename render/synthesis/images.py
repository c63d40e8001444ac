"""Picture files, and the regions that prompts are meant for, as tensors."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from render.plan.camera import Matrix, moves
from render.storyboard.model import BOXES, FADES, Region
from render.storyboard.named_files import IMAGE_FORMATS
from render.synthesis.warp import resample


def load_image(path: Path, device: torch.device, size: tuple[int, int] | None = None) -> Tensor:
    """A picture file as (1, 3, H, W) in [0, 1]; filled and cropped to (width, height) if given.

    Upright as its camera says, and on white where it is transparent.
    """
    with Image.open(path, formats=IMAGE_FORMATS) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
            upright = Image.fromarray((np.asarray(upright) / 257).round().astype(np.uint8))
        upright = upright.convert("RGBA")
        paper = Image.new("RGBA", upright.size, "white")
        flat = Image.alpha_composite(paper, upright).convert("RGB")
        pixels = torch.from_numpy(np.array(flat))  # (H, W, 3) uint8
    picture = pixels.permute(2, 0, 1)[None].to(device).float() / 255
    return picture if size is None else fill(picture, size)


def fill(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale (1, 3, H, W) until it covers (width, height), keep its middle."""
    width, height = size
    scale = max(width / picture.shape[-1], height / picture.shape[-2])
    covering = (
        max(height, round(picture.shape[-2] * scale)),
        max(width, round(picture.shape[-1] * scale)),
    )
    picture = F.interpolate(picture, size=covering, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (covering[0] - height) // 2, (covering[1] - width) // 2
    return picture[..., top : top + height, left : left + width]


def region_mask(
    region: Region | None, moved: Matrix, size: tuple[int, int], device: torch.device
) -> Tensor:
    """How much of each pixel a region holds: (1, 1, height, width) in [0, 1]; None is all."""
    width, height = size
    if region is None:
        return torch.ones(1, 1, height, width, device=device)
    if region.picture:
        mask = _mask_file(region.picture, device, size)
    else:
        across = ((torch.arange(width, device=device) + 0.5) / width)[None, :]
        down = ((torch.arange(height, device=device) + 0.5) / height)[:, None]
        name = str(region.name)
        if name in BOXES:
            left, top, right, bottom = BOXES[name]
            inside = (left <= across) & (across < right) & (top <= down) & (down < bottom)
            mask = inside.float()[None, None]
        else:
            right, below = FADES[name]
            mask = 0.5 + right * (across - 0.5) + below * (down - 0.5)
            mask = mask.expand(height, width)[None, None]
    if moves(moved):
        mask = resample(mask, moved, "smear").clamp(0, 1)
    return mask


@lru_cache(maxsize=8)
def _mask_file(path: Path, device: torch.device, size: tuple[int, int]) -> Tensor:
    """A mask of one's own (1, 1, height, width), read once and not for every keyframe."""
    return load_image(path, device, size).mean(1, keepdim=True)
