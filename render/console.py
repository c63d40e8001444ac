"""What the commands share: what they check at the door, and how they say what went wrong."""

from __future__ import annotations

import difflib
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from render.errors import InputError, RenderError
from render.voice import TEXT, Voice, answer, write_line

if TYPE_CHECKING:
    from render.keyframe import Models
    from render.latents import Store
    from render.machine import Machine
    from render.storyboard import Storyboard
    from render.timeline import Keyframe, Plan
    from render.yamlnodes import Problem

DONE, FAILED, WRONG_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


class File(click.Path):
    """A file's name; an empty one, as of a variable that is not set, would name this folder."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        if not os.fspath(value):
            self.fail("the name is empty; name a file", param, ctx)
        return super().convert(value, param, ctx)


class Terminated(KeyboardInterrupt):
    """SIGTERM, as `kill`, a shutdown and a batch system's time limit send it."""


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends what runs inside as Ctrl-C does; where it is ignored, it stays so."""

    def terminate(number: int, frame: object) -> None:
        raise Terminated

    usual = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if usual:
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def code_of(interruption: BaseException) -> int:
    """The exit code; click's Abort, in which a question ends, hides what ended it."""
    both = (interruption, interruption.__context__)
    return TERMINATED if any(isinstance(each, Terminated) for each in both) else INTERRUPTED


