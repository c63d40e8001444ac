"""Progress as a bar, as lines or as JSON, and a preview picture.

The core reports what it has done (`plan.progress.Progress`); how fast that goes is measured here.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from render import __version__
from render.cli.output import write_line
from render.media.atomic import FileError
from render.media.provenance import write_png
from render.text import escape_unprintable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import RenderableType

    from render.plan.progress import Progress, Show


Clock = Callable[[], float]

HALF_LIFE = 60.0  # seconds after which a measurement counts half
MEASURED_STEPS = 2  # before the time left is shown


@dataclass(frozen=True)
class Reading:
    """A report, and what was measured when it arrived."""

    report: Progress
    loss: float | None
    """The latest that was read of this keyframe; None before the first."""
    rate: float | None
    """Steps per second; while decoding, frames per second."""
    elapsed: float
    """Seconds since the display began."""
    remaining: float | None
    """Seconds; None until enough is measured, 0 when all is done."""


@dataclass
class _Stage:
    """What was measured of one stage, optimising or decoding; the stages alternate."""

    last: Progress
    loss: float | None = None
    seconds: float = 0.0
    units: float = 0.0  # steps, or frames


class Pace:
    """Measures how many seconds a share of the work takes; recent seconds count more.

    The first report only starts the clock: loading models and reading stored latents, which came
    before it, do not predict the rest.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.began = clock()
        self.last: tuple[Progress, float] | None = None  # and when it arrived
        self.intervals = 0
        # Exponentially fading sums; their quotients are the pace and, for each stage, the rate.
        self.seconds = self.work = self.count = 0.0
        self.stages: dict[str, _Stage] = {}

    def add(self, report: Progress) -> None:
        """Measure the time since the report before this one."""
        now = self.clock()
        before, then = self.last or (report, now)
        taken = max(0.0, now - then)
        fade = 0.5 ** (taken / HALF_LIFE)
        if self.last is not None:
            self.intervals += 1
            self.seconds = self.seconds * fade + taken
            self.work = self.work * fade + max(0.0, report.done - before.done)
            self.count = self.count * fade + 1
        if stage := self.stages.get(report.stage):
            stage.seconds = stage.seconds * fade + taken
            stage.units = stage.units * fade + _units(stage.last, report)
        else:
            stage = self.stages[report.stage] = _Stage(report)
        if (stage.last.shot, stage.last.keyframe) != (report.shot, report.keyframe):
            stage.loss = None
        if report.loss is not None and math.isfinite(report.loss):
            stage.loss = report.loss
        stage.last = report
        self.last = report, now

    def reading(self) -> Reading | None:
        """The latest report with the rate and the time left as of now; None before the first."""
        if self.last is None:
            return None
        report, then = self.last
        now = self.clock()
        remaining = None
        if report.done >= 1:
            remaining = 0.0
        elif self.intervals >= MEASURED_STEPS and self.work > 0:
            # Between two reports the time left runs down, by no more than a step should take.
            since = min(now - then, self.seconds / self.count)
            remaining = max(1.0, (1 - report.done) * self.seconds / self.work - since)
        stage = self.stages[report.stage]
        rate = stage.units / stage.seconds if stage.units and stage.seconds else None
        return Reading(report, stage.loss, rate, now - self.began, remaining)


class TimeLeft:
    """The time left in words, rounded, without alternating between two neighbouring values."""

    def __init__(self) -> None:
        self.shown: float | None = None

    def words(self, remaining: float | None) -> str:
        """Returns words such as "about 4 min left"."""
        if remaining is None:
            return "estimating the time left"
        if remaining == 0:
            return "done"
        grain = _grain(remaining)
        if self.shown is None or abs(remaining - self.shown) > 0.75 * grain:
            self.shown = max(grain, round(remaining / grain) * grain)
        minutes, seconds = divmod(round(self.shown), 60)
        hours, minutes = divmod(minutes, 60)
        parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
        return f"about {' '.join(f'{n} {unit}' for n, unit in parts if n)} left"


@contextmanager
def display(
    mode: str = "auto",
    stream: TextIO | None = None,
    clock: Clock = time.monotonic,
    interval: float = 5.0,
) -> Iterator[Show]:
    """A function that shows reports on `stream` (by default stderr) until the block ends.

    `mode` is one of MODES; "auto" and "rich" draw a bar on a terminal and are "plain" elsewhere.
    "plain" writes a line per keyframe and one every `interval` seconds. Raises ValueError for any
    other mode.
    """
    stream = stream if stream is not None else sys.stderr
    if mode not in MODES:
        raise ValueError(f"There is no progress display {mode!r}. There are {', '.join(MODES)}.")
    if mode in ("auto", "rich"):
        is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        mode = "rich" if is_terminal else "plain"
    with MODES[mode](stream, clock, interval) as show:
        yield show


