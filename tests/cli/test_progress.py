"""How progress is shown: pace, time left, lines, JSON, bars, previews; with a simulated clock."""

from __future__ import annotations

import io
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from render.cli import progress
from render.cli.progress import MODES, Pace, TimeLeft, display, preview_writer
from render.plan.progress import Progress


@dataclass
class Clock:
    """A clock that the test sets."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


FIRST = Progress("optimise", "dawn", 1, 4, 1, 10, 0.0, None)


def steps(
    keyframes: int = 4, count: int = 10, shot: str = "dawn", share: float = 1.0
) -> Iterator[Progress]:
    """The reports of a film whose steps all take the same work."""
    for keyframe in range(1, keyframes + 1):
        for step in range(1, count + 1):
            done = share * ((keyframe - 1) * count + step) / (keyframes * count)
            loss = 1 / step if step % 5 == 0 else None
            yield Progress("optimise", shot, keyframe, keyframes, step, count, done, loss)


def play(mode: str, reports: Any, stream: io.StringIO, seconds: float = 1.0) -> str:
    clock = Clock()
    with display(mode, stream, clock) as show:
        for report in reports:
            clock.now += seconds
            show(report)
    return stream.getvalue()


def test_no_time_left_is_estimated_before_steps_were_measured() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.reading() is None
    clock.now += 500  # loading models does not count
    remaining = []
    for report in steps():
        clock.now += 2
        pace.add(report)
        reading = pace.reading()
        assert reading
        remaining.append(reading.remaining)
    assert remaining[:2] == [None, None]
    assert remaining[2:6] == pytest.approx([74, 72, 70, 68])
    assert remaining[-1] == 0


def test_work_done_before_the_first_report_does_not_count() -> None:
    clock = Clock()
    pace = Pace(clock)
    for number in range(6):
        clock.now += 3
        pace.add(replace(FIRST, step=number + 1, done=0.5 + number * 0.01))
    reading = pace.reading()
    assert reading
    assert reading.remaining == pytest.approx(45 * 3)
    assert reading.rate == pytest.approx(1 / 3)
    assert reading.elapsed == 18


def test_between_reports_the_time_left_falls_to_a_limit() -> None:
    clock = Clock()
    pace = Pace(clock)
    for number in range(10):
        clock.now += 10
        pace.add(replace(FIRST, step=number + 1, done=number * 0.01))
    remaining = []
    for _ in range(40):
        reading = pace.reading()
        assert reading
        remaining.append(reading.remaining)
        clock.now += 1
    assert remaining[0] == pytest.approx(910)
    assert remaining[5] == pytest.approx(905)
    assert remaining[-1] == pytest.approx(900)


@pytest.mark.parametrize("seed", range(5))
def test_the_time_left_is_near_the_truth_after_a_minute(seed: int) -> None:
    """Steps that take half or twice as long as others: within a fifth after a minute."""
    chance = random.Random(seed)
    durations = [3 * chance.uniform(0.5, 1.5) for _ in range(400)]
    clock = Clock()
    pace, left = Pace(clock), TimeLeft()
    spent, words = 0.0, []
    for report, seconds in zip(steps(40), durations, strict=True):
        clock.now += seconds
        spent += seconds
        pace.add(report)
        reading = pace.reading()
        assert reading
        truth = sum(durations) - spent
        if spent > 60 and reading.remaining and truth > 30:
            assert 0.8 < reading.remaining / truth < 1.25
        if spent > 60:
            words.append(left.words(reading.remaining))
    changes = sum(a != b for a, b in pairwise(words))
    assert changes <= 1.5 * len(set(words)), "the words alternate"


def test_a_change_of_pace_is_followed() -> None:
    clock = Clock()
    pace = Pace(clock)
    reports = list(steps(100))
    for number, report in enumerate(reports[:700]):
        clock.now += 1 if number < 400 else 3
        pace.add(report)
    reading = pace.reading()
    assert reading
    assert reading.remaining == pytest.approx(300 * 3, rel=0.1)
    assert reading.rate == pytest.approx(1 / 3, rel=0.1)


def test_steps_without_time_and_time_without_steps() -> None:
    clock = Clock()
    pace = Pace(clock)
    for number in range(5):  # the clock is too coarse for the steps
        pace.add(replace(FIRST, step=number + 1, done=number * 0.1))
    reading = pace.reading()
    assert reading
    assert reading.rate is None
    for _ in range(3):  # no progress
        clock.now += 1
        pace.add(replace(FIRST, step=5, done=0.4))
    reading = pace.reading()
    assert reading
    assert reading.remaining
    clock.now -= 100
    pace.add(replace(FIRST, step=6, done=0.2))
    assert pace.reading()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "estimating the time left"),
        (0, "done"),
        (1, "about 5 s left"),
        (11, "about 10 s left"),
        (44, "about 40 s left"),
        (57, "about 1 min left"),
        (100, "about 2 min left"),
        (249, "about 4 min left"),
        (1000, "about 15 min left"),
        (3580, "about 1 h left"),
        (4700, "about 1 h 20 min left"),
        (100_000, "about 28 h left"),
    ],
)
def test_the_time_left_in_words(seconds: float | None, words: str) -> None:
    assert TimeLeft().words(seconds) == words


def test_the_words_do_not_alternate() -> None:
    left = TimeLeft()
    words = [left.words(seconds) for seconds in (272, 268, 272, 268, 265, 275, 271)]
    assert set(words) == {"about 5 min left"}
    assert left.words(240) == "about 4 min left"


def test_plain_lines_are_few() -> None:
    lines = play("plain", steps(), io.StringIO()).splitlines()
    assert lines[0] == "0:00:01   2%  dawn: keyframe 1/4, step 1/10, estimating the time left"
    assert lines[1] == (
        "0:00:06  15%  dawn: keyframe 1/4, step 6/10, loss 0.200, 1 steps/s, about 30 s left"
    )
    assert lines[-1].startswith("0:00:40 100%  dawn: keyframe 4/4, step 10/10, loss 0.100")
    assert lines[-1].endswith("done")
    ends = [line for line in lines if "step 10/10" in line]
    assert len(ends) == 4
    assert len(lines) <= 4 + 40 / 5 + 1
    quick = play("plain", steps(), io.StringIO(), seconds=0.01).splitlines()
    assert len(quick) == 1 + 4


def test_a_report_without_a_shot_begins_with_the_frame() -> None:
    written = play("plain", [Progress("decode", "", 1, 13, 0, 0, 1 / 13)], io.StringIO())
    assert written == "0:00:01   7%  frame 1/13, estimating the time left\n"


def test_frames_have_few_lines() -> None:
    reports = [Progress("decode", "dawn", n, 1000, 0, 0, 0.5 + n / 2000) for n in range(1, 1001)]
    lines = play("plain", reports, io.StringIO(), seconds=0.02).splitlines()
    assert len(lines) == 1 + 3 + 1
    assert re.search(r"dawn: frame 25\d/1000, 50 frames/s, about 1[05] s left$", lines[1])
    assert "frame 1000/1000" in lines[-1]


def test_alternating_stages_have_rates_of_their_own() -> None:
    clock = Clock()
    pace = Pace(clock)
    readings = []
    for report in steps(3):
        clock.now += 2
        pace.add(report)
        readings.append(pace.reading())
        if report.step == report.steps:
            for number in range(5):
                clock.now += 0.5
                frame = (report.keyframe - 1) * 5 + number + 1
                pace.add(Progress("decode", "dawn", frame, 15, 0, 0, report.done))
                readings.append(pace.reading())
    first_of_second, last = readings[15], readings[-1]
    assert first_of_second
    assert (first_of_second.report.stage, first_of_second.report.keyframe) == ("optimise", 2)
    assert first_of_second.rate == pytest.approx(0.5)
    assert first_of_second.loss is None  # the last one was another keyframe's
    assert last
    assert last.rate == pytest.approx(2)
    assert last.loss is None


def test_json_has_one_object_for_each_report() -> None:
    reports = [*steps(2, share=0.5), Progress("decode", "dawn", 1, 1, 0, 0, 1.0, float("nan"))]
    lines = [json.loads(line) for line in play("json", reports, io.StringIO()).splitlines()]
    assert len(lines) == len(reports)
    measured = ("done", "loss", "per_second", "elapsed_seconds", "remaining_seconds")
    assert {tuple(line) for line in lines[:-1]} == {
        ("event", "stage", "shot", "keyframe", "keyframes", "step", "steps", *measured)
    }
    assert tuple(lines[-1]) == ("event", "stage", "shot", "frame", "frames", *measured)
    assert lines[0] == {
        **{"event": "progress", "stage": "optimise", "shot": "dawn", "keyframe": 1},
        **{"keyframes": 2, "step": 1, "steps": 10, "done": 0.025, "loss": None},
        **{"per_second": None, "elapsed_seconds": 1.0, "remaining_seconds": None},
    }
    assert lines[7]["loss"] == 0.2
    assert lines[7]["per_second"] == 1.0
    assert lines[-1]["loss"] is None
    assert lines[-1]["remaining_seconds"] == 0


def test_json_lines_are_flushed_at_once() -> None:
    class Flushed(io.StringIO):
        seen = ""

        def flush(self) -> None:
            self.seen = self.getvalue()

    stream = Flushed()
    with display("json", stream, Clock()) as show:
        show(FIRST)
        assert json.loads(stream.seen)["shot"] == "dawn"


def test_quiet_writes_nothing() -> None:
    assert play("quiet", steps(), Terminal()) == ""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


def without_codes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_bar_on_a_terminal(terminal: Terminal) -> None:
    clock = Clock()
    with display("auto", terminal, clock) as show:
        for report in list(steps(shot="[red]sea[/]"))[:26]:
            clock.now += 10
            show(report)
    written = terminal.getvalue()
    assert "\x1b[" in written
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1, (
        "the cursor is shown again"
    )
    lines = [line.strip("\r") for line in without_codes(written).splitlines()]
    bar, words = lines[-2:]
    assert bar.rstrip().endswith("65% 0:04:20 about 2 min left")
    assert len(bar) <= 80
    assert words == "[red]sea[/]: keyframe 3/4, step 6/10, loss 0.200, 0.1 steps/s"


def test_a_bar_fits_a_narrow_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    written = play("rich", list(steps(shot="a long name " * 9))[:26], terminal)
    assert max(map(len, without_codes(written).splitlines())) <= 40


def test_a_bar_without_colour(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    written = play("rich", steps(), terminal)
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|38|9[0-7])[0-9;]*m", written)


def test_a_bar_before_the_first_report(terminal: Terminal) -> None:
    assert "starting" in play("rich", [], terminal)


def test_a_bar_that_is_interrupted(terminal: Terminal) -> None:
    def reports() -> Iterator[Progress]:
        yield FIRST
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play("rich", reports(), terminal)
    written = terminal.getvalue()
    assert written.rindex("\x1b[?25h") > written.rindex("dawn"), "the cursor is shown again"


def test_no_control_codes_without_a_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    for mode in ("auto", "rich", "plain", "json"):
        assert "\x1b" not in play(mode, steps(shot="\x1b[31m"), io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in play("auto", steps(), terminal)


def test_an_ascii_log_escapes_other_characters() -> None:
    log = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with display("plain", log, Clock()) as show:
        show(replace(FIRST, shot="日の出"))
    assert b"\\u65e5" in log.buffer.getvalue()  # type: ignore[attr-defined]


def test_an_unknown_mode_is_an_error() -> None:
    assert set(MODES) == {"auto", "rich", "plain", "json", "quiet"}
    with pytest.raises(ValueError, match="There is no progress display 'loud'"), display("loud"):
        pass


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with display("plain") as show:
        show(FIRST)
    written = capsys.readouterr()
    assert written.out == ""
    assert "dawn" in written.err


def grey(value: int) -> NDArray[np.uint8]:
    return np.full((4, 6, 3), value, np.uint8)


def test_a_preview_is_written_every_few_seconds(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "film.preview.png"
    preview = preview_writer(path, every=3, clock=clock)
    seen = []
    for value in range(8):
        preview(grey(value))
        with Image.open(path) as picture:
            assert picture.size == (6, 4)
            seen.append(picture.getpixel((0, 0)))
        clock.now += 1
    assert seen == [(v, v, v) for v in (0, 0, 0, 3, 3, 3, 6, 6)]
    assert list(tmp_path.iterdir()) == [path]


def test_a_preview_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    preview_writer(tmp_path / "none" / "film.preview.png")(grey(1))
    (tmp_path / "folder.png").mkdir()
    preview_writer(tmp_path / "folder.png")(grey(1))
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_importing_progress_loads_no_numpy_torch_or_rich() -> None:
    code = "import sys, render.cli.progress; print({'numpy', 'torch', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_time_left_is_rounded_more_the_longer_it_is() -> None:
    roundings = [progress._grain(seconds) for seconds in (1, 100, 1000, 10_000, 100_000)]
    assert roundings == [5, 60, 300, 600, 3600]
