"""What the captions of an animatic say about a frame: prompts, beat, speed and transition."""

from __future__ import annotations

import math
from fractions import Fraction

from render.curves.easing import easing
from render.plan import camera
from render.plan.active_prompts import active_prompts
from render.plan.moments import Moment
from render.plan.plan import ActivePrompt, Plan

WINDOW = Fraction(1, 4)  # seconds over which the speed of the camera is measured, to both sides
DECAY = 0.12  # seconds in which the light of a beat goes out


def crossing_at(plan: Plan, number: int) -> float:
    """Returns how far the prompts of a frame's shot have crossed over from those before: 0 to 1."""
    index = plan.shot_of(number)
    transition = plan.board.shots[index].transition
    time = number / plan.board.fps - plan.starts[index]
    if transition.kind != "continue" or time >= transition.duration:
        return 1.0
    return easing(transition.ease)(float(time / transition.duration))


def beat_at(plan: Plan, number: int) -> tuple[int, float]:
    """Returns the beat of a frame, counted from 0, and how much of its light is left: 0 to 1."""
    board = plan.board
    if not board.bpm:
        return 0, 0.0
    beats = (number / board.fps - board.first_beat) * board.bpm / 60
    beat = math.floor(beats)
    since = float((beats - beat) * 60 / board.bpm)
    return beat, math.exp(-since / DECAY) if beat >= 0 else 0.0


def prompts_at(plan: Plan, number: int, moment: Moment) -> list[tuple[str, float]]:
    """Returns the prompts of a frame as they are shown, and their weights; in a dissolve or morph
    those of both shots, as much as each is seen."""
    index = plan.shot_of(number)
    time = min(number / plan.board.fps - plan.starts[index], plan.board.shots[index].duration)
    weights: dict[str, float] = {}
    if moment.before is not None:
        shot = plan.keyframes[moment.before.left].shot
        end = plan.board.shots[shot].duration
        for prompt in active_prompts(plan.board, shot, end + time, plan.frame_size):
            weights[_label(prompt)] = prompt.weight * (1 - moment.share)
    for prompt in active_prompts(plan.board, index, time, plan.frame_size):
        share = 1.0 if moment.before is None else moment.share
        weights[_label(prompt)] = weights.get(_label(prompt), 0.0) + prompt.weight * share
    return list(weights.items())


def _label(prompt: ActivePrompt) -> str:
    """A prompt's text, or the name of its file, and where it applies."""
    file = prompt.image or prompt.latent
    text = prompt.text or (file.name if file else "")
    if prompt.where is None:
        return text
    picture = prompt.where.picture
    return f"[{picture.name if picture else prompt.where.name}] {text}"


def speed_at(plan: Plan, number: int) -> str:
    """Returns how the camera moves about a frame, measured over half a second, in words."""
    index = plan.shot_of(number)
    shot = plan.board.shots[index]
    time = min(number / plan.board.fps - plan.starts[index], shot.duration)
    start, end = max(Fraction(0), time - WINDOW), min(shot.duration, time + WINDOW)
    if end <= start:
        return ""
    seconds = float(end - start)
    m = camera.between(shot.camera, start, end, plan.frame_size)
    a, b, c, d, e, f, g, h = (value / m[8] for value in m[:8])
    # The derivative of the homography at the middle of the picture.
    p, q, r, s = a - c * g, b - c * h, d - f * g, e - f * h
    zoom = abs(p * s - q * r) ** (0.5 / seconds)
    turn = math.degrees(math.atan2(q - r, p + s)) / seconds
    across, down = (
        -100 * shift / side / seconds for shift, side in zip((c, f), plan.frame_size, strict=True)
    )
    factor = f"{zoom:.2f}" if zoom < 100 else "100+"
    said = [f"zoom {factor}/s"] if abs(zoom - 1) >= 0.005 else []
    said += [f"x {across:+.0f}%/s"] if abs(across) >= 0.5 else []
    said += [f"y {down:+.0f}%/s"] if abs(down) >= 0.5 else []
    said += [f"turn {turn:+.0f}°/s"] if abs(turn) >= 0.5 else []
    return "  ".join(said) or "at rest"


def transition_at(plan: Plan, number: int, moment: Moment) -> str:
    """Returns which transition a frame is in, and how far: "dissolve 40%"; else ""."""
    if moment.before is not None:
        return f"{moment.transition} {100 * moment.share:.0f}%"
    share = crossing_at(plan, number)
    return f"prompts cross {100 * share:.0f}%" if share < 1 else ""
