"""THE OUTER LOOP: a plan in, keyframes on disk, a video out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from render.engines import SerialEngine
from render.engines.engine import EngineFactory
from render.errors import FilmError
from render.film.frames import FrameDownload, FramePainter, frames
from render.media.codecs import chosen_codec
from render.media.ffmpeg import VideoError
from render.media.note_text import to_text
from render.media.provenance import place_of
from render.media.seal import FIELD, UNSEALED
from render.media.sequence import SequenceWriter, is_sequence
from render.media.video import VideoWriter, video_writer
from render.plan.memory import memory_advice
from render.plan.notes import frame_note, note_of
from render.plan.part import soundtrack_of
from render.plan.plan import Keyframe, Plan
from render.plan.progress import Meter, Progress, Show
from render.plan.schedule import MakeKeyframe, SendFrame, schedule
from render.synthesis.images import Frame
from render.synthesis.latents import Store
from render.synthesis.models import Models
from render.synthesis.resource_errors import film_shortages, kept_message, memory_shortage

FrameWriter = VideoWriter | SequenceWriter


def make_film(
    plan: Plan,
    models: Models,
    store: Store,
    todo: list[Keyframe],
    output: Path,
    show: Show,
    make_engine: EngineFactory = SerialEngine,
) -> None:
    """Make the keyframes `todo` and write every frame, in the order of `schedule`.

    There is no mode for resuming: keyframes whose latents are stored are not in `todo`. A run that
    is killed and repeated writes the same bytes. Raises FilmError, LatentError, and InputError
    before anything is made.
    """
    meter = Meter(plan, todo, len(plan.shown))
    painter = FramePainter(plan, store, models.generators)
    download = FrameDownload(plan.board.size)
    with (
        film_errors(plan, models, store),
        closing(make_engine(plan, models, store, todo, meter, show)) as engine,
        film_writer(plan, output) as video,
    ):
        for work in schedule(plan, todo):
            match work:
                case MakeKeyframe(keyframe):
                    engine.make(keyframe)
                case SendFrame(number):
                    picture = painter.paint(number)
                    for frame in download.push(picture):  # of a GPU, the frame before
                        send(frame, video, plan, meter, show)
        for frame in download.flush():
            send(frame, video, plan, meter, show)
    report_frames(len(plan.shown), plan, meter, show)


def make_still(
    plan: Plan,
    models: Models,
    store: Store,
    todo: list[Keyframe],
    number: int,
    show: Show,
    make_engine: EngineFactory = SerialEngine,
) -> Frame:
    """Frame `number`, after making the keyframes `todo` that are missing for it."""
    meter = Meter(plan, todo, 1)
    with closing(make_engine(plan, models, store, todo, meter, show)) as engine:
        for keyframe in todo:
            engine.make(keyframe)
    with film_shortages(plan, store.folder, models.memory_budget):
        return next(frames(plan, store, models.generators, [number]))


def missing_keyframes(
    plan: Plan, store: Store, say: Callable[[str], None] = lambda sentence: None
) -> list[Keyframe]:
    """The keyframes still to be made for what is shown, parents first.

    Reads every stored latent once. A damaged one is set aside, `say` is told, and its keyframe is
    among those to be made; the ones that continue from it stay, because it becomes the same again.
    Raises LatentError for one that cannot be set aside.
    """
    keyframes = plan.needed_keyframes()
    stored = dict.fromkeys(k.key for k in keyframes if os.path.lexists(store.path(k.key)))
    damaged = store.set_damaged_aside(stored)
    for sentence in damaged.values():
        say(sentence)
    return [k for k in keyframes if k.key not in stored or k.key in damaged]


def film_writer(plan: Plan, output: Path) -> AbstractContextManager[FrameWriter]:
    """What writes a film: the `video_writer` with its sound and its note, or a sequence's."""
    board = plan.board
    if is_sequence(output):
        note_of_frame = partial(frame_note, plan, file=output)
        return nullcontext(SequenceWriter(output, plan.shown, note_of_frame))
    title = board.source.stem if board.source else ""
    note = note_of(plan, "film") | {"made_from": place_of(board.source, output), FIELD: UNSEALED}
    metadata = {"title": title, "comment": to_text(note)}
    codec = chosen_codec(board.codec, output)
    settings = board.size, board.fps, codec, board.quality
    return video_writer(output, *settings, metadata, soundtrack_of(plan))


@contextmanager
def film_errors(plan: Plan, models: Models, store: Store) -> Iterator[None]:
    """Turn a shortage of memory, or an error of ffmpeg, into a FilmError that says where the
    finished keyframes are. A full disk is reported by what was writing: the encoder or the store.
    """
    kept = kept_message(store.folder)
    try:
        with memory_shortage(lambda: memory_advice(plan, models.memory_budget), kept):
            yield
    except VideoError as error:  # perhaps hours before the last keyframe
        raise FilmError(f"{error} {kept}") from error


def send(frame: Frame, video: FrameWriter, plan: Plan, meter: Meter, show: Show) -> None:
    """Send a frame to the encoder and report it; the last one only after the encoder has ended."""
    video.send(frame)
    if video.count < len(plan.shown):
        report_frames(video.count, plan, meter, show)


def report_frames(count: int, plan: Plan, meter: Meter, show: Show) -> None:
    """Report that so many frames are done."""
    shot = plan.board.shots[plan.shot_of(plan.shown[count - 1])].name
    show(Progress("decode", shot, count, len(plan.shown), 0, 0, meter.at_frame(count)))
