"""What the outer loop asks of an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from render.plan.plan import Keyframe, Plan
from render.plan.progress import Meter, Show
from render.synthesis.latents import Store
from render.synthesis.models import Models


class Engine(Protocol):
    """Makes the keyframes of one film or still, each on demand, and reports its steps."""

    def make(self, keyframe: Keyframe) -> None:
        """Return when the keyframe's latent is in the store; raises FilmError, LatentError.

        Keyframes are asked for in the order of the schedule, parents first. An engine may start one
        before it is asked for, or wait for another machine that makes it.
        """

    def close(self) -> None:
        """Release what the engine holds; called once, also after an error or an interruption."""


# (plan, models, store, todo, meter, show): an engine for one film. `todo` are the keyframes that
# will be asked for, so that it may start them before.
EngineFactory = Callable[[Plan, Models, Store, Sequence[Keyframe], Meter, Show], Engine]
