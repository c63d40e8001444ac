"""What a command finds out before anything is loaded, moved or made."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from render.cli.options import check_device
from render.cli.output import Log
from render.errors import InputError, RenderError

if TYPE_CHECKING:
    from render.cli.request import RenderRequest
    from render.plan.plan import Plan
    from render.storyboard.model import Storyboard
    from render.synthesis.device import Device


def load_storyboard(request: RenderRequest, *more: str) -> Storyboard:
    """Read the storyboard of a request with its settings and perhaps more, and report its warnings;
    raises StoryboardError with every mistake."""
    from render.storyboard.parser import load

    path, log = request.storyboard, request.log
    board = load(path, (*request.settings, *more), request.allow_outside)
    for warning in () if log.quiet else board.warnings:
        text = f"{warning.place(path)}: warning: {warning.message}"
        file = warning.file or str(path)
        place = {"file": file, "line": warning.line, "column": warning.column}
        log.tell("warning", warning.message, text, place)
    return board


def plan_film(board: Storyboard, is_draft: bool) -> Plan:
    """The plan of a storyboard, with the digests of the models and files that it names."""
    from render.media.digest import file_digest
    from render.plan.planner import draft, make_plan
    from render.weights.selection import choose_models

    models = choose_models(board.generators, board.perceptors)
    if is_draft:
        board = draft(board, max(chosen.model.factor for chosen in models.generators))
    return make_plan(board, models, file_digest)


def plan_part(plan: Plan, request: RenderRequest) -> Plan:
    """The plan of the part that a request asks for; raises InputError."""
    from render.plan.part import part_of

    return part_of(plan, request.shots, request.start, request.end)


def load_device(
    name: str,
    precision: str,
    convolutions: str,
    log: Log,
    models: Iterable[str],
    deterministic: bool = False,
) -> Device:
    """The device that computes; raises InputError where it is not there.

    Says which models will be loaded first, because importing torch takes seconds.
    """
    check_device(name)
    if not log.quiet:
        loading = f"loading {' and '.join(models)}"
        log.tell("loading", loading, f"{loading} ...")
    from render.synthesis.device import choose_device

    return choose_device(name, precision, convolutions, deterministic)


def model_names(plan: Plan) -> list[str]:
    """The plan's models as a sentence names them."""
    generators = [f"the generator {chosen.model.name}" for chosen in plan.models.generators]
    perceptors = [f"the perceptor {one.model.name}" for one in plan.models.perceptors]
    return list(dict.fromkeys(generators + perceptors))


def check_memory(plan: Plan, device: Device, log: Log, force: bool) -> int | None:
    """How many cutouts go through a perceptor together in the device's memory; None is all.

    Warns when a step needs more than is available; raises InputError when it needs far more, unless
    `force`.
    """
    from render.plan.memory import cutouts_at_once, in_parts_message, shortfall

    budget = device.memory_budget()
    if short := shortfall(plan, budget):
        if short.refused and not force:
            raise InputError(short.message)
        log.say("warning", short.message)
    if parts := in_parts_message(plan, budget):
        log.say("warning", parts)
    return cutouts_at_once(plan, budget)


def frame_at(at: str, plan: Plan) -> int:
    """The number of the frame that is shown at a time such as 3.2s; raises InputError."""
    from render.plan.part import film_time

    board, last = plan.board, plan.frame_count - 1
    seconds = film_time("--at", at, plan)
    if not 0 <= seconds < board.duration:
        raise InputError(
            f"--at {at}: the film runs from 0 to {float(board.duration):g} s, and its last frame "
            f"is at {float(last / board.fps):.4g} s: --at {last}f"
        )
    return min(int(seconds * board.fps), last)


def files_needed(board: Storyboard) -> list[Path]:
    """The storyboard's own file, and the pictures, latents and sound that it names."""
    files = [board.source, board.audio.file if board.audio else None]
    for shot in board.shots:
        files += [shot.init, shot.settings.palette]
        for prompt in shot.prompts:
            files += [prompt.image, prompt.latent, prompt.where.picture if prompt.where else None]
    return [file for file in files if file is not None]


def check_overwrite(
    output: Path,
    force: bool,
    needed: Iterable[Path],
    kind: str,
    storyboard: Path | None = None,
    lesser: str = "",
) -> None:
    """Raises InputError unless `output`, a `kind` made from `storyboard`, may be written.

    `lesser` says what it is if it is less than a whole film, which it then may not replace.

    A file that is as Render wrote it from the same storyboard may be replaced, any other only with
    `force`. An input file (`needed`) may never be, not even a still that Render made.
    """
    from render.media.provenance import place_of, why_not_replaced

    refuse_input(output, needed)
    if force or not output.exists():
        return
    made_from = None if kind == "preview" else place_of(storyboard, output)
    if reason := why_not_replaced(output, kind, made_from, lesser):
        raise InputError(f"{output} {reason}; choose another name or add --force")


def files_of(output: Path, numbers: Iterable[int]) -> list[Path]:
    """The files that are written to an output: one, or those of the frames of a sequence."""
    from render.media.sequence import frame_path, is_sequence

    return [frame_path(output, n) for n in numbers] if is_sequence(output) else [output]


