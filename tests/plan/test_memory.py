"""Estimates: progress that only goes forward, memory that grows with what is asked."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from plans import plan_for

from render.plan import memory
from render.plan.cost import CANDIDATE_CUTOUTS, Costs, Speed, estimate, known_speed, remember_speed
from render.plan.memory import (
    LIMITS,
    MemoryBudget,
    cutouts_at_once,
    in_parts_message,
    machine_memory,
    memory_advice,
    shortfall,
    step_memory,
)
from render.plan.plan import Plan
from render.plan.progress import Meter
from render.storyboard.parser import parse
from render.text import duration_text
from render.weights.library import known_models

TEXT = (
    "version: 1\nsize: 320x192\ndefaults: {keyframes: 0.5s, cutouts: 8}\nshots:\n"
    "  - {duration: 2s, prompts: sea}\n  - {duration: 1s, prompts: fire}\n"
)


def planned(text: str = TEXT) -> Plan:
    return plan_for(parse(text, Path()), 8)


def test_the_share_goes_forward_from_0_to_1() -> None:
    plan = planned()
    todo = list(plan.keyframes)
    meter = Meter(plan, todo, plan.frame_count)
    shares = [meter.at_step(k, s) for k in todo for s in range(k.steps + 1)]
    shares += [meter.at_frame(n) for n in range(plan.frame_count + 1)]
    assert shares[0] > 0  # the start of the first keyframe is work too
    assert shares[-1] == pytest.approx(1)
    assert all(a <= b + 1e-12 for a, b in pairwise(shares))


def test_steps_and_frames_may_take_turns() -> None:
    plan = planned()
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


def test_a_resumed_film_starts_its_bar_anew() -> None:
    plan = planned()
    todo = list(plan.keyframes)[4:]
    meter = Meter(plan, todo, plan.frame_count)
    assert meter.at_step(todo[0], 0) == Costs(plan).start(todo[0]) / meter.total
    assert Meter(plan, [], plan.frame_count).at_frame(plan.frame_count) == pytest.approx(1)


@pytest.mark.parametrize("between", ["latent", "picture"])
def test_a_frame_costs_what_is_painted_of_it(between: str) -> None:
    plan = planned(
        TEXT.replace("keyframes: 0.5s", f"keyframes: {{every: 0.5s, between: {between}}}")
    )
    costs = Costs(plan)
    if between == "latent":
        assert costs.frame == pytest.approx(costs.decode)
    else:  # two keyframes a second, 24 frames
        assert costs.blend < costs.frame < costs.blend + 0.2 * costs.decode


def test_a_start_is_done_before_the_first_step() -> None:
    plan = planned()
    costs, todo = Costs(plan), list(plan.keyframes)
    meter = Meter(plan, todo, plan.frame_count)
    for before, after in pairwise(todo):
        ended, begun = meter.at_step(before, before.steps), meter.at_step(after, 1)
        one = costs.start(after) + costs.step(after)
        assert begun - ended == pytest.approx(one / meter.total)
        assert meter.at_step(after, 2) - begun == pytest.approx(costs.step(after) / meter.total)


def test_a_start_costs_looks_at_grounds_only_where_nothing_is_begun_with(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    begun = TEXT.replace("prompts: fire", "prompts: fire, init: a.png")
    plan = plan_for(parse(begun, tmp_path), 8)
    costs = Costs(plan)
    nothing, later, *_, pictured, _, _ = plan.keyframes
    assert (nothing.parent, later.parent, pictured.parent) == (None, 0, None)
    assert pictured.init == tmp_path / "a.png"
    assert (
        costs.start(nothing) == costs.cutout * CANDIDATE_CUTOUTS + costs.decode > 2 * costs.decode
    )
    assert costs.start(later) == costs.start(pictured) == 2 * costs.decode


@pytest.mark.parametrize(
    ("written", "there"),
    [
        ({}, 1000),
        ({LIMITS[0]: "max\n"}, 1000),
        ({LIMITS[0]: "600\n"}, 600),
        ({LIMITS[1]: "700\n"}, 700),
        ({LIMITS[0]: "600\n", LIMITS[1]: "700\n"}, 600),
        ({LIMITS[1]: "9223372036854771712\n"}, 1000),
    ],
)
def test_a_container_may_have_less_memory_than_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: dict[str, str], there: int
) -> None:
    machine = {"SC_PAGE_SIZE": 10, "SC_PHYS_PAGES": 100}
    monkeypatch.setattr(memory.os, "sysconf", machine.__getitem__)
    for name, limit in written.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(limit)
    assert machine_memory(tmp_path) == there


@pytest.mark.parametrize(
    ("share", "told", "refused"),
    [(None, False, False), (1.0, False, False), (0.99, True, False), (0.67, True, False),
     (0.66, True, True)],
)  # fmt: skip
def test_what_certainly_does_not_fit_is_refused(
    share: float | None, told: bool, refused: bool
) -> None:
    plan = planned()
    there = None if share is None else math.ceil(share * step_memory(plan))
    short = shortfall(plan, MemoryBudget(there))
    assert (short is not None) == told
    if short is not None:
        assert short.refused == refused
        assert ("refused without --force" in short.message) == refused


def test_views_are_looked_at_in_parts_before_a_film_is_refused() -> None:
    plan = planned("models: {perceptors: ViT-B/32}\n" + TEXT.replace("cutouts: 8", "cutouts: 32"))
    whole = step_memory(plan)
    assert (
        cutouts_at_once(plan, MemoryBudget(None))
        is cutouts_at_once(plan, MemoryBudget(whole))
        is None
    )
    assert cutouts_at_once(plan, MemoryBudget(whole - 1)) == 16
    odd = planned(plan.board.text.replace("cutouts: 32", "cutouts: 33"))
    assert cutouts_at_once(odd, MemoryBudget(step_memory(odd) - 1)) == 32
    assert (
        in_parts_message(plan, MemoryBudget(whole))
        is in_parts_message(plan, MemoryBudget(0))
        is None
    )
    assert "the perceptor takes them 16 at a time" in str(in_parts_message(plan, MemoryBudget(whole - 1)))
    assert cutouts_at_once(plan, MemoryBudget(0)) == 1
    assert shortfall(plan, MemoryBudget(whole - 1)) is None
    assert shortfall(plan, MemoryBudget(step_memory(plan, at_once=1) - 1)) is not None


def test_narrower_numbers_and_a_card_need_less() -> None:
    residual, transformer = planned(), planned(f"models: {{perceptors: ViT-B/32}}\n{TEXT}")
    for plan in (residual, transformer):
        assert step_memory(plan, MemoryBudget(is_gpu=True)) < step_memory(plan)
    assert step_memory(residual, MemoryBudget(bytes_per_number=2)) == step_memory(
        residual
    )  # its tower stays float32
    less = step_memory(transformer) - step_memory(transformer, MemoryBudget(bytes_per_number=2))
    assert less == pytest.approx(8 * 3.1e6 * 8.8 / 2, rel=0.02)
    short = shortfall(transformer, MemoryBudget(2**30, is_gpu=True))
    assert short is not None
    assert "The GPU has 1.0 GiB" in short.message


def test_what_is_a_transformer_is_one_of_open_clip() -> None:
    import open_clip

    for model in known_models("perceptor").values():
        if name := model.config.get("open_clip"):
            layers = open_clip.get_model_config(name)["vision_cfg"]["layers"]
            assert model.is_transformer == isinstance(layers, int), name


def test_only_what_needs_less_is_advised() -> None:
    plan = planned()
    needs = [
        f"{bytes_ / 2**30:.1f} GiB" for bytes_ in (step_memory(plan), step_memory(plan, cutouts=2))
    ]
    assert memory_advice(plan).startswith(
        f"320x192 with 8 cutouts needs about {needs[0]}; cutouts: 2 "
    )
    assert f"cutouts: 2 needs {needs[1]} and size: [160, 96] needs " in memory_advice(plan)
    one = memory_advice(planned(TEXT.replace("cutouts: 8", "cutouts: 1")))
    assert one.startswith("320x192 with 1 cutout needs about")
    assert "cutouts: 1" not in one
    least = TEXT.replace("cutouts: 8", "cutouts: 1").replace("320x192", "24x24")
    assert memory_advice(planned(least)).endswith("smaller models need less, see `render models`.")


def test_a_latent_is_as_large_as_the_generator_makes_it() -> None:
    assert planned().latent_shape == (16, 24, 40)


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
    assert step_memory(larger) > step_memory(plan) > step_memory(plan, cutouts=1)
    assert estimate(larger, larger.keyframes, None).seconds > 2 * base.seconds
    assert estimate(plan, plan.keyframes, Speed(1e6, 7)).measured
    assert estimate(plan, (), Speed(1e6, 7)).seconds == pytest.approx(7, abs=0.1)


def test_memory_does_not_grow_with_the_film() -> None:
    long = planned(TEXT.replace("2s", "2000s"))
    assert step_memory(long) == step_memory(planned())


def test_a_measured_speed_is_remembered_and_nonsense_is_not(tmp_path: Path) -> None:
    models = tmp_path / "cache" / "models"
    assert known_speed(models, "cpu") is None
    remember_speed(models, "cpu", 3000, 100, 5)
    assert known_speed(models, "cpu") == Speed(30, 5)
    assert known_speed(models, "cuda") is None
    remember_speed(models, "cpu", 1, 0.001, 5)  # too short to mean anything
    assert known_speed(models, "cpu") == Speed(30, 5)
    for nonsense in (
        "{broken",
        '{"cpu": 3}',
        '{"cpu": [30]}',
        '{"cpu": [30, -1]}',
        '{"cpu": [0, 1]}',
    ):
        (tmp_path / "cache" / "speed.json").write_text(nonsense)
        assert known_speed(models, "cpu") is None
    remember_speed(models, "cpu", 3000, 100, 5)
    assert known_speed(models, "cpu") == Speed(30, 5)


def test_durations_are_no_more_exact_than_they_are_known() -> None:
    assert [duration_text(s) for s in (0.2, 61, 200, 7300)] == ["1 s", "61 s", "3 min", "2 h 2 min"]


def test_a_crossfade_of_weights_does_not_change_the_cost() -> None:
    plan = planned()
    other = dataclasses.replace(plan.board, seed=9)
    moved = plan_for(other, 8)
    assert estimate(moved, moved.keyframes, None) == estimate(plan, plan.keyframes, None)
