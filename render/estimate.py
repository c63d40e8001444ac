"""What a plan costs, in arithmetic, seconds, memory and disk, before it starts. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from render.models import known
from render.timeline import Keyframe, Plan

GUESSED_SPEED = 25.0  # GFLOP/s of one CPU core in 32 bits, until this machine has been measured
LOOKS = 960  # at grounds, before a chain starts: see keyframe.likely_start


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


class Costs:
    """The arithmetic of one plan in GFLOP: what a step, a keyframe and a frame take."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        megapixels = plan.size[0] * plan.size[1] / 1e6
        generator = known("generator")[plan.board.generator]
        self.decode = generator.gflop_per_megapixel * megapixels
        self.view = sum(known("perceptor")[n].gflop_per_view for n, _ in plan.board.perceptors)

    def step(self, keyframe: Keyframe) -> float:
        """Forward and backward: with frozen weights each is as dear as the other."""
        return 2 * (self.decode + self.view * keyframe.settings.cutouts)

    def keyframe(self, keyframe: Keyframe) -> float:
        """All steps, and two more decodes for the warm start, or looks at grounds without one."""
        painted = keyframe.parent is None and keyframe.init is None
        start = self.view * LOOKS + self.decode if painted else 2 * self.decode
        return self.step(keyframe) * keyframe.steps + start

    def total(self, todo: Iterable[Keyframe]) -> float:
        """These keyframes, and decoding the whole film."""
        return sum(map(self.keyframe, todo)) + self.decode * self.plan.frame_count


class Meter:
    """How far a render is, as the share of its work, steps and frames weighed by their cost."""

    def __init__(self, plan: Plan, todo: Iterable[Keyframe], frames: int) -> None:
        todo = list(todo)
        self.costs = Costs(plan)
        self.frames = frames
        before = accumulate((self.costs.keyframe(k) for k in todo), initial=0.0)
        self.before = dict(zip((k.index for k in todo), before, strict=False))
        self.optimising = sum(map(self.costs.keyframe, todo))
        self.total = self.optimising + self.costs.decode * frames

    def at_step(self, keyframe: Keyframe, step: int) -> float:
        return (self.before[keyframe.index] + self.costs.step(keyframe) * step) / self.total

    def at_frame(self, number: int) -> float:
        return (self.optimising + self.costs.decode * number) / self.total


def estimate(plan: Plan, todo: Iterable[Keyframe], speed: float | None) -> Estimate:
    """`speed` in GFLOP/s as measured on this machine by an earlier render, or None."""
    todo = list(todo)
    gflop = Costs(plan).total(todo)
    rate = speed or GUESSED_SPEED * (os.cpu_count() or 1)
    generator = known("generator")[plan.board.generator]
    latent = plan.size[0] * plan.size[1] // generator.factor**2 * generator.channels * 4
    return Estimate(
        keyframes=len(todo),
        steps=sum(keyframe.steps for keyframe in todo),
        gflop=gflop,
        seconds=gflop / rate,
        measured=speed is not None,
        memory=memory(plan),
        disk=len(todo) * (latent + 2048 + len(plan.board.text)),
    )


def memory(plan: Plan, cutouts: int | None = None) -> int:
    """Bytes a step needs: Python and torch, weights, and the activations kept for the gradient."""
    generator = known("generator")[plan.board.generator]
    views = cutouts or max(shot.settings.cutouts for shot in plan.board.shots)
    megapixels = plan.size[0] * plan.size[1] / 1e6
    perceptors = [known("perceptor")[name] for name, _ in plan.board.perceptors]
    weights = sum(model.size or 0 for model in (generator, *perceptors))
    # taming's decoder of 3856 GFLOP a megapixel keeps 1332 MiB at 256 px, measured. What it keeps
    # goes with its channels, what it computes with their square.
    decoder = 21.3e9 * megapixels * (generator.gflop_per_megapixel / 3856) ** 0.5
    # 25.5 MiB a view of ViT-B/32's 8.8 GFLOP, and every view's gradient in the picture's size.
    seen = sum(3.1e6 * model.gflop_per_view + 12e6 * megapixels for model in perceptors) * views
    return int(BASE_MEMORY + 2 * weights + decoder + seen)


BASE_MEMORY = 860 * 2**20  # Python with torch (CUDA build), kornia and open_clip, measured


def advice(plan: Plan) -> str:
    """What would need less memory."""
    cutouts = max(shot.settings.cutouts for shot in plan.board.shots)
    width, height = plan.board.size
    fewer = max(1, cutouts // 4)
    return (
        f"{width}x{height} with {cutouts} cutouts needs about {memory(plan) / 2**30:.1f} GiB; "
        f"cutouts: {fewer} needs {memory(plan, fewer) / 2**30:.1f} GiB, "
        f"and size: [{width // 4 * 2}, {height // 4 * 2}] about a quarter of the rest."
    )


def machine_memory() -> int | None:
    """Bytes that this machine has, or that its container may use; None where it does not tell."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return None
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):  # control groups 2 and 1
        with suppress(OSError, ValueError):
            there = min(there, int(Path("/sys/fs/cgroup", limit).read_text()))
    return there


def shortfall(plan: Plan, there: int | None) -> str | None:
    """A sentence when a step needs more than the bytes that are there."""
    if there is None or memory(plan) <= there:
        return None
    return f"{advice(plan)} This machine has {there / 2**30:.1f} GiB."
