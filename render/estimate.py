"""What a plan costs, in arithmetic, seconds, memory and disk, before it starts. No torch."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from render.codecs import LEAST_SIDE, halved
from render.files import finished
from render.models import known
from render.timeline import Keyframe, Plan

GUESSED_SPEED = 25.0  # GFLOP/s of one CPU core in 32 bits, until this machine has been measured
GUESSED_START = 7.0  # seconds until the first step, as long
BLEND = 50.0  # GFLOP of a step that take as long as blending a megapixel of two pictures
LOOKS = 400  # at grounds, before a chain starts: see keyframe.likely_start (960 with regions)
REFUSED = 1.5  # times the memory that is there; the prediction errs by less


@dataclass(frozen=True)
class Estimate:
    """What is left to do."""

    keyframes: int
    steps: int
    gflop: float
    seconds: float
    measured: bool  # whether the speed was measured on this machine, or guessed
    memory: int  # bytes, at the most
    disk: int  # bytes of latents still to be written


@dataclass(frozen=True)
class Speed:
    """What an earlier render measured."""

    rate: float  # GFLOP/s
    start: float  # seconds from the command to the first keyframe or frame


class Costs:
    """The arithmetic of one plan in GFLOP: what a step, a keyframe and a frame take."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        megapixels = plan.size[0] * plan.size[1] / 1e6
        generator = known("generator")[plan.board.generator]
        self.decode = generator.gflop_per_megapixel * megapixels
        self.view = sum(known("perceptor")[n].gflop_per_view for n, _ in plan.board.perceptors)
        self.blend = BLEND * megapixels

    @cached_property
    def frame(self) -> float:
        """Of a film's mean frame. Those between keyframes are painted, or come of two pictures
        that are painted once."""
        count = self.plan.frame_count
        some = range(0, count, math.ceil(count / 64))
        blended = statistics.fmean(self.plan.moment(n).between == "picture" for n in some)
        once = self.decode * min(1.0, len(self.plan.keyframes) / count)
        return (1 - blended) * self.decode + blended * (once + self.blend)

    def step(self, keyframe: Keyframe) -> float:
        """Forward and backward: with frozen weights each is as dear as the other."""
        return 2 * (self.decode + self.view * keyframe.settings.cutouts)

    def start(self, keyframe: Keyframe) -> float:
        """What comes before the first step: two decodes of what it goes on from, or looks at
        grounds where it goes on from nothing."""
        painted = keyframe.parent is None and keyframe.init is None
        return self.view * LOOKS + self.decode if painted else 2 * self.decode

    def keyframe(self, keyframe: Keyframe) -> float:
        """Its start and all its steps."""
        return self.start(keyframe) + self.step(keyframe) * keyframe.steps

    def total(self, todo: Iterable[Keyframe]) -> float:
        """These keyframes, and every frame of the film."""
        return sum(map(self.keyframe, todo)) + self.frame * self.plan.frame_count


class Meter:
    """How far a render is, as the share of its work, steps and frames weighed by their cost."""

    def __init__(self, plan: Plan, todo: Iterable[Keyframe], frames: int) -> None:
        todo = list(todo)
        self.costs = Costs(plan)
        before = accumulate((self.costs.keyframe(k) for k in todo), initial=0.0)
        self.before = dict(zip((k.index for k in todo), before, strict=False))
        self.total = sum(map(self.costs.keyframe, todo)) + self.costs.frame * frames
        self.optimised = self.decoded = 0.0  # GFLOP

    def at_step(self, keyframe: Keyframe, step: int) -> float:
        """After a step; after the start, where it is step 0."""
        done = self.costs.start(keyframe) + self.costs.step(keyframe) * step
        self.optimised = self.before[keyframe.index] + done
        return self._done()

    def at_frame(self, number: int) -> float:
        """After so many frames."""
        self.decoded = self.costs.frame * number
        return self._done()

    def _done(self) -> float:
        share = (self.optimised + self.decoded) / self.total
        return share if share < 1 - 1e-9 else 1.0  # as it would be without rounding


