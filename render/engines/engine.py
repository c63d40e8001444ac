"""What the outer loop asks of an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from render.plan.plan import Keyframe, Plan
from render.plan.progress import Meter, Show
from render.synthesis.latents import Store
from render.synthesis.models import Models


class Engine(Protocol):
    """Makes the keyframes of one film, each on demand, and reports its steps."""

    def make(self, keyframe: Keyframe) -> None:
        """Return when the keyframe's latent is in the store; raises FilmError, LatentError.

        Keyframes are asked for in the order of the schedule, parents first. An engine may have
        begun one before, or wait for another machine that makes it.
        """


# (plan, models, store, meter, show): an engine for one film.
EngineFactory = Callable[[Plan, Models, Store, Meter, Show], Engine]
