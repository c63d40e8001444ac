"""A chain whose prompt a classifier knows starts from a sketch in pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from plans import make_keyframes, plan_for
from tiny_film import MODELS, tiny_plan

from render.plan.cost import Costs, is_sketched, sketch_cutouts
from render.plan.plan import Plan
from render.plan.progress import Meter
from render.storyboard.parser import parse
from render.synthesis import sketch as sketching
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.latents import Store
from render.synthesis.load import load_perceptor
from render.synthesis.models import Models
from render.synthesis.optimize import Step
from render.synthesis.sketch import SketchStep, sketch, sketch_size
from render.synthesis.targets import PromptTarget, embed_targets, make_prompt_targets
from render.weights.catalog import PERCEPTORS

WITH_CLASSIFIER = Models(MODELS.generators, (MODELS.perceptors[0], (tiny.classifier(), 1.0)))


def plan_of(prompts: str, size: str = "48x32") -> Plan:
    text = tiny_plan().board.text.replace("size: 48x32", f"size: {size}")
    text = text.replace("prompts: a red sea | fire:-0.5", f"prompts: {prompts}")
    text = text.replace("{starter: 1, ViT-B/32: 0.5}", "{starter: 1, starter-objects: 1}")
    return plan_for(parse(text, Path()), 4)


def targets_of(plan: Plan) -> tuple[PromptTarget, ...]:
    embedded = embed_targets(plan, WITH_CLASSIFIER)
    return make_prompt_targets(plan, plan.keyframes[0], WITH_CLASSIFIER, embedded)


def steps_of(plan: Plan) -> list[SketchStep | Step]:
    targets = embed_targets(plan, WITH_CLASSIFIER)
    return list(optimize_keyframe(plan, plan.keyframes[0], WITH_CLASSIFIER, targets, None))


def test_a_known_thing_is_sketched_before_it_is_painted() -> None:
    plan = plan_of("a lighthouse")
    steps, count = steps_of(plan), plan.keyframes[0].steps
    painted = Costs(plan).steps(plan.keyframes[0])
    assert 0 < painted < count
    assert [(type(step), step.index, step.steps) for step in steps] == [
        *((SketchStep, index, count) for index in range(1, count + 1)),
        *((Step, index, painted) for index in range(1, painted + 1)),
    ]
    picture = steps[count - 1].picture
    assert picture.shape == (1, 3, 32, 48)
    assert 0 <= picture.min() <= picture.max() <= 1
    assert is_sketched(plan, plan.keyframes[0])


@pytest.mark.parametrize(
    "prompts",
    [
        "a red sky",
        "a red sky | a lighthouse:-1",
        "[{image: storyboards/images/hills.png}]",
        "a lighthouse\n    losses: {prompts: 0}",
    ],
)
def test_other_prompts_are_painted_without_a_sketch(prompts: str) -> None:
    plan = plan_of(prompts)
    assert all(type(step) is Step for step in steps_of(plan))
    assert not is_sketched(plan, plan.keyframes[0])


def test_the_pull_of_a_perceptor_is_that_of_the_keyframe() -> None:
    classifier = tiny.classifier()
    classifier.first_pull, classifier.later_pull = 12.0, 0.5
    models = Models(MODELS.generators, (MODELS.perceptors[0], (classifier, 0.5)))
    plan = plan_of("a lighthouse")
    embedded = embed_targets(plan, models)
    first, later = (
        make_prompt_targets(plan, plan.keyframes[number], models, embedded) for number in (0, 1)
    )
    assert [(target.weight, float(target.pull)) for target in first] == [(1.0, 1.0), (0.5, 6.0)]
    assert [(target.weight, float(target.pull)) for target in later] == [(1.0, 1.0), (0.5, 0.25)]
    row = PERCEPTORS["starter-objects"]
    loaded = load_perceptor(row)
    assert (loaded.first_pull, loaded.later_pull) == row.pull != (1.0, 1.0)


def test_a_sketch_is_reported_and_shown_before_the_steps(tmp_path: Path) -> None:
    plan = plan_of("a lighthouse")
    store, reports = Store(tmp_path), []
    meter = Meter(plan, plan.keyframes[:1], 1)
    make_keyframes(plan, WITH_CLASSIFIER, store, [plan.keyframes[0]], meter, reports.append)
    stages = [report.stage for report in reports]
    count = plan.keyframes[0].steps
    assert stages == ["sketch"] * count + ["optimise"] * (len(stages) - count)
    assert [report.done for report in reports] == sorted({report.done for report in reports})
    shown = reports[count - 1].picture
    assert shown is not None
    assert shown.shape == (32, 48, 3)
    latent = store.load(plan.keyframes[0].key)
    *_, last = steps_of(plan)
    assert isinstance(last, Step)
    assert torch.equal(latent, last.average)


def test_a_sketch_comes_nearer_to_its_prompt() -> None:
    plan = plan_of("a lighthouse")
    keyframe, targets = replace(plan.keyframes[0], steps=40), targets_of(plan)
    start = torch.full((1, 3, 32, 48), 0.5)
    losses = [float(step.loss) for step in sketch(plan, keyframe, targets, start)]
    assert sum(losses[-8:]) < sum(losses[:8]) - 0.4


def test_a_sketch_is_seeded_and_differs_between_seeds() -> None:
    plan, start = plan_of("a lighthouse"), torch.full((1, 3, 32, 48), 0.5)
    targets = targets_of(plan)

    def drawn(seed: int) -> torch.Tensor:
        *_, last = sketch(plan, replace(plan.keyframes[0], seed=seed), targets, start)
        return last.picture

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_a_large_picture_is_sketched_small() -> None:
    assert sketch_size((320, 192)) == (213, 128)
    assert sketch_size((48, 32)) == (48, 32)
    assert sketch_size((4096, 16)) == (4096, 16)


def test_regions_apply_to_the_sketch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketching, "SKETCH_SIDE", 16)
    plan = plan_of("[{text: a lighthouse, where: left}, a red sky]")
    steps = [step for step in steps_of(plan) if isinstance(step, SketchStep)]
    assert steps[-1].picture.shape == (1, 3, 16, 24)
    assert torch.isfinite(steps[-1].picture).all()


def test_the_cost_and_the_progress_include_the_sketch() -> None:
    plan, other = plan_of("a lighthouse"), plan_of("a red sky")
    keyframe = plan.keyframes[0]
    costs = Costs(plan)
    each = sum(chosen.model.gflop_per_cutout for chosen in plan.models.perceptors)
    expected = 2 * each * sketch_cutouts(keyframe.settings.cutouts) * keyframe.steps
    assert costs.sketch(keyframe) == pytest.approx(expected)
    assert expected > 0
    classifier = plan.models.perceptors[-1].model
    candidates = classifier.gflop_per_cutout * (160 + 6 * 40)
    without = Costs(other).start(other.keyframes[0])
    assert costs.start(keyframe) == pytest.approx(without + candidates + expected)
    meter = Meter(plan, [keyframe], 1)
    shares = [meter.at_sketch(keyframe, share) for share in (0.5, 1.0)]
    assert 0 < shares[0] < shares[1] == meter.at_step(keyframe, 0) < meter.at_step(keyframe, 1)


@pytest.mark.parametrize(("change", "pull"), [(0.0, 0.5), (0.5, 6.25), (1.0, 12.0)])
def test_where_prompts_change_a_classifier_pulls_as_in_a_first_keyframe(
    change: float, pull: float
) -> None:
    classifier = tiny.classifier()
    classifier.first_pull, classifier.later_pull = 12.0, 0.5
    plan = plan_for(parse("version: 1\nshots:\n  - {duration: 1s, prompts: wolf}\n", Path()), 4)
    models = replace(MODELS, perceptors=((classifier, 1.0),))
    later = replace(plan.keyframes[1], change=change)
    (target,) = make_prompt_targets(plan, later, models, embed_targets(plan, models))
    assert target.pull == pull
