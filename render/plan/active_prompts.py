"""Which prompts apply at one time of a shot, and with which weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from render.curves.curve import Curve
from render.curves.easing import easing
from render.plan import camera
from render.plan.camera import IDENTITY
from render.plan.plan import ActivePrompt
from render.storyboard.model import Shot, Storyboard


def active_prompts(
    board: Storyboard, shot_index: int, time: Fraction, frame: tuple[float, float] = (1.0, 1.0)
) -> tuple[ActivePrompt, ...]:
    """The prompts at `time` seconds into a shot; during a crossfade also those of the shot before.

    `frame` is Plan.frame, for regions that move with the camera.
    """
    shot = board.shots[shot_index]
    transition = shot.transition
    if transition.kind != "continue" or time >= transition.duration:
        return _shot_prompts(shot, time, 1.0, frame)
    share = easing(transition.ease)(float(time / transition.duration))
    before = board.shots[shot_index - 1]
    old = _shot_prompts(before, before.duration + time, 1 - share, frame)
    return _merge(old + _shot_prompts(shot, time, share, frame))


def prompt_change(before: Iterable[ActivePrompt], now: Iterable[ActivePrompt]) -> float:
    """How much of the weight went to other prompts: 0 for the same shares, 1 for all others."""
    shares: Counter[ActivePrompt] = Counter()
    for prompts, sign in ((tuple(before), -1), (tuple(now), 1)):
        total = sum(abs(prompt.weight) for prompt in prompts) or 1.0
        for prompt in prompts:
            same = replace(prompt, weight=0.0, stop=0.0, moved=IDENTITY)
            shares[same] += sign * prompt.weight / total  # type: ignore[assignment]
    return round(min(1.0, sum(map(abs, shares.values())) / 2), 12)


def _shot_prompts(
    shot: Shot, time: Fraction, share: float, frame: tuple[float, float]
) -> tuple[ActivePrompt, ...]:
    """A shot's own prompts with `share` of their weights; those without weight are left out."""
    active = []
    for prompt in shot.prompts:
        weight = round(prompt.weight.at(time) * prompt.share.at(time) * share, 12)
        if weight == 0:
            continue
        moved = IDENTITY
        if prompt.where and prompt.where.moves:
            moved = camera.between(shot.camera, Fraction(0), time, frame)
        active.append(
            ActivePrompt(
                text=prompt.text,
                image=prompt.image,
                weight=weight,
                stop=-math.inf if prompt.stop is None else _value_at(prompt.stop, time),
                where=prompt.where,
                moved=moved,
                latent=prompt.latent,
            )
        )
    return tuple(active)


def _value_at(curve: Curve, time: Fraction) -> float:
    """A curve's value; rounded where it changes, because C libraries differ in sine's last bits."""
    return curve.at(time) if curve.constant else round(curve.at(time), 12)


def _merge(prompts: tuple[ActivePrompt, ...]) -> tuple[ActivePrompt, ...]:
    """Equal prompts as one with the sum of their weights: a prompt of both shots keeps its own."""
    weights: dict[ActivePrompt, float] = {}
    for prompt in prompts:
        same = replace(prompt, weight=0.0)
        weights[same] = round(weights.get(same, 0.0) + prompt.weight, 12)
    return tuple(replace(prompt, weight=w) for prompt, w in weights.items() if w != 0)
