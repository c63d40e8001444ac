"""Storyboard to Plan: which keyframes, from which parent, at which seed and key. Pure, no torch.

`check`, resume and rendering all read the same Plan, so none of them can disagree. A keyframe's
key is a digest of everything that decides its picture and of nothing else: not of absolute time,
frame rate, file names or order. A latent on disk under its key is done.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from render.curves.curve import Curve
from render.curves.easing import easing
from render.media.codecs import LEAST_SIDE, half_size
from render.media.digest import file_digest
from render.plan import camera
from render.plan.camera import IDENTITY
from render.plan.key import ALGORITHM, derived_seed, prompt_parts
from render.plan.plan import ActivePrompt, Keyframe, Plan
from render.storyboard.model import OF_PALETTE, OF_PARENT, OVERLAPPING, Settings, Shot, Storyboard


def make_plan(board: Storyboard, factor: int, digest: Callable[[str, str], str]) -> Plan:
    """`factor` is the generator's pixels per cell; `digest(role, name)` that of its weights."""
    width, height = (math.ceil(side / factor) * factor for side in board.size)
    starts = [Fraction(0)]
    for shot in board.shots:
        starts.append(starts[-1] + shot.duration)
    generator = digest("generator", board.generator)
    perceptors = tuple((digest("perceptor", name), weight) for name, weight in board.perceptors)
    common = {
        "algorithm": ALGORITHM,
        "size": [width, height],
        "generator": generator,
        "perceptors": perceptors,
    }
    frame = (board.size[0] / height, board.size[1] / height)
    keyframes: list[Keyframe] = []
    firsts = []
    for number in range(len(board.shots)):
        firsts.append(len(keyframes))
        for time in keyframe_times(board, number):
            keyframes.append(_keyframe(board, number, time, keyframes, common, frame))
    return Plan(
        board=board,
        size=(width, height),
        # Half up, by hand: round() would take two shots of 0.5 frames to no frame at all.
        frame_count=max(1, math.floor(starts[-1] * board.fps + Fraction(1, 2))),
        keyframes=tuple(keyframes),
        generator=generator,
        perceptors=perceptors,
        starts=tuple(starts),
        firsts=(*firsts, len(keyframes)),
        frame=frame,
    )


