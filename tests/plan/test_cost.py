"""What a plan costs in arithmetic, time and disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PIL import Image
from plan.samples import TWO_SHOTS, two_shot_plan
from plans import plan_for

from render.plan.cost import (
    Costs,
    Speed,
    candidate_counts,
    disk_shortfall,
    estimate,
    known_speed,
    remember_speed,
    step_level,
)
from render.plan.memory import (
    step_memory,
)
from render.storyboard.parser import parse
from render.text import duration_text


@pytest.mark.parametrize("between", ["latent", "picture"])
def test_a_frame_costs_a_decode_or_a_blend(between: str) -> None:
    plan = two_shot_plan(
        TWO_SHOTS.replace("keyframes: 0.5s", f"keyframes: {{every: 0.5s, between: {between}}}")
    )
    costs = Costs(plan)
    if between == "latent":
        assert costs.frame == pytest.approx(costs.decodes[0])
    else:  # two keyframes a second, 24 frames
        assert costs.blend < costs.frame < costs.blend + 0.2 * costs.decodes[0]


def test_only_a_chain_without_an_image_costs_the_choice_of_an_initial_picture(
    tmp_path: Path,
) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    text = TWO_SHOTS.replace("prompts: fire", "prompts: fire, init: a.png")
    plan = plan_for(parse(text, tmp_path), 8)
    costs = Costs(plan)
    first, later, *_, from_image, _, _ = plan.keyframes
    assert (first.parent, later.parent, from_image.parent) == (None, 0, None)
    assert from_image.init == tmp_path / "a.png"
    candidates = 0.145 * (160 + 6 * 40)  # `starter` alone
    assert costs.start(first) == candidates + costs.decodes[0] > 2 * costs.decodes[0]
    assert costs.start(later) == costs.start(from_image) == 2 * costs.decodes[0]


def test_more_keyframes_or_pixels_cost_more() -> None:
    plan = two_shot_plan()
    base = estimate(plan, plan.keyframes, None)
    assert base.keyframes == len(plan.keyframes)
    assert base.steps == sum(keyframe.steps for keyframe in plan.keyframes)
    assert not base.measured
    half = estimate(plan, plan.keyframes[:3], None)
    assert half.seconds < base.seconds
    assert half.disk < base.disk
    larger = two_shot_plan(TWO_SHOTS.replace("320x192", "640x384"))
    assert step_memory(larger) > step_memory(plan) > step_memory(plan, cutouts=1)
    assert estimate(larger, larger.keyframes, None).seconds > 2 * base.seconds
    assert estimate(plan, plan.keyframes, Speed(1e6, 7)).measured
    assert estimate(plan, (), Speed(1e6, 7)).seconds == pytest.approx(7, abs=0.1)


def test_a_measured_speed_is_remembered_and_invalid_ones_are_ignored(tmp_path: Path) -> None:
    models = tmp_path / "cache" / "models"
    assert known_speed(models, "cpu") is None
    remember_speed(models, "cpu", 3000, 100, 5)
    assert known_speed(models, "cpu") == Speed(30, 5)
    assert known_speed(models, "cuda") is None
    remember_speed(models, "cpu", 1, 0.001, 5)  # too short to mean anything
    assert known_speed(models, "cpu") == Speed(30, 5)
    for invalid in (
        "{broken",
        '{"cpu": 3}',
        '{"cpu": [30, 5]}',  # of an earlier version
        '{"cpu": [[30]]}',
        '{"cpu": [[30, -1]]}',
        '{"cpu": [[0, 1]]}',
        "[3]",
    ):
        (tmp_path / "cache" / "speed.json").write_text(invalid)
        assert known_speed(models, "cpu") is None
    remember_speed(models, "cpu", 3000, 100, 5)
    assert known_speed(models, "cpu") == Speed(30, 5)
    remember_speed(models, "cpu", 3000, 400, 20)  # beside other work
    remember_speed(models, "cpu", 3000, 90, 5)
    assert known_speed(models, "cpu") == Speed(30, 5)
    for _ in range(5):
        remember_speed(models, "cpu", 3000, 50, 4)
    assert known_speed(models, "cpu") == Speed(60, 4)


def test_estimated_durations_are_rounded() -> None:
    assert [duration_text(s) for s in (0.2, 61, 200, 7300)] == ["1 s", "61 s", "3 min", "2 h 2 min"]


def test_the_seed_does_not_change_the_cost() -> None:
    plan = two_shot_plan()
    other = plan_for(dataclasses.replace(plan.board, seed=9), 8)
    assert estimate(other, other.keyframes, None) == estimate(plan, plan.keyframes, None)


def test_latents_that_do_not_fit_on_the_disk_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "not" / "there"
    assert disk_shortfall(0, folder) is None
    message = disk_shortfall(10**18, folder)
    assert message is not None
    assert f"need {10**9:.1f} GB of disk, and " in message
    assert message.endswith(
        f" are free in {tmp_path}. Make room, or choose another folder with --latents"
    )
    monkeypatch.chdir(tmp_path)
    assert disk_shortfall(10**18, Path("film.latents")) == message


def levels(
    size: str, perceptor: str = "starter", steps: int = 8, prompt: str = "a castle"
) -> list[int]:
    """How often the picture of each step of a keyframe is halved."""
    text = f"version: 1\nsize: {size}\nmodels: {{perceptors: {perceptor}}}\nshots:\n"
    plan = plan_for(parse(f"{text}  - {{duration: 1s, prompts: {prompt}}}\n", Path()), 8)
    return [step_level(plan, plan.keyframes[0], step, steps) for step in range(steps)]


def test_the_last_steps_look_at_the_whole_picture() -> None:
    assert levels("256x256") == [2] * 6 + [0] * 2
    assert levels("256x256", steps=100) == [2] * 75 + [0] * 25
    assert levels("256x256", steps=2) == [0] * 2
    assert levels("256x256", steps=1) == [0]


def test_a_step_looks_at_no_less_than_its_perceptors_need() -> None:
    assert [max(levels(size)) for size in ("512x512", "160x96", "64x48")] == [2, 1, 0]
    both = "[starter, starter-objects]"
    assert [max(levels(size, both)) for size in ("512x512", "320x192", "160x96")] == [2, 1, 0]
    # The classifier takes no part where nothing is named that it knows.
    without = [max(levels(size, both, prompt="a red glow")) for size in ("256x256", "160x96")]
    assert without == [2, 1]
    large = [max(levels(size, "ViT-B/32")) for size in ("1024x1024", "384x384", "192x192")]
    assert large == [2, 1, 0]


def test_steps_that_look_at_less_cost_less() -> None:
    plan = two_shot_plan()
    costs, (first, *_) = Costs(plan), plan.keyframes
    assert costs.step(first, 2) < costs.step(first, 1) < costs.step(first)
    steps = sum(costs.step(first, step_level(plan, first, n, 100)) for n in range(100))
    assert costs.keyframe(first) == pytest.approx(costs.start(first) + steps)


def test_a_classifier_costs_nothing_where_it_knows_no_thing() -> None:
    def cutout(prompt: str, settings: str = "") -> float:
        text = f"version: 1\nshots:\n  - {{duration: 1s, prompts: {prompt}{settings}}}\n"
        plan = plan_for(parse(text, Path()), 8)
        return Costs(plan).step(plan.keyframes[0])

    alone = cutout("a red glow")
    assert cutout("a castle on a hill") > alone
    assert cutout("a red glow", ", losses: {likeness: 1}") > alone


@pytest.mark.parametrize(
    ("models", "more", "counts"),
    [
        ("{perceptors: starter}", "", (160, 40)),
        ("{}", "", (160, 40)),
        ("{}", ", where: top", (160, 160)),
        ("{perceptors: ViT-L/14}", "", (76, 19)),
        ("{perceptors: [starter, ViT-B/32]}", "", (38, 9)),
        ("{perceptors: ViT-B/32}", ", where: top", (32, 32)),
    ],
)
def test_the_choice_of_first_colours_costs_no_more_than_a_few_steps(
    models: str, more: str, counts: tuple[int, int]
) -> None:
    text = f"version: 1\nmodels: {models}\nshots:\n"
    text += f"  - {{duration: 1s, prompts: [{{text: a castle{more}}}]}}\n"
    plan = plan_for(parse(text, Path()), 16)
    first, costs = plan.keyframes[0], Costs(plan)
    assert candidate_counts(plan, first) == counts
    if "ViT" in models:
        choice = costs.start(first) - costs.sketch(first) - costs.decodes[0]
        assert choice <= 3 * costs.step(first)
