"""Cutouts: n random square parts of one picture, given to the perceptor, each read through one
homography.

The VQGAN+CLIP notebooks crop, pad, rotate, shear, distort and flip one after another: each step
blurs, and each draws from global randomness. Here these steps are composed into one 3x3 matrix per
cutout, and the picture is sampled once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from kornia.geometry import warp_grid
from torch import Tensor
from torch.nn import functional as F

from render.generators.clamp import clamp_with_gradient
from render.storyboard.model import Settings

ROTATION = math.radians(8)  # standard deviation; small: a horizon should stay a horizon
SHEAR = 0.04  # standard deviation
PERSPECTIVE = 0.06  # standard deviation
OVERHANG = 0.1  # how far a cutout may extend past the picture's edge, as a share of its own side
GAIN = 0.04  # standard deviation, per colour channel


@dataclass(frozen=True)
class CutoutDraw:
    """The random numbers of one step's n cutouts.

    They are drawn on the CPU, so that the cutouts lie in the same places on every device. Only the
    noise is drawn on the device that uses it, and differs between kinds of device.
    """

    homographies: Tensor  # (n, 3, 3): cutout coordinates -1..1 to picture pixels from its centre
    extents: Tensor  # (n,): approximate sides in picture pixels; each step shuffles the same ones
    gains: Tensor  # (n, 3, 1, 1): factors of the colour channels
    noise: Tensor | None  # (n, 1, 1, 1): standard deviations
    seed: int
    padding: str = Settings.padding
    tints: Tensor | None = None  # (n, 3, 1, 1): what is added to the colour channels

    def on(self, device: torch.device, shorter_side: int, sides: Mapping[int, float]) -> Cutouts:
        """Returns the cutouts as tensors on `device`, for perceptors whose inputs have these sides,
        each with the share of the cutouts that it sees, of every size alike.

        `shorter_side` is the shorter side of the picture in pixels. Never waits for the device.
        """
        by_side = {
            side: self._sized(device, shorter_side, side, self._seen(share))
            for side, share in sides.items()
        }
        matrices, gains = send(self.homographies, device), send(self.gains, device)
        tints = None if self.tints is None else send(self.tints, device)
        return Cutouts(matrices, gains, by_side, self.padding, tints)

    def _seen(self, share: float) -> Tensor:
        """Returns the indices (m,) of a share of the cutouts, whose sizes are the same in every
        step."""
        count = len(self.extents)
        spread = (torch.arange(math.ceil(share * count)) / share).long()
        return self.extents.argsort()[spread].sort().values

    def _sized(
        self, device: torch.device, shorter_side: int, side: int, seen: Tensor
    ) -> SizedCutouts:
        """Returns the part of `on` that depends on the perceptor's side, of the cutouts `seen`."""
        levels = indices_by_level(self.extents[seen], side, shorter_side)
        order = torch.tensor([index for indices in levels for index in indices]).argsort()
        shape = torch.Size((len(seen), 3, side, side))
        noise = None
        if self.noise is not None:
            noise = send(self.noise[seen], device) * draw_noise(shape, self.seed ^ 0x5EED, device)
        matrices = tuple(send(self.homographies[seen[indices]], device) for indices in levels)
        return SizedCutouts(matrices, send(order, device), noise, send(seen, device))


@dataclass(frozen=True)
class SizedCutouts:
    """The tensors of the m cutouts that perceptors whose inputs have one side S see."""

    matrices: tuple[Tensor, ...]  # (k, 3, 3) by level: read from the picture, its half, quarter...
    order: Tensor  # (m,): the position of each cutout in the concatenated levels
    noise: Tensor | None  # (m, 3, S, S)
    seen: Tensor  # (m,): which of the n cutouts


@dataclass(frozen=True)
class Cutouts:
    """One step's n cutouts as tensors on a device.

    The shapes are the same in every step, so that a step can be recorded as a CUDA graph.
    """

    homographies: Tensor  # (n, 3, 3)
    gains: Tensor  # (n, 3, 1, 1)
    sides: dict[int, SizedCutouts]  # by the perceptor's side in pixels
    padding: str = Settings.padding  # what they see beyond the picture's edges
    tints: Tensor | None = None  # (n, 3, 1, 1)


