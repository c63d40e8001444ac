"""The initial latent of a chain, chosen among candidates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from plans import plan_for
from tiny_film import MODELS, optimised_first_keyframe, tiny_plan
from torch.nn import functional as F

from render.plan.cost import CANDIDATE_CROPS, candidate_counts
from render.plan.key import derived_seed
from render.storyboard.parser import parse
from render.synthesis.initial_picture import (
    CROPS,
    choose_initial_picture,
    draw_candidates,
    grey_clouds,
)
from render.synthesis.perceptor import angular_distance as distance
from render.synthesis.targets import (
    embed_targets,
    make_prompt_targets,
)
from render.synthesis.warm_start import (
    warm_start,
)


def test_candidates_of_a_long_strip_are_at_most_8_to_1(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    monkeypatch.setattr(
        "render.synthesis.initial_picture.draw_candidates",
        lambda size, seed, count: sizes.append(size) or draw_candidates(size, seed, count),
    )
    text = tiny_plan().board.text.replace("size: 48x32", "size: 1024x16")
    plan = plan_for(parse(text, Path()), 4)
    prompt_targets = make_prompt_targets(
        plan, plan.keyframes[0], MODELS, embed_targets(plan, MODELS)
    )
    start = choose_initial_picture(plan, plan.keyframes[0], MODELS.device, prompt_targets)
    assert sizes == [(320, 40)]
    assert start.shape == (1, 3, 16, 1024)


def test_grey_clouds_are_seeded_grey_and_faint() -> None:
    first, other = grey_clouds((48, 32), 1), grey_clouds((48, 32), 2)
    assert torch.equal(first, grey_clouds((48, 32), 1))
    assert not torch.equal(first, other)
    assert torch.equal(first[:, 0], first[:, 2])
    assert 0.005 < first.std() < 0.15


def test_a_chain_starts_from_the_candidate_nearest_to_its_prompts() -> None:
    """Against the slow, obvious version: one crop at a time."""
    plan = tiny_plan()
    generator, keyframe = MODELS.network, plan.keyframes[0]
    prompt_targets = make_prompt_targets(plan, keyframe, MODELS, embed_targets(plan, MODELS))
    count, shortlist = candidate_counts(plan, keyframe)
    candidates = draw_candidates((60, 40), derived_seed(keyframe.seed, "ground"), count)
    assert 0 <= candidates.min() <= candidates.max() <= 1
    assert len(CROPS) == CANDIDATE_CROPS
    crops = [(0, 0, 40), (0, 10, 40), (0, 20, 40), (0, 20, 20), (20, 0, 20), (20, 40, 20)]

    def distance_of(crop: torch.Tensor) -> float:
        total = 0.0
        for prompt_target in prompt_targets:
            cutout = F.interpolate(crop, size=prompt_target.perceptor.side, mode="bilinear")
            embedding = prompt_target.perceptor.embed_cutouts(cutout)
            distances = distance(embedding, prompt_target.embeddings)
            total += prompt_target.weight * float((distances * prompt_target.weights).sum())
        return total

    def distance_of_crops(candidate: torch.Tensor) -> float:
        return sum(distance_of(candidate[..., y : y + side, x : x + side]) for y, x, side in crops)

    def distance_of_whole(candidate: torch.Tensor) -> float:
        return distance_of(F.interpolate(candidate, size=(40, 40), mode="area"))

    nearest = sorted(candidates.split(1), key=distance_of_whole)
    best = min(nearest[:shortlist], key=distance_of_crops)
    picture = F.interpolate(best, size=(32, 48), mode="bicubic")
    picture = picture + grey_clouds((48, 32), keyframe.seed) - 0.5
    start = choose_initial_picture(plan, keyframe, generator.device, prompt_targets)
    assert torch.allclose(start, picture.clamp(0, 1), atol=1e-4)
    assert warm_start(plan, plan.keyframes[0], MODELS, None) is None


def test_a_chain_without_prompts_starts_from_grey_clouds() -> None:
    plan = tiny_plan()
    generator, keyframe = MODELS.network, plan.keyframes[0]
    grey = grey_clouds((48, 32), keyframe.seed)
    assert torch.equal(choose_initial_picture(plan, keyframe, generator.device, ()), grey)


def test_each_region_starts_from_its_own_candidate() -> None:
    text = tiny_plan().board.text.replace(
        "prompts: a red sea | fire:-0.5",
        "prompts: [{text: green, where: top}, {text: black, where: bottom}]",
    )
    plan = plan_for(parse(text, Path()), 4)
    keyframe = plan.keyframes[0]
    prompt_targets = make_prompt_targets(plan, keyframe, MODELS, embed_targets(plan, MODELS))
    everywhere = tuple(replace(prompt_target, masks=None) for prompt_target in prompt_targets)
    starts = [
        choose_initial_picture(plan, keyframe, MODELS.device, targets)
        for targets in (prompt_targets, everywhere)
    ]
    assert torch.isfinite(starts[0]).all()
    assert not torch.equal(*starts)
    assert torch.isfinite(optimised_first_keyframe(plan)).all()
