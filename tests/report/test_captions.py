"""What the captions of an animatic say about a frame."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import plan_for

from render.plan.plan import Plan
from render.report.captions import beat_at, prompts_at, speed_at, transition_at
from render.report.panel import MOST_ROWS, Panel
from render.storyboard.parser import parse


def plan_of(shots: str, more: str = "") -> Plan:
    return plan_for(parse(f"version: 1\nsize: 320x192\nfps: 20\n{more}shots:\n{shots}", Path()), 8)


def test_prompts_cross_over_with_the_shots() -> None:
    plan = plan_of(
        "  - {duration: 1s, prompts: 'a | c:0.5'}\n"
        "  - {duration: 2s, prompts: 'b | c:0.5', transition: {duration: 1s, ease: linear}}\n"
        "  - {duration: 2s, prompts: d, transition: {kind: dissolve, duration: 1s, ease: linear}}\n"
    )

    def shown(number: int) -> dict[str, float]:
        return dict(prompts_at(plan, number, plan.moment(number)))

    assert shown(0) == {"a": 1, "c": 0.5}
    assert shown(25) == pytest.approx({"a": 0.75, "b": 0.25, "c": 0.5})
    assert shown(45) == {"b": 1, "c": 0.5}
    assert shown(65) == pytest.approx({"b": 0.75, "c": 0.375, "d": 0.25})
    assert [transition_at(plan, n, plan.moment(n)) for n in (0, 25, 45, 65)] == [
        "", "prompts cross 25%", "", "dissolve 25%",
    ]  # fmt: skip


def test_regions_are_named() -> None:
    plan = plan_of("  - {duration: 1s, prompts: [{text: sea, where: bottom}]}\n")
    assert prompts_at(plan, 0, plan.moment(0)) == [("[bottom] sea", 1.0)]


def test_beats_count_from_the_first_one() -> None:
    plan = plan_of("  - {duration: 4s, prompts: a}\n", "bpm: 60\nfirst_beat: 500ms\n")
    assert [beat_at(plan, number)[0] for number in (9, 10, 29, 30)] == [-1, 0, 0, 1]
    assert beat_at(plan, 9)[1] == 0
    assert beat_at(plan, 10)[1] == 1
    assert 0 < beat_at(plan, 20)[1] < 0.1
    assert beat_at(plan_of("  - {duration: 4s, prompts: a}\n"), 10) == (0, 0)


@pytest.mark.parametrize(
    ("move", "said"),
    [
        ("{zoom: 1.1/s}", "zoom 1.10/s"),
        ("{zoom: 0.5/s, angle: 12deg/s}", "zoom 0.50/s  turn +12°/s"),
        ("{x: 10%/s, y: -4%/s}", "x +10%/s  y -4%/s"),
        ("{}", "at rest"),
        ("{angle: {0s: 0, 2s: -30}}", "turn -15°/s"),
    ],
)
def test_speeds_are_those_of_the_storyboard(move: str, said: str) -> None:
    plan = plan_of(f"  - {{duration: 2s, prompts: a, camera: {move}}}\n")
    assert [speed_at(plan, number) for number in (0, 20, 39)] == [said] * 3


@pytest.mark.parametrize("count", [1, MOST_ROWS, 40])
@pytest.mark.parametrize("width", [320, 640])
def test_a_panel_has_room_for_its_prompts(count: int, width: int) -> None:
    prompts = " | ".join(f"日本の城 {n} ü:{n + 1}" for n in range(count))
    plan = plan_of(f"  - {{duration: 1s, prompts: '{prompts}'}}\n")
    panel = Panel(plan, width)
    assert panel.rows == min(MOST_ROWS, count)
    assert panel.height < 0.9 * width
    assert panel.height % 2 == 0
