"""The engine that makes keyframes one after another, in this process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from render.errors import FilmError
from render.generators.generator import Generator
from render.media.atomic import FileError
from render.plan.memory import most_cutouts
from render.plan.notes import note_of
from render.plan.plan import Keyframe, Plan
from render.plan.progress import Meter, Progress, Show
from render.synthesis.device import made_on
from render.synthesis.images import to_frame
from render.synthesis.initial_picture import enlarged
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.latents import Store
from render.synthesis.models import Models
from render.synthesis.no_number import no_number
from render.synthesis.optimize import Step, Unfinished
from render.synthesis.picture_statistics import ShotStatistics, shot_statistics
from render.synthesis.resource_errors import film_shortages
from render.synthesis.sketch import SketchStep
from render.synthesis.targets import FilmTargets, embed_targets

SHORT_OF_MEMORY = (
    "memory ran out, so the perceptors take fewer cutouts at once, which is slower; the picture is "
    "the same but for its last bits"
)
LOSS_EVERY, PICTURE_EVERY = 5, 25  # steps; not every one, because reading synchronises with the GPU


class SerialEngine:
    """Optimises each keyframe when it is asked for, and stores its latent."""

    def __init__(
        self,
        plan: Plan,
        models: Models,
        store: Store,
        todo: Sequence[Keyframe],
        meter: Meter,
        show: Show,
    ) -> None:
        """An engine for the keyframes `todo`, of which it starts none before it is asked for."""
        self.plan, self.models, self.store, self.meter, self.show = plan, models, store, meter, show
        self.was_short = False  # of memory
        # The latest statistics, and what they depend on.
        self.cached: (
            tuple[tuple[Path | None, int | None, int], dict[int, ShotStatistics]] | None
        ) = None

    def make(self, keyframe: Keyframe) -> None:
        """Optimise a keyframe from its parent's latent and store it; raises FilmError.

        What another process makes is waited for. What takes long is saved between its steps, and
        goes on from there in the next run. Where a GPU runs out of memory, the keyframe begins anew
        with half as many cutouts at once.
        """
        plan, models, store = self.plan, self.models, self.store
        with (
            film_shortages(plan, store.folder, models.memory_budget),
            store.claimed(keyframe.key, models.say),
        ):
            if store.has(keyframe.key):  # another process made it meanwhile
                self.show(self.finished(keyframe))
                return
            unfinished = store.load_unfinished(keyframe.key, models.arithmetic)
            while True:
                try:
                    latent = self.optimised(keyframe, unfinished)
                except torch.OutOfMemoryError:
                    if not models.halve_cutouts(most_cutouts(plan)):
                        raise
                    if not self.was_short:
                        models.say(SHORT_OF_MEMORY)
                    self.was_short = True
                except ValueError:
                    if unfinished is None:
                        raise
                    unfinished = None  # of another keyframe, whatever its note says
                else:
                    break
            note = note_of(plan, "latent", keyframe, arithmetic=models.arithmetic)
            store.save(keyframe.key, latent, note | {"made_on": made_on(models.device)})
            store.forget_unfinished(keyframe.key)

    def optimised(self, keyframe: Keyframe, unfinished: Unfinished | None) -> Tensor:
        """The latent of a keyframe; raises FilmError if it is no number."""
        plan, models, store = self.plan, self.models, self.store
        saved = time.monotonic()
        parent, statistics = self.latent(keyframe.parent), self.statistics(keyframe)
        steps = optimize_keyframe(
            plan, keyframe, models, self.targets, parent, statistics, unfinished
        )
        for step in steps:
            if isinstance(step, SketchStep):
                self.show(self.sketch_progress(keyframe, step))
                continue
            progress = self.progress(keyframe, step)
            if progress.loss is not None and not math.isfinite(progress.loss):
                raise FilmError(no_number(plan, keyframe, models, self.targets))
            self.show(progress)
            if time.monotonic() - saved >= store.save_every and (state := step.unfinished()):
                with suppress(FileError):  # a full disk stops the film itself, at its latent
                    store.save_unfinished(keyframe.key, state, models.arithmetic)
                saved = time.monotonic()
            latent = step.average
        if not torch.isfinite(latent).all():
            raise FilmError(no_number(plan, keyframe, models, self.targets))
        return latent

    def close(self) -> None:
        """Nothing is held."""

    @cached_property
    def targets(self) -> FilmTargets:
        """Everything that the film's prompts ask for, embedded once."""
        return embed_targets(self.plan, self.models)

    def latent(self, index: int | None) -> Tensor | None:
        """The stored latent (1, C, h, w) of a keyframe, on the device; None for no keyframe."""
        if index is None:
            return None
        return self.store.load(self.plan.keyframes[index].key).to(self.models.device)

    def generator_of(self, keyframe: Keyframe) -> Generator:
        """The generator that paints a keyframe."""
        return self.models.generators[keyframe.generator]

    def statistics(self, keyframe: Keyframe) -> dict[int, ShotStatistics]:
        """The palette and sharpness that the keyframe keeps, for each level of its steps.

        The latest are cached: consecutive keyframes mostly share them.
        """
        settings, generator = keyframe.settings, self.generator_of(keyframe)
        palette = settings.palette if settings.keeps_palette else None
        source = palette, keyframe.reference, keyframe.generator
        if self.cached is None or self.cached[0] != source:
            reference = self.latent(keyframe.reference)
            self.cached = (
                source,
                {
                    level: shot_statistics(self.plan, source[0], reference, generator, level)
                    for level in generator.levels
                },
            )
        return self.cached[1]

    def sketch_progress(self, keyframe: Keyframe, step: SketchStep) -> Progress:
        """What is reported after a step of a sketch."""
        done = self.meter.at_sketch(keyframe, step.index / step.steps)
        enlarge = partial(enlarged, step.picture, self.plan.size)
        return self.report("sketch", keyframe, step, done, enlarge)

    def progress(self, keyframe: Keyframe, step: Step) -> Progress:
        """What is reported after a step."""
        done = self.meter.at_step(keyframe, step.index)
        decode = partial(self.generator_of(keyframe).decode, step.average)
        return self.report("optimise", keyframe, step, done, decode)

    def finished(self, keyframe: Keyframe) -> Progress:
        """What is reported of a keyframe that another process made."""
        steps = self.meter.costs.steps(keyframe)
        return Progress(
            stage="optimise",
            shot=self.plan.board.shots[keyframe.shot].name,
            keyframe=keyframe.index + 1,
            keyframes=len(self.plan.keyframes),
            step=steps,
            steps=steps,
            done=self.meter.at_step(keyframe, steps),
        )

    def report(
        self,
        stage: str,
        keyframe: Keyframe,
        step: Step | SketchStep,
        done: float,
        picture_now: Callable[[], Tensor],
    ) -> Progress:
        """A report: now and then with the loss, and with the picture that `picture_now` returns."""
        is_last = step.index == step.steps
        picture = None
        if is_last or step.index % PICTURE_EVERY == 0:
            with torch.no_grad():
                picture = to_frame(picture_now().clamp(0, 1), self.plan.board.size)
        return Progress(
            stage=stage,
            shot=self.plan.board.shots[keyframe.shot].name,
            keyframe=keyframe.index + 1,
            keyframes=len(self.plan.keyframes),
            step=step.index,
            steps=step.steps,
            done=done,
            loss=float(step.loss) if is_last or step.index % LOSS_EVERY == 1 else None,
            picture=picture,
        )
