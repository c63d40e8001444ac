"""Writing files atomically: under a temporary name, flushed to disk, then renamed."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import platform
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from render.errors import RenderError

FULL = (errno.ENOSPC, errno.EDQUOT)  # the errors of a full disk and of a used-up quota
# The ending that `partial_path` adds. A user's own file that ends in ".partial" does not match, and
# is never removed.
PARTIAL_NAME = re.compile(r"\.(?P<pid>[0-9]+)-(?P<machine>[0-9a-f]{4})[0-9a-f]{4}\.partial$")
# Seconds without a change, after which a partial file of another machine counts as abandoned.
STALE_AFTER = 3600


class FileError(RenderError, OSError):
    """A file could not be written. It has the errno of its cause and a sentence as its text."""

    def __str__(self) -> str:
        return not_written(self.filename, self.strerror or type(self).__name__)


def file_state(path: Path) -> tuple[int, int, int] | None:
    """Returns what tells whether a file was written meanwhile; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def nearest_folder(path: Path) -> Path:
    """Returns `path` if it is a folder, else the nearest folder above it that exists.

    Raises OSError where the system cannot tell: a name is too long, or a folder may not be read.
    """
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def not_written(path: Path, reason: str) -> str:
    """Returns the sentence for a file that was not written, `reason` being that of `strerror`."""
    if reason in map(os.strerror, FULL):
        return (
            f"{path} was not written: the disk is full. Free some space and run the same command "
            "again."
        )
    return f"{path} was not written: {reason}."


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turns an OSError that is raised inside into a FileError about `path`."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise FileError(error.errno, reason, path) from error


@contextmanager
def atomic_write(path: Path, through_link: bool = True) -> Iterator[Path]:
    """Yields the name to write to; afterwards `path` is complete and on disk, or as it was before.

    A link stays one: what it points to is replaced. Without `through_link` the link itself is
    replaced, which is right for names that the user has not chosen. Before the first file in a
    folder, partial files of killed processes are removed from it. An exception raised inside is
    raised on unchanged, and the partial file is removed. Raises FileError if the finished file
    cannot be flushed or renamed.
    """
    if through_link and path.is_symlink():
        with file_errors(path):
            path = Path(os.path.realpath(path, strict=False))
    _sweep_once(path.parent.absolute())
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
    """Flushes the renaming to disk, where the system can, so that it survives a power cut."""
    if os.name == "nt":
        return
    with suppress(OSError):  # not every file system can, and the file itself is complete
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def partial_path(path: Path) -> Path:
    """Returns a new temporary name beside `path`, different at every call.

    It has the process's number, by which a file of a dead process is known, and digits of the
    machine: containers and hosts that share a folder can have processes of the same number.
    """
    unique = f"{machine_digits()}{secrets.token_hex(2)}"
    return path.with_name(f"{path.name}.{os.getpid()}-{unique}.partial")


@cache
def machine_digits() -> str:
    """Returns four digits of this machine since it was started, and of its numbers of processes."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        parts.append(os.readlink("/proc/self/ns/pid"))  # of this container
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:4]


def _is_of_this_machine(found: re.Match[str]) -> bool:
    """Returns whether this machine can tell if the process of a partial file has ended."""
    return os.name != "nt" and found["machine"] == machine_digits()


def _is_dead(found: re.Match[str]) -> bool:
    """Returns whether the process of a partial file of this machine has ended."""
    try:
        os.kill(int(found["pid"]), 0)  # asks only
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def keep_fresh(partial: Path) -> None:
    """Sets the modification time of a partial file to now, so that it is not taken for abandoned.

    For work that writes nothing for a long time. A file that does not exist is not created.
    """
    with suppress(OSError):  # it does not exist yet, or the disk keeps no times
        os.utime(partial)


@cache
def _sweep_once(folder: Path) -> None:
    """Removes abandoned partial files from a folder, the first time that this process asks."""
    with suppress(OSError):  # a folder that cannot be listed may still take files
        remove_stale_partials(folder)


def remove_stale_partials(folder: Path, name: str = "") -> None:
    """Removes abandoned partial files of the file `name`, or of every file, from a folder.

    Abandoned are those whose process was killed: it is not there, or, if it ran on another machine,
    the file has not changed for STALE_AFTER.
    """
    for partial in folder.glob(f"{glob.escape(name)}*.partial"):
        with suppress(OSError):
            found = PARTIAL_NAME.search(partial.name)
            if not found:
                continue
            age = time.time() - partial.stat().st_mtime
            if _is_dead(found) if _is_of_this_machine(found) else age > STALE_AFTER:
                partial.unlink()
