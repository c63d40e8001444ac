"""THE OUTER LOOP: a plan in, keyframes on disk, a video out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from render.errors import FilmError
from render.film.frames import Frame, frames, to_frame
from render.film.notes import note_of
from render.media.ffmpeg import VideoError
from render.media.provenance import to_text
from render.media.video import write_video
from render.plan.memory import HOST_MEMORY, MemoryBudget, memory_advice
from render.plan.plan import Keyframe, Plan, needed_keyframes
from render.plan.progress import Meter, Progress
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.latents import Store
from render.synthesis.models import Models
from render.synthesis.optimize import Step
from render.synthesis.resource_errors import disk_shortage, memory_shortage
from render.synthesis.statistics import ShotStatistics, shot_statistics
from render.synthesis.targets import embed_targets

Show = Callable[[Progress], None]


def make_film(
    plan: Plan, models: Models, store: Store, todo: list[Keyframe], output: Path, show: Show
) -> None:
    """Make the keyframes that are `missing`, and beside it decode and encode every frame whose
    keyframes are there.

    Of frames no greater share is done than of the keyframes that are to be made: an edit at a long
    film's end is worked on at once. Resuming is not a mode: a keyframe whose latent is there is
    done. Killed at any moment and run again, it writes the same bytes.
    """
    board = plan.board
    meter = Meter(plan, todo, plan.frame_count)
    waiting = deque(todo)
    making = keyframes_made(plan, models, store, todo, meter, show)

    def numbers() -> Iterator[int]:
        for number in range(plan.frame_count):
            needed = max(plan.moment(number).keyframes)
            left = len(todo) * (1 - (number + 1) / plan.frame_count)
            while waiting and (waiting[0].index <= needed or len(waiting) > left):
                waiting.remove(next(making))
            yield number

    def shown() -> Iterator[Frame]:
        for number, frame in enumerate(frames(plan, store, models.generator, numbers()), start=1):
            yield frame
            if number < plan.frame_count:
                tell(number)

    def tell(number: int) -> None:
        shot = board.shots[plan.shot_of(number - 1)].name
        show(Progress("decode", shot, number, plan.frame_count, 0, 0, meter.at_frame(number)))

    with memory_shortage(
        lambda: memory_advice(plan, models.budget), _kept(store)
    ):  # of the disk, the writer tells
        comment = to_text(note_of(plan, "film"))
        metadata = {"title": board.source.stem if board.source else "", "comment": comment}
        sound = (board.audio, plan.frame_count / board.fps) if board.audio else None
        encoding = board.size, board.fps, board.codec, board.quality
        try:
            write_video(output, shown(), *encoding, metadata, sound)
            tell(plan.frame_count)  # not before the encoder has ended well
        except VideoError as error:  # perhaps hours before the last keyframe
            raise FilmError(f"{error} {_kept(store)}") from error


def make_still(
    plan: Plan, models: Models, store: Store, todo: list[Keyframe], number: int, show: Show
) -> tuple[Frame, dict[str, Any]]:
    """Frame `number` and its note, after making the keyframes that are `missing` for it."""
    make_keyframes(plan, models, store, todo, Meter(plan, todo, 1), show)
    with reasons(plan, store, models.budget):
        frame = next(frames(plan, store, models.generator, [number]))
    return frame, note_of(plan, "frame", plan.keyframes[plan.moment(number).left], number)


def make_keyframes(
    plan: Plan, models: Models, store: Store, todo: list[Keyframe], meter: Meter, show: Show
) -> None:
    """Optimise and store these keyframes, parents first."""
    for _ in keyframes_made(plan, models, store, todo, meter, show):
        pass


def keyframes_made(
    plan: Plan, models: Models, store: Store, todo: list[Keyframe], meter: Meter, show: Show
) -> Iterator[Keyframe]:
    """`make_keyframes` one by one: each that is stored now."""
    if not todo:
        return
    with reasons(plan, store, models.budget):
        targets = embed_targets(plan, models)

    @lru_cache(maxsize=1)  # neighbours mostly keep to the same
    def kept(picture: Path | None, first: int | None) -> ShotStatistics:
        latent = None if first is None else store.load(plan.keyframes[first].key).to(models.device)
        return shot_statistics(plan, picture, latent, models.generator)

    for keyframe in todo:
        with reasons(plan, store, models.budget):
            parent = None
            if keyframe.parent is not None:
                parent = store.load(plan.keyframes[keyframe.parent].key).to(models.device)
            settings = keyframe.settings
            keeps = kept(settings.palette if settings.keeps_palette else None, keyframe.first)
            for step in optimize_keyframe(plan, keyframe, models, targets, parent, keeps):
                show(report(plan, keyframe, step, models, meter))
            if not torch.isfinite(step.average).all():
                raise FilmError(
                    f"the keyframe at {float(keyframe.time):g} s of shot "
                    f"{plan.board.shots[keyframe.shot].name!r} became NaN; a smaller step size "
                    "or smaller loss weights will hold it. Finished keyframes are kept"
                )
            store.save(keyframe.key, step.average, note_of(plan, "latent", keyframe))
        yield keyframe


def missing_keyframes(plan: Plan, store: Store, frame: int | None = None) -> list[Keyframe]:
    """The keyframes still to be made, for the film or for one frame of it, parents first.

    Those that are there are read, once and before anything is made: whatever was changed on disk
    is told of now and together. Raises LatentError.
    """
    keyframes = needed_keyframes(plan, frame)
    there = dict.fromkeys(keyframe.key for keyframe in keyframes if store.has(keyframe.key))
    store.check(there)
    return [keyframe for keyframe in keyframes if keyframe.key not in there]


def report(plan: Plan, keyframe: Keyframe, step: Step, models: Models, meter: Meter) -> Progress:
    """Reading the loss or a picture waits for the device, so both are read now and then."""
    last = step.index == step.steps
    picture = None
    if last or step.index % 25 == 0:
        with torch.no_grad():
            picture = to_frame(models.generator.decode(step.average), plan.board.size)
    return Progress(
        stage="optimise",
        shot=plan.board.shots[keyframe.shot].name,
        keyframe=keyframe.index + 1,
        keyframes=len(plan.keyframes),
        step=step.index,
        steps=step.steps,
        done=meter.at_step(keyframe, step.index),
        loss=float(step.loss) if last or step.index % 5 == 1 else None,
        picture=picture,
    )


@contextmanager
def reasons(plan: Plan, store: Store, budget: MemoryBudget = HOST_MEMORY) -> Iterator[None]:
    """Turn what a machine runs out of into a sentence that says what would fit."""
    kept = _kept(store)
    with (
        disk_shortage(store.folder, kept),
        memory_shortage(lambda: memory_advice(plan, budget), kept),
    ):
        yield


def _kept(store: Store) -> str:
    return f"Finished keyframes are kept in {store.folder}; the same command goes on from there."