def refuse_input(output: Path, needed: Iterable[Path]) -> None:
    """Raises InputError if `output` is one of the `needed` files."""
    for file in needed:
        with suppress(OSError):  # one of the two does not exist
            if output.samefile(file):
                raise InputError(
                    f"{output} is one of the files that it would be made from; choose another "
                    "name with -o"
                )


def check_sound(board: Storyboard, output: Path, log: Log) -> None:
    """Say if the film's sound is mixed to another layout for this file, which the storyboard's
    warnings did not say; raises SoundError if it cannot be encoded."""
    from render.media.codecs import CODECS, chosen_codec
    from render.media.sound import ENCODERS, layout_remark

    extension = output.suffix.lower()
    if not board.audio or extension == CODECS[chosen_codec(board.codec)].extensions[0]:
        return
    if extension not in ENCODERS:
        log.say("warning", f"{output.name} holds no sound")
        return
    if remark := layout_remark(board.audio, extension):
        log.say("warning", remark)


def check_drawing(plan: Plan, numbers: Iterable[int], output: Path) -> None:
    """Raises InputError for a frame that cannot be an SVG: `strokes` did not draw all of it."""
    for number in numbers:
        moment = plan.moment(number)
        for index in moment.keyframes:
            name = plan.generator_of(plan.keyframes[index]).model.name
            if name != "strokes":
                raise InputError(
                    f"-o {output}: frame {number} comes from the generator {name}, which makes no "
                    f"strokes; name it {output.stem}.png"
                )
        for one in (moment, moment.before):
            if one and one.fraction and len({plan.keyframes[i].generator for i in one.own}) > 1:
                raise InputError(
                    f"-o {output}: frame {number} is between drawings of different generators; "
                    f"name it {output.stem}.png"
                )


def check_hidden(size: tuple[int, int], note: dict[str, Any]) -> None:
    """Raises InputError unless a picture of (width, height) can hide a note."""
    from render.media.note_text import to_text
    from render.media.stegano import check_room

    check_room(size, to_text(note))


def check_picture_output(output: Path) -> None:
    """Raises InputError unless `output` is a PNG in a folder that can be written."""
    from render.media.codecs import check_place
    from render.storyboard.named_files import LATENT_SUFFIX

    check_place(output, "frame.png")
    if output.suffix.lower() != ".png":
        latent = "; `render latents` copies a latent out" if output.suffix == LATENT_SUFFIX else ""
        name = f"{output.stem}.png"
        raise InputError(f"-o {output}: a picture is written as PNG; name it {name}{latent}")


def check_latents(folder: Path) -> None:
    """Raises InputError unless latents can be written to `folder`, which need not exist yet."""
    from render.media.atomic import nearest_folder

    try:
        is_file, existing = folder.exists() and not folder.is_dir(), nearest_folder(folder)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be used ({error.strerror}); keep the latents elsewhere: "
            "--latents FOLDER"
        ) from error
    if is_file:
        raise InputError(f"{folder} is a file; choose a folder for the latents: --latents FOLDER")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(
            f"{existing} cannot be written; keep the latents elsewhere: --latents FOLDER"
        )


def set_aside(plan: Plan, folder: Path, yes: bool, log: Log) -> None:
    """Move the stored latents of a plan's keyframes to a new folder, after asking unless `yes`, and
    say so; nothing is deleted, and latents of other films and sizes stay.

    Raises InputError where that is not possible, and where the film is made from one of them.
    """
    from render.media.safetensors_header import latent_path
    from render.text import plural

    keys = dict.fromkeys(keyframe.key for keyframe in plan.needed_keyframes())
    stored = [path for key in keys if (path := latent_path(folder, key)).is_file()]
    unfinished = [path for key in keys if (path := folder / f"{key}.unfinished").is_file()]
    if not stored and not unfinished:
        return
    elsewhere = "name another folder with --latents"
    needed = {file.resolve() for file in files_needed(plan.board)}
    for path in stored:
        if path.resolve() in needed:
            raise InputError(
                f"{path} cannot be moved aside: the film is made from it. Keep it under another "
                f"name, or {elsewhere}"
            )
    folder = folder.resolve()  # so that a link to another disk is no reason to copy
    folders = (folder.with_name(f"{folder.name}.{number}") for number in range(1, 10_000))
    target = next(name for name in folders if not name.exists())
    what = f"{plural(len(stored), 'latent')} of this film from {folder} to {target}"
    if not yes:
        _ask_to_set_aside(what)
    moved: list[Path] = []
    try:
        target.mkdir()
        for path in (*stored, *unfinished):
            path.rename(target / path.name)
            moved.append(path)
    except OSError as error:  # the root of a disk, or no right to
        with suppress(OSError):  # back again
            for path in moved:
                (target / path.name).rename(path)
            target.rmdir()
        raise InputError(
            f"latents cannot be moved from {folder} to {target} ({error.strerror}); {elsewhere}"
        ) from error
    log.say("note", f"moved {what}")


def _ask_to_set_aside(what: str) -> None:
    """Raises RenderError unless a person agrees."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError(f"--fresh moves {what}; add --yes where nobody can be asked")
    if not click.confirm(f"Move {what}, and start over?", err=True):
        raise RenderError("nothing was moved; without --fresh the film goes on from there")
