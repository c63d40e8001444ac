"""Frames of the film, painted from the stored keyframes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional as F

from render.film.blends import lerp
from render.generators.generator import Generator
from render.generators.warp import coverage, warp
from render.plan.camera import Matrix, moves
from render.plan.moments import Moment
from render.plan.plan import Plan
from render.synthesis.images import Frame, crop_to_bytes
from render.synthesis.latents import Store
from render.synthesis.picture_statistics import detail, sharpness_of


def to_frames(pictures: Iterable[Tensor], size: tuple[int, int]) -> Iterator[Frame]:
    """Yields the centre of each picture of these batches, (n, 3, H, W) in [0, 1], as a frame.

    `size` is the (width, height) of a frame. A GPU works one batch ahead (see `FrameDownload`).
    """
    download = FrameDownload(size)
    for picture in pictures:
        yield from download.push(picture)
    yield from download.flush()


class FrameDownload:
    """Converts pictures to frames and copies them to the CPU, in order.

    On a GPU one batch stays in flight: the GPU paints the next pictures while the last ones are
    copied and used. On a CPU nothing is held back.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """`size` is the (width, height) of a frame: the centre of each picture is cropped to it."""
        self.size = size
        self._copies: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()

    def push(self, pictures: Tensor) -> Iterator[Frame]:
        """Starts the copy of (n, 3, H, W) in [0, 1]; returns the frames that are due now.

        On a CPU these are the given ones, on a GPU those of the previous call. Exhaust the
        iterator before calling again.
        """
        self._copies.append(start_copy(crop_to_bytes(pictures, self.size)))
        return self._arrived(in_flight=1 if pictures.is_cuda else 0)

    def flush(self) -> Iterator[Frame]:
        """Returns the frames that are still in flight."""
        return self._arrived(in_flight=0)

    def _arrived(self, in_flight: int) -> Iterator[Frame]:
        """Waits for all copies but the last `in_flight`, and yields their frames."""
        while len(self._copies) > in_flight:
            pixels, copied = self._copies.popleft()
            if copied is not None:
                copied.synchronize()
            yield from pixels.numpy()