def sample_cutouts(
    count: int,
    picture: tuple[int, int],
    sizes: tuple[float, float],
    seed: int,
    *,
    noise: float = Settings.noise,
    distortion: float = Settings.distortion,
    padding: str = Settings.padding,
    tint: float = 0.0,
) -> CutoutDraw:
    """Draws `count` cutouts of a (width, height) picture; their sides lie between the two `sizes`,
    shares of the picture's shorter side. `noise` is the largest standard deviation of their grain,
    0 for none; `distortion` is the factor of how far they are turned, sheared, seen at an angle and
    tinted; `padding` is what those see that are larger than the picture; `tint` is the standard
    deviation of what is added to their colours.

    Sizes and places are stratified, not independent: a few well-spread cutouts tell as much as
    many that overlap. The places follow the R2 sequence (M. Roberts 2018), shifted at
    random.
    """
    width, height = picture
    random = torch.Generator().manual_seed(seed)
    uniform = torch.rand(count, 4, generator=random)
    normal = torch.randn(count, 8, generator=random)
    shift = torch.rand(2, generator=random)
    order = torch.randperm(count, generator=random)

    low, high = sizes
    shorter_side = min(width, height)
    sides = (low + (high - low) * (order + uniform[:, 0]) / count) * shorter_side
    extents = (low + (high - low) * (order + 0.5) / count) * shorter_side
    index = torch.arange(count)
    places = torch.stack([index * 0.7548776662466927, index * 0.5698402909980532], dim=1)
    places = torch.remainder(places + shift, 1)  # (n, 2) in [0, 1)
    room = torch.tensor([width, height]) - sides[:, None] * (1 - 2 * OVERHANG)  # (n, 2)
    centres = (places - 0.5) * room.clamp_min(0)
    return CutoutDraw(
        compose_homographies(
            sides, centres, distortion * normal[:, :5], mirrored=uniform[:, 1] < 0.5
        ),
        extents,
        (1 + distortion * normal[:, 5:8] * GAIN)[:, :, None, None],
        (uniform[:, 2] * noise)[:, None, None, None] if noise else None,
        seed,
        padding,
        tint * normal[:, 5:8, None, None] if tint else None,
    )


def compose_homographies(
    sides: Tensor, centres: Tensor, normal: Tensor, mirrored: Tensor
) -> Tensor:
    """Returns the homographies (n, 3, 3) of square cutouts.

    They map cutout coordinates, -1..1, to picture pixels from the picture's centre.

    `sides` (n,) and `centres` (n, 2) are in picture pixels; `normal` (n, 5) are standard normal
    numbers for the rotation, two shears and two perspective terms; `mirrored` (n,) is boolean.
    """
    homographies = torch.eye(3).repeat(len(sides), 1, 1)
    cosine, sine = torch.cos(normal[:, 0] * ROTATION), torch.sin(normal[:, 0] * ROTATION)
    flip = torch.where(mirrored, -1.0, 1.0)
    half = sides / 2
    homographies[:, 0, 0] = half * cosine * flip
    homographies[:, 0, 1] = half * (normal[:, 1] * SHEAR - sine)
    homographies[:, 1, 0] = half * sine * flip
    homographies[:, 1, 1] = half * (cosine + normal[:, 2] * SHEAR)
    homographies[:, :2, 2] = centres
    homographies[:, 2, :2] = (normal[:, 3:5] * PERSPECTIVE).clamp(-0.25, 0.25)
    # The perspective divide must leave the cutout's centre where it is.
    homographies[:, :2, :2] += centres[:, :, None] * homographies[:, 2:, :2]
    return homographies


def cut_out(picture: Tensor, cutouts: Cutouts, side: int) -> Tensor:
    """Returns the cutouts (m, 3, side, side) of a picture (1, 3, H, W) in [0, 1], differentiable in
    the picture.

    A cutout that shrinks the picture is read from a copy of the picture that is averaged to about
    the cutout's scale, so that every pixel under it contributes and receives a gradient.
    """
    device = picture.device
    height, width = picture.shape[-2:]
    grid, scale = pixel_centres(side, device), per_pixel(width, height, device)
    parts: list[Tensor] = []
    reduced, sized = picture, cutouts.sides[side]
    for level, matrices in enumerate(sized.matrices):
        if level:
            reduced = F.avg_pool2d(reduced, 2, ceil_mode=True, count_include_pad=False)
        if count := len(matrices):
            points = warp_grid(grid.expand(count, -1, -1, -1), matrices) * scale
            part = sample_mirrored(reduced, points)
            if cutouts.padding == "black":
                part = part * (points.abs() <= 1).all(-1)[:, None]
            parts.append(part)
    cut = torch.cat(parts)[sized.order] * cutouts.gains[sized.seen]  # (m, 3, S, S)
    if cutouts.tints is not None:
        cut = clamp_with_gradient(cut + cutouts.tints[sized.seen])
    return cut if sized.noise is None else cut + sized.noise


