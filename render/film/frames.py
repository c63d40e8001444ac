"""Frames of the film, painted from the stored keyframes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional as F

from render.film.blends import lerp
from render.generators.vqgan import Generator
from render.plan.camera import Matrix, moves
from render.plan.moments import Moment
from render.plan.plan import Plan
from render.synthesis.images import Frame, crop_to_bytes
from render.synthesis.latents import Store
from render.synthesis.statistics import detail, sharpness_of
from render.synthesis.warp import coverage, warp


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

        On a CPU these are the given ones, on a GPU those of the batch before. Frames that the
        caller does not take are returned by the next call.
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
    plan: Plan, store: Store, generator: Generator, numbers: Iterable[int]
) -> Iterator[Frame]:
    """Yields the film's frames of these numbers.

    A number is drawn from `numbers` after the frame before it was painted; the keyframes of the
    frame must be stored by then.
    """
    painter = FramePainter(plan, store, generator)
    yield from to_frames((painter.paint(number) for number in numbers), plan.board.size)


class FramePainter:
    """Paints the frames of a film from its stored keyframes.

    Caches the codes, pictures and sharpness of four keyframes, two neighbours for each of two
    overlapping shots, so memory does not grow with the length of the film.
    """

    def __init__(self, plan: Plan, store: Store, generator: Generator) -> None:
        device = generator.low.device

        @lru_cache(maxsize=4)
        def codes(index: int) -> Tensor:
            return generator.quantise(store.load(plan.keyframes[index].key).to(device))

        @lru_cache(maxsize=4)
        def picture(index: int) -> Tensor:
            return generator.paint(codes(index))

        @lru_cache(maxsize=4)
        def sharpness(index: int) -> Tensor:
            return sharpness_of(picture(index))

        self._plan, self._generator = plan, generator
        # Closures, not methods: caches that refer to `self` would keep their tensors until the
        # garbage collector runs.
        self._codes, self._picture, self._sharpness = codes, picture, sharpness

    @torch.no_grad()
    def paint(self, number: int) -> Tensor:
        """Returns frame `number` as a picture (1, 3, H, W) in [0, 1], H and W as of the plan.

        The keyframes of the frame must be stored; raises LatentError where one cannot be loaded.
        """
        return self._paint(self._plan.moment(number))

    def _paint(self, moment: Moment) -> Tensor:
        """The picture of one moment; during a transition both shots are painted and mixed."""
        if moment.before is not None:
            before, after = self._paint(moment.before), self._paint(replace(moment, before=None))
            return MIXES[moment.transition](self._generator, before, after, moment.share)
        left, right, fraction = moment.left, moment.right, moment.fraction
        if fraction == 0.0:
            return self._picture(left)
        if moment.between == "latent":
            return self._generator.paint(lerp(self._codes(left), self._codes(right), fraction))
        sharpness = lerp(self._sharpness(left), self._sharpness(right), fraction)
        return blend_keyframes(self._picture(left), self._picture(right), moment, sharpness)


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
