"""What is said on stderr and answered on stdout; no film fails because nobody listens."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from render.errors import RenderError


def report_made(log: Log, output: Path, what: str, size: tuple[int, int], seconds: float) -> None:
    """The last line: on stdout what was made; for machines an object, with the others."""
    from render.text import duration_text

    if log.display == "json":
        log.say("done", str(output))
    elif log.display == "auto":
        made = f"{output}: {what}, {size[0]}x{size[1]}, made in {duration_text(seconds)}"
        write_line(sys.stdout, made)  # which the file itself tells too


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


@dataclass(frozen=True)
class Log:
    """How a command speaks on stderr, as -q and --log-format ask for."""

    quiet: bool = False
    json: bool = False

    @property
    def display(self) -> str:
        """How progress is shown: one of `progress.MODES`."""
        return "quiet" if self.quiet else "json" if self.json else "auto"

    def tell(
        self, event: str, message: str, text: str, more: dict[str, object] | None = None
    ) -> None:
        """The text, or an object with what `more` is known of the event."""
        if self.json:
            text = json.dumps({"event": event, **(more or {}), "message": message})
        write_line(sys.stderr, text)

    def say(self, event: str, message: str) -> None:
        """A sentence beside the progress."""
        if not self.quiet:
            self.tell(event, message, f"{event}: {message}")


TEXT_LOG = Log()


def write_line(stream: TextIO, line: str) -> None:
    """Write it now; a log on a full disk, or one that knows only ASCII, does not stop a film."""
    encoding = stream.encoding or "utf-8"
    known = line.encode(encoding, "backslashreplace").decode(encoding)
    try:
        stream.write(known + "\n")
        stream.flush()
    except OSError:
        silence(stream)


def write_answer(text: str, end: str = "\n") -> None:
    """Write to stdout what a command is there to tell; raises RenderError where that cannot be.

    A reader that has seen enough (`render check film.yaml | head`) is a BrokenPipeError.
    """
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
        raise
    except OSError as error:
        silence(sys.stdout)
        raise RenderError(unwritten_message(error)) from error


def unwritten_message(error: OSError) -> str:
    """The sentence for a stdout that takes nothing."""
    return f"stdout cannot be written: {error.strerror}. Send what is told there somewhere else"


def silence(stream: TextIO) -> None:
    """What a stream still holds would fail once more, at exit, and become the exit code."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_closed_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr (`2>&-`) silent ones.

    Otherwise the next files that are opened get their numbers, and what libraries print goes there.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
