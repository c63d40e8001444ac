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
    """A frame between (or on) keyframes, and what it comes out of during a morph or a dissolve."""

    left: int  # index of a keyframe
    right: int
    fraction: float  # 0 at left .. 1 at right
    from_left: Matrix  # the left keyframe's picture to this frame
    from_right: Matrix
    border: str
    between: str  # latent | picture
    before: Moment | None = None  # the shot before, going on beyond its end
    share: float = 1.0  # of this moment beside the one before, 0..1
    transition: str = "cut"  # how the two become one: morph | dissolve

    @property
    def keyframes(self) -> tuple[int, ...]:
        """The indices of all that it is made of."""
        own = (self.left, self.right) if self.fraction else (self.left,)
        return own if self.before is None else (*self.before.keyframes, *own)


def moment_at(plan: Plan, frame: int) -> Moment:
    board = plan.board
    time = frame / board.fps
    number = plan.shot_of(frame)
    shot = board.shots[number]
    local = min(time - plan.starts[number], shot.duration)
    moment = _shot_moment(plan, number, local)
    transition = shot.transition
    if transition.kind not in OVERLAPPING or local >= transition.duration:
        return moment
    previous = number - 1 if number else len(board.shots) - 1  # a film that loops
    return replace(
        moment,
        before=_shot_moment(plan, previous, board.shots[previous].duration + local),
        share=easing(transition.ease)(float(local / transition.duration)),
        transition=transition.kind,
    )


def _shot_moment(plan: Plan, number: int, local: Fraction) -> Moment:
    """What a shot alone shows `local` seconds after its start."""
    shot = plan.board.shots[number]
    nearest = plan.firsts[number] + math.floor(local / shot.settings.every)
    left = plan.keyframes[min(nearest, plan.firsts[number + 1] - 1)]
    right = plan.keyframes[min(left.index + 1, len(plan.keyframes) - 1)]
    # The next shot's first keyframe stands where this shot's camera ends.
    right_time = right.time if right.shot == number else shot.duration
    span = right_time - left.time
    between = shot.settings.between
    if between == "auto":
        moving = camera.moves(camera.between(shot.camera, left.time, right_time, plan.frame))
        between = "picture" if moving else "latent"
    return Moment(
        left=left.index,
        right=right.index,
        fraction=float((local - left.time) / span) if span > 0 else 0.0,
        from_left=camera.between(shot.camera, left.time, local, plan.frame),
        from_right=camera.between(shot.camera, right_time, local, plan.frame),
        border=shot.camera.border,
        between=between,
    )
