"""Tries to break Render, and prints a table of what was tried and what survived.

    python tools/torture.py                     everything once, about an hour on two cores
    python tools/torture.py faults pairs        two of the trials
    python tools/torture.py --share 0.02        an evenly spread part of every trial, in minutes
    python tools/torture.py fuzz --minutes 60   fuzzing for an hour on each core

It exits with 1 if anything did not survive, and keeps the folders of what did not. It needs
Linux; fuzzing needs `pip install '.[fuzz]'`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))  # for the tiny true models
os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: children cannot share its threads

from rich.console import Console
from rich.table import Table
from trials.endings import kills, pairs
from trials.faults import faults
from trials.fuzz import fuzz
from trials.hostile import hostile
from trials.leaks import leaks
from trials.scene import import_all, write_template
from trials.stored import latents
from trials.tally import Tally

Trial = Callable[[Path, argparse.Namespace], Iterator[Tally]]
TRIALS: dict[str, Trial] = {
    "faults": lambda work, given: faults(work, given.share, given.jobs),
    "kills": lambda work, given: kills(work, given.share, given.jobs),
    "pairs": lambda work, given: pairs(work, given.share, given.jobs),
    "latents": lambda work, given: latents(work, given.share, given.jobs),
    "hostile": lambda work, given: hostile(work, given.share, given.jobs),
    "fuzz": lambda work, given: fuzz(work, given.minutes, given.jobs, given.runs),
    "leaks": lambda work, given: leaks(work, given.share, given.jobs),
}


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trials", nargs="*", metavar="TRIAL", help=", ".join(TRIALS))
    parser.add_argument("--share", type=float, default=1.0, help="of the cases of each trial")
    parser.add_argument("--minutes", type=float, default=1.0, help="of fuzzing each reader")
    parser.add_argument(
        "--runs", type=int, help="fuzz by so many inputs, the same ones every time, not by minutes"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    given = parser.parse_args()
    if unknown := set(given.trials) - TRIALS.keys():
        parser.error(f"no such trial: {', '.join(sorted(unknown))}; there are {', '.join(TRIALS)}")
    work = Path(tempfile.mkdtemp(prefix="torture-"))
    if set(given.trials) != {"fuzz"}:
        import_all()
        write_template(work / "template")
    rows: list[Tally] = []
    for name in given.trials or TRIALS:
        for row in TRIALS[name](work, given):
            print(f"{row.trial}: {row.survived} of {row.tried}, {row.remark}", flush=True)
            for failure in row.failures:
                print(f"  {failure}", flush=True)
            rows.append(row)
    show(rows)
    if not any(row.failures for row in rows):
        shutil.rmtree(work, ignore_errors=True)
    return 1 if any(row.failures for row in rows) else 0


def show(rows: list[Tally]) -> None:
    """Prints the table."""
    table = Table("trial", "tried", "survived", "")
    for row in rows:
        table.add_row(row.trial, f"{row.tried:,}", f"{row.survived:,}", row.remark)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
