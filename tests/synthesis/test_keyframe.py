"""One keyframe: random state, waiting and the number of operations."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_film import MODELS
from torch.utils._python_dispatch import TorchDispatchMode

from render.plan.plan import ActivePrompt
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.models import Models
from render.synthesis.statistics import ShotStatistics
from render.synthesis.targets import (
    embed_targets,
)


def test_optimising_does_not_read_the_global_random_state() -> None:
    plan = planned()
    torch.manual_seed(1)
    one = climbed(plan)
    torch.manual_seed(2)
    assert torch.equal(one, climbed(plan))


EVERY_LOSS = (
    "    losses: {latent: 1, likeness: 1, edges: 1, contrast: 1, decay: 1}\n"
    "    camera: {zoom: 1.2/s}\n    exclude: {text: grey, where: top}\n"
)


class Copies(TorchDispatchMode):
    """Notes of each copy from the CPU to the device whether it waits for all that is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[bool] = []

    def __torch_dispatch__(self, function, types, given=(), named=None):
        named = named or {}
        made = function(*given, **named)
        if function is torch.ops.aten._to_copy.default and given[0].device != made.device:
            self.waits.append(not named.get("non_blocking"))
        return made


@pytest.mark.parametrize("number", [0, 1])
def test_no_step_waits_for_the_device(number: int) -> None:
    """The meta device has no numbers: whatever would wait to read one is an error there."""
    plan, meta = planned(EVERYTHING), torch.device("meta")
    perceptors = tuple((deepcopy(one).on(meta), weight) for one, weight in MODELS.perceptors)
    models = Models(deepcopy(MODELS.generator).on(meta), perceptors)
    latent = torch.empty(1, 4, 8, 12, device="meta")
    targets = replace(embed_targets(plan, models), latents={Path("kept"): latent})
    latent_target = ActivePrompt(None, None, 0.5, -math.inf, latent=Path("kept"))
    keyframe = replace(
        plan.keyframes[number], prompts=(*plan.keyframes[number].prompts, latent_target)
    )
    kept = ShotStatistics(*(torch.empty(shape, device="meta") for shape in ((2, 3), ())))
    climbing = optimize_keyframe(plan, keyframe, models, targets, latent if number else None, kept)
    next(climbing)
    with Copies() as copies:
        steps = list(climbing)
    assert copies.waits
    assert not any(copies.waits)
    assert steps[-1].index == steps[-1].steps
    with pytest.raises(RuntimeError, match="meta"):
        float(steps[-1].loss)


class Operations(TorchDispatchMode):
    """Counts what is asked of a device: about as many launches."""

    count = 0

    def __torch_dispatch__(self, function, types, given=(), named=None):
        self.count += not function.is_view
        return function(*given, **(named or {}))


def test_a_step_runs_few_operations() -> None:
    plan = planned()
    one = Models(MODELS.generator, MODELS.perceptors[:1])
    climbing = optimize_keyframe(plan, plan.keyframes[0], one, embed_targets(plan, one), None)
    next(climbing)
    with Operations() as operations:
        next(climbing)
    assert operations.count < 800
