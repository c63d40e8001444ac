"""Views: what the perceptor is shown, n looks at one picture, each through one homography.

Notebooks of this field crop, pad, rotate, shear, distort and flip one after another, each step
blurring and each drawing from global randomness. Here the steps are composed into one 3x3 matrix
per view, and the picture is read once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

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
class CutoutDraw:
    """The random numbers of n views of one step; on the CPU, so every device looks at the same
    places. Only the grain is drawn where it is needed, by each kind of device in its own way."""

    homographies: Tensor  # (n, 3, 3): view coordinates -1..1 to picture pixels from its centre
    extents: Tensor  # (n,): about how many of a picture's pixels each is wide, the same every step
    gains: Tensor  # (n, 3, 1, 1)
    noise: Tensor | None  # (n, 1, 1, 1): strength
    seed: int

    def on(self, device: torch.device, shorter: int, sides: Iterable[int]) -> Cutouts:
        """For perceptors of these sides and a picture whose shorter side is given. No device is
        waited for."""
        each = {}
        for side in sides:
            levels = numbers_by_level(self, side, shorter)
            order = torch.tensor([n for chosen in levels for n in chosen]).argsort()
            shape = torch.Size((len(self.homographies), 3, side, side))
            noise = None
            if self.noise is not None:
                noise = send(self.noise, device) * draw_noise(shape, self.seed ^ 0x5EED, device)
            matrices = tuple(send(self.homographies[chosen], device) for chosen in levels)
            each[side] = SizedCutouts(matrices, send(order, device), noise)
        return Cutouts(send(self.homographies, device), send(self.gains, device), each)


@dataclass(frozen=True)
class SizedCutouts:
    """How perceptors of one side S are shown n views."""

    matrices: tuple[Tensor, ...]  # (m, 3, 3) of those that read the picture, its half, quarter...
    order: Tensor  # (n,): where each view is among these
    noise: Tensor | None  # (n, 3, S, S)


@dataclass(frozen=True)
class Cutouts:
    """Views on a device: all that a step needs of them, as tensors whose shapes are the same every
    step."""

    homographies: Tensor  # (n, 3, 3)
    gains: Tensor  # (n, 3, 1, 1)
    sides: dict[int, SizedCutouts]

    def tensors(self) -> Iterator[Tensor]:
        yield from (self.homographies, self.gains)
        for shown in self.sides.values():
            yield from (*shown.matrices, shown.order)
            if shown.noise is not None:
                yield shown.noise


def sample_cutouts(
    count: int,
    picture: tuple[int, int],
    sizes: tuple[float, float],
    seed: int,
    *,
    noise: bool = True,
) -> CutoutDraw:
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
    shorter = min(width, height)
    sides = (low + (high - low) * (order + uniform[:, 0]) / count) * shorter
    extents = (low + (high - low) * (order + 0.5) / count) * shorter
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
    return CutoutDraw(
        homography,
        extents,
        (1 + normal[:, 5:8] * GAIN)[:, :, None, None],
        (uniform[:, 2] * NOISE)[:, None, None, None] if noise else None,
        seed,
    )


def cut_out(picture: Tensor, cutouts: Cutouts, side: int) -> Tensor:
    """(1, 3, H, W) in [0, 1] to views (n, 3, side, side); differentiable in the picture.

    A view that shrinks the picture reads from a copy averaged to about its own scale, so that
    what it skips still counts and still gets a gradient.
    """
    device = picture.device
    height, width = picture.shape[-2:]
    grid, scale = pixel_centres(side, device), per_pixel(width, height, device)
    pieces: list[Tensor] = []
    reduced, shown = picture, cutouts.sides[side]
    for level, matrices in enumerate(shown.matrices):
        if level:
            reduced = F.avg_pool2d(reduced, 2, ceil_mode=True, count_include_pad=False)
        if count := len(matrices):
            points = warp_grid(grid.expand(count, -1, -1, -1), matrices) * scale
            source = reduced.expand(count, -1, -1, -1)
            pieces.append(
                F.grid_sample(source, points, padding_mode="reflection", align_corners=False)
            )
    cuts = torch.cat(pieces)[shown.order] * cutouts.gains  # (n, 3, S, S)
    return cuts if shown.noise is None else cuts + shown.noise


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on its way to a device, which is not waited for."""
    if device.type == "cuda" and tensor.numel():
        tensor = tensor.pin_memory()  # a copy from elsewhere waits for all that is under way
    # On Metal what is sent without waiting may be freed before it has arrived.
    return tensor.to(device, non_blocking=device.type != "mps")


def draw_noise(shape: torch.Size, seed: int, device: torch.device) -> Tensor:
    """Normal noise, drawn where it is needed: so many numbers take a CPU longer to draw and send
    than a GPU takes for the rest of a step."""
    draws = device if device.type in ("cuda", "mps") else torch.device("cpu")
    random = torch.Generator(draws).manual_seed(seed)
    return torch.randn(shape, generator=random, device=draws).to(device, non_blocking=True)


@lru_cache(maxsize=16)
def pixel_centres(side: int, device: torch.device) -> Tensor:
    """The middles of a view's pixels, from -1 to 1 along each side: (1, S, S, 2), x before y."""
    steps = (torch.arange(side, device=device, dtype=torch.float32) + 0.5) * (2 / side) - 1
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)[None]


@lru_cache(maxsize=16)
def per_pixel(width: int, height: int, device: torch.device) -> Tensor:
    """(2,): from pixels of a picture to -1..1 along each of its sides."""
    return torch.tensor([2 / width, 2 / height], device=device)


def numbers_by_level(views: CutoutDraw, side: int, shorter: int) -> list[list[int]]:
    """The numbers of the views of `side` pixels that read a picture, whose shorter side is given,
    as it is, halved, quartered, and so on. In every step as many."""
    shrink = views.extents / side  # picture pixels per view pixel
    levels = torch.log2(shrink).round().clamp(0, math.log2(shorter)).long().tolist()
    return [[n for n, level in enumerate(levels) if level == of] for of in range(max(levels) + 1)]


def region_shares(masks: Tensor, cutouts: Cutouts) -> Tensor:
    """How much of each view lies in each mask (p, 1, H, W): (n, p) in [0, 1]."""
    height, width = masks.shape[-2:]
    count = len(cutouts.homographies)
    grid = pixel_centres(12, masks.device).expand(count, -1, -1, -1)
    points = warp_grid(grid, cutouts.homographies)
    points = points * per_pixel(width, height, masks.device)
    seen = F.grid_sample(
        masks[:, 0].expand(count, -1, -1, -1), points, padding_mode="border", align_corners=False
    )
    return seen.mean((2, 3))
