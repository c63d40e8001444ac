"""Check on the film's own models that recorded steps and ordinary steps agree."""

from __future__ import annotations

import warnings
from collections import deque
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from render.plan.cost import halved_size
from render.synthesis.cuda_graph import RecordedSteps
from render.synthesis.cutouts import Cutouts, sample_cutouts
from render.synthesis.images import halved
from render.synthesis.initial_picture import grey_clouds
from render.synthesis.keyframe import Objective, keyframe_loss
from render.synthesis.losses import LOSSES, active_weights
from render.synthesis.models import Models
from render.synthesis.optimize import ONE_BY_ONE, StepRunner, optimize
from render.synthesis.picture_statistics import palette_of, sharpness_of
from render.synthesis.targets import PromptTarget, embed_image

STEPS = 6  # half of them at each level: one warms up, one is recorded, one replayed


def recording_works(models: Models, runner: StepRunner | None = None) -> bool:
    """Whether recorded steps end near unrecorded ones: of two small keyframes, with every loss, on
    whole and on halved pictures.

    The second keyframe replays what was recorded for the first, with constants of its own. They
    need not be identical: GPUs sum gradients in varying order, and a capturable Adam rounds
    differently. Two unrecorded runs measure how much the first matters. A loss that reads a value
    back to the host makes this fail.
    """
    runner = runner or RecordedSteps()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="a step could not be recorded")
            plain, again, recorded = (
                moved_by_steps(models, run) for run in (ONE_BY_ONE, ONE_BY_ONE, runner)
            )
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, UserWarning):  # something in the step cannot be recorded here
        return False
    return all(
        bool((own - right).norm() < 0.02 * right.norm() + 3 * (other - right).norm())
        for own, right, other in zip(recorded, plain, again, strict=True)
    )


def moved_by_steps(models: Models, runner: StepRunner) -> list[Tensor]:
    """How far the latents (1, C, h, w) of two keyframes move."""
    generator = models.network
    size = (8 * generator.factor, 8 * generator.factor)
    smallest = max((0, *generator.readouts))

    def level_at(step: int) -> int:
        return smallest if step < STEPS // 2 else 0

    def cutouts_at(step: int) -> Cutouts:
        own = halved_size(size, level_at(step))
        return sample_cutouts(4, own, (0.4, 1.0), step).on(models.device, min(own), models.sides)

    moved = []
    for seed in range(2):
        with torch.no_grad():
            picture = grey_clouds(size, seed).to(models.device)
            start = generator.encode(picture)
        constants_at = cache(partial(small_objective, models, picture, start))
        settings: dict[str, Any] = {"steps": STEPS, "step_size": 0.1, "smoothing": 0.0}
        settings.update(level_at=level_at, constants_at=constants_at, runner=runner)
        steps = optimize(start, generator, cutouts_at, keyframe_loss, **settings)
        moved.append(deque(steps, 1)[0].average - start)
    return moved


@torch.no_grad()
def small_objective(models: Models, picture: Tensor, start: Tensor, level: int) -> Objective:
    """Every loss, with a picture (1, 3, H, W) as prompt and as parent."""
    one = torch.ones(1, device=models.device)
    targets = tuple(
        PromptTarget(
            perceptor, weight, weight * one[0], embed_image(picture, perceptor)[None], one, -one
        )
        for perceptor, weight in models.perceptors
    )
    small = halved(picture, level)
    return Objective(
        active_weights(tuple((name, 1.0) for name in LOSSES), models.device),
        targets,
        (),
        small,
        start,
        None,
        palette_of(small),
        sharpness_of(small),
        models.network.unit,
        level,
    )
