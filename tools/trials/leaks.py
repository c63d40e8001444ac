"""Whether a process that runs many commands keeps files, processes, threads or memory."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from pathlib import Path

from render.cli import entry
from trials.scene import FILM, environment, set_up
from trials.tally import Tally, tally

ROUNDS, WARM = 30, 6  # at --share 1; of which so many do not count
LARGEST_GROWTH = 24 << 20  # bytes of memory, in all rounds
COMMANDS: dict[str, tuple[str, ...]] = {
    "film": FILM.arguments,
    "film that fails": ("film.yaml", "-o", "film.mp4", "--set", "generator=no-such-model"),
    "still": ("still", "film.yaml", "--at", "1s", "-o", "still.png"),
    "interpolate": ("interpolate", "a.png", "b.png", "-o", "way.mp4", "--model", "tiny-vqgan",
                    "--seconds", "0.5", "--fps", "6"),
    "check": ("check", "film.yaml"),
    "inspect": ("inspect", "a.png"),
    "models get": ("models", "get", "mine", "--from", "mine.ckpt", "--config", "mine.yaml"),
}  # fmt: skip


def held() -> dict[str, int]:
    """Returns what this process holds: open files, threads, children, bytes of memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        "open files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "children": len(children),
        "temporary files": len(list(Path(tempfile.gettempdir()).iterdir())),
        "memory": pages * os.sysconf("SC_PAGESIZE"),
    }


def run(arguments: tuple[str, ...]) -> None:
    """Runs a command in this process, whatever comes of it."""
    sys.argv = ["render", *arguments]
    with (
        suppress(SystemExit),
        open(os.devnull, "w") as nothing,
        redirect_stdout(nothing),
        redirect_stderr(nothing),
    ):
        entry.main()


def attempt(rounds: int, name: str, folder: Path) -> str | None:
    """Runs a command many times in this process; returns what grew."""
    set_up(folder)
    os.environ.update(environment(folder), TMPDIR=str(folder / "temporary"))
    (folder / "temporary").mkdir()
    tempfile.tempdir = None
    before: dict[str, int] = {}
    for number in range(rounds):
        if number == WARM:
            before = held()
        run(COMMANDS[name])
        shutil.rmtree(folder / "film.latents", ignore_errors=True)
        (folder / "models" / "mine.safetensors").unlink(missing_ok=True)
    after = held()
    allowed = {"memory": LARGEST_GROWTH}
    grown = [
        f"{what}: {before[what]} and then {after[what]}"
        for what in after
        if after[what] > before[what] + allowed.get(what, 0)
    ]
    return "; ".join(grown) or None


def leaks(work: Path, share: float, jobs: int) -> Iterator[Tally]:
    """Runs each command many times in one process."""
    rounds = max(WARM + 3, round(ROUNDS * share))
    yield tally(
        "leaks in a long process",
        list(COMMANDS),
        partial(attempt, rounds),
        work,
        jobs,
        limit=400,
    )
