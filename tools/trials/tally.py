"""What a trial counts, and the child processes in which its cases run."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

Case = TypeVar("Case")
EXIT_CODES = (0, 1, 2, 130, 143)  # those that the documentation names
NEVER_SAID = ("Traceback (most recent call last)", "defect of Render", "Fatal Python error")


@dataclass
class Tally:
    """A row of the table."""

    trial: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    remark: str = ""

    @property
    def survived(self) -> int:
        """How many cases went as they should."""
        return self.tried - len(self.failures)


def undocumented(code: int, said: str) -> str | None:
    """Returns what is wrong with how a command ended that was not killed; None if nothing is."""
    for words in NEVER_SAID:
        if words in said:
            return f"it said {said[said.index(words) :][-900:]!r}"
    if code not in EXIT_CODES:
        return f"it ended with {code}: {said[-900:]!r}"
    if code and not said.strip():
        return f"it ended with {code} and said nothing"
    return None


def tally(
    trial: str,
    cases: Sequence[Case],
    try_case: Callable[[Case, Path], str | None],
    work: Path,
    jobs: int,
    limit: float = 120,
) -> Tally:
    """Tries every case in a child process and an empty folder of its own, `jobs` at a time.

    `try_case` returns what went wrong, or None. A case that takes more than `limit` seconds has
    failed. The folders of cases that failed are kept.
    """
    row, began = Tally(trial), time.monotonic()
    running: dict[int, tuple[Case, Path, float]] = {}
    waiting = iter(cases)
    work.mkdir(parents=True, exist_ok=True)
    while True:
        while len(running) < jobs and (case := next(waiting, None)) is not None:
            folder = Path(tempfile.mkdtemp(prefix=f"{trial.split()[0]}-", dir=work))
            running[_start(case, folder, try_case)] = (case, folder, time.monotonic())
        if not running:
            break
        for process, status in _ended(running, limit):
            case, folder, _ = running.pop(process)
            result = folder.with_suffix(".result")
            wrong = result.read_text() if result.exists() else f"the trial ended with {status}"
            result.unlink(missing_ok=True)
            row.tried += 1
            if wrong:
                row.failures.append(f"{case}: {wrong} [{folder}]")
            else:
                shutil.rmtree(folder, ignore_errors=True)
    row.remark = f"{time.monotonic() - began:.0f} s"
    return row


def _start(case: Case, folder: Path, try_case: Callable[[Case, Path], str | None]) -> int:
    """Starts a case in a child; what it returns is written beside its folder."""
    process = os.fork()
    if process:
        return process
    os.setsid()
    try:
        os.chdir(folder)
        wrong = try_case(case, folder)
    except BaseException:
        wrong = traceback.format_exc()
    folder.with_suffix(".result").write_text(wrong or "")
    os._exit(0)


def _ended(running: dict[int, tuple[Case, Path, float]], limit: float) -> Iterable[tuple[int, str]]:
    """Waits for children, and yields those that ended; ends those that hang, with all of theirs."""
    while True:
        done = []
        for process, (_, folder, began) in running.items():
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                done.append((process, f"status {status}"))
            elif time.monotonic() - began > limit:
                with suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGKILL)
                os.waitpid(process, 0)
                folder.with_suffix(".result").unlink(missing_ok=True)
                done.append((process, f"nothing: it hung for {limit:.0f} s"))
        if done:
            return done
        time.sleep(0.005)


def sample(cases: Iterable[Case], share: float) -> list[Case]:
    """Returns this share of the cases, evenly spread; at least one."""
    every = list(cases)
    count = max(1, round(len(every) * share))
    return [every[index * len(every) // count] for index in range(min(count, len(every)))]


def files(folder: Path) -> Iterator[Path]:
    """Yields every file below a folder."""
    yield from sorted(path for path in folder.rglob("*") if path.is_file())