def start_copy(pixels: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """Returns a copy on the CPU, and the event after which it is complete (None: it is now)."""
    if not pixels.is_cuda:
        return pixels.to("cpu"), None
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copy = pixels.to("cpu", non_blocking=True)
    copied.record(torch.cuda.current_stream(pixels.device))
    return copy, copied


def frames(
    plan: Plan, store: Store, generators: Sequence[Generator], numbers: Iterable[int]
) -> Iterator[Frame]:
    """Yields the film's frames of these numbers.

    Takes a number only after painting the frame before; its keyframes must be stored by then.
    """
    painter = FramePainter(plan, store, generators)
    yield from to_frames((painter.paint(number) for number in numbers), plan.board.size)


class Painted(NamedTuple):
    """A layer of a frame: what paints it, from which codes (1, C, h, w), and how it covers what is
    below it."""

    generator: Generator
    codes: Tensor
    opacity: float = 1.0


class FramePainter:
    """Paints the frames of a film from its stored keyframes.

    Caches the codes, pictures and sharpness of four keyframes, two neighbours for each of two
    overlapping shots, so memory does not grow with the length of the film.
    """

    def __init__(self, plan: Plan, store: Store, generators: Sequence[Generator]) -> None:
        """Reads nothing yet: latents are loaded from `store` when they are first needed.
        `generators` are those of the plan's models."""
        device = generators[0].device

        @lru_cache(maxsize=4)
        def codes(index: int) -> Tensor:
            keyframe = plan.keyframes[index]
            return generators[keyframe.generator].quantise(store.load(keyframe.key).to(device))

        @lru_cache(maxsize=4)
        def picture(index: int) -> Tensor:
            return generators[plan.keyframes[index].generator].paint(codes(index))

        @lru_cache(maxsize=4)
        def sharpness(index: int) -> Tensor:
            return sharpness_of(picture(index))

        self._plan, self._generators = plan, generators
        # Closures, not methods: caches that refer to `self` would keep their tensors until the
        # garbage collector runs.
        self._codes, self._picture, self._sharpness = codes, picture, sharpness

    @torch.no_grad()
    def paint(self, number: int) -> Tensor:
        """Returns frame `number` as a picture (1, 3, H, W) in [0, 1], H and W as of the plan.

        The keyframes of the frame must be stored; raises LatentError where one cannot be loaded.
        """
        return self._paint(self._plan.moment(number))

    @torch.no_grad()
    def layers(self, number: int) -> list[Painted]:
        """Returns what frame `number` is painted from, from the lowest; in a dissolve of two shots
        there are two. All its generators must be such that move latents."""
        return self._layers(self._plan.moment(number))

    def _layers(self, moment: Moment) -> list[Painted]:
        """Returns the layers of a moment."""
        own = self._generators[self._plan.keyframes[moment.left].generator]
        if moment.before is None:
            return [Painted(own, self._moved_codes(own, moment))]
        (before,), (after,) = (
            self._layers(one) for one in (moment.before, replace(moment, before=None))
        )
        if moment.transition == "morph":
            return [Painted(own, own.travel(before.codes, after.codes, moment.share))]
        return [before, after._replace(opacity=moment.share)]

    def _common_generator(self, moment: Moment) -> Generator | None:
        """Returns the generator of both keyframes of a moment; None if they have two."""
        left, right = (self._plan.keyframes[index] for index in (moment.left, moment.right))
        if moment.fraction and left.generator != right.generator:
            return None
        return self._generators[left.generator]

    def _paint(self, moment: Moment) -> Tensor:
        """Returns the picture of a moment; in a transition both shots are painted and mixed."""
        own = self._common_generator(moment)
        if moment.before is not None:
            if moment.transition == "morph" and own is not None and own.moves_latents:
                return own.paint(self._layers(moment)[0].codes)
            before, after = self._paint(moment.before), self._paint(replace(moment, before=None))
            shot_generator = self._generators[self._plan.keyframes[moment.left].generator]
            return MIXES[moment.transition](shot_generator, before, after, moment.share)
        left, right, fraction = moment.left, moment.right, moment.fraction
        if fraction == 0.0:
            return self._picture(left)
        if own is not None and own.moves_latents:
            return own.paint(self._moved_codes(own, moment))
        if own is not None and moment.between == "latent":
            return own.paint(own.between(self._codes(left), self._codes(right), fraction))
        sharpness = lerp(self._sharpness(left), self._sharpness(right), fraction)
        return blend_keyframes(self._picture(left), self._picture(right), moment, sharpness)

    def _moved_codes(self, generator: Generator, moment: Moment) -> Tensor:
        """Returns the codes of a moment of one shot, for a generator that moves latents."""
        left = generator.seen(self._codes(moment.left), moment.from_left, moment.border)
        if moment.fraction == 0.0:
            return left
        right = generator.seen(self._codes(moment.right), moment.from_right, moment.border)
        return generator.between(left, right, moment.fraction)


def morph(generator: Generator, before: Tensor, after: Tensor, share: float) -> Tensor:
    """Returns a picture between two pictures (1, 3, H, W), interpolated in latent space; `share` of
    `after` in 0..1.

    What encoding loses of each picture is interpolated and added back, so that the morph starts and
    ends exactly with its pictures.
    """
    pictures = torch.cat([before, after])
    codes = generator.quantise(generator.encode(pictures))
    lost = pictures - generator.paint(codes)
    between = generator.paint(generator.travel(codes[:1], codes[1:], share))
    return (between + lerp(lost[:1], lost[1:], share)).clamp(0, 1)


# How a transition in which two shots overlap mixes their pictures: a row for each of `OVERLAPPING`
# in render.storyboard.model.
MIXES: dict[str, Callable[[Generator, Tensor, Tensor, float], Tensor]] = {
    "dissolve": lambda generator, before, after, share: lerp(before, after, share),
    "morph": morph,
}


def blend_keyframes(
    left: Tensor, right: Tensor, moment: Moment, sharpness: Tensor | None = None
) -> Tensor:
    """Returns the picture of a moment between two keyframes' pictures (1, 3, H, W): each is warped
    to the camera of the moment, they are crossfaded and sharpened.

    `sharpness` () is that of the result; None interpolates that of the two pictures.

    Where only one of them covers the frame, that one is shown: in a zoom out the left one gives the
    sharp centre, and the right one, which already covers it, the rim. The change from left to
    right in the covered part is carried into the rim; otherwise a zoom in would keep the rim of the
    left keyframe until it jumps at the right one.
    """
    share = moment.fraction
    first, first_coverage = warp_with_coverage(left, moment.from_left, moment.border)
    second, second_coverage = warp_with_coverage(right, moment.from_right, moment.border)
    first_weight = (1 - share) * first_coverage.clamp_min(1e-4)
    second_weight = share * second_coverage.clamp_min(1e-4)
    weight = second_weight / (first_weight + second_weight)
    change = spread_change(second - first, first_coverage * second_coverage)
    mixed = torch.lerp(first, second, weight) + (share - weight) * change
    if sharpness is None:
        sharpness = lerp(sharpness_of(left), sharpness_of(right), share)
    return restore_sharpness(mixed.clamp(0, 1), sharpness)


def warp_with_coverage(picture: Tensor, matrix: Matrix, border: str) -> tuple[Tensor, Tensor]:
    """Returns a picture (1, 3, H, W) warped through `matrix`, and its `coverage` (1, 1, H, W)."""
    if not moves(matrix):
        return picture, torch.ones_like(picture[:, :1])
    height, width = picture.shape[-2:]
    return warp(picture, matrix, border), coverage(matrix, height, width, picture.device)


def spread_change(change: Tensor, known: Tensor) -> Tensor:
    """Returns a change (1, 3, H, W), smoothed, and continued beyond the part where it is known.

    `known` (1, 1, H, W) in [0, 1] is that part; the change fades out with the distance from it. It
    is blurred by 3% of the shorter side, on a grid of at most 100 cells along that side.
    """
    height, width = size = change.shape[-2:]
    cell = max(1.0, min(size) / 100)
    cells = F.interpolate(
        torch.cat([change * known, known], dim=1),
        size=(math.ceil(height / cell), math.ceil(width / cell)),
        mode="area",
    )
    sigma = 0.03 * min(size) / cell  # 3 cells, or less where a cell is a pixel
    blurred = gaussian_blur2d(cells, (13, 13), (sigma, sigma))
    smooth = F.interpolate(blurred, size=size, mode="bilinear", align_corners=False)
    # The blurred `known` is about 0.5 at the edge of what is known.
    return smooth[:, :3] / smooth[:, 3:].clamp_min(0.25)


def restore_sharpness(picture: Tensor, sharpness: Tensor) -> Tensor:
    """Returns a picture (1, 3, H, W) in [0, 1] with its detail amplified to this sharpness, ().

    Resampling by fractions of a pixel softens, and so does crossfading; without this the film would
    pulse between its keyframes and the frames between them. Never softens, and at most doubles the
    sharpness.
    """
    fine = detail(picture)
    finer = detail(fine)
    own, product, most = fine.square().mean(), (fine * finer).mean(), finer.square().mean()
    lacking = torch.minimum((sharpness - own).clamp_min(0), own)
    # The amount for which the mean of (fine + amount * finer)² is own + lacking.
    amount = ((product.square() + most * lacking).sqrt() - product) / most.clamp_min(1e-12)
    return (picture + amount * fine).clamp(0, 1)
