"""One keyframe: random state, waiting and the number of operations."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from tiny_film import MODELS, optimised_first_keyframe, tiny_plan
from torch.utils._python_dispatch import TorchDispatchMode

from render.plan.plan import ActivePrompt
from render.synthesis import keyframe as optimised
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.models import Models
from render.synthesis.optimize import Step
from render.synthesis.picture_statistics import ShotStatistics, shot_statistics
from render.synthesis.targets import (
    embed_targets,
)


def test_optimising_does_not_read_the_global_random_state() -> None:
    plan = tiny_plan()
    torch.manual_seed(1)
    first = optimised_first_keyframe(plan)
    torch.manual_seed(2)
    assert torch.equal(first, optimised_first_keyframe(plan))


@pytest.mark.parametrize("more", ["", "    losses: {commitment: 1, latent: 3, decay: 0.1}\n"])
def test_the_film_is_the_same_in_other_units_of_the_latent(more: str) -> None:
    """A generator whose codes are a fifth as large, with the same function."""
    plan, scale = tiny_plan(more), 0.2
    scaled = deepcopy(MODELS.network)
    state = {
        name: value * (scale if name.startswith(("codebook", "quant_conv", "low", "high")) else 1)
        for name, value in scaled.state_dict().items()
    }
    state["post_quant_conv.weight"] /= scale
    scaled.load_taming(state)
    assert scaled.unit == pytest.approx(scale * MODELS.network.unit, rel=0.01)
    scaled.unit = scale * MODELS.network.unit
    latents: list[list[torch.Tensor]] = []
    for models in (MODELS, replace(MODELS, generators=(scaled,))):
        targets, made = embed_targets(plan, models), []
        for keyframe in plan.keyframes[:2]:
            parent = None if keyframe.parent is None else made[keyframe.parent]
            for step in optimize_keyframe(plan, keyframe, models, targets, parent):
                if isinstance(step, Step):
                    latent = step.average
            made.append(latent)
        latents.append(made)
    for own, other in zip(*latents, strict=True):
        assert torch.allclose(other / scale, own, atol=0.02)


EVERY_LOSS = (
    "    losses: {latent: 1, likeness: 1, edges: 1, contrast: 1, decay: 1}\n"
    "    camera: {zoom: 1.2/s}\n    exclude: {text: grey, where: top}\n"
)


class Copies(TorchDispatchMode):
    """Notes for each copy between devices whether it waits for work launched before."""

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
    """The meta device has no numbers: an operation that waits to read one raises an error there."""
    plan, meta = tiny_plan(EVERY_LOSS), torch.device("meta")
    perceptors = tuple((deepcopy(one).on(meta), weight) for one, weight in MODELS.perceptors)
    models = Models((deepcopy(MODELS.network).on(meta),), perceptors)
    latent = torch.empty(1, 4, 8, 12, device="meta")
    targets = replace(embed_targets(plan, models), latents={(Path("stored"), 0): latent})
    latent_prompt = ActivePrompt(None, None, 0.5, -math.inf, latent=Path("stored"))
    keyframe = replace(
        plan.keyframes[number], prompts=(*plan.keyframes[number].prompts, latent_prompt)
    )
    empty = ShotStatistics(*(torch.empty(shape, device="meta") for shape in ((2, 3), ())))
    statistics = {0: empty}
    optimising = optimize_keyframe(
        plan, keyframe, models, targets, latent if number else None, statistics
    )
    next(optimising)
    with Copies() as copies:
        steps = list(optimising)
    assert copies.waits
    assert not any(copies.waits)
    assert steps[-1].index == steps[-1].steps
    with pytest.raises(RuntimeError, match="meta"):
        float(steps[-1].loss)


class Operations(TorchDispatchMode):
    """Counts the operations of a device, which are about as many kernel launches."""

    count = 0

    def __torch_dispatch__(self, function, types, given=(), named=None):
        self.count += not function.is_view
        return function(*given, **(named or {}))


def test_a_step_runs_few_operations() -> None:
    plan = tiny_plan()
    models = Models(MODELS.generators, MODELS.perceptors[:1])
    optimising = optimize_keyframe(
        plan, plan.keyframes[0], models, embed_targets(plan, models), None
    )
    next(optimising)
    with Operations() as operations:
        next(optimising)
    assert operations.count < 800


def test_the_first_steps_look_at_small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, generator = tiny_plan(EVERY_LOSS), tiny.with_readouts(deepcopy(MODELS.network))
    monkeypatch.setattr(optimised, "step_level", lambda plan, keyframe, step, steps: 2 - step // 2)
    levels, real = [], generator.paint

    def counted(codes: torch.Tensor, *, step: bool = False, level: int = 0) -> torch.Tensor:
        if step:
            levels.append(level)
        return real(codes, step=step, level=level)

    monkeypatch.setattr(generator, "paint", counted)
    models = replace(MODELS, generators=(generator,))
    keyframe = replace(plan.keyframes[1], steps=5)
    parent = optimised_first_keyframe(plan)
    statistics = {
        level: shot_statistics(plan, None, parent, generator, level) for level in (0, 1, 2)
    }
    *_, last = optimize_keyframe(
        plan, keyframe, models, embed_targets(plan, models), parent, statistics
    )
    assert levels == [2, 2, 1, 1, 0]
    assert torch.isfinite(last.average).all()
