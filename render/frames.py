"""Every output frame from the stored keyframes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from render.camera import Matrix, moves
from render.generator import Generator
from render.latents import Store, lerp
from render.timeline import Moment, Plan
from render.warp import coverage, warp

Frame = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]


def to_frame(picture: Tensor, size: tuple[int, int]) -> Frame:
    """(1, 3, H, W) in [0, 1] to (height, width, 3) uint8, its middle cropped to `size`."""
    width, height = size
    top, left = (picture.shape[-2] - height) // 2, (picture.shape[-1] - width) // 2
    cropped = picture[0, :, top : top + height, left : left + width]
    pixels = (cropped * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    frame: Frame = pixels.cpu().numpy()
    return frame


@torch.no_grad()
def frames(
    plan: Plan, store: Store, generator: Generator, numbers: Iterable[int]
) -> Iterator[Frame]:
    """The film's frames of these numbers. Holds four keyframes at a time, however long the film."""
    device = generator.low.device

    @lru_cache(maxsize=4)  # two neighbours of each shot
    def codes(index: int) -> Tensor:
        return generator.quantise(store.load(plan.keyframes[index].key).to(device))

    @lru_cache(maxsize=4)
    def picture(index: int) -> Tensor:
        return generator.paint(codes(index))

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
        return blend(picture(moment.left), picture(moment.right), moment)

    for number in numbers:
        yield to_frame(paint(plan.moment(number)), plan.board.size)


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


def blend(left: Tensor, right: Tensor, moment: Moment) -> Tensor:
    """Two keyframes' pictures (1, 3, H, W), each moved to where the camera is now, crossfaded.

    Where only one of them has a picture, that one is shown: a zoom out keeps its middle sharp and
    takes its rim from the keyframe that has already seen it.
    """
    height, width = left.shape[-2:]
    share = moment.fraction

    def seen(picture: Tensor, matrix: Matrix, weight: float) -> tuple[Tensor, Tensor]:
        if not moves(matrix):
            return picture, torch.full_like(picture[:, :1], weight)
        covered = coverage(matrix, height, width, picture.device)
        return warp(picture, matrix, moment.border), weight * covered.clamp_min(1e-4)

    first, first_weight = seen(left, moment.from_left, 1 - share)
    second, second_weight = seen(right, moment.from_right, share)
    return (first * first_weight + second * second_weight) / (first_weight + second_weight)