@contextmanager
def mistakes(voice: Voice = TEXT, verbose: bool = False) -> Iterator[None]:
    """Every error that a command may meet, as a sentence and an exit code, never a traceback."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
        raise
    except (click.Abort, KeyboardInterrupt) as interruption:
        voice.tell("interrupted", "Interrupted.", "\nInterrupted.")
        raise click.exceptions.Exit(code_of(interruption)) from None
    except RenderError as error:
        _tell_error(voice, error)
        raise click.exceptions.Exit(error.exit_code) from error
    except Exception as error:
        wanted = verbose or bool(os.environ.get("RENDER_TRACEBACK"))
        if wanted and not voice.json:
            raise
        message = (
            f"{type(error).__name__}: {error}. This is a defect of Render, not of your storyboard; "
            "finished keyframes are kept. Run again with RENDER_TRACEBACK=1 to see where."
        )
        more: dict[str, object] = {"traceback": traceback.format_exc()} if wanted else {}
        voice.tell("error", message, f"render: {message}", more)
        raise click.exceptions.Exit(FAILED) from error


def _tell_error(voice: Voice, error: RenderError) -> None:
    """A line or object for each mistake of a storyboard, one for any other error."""
    from render.storyboard import StoryboardError

    if not isinstance(error, StoryboardError):
        voice.tell("error", str(error), f"render: {error}")
    elif voice.json:
        for problem in error.problems:
            voice.tell("error", problem.message, "", _place(error.source, problem))
    else:
        count = len(error.problems)
        write_line(sys.stderr, str(error))
        write_line(sys.stderr, f"{count} mistake{'s' if count > 1 else ''}; nothing was written")


def _place(path: Path | None, problem: Problem) -> dict[str, object]:
    return {"file": str(path), "line": problem.line, "column": problem.column}


def tell_usage_error(error: click.ClickException, arguments: Iterable[str]) -> None:
    """A command line that cannot be read, told as its own words ask for as far as they go."""
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        # click compares the dashes too, and finds --verbose for --overwrite.
        names = [name.lstrip("-") for name in error.possibilities]
        near = difflib.get_close_matches(error.option_name.lstrip("-"), names)
        error.possibilities[:] = [f"--{name}" for name in near]
    if re.search(r"--log-format[ =]json\b", " ".join(arguments)):
        Voice(json=True).tell("error", error.format_message(), "")
    else:
        shown = io.StringIO()
        error.show(shown)
        write_line(sys.stderr, shown.getvalue().rstrip("\n"))


@contextmanager
def interruptible(voice: Voice, message: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C and SIGTERM end cleanly with a sentence that says what is kept."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        sentence = message()
        voice.tell("interrupted", sentence, f"\n{sentence}")
        raise click.exceptions.Exit(code_of(interruption)) from None


def interrupted(plan: Plan, folder: Path) -> str:
    """What Ctrl-C or SIGTERM leaves behind."""
    from render.headers import has_latent

    total, done = len(plan.keyframes), sum(has_latent(folder, one.key) for one in plan.keyframes)
    if not done:
        return "Interrupted. No keyframe was finished, so nothing is kept yet."
    return (
        f"Interrupted. {done} of {total} keyframes are kept in {folder}; run the same command "
        "again to go on."
    )


def tell_made(voice: Voice, output: Path, what: str, size: tuple[int, int], seconds: float) -> None:
    """The last line: on stdout what was made; for machines an object, with the others."""
    from render.describe import duration

    if voice.display == "json":
        voice.say("done", str(output))
    elif voice.display == "auto":
        made = f"{output}: {what}, {size[0]}x{size[1]}, made in {duration(seconds)}"
        write_line(sys.stdout, made)  # which the file itself tells too


def load_board(path: Path, voice: Voice = TEXT) -> Storyboard:
    """The storyboard, its warnings told; raises StoryboardError."""
    from render.storyboard import load

    board = load(path)
    for warning in () if voice.quiet else board.warnings:
        text = f"{path}:{warning.line}:{warning.column}: warning: {warning.message}"
        voice.tell("warning", warning.message, text, _place(path, warning))
    return board


def plan_of(board: Storyboard, is_draft: bool) -> Plan:
    """What will be done, with the digests of the models that are here."""
    from render import models
    from render.timeline import draft, make_plan

    generator = models.known("generator")[board.generator]
    if is_draft:
        board = draft(board, generator.factor)
    return make_plan(board, generator.factor, models.digest_named)


def need_models(plan: Plan) -> None:
    """Found out before anything is moved or made; raises ModelError."""
    from render import models
    from render.describe import absent

    for role, name in absent(plan):
        models.need(models.known(role)[name])


def check_memory(plan: Plan, machine: Machine, voice: Voice, force: bool) -> int | None:
    """How many views a perceptor looks at together, in the memory of the device; None is all.

    Warns when a step needs more than there is, and refuses what is certainly too much.
    """
    from render.estimate import in_parts, shortfall, views_at_once

    room = machine.room()
    if short := shortfall(plan, room):
        if short.refused and not force:
            raise InputError(short.message)
        voice.say("warning", short.message)
    if parts := in_parts(plan, room):
        voice.say("warning", parts)
    return views_at_once(plan, room)


def check_door(plan: Plan, outputs: Iterable[Path], latents: Path, force: bool) -> None:
    """What a film and a still find out before anything is loaded, moved or made."""
    for output in outputs:
        may_overwrite(output, force, files_of(plan.board))
    check_latents(latents)
    need_models(plan)


def begin(
    plan: Plan,
    latents: Path,
    machine: Machine,
    voice: Voice,
    force: bool,
    frame: int | None = None,
) -> tuple[Models, Store, list[Keyframe]]:
    """The models, and the keyframes to be made for the film or one frame of it, and where to."""
    from render.estimate import latent_shape
    from render.film import load_models, missing, remarks, wanted
    from render.latents import Store

    store = Store(latents, latent_shape(plan))
    todo, total = missing(plan, store, frame), len(wanted(plan, frame))
    if machine.asked and len(todo) < total:  # what they were made in is not in their keys
        voice.say(
            "note",
            f"{total - len(todo)} of {total} keyframes are there and stay as they were made, "
            "whatever their precision" + ("; --fresh makes all anew" if frame is None else ""),
        )
    together = check_memory(plan, machine, voice, force) if todo else None
    store.prepare()
    models = load_models(plan.board, machine, together, steps=bool(todo))
    for remark in remarks(plan, models):
        voice.say("warning", remark)
    return models, store, todo


def frame_at(at: str, plan: Plan) -> int:
    """The number of the frame that is seen at a time; raises InputError."""
    from render import yamlnodes

    board, last = plan.board, plan.frame_count - 1
    try:
        seconds = yamlnodes.time(at, board.fps, board.bpm)
    except ValueError as error:
        raise InputError(f"--at {yamlnodes.shown(at)} {error}") from error
    if not 0 <= seconds < board.duration:
        raise InputError(
            f"--at {at}: the film runs from 0 to {float(board.duration):g} s, and its last frame "
            f"is at {float(last / board.fps):.4g} s: --at {last}f"
        )
    return min(int(seconds * board.fps), last)


def latents_folder(storyboard: Path) -> Path:
    """Beside the storyboard, so that every film made of it shares its keyframes."""
    return storyboard.with_name(f"{storyboard.stem}.latents")


def files_of(board: Storyboard) -> list[Path]:
    """The storyboard, and the pictures and the sound that it names."""
    files = [board.source, board.audio.file if board.audio else None]
    for shot in board.shots:
        files += [shot.init, shot.settings.palette]
        for prompt in shot.prompts:
            files += [prompt.image, prompt.latent, prompt.where.picture if prompt.where else None]
    return [file for file in files if file is not None]


def may_overwrite(output: Path, force: bool, needed: Iterable[Path]) -> None:
    """A film that Render made is made again; anything else is somebody's work.

    What it would be made from is never written over, forced or not, and may be Render's own: a
    still that a storyboard begins with.
    """
    from render.provenance import ProvenanceError
    from render.provenance import inspect as read_note

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
    from render.codecs import check_place

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


def models_of(board: Storyboard) -> list[str]:
    """As a sentence names them."""
    perceptors = (f"the perceptor {name}" for name, _ in board.perceptors)
    return [f"the generator {board.generator}", *perceptors]


def pick_machine(device: str, precision: str, voice: Voice, models: Iterable[str]) -> Machine:
    """What computes; tells which models will be loaded, for torch comes first and takes seconds."""
    from render import machine

    machine.check_device(device)
    if not voice.quiet:
        loading = f"loading {' and '.join(models)}"
        voice.tell("loading", loading, f"{loading} ...")
    return machine.pick(device, precision)


@contextmanager
def download_bar(name: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Bytes so far and in all, as a bar on a terminal and as nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True, quiet=quiet or not sys.stderr.isatty())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


def print_plan(plan: Plan, folder: Path) -> None:
    """Shots, keyframes, chains, what is done, and what the rest costs."""
    from render.describe import describe_plan

    answer("\n".join(describe_plan(plan, folder)))


def print_cameras(board: Storyboard) -> None:
    """Every shot's camera as YAML."""
    from render.describe import describe_cameras

    answer("\n".join(describe_cameras(board)))


def print_models() -> None:
    """The table of generators and perceptors."""
    from render.describe import describe_models

    answer("\n".join(describe_models()))