def draft(board: Storyboard, factor: int) -> Storyboard:
    """The same shots and keyframes, half the size and a third of the steps.

    A film of few of the generator's cells keeps its size: half of them would show nothing of it.
    """
    width, height = half_size(board.size)
    small = min(width, height) < max(4 * factor, LEAST_SIDE)

    def cheaper(settings: Settings) -> Settings:
        first, then = settings.first, settings.then
        return replace(
            settings, first=min(first, max(10, first // 3)), then=min(then, max(5, then // 3))
        )

    shots = tuple(replace(shot, settings=cheaper(shot.settings)) for shot in board.shots)
    size = board.size if small else (width, height)
    return replace(board, size=size, shots=shots, draft=True)


def keyframe_times(board: Storyboard, number: int) -> list[Fraction]:
    """Multiples of `every` within the shot, and one beyond its end where a chain ends.

    A shot that the next one morphs or dissolves out of goes on for as long as that takes.
    """
    shot = board.shots[number]
    after = board.shots[(number + 1) % len(board.shots)].transition  # the first's where it loops
    overlap = after.duration if after.kind in OVERLAPPING else Fraction(0)
    count = math.ceil((shot.duration + overlap) / shot.settings.every)
    return [shot.settings.every * k for k in range(count + (after.kind != "continue"))]


def active_prompts(
    board: Storyboard, number: int, time: Fraction, frame: tuple[float, float] = (1.0, 1.0)
) -> tuple[ActivePrompt, ...]:
    """The prompts that pull at `time`; during a crossfade also those of the shot before.

    `frame` as in Plan, for regions that move with the camera.
    """
    shot = board.shots[number]
    fresh = _shot_prompts(shot, time, 1.0, frame)
    transition = shot.transition
    if transition.kind != "continue" or time >= transition.duration:
        return fresh
    share = easing(transition.ease)(float(time / transition.duration))
    before = board.shots[number - 1]
    old = _shot_prompts(before, before.duration + time, 1 - share, frame)
    return _merge_prompts(old + _shot_prompts(shot, time, share, frame))


def _shot_prompts(
    shot: Shot, time: Fraction, share: float, frame: tuple[float, float]
) -> tuple[ActivePrompt, ...]:
    prompts = []
    for prompt in shot.prompts:
        weight = round(prompt.weight.at(time) * prompt.share.at(time) * share, 12)
        stop = -math.inf if prompt.stop is None else _rounded_value(prompt.stop, time)
        if weight != 0:
            moved = IDENTITY
            if prompt.where and prompt.where.moves:
                moved = camera.between(shot.camera, Fraction(0), time, frame)
            wanted = prompt.text, prompt.image, weight, stop, prompt.where, moved, prompt.latent
            prompts.append(ActivePrompt(*wanted))
    return tuple(prompts)


def _rounded_value(curve: Curve, time: Fraction) -> float:
    """The value at `time`, without the last bits of one C library's sine where it changes."""
    return curve.at(time) if curve.constant else round(curve.at(time), 12)


def _merge_prompts(prompts: tuple[ActivePrompt, ...]) -> tuple[ActivePrompt, ...]:
    """One aim for each thing wanted: a prompt that both shots share keeps its full weight."""
    weights: dict[ActivePrompt, float] = {}
    for prompt in prompts:
        wanted = replace(prompt, weight=0.0)
        weights[wanted] = round(weights.get(wanted, 0.0) + prompt.weight, 12)
    return tuple(replace(prompt, weight=w) for prompt, w in weights.items() if w != 0)


def _keyframe(
    board: Storyboard,
    number: int,
    time: Fraction,
    before: list[Keyframe],
    common: Mapping[str, Any],
    frame: tuple[float, float],
) -> Keyframe:
    shot = board.shots[number]
    settings = shot.settings_at(time)
    opens = time == 0
    parent = None if opens and shot.transition.kind != "continue" else before[-1].index
    lens, local, init = shot.camera, time, None
    if parent is None:
        init = shot.init
        matrix = camera.tidy(camera.pose_matrix(shot.camera, time, frame)) if init else IDENTITY
    elif opens:  # the shot before carries the camera to its own end
        previous = board.shots[number - 1]
        lens, local = previous.camera, previous.duration
        matrix = camera.between(previous.camera, before[-1].time, previous.duration, frame)
    else:
        matrix = camera.between(shot.camera, before[-1].time, time, frame)
    moving = camera.moves(matrix)
    sharpen = round(lens.sharpen.at(local), 12) if moving else 0.0
    prompts = active_prompts(board, number, time, frame)
    steps, step_size = settings.then, settings.then_step
    if parent is None:
        steps, step_size = settings.first, settings.first_step
    seed = derived_seed(board.seed, shot.name, time)
    first = _first_of(shot, time, before) if settings.keeps_to_first else None
    idle: tuple[str, ...] = () if parent is not None or init else OF_PARENT
    if first is None:
        idle += ("sharpness",) if settings.palette else ("sharpness", *OF_PALETTE)
    decides = {
        **common,
        "steps": steps,
        "step_size": step_size,
        "cutouts": [settings.cutouts, *settings.cutout_size],
        "smoothing": settings.smoothing,
        "losses": sorted((n, w) for n, w in settings.losses if w and n not in idle),
        "aims": [prompt_parts(prompt) for prompt in prompts],
        "matrix": matrix,
        "border": lens.border if moving else None,
        "init": file_digest(init) if init else None,
        "seed": seed,
        "parent": None if parent is None else before[-1].key,
    }
    if sharpen:
        decides["sharpen"] = sharpen
    if settings.palette and settings.keeps_palette:
        decides["palette"] = file_digest(settings.palette)
    if first is not None:
        decides["first"] = before[first].key
    text = json.dumps(decides, sort_keys=True, ensure_ascii=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    return Keyframe(
        key,
        len(before),
        number,
        time,
        parent,
        matrix,
        lens.border,
        sharpen,
        init,
        first,
        prompts,
        steps,
        step_size,
        seed,
        settings,
    )


def _first_of(shot: Shot, time: Fraction, before: list[Keyframe]) -> int | None:
    """Index of the shot's first keyframe, after its prompts have crossed over; None until then."""
    crossing = shot.transition.duration if shot.transition.kind == "continue" else Fraction(0)
    every = shot.settings.every
    back = time / every - math.ceil(crossing / every)
    return len(before) - int(back) if back > 0 else None
