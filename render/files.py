"""How a file is written: beside its place, flushed, renamed, so that it is never half there."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from render.errors import RenderError

FULL = (errno.ENOSPC, errno.EDQUOT)


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
def named(path: Path) -> Iterator[None]:
    """Turn what goes wrong on the disk inside into a FileError about `path`."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise FileError(error.errno, reason, path) from error


def partial_of(path: Path) -> Path:
    """What `path` is called while it is being written; the ending stays."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


@contextmanager
def finished(path: Path, partial: Path | None = None) -> Iterator[Path]:
    """Give the name to write to; afterwards `path` is complete and on disk, or as it was.

    The name is `partial`, in the same folder, or else partial_of(path). What is raised inside goes
    on as it is; what goes wrong before and after is a FileError.
    """
    partial = partial or partial_of(path)
    try:
        # A new file, not the old one emptied: a run that was killed may still have an ffmpeg that
        # finishes its own.
        with named(path):
            partial.unlink(missing_ok=True)
        yield partial
        with named(path):
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