def sample_mirrored(picture: Tensor, points: Tensor) -> Tensor:
    """Returns (m, 3, S, S): a picture (1, 3, H, W), mirrored at its edges, read bilinearly at
    points (m, S, S, 2), x before y, from -1 to 1 across it."""
    if not torch.are_deterministic_algorithms_enabled():
        source = picture.expand(len(points), -1, -1, -1)
        return F.grid_sample(source, points, padding_mode="reflection", align_corners=False)
    # On CUDA, the gradient of `grid_sample` adds in an order that varies; that of `index_select`
    # does not.
    height, width = picture.shape[-2:]
    flat, size = picture[0].flatten(1).T, points.new_tensor([width, height])  # (H·W, 3)
    place = ((points + 1) * (size / 2)).abs() % (2 * size)  # in pixels, from the picture's corner
    place = (torch.minimum(place, 2 * size - place) - 0.5).clamp_min(0).minimum(size - 1)
    before = place.floor()
    after, share = (before + 1).minimum(size - 1).long(), place - before
    sides = ((before.long(), 1 - share), (after, share))
    total = flat.new_zeros(*points.shape[:3], 3)
    for (_, y), (_, down) in ((side[0].unbind(-1), side[1].unbind(-1)) for side in sides):
        for (x, _), (across, _) in ((side[0].unbind(-1), side[1].unbind(-1)) for side in sides):
            corner = flat.index_select(0, (y * width + x).flatten()).view_as(total)
            total = total + (down * across)[..., None] * corner
    return total.permute(0, 3, 1, 2)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Returns a CPU tensor copied to `device`, without waiting for the device."""
    if device.type == "cuda" and tensor.numel():
        tensor = tensor.pin_memory()  # a copy from pageable memory waits for all queued work
    # On Metal the source of a non-blocking copy may be freed before it was read.
    return tensor.to(device, non_blocking=device.type != "mps")


def draw_noise(shape: torch.Size, seed: int, device: torch.device) -> Tensor:
    """Returns standard normal noise on `device`, drawn there.

    To draw so many numbers on a CPU and send them takes longer than the rest of a GPU's step.
    """
    draws = device if device.type in ("cuda", "mps") else torch.device("cpu")
    random = torch.Generator(draws).manual_seed(seed)
    return torch.randn(shape, generator=random, device=draws).to(device, non_blocking=True)


@lru_cache(maxsize=16)
def pixel_centres(side: int, device: torch.device) -> Tensor:
    """Returns the centres of a cutout's pixels, (1, S, S, 2), x before y, from -1 to 1 along each
    side."""
    steps = (torch.arange(side, device=device, dtype=torch.float32) + 0.5) * (2 / side) - 1
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)[None]


@lru_cache(maxsize=16)
def per_pixel(width: int, height: int, device: torch.device) -> Tensor:
    """Returns the factors (2,) from a picture's pixels to -1..1 along each of its sides."""
    return torch.tensor([2 / width, 2 / height], device=device)


def indices_by_level(extents: Tensor, side: int, shorter_side: int) -> list[list[int]]:
    """Returns the indices of the cutouts that read the picture itself, its half, its quarter, ...

    `side` is the perceptor's side, `shorter_side` the picture's, in pixels. Depends on the extents
    only, so each list has the same length in every step.
    """
    shrink = extents / side  # picture pixels per cutout pixel
    levels = torch.log2(shrink).round().clamp(0, math.log2(shorter_side)).long().tolist()
    return [
        [index for index, own in enumerate(levels) if own == level]
        for level in range(max(levels) + 1)
    ]


def region_shares(masks: Tensor, cutouts: Cutouts) -> Tensor:
    """Returns the share of each cutout that lies in each mask (p, 1, H, W): (n, p) in [0, 1].

    Estimated from 12 x 12 points of each cutout.
    """
    height, width = masks.shape[-2:]
    count = len(cutouts.homographies)
    grid = pixel_centres(12, masks.device).expand(count, -1, -1, -1)
    points = warp_grid(grid, cutouts.homographies)
    points = points * per_pixel(width, height, masks.device)
    beyond = "zeros" if cutouts.padding == "black" else "border"
    samples = F.grid_sample(
        masks[:, 0].expand(count, -1, -1, -1), points, padding_mode=beyond, align_corners=False
    )
    return samples.mean((2, 3))
