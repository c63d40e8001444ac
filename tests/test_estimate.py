"""Estimates: progress that only goes forward, memory that grows with what is asked."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import pytest

from render.describe import duration, remember_speed, speed
from render.estimate import Meter, estimate, memory
from render.storyboard import parse
from render.timeline import Plan, make_plan

TEXT = (
    "version: 1\nsize: 320x192\ndefaults: {keyframes: 0.5s, cutouts: 8}\nshots:\n"
    "  - {duration: 2s, prompts: sea}\n  - {duration: 1s, prompts: fire}\n"
)


def planned(text: str = TEXT) -> Plan:
    return make_plan(parse(text, Path()), 8, lambda role, name: name)


def test_the_share_goes_forward_from_0_to_1() -> None:
    plan = planned()
    todo = list(plan.keyframes)
    meter = Meter(plan, todo, plan.frame_count)
    shares = [meter.at_step(k, s) for k in todo for s in range(k.steps + 1)]
    shares += [meter.at_frame(n) for n in range(plan.frame_count + 1)]
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert all(a <= b + 1e-12 for a, b in pairwise(shares))


def test_a_resumed_film_starts_its_bar_anew() -> None:
    plan = planned()
    todo = list(plan.keyframes)[4:]
    assert Meter(plan, todo, plan.frame_count).at_step(todo[0], 0) == 0
    assert Meter(plan, [], plan.frame_count).at_frame(plan.frame_count) == pytest.approx(1)


def test_more_of_anything_costs_more() -> None:
    plan = planned()
    base = estimate(plan, plan.keyframes, None)
    assert base.keyframes == len(plan.keyframes)
    assert base.steps == sum(keyframe.steps for keyframe in plan.keyframes)
    assert not base.measured
    half = estimate(plan, plan.keyframes[:3], None)
    assert half.seconds < base.seconds
    assert half.disk < base.disk
    larger = planned(TEXT.replace("320x192", "640x384"))
    assert memory(larger) > memory(plan) > memory(plan, 1)
    assert estimate(larger, larger.keyframes, None).seconds > 2 * base.seconds
    assert estimate(plan, plan.keyframes, 1e6).measured


def test_memory_does_not_grow_with_the_film() -> None:
    long = planned(TEXT.replace("2s", "2000s"))
    assert memory(long) == memory(planned())


def test_a_measured_speed_is_remembered_and_nonsense_is_not(tmp_path: Path) -> None:
    models = tmp_path / "cache" / "models"
    assert speed(models, "cpu") is None
    remember_speed(models, "cpu", 3000, 100)
    assert speed(models, "cpu") == 30
    assert speed(models, "cuda") is None
    remember_speed(models, "cpu", 1, 0.001)  # too short to mean anything
    assert speed(models, "cpu") == 30
    (tmp_path / "cache" / "speed.json").write_text("{broken")
    assert speed(models, "cpu") is None


def test_durations_are_no_more_exact_than_they_are_known() -> None:
    assert [duration(s) for s in (0.2, 61, 200, 7300)] == ["1 s", "61 s", "3 min", "2 h 2 min"]


def test_a_crossfade_of_weights_does_not_change_the_cost() -> None:
    plan = planned()
    other = dataclasses.replace(plan.board, seed=9)
    moved = make_plan(other, 8, lambda role, name: name)
    assert estimate(moved, moved.keyframes, None) == estimate(plan, plan.keyframes, None)
