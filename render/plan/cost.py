"""What a plan costs in arithmetic, seconds and disk, before it starts."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from render.media.atomic import atomic_write
from render.plan.memory import MemoryBudget, cutouts_at_once, machine_memory, step_memory
from render.plan.plan import Keyframe, Plan, latent_shape
from render.weights.library import known_models

GUESSED_SPEED = 25.0  # GFLOP/s of one CPU core in 32 bits, until this machine has been measured
GUESSED_START = 7.0  # seconds until the first step, as long
BLEND = 50.0  # GFLOP of a step that take as long as blending a megapixel of two pictures
CANDIDATE_CUTOUTS = (
    400  # at grounds, before a chain starts: see keyframe.likely_start (960 with regions)
)


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
        generator = known_models("generator")[plan.board.generator]
        self.decode = generator.gflop_per_megapixel * megapixels
        self.view = sum(
            known_models("perceptor")[n].gflop_per_view for n, _ in plan.board.perceptors
        )
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
        return self.view * CANDIDATE_CUTOUTS + self.decode if painted else 2 * self.decode

    def keyframe(self, keyframe: Keyframe) -> float:
        """Its start and all its steps."""
        return self.start(keyframe) + self.step(keyframe) * keyframe.steps

    def total(self, todo: Iterable[Keyframe]) -> float:
        """These keyframes, and every frame of the film."""
        return sum(map(self.keyframe, todo)) + self.frame * self.plan.frame_count


def estimate(
    plan: Plan, todo: Iterable[Keyframe], speed: Speed | None, budget: MemoryBudget | None = None
) -> Estimate:
    """`speed` as it was measured on this machine, or None; `room` is main memory if not given."""
    todo = list(todo)
    gflop = Costs(plan).total(todo)
    usual = speed or Speed(GUESSED_SPEED * (os.cpu_count() or 1), GUESSED_START)
    budget = budget or MemoryBudget(machine_memory())
    latent = math.prod(latent_shape(plan)) * 4
    return Estimate(
        keyframes=len(todo),
        steps=sum(keyframe.steps for keyframe in todo),
        gflop=gflop,
        seconds=usual.start + gflop / usual.rate,
        measured=speed is not None,
        memory=step_memory(plan, budget, at_once=cutouts_at_once(plan, budget)),
        disk=len(todo) * (latent + 2048 + len(plan.board.text)),
    )


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
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(speeds))
    except (OSError, ValueError, TypeError, RecursionError):
        return
