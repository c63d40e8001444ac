"""What `render STORYBOARD` and `render still` do, from the storyboard to the finished file."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from render.cli.exits import interruption_message, report_interruption
from render.cli.output import Log, report_made, write_line
from render.cli.preflight import (
    check_drawing,
    check_hidden,
    check_latents,
    check_memory,
    check_overwrite,
    check_picture_output,
    check_sound,
    files_needed,
    files_of,
    frame_at,
    load_device,
    load_storyboard,
    model_names,
    plan_film,
    plan_part,
    refuse_input,
    set_aside,
)
from render.cli.request import RenderRequest, preview_path
from render.errors import InputError
from render.media.atomic import atomic_write, file_errors
from render.media.codecs import check_place
from render.media.safetensors_header import has_latent
from render.plan.notes import frame_note
from render.plan.part import film_time
from render.plan.stored import latent_at
from render.storyboard.named_files import LATENT_SUFFIX
from render.text import plural
from render.weights.library import require_weights

if TYPE_CHECKING:
    from render.plan.plan import Keyframe, Plan
    from render.plan.progress import Progress
    from render.synthesis.device import Device
    from render.synthesis.latents import Store
    from render.synthesis.models import Models
    from render.weights.selection import FilmModels


@dataclass(frozen=True)
class Loaded:
    """Models that were loaded for a plan."""

    models: Models
    chosen: FilmModels
    size: tuple[int, int]
    steps: bool  # whether they are ready for steps
    at_once: int | None  # how many cutouts go through a perceptor together
    device: Device  # with its arithmetic


def render_film(request: RenderRequest) -> None:
    """Make the film of a request, or raise a RenderError before anything is changed."""
    from render.media.codecs import CODECS, check_frame, check_output, chosen_codec
    from render.media.sequence import check_sequence, is_sequence

    began, log = time.monotonic(), request.log
    board = load_storyboard(request)
    output = request.film_output(CODECS[chosen_codec(board.codec)].extensions[0])
    check_sound(board, output, log)
    board = replace(board, codec=chosen_codec(board.codec, output))
    plan = plan_part(plan_film(board, request.draft), request)
    lesser = "a part" if plan.part else "a draft" if request.draft else ""
    needed = files_needed(board)
    if is_sequence(output):
        check_sequence(output)
        files = [(file, "frame") for file in files_of(output, plan.shown)]
    else:
        check_output(output, board.codec)
        check_frame(plan.board.size, board.fps, board.codec, board.quality)
        files = [(output, "film")]
    for file, kind in (*files, (preview_path(output), "preview")):
        less = lesser if kind == "film" else ""
        check_overwrite(file, request.force, needed, kind, board.source, less)
    check_latents(request.latents_folder)
    plan.models.require()
    device = load_chosen_device(request, plan)
    if request.fresh:
        asked = time.monotonic()
        set_aside(plan, request.latents_folder, request.yes, log)
        began += time.monotonic() - asked  # the answer to a question may take its time
    _make_film(request, plan, output, device, began)


def _make_film(
    request: RenderRequest, plan: Plan, output: Path, device: Device, began: float
) -> None:
    """Load the models, make the film, and say what is kept if it is interrupted."""
    from render.cli.describe import describe_plan
    from render.cli.progress import display, preview_writer
    from render.film.film import make_film
    from render.plan.cost import Costs, remember_speed
    from render.weights.library import models_folder

    log, folder = request.log, request.latents_folder
    write_preview = preview_writer(preview_path(output))
    if request.verbose:
        for line in (*describe_plan(plan, folder, device), f"device {device}"):
            log.tell("plan", line, line)
    with report_interruption(log, partial(interruption_message, plan, folder)):
        loaded, store, todo = prepare(request, plan, device)
        models = loaded.models
        started = time.monotonic()
        with display(log.display) as show_progress:

            def show(progress: Progress) -> None:
                if progress.picture is not None:
                    write_preview(progress.picture)
                show_progress(progress)

            make_film(plan, models, store, todo, output, show)
    seconds, gflop = time.monotonic() - started, Costs(plan).total(todo)
    remember_speed(models_folder(), str(device.device), gflop, seconds, started - began)
    count = len(plan.shown)
    length = float(count / plan.board.fps) if plan.part else float(plan.board.duration)
    report_made(log, output, count, length, plan.board.size, began)


def render_still(request: RenderRequest, times: tuple[str, ...], stegano: bool = False) -> None:
    """Make frames as PNGs or SVGs, with no more keyframes than lead to them; raises RenderError.

    Several frames are written to files with their numbers.
    """
    from render.media.sequence import check_sequence, is_sequence

    began = time.monotonic()
    assert request.output is not None  # the command requires it
    output, log, folder = request.output, request.log, request.latents_folder
    board = load_storyboard(request)
    plan = plan_film(board, request.draft)
    numbers = sorted({frame_at(at, plan) for at in times})
    plan = replace(plan, part=tuple(range(number, number + 1) for number in numbers))
    is_drawing = output.suffix.lower() == ".svg" and not is_sequence(output)
    if is_sequence(output):
        check_sequence(output)
    elif is_drawing:
        check_place(output, "frame.svg")
        check_drawing(plan, numbers, output)
        if stegano:
            raise InputError(
                f"--stegano: {output.name} has no pixels to hide a note in; leave it out"
            )
    else:
        check_picture_output(output)
    if is_sequence(output):
        files = dict(zip(numbers, files_of(output, numbers), strict=True))
    elif len(numbers) > 1:
        files = {n: output.with_name(f"{output.stem}-{n}f{output.suffix}") for n in numbers}
    else:
        files = {numbers[0]: output}
    for number, file in files.items():
        check_overwrite(file, request.force, files_needed(board), "frame", board.source)
        if stegano:
            check_hidden(plan.board.size, frame_note(plan, number, file))
    check_latents(folder)
    plan.models.require()
    device = load_chosen_device(request, plan)

    from render.cli.progress import display
    from render.film.drawing import frame_layers
    from render.film.film import make_still
    from render.media.provenance import write_png
    from render.media.svg import write_svg

    with report_interruption(log, partial(interruption_message, plan, folder)):
        loaded, store, todo = prepare(request, plan, device)
        models = loaded.models
        with display(log.display) as show:
            for number, file in files.items():
                frame = make_still(plan, models, store, todo, number, show)
                todo, note = [], frame_note(plan, number, file)
                file.parent.mkdir(exist_ok=True)
                if is_drawing:
                    layers = frame_layers(plan, store, models.generators, number)
                    write_svg(file, plan.board.size, layers, note)
                else:
                    write_png(file, frame, note, stegano)
    for number, file in files.items():
        report_made(log, file, 1, None, plan.board.size, began, f"frame {number}")


def render_animatic(request: RenderRequest) -> None:
    """Make the animatic of a request, without any model; raises RenderError."""
    from render.media.codecs import check_frame, check_output, chosen_codec

    began, log = time.monotonic(), request.log
    board = load_storyboard(request)
    output = request.film_output(".animatic.mp4")
    plan = plan_part(plan_film(board, request.draft), request)
    check_output(output, chosen_codec("auto", output))
    check_overwrite(output, request.force, files_needed(board), "animatic", board.source)

    from render.cli.progress import display
    from render.report.animatic import QUALITY, Animatic, make_animatic

    check_sound(replace(board, codec="auto"), output, log)
    with report_interruption(log, lambda: "Interrupted."), display(log.display) as show:
        animatic = Animatic(plan)
        check_frame(animatic.size, board.fps, chosen_codec("auto", output), QUALITY)
        make_animatic(animatic, output, show)
    count = len(plan.shown)
    length = float(count / board.fps) if plan.part else float(board.duration)
    report_made(log, output, count, length, animatic.size, began)


def render_sheet(request: RenderRequest, count: int, columns: int) -> None:
    """Make a contact sheet of the frames whose keyframes are stored; raises RenderError."""
    began = time.monotonic()
    assert request.output is not None  # the command requires it
    output, log = request.output, request.log
    board = load_storyboard(request)
    plan = plan_part(plan_film(board, request.draft), request)
    check_picture_output(output)
    check_overwrite(output, request.force, files_needed(board), "sheet", board.source)
    if not any(has_latent(request.latents_folder, one.key) for one in plan.needed_keyframes()):
        raise InputError(
            f"no keyframe of this {'draft' if request.draft else 'film'} is in "
            f"{request.latents_folder} yet; render it first"
        )
    for chosen in plan.models.generators:
        if chosen.model.has_weights:
            require_weights(chosen.model)
    names = [f"the generator {chosen.model.name}" for chosen in plan.models.generators]
    device = load_device(request.device, "float32", "auto", log, names)

    from render.film.sheet import make_sheet, spread_frames, stored_frames
    from render.media.provenance import place_of, write_png
    from render.plan.notes import note_of
    from render.synthesis.latents import Store

    store = Store(request.latents_folder, plan.latent_shapes)
    numbers = spread_frames(plan, count)
    columns = min(columns, len(numbers))
    there = stored_frames(plan, store, numbers)
    picture = make_sheet(plan, store, device, numbers, there, columns)
    note = note_of(plan, "sheet") | {"made_from": place_of(board.source, output)}
    write_png(output, picture, note)
    what = f"{len(there)} of {plural(len(numbers), 'frame')}"
    size = (picture.shape[1], picture.shape[0])
    report_made(log, output, len(there), None, size, began, what)


def copy_latent(request: RenderRequest, plan: Plan, at: str) -> None:
    """Copy the latent of the keyframe nearest to a time to a file, or write its drawing as SVG;
    raises RenderError."""
    assert request.output is not None  # the command requires it
    output = request.output
    check_place(output, "kept.safetensors")
    is_drawing = output.suffix.lower() == ".svg"
    if output.suffix.lower() != LATENT_SUFFIX and not is_drawing:
        name = f"{output.stem}{LATENT_SUFFIX}"
        raise InputError(
            f"-o {output}: a latent is a safetensors file; name it {name}, or of a drawing "
            f"{output.stem}.svg"
        )
    found = latent_at(plan, request.latents_folder, film_time("--at", at, plan))
    if not found.is_there:
        raise InputError(
            f"the keyframe at {float(found.time):g} s of shot {found.shot!r} is not rendered yet: "
            f"render still {request.storyboard} --at {float(found.time):g}s -o FRAME.png, with the "
            "same options"
        )
    refuse_input(output, files_needed(plan.board))
    generator = plan.generator_of(found.keyframe).model
    if is_drawing and generator.name != "strokes":
        raise InputError(
            f"-o {output}: the latent is one of the generator {generator.name}, which makes no "
            f"strokes; name it {output.stem}{LATENT_SUFFIX}"
        )
    if output.exists() and not request.force:
        raise InputError(f"{output} exists; choose another name or add --force")
    if is_drawing:
        _write_drawing(found.path, plan, found.keyframe, output)
    else:
        with file_errors(output), atomic_write(output) as partial_file:
            partial_file.write_bytes(found.path.read_bytes())
    write_line(
        sys.stdout,
        f"{output}: the latent of {float(found.time):g} s, {float(found.keyframe.time):g} s into "
        f"shot {found.shot!r}",
    )


def _write_drawing(latent: Path, plan: Plan, keyframe: Keyframe, output: Path) -> None:
    """Write the drawing of a stored latent of `strokes` as SVG."""
    from render.film.drawing import layer_of
    from render.generators.load import load_generator
    from render.generators.strokes import Strokes
    from render.media.svg import write_svg
    from render.plan.notes import note_of
    from render.synthesis.latents import Store

    generator = load_generator(plan.generator_of(keyframe).model, plan.size)
    assert isinstance(generator, Strokes)
    stored = Store(latent.parent, plan.latent_shapes).load(keyframe.key)
    layer = layer_of(stored, generator, plan.board.size)
    write_svg(output, plan.board.size, [layer], note_of(plan, "drawing", keyframe))


def prepare(
    request: RenderRequest, plan: Plan, device: Device, loaded: Loaded | None = None
) -> tuple[Loaded, Store, list[Keyframe]]:
    """The loaded models, the store, and the keyframes still to be made for what is shown.

    Models that are `loaded` for another plan are used again where they are the same.
    """
    from render.film.film import missing_keyframes
    from render.plan.wording import plan_warnings
    from render.synthesis.latents import Store
    from render.synthesis.load import load_models

    log = request.log
    waits = request.if_busy == "wait"
    store = Store(request.latents_folder, plan.latent_shapes, request.save_every, waits)
    needed, todo = (
        plan.needed_keyframes(),
        missing_keyframes(plan, store, partial(log.say, "warning")),
    )
    missing = {keyframe.key for keyframe in todo}
    if kept := [keyframe for keyframe in needed if keyframe.key not in missing]:
        begun_with = store.arithmetic(kept[-1].key)
        if device.differs_from(begun_with):
            _note_kept_arithmetic(log, len(kept), len(needed), whole_film=not plan.part)
        device = device.like(begun_with)
    at_once = check_memory(plan, device, log, request.force) if todo else None
    store.prepare()
    for warning in plan_warnings(plan) if todo else ():
        log.say("warning", warning)
    right = (plan.models, plan.size, at_once, device)
    same = loaded and (loaded.chosen, loaded.size, loaded.at_once, loaded.device) == right
    if loaded and same and (loaded.steps or not todo):
        return loaded, store, todo
    say = partial(log.say, "note")
    models = load_models(plan.models, device, at_once, steps=bool(todo), say=say, size=plan.size)
    if request.verbose:
        log.say("note", f"computing in {models.arithmetic}")
    if models.recording_failed:
        slower = "launched kernel by kernel they are slower"
        log.say("warning", f"steps cannot be recorded on this GPU; {slower}")
    return Loaded(models, plan.models, plan.size, bool(todo), at_once, device), store, todo


def load_chosen_device(request: RenderRequest, plan: Plan) -> Device:
    """The device that a request names, after saying which models will be loaded."""
    how = request.device, request.precision, request.convolutions
    return load_device(*how, request.log, model_names(plan), request.deterministic)


def _note_kept_arithmetic(log: Log, kept: int, total: int, *, whole_film: bool) -> None:
    """Say that stored keyframes keep their arithmetic, which is not in their keys."""
    fresh = "; --fresh makes all anew" if whole_film else ""
    log.say(
        "note",
        f"{kept} of {total} keyframes are there and stay as they were computed{fresh}",
    )
