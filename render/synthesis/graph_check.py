"""Whether steps recorded as a CUDA graph give what steps launched one by one give."""

from __future__ import annotations

import warnings
from collections import deque
from functools import partial

import torch
from torch import Tensor

from render.synthesis.cutouts import Cutouts, sample_cutouts
from render.synthesis.initial_latent import grey_clouds
from render.synthesis.losses import LOSSES, LossInputs, weighted_sum
from render.synthesis.models import Models
from render.synthesis.optimize import optimize
from render.synthesis.statistics import palette_of, sharpness_of
from render.synthesis.targets import PromptTarget, embed_image


def recording_works(models: Models) -> bool:
    """Whether steps that are recorded end about where steps do that are not, with every loss.

    A look at six of them on a small picture. Not to the last bit: GPUs add up gradients in any
    order, as two runs that are not recorded tell, and Adam is another of torch's.
    """
    generator = models.generator
    size = (8 * generator.factor, 8 * generator.factor)
    with torch.no_grad():
        held = grey_clouds(size, 0).to(models.device)
        start = generator.encode(held)
        kept = palette_of(held), sharpness_of(held)
        wanted = [(p, w, embed_image(held, p)[None]) for p, w in models.perceptors]
    one = torch.ones(1, device=models.device)
    prompt_targets = tuple(
        PromptTarget(p, weight, target, one, -one) for p, weight, target in wanted
    )

    def look(step: int) -> Cutouts:
        return sample_cutouts(4, size, (0.4, 1.0), step).on(models.device, min(size), models.sides)

    def loss(latent: Tensor, codes: Tensor, picture: Tensor, cutouts: Cutouts) -> Tensor:
        inputs = LossInputs(latent, codes, picture, held, start, cutouts, prompt_targets, (), *kept)
        return weighted_sum(inputs, tuple((name, 1.0) for name in LOSSES))

    down = partial(optimize, start, generator, look, loss, step_size=0.1, smoothing=0.0)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="a step could not be recorded")
            ends = [deque(down(steps=6, recorded=r), 1)[0] for r in (False, False, True)]
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, UserWarning):  # something in it cannot be recorded here
        return False
    one_by_one, again, whole = (end.average - start for end in ends)
    noise = (again - one_by_one).norm()
    return bool((whole - one_by_one).norm() < 0.02 * one_by_one.norm() + 3 * noise)
