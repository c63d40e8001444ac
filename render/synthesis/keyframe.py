"""One keyframe: its start, its targets and its losses, handed to the inner loop."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.nn import functional as F

from render.plan.cost import is_sketched, steps_in_latent
from render.plan.key import derived_seed
from render.plan.plan import Keyframe, Plan
from render.synthesis.cutouts import Cutouts, sample_cutouts
from render.synthesis.initial_picture import choose_initial_picture, enlarged
from render.synthesis.losses import LossInputs, weighted_sum
from render.synthesis.models import Models
from render.synthesis.optimize import Step, optimize
from render.synthesis.picture_statistics import ShotStatistics
from render.synthesis.sketch import SketchStep, sketch
from render.synthesis.targets import FilmTargets, make_latent_targets, make_prompt_targets
from render.synthesis.warm_start import newly_exposed, release_newly_exposed, warm_start

STEP_SIZE_AFTER_SKETCH = 0.4  # times the step size of a keyframe: its things have their places


def optimize_keyframe(
    plan: Plan,
    keyframe: Keyframe,
    models: Models,
    film_targets: FilmTargets,
    parent: Tensor | None,
    statistics: ShotStatistics | None = None,
) -> Iterator[SketchStep | Step]:
    """Optimise one keyframe; yields after every step, those of its sketch first if it has one.

    `parent` is the latent (1, C, h, w) that it continues from, None where a chain starts;
    `statistics` are the palette and sharpness to keep.
    """
    statistics = statistics or ShotStatistics()
    generator, settings = models.generator, keyframe.settings
    prompt_targets = make_prompt_targets(plan, keyframe, models, film_targets)
    latent_targets = make_latent_targets(plan, keyframe.prompts, generator, film_targets)
    start, parent_picture = warm_start(plan, keyframe, generator, parent)
    exposed = newly_exposed(keyframe, plan.size, models.device)

    def cutouts_at(step: int) -> Cutouts:
        seed = derived_seed(keyframe.seed, step)
        draw = sample_cutouts(settings.cutouts, plan.size, settings.cutout_size, seed)
        return draw.on(models.device, min(plan.size), models.sides)

    def loss(latent: Tensor, codes: Tensor, picture: Tensor, cutouts: Cutouts) -> Tensor:
        inputs = LossInputs(
            latent,
            codes,
            picture,
            release_newly_exposed(parent_picture, picture, exposed),
            release_newly_exposed(start, latent, exposed),
            cutouts,
            prompt_targets,
            latent_targets,
            statistics.palette,
            statistics.sharpness,
            generator.unit,
        )
        return weighted_sum(inputs, settings.losses)

    initial, steps, step_size = start, keyframe.steps, keyframe.step_size
    if initial is None:
        picture = choose_initial_picture(plan, keyframe, generator.device, prompt_targets)
        if is_sketched(plan, keyframe):
            for sketch_step in sketch(plan, keyframe, prompt_targets, picture):
                yield sketch_step
            picture = enlarged(sketch_step.picture, plan.size).clamp(0, 1)
            steps, step_size = steps_in_latent(plan, keyframe), STEP_SIZE_AFTER_SKETCH * step_size
        initial = generator.encode(picture)
    yield from optimize(
        initial,
        generator,
        cutouts_at,
        loss,
        steps=steps,
        step_size=step_size,
        smoothing=settings.smoothing,
        exposed=None if exposed is None else F.avg_pool2d(exposed, generator.factor),
        runner=models.runner,
    )
