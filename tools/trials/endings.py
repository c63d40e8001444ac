"""Kills, signals and second processes, with the installed command."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trials.faults import contents, goes_on
from trials.scene import FILM, RENDER, environment, forked, set_up
from trials.tally import Tally, sample, tally, undocumented

KILLS, PAIRS = 60, 12  # at --share 1
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
EARLY = 0.4  # seconds, in which the command line is imported


@dataclass(frozen=True)
class Ending:
    """A signal, and when it comes after the start of a command."""

    signal: str
    after: float  # seconds

    def __str__(self) -> str:
        return f"{self.signal} after {self.after:.3f} s"


@dataclass(frozen=True)
class Pair:
    """Two runs of one film, the second of which starts later."""

    outputs: tuple[str, str]
    after: float
    if_busy: str
    killed: bool  # the first one, half a second later

    def __str__(self) -> str:
        return f"{self.outputs}, {self.after:.1f} s, {self.if_busy}, killed: {self.killed}"


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts the installed command in a process group of its own."""
    return subprocess.Popen(
        [RENDER, *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def attempt_ending(expected: dict[str, bytes], ending: Ending, folder: Path) -> str | None:
    """Sends a signal to a render and runs it again."""
    set_up(folder)
    process = start(folder, *FILM.arguments)
    time.sleep(ending.after)
    number = getattr(signal, ending.signal)
    process.send_signal(number)
    said, _ = process.communicate()
    # Until the command line is imported, a signal ends it without a word.
    if process.returncode != -number:
        wrong = undocumented(process.returncode, said)
        if wrong:
            return wrong
    elif ending.signal != "SIGKILL" and said.strip():
        return f"it was ended in the middle of its work: {said[-300:]!r}"
    return goes_on(FILM, folder, expected)


def attempt_pair(expected: dict[str, bytes], pair: Pair, folder: Path) -> str | None:
    """Runs a film twice at once, and a third time."""
    set_up(folder)
    both = []
    for output in pair.outputs:
        both.append(start(folder, "film.yaml", "-o", output, "--if-busy", pair.if_busy))
        time.sleep(pair.after)
    if pair.killed:
        both[0].kill()
    said = [process.communicate()[0] for process in both]
    for process, words in zip(both, said, strict=True):
        if process.returncode != -signal.SIGKILL and (
            wrong := undocumented(process.returncode, words)
        ):
            return wrong
    if pair.if_busy == "wait" and both[1].returncode:
        same = pair.outputs[0] == pair.outputs[1]
        return f"the second ended with {both[1].returncode}, same output {same}: {said[1][-300:]!r}"
    for output in set(pair.outputs) - {"film.mp4"}:
        path = folder / output
        if path.exists() and path.read_bytes() != expected["film.mp4"]:
            return f"{output} is another film"
        path.unlink(missing_ok=True)
        path.with_suffix(".preview.png").unlink(missing_ok=True)
    return goes_on(FILM, folder, expected)


def expected_film(work: Path) -> dict[str, bytes]:
    """Returns the files that an undisturbed run of the film leaves."""
    undisturbed = work / "undisturbed"
    if not undisturbed.exists():
        undisturbed.mkdir()
        set_up(undisturbed)
        code, said = forked(undisturbed, FILM.arguments)
        if code:
            raise RuntimeError(f"the film ended with {code}: {said}")
    return contents(undisturbed)


def kills(work: Path, share: float, jobs: int) -> Iterator[Tally]:
    """Ends renders by SIGKILL and by the signals that ask, at random moments."""
    expected, chance = expected_film(work), random.Random(4)
    (alone := work / "alone").mkdir()
    set_up(alone)
    began = time.monotonic()
    start(alone, *FILM.arguments).communicate()
    whole = time.monotonic() - began
    moments = sorted(chance.uniform(0, whole) for _ in range(KILLS))
    early = [index * EARLY / KILLS for index in range(KILLS)]
    for name in ("SIGKILL", *SIGNALS):
        cases = [Ending(name, after) for after in moments]
        if name != "SIGKILL":
            cases = [*(Ending(name, after) for after in early), *cases]
        yield tally(
            f"{name} at a random moment",
            sample(cases, share),
            partial(attempt_ending, expected),
            work,
            jobs,
        )


def pairs(work: Path, share: float, jobs: int) -> Iterator[Tally]:
    """Two processes that make one film at once."""
    expected, chance = expected_film(work), random.Random(5)
    cases = [
        Pair(("film.mp4", second), chance.uniform(0, 4), if_busy, killed)
        for _ in range(PAIRS // 4)
        for second in ("film.mp4", "other.mp4")
        for if_busy in ("wait", "refuse")
        for killed in (False, True)
    ]
    yield tally(
        "two runs of one film",
        sample(cases, share),
        partial(attempt_pair, expected),
        work,
        max(1, jobs // 2),
    )
