"""Plans for tests: with rows of the catalogue of any pixels a cell, and digests that are names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from render.engines import SerialEngine
from render.media.digest import file_digest
from render.plan.plan import Keyframe, Plan
from render.plan.planner import make_plan
from render.plan.progress import Meter, Show
from render.storyboard.model import Storyboard
from render.synthesis.latents import Store
from render.synthesis.models import Models
from render.weights.catalog import Model
from render.weights.kinds import with_parameters
from render.weights.library import known_models
from render.weights.selection import ChosenModel, FilmModels


def plan_for(
    board: Storyboard, factor: int, digest: Callable[[str, str], str] = lambda role, name: name
) -> Plan:
    """The plan of a storyboard for a generator of `factor` pixels a cell; no weights are read."""

    def row(role: str, name: str) -> Model:
        known = known_models(role)
        found = known.get(name, known["starter"])
        return replace(found, factor=factor) if found.factor > 1 else found

    models = FilmModels(
        tuple(
            ChosenModel(
                with_parameters(row("generator", one.name), one.parameters),
                digest("generator", one.name),
            )
            for one in board.generators
        ),
        tuple(
            ChosenModel(row("perceptor", name), digest("perceptor", name), weight)
            for name, weight in board.perceptors
        ),
    )
    return make_plan(board, models, file_digest)


def make_keyframes(
    plan: Plan, models: Models, store: Store, todo: list[Keyframe], meter: Meter, show: Show
) -> None:
    """Make these keyframes with the serial engine, parents first."""
    engine = SerialEngine(plan, models, store, todo, meter, show)
    for keyframe in todo:
        engine.make(keyframe)