def estimate(
    plan: Plan, todo: Iterable[Keyframe], speed: Speed | None, room: Room | None = None
) -> Estimate:
    """`speed` as it was measured on this machine, or None; `room` is main memory if not given."""
    todo = list(todo)
    gflop = Costs(plan).total(todo)
    usual = speed or Speed(GUESSED_SPEED * (os.cpu_count() or 1), GUESSED_START)
    room = room or Room(machine_memory())
    latent = math.prod(latent_shape(plan)) * 4
    return Estimate(
        keyframes=len(todo),
        steps=sum(keyframe.steps for keyframe in todo),
        gflop=gflop,
        seconds=usual.start + gflop / usual.rate,
        measured=speed is not None,
        memory=memory(plan, room, at_once=views_at_once(plan, room)),
        disk=len(todo) * (latent + 2048 + len(plan.board.text)),
    )


def latent_shape(plan: Plan) -> tuple[int, int, int]:
    """(C, h, w) of the film's latents."""
    generator = known("generator")[plan.board.generator]
    width, height = plan.size
    return generator.channels, height // generator.factor, width // generator.factor


@dataclass(frozen=True)
class Room:
    """The memory that a step has, and what of the machine decides how much it takes."""

    there: int | None = None  # bytes; None where the machine does not tell
    card: bool = False  # it is a graphics card's own: Python and what is mapped lie elsewhere
    number: int = 4  # bytes of one, in the perceptors' transformers


HOST = Room()  # main memory, however much, and everything in float32


def memory(
    plan: Plan,
    room: Room = HOST,
    cutouts: int | None = None,
    size: tuple[int, int] | None = None,
    at_once: int | None = None,
) -> int:
    """Bytes a step needs: Python and torch, weights, the activations kept for the gradient, and
    ffmpeg beside it.

    `cutouts` and `size` (width, height) take the place of the plan's; `at_once` views go through
    a perceptor together, all of them if nothing is said.
    """
    generator = known("generator")[plan.board.generator]
    views = cutouts or most_cutouts(plan)
    width, height = size or plan.size
    megapixels = width * height / 1e6
    perceptors = [known("perceptor")[name] for name, _ in plan.board.perceptors]
    weights = sum(model.size or 0 for model in (generator, *perceptors))
    # Measured, peak of a step: 12 GB a megapixel with taming's decoder of 3856 GFLOP, 3.3 with the
    # starter's of 228. What a decoder keeps goes with its channels, what it computes with their
    # square; the losses look at pictures, whoever painted them.
    # Steps in bfloat16 need no less of it: frames are painted in float32, in about as much.
    decoder = (0.5e9 + 11.5e9 * (generator.gflop_per_megapixel / 3856) ** 0.5) * megapixels
    # 25.5 MiB a view of ViT-B/32's 8.8 GFLOP, and every view's gradient in the picture's size.
    together = min(views, at_once or views)
    seen = 0.0
    for model in perceptors:
        number = room.number if model.is_transformer else 4
        seen += 3.1e6 * model.gflop_per_view * together * number / 4 + 12e6 * megapixels * views
    if room.card:
        return int(CARD_MEMORY + weights + decoder + seen)
    return int(BASE_MEMORY + ENCODER * megapixels + 2 * weights + decoder + seen)


ENCODER = 0.35e9  # bytes a megapixel of ffmpeg, which works beside the steps: the most of codecs
BASE_MEMORY = 870 * 2**20  # Python with torch (CUDA build), kornia and open_clip, measured
CARD_MEMORY = 600 * 2**20  # CUDA's context and the libraries' workspaces, as usual; not measured


def most_cutouts(plan: Plan) -> int:
    """Of any shot."""
    return max(shot.settings.cutouts for shot in plan.board.shots)


