"""How a file is written: beside its place, flushed, renamed, so that it is never half there."""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from render.errors import RenderError

FULL = (errno.ENOSPC, errno.EDQUOT)
# What partial_of adds, today and formerly; a user's own file of that ending is not ours to sweep.
PARTIAL = re.compile(r"\.[0-9]+(-[0-9a-f]{8})?\.partial$")
SILENCE = 3600  # seconds after which nobody is at work on a partial file any more


class FileError(RenderError, OSError):
    """A file that the disk did not take: the OSError that it was, as a sentence."""

    def __str__(self) -> str:
        return not_written(self.filename, self.strerror or type(self).__name__)


def not_written(path: Path, reason: str) -> str:
    """The sentence for a file that was not written; `reason` as the system names it."""
    if reason in map(os.strerror, FULL):
        return (
            f"{path} was not written: the disk is full. Free some space and run the same command "
            "again."
        )
    return f"{path} was not written: {reason}."


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong on the disk inside into a FileError about `path`."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise FileError(error.errno, reason, path) from error


def partial_path(path: Path) -> Path:
    """A name beside `path` to write it under, another each time: two never write to one file.

    The process's number, for whoever finds it, would not do: containers and hosts that share a
    folder give out the same ones.
    """
    return path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")


def keep_fresh(partial: Path) -> None:
    """Say that work on a partial file goes on, though nothing may be written to it for long."""
    with suppress(OSError):  # it is not there yet, or the disk keeps no times
        os.utime(partial)


def remove_stale_partials(folder: Path, name: str = "") -> None:
    """Remove what killed processes left of `name`, or of any file: untouched for an hour."""
    for partial in folder.glob(f"{glob.escape(name)}*.partial"):
        with suppress(OSError):
            if PARTIAL.search(partial.name) and time.time() - partial.stat().st_mtime > SILENCE:
                partial.unlink()


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give the name to write to; afterwards `path` is complete and on disk, or as it was.

    What is raised inside goes on as it is; what goes wrong before and after is a FileError.
    """
    partial = partial_path(path)
    try:
        yield partial
        with file_errors(path):
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(partial, path)
        _flush_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def _flush_folder(folder: Path) -> None:
    """The new name survives a power cut too, where the system can promise that."""
    if os.name == "nt":
        return
    with suppress(OSError):  # not every file system can, and the file itself is whole
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
