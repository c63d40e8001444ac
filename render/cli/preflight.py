"""What the commands share: what they check at the door, and how they say what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from render.cli.exits import _place
from render.cli.output import TEXT_LOG, Log, write_answer
from render.errors import InputError, RenderError

if TYPE_CHECKING:
    from render.plan.plan import Keyframe, Plan
    from render.storyboard.model import Storyboard
    from render.synthesis.device import Device
    from render.synthesis.latents import Store
    from render.synthesis.models import Models


def load_storyboard(path: Path, log: Log = TEXT_LOG) -> Storyboard:
    """The storyboard, its warnings told; raises StoryboardError."""
    from render.storyboard.parser import load

    board = load(path)
    for warning in () if log.quiet else board.warnings:
        text = f"{path}:{warning.line}:{warning.column}: warning: {warning.message}"
        log.tell("warning", warning.message, text, _place(path, warning))
    return board


def plan_film(board: Storyboard, is_draft: bool) -> Plan:
    """What will be done, with the digests of the models that are here."""
    from render.plan.planner import draft, make_plan
    from render.weights import library

    generator = library.known_models("generator")[board.generator]
    if is_draft:
        board = draft(board, generator.factor)
    return make_plan(board, generator.factor, library.named_digest)


def check_models(plan: Plan) -> None:
    """Found out before anything is moved or made; raises ModelError."""
    from render.cli.describe import absent_models
    from render.weights import library

    for role, name in absent_models(plan):
        library.require_weights(library.known_models(role)[name])


def check_memory(plan: Plan, machine: Device, log: Log, force: bool) -> int | None:
    """How many views a perceptor looks at together, in the memory of the device; None is all.

    Warns when a step needs more than there is, and refuses what is certainly too much.
    """
    from render.plan.memory import cutouts_at_once, in_parts_message, shortfall

    budget = machine.budget()
    if short := shortfall(plan, budget):
        if short.refused and not force:
            raise InputError(short.message)
        log.say("warning", short.message)
    if parts := in_parts_message(plan, budget):
        log.say("warning", parts)
    return cutouts_at_once(plan, budget)


def check_outputs(plan: Plan, outputs: Iterable[Path], latents: Path, force: bool) -> None:
    """What a film and a still find out before anything is loaded, moved or made."""
    for output in outputs:
        check_overwrite(output, force, files_needed(plan.board))
    check_latents(latents)
    check_models(plan)


def prepare(
    plan: Plan,
    latents: Path,
    machine: Device,
    log: Log,
    force: bool,
    frame: int | None = None,
) -> tuple[Models, Store, list[Keyframe]]:
    """The models, and the keyframes to be made for the film or one frame of it, and where to."""
    from render.film.film import missing_keyframes
    from render.film.remarks import remarks
    from render.plan.plan import latent_shape, needed_keyframes
    from render.synthesis.latents import Store
    from render.synthesis.load import load_models

    store = Store(latents, latent_shape(plan))
    todo, total = missing_keyframes(plan, store, frame), len(needed_keyframes(plan, frame))
    if machine.asked and len(todo) < total:  # what they were made in is not in their keys
        log.say(
            "note",
            f"{total - len(todo)} of {total} keyframes are there and stay as they were made, "
            "whatever their precision" + ("; --fresh makes all anew" if frame is None else ""),
        )
    together = check_memory(plan, machine, log, force) if todo else None
    store.prepare()
    models = load_models(plan.board, machine, together, steps=bool(todo))
    for remark in remarks(plan, models):
        log.say("warning", remark)
    return models, store, todo


def frame_at(at: str, plan: Plan) -> int:
    """The number of the frame that is seen at a time; raises InputError."""
    from render.storyboard import literals
    from render.text import quoted

    board, last = plan.board, plan.frame_count - 1
    try:
        seconds = literals.time(at, board.fps, board.bpm)
    except ValueError as error:
        raise InputError(f"--at {quoted(at)} {error}") from error
    if not 0 <= seconds < board.duration:
        raise InputError(
            f"--at {at}: the film runs from 0 to {float(board.duration):g} s, and its last frame "
            f"is at {float(last / board.fps):.4g} s: --at {last}f"
        )
    return min(int(seconds * board.fps), last)


def latents_folder(storyboard: Path) -> Path:
    """Beside the storyboard, so that every film made of it shares its keyframes."""
    return storyboard.with_name(f"{storyboard.stem}.latents")


def files_needed(board: Storyboard) -> list[Path]:
    """The storyboard, and the pictures and the sound that it names."""
    files = [board.source, board.audio.file if board.audio else None]
    for shot in board.shots:
        files += [shot.init, shot.settings.palette]
        for prompt in shot.prompts:
            files += [prompt.image, prompt.latent, prompt.where.picture if prompt.where else None]
    return [file for file in files if file is not None]


def check_overwrite(output: Path, force: bool, needed: Iterable[Path]) -> None:
    """A film that Render made is made again; anything else is somebody's work.

    What it would be made from is never written over, forced or not, and may be Render's own: a
    still that a storyboard begins with.
    """
    from render.media.provenance import ProvenanceError
    from render.media.provenance import read_note as read_note

    for file in needed:
        with suppress(OSError):  # one of them is not there
            if output.samefile(file):
                raise InputError(
                    f"{output} is one of the files that it would be made from; choose another "
                    "name with -o"
                )
    if force or not output.exists():
        return
    try:
        read_note(output)
    except ProvenanceError:
        raise InputError(
            f"{output} exists and was not written by Render; choose another name or add --force"
        ) from None


def check_picture_output(output: Path) -> None:
    """`still` writes PNG into a folder that is there."""
    from render.media.codecs import check_place

    check_place(output, "frame.png")
    if output.suffix.lower() != ".png":
        raise InputError(f"-o {output}: a still is written as PNG; name it {output.stem}.png")


def check_latents(folder: Path) -> None:
    """Found out before the first keyframe is made, not after it."""
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"{folder} is in the way: latents are kept in a folder; name one: --latents"
        )
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{there} cannot be written; keep the latents elsewhere: --latents FOLDER")


def set_aside(folder: Path, yes: bool, needed: Iterable[Path] = ()) -> None:
    """Move old latents out of the way, after asking; nothing is deleted, nor `needed` moved."""
    if not folder.is_dir():
        return
    # Not resolved: of a link, the link is moved, and what it leads to keeps its place.
    folder = Path(os.path.abspath(folder))
    elsewhere = "name another with --latents"
    if Path.cwd().is_relative_to(folder.resolve()):
        raise InputError(f"{folder} cannot be moved aside (this command runs in it); {elsewhere}")
    for file in needed:
        if file.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"{folder} cannot be moved aside: the film is made from {file.name} in it. Keep "
                f"that elsewhere, or {elsewhere}"
            )
    number = next(n for n in range(1, 10_000) if not _aside(folder, n).exists())
    target = _aside(folder, number)
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise InputError(f"--fresh moves {folder} aside; add --yes where nobody can be asked")
        question = f"Move the latents in {folder} aside to {target} and start over?"
        if not click.confirm(question, err=True):
            raise RenderError("nothing was moved; without --fresh the film goes on from there")
    try:
        folder.rename(target)
    except OSError as error:  # the root of a disk, or no right to
        raise InputError(
            f"{folder} cannot be moved aside ({error.strerror}); {elsewhere}"
        ) from error


def _aside(folder: Path, number: int) -> Path:
    return folder.with_name(f"{folder.name}.{number}")


def model_names(board: Storyboard) -> list[str]:
    """As a sentence names them."""
    perceptors = (f"the perceptor {name}" for name, _ in board.perceptors)
    return [f"the generator {board.generator}", *perceptors]


def load_device(device: str, precision: str, log: Log, models: Iterable[str]) -> Device:
    """What computes; tells which models will be loaded, for torch comes first and takes seconds."""
    from render.cli.options import check_device
    from render.synthesis.device import choose_device

    check_device(device)
    if not log.quiet:
        loading = f"loading {' and '.join(models)}"
        log.tell("loading", loading, f"{loading} ...")
    return choose_device(device, precision)


def print_plan(plan: Plan, folder: Path) -> None:
    """Shots, keyframes, chains, what is done, and what the rest costs."""
    from render.cli.describe import describe_plan

    write_answer("\n".join(describe_plan(plan, folder)))


def print_cameras(board: Storyboard) -> None:
    """Every shot's camera as YAML."""
    from render.cli.describe import describe_cameras

    write_answer("\n".join(describe_cameras(board)))


def print_models() -> None:
    """The table of generators and perceptors."""
    from render.cli.describe import describe_models

    write_answer("\n".join(describe_models()))
