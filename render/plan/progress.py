"""How far a render is, and what it reports while it works."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from render.plan.cost import Costs
from render.plan.plan import Keyframe, Plan


@dataclass(frozen=True)
class Progress:
    """What the core reports after a step or a frame; it displays nothing itself."""

    stage: str  # "optimise" or "decode"
    shot: str
    keyframe: int  # 1..keyframes while optimising, frame 1..frames while decoding
    keyframes: int
    step: int
    steps: int
    done: float  # share of all work, 0..1
    loss: float | None = None  # None where it was not read from the device
    picture: Any = None  # (H, W, 3) uint8, now and then


Show = Callable[[Progress], None]


class Meter:
    """The share of a render's work that is done; steps and frames count by their cost."""

    def __init__(self, plan: Plan, todo: Iterable[Keyframe], frames: int) -> None:
        """The work is the keyframes `todo` and so many `frames`."""
        todo = list(todo)
        self.costs = Costs(plan)
        before = accumulate((self.costs.keyframe(k) for k in todo), initial=0.0)
        self.before = dict(zip((k.index for k in todo), before, strict=False))
        self.total = sum(map(self.costs.keyframe, todo)) + self.costs.frame * frames
        self.optimised = self.decoded = 0.0  # GFLOP

    def at_step(self, keyframe: Keyframe, step: int) -> float:
        """The share done after a step; after the keyframe's start, where it is step 0."""
        done = self.costs.start(keyframe) + self.costs.step(keyframe) * step
        self.optimised = self.before[keyframe.index] + done
        return self._done()

    def at_frame(self, count: int) -> float:
        """The share done after so many frames."""
        self.decoded = self.costs.frame * count
        return self._done()

    def _done(self) -> float:
        share = (self.optimised + self.decoded) / self.total
        return share if share < 1 - 1e-9 else 1.0  # as it would be without rounding
