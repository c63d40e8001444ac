"""Exit codes, and how errors and interruptions are reported."""

from __future__ import annotations

import difflib
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from render.cli.output import TEXT_LOG, Log, write_line
from render.errors import RenderError

if TYPE_CHECKING:
    from render.plan.plan import Plan
    from render.storyboard.problems import Problem


DONE, FAILED, WRONG_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


class TerminatedError(KeyboardInterrupt):
    """SIGTERM, as `kill`, a shutdown and a batch system's time limit send it."""


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """SIGTERM ends what runs inside as Ctrl-C does; where it is ignored, it stays so."""

    def terminate(number: int, frame: object) -> None:
        raise TerminatedError

    usual = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if usual:
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def exit_code_of(interruption: BaseException) -> int:
    """The exit code; click's Abort, in which a question ends, hides what ended it."""
    both = (interruption, interruption.__context__)
    return TERMINATED if any(isinstance(each, TerminatedError) for each in both) else INTERRUPTED


@contextmanager
def report_errors(log: Log = TEXT_LOG, verbose: bool = False) -> Iterator[None]:
    """Every error that a command may meet, as a sentence and an exit code, never a traceback."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
        raise
    except (click.Abort, KeyboardInterrupt) as interruption:
        log.tell("interrupted", "Interrupted.", "\nInterrupted.")
        raise click.exceptions.Exit(exit_code_of(interruption)) from None
    except RenderError as error:
        _tell_error(log, error)
        raise click.exceptions.Exit(error.exit_code) from error
    except Exception as error:
        wanted = verbose or bool(os.environ.get("RENDER_TRACEBACK"))
        if wanted and not log.json:
            raise
        message = (
            f"{type(error).__name__}: {error}. This is a defect of Render, not of your storyboard; "
            "finished keyframes are kept. Run again with RENDER_TRACEBACK=1 to see where."
        )
        more: dict[str, object] = {"traceback": traceback.format_exc()} if wanted else {}
        log.tell("error", message, f"render: {message}", more)
        raise click.exceptions.Exit(FAILED) from error


def _tell_error(log: Log, error: RenderError) -> None:
    """A line or object for each mistake of a storyboard, one for any other error."""
    from render.storyboard.problems import StoryboardError

    if not isinstance(error, StoryboardError):
        log.tell("error", str(error), f"render: {error}")
    elif log.json:
        for problem in error.problems:
            log.tell("error", problem.message, "", _place(error.source, problem))
    else:
        count = len(error.problems)
        write_line(sys.stderr, str(error))
        write_line(sys.stderr, f"{count} mistake{'s' if count > 1 else ''}; nothing was written")


def _place(path: Path | None, problem: Problem) -> dict[str, object]:
    return {"file": str(path), "line": problem.line, "column": problem.column}


def report_usage_error(error: click.ClickException, arguments: Iterable[str]) -> None:
    """A command line that cannot be read, told as its own words ask for as far as they go."""
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        # click compares the dashes too, and finds --verbose for --overwrite.
        names = [name.lstrip("-") for name in error.possibilities]
        near = difflib.get_close_matches(error.option_name.lstrip("-"), names)
        error.possibilities[:] = [f"--{name}" for name in near]
    if re.search(r"--log-format[ =]json\b", " ".join(arguments)):
        Log(json=True).tell("error", error.format_message(), "")
    else:
        shown = io.StringIO()
        error.show(shown)
        write_line(sys.stderr, shown.getvalue().rstrip("\n"))


@contextmanager
def report_interruption(log: Log, message: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C and SIGTERM end cleanly with a sentence that says what is kept."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        sentence = message()
        log.tell("interrupted", sentence, f"\n{sentence}")
        raise click.exceptions.Exit(exit_code_of(interruption)) from None


def interruption_message(plan: Plan, folder: Path) -> str:
    """What Ctrl-C or SIGTERM leaves behind."""
    from render.media.safetensors_header import has_latent

    total, done = len(plan.keyframes), sum(has_latent(folder, one.key) for one in plan.keyframes)
    if not done:
        return "Interrupted. No keyframe was finished, so nothing is kept yet."
    return (
        f"Interrupted. {done} of {total} keyframes are kept in {folder}; run the same command "
        "again to go on."
    )
