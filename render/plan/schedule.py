"""The order of the work on a film: which keyframe is made and which frame is sent, one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from render.plan.plan import Keyframe, Plan


@dataclass(frozen=True)
class MakeKeyframe:
    """Optimise this keyframe and store its latent."""

    keyframe: Keyframe


@dataclass(frozen=True)
class SendFrame:
    """Decode this frame from stored keyframes and send it to the encoder."""

    number: int


def schedule(plan: Plan, todo: Iterable[Keyframe]) -> Iterator[MakeKeyframe | SendFrame]:
    """The keyframes `todo` (parents first) and every frame of the film, in the order of the work.

    A frame is sent after all keyframes that it is made of. The share of frames sent never exceeds
    the share of keyframes made: after an edit near the end of a long film, the new keyframe is made
    first, not after all the frames before it.
    """
    waiting = deque(todo)
    total = len(waiting)
    for count, number in enumerate(plan.shown, start=1):
        last_needed = max(plan.moment(number).keyframes)
        may_wait = total * (1 - count / len(plan.shown))
        while waiting and (waiting[0].index <= last_needed or len(waiting) > may_wait):
            yield MakeKeyframe(waiting.popleft())
        yield SendFrame(number)
