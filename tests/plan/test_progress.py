"""The share of a render's work that is done."""

from __future__ import annotations

from itertools import pairwise

import pytest
from plan.samples import two_shot_plan

from render.plan.cost import Costs, step_level
from render.plan.progress import Meter


def test_the_share_done_rises_from_0_to_1() -> None:
    plan = two_shot_plan()
    todo = list(plan.keyframes)
    meter = Meter(plan, todo, plan.frame_count)
    shares = [meter.at_step(k, s) for k in todo for s in range(k.steps + 1)]
    shares += [meter.at_frame(n) for n in range(plan.frame_count + 1)]
    assert shares[0] > 0  # the start of the first keyframe is work too
    assert shares[-1] == pytest.approx(1)
    assert all(a <= b + 1e-12 for a, b in pairwise(shares))


def test_the_share_done_rises_while_steps_and_frames_alternate() -> None:
    plan = two_shot_plan()
    todo = list(plan.keyframes)
    meter = Meter(plan, todo, plan.frame_count)
    each = plan.frame_count // len(todo)
    shares = []
    for number, keyframe in enumerate(todo, start=1):
        shares += [meter.at_step(keyframe, s) for s in range(keyframe.steps + 1)]
        shares += [meter.at_frame(n) for n in range((number - 1) * each, number * each)]
    shares += [meter.at_frame(plan.frame_count)]
    assert all(a <= b + 1e-12 for a, b in pairwise(shares))
    assert shares[-2] < shares[-1] == 1


def test_a_resumed_film_starts_near_0() -> None:
    plan = two_shot_plan()
    todo = list(plan.keyframes)[4:]
    meter = Meter(plan, todo, plan.frame_count)
    assert meter.at_step(todo[0], 0) == Costs(plan).start(todo[0]) / meter.total
    assert Meter(plan, [], plan.frame_count).at_frame(plan.frame_count) == pytest.approx(1)


def test_the_start_of_a_keyframe_counts_with_its_first_step() -> None:
    plan = two_shot_plan()
    costs, todo = Costs(plan), list(plan.keyframes)
    meter = Meter(plan, todo, plan.frame_count)
    for before, after in pairwise(todo):
        at_end, at_first_step = meter.at_step(before, before.steps), meter.at_step(after, 1)
        step = costs.step(after, step_level(plan, after, 0, after.steps))
        work = costs.start(after) + step
        assert at_first_step - at_end == pytest.approx(work / meter.total)
        assert meter.at_step(after, 2) - at_first_step == pytest.approx(step / meter.total)
