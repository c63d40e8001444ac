"""What each frame of a film is made of: keyframes, camera matrices and transitions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from render.curves.easing import easing
from render.plan import camera
from render.plan.camera import Matrix
from render.storyboard.model import OVERLAPPING

if TYPE_CHECKING:
    from render.plan.plan import Plan


@dataclass(frozen=True)
class Moment:
    """A frame on or between two keyframes.

    In a morph or dissolve, `before` is the moment of the shot before.
    """

    left: int  # index of the keyframe at or before the frame
    right: int  # index of the keyframe after it
    fraction: float  # 0 at left .. 1 at right
    from_left: Matrix  # from the left keyframe's picture to this frame
    from_right: Matrix
    border: str
    between: str  # "latent" or "picture": how the frame comes from its two keyframes
    before: Moment | None = None  # the shot before, continuing beyond its end
    share: float = 1.0  # of this moment beside `before`, 0..1
    transition: str = "cut"  # how the two are mixed: "morph" or "dissolve"

    @property
    def keyframes(self) -> tuple[int, ...]:
        """The indices of all keyframes that the frame is made of."""
        return self.own if self.before is None else (*self.before.keyframes, *self.own)

    @property
    def own(self) -> tuple[int, ...]:
        """Those of its own shot."""
        return (self.left, self.right) if self.fraction else (self.left,)


def moment_at(plan: Plan, frame: int) -> Moment:
    """What frame number `frame`, at frame / fps seconds, is made of."""
    board = plan.board
    index = plan.shot_of(frame)
    shot = board.shots[index]
    time = min(frame / board.fps - plan.starts[index], shot.duration)
    moment = _shot_moment(plan, index, time)
    transition = shot.transition
    if transition.kind not in OVERLAPPING or time >= transition.duration:
        return moment
    previous = index - 1 if index else len(board.shots) - 1  # a film that loops
    return replace(
        moment,
        before=_shot_moment(plan, previous, board.shots[previous].duration + time),
        share=easing(transition.ease)(float(time / transition.duration)),
        transition=transition.kind,
    )


def _shot_moment(plan: Plan, shot_index: int, time: Fraction) -> Moment:
    """What a shot alone shows `time` seconds after its start."""
    shot = plan.board.shots[shot_index]
    nearest = plan.first_keyframes[shot_index] + math.floor(time / shot.settings.every)
    left = plan.keyframes[min(nearest, plan.first_keyframes[shot_index + 1] - 1)]
    right = plan.keyframes[min(left.index + 1, len(plan.keyframes) - 1)]
    # The next shot's first keyframe stands where this shot's camera ends.
    right_time = right.time if right.shot == shot_index else shot.duration
    span = right_time - left.time
    between = shot.settings.between
    if between == "auto":
        step = camera.between(shot.camera, left.time, right_time, plan.frame_size)
        between = "picture" if camera.moves(step) else "latent"
    return Moment(
        left=left.index,
        right=right.index,
        fraction=float((time - left.time) / span) if span > 0 else 0.0,
        from_left=camera.between(shot.camera, left.time, time, plan.frame_size),
        from_right=camera.between(shot.camera, right_time, time, plan.frame_size),
        border=shot.camera.border,
        between=between,
    )
