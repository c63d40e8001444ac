"""Storyboard to Plan: which keyframes are made, from which parent, at which camera and seed.

A pure function of the storyboard and of the digests of models and files; it reads no file.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from render.media.codecs import LEAST_SIDE, half_size
from render.plan import camera
from render.plan.active_prompts import active_prompts, prompt_change
from render.plan.camera import IDENTITY, Matrix
from render.plan.key import FileDigest, derived_seed, film_parts, keyframe_key
from render.plan.plan import Keyframe, Plan
from render.storyboard.model import OVERLAPPING, Camera, Settings, Shot, Storyboard
from render.weights.selection import FilmModels

SOON_ALL = 4  # times the share of the prompts that changed: from a quarter on, all the steps


def make_plan(board: Storyboard, models: FilmModels, file_digest: FileDigest) -> Plan:
    """The plan of a storyboard; `file_digest` returns the SHA-256 of a picture or latent."""
    factor = math.lcm(*(chosen.model.factor for chosen in models.generators))
    width, height = (math.ceil(side / factor) * factor for side in board.size)
    films = [film_parts((width, height), models, chosen) for chosen in models.generators]
    chosen_by = {choice: index for index, choice in enumerate(board.generators)}
    frame = (board.size[0] / height, board.size[1] / height)
    starts = [Fraction(0)]
    keyframes: list[Keyframe] = []
    first_keyframes = []
    for index, shot in enumerate(board.shots):
        first_keyframes.append(len(keyframes))
        generator = chosen_by[shot.generator]
        film = films[generator]
        for time in keyframe_times(board, index):
            keyframe = _keyframe(board, index, time, keyframes, generator, frame)
            key = keyframe_key(keyframe, keyframes, film, file_digest)
            keyframes.append(replace(keyframe, key=key))
        starts.append(starts[-1] + shot.duration)
    return Plan(
        board=board,
        models=models,
        size=(width, height),
        # Rounded half up: Python's round() takes 2.5 frames to 2.
        frame_count=max(1, math.floor(starts[-1] * board.fps + Fraction(1, 2))),
        keyframes=tuple(keyframes),
        starts=tuple(starts),
        first_keyframes=(*first_keyframes, len(keyframes)),
        frame_size=frame,
    )


def draft(board: Storyboard, factor: int) -> Storyboard:
    """The same shots and keyframes at half the size, with a third of the steps.

    A film of few latent cells keeps its size (`factor` is pixels a cell): half of them would show
    nothing of it.
    """
    smaller = half_size(board.size)
    size = board.size if min(smaller) < max(4 * factor, LEAST_SIDE) else smaller

    def cheaper(settings: Settings) -> Settings:
        first, later = settings.first_steps, settings.later_steps
        changing = settings.changing_steps
        return replace(
            settings,
            first_steps=min(first, max(10, first // 3)),
            later_steps=min(later, max(5, later // 3)),
            changing_steps=changing and min(changing, max(10, changing // 3)),
        )

    shots = tuple(replace(shot, settings=cheaper(shot.settings)) for shot in board.shots)
    return replace(board, size=size, shots=shots, draft=True)


def keyframe_times(board: Storyboard, shot_index: int) -> list[Fraction]:
    """Seconds into a shot: multiples of `every`, and one beyond the end where a chain ends.

    A shot that the next one morphs or dissolves out of continues for as long as that takes.
    """
    shot = board.shots[shot_index]
    # The shot after the last one is the first, where the film loops.
    following = board.shots[(shot_index + 1) % len(board.shots)].transition
    overlap = following.duration if following.kind in OVERLAPPING else Fraction(0)
    count = math.ceil((shot.duration + overlap) / shot.settings.every)
    return [shot.settings.every * k for k in range(count + (following.kind != "continue"))]


def _keyframe(
    board: Storyboard,
    shot_index: int,
    time: Fraction,
    before: list[Keyframe],
    generator: int,
    frame: tuple[float, float],
) -> Keyframe:
    """The keyframe at `time` seconds into a shot, after the keyframes planned before it, without
    its key."""
    shot = board.shots[shot_index]
    settings = shot.settings_at(time)
    starts_chain = time == 0 and shot.transition.kind != "continue"
    lens, lens_time, matrix = _camera_step(board, shot_index, time, before, frame)
    prompts = active_prompts(board, shot_index, time, frame)
    steps, step_size, change = settings.first_steps, settings.first_step_size, 0.0
    if not starts_chain:
        change = min(1.0, SOON_ALL * prompt_change(before[-1].prompts, prompts))
        steps, step_size = _later_steps(settings, change)
    return Keyframe(
        key="",
        index=len(before),
        shot=shot_index,
        time=time,
        parent=None if starts_chain else before[-1].index,
        matrix=matrix,
        border=lens.border,
        sharpen=round(lens.sharpen.at(lens_time), 12) if camera.moves(matrix) else 0.0,
        init=shot.init if starts_chain else None,
        generator=generator,
        reference=_reference(shot, time, len(before)) if settings.keeps_to_first else None,
        prompts=prompts,
        steps=steps,
        step_size=step_size,
        change=change,
        seed=derived_seed(board.seed, shot.name, time),
        settings=settings,
    )


def _later_steps(settings: Settings, change: float) -> tuple[int, float]:
    """Number and size of the steps of a later keyframe; `change` is that of `Keyframe`.

    With the few small steps that keep a film calm, a picture would not follow: a second after a
    crossing of one second it was as far from the new prompts as from anything.
    """
    steps, size = settings.later_steps, settings.later_step_size
    most = 4 * steps if settings.changing_steps is None else settings.changing_steps
    farthest = settings.changing_step_size
    farthest = 4 * size if farthest is None else farthest
    steps = math.floor(steps + change * (most - steps) + 0.5)
    return steps, round(size + change * (farthest - size), 12)


def _camera_step(
    board: Storyboard,
    shot_index: int,
    time: Fraction,
    before: list[Keyframe],
    frame: tuple[float, float],
) -> tuple[Camera, Fraction, Matrix]:
    """Which camera takes the parent's picture (or the init image) to a keyframe's: the camera, the
    seconds into its own shot at which it arrives, and its matrix."""
    shot = board.shots[shot_index]
    if time > 0:
        return shot.camera, time, camera.between(shot.camera, before[-1].time, time, frame)
    if shot.transition.kind != "continue":
        pose = camera.tidy(camera.pose_matrix(shot.camera, time, frame)) if shot.init else IDENTITY
        return shot.camera, time, pose
    # The shot before carries the camera to its own end, where this one begins.
    previous = board.shots[shot_index - 1]
    matrix = camera.between(previous.camera, before[-1].time, previous.duration, frame)
    return previous.camera, previous.duration, matrix


def _reference(shot: Shot, time: Fraction, index: int) -> int | None:
    """Index of the shot's first keyframe after its prompts have crossed over; None until then.

    `time` and `index` are those of the keyframe that asks.
    """
    crossing = shot.transition.duration if shot.transition.kind == "continue" else Fraction(0)
    every = shot.settings.every
    steps_back = time / every - math.ceil(crossing / every)
    return index - int(steps_back) if steps_back > 0 else None