def preview_writer(
    path: Path, every: float = 3.0, clock: Clock = time.monotonic
) -> Callable[[NDArray[np.uint8]], None]:
    """A function that writes (H, W, 3) uint8 to the PNG `path`, at most once in `every` seconds."""
    last: float | None = None

    def write(picture: NDArray[np.uint8]) -> None:
        nonlocal last
        if last is not None and clock() - last < every:
            return
        # A preview that cannot be written does not stop a film: a viewer may hold the file. A full
        # disk stops the film itself, at the next latent.
        with suppress(FileError):
            # With a note, so that the next run recognises it as Render's own and may overwrite it.
            note = {"render": __version__, "kind": "preview"}
            write_png(path, picture, note, through_link=False)
        last = clock()

    return write


@contextmanager
def _quiet(stream: TextIO, clock: Clock, interval: float) -> Iterator[Show]:
    yield lambda report: None


@contextmanager
def _json(stream: TextIO, clock: Clock, interval: float) -> Iterator[Show]:
    pace = Pace(clock)

    def show(report: Progress) -> None:
        pace.add(report)
        if reading := pace.reading():
            write_line(stream, json.dumps(_object(reading)))

    yield show


@contextmanager
def _plain(stream: TextIO, clock: Clock, interval: float) -> Iterator[Show]:
    pace, left = Pace(clock), TimeLeft()
    told: float | None = None

    def show(report: Progress) -> None:
        nonlocal told
        pace.add(report)
        reading = pace.reading()
        assert reading is not None
        if told is None or reading.elapsed - told >= interval or _is_milestone(report):
            told = reading.elapsed
            share = f"{_percent(report):>4}"
            words = f"{_words(reading)}, {left.words(reading.remaining)}"
            write_line(stream, f"{_clock_face(reading.elapsed)} {share}  {words}")

    yield show


@contextmanager
def _rich(stream: TextIO, clock: Clock, interval: float) -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live

    pace, left = Pace(clock), TimeLeft()
    with Live(
        get_renderable=lambda: _bar(pace.reading(), left),
        console=Console(file=stream),
        refresh_per_second=4,
    ):
        yield pace.add


# The modes of `display`, which chooses between the first three by the stream.
MODES = {"auto": _rich, "rich": _rich, "plain": _plain, "json": _json, "quiet": _quiet}


def _bar(reading: Reading | None, left: TimeLeft) -> RenderableType:
    """Two lines, cut to the width of the terminal."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    if reading is None:
        return Text("starting", style="dim")
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(ratio=1)
    for _ in range(3):
        line.add_column(no_wrap=True)
    line.add_row(
        ProgressBar(total=1.0, completed=reading.report.done),
        Text(_percent(reading.report), style="bold"),
        Text(_clock_face(reading.elapsed)),
        Text(left.words(reading.remaining)),
    )
    return Group(line, Text(_words(reading), style="dim", no_wrap=True, overflow="ellipsis"))


def _object(reading: Reading) -> dict[str, object]:
    """The fields of --log-format json; programs rely on these names."""
    report = reading.report
    place: dict[str, object] = {
        "keyframe": report.keyframe,
        "keyframes": report.keyframes,
        "step": report.step,
        "steps": report.steps,
    }
    if report.stage == "decode":
        place = {"frame": report.keyframe, "frames": report.keyframes}
    return {
        "event": "progress",
        "stage": report.stage,
        "shot": report.shot,
        **place,
        "done": round(report.done, 6),
        "loss": reading.loss,
        "per_second": _rounded(reading.rate),
        "elapsed_seconds": _rounded(reading.elapsed),
        "remaining_seconds": _rounded(reading.remaining),
    }


def _words(reading: Reading) -> str:
    report = reading.report
    decoding = report.stage == "decode"
    parts = [f"{'frame' if decoding else 'keyframe'} {report.keyframe}/{report.keyframes}"]
    if report.steps:
        kind = "sketch" if report.stage == "sketch" else "step"
        parts.append(f"{kind} {report.step}/{report.steps}")
    if reading.loss is not None:
        parts.append(f"loss {reading.loss:.3f}")
    if reading.rate is not None:
        parts.append(f"{reading.rate:.3g} {'frames' if decoding else 'steps'}/s")
    shot = f"{escape_unprintable(report.shot)}: " if report.shot else ""  # a journey has none
    return shot + ", ".join(parts)


def _is_milestone(report: Progress) -> bool:
    """Whether a keyframe, or the last frame, is finished."""
    if report.stage == "decode":
        return report.keyframe == report.keyframes
    return report.stage == "optimise" and report.step == report.steps


def _units(before: Progress, report: Progress) -> int:
    """How many steps, or frames while decoding, lie between two reports of one stage."""
    if report.stage == "decode":
        return max(0, report.keyframe - before.keyframe)
    same = (before.shot, before.keyframe) == (report.shot, report.keyframe)
    return max(0, report.step - before.step if same else report.step)


def _grain(remaining: float) -> int:
    """How many seconds the time left is rounded to."""
    limits = ((20, 5), (55, 10), (10 * 60, 60), (60 * 60, 300), (10 * 3600, 600))
    return next((grain for limit, grain in limits if remaining < limit), 3600)


def _percent(report: Progress) -> str:
    return f"{math.floor(report.done * 100)}%"


def _clock_face(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
