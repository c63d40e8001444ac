"""THE OUTER LOOP: a plan in, keyframes on disk, a video out."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from render import __version__
from render.estimate import HOST, Meter, Room, advice
from render.ffmpeg import VideoError
from render.frames import Frame, frames, to_frame
from render.generator import load_generator
from render.keyframe import Anchor, Models, anchor, climb, embed_targets, recordable
from render.latents import Store
from render.machine import Machine
from render.models import known
from render.optimize import Step
from render.perceptor import Perceptor, load_perceptor
from render.provenance import to_text
from render.shortage import FilmError, disk_shortage, memory_shortage
from render.storyboard import Storyboard
from render.timeline import ALGORITHM, Keyframe, Plan, Report
from render.video import write_video

Show = Callable[[Report], None]
BETTER = "ViT-B/32"  # the smallest perceptor that knows the words of the open world


def load_models(
    board: Storyboard, machine: Machine, at_once: int | None = None, steps: bool = True
) -> Models:
    """Every perceptor looks at `at_once` views together, at all of them if nothing is said; `steps`
    is whether there are any to be made.

    Raises ModelError when weights are not there, FilmError when they do not fit.
    """
    perceptors = known("perceptor")
    smaller = "Smaller models need less: `render models` lists their sizes."
    with memory_shortage(lambda: smaller, "Nothing was changed."):
        models = Models(
            load_generator(known("generator")[board.generator]).on(
                machine.device, machine.step_type
            ),
            tuple(
                (
                    load_perceptor(perceptors[name]).on(machine.device, machine.step_type, at_once),
                    weight,
                )
                for name, weight in board.perceptors
            ),
            machine.room(),
        )
        if steps and machine.device.type == "cuda":
            return replace(models, recorded=recordable(models))
        return models


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
    making = made(plan, models, store, todo, meter, show)

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
        show(Report("decode", shot, number, plan.frame_count, 0, 0, meter.at_frame(number)))

    with memory_shortage(
        lambda: advice(plan, models.room), _kept(store)
    ):  # of the disk, the writer tells
        comment = to_text(note(plan, "film"))
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
    with reasons(plan, store, models.room):
        frame = next(frames(plan, store, models.generator, [number]))
    return frame, note(plan, "frame", plan.keyframes[plan.moment(number).left], number)


def make_keyframes(
    plan: Plan, models: Models, store: Store, todo: list[Keyframe], meter: Meter, show: Show
) -> None:
    """Optimise and store these keyframes, parents first."""
    for _ in made(plan, models, store, todo, meter, show):
        pass


def made(
    plan: Plan, models: Models, store: Store, todo: list[Keyframe], meter: Meter, show: Show
) -> Iterator[Keyframe]:
    """`make_keyframes` one by one: each that is stored now."""
    if not todo:
        return
    with reasons(plan, store, models.room):
        targets = embed_targets(plan, models)

    @lru_cache(maxsize=1)  # neighbours mostly keep to the same
    def kept(picture: Path | None, first: int | None) -> Anchor:
        latent = None if first is None else store.load(plan.keyframes[first].key).to(models.device)
        return anchor(plan, picture, latent, models.generator)

    for keyframe in todo:
        with reasons(plan, store, models.room):
            parent = None
            if keyframe.parent is not None:
                parent = store.load(plan.keyframes[keyframe.parent].key).to(models.device)
            settings = keyframe.settings
            keeps = kept(settings.palette if settings.keeps_palette else None, keyframe.first)
            for step in climb(plan, keyframe, models, targets, parent, keeps):
                show(report(plan, keyframe, step, models, meter))
            if not torch.isfinite(step.average).all():
                raise FilmError(
                    f"the keyframe at {float(keyframe.time):g} s of shot "
                    f"{plan.board.shots[keyframe.shot].name!r} became NaN; a smaller step size "
                    "or smaller loss weights will hold it. Finished keyframes are kept"
                )
            store.save(keyframe.key, step.average, note(plan, "latent", keyframe))
        yield keyframe


def missing(plan: Plan, store: Store, frame: int | None = None) -> list[Keyframe]:
    """The keyframes still to be made, for the film or for one frame of it, parents first.

    Those that are there are read, once and before anything is made: whatever was changed on disk
    is told of now and together. Raises LatentError.
    """
    keyframes = wanted(plan, frame)
    there = dict.fromkeys(keyframe.key for keyframe in keyframes if store.has(keyframe.key))
    store.check(there)
    return [keyframe for keyframe in keyframes if keyframe.key not in there]


def wanted(plan: Plan, frame: int | None = None) -> tuple[Keyframe, ...]:
    """The keyframes of the film, or those that one frame is made of and all they go on from."""
    if frame is None:
        return plan.keyframes
    indices = set[int]()
    for index in plan.moment(frame).keyframes:
        indices |= ancestry(plan, index)
    return tuple(plan.keyframes[index] for index in sorted(indices))


def remarks(plan: Plan, models: Models) -> Iterator[str]:
    """What the perceptors do not take in, the ends of long texts and words they never saw; and
    where a GPU is slower than it could be."""
    if models.recorded is False:
        yield "steps cannot be recorded on this GPU; launched kernel by kernel they are slower"
    texts = dict.fromkeys(a.text for k in plan.keyframes for a in k.aims if a.text)
    for (name, _), (perceptor, _) in zip(plan.board.perceptors, models.perceptors, strict=True):
        unknown: dict[str, str | None] = {}
        for text in texts:
            if lost := unseen(text, perceptor):
                yield f"{text!r} is too long for {name}, which never sees {lost!r}"
            unknown |= perceptor.unknown_words(text)
        if unknown:
            read = (
                f"{word} (read as {instead})" if instead else word
                for word, instead in unknown.items()
            )
            yield (
                f"{name} does not know these words: {', '.join(read)}. {BETTER} may: "
                f"`render models get {BETTER}`"
            )


def unseen(text: str, perceptor: Perceptor) -> str:
    """The words at the end of a text that do not fit into what the perceptor reads."""
    words = text.split()

    def tokens(count: int) -> int:
        return perceptor.tokens_of(" ".join(words[:count]))

    seen = bisect_right(range(1, len(words) + 1), perceptor.context, key=tokens)
    return " ".join(words[seen:])


def ancestry(plan: Plan, index: int) -> set[int]:
    """A keyframe and all that it goes on from."""
    indices: set[int] = set()
    step: int | None = index
    while step is not None:
        indices.add(step)
        step = plan.keyframes[step].parent
    return indices


def report(plan: Plan, keyframe: Keyframe, step: Step, models: Models, meter: Meter) -> Report:
    """Reading the loss or a picture waits for the device, so both are read now and then."""
    last = step.index == step.steps
    picture = None
    if last or step.index % 25 == 0:
        with torch.no_grad():
            picture = to_frame(models.generator.decode(step.average), plan.board.size)
    return Report(
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


def note(
    plan: Plan, kind: str, keyframe: Keyframe | None = None, frame: int | None = None
) -> dict[str, Any]:
    """What Render writes into its files: enough to make them again. No clock, no machine."""
    board = plan.board
    models = [{"role": "generator", "name": board.generator, "sha256": plan.generator}]
    for (name, _), (digest, _) in zip(board.perceptors, plan.perceptors, strict=True):
        models.append({"role": "perceptor", "name": name, "sha256": digest})
    written: dict[str, Any] = {
        "render": __version__,
        "algorithm": ALGORITHM,
        "kind": kind,
        "storyboard": board.text,
        "storyboard_file": board.source.name if board.source else None,
        "seed": board.seed,
        "size": list(board.size),
        "models": models,
    }
    if board.draft:
        written["draft"] = True
    if frame is not None:
        written["frame"] = frame
        written["time"] = float(frame / board.fps)
    if keyframe is not None:
        written["shot"] = board.shots[keyframe.shot].name
        written["time_in_shot"] = str(keyframe.time)
        written["prompts"] = [
            {"prompt": a.text or next(f.name for f in (a.image, a.latent) if f), "weight": a.weight}
            for a in keyframe.aims
        ]
        written["key"] = keyframe.key
        written["steps"] = keyframe.steps
    return written


@contextmanager
def reasons(plan: Plan, store: Store, room: Room = HOST) -> Iterator[None]:
    """Turn what a machine runs out of into a sentence that says what would fit."""
    kept = _kept(store)
    with disk_shortage(store.folder, kept), memory_shortage(lambda: advice(plan, room), kept):
        yield


def _kept(store: Store) -> str:
    return f"Finished keyframes are kept in {store.folder}; the same command goes on from there."
