"""One keyframe: its start, its targets and its losses, handed to the inner loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from render.plan.cost import halved_size, is_sketched, step_level, steps_in_latent
from render.plan.key import derived_seed
from render.plan.plan import Keyframe, Plan
from render.synthesis.cutouts import Cutouts, sample_cutouts
from render.synthesis.images import halved
from render.synthesis.initial_picture import choose_initial_picture, enlarged
from render.synthesis.losses import LossInputs, active_weights, weighted_sum
from render.synthesis.models import Models
from render.synthesis.optimize import Step, Unfinished, optimize
from render.synthesis.perceptor import seen_sides
from render.synthesis.picture_statistics import ShotStatistics
from render.synthesis.sketch import SketchStep, sketch
from render.synthesis.targets import (
    FilmTargets,
    LatentTarget,
    PromptTarget,
    make_latent_targets,
    make_prompt_targets,
    resized_masks,
)
from render.synthesis.warm_start import release_newly_exposed, warm_start

STEP_SIZE_AFTER_SKETCH = 0.4  # times the step size of a keyframe: its things have their places


@dataclass(frozen=True)
class Objective:
    """What the losses of a keyframe depend on beside its latent; the same in all steps of a level.

    Recorded steps serve for every keyframe of a film, so what differs between keyframes is here,
    and is a tensor.
    """

    weights: tuple[tuple[str, Tensor], ...]  # of the losses
    prompt_targets: tuple[PromptTarget, ...]
    latent_targets: tuple[LatentTarget, ...]
    parent: Tensor | None  # (1, 3, H, W)
    parent_latent: Tensor | None  # (1, C, h, w)
    exposed: Tensor | None  # (1, 1, H, W)
    palette: Tensor | None
    sharpness: Tensor | None
    unit: float
    level: int


def keyframe_loss(
    latent: Tensor, codes: Tensor, picture: Tensor, cutouts: Cutouts, objective: Objective
) -> Tensor:
    """Returns the loss () of one step."""
    inputs = LossInputs(
        latent,
        codes,
        picture,
        release_newly_exposed(objective.parent, picture, objective.exposed),
        release_newly_exposed(objective.parent_latent, latent, objective.exposed),
        cutouts,
        objective.prompt_targets,
        objective.latent_targets,
        objective.palette,
        objective.sharpness,
        objective.unit,
        objective.level,
    )
    return weighted_sum(inputs, objective.weights)


def optimize_keyframe(
    plan: Plan,
    keyframe: Keyframe,
    models: Models,
    film_targets: FilmTargets,
    parent: Tensor | None,
    statistics: Mapping[int, ShotStatistics] | None = None,
    unfinished: Unfinished | None = None,
) -> Iterator[SketchStep | Step]:
    """Optimise one keyframe; yields after every step, those of its sketch first if it has one. With
    `unfinished` it goes on from there. Raises ValueError if that is of another keyframe.

    `parent` is the latent that it continues from, None where a chain starts;
    `statistics` are the palette and sharpness to keep, by the level of `step_level`.
    """
    generator, settings = models.generators[keyframe.generator], keyframe.settings
    prompt_targets = make_prompt_targets(plan, keyframe, models, film_targets)
    latent_targets = make_latent_targets(plan, keyframe, generator, film_targets)
    start = warm_start(plan, keyframe, models, parent)
    sides = seen_sides(target.perceptor for target in prompt_targets)

    steps, step_size = keyframe.steps, keyframe.step_size

    def level_at(step: int) -> int:
        level = step_level(plan, keyframe, step, steps)
        return max(own for own in generator.levels if own <= level)

    def cutouts_at(step: int) -> Cutouts:
        seed, size = derived_seed(keyframe.seed, step), halved_size(plan.size, level_at(step))
        draw = sample_cutouts(
            settings.cutouts,
            size,
            settings.cutout_size,
            seed,
            noise=settings.noise,
            distortion=settings.distortion,
            padding=settings.padding,
            tint=generator.tint(step / steps) if steps else 0.0,
        )
        return draw.on(models.device, min(size), sides)

    @cache
    def objective_at(level: int) -> Objective:
        size, keep = halved_size(plan.size, level), ShotStatistics()
        if statistics:
            keep = statistics[level]
        return Objective(
            active_weights(settings.losses, models.device),
            tuple(resized_masks(target, size) for target in prompt_targets),
            latent_targets,
            None if start is None else halved(start.picture, level),
            None if start is None else start.latent,
            None if start is None else start.exposed,
            keep.palette,
            keep.sharpness,
            generator.unit,
            level,
        )

    sketched = start is None and is_sketched(plan, keyframe)
    if sketched:
        steps, step_size = steps_in_latent(plan, keyframe), STEP_SIZE_AFTER_SKETCH * step_size
    if unfinished is not None:
        initial = unfinished.tensors["start"].to(models.device)
    elif start is not None:
        initial = start.latent
    else:
        picture = choose_initial_picture(plan, keyframe, generator.device, prompt_targets)
        if sketched:
            for sketch_step in sketch(plan, keyframe, prompt_targets, picture):
                yield sketch_step
            picture = enlarged(sketch_step.picture, plan.size).clamp(0, 1)
        initial = generator.begin(picture, derived_seed(keyframe.seed, "begin"))
    yield from optimize(
        initial,
        generator,
        cutouts_at,
        keyframe_loss,
        steps=steps,
        step_size=step_size,
        smoothing=settings.smoothing,
        weight_decay=settings.decay,
        exposed=None if start is None else start.free,
        level_at=level_at,
        constants_at=objective_at,
        runner=models.runner_of(generator),
        unfinished=unfinished,
    )
