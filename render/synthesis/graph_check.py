"""Check on the film's own models that recorded steps and ordinary steps agree."""

from __future__ import annotations

import warnings
from collections import deque

import torch
from torch import Tensor

from render.synthesis.cuda_graph import RECORDED
from render.synthesis.cutouts import Cutouts, sample_cutouts
from render.synthesis.initial_picture import grey_clouds
from render.synthesis.losses import LOSSES, LossInputs, weighted_sum
from render.synthesis.models import Models
from render.synthesis.optimize import ONE_BY_ONE, StepRunner, optimize
from render.synthesis.picture_statistics import palette_of, sharpness_of
from render.synthesis.targets import PromptTarget, embed_image


def recording_works(models: Models, runner: StepRunner = RECORDED) -> bool:
    """Whether six recorded steps on a small picture, with every loss, end near unrecorded ones.

    They need not be identical: GPUs sum gradients in varying order, and a capturable Adam rounds
    differently. Two unrecorded runs measure how much the first matters. A loss that reads a value
    back to the host makes this fail.
    """
    generator = models.generator
    size = (8 * generator.factor, 8 * generator.factor)
    with torch.no_grad():
        picture = grey_clouds(size, 0).to(models.device)
        start = generator.encode(picture)
        statistics = palette_of(picture), sharpness_of(picture)
        one = torch.ones(1, device=models.device)
        targets = tuple(
            PromptTarget(perceptor, weight, 1.0, embed_image(picture, perceptor)[None], one, -one)
            for perceptor, weight in models.perceptors
        )

    def cutouts_at(step: int) -> Cutouts:
        return sample_cutouts(4, size, (0.4, 1.0), step).on(models.device, min(size), models.sides)

    def loss(latent: Tensor, codes: Tensor, now: Tensor, cutouts: Cutouts, level: int) -> Tensor:
        inputs = LossInputs(
            latent, codes, now, picture, start, cutouts, targets, (), *statistics, generator.unit
        )
        return weighted_sum(inputs, tuple((name, 1.0) for name in LOSSES))

    def end_of(run: StepRunner) -> Tensor:
        options = {"steps": 6, "step_size": 0.1, "smoothing": 0.0}
        steps = optimize(start, generator, cutouts_at, loss, **options, runner=run)  # type: ignore[arg-type]
        return deque(steps, 1)[0].average - start

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="a step could not be recorded")
            plain, again, recorded = map(end_of, (ONE_BY_ONE, ONE_BY_ONE, runner))
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, UserWarning):  # something in the step cannot be recorded here
        return False
    noise = (again - plain).norm()
    return bool((recorded - plain).norm() < 0.02 * plain.norm() + 3 * noise)
