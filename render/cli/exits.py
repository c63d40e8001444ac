"""Exit codes, and how errors and interruptions are reported."""

from __future__ import annotations

import difflib
import errno
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from render.cli.output import TEXT_LOG, Log, write_line
from render.errors import RenderError

if TYPE_CHECKING:
    from render.plan.plan import Plan


FAILED, WRONG_INPUT, INTERRUPTED, TERMINATED = 1, 2, 130, 143
# Errors of a file or folder that the user named: it may not be read, or cannot have such a name.
NOT_TO_BE_HAD = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR)


class TerminatedError(KeyboardInterrupt):
    """SIGTERM arrived, as `kill`, a shutdown or a batch system's time limit sends it; or SIGHUP, as
    a terminal that is closed sends it."""


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Inside it, SIGTERM and SIGHUP raise TerminatedError: they end a render as Ctrl-C does.

    Where the process was started with one of them ignored, as `nohup` does, it stays ignored.
    """

    def terminate(number: int, frame: object) -> None:
        raise TerminatedError

    names = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    taken = [number for number in known if signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, terminate)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def exit_code_of(interruption: BaseException) -> int:
    """The exit code of an interruption; click's Abort may hide a SIGTERM in its context."""
    both = (interruption, interruption.__context__)
    return TERMINATED if any(isinstance(each, TerminatedError) for each in both) else INTERRUPTED


@contextmanager
def report_errors(log: Log = TEXT_LOG, verbose: bool = False) -> Iterator[None]:
    """Turns every error inside it into a sentence and an exit code.

    A traceback is shown only with `verbose` or RENDER_TRACEBACK=1.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
        raise
    except (click.Abort, KeyboardInterrupt) as interruption:
        log.tell("interrupted", "Interrupted.", "\nInterrupted.")
        raise click.exceptions.Exit(exit_code_of(interruption)) from None
    except RenderError as error:
        _report_error(log, error)
        raise click.exceptions.Exit(error.exit_code) from error
    except OSError as error:
        if error.errno not in NOT_TO_BE_HAD or not error.filename:
            _report_defect(log, error, verbose)
        name = os.fsdecode(error.filename)
        is_right = error.errno in (errno.EACCES, errno.EPERM)
        way = "Change its rights, or name another" if is_right else "Name another"
        message = f"{name} cannot be reached: {error.strerror}. {way}"
        log.tell("error", message, f"render: {message}")
        raise click.exceptions.Exit(WRONG_INPUT) from error
    except Exception as error:
        _report_defect(log, error, verbose)


def _report_defect(log: Log, error: Exception, verbose: bool) -> NoReturn:
    """Tell of an error that nobody expected, and exit."""
    show_traceback = verbose or bool(os.environ.get("RENDER_TRACEBACK"))
    if show_traceback and not log.json:
        raise error
    message = (
        f"{type(error).__name__}: {error}. This is a defect of Render, not of your storyboard; "
        "finished keyframes are kept. Run again with RENDER_TRACEBACK=1 to see where."
    )
    details: dict[str, object] = {}
    if show_traceback:
        details["traceback"] = traceback.format_exc()
    log.tell("error", message, f"render: {message}", details)
    raise click.exceptions.Exit(FAILED) from error


def _report_error(log: Log, error: RenderError) -> None:
    """Write a line (or JSON object) for each mistake of a storyboard, one for any other error."""
    from render.storyboard.problems import StoryboardError

    if not isinstance(error, StoryboardError):
        log.tell("error", str(error), f"render: {error}")
    elif log.json:
        for problem in error.problems:
            place = {"line": problem.line, "column": problem.column}
            file = problem.file or str(error.source)
            log.tell("error", problem.message, "", {"file": file, **place})
    else:
        count = len(error.problems)
        write_line(sys.stderr, str(error))
        write_line(sys.stderr, f"{count} mistake{'s' if count > 1 else ''}; nothing was written")


def report_usage_error(error: click.ClickException, arguments: Iterable[str]) -> None:
    """Report a command line that cannot be parsed, as JSON where it asks for that."""
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        # click compares the dashes too, and suggests --verbose for --overwrite.
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
    """Inside it, Ctrl-C and SIGTERM end the command with the sentence that `message` returns."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        sentence = message()
        log.tell("interrupted", sentence, f"\n{sentence}")
        raise click.exceptions.Exit(exit_code_of(interruption)) from None


def interruption_message(plan: Plan, folder: Path) -> str:
    """How many keyframes an interrupted render has kept, and how to continue it."""
    from render.media.safetensors_header import has_latent

    total, done = len(plan.keyframes), sum(has_latent(folder, one.key) for one in plan.keyframes)
    if not done:
        return "Interrupted. No keyframe was finished, so nothing is kept yet."
    return (
        f"Interrupted. {done} of {total} keyframes are kept in {folder}; run the same command "
        "again to go on."
    )
