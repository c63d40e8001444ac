"""What commands write to stderr and stdout; no film fails because a stream cannot be written."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from render.errors import RenderError


@dataclass(frozen=True)
class Log:
    """How a command writes to stderr: as text or JSON, or, with -q, only errors."""

    quiet: bool = False
    json: bool = False

    @property
    def display(self) -> str:
        """How progress is shown: one of `progress.MODES`."""
        return "quiet" if self.quiet else "json" if self.json else "auto"

    def tell(
        self, event: str, message: str, text: str, more: dict[str, object] | None = None
    ) -> None:
        """Write `text`, or with JSON an object of the event, its message and `more` fields."""
        if self.json:
            text = json.dumps({"event": event, **(more or {}), "message": message})
        write_line(sys.stderr, text)

    def say(self, event: str, message: str) -> None:
        """Write a sentence beside the progress, unless the command is quiet."""
        if not self.quiet:
            self.tell(event, message, f"{event}: {message}")


TEXT_LOG = Log()


def report_made(
    log: Log,
    output: Path,
    frames: int,
    seconds: float | None,
    size: tuple[int, int],
    began: float,
    what: str = "",
) -> None:
    """Write what was made as the last line on stdout; as JSON, an object on stderr.

    `seconds` is the length of a film, None of a picture; `began` is when the work began, by
    `time.monotonic`; `what` is said instead of frames and length.
    """
    from render.text import duration_text, plural

    took = time.monotonic() - began
    if log.display == "json":
        more = {"path": str(output), "frames": frames, "seconds": seconds, "size": list(size)}
        log.tell("done", str(output), "", {**more, "made_in": round(took, 3)})
    elif log.display == "auto":
        what = what or f"{plural(frames, 'frame')}, {seconds:g} s"
        made = f"{output}: {what}, {size[0]}x{size[1]}, made in {duration_text(took)}"
        write_line(sys.stdout, made)  # a stdout that takes nothing is no error: the film is there


@contextmanager
def download_bar(name: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A function that shows (bytes so far, bytes in all) as a bar; silent without a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from render.text import escape_unprintable

    label = TextColumn(escape(escape_unprintable(name)).replace("{", "{{").replace("}", "}}"))
    columns = (label, BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True, quiet=quiet or not sys.stderr.isatty())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


def write_line(stream: TextIO, line: str) -> None:
    """Write a line at once; neither a full disk nor an ASCII stream raises an error.

    Whatever names and contents of files it quotes, it cannot control a terminal.
    """
    encoding = stream.encoding or "utf-8"
    known = _harmless(line).encode(encoding, "backslashreplace").decode(encoding)
    try:
        stream.write(known + "\n")
        stream.flush()
    except OSError:
        silence(stream)


def _harmless(text: str) -> str:
    """Return a text of several lines that cannot control a terminal."""
    from render.text import escape_unprintable

    return "\n".join(escape_unprintable(line.removesuffix("\r")) for line in text.split("\n"))


def write_answer(text: str, end: str = "\n", as_it_is: bool = False) -> None:
    """Write a command's answer to stdout; raises RenderError where that is not possible.

    It cannot control a terminal, except where it is written as it is. A reader that closes the pipe
    (`render check film.yaml | head`) raises BrokenPipeError.
    """
    try:
        sys.stdout.write((text if as_it_is else _harmless(text)) + end)
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
        raise
    except OSError as error:
        silence(sys.stdout)
        raise RenderError(unwritten_message(error)) from error


def unwritten_message(error: OSError) -> str:
    """The sentence for a stdout that cannot be written."""
    return f"stdout cannot be written: {error.strerror}. Redirect the output"


def silence(stream: TextIO) -> None:
    """Point a broken stream at the null device, or flushing it at exit would set the exit code."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_closed_streams() -> None:
    """Open the null device as stdin, stdout or stderr where the process has none (`2>&-`).

    Otherwise the next files to be opened would get their numbers, and libraries print into them.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
