"""What the commands share: what they check at the door, and how they say what went wrong."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import torch

    from render.storyboard import Storyboard
    from render.timeline import Plan

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


def wrong(message: object) -> click.exceptions.Exit:
    """The user's input is wrong: say so, exit with 2."""
    click.echo(f"render: {message}", err=True)
    return click.exceptions.Exit(WRONG_INPUT)


def failed(message: object) -> click.exceptions.Exit:
    """Something else went wrong: say so, exit with 1."""
    click.echo(f"render: {message}", err=True)
    return click.exceptions.Exit(FAILED)


@contextmanager
def mistakes(verbose: bool = False) -> Iterator[None]:
    """Every error that a command may meet, as a sentence and an exit code, never a traceback."""
    from render.models import ModelError
    from render.provenance import ProvenanceError
    from render.storyboard import StoryboardError
    from render.video import VideoError

    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except StoryboardError as error:
        click.echo(error, err=True)
        count = len(error.problems)
        click.echo(f"{count} mistake{'s' if count > 1 else ''}; nothing was written", err=True)
        raise click.exceptions.Exit(WRONG_INPUT) from error
    except (ModelError, ProvenanceError) as error:
        raise wrong(error) from error
    except VideoError as error:
        raise failed(error) from error
    except Exception as error:
        if verbose or os.environ.get("RENDER_TRACEBACK"):
            raise
        for name in ("FilmError", "LatentError", "JourneyError"):
            if type(error).__name__ == name:
                raise (failed if name == "FilmError" else wrong)(error) from error
        raise failed(
            f"{type(error).__name__}: {error}. This is a defect of Render, not of your storyboard; "
            "finished keyframes are kept. Run again with RENDER_TRACEBACK=1 to see where."
        ) from error


def display_mode(quiet: bool, log_format: str) -> str:
    """How progress is shown: one of `progress.MODES`."""
    return "quiet" if quiet else "json" if log_format == "json" else "auto"


def say(mode: str, event: str, message: str) -> None:
    """A sentence beside the progress, in the form that was asked for."""
    if mode == "json":
        click.echo(json.dumps({"event": event, "message": message}), err=True)
    elif mode != "quiet":
        click.echo(f"{event}: {message}", err=True)


@contextmanager
def interruptible(folder: Path | None) -> Iterator[None]:
    """Ctrl-C ends cleanly and says what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        kept = (
            f"Finished keyframes are kept in {folder}; the same command goes on. " if folder else ""
        )
        click.echo(f"\nInterrupted. {kept}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def load_board(path: Path) -> Storyboard:
    """The storyboard, its warnings told; raises StoryboardError."""
    from render.storyboard import load

    board = load(path)
    for warning in board.warnings:
        click.echo(f"{path}:{warning.line}:{warning.column}: warning: {warning.message}", err=True)
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


def latents_folder(storyboard: Path) -> Path:
    """Beside the storyboard, so that every film made of it shares its keyframes."""
    return storyboard.with_name(f"{storyboard.stem}.latents")


def may_overwrite(output: Path, force: bool) -> None:
    """A film that Render made is made again; anything else is somebody's work."""
    from render.provenance import ProvenanceError
    from render.provenance import inspect as read_note

    if force or not output.exists():
        return
    try:
        read_note(output)
    except ProvenanceError:
        raise wrong(
            f"{output} exists and was not written by Render; choose another name or add --force"
        ) from None


def check_picture_output(output: Path) -> None:
    """`still` writes PNG into a folder that is there."""
    if output.suffix.lower() != ".png":
        raise wrong(f"-o {output}: a still is written as PNG; name it {output.stem}.png")
    if output.is_dir() or not output.parent.is_dir():
        raise wrong(f"-o {output}: {output.parent} is not a folder that is there")
    if not os.access(output.parent, os.W_OK):
        raise wrong(f"-o {output}: {output.parent} cannot be written; choose another folder")


def check_latents(folder: Path) -> None:
    """Found out before the first keyframe is made, not after it."""
    if folder.exists() and not folder.is_dir():
        raise wrong(f"{folder} is in the way: latents are kept in a folder; name one: --latents")
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    if not os.access(there, os.W_OK | os.X_OK):
        raise wrong(f"{there} cannot be written; keep the latents elsewhere: --latents FOLDER")


def set_aside(folder: Path, yes: bool) -> None:
    """Move old latents out of the way, after asking; nothing is deleted."""
    if not folder.is_dir():
        return
    number = next(n for n in range(1, 10_000) if not _aside(folder, n).exists())
    target = _aside(folder, number)
    if not yes:
        if not sys.stdin.isatty() and os.environ.get("CI"):
            raise wrong(f"--fresh moves {folder} aside; add --yes where nobody can be asked")
        click.confirm(
            f"Move the latents in {folder} aside to {target} and start over?", abort=True, err=True
        )
    folder.rename(target)


def _aside(folder: Path, number: int) -> Path:
    return folder.with_name(f"{folder.name}.{number}")


def pick_device(name: str) -> torch.device:
    """auto|cpu|cuda|cuda:N|mps to a device that is there; says what is wrong otherwise."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", name):
        raise wrong(f"--device {name}: one of auto, cpu, cuda, cuda:1, mps")
    # Threads that wait must sleep: spinning beside another busy program is several times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    # The same bytes every time: no kernel is chosen by a race.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if cuda else "mps" if mps else "cpu"
    if name.startswith("cuda"):
        count = torch.cuda.device_count() if cuda else 0
        if int(name.partition(":")[2] or 0) >= count:
            raise wrong(f"--device {name}: torch sees {count} CUDA devices; --device cpu works")
    if name == "mps" and not mps:
        raise wrong("--device mps: torch sees no Metal device; --device cpu works")
    return torch.device(name)


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

    for line in describe_plan(plan, folder):
        click.echo(line)


def print_models() -> None:
    """The table of generators and perceptors."""
    from render.describe import describe_models

    for line in describe_models():
        click.echo(line)
