"""Claims: which process of all that share a folder works on what.

A claim is a lock on one byte of a file, which the system releases when its process ends, however it
ends. So nothing has to be taken over from a dead process, and nothing is left behind but the file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import stat
import sys
import weakref
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FILE = "claims"  # in the folder that is shared
# Each thing has one of so many places in the file, with a line about its holder. Two things that
# share a place wait for one another, and then find that the other was another thing.
PLACES, LINE = 4096, 64


class Claims:
    """The claims of this process in a folder, which exists."""

    def __init__(self, folder: Path) -> None:
        """Opens nothing yet."""
        self.path = folder / FILE
        self.descriptor: int | None = None

    def take(self, name: str) -> bool:
        """Returns whether the claim is now this process's: False while another process holds it.

        Where a file system has no locks, or the folder takes no file, every claim is given.
        """
        try:
            if self.descriptor is None:
                self.descriptor = _open(self.path)
                weakref.finalize(self, os.close, self.descriptor)
            place = place_of(name)
            if not _lock(self.descriptor, place):
                return False
            if os.fstat(self.descriptor).st_nlink > 1:
                return True  # a copy by links, or somebody else's file: locked, but not written to
            holder = f"process {os.getpid()} on {socket.gethostname()}"
            os.lseek(self.descriptor, place, os.SEEK_SET)
            os.write(self.descriptor, holder.encode(errors="replace")[: LINE - 1].ljust(LINE))
        except OSError:
            return True
        return True

    def give(self, name: str) -> None:
        """Releases a claim."""
        if self.descriptor is not None:
            with suppress(OSError):
                _unlock(self.descriptor, place_of(name))

    def holder(self, name: str) -> str:
        """Returns who holds a claim, as `process 12 on host`."""
        try:
            with self.path.open("rb") as file:
                file.seek(place_of(name))
                found = file.read(LINE).decode(errors="replace").strip()
        except OSError:
            found = ""
        return found if found.isprintable() and found.startswith("process ") else "another process"


def _open(path: Path) -> int:
    """Returns a descriptor of the file, which is created; raises OSError where its name stands for
    a symbolic link, or for no ordinary file."""
    flags = os.O_RDWR | os.O_CREAT
    for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"):  # Windows has none of them
        flags |= getattr(os, name, 0)
    descriptor = os.open(path, flags, 0o666)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
    return descriptor


def place_of(name: str) -> int:
    """Returns the first byte of the line of a name."""
    digest = hashlib.sha256(name.encode()).digest()
    return LINE * (int.from_bytes(digest[:4], "big") % PLACES)


def _lock(descriptor: int, place: int) -> bool:
    """Returns whether the byte at a place is now locked by this process."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, place, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _unlock(descriptor: int, place: int) -> None:
    """Releases the lock of the byte at a place."""
    if sys.platform == "win32":
        os.lseek(descriptor, place, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, place)