def views_at_once(plan: Plan, room: Room) -> int | None:
    """How many views may go through a perceptor together in the memory there is; None is all.

    A power of two, whatever the film's shots have: parts of another size are other rounding.
    """
    there = room.there
    if there is None or memory(plan, room) <= there:
        return None
    powers = (2**power for power in range(10, 0, -1) if 2**power < most_cutouts(plan))
    return next((count for count in powers if memory(plan, room, at_once=count) <= there), 1)


def advice(plan: Plan, room: Room = HOST) -> str:
    """How much memory a step needs, with one view at a time, and what would need less."""
    cutouts, (width, height) = most_cutouts(plan), plan.board.size

    def least(**changed: Any) -> str:
        return gibibytes(memory(plan, room, at_once=1, **changed))

    fewer, half = max(1, cutouts // 4), halved(plan.board.size)
    less = []
    if fewer < cutouts:
        less.append(f"cutouts: {fewer} needs {least(cutouts=fewer)}")
    if min(half) >= LEAST_SIDE:
        less.append(f"size: [{half[0]}, {half[1]}] needs {least(size=half)}")
    needed = f"{width}x{height} with {cutouts} cutout{'s' if cutouts > 1 else ''} needs about"
    instead = " and ".join(less) or "smaller models need less, see `render models`"
    return f"{needed} {least()}; {instead}."


def in_parts(plan: Plan, room: Room) -> str | None:
    """A sentence where not all views go through a perceptor together, and the film is made."""
    together = views_at_once(plan, room)
    if together is None or shortfall(plan, room):
        return None
    return (
        f"{most_cutouts(plan)} views at once would need {gibibytes(memory(plan, room))}; they are "
        f"looked at {together} at a time, which takes longer."
    )


def gibibytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


# Where Linux's control groups, 2 and 1, keep how much memory a container may use.
LIMITS = ("memory.max", "memory/memory.limit_in_bytes")


def machine_memory(groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this machine has, or that its container may use; None where it does not tell."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return None
    for limit in LIMITS:
        with suppress(OSError, ValueError):  # no such group, or "max"
            there = min(there, int((groups / limit).read_text()))
    return there


@dataclass(frozen=True)
class Shortfall:
    """A step that needs more memory than there is."""

    message: str
    refused: bool  # so much more that the film is not begun unless it is asked for


def shortfall(plan: Plan, room: Room) -> Shortfall | None:
    """Whether a step needs more memory than there is, and how much more."""
    there, needed = room.there, memory(plan, room, at_once=views_at_once(plan, room))
    if there is None or needed <= there:
        return None
    refused = needed > REFUSED * there
    end = ", so the film is refused without --force." if refused else "."
    has = f"{'The card' if room.card else 'This machine'} has {gibibytes(there)}"
    return Shortfall(f"{advice(plan, room)} {has}{end}", refused)


def speed_file(folder: Path) -> Path:
    """Beside the folder of models."""
    return folder.parent / "speed.json"


def known_speed(folder: Path, device: str) -> Speed | None:
    """What the last render on this device reached; None if there was none."""
    try:
        rate, start = map(float, json.loads(speed_file(folder).read_text())[device])
        return Speed(rate, start) if 0.01 < rate < 1e7 and 0 < start < 600 else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def remember_speed(folder: Path, device: str, gflop: float, seconds: float, start: float) -> None:
    """Note the speed for the next estimate. A hint: nothing fails if it cannot be written."""
    if gflop < 100 or seconds < 5:
        return  # too short: start-up would count for speed
    path = speed_file(folder)
    try:
        speeds = {}
        with suppress(OSError, ValueError, TypeError, RecursionError):  # none yet, or nonsense
            speeds = dict(json.loads(path.read_text()))
        speeds[device] = [round(gflop / seconds, 2), round(start, 2)]
        path.parent.mkdir(parents=True, exist_ok=True)
        with finished(path) as partial:
            partial.write_text(json.dumps(speeds))
    except (OSError, ValueError, TypeError, RecursionError):
        return
