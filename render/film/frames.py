"""Every output frame from the stored keyframes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional as F

from render.film.blends import lerp
from render.generators.vqgan import Generator
from render.plan.camera import Matrix, moves
from render.plan.moments import Moment
from render.plan.plan import Plan
from render.synthesis.latents import Store
from render.synthesis.statistics import detail, sharpness_of
from render.synthesis.warp import coverage, warp

Frame = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]


def to_frame(picture: Tensor, size: tuple[int, int]) -> Frame:
    """(1, 3, H, W) in [0, 1] to (height, width, 3) uint8, its middle cropped to `size`."""
    return next(to_frames([picture], size))


def to_frames(pictures: Iterable[Tensor], size: tuple[int, int]) -> Iterator[Frame]:
    """Every picture of these (n, 3, H, W) in [0, 1] as `to_frame` makes it.

    A GPU is one batch ahead: it paints while what it painted before is copied and used.
    """
    width, height = size
    ahead: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()

    def arrived() -> Iterator[Frame]:
        pixels, copied = ahead.popleft()
        if copied is not None:
            copied.synchronize()
        yield from pixels.numpy()

    for picture in pictures:
        top, left = (picture.shape[-2] - height) // 2, (picture.shape[-1] - width) // 2
        cropped = picture[..., top : top + height, left : left + width]
        pixels = (cropped * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        copied = torch.cuda.Event() if pixels.is_cuda else None  # type: ignore[no-untyped-call]
        ahead.append((pixels.to("cpu", non_blocking=pixels.is_cuda), copied))
        if copied is not None:
            copied.record(torch.cuda.current_stream(pixels.device))
        if copied is None or len(ahead) > 1:
            yield from arrived()
    while ahead:
        yield from arrived()


def frames(
    plan: Plan, store: Store, generator: Generator, numbers: Iterable[int]
) -> Iterator[Frame]:
    """The film's frames of these numbers, each asked for when the frame before it was painted; its
    keyframes must be there by then. Holds four keyframes at a time, however long the film."""
    device = generator.low.device

    @lru_cache(maxsize=4)  # two neighbours of each shot
    def codes(index: int) -> Tensor:
        return generator.quantise(store.load(plan.keyframes[index].key).to(device))

    @lru_cache(maxsize=4)
    def picture(index: int) -> Tensor:
        return generator.paint(codes(index))

    @lru_cache(maxsize=4)
    def sharp(index: int) -> Tensor:
        return sharpness_of(picture(index))

    @torch.no_grad()  # here and not around all: who gives the numbers may be optimising
    def paint(moment: Moment) -> Tensor:
        if moment.before is not None:
            before, after = moment.before, replace(moment, before=None)
            mix = MIXES[moment.transition]
            return mix(generator, paint(before), paint(after), moment.share)
        if moment.fraction == 0.0:
            return picture(moment.left)
        if moment.between == "latent":
            mixed = lerp(codes(moment.left), codes(moment.right), moment.fraction)
            return generator.paint(mixed)
        wanted = lerp(sharp(moment.left), sharp(moment.right), moment.fraction)
        return blend_keyframes(picture(moment.left), picture(moment.right), moment, wanted)

    pictures = (paint(plan.moment(number)) for number in numbers)
    yield from to_frames(pictures, plan.board.size)


def morph(generator: Generator, before: Tensor, after: Tensor, share: float) -> Tensor:
    """From one picture (1, 3, H, W) to another through latent space; share in 0..1.

    What each loses by encoding is added again in its share: nothing jumps where the way begins and
    ends.
    """
    pictures = torch.cat([before, after])
    codes = generator.quantise(generator.encode(pictures))
    lost = pictures - generator.paint(codes)
    way = generator.paint(lerp(codes[:1], codes[1:], share))
    return (way + lerp(lost[:1], lost[1:], share)).clamp(0, 1)


# What a transition in which two shots overlap makes of their pictures: one row for each of
# transitions.OVERLAPPING.
MIXES: dict[str, Callable[[Generator, Tensor, Tensor, float], Tensor]] = {
    "dissolve": lambda generator, before, after, share: lerp(before, after, share),
    "morph": morph,
}


def blend_keyframes(
    left: Tensor, right: Tensor, moment: Moment, sharp: Tensor | None = None
) -> Tensor:
    """Two keyframes' pictures (1, 3, H, W), each moved to where the camera is now, crossfaded, and
    as sharp as `sharp`, (): by default as they are.

    Where only one of them has a picture, that one is shown: a zoom out keeps its middle sharp and
    takes its rim from the keyframe that has already seen it. It changes there as the picture does
    beside it, or a zoom in would drag a rim of the old keyframe along and drop it at the new one.
    """
    share = moment.fraction
    first, first_seen = warp_with_coverage(left, moment.from_left, moment.border)
    second, second_seen = warp_with_coverage(right, moment.from_right, moment.border)
    first_weight = (1 - share) * first_seen.clamp_min(1e-4)
    second_weight = share * second_seen.clamp_min(1e-4)
    weight = second_weight / (first_weight + second_weight)
    beside = spread_change(second - first, first_seen * second_seen)
    mixed = torch.lerp(first, second, weight) + (share - weight) * beside
    if sharp is None:
        sharp = lerp(sharpness_of(left), sharpness_of(right), share)
    return restore_sharpness(mixed.clamp(0, 1), sharp)


def warp_with_coverage(picture: Tensor, matrix: Matrix, border: str) -> tuple[Tensor, Tensor]:
    """A picture (1, 3, H, W) through `matrix`, and where it shows what it had, (1, 1, H, W)."""
    if not moves(matrix):
        return picture, torch.ones_like(picture[:, :1])
    height, width = picture.shape[-2:]
    return warp(picture, matrix, border), coverage(matrix, height, width, picture.device)


def spread_change(change: Tensor, known: Tensor) -> Tensor:
    """A change (1, 3, H, W), smooth, and fading out soon beyond where it is known (1, 1, H, W)."""
    height, width = size = change.shape[-2:]
    cell = max(1.0, min(size) / 100)
    cells = F.interpolate(
        torch.cat([change * known, known], dim=1),
        size=(math.ceil(height / cell), math.ceil(width / cell)),
        mode="area",
    )
    sigma = 0.03 * min(size) / cell  # 3 cells, or less where a cell is a pixel
    calm = gaussian_blur2d(cells, (13, 13), (sigma, sigma))
    smooth = F.interpolate(calm, size=size, mode="bilinear", align_corners=False)
    return smooth[:, :3] / smooth[:, 3:].clamp_min(0.25)  # it is about 0.5 where the known ends


def restore_sharpness(picture: Tensor, wanted: Tensor) -> Tensor:
    """A picture (1, 3, H, W) in [0, 1] with its detail strengthened to this sharpness, ().

    Moving by parts of a pixel softens, and so does crossfading, and a film would pulse between its
    keyframes and what lies between them. Never softened, and no more than twice as sharp.
    """
    fine = detail(picture)
    finer = detail(fine)
    now, both, most = fine.square().mean(), (fine * finer).mean(), finer.square().mean()
    lacking = torch.minimum((wanted - now).clamp_min(0), now)
    # The amount for which |fine + amount * finer|² is now + lacking.
    amount = ((both.square() + most * lacking).sqrt() - both) / most.clamp_min(1e-12)
    return (picture + amount * fine).clamp(0, 1)
