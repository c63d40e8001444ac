"""How far a render is, and what it reports while it works."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from render.plan.cost import Costs
from render.plan.plan import Keyframe, Plan


@dataclass(frozen=True)
class Progress:
    """A report after a step or a frame, for the caller to display."""

    stage: str  # "sketch", "optimise" or "decode"
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
    """The share of a render's work that is done; steps and frames count by their cost.

    Several keyframes may be made at once.
    """

    def __init__(self, plan: Plan, todo: Iterable[Keyframe], frames: int) -> None:
        """The work is the keyframes `todo` and so many `frames`."""
        todo = list(todo)
        self.costs = Costs(plan)
        self.total = sum(map(self.costs.keyframe, todo)) + self.costs.frame * frames
        self.keyframes: dict[int, float] = {}  # GFLOP done of each keyframe, by its index
        self.optimised = self.decoded = 0.0  # GFLOP done of all keyframes, and of all frames

    def at_step(self, keyframe: Keyframe, step: int) -> float:
        """The share done after a step of a keyframe; step 0 means that its start is done."""
        return self._at(keyframe, self.costs.start(keyframe) + self.costs.first(keyframe, step))

    def at_sketch(self, keyframe: Keyframe, share: float) -> float:
        """The share done after a share of the sketch that a keyframe starts from."""
        left = self.costs.sketch(keyframe) * (1 - share)
        return self._at(keyframe, self.costs.start(keyframe) - left)

    def _at(self, keyframe: Keyframe, done: float) -> float:
        """The share done when so much of a keyframe is."""
        self.optimised += done - self.keyframes.get(keyframe.index, 0.0)
        self.keyframes[keyframe.index] = done
        return self._done()

    def at_frame(self, count: int) -> float:
        """The share done after so many frames."""
        self.decoded = self.costs.frame * count
        return self._done()

    def _done(self) -> float:
        share = (self.optimised + self.decoded) / self.total
        return share if share < 1 - 1e-9 else 1.0  # sums just below 1 are rounding errors
