"""Write faults: whatever touches the disk fails, at every point, and the process is killed there.

A command first runs with a counter in place of the system's calls that write. It then runs once for
every call and every kind of fault, in a folder of its own, and once more without a fault. The
second run must end well, with the files that an undisturbed run leaves, byte for byte.
"""

from __future__ import annotations

import _pyio  # Python's own files, written in Python: their every write is a call of os.write
import builtins
import errno
import io
import mmap
import os
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from trials.scene import COMMANDS, Command, forked, set_up
from trials.tally import Tally, files, sample, tally, undocumented

CALLS = ("write", "fsync", "replace", "rename", "mkdir", "unlink", "open")
KINDS = ("full", "error", "killed")
# Sizes in bytes above which no file may grow: a fault that ffmpeg meets too.
SIZES = (0, 1, 40, 300, 1000, 2500, 5000, 9000, 20_000)


@dataclass(frozen=True)
class Fault:
    """What happens in the middle of a command."""

    command: Command
    kind: str  # full: this call and all later ones fail; error: it alone; killed; size: see SIZES
    number: int

    def __str__(self) -> str:
        return f"{self.command.name}, {self.kind} at {self.number}"


class Disk:
    """Stands between a process and the system's calls that change a disk."""

    def __init__(self, fault: Fault) -> None:
        """Nothing is changed yet."""
        self.fault = fault
        self.counted = mmap.mmap(-1, 8)  # shared with the child

    @property
    def count(self) -> int:
        """How many calls the child has made."""
        return int.from_bytes(self.counted[:8], "little")

    def watch(self) -> None:
        """Takes the place of the calls, until this process ends."""
        if self.fault.kind == "size":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.fault.number, resource.RLIM_INFINITY))
            return
        for name in CALLS:
            setattr(os, name, partial(self.call, name, getattr(os, name)))
        builtins.open = io.open = _pyio.open

    def call(self, name: str, real: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Makes a call, or what happens in its place."""
        if name == "open" and not given[1] & (os.O_WRONLY | os.O_RDWR):
            return real(*given, **named)
        kind, number = self.fault.kind, self.count
        self.counted[:8] = (number + 1).to_bytes(8, "little")
        happens = number >= self.fault.number if kind == "full" else number == self.fault.number
        if not happens or (kind == "full" and name == "unlink"):  # a full disk lets files go
            return real(*given, **named)
        if kind == "killed":
            if name == "write":
                real(given[0], given[1][: len(given[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        reason = errno.ENOSPC if kind == "full" else errno.EIO
        raise OSError(reason, os.strerror(reason))


def attempt(expected: dict[str, bytes], fault: Fault, folder: Path) -> str | None:
    """Runs a command with a fault and again without; returns what went wrong, or None."""
    command = fault.command
    prepare(command, folder)
    disk = Disk(fault)
    code, said = forked(folder, command.arguments, disk.watch)
    if fault.kind != "size" and disk.count <= fault.number:
        return None  # this time there were fewer previews, which follow the clock
    if (code == -signal.SIGKILL) != (fault.kind == "killed"):
        return f"it ended with {code}: {said[-300:]!r}"
    wrong = undocumented(code, said) if fault.kind != "killed" else None
    if wrong:
        return wrong
    made = {name: data for name, data in contents(folder).items() if is_made(name, command)}
    changed = [name for name, data in made.items() if data != expected.get(name)]
    if changed:
        return f"it left {changed}, which are not those of an undisturbed run"
    if code == 0 and len(made) < sum(is_made(name, command) for name in expected):
        return "it ended with 0, and a file is missing"
    return goes_on(command, folder, expected)


def goes_on(command: Command, folder: Path, expected: dict[str, bytes]) -> str | None:
    """Runs a command again; returns what is not as an undisturbed run leaves it, or None."""
    code, said = forked(folder, command.arguments)
    if code:
        return f"the next run ended with {code}: {said[-600:]!r}"
    found = contents(folder)
    differing = sorted(
        name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
    )
    return f"after the next run these are not the same: {differing}" if differing else None


def prepare(command: Command, folder: Path) -> None:
    """Fills a folder with what a command needs."""
    set_up(folder)
    if command.before:
        code, said = forked(folder, command.before)
        if code:
            raise RuntimeError(f"{command.before} ended with {code}: {said}")


def contents(folder: Path) -> dict[str, bytes]:
    """Returns the files that are the same after every run, by their names within a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files(folder)
        if path.name != "claims"
        and not path.name.endswith((".preview.png", ".sha256"))  # of the last step; with its time
        and path.relative_to(folder).parts[0] != "cache"
    }


def is_made(name: str, command: Command) -> bool:
    """Returns whether a file is what a command was asked for."""
    is_partial = name.endswith(".partial")
    return not is_partial and any(PurePath(name).match(pattern) for pattern in command.made)


def faults(work: Path, share: float, jobs: int) -> Iterator[Tally]:
    """Tries this share of all faults of every command; yields a row for each command."""
    for command in COMMANDS:
        undisturbed = work / f"undisturbed-{command.name}"
        undisturbed.mkdir(parents=True)
        prepare(command, undisturbed)
        disk = Disk(Fault(command, "none", -1))
        code, said = forked(undisturbed, command.arguments, disk.watch)
        if code:
            raise RuntimeError(f"{command.name} ended with {code}: {said}")
        expected = contents(undisturbed)
        cases = [Fault(command, kind, at) for kind in KINDS for at in range(disk.count)]
        cases += [Fault(command, "size", size) for size in SIZES]
        yield tally(
            f"write faults, {command.name}",
            sample(cases, share),
            partial(attempt, expected),
            work,
            jobs,
        )
