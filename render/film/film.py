"""THE OUTER LOOP: a plan in, keyframes on disk, a video out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from render.engines import SerialEngine
from render.engines.engine import EngineFactory
from render.errors import FilmError
from render.film.frames import FrameDownload, FramePainter, frames
from render.media.ffmpeg import VideoError
from render.media.provenance import to_text
from render.media.video import VideoWriter, video_writer
from render.plan.memory import memory_advice
from render.plan.notes import note_of
from render.plan.plan import Keyframe, Plan
from render.plan.progress import Meter, Progress, Show
from render.plan.schedule import MakeKeyframe, SendFrame, schedule
from render.synthesis.images import Frame
from render.synthesis.latents import Store
from render.synthesis.models import Models
from render.synthesis.resource_errors import film_shortages, kept_message, memory_shortage


def make_film(
    plan: Plan,
    models: Models,
    store: Store,
    todo: list[Keyframe],
    output: Path,
    show: Show,
    make_engine: EngineFactory = SerialEngine,
) -> None:
    """Make the keyframes that are missing, and send every frame to the encoder as soon as the
    keyframes that it is made of are stored.

    Resuming is not a mode: a keyframe whose latent is stored is done. Killed at any moment and run
    again, it writes the same bytes. Raises FilmError.
    """
    meter = Meter(plan, todo, plan.frame_count)
    engine = make_engine(plan, models, store, meter, show)
    painter = FramePainter(plan, store, models.generator)
    download = FrameDownload(plan.board.size)

    def send(arrived: Iterator[Frame]) -> None:
        for frame in arrived:
            video.send(frame)
            if video.count < plan.frame_count:  # the last one is done when the encoder has ended
                show(frame_progress(plan, meter, video.count))

    with film_errors(plan, models, store), film_writer(plan, output) as video:
        for work in schedule(plan, todo):
            match work:
                case MakeKeyframe(keyframe):
                    engine.make(keyframe)
                case SendFrame(number):
                    send(download.push(painter.paint(number)))
        send(download.flush())
    show(frame_progress(plan, meter, plan.frame_count))


def make_still(
    plan: Plan, models: Models, store: Store, todo: list[Keyframe], number: int, show: Show
) -> tuple[Frame, dict[str, Any]]:
    """Frame `number` and its note, after making the keyframes `todo` that are missing for it."""
    engine = SerialEngine(plan, models, store, Meter(plan, todo, 1), show)
    for keyframe in todo:
        engine.make(keyframe)
    with film_shortages(plan, store.folder, models.memory):
        frame = next(frames(plan, store, models.generator, [number]))
    return frame, note_of(plan, "frame", plan.keyframes[plan.moment(number).left], number)


def missing_keyframes(plan: Plan, store: Store, frame: int | None = None) -> list[Keyframe]:
    """The keyframes still to be made, parents first: of the film, or of one frame of it.

    The stored ones are read once, before anything is made, so that every latent that was changed
    on disk is reported now and together. Raises LatentError.
    """
    keyframes = plan.needed_keyframes(frame)
    stored = dict.fromkeys(keyframe.key for keyframe in keyframes if store.has(keyframe.key))
    store.check(stored)
    return [keyframe for keyframe in keyframes if keyframe.key not in stored]


@contextmanager
def film_writer(plan: Plan, output: Path) -> Iterator[VideoWriter]:
    """The encoder of a film, with its sound and its note."""
    board = plan.board
    title = board.source.stem if board.source else ""
    metadata = {"title": title, "comment": to_text(note_of(plan, "film"))}
    sound = (board.audio, plan.frame_count / board.fps) if board.audio else None
    settings = board.size, board.fps, board.codec, board.quality
    with video_writer(output, *settings, metadata, sound) as writer:
        yield writer


@contextmanager
def film_errors(plan: Plan, models: Models, store: Store) -> Iterator[None]:
    """Turn what stops a film half-way into a FilmError that says which keyframes are kept.

    A full disk is the encoder's or the latents': each names its own.
    """
    kept = kept_message(store.folder)
    try:
        with memory_shortage(lambda: memory_advice(plan, models.memory), kept):
            yield
    except VideoError as error:  # perhaps hours before the last keyframe
        raise FilmError(f"{error} {kept}") from error


def frame_progress(plan: Plan, meter: Meter, count: int) -> Progress:
    """What is reported after so many frames were sent."""
    shot = plan.board.shots[plan.shot_of(count - 1)].name
    return Progress("decode", shot, count, plan.frame_count, 0, 0, meter.at_frame(count))
