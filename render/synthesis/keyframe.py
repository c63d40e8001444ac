"""One keyframe: where its latent begins, what it is pulled towards, and the way down."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.nn import functional as F

from render.plan.key import derived_seed
from render.plan.plan import Keyframe, Plan
from render.synthesis.cutouts import Cutouts, sample_cutouts
from render.synthesis.initial_latent import choose_initial_latent
from render.synthesis.losses import LossInputs, weighted_sum
from render.synthesis.models import Models
from render.synthesis.optimize import Step, optimize
from render.synthesis.statistics import ShotStatistics
from render.synthesis.targets import FilmTargets, make_latent_targets, make_prompt_targets
from render.synthesis.warm_start import newly_exposed, release_newly_exposed, warm_start


def optimize_keyframe(
    plan: Plan,
    keyframe: Keyframe,
    models: Models,
    targets: FilmTargets,
    parent: Tensor | None,
    kept: ShotStatistics | None = None,
) -> Iterator[Step]:
    """Optimise one keyframe from its parent's latent (1, C, h, w); yields after every step.

    `kept` is what it keeps to beside its parent.
    """
    settings = keyframe.settings
    begun, held = warm_start(plan, keyframe, models.generator, parent)
    prompt_targets = make_prompt_targets(plan, keyframe.prompts, models, targets)
    latent_targets = make_latent_targets(plan, keyframe.prompts, models.generator, targets)
    palette, sharp = (kept.palette, kept.sharpness) if kept else (None, None)
    new = newly_exposed(keyframe, plan.size, models.device)

    def look(step: int) -> Cutouts:
        seed = derived_seed(keyframe.seed, step)
        views = sample_cutouts(settings.cutouts, plan.size, settings.cutout_size, seed)
        return views.on(models.device, min(plan.size), models.sides)

    def loss(latent: Tensor, codes: Tensor, picture: Tensor, cutouts: Cutouts) -> Tensor:
        parent = (
            release_newly_exposed(held, picture, new),
            release_newly_exposed(begun, latent, new),
        )
        inputs = LossInputs(
            latent, codes, picture, *parent, cutouts, prompt_targets, latent_targets, palette, sharp
        )
        return weighted_sum(inputs, settings.losses)

    return optimize(
        choose_initial_latent(plan, keyframe, models.generator, prompt_targets)
        if begun is None
        else begun,
        models.generator,
        look,
        loss,
        steps=keyframe.steps,
        step_size=keyframe.step_size,
        smoothing=settings.smoothing,
        new=None if new is None else F.avg_pool2d(new, models.generator.factor),
        recorded=bool(models.recorded),
    )
