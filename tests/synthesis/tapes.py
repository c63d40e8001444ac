"""A recording of steps for a CPU: a tape takes the place of a CUDA graph.

A CUDA graph exists only on a GPU. The tape notes every operation that a step asks of its device,
below autograd, and runs the same ones again: whatever a step takes from the host, a number, a
constant, a random number, keeps its value, as it would in a graph.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tiny
import torch
from plans import plan_for
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from render.plan.plan import Plan
from render.storyboard.parser import parse
from render.synthesis import keyframe as optimised
from render.synthesis.cuda_graph import RecordedSteps, Thunk
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.models import Models
from render.synthesis.optimize import Step, StepRunner
from render.synthesis.picture_statistics import shot_statistics
from render.synthesis.targets import embed_targets

FROM_HOST = {"aten::lift_fresh", "aten::_local_scalar_dense", "aten::normal_", "aten::uniform_"}
LOSSES = (
    "{hold: 1, latent: 1, likeness: 1, edges: 1, colours: 1, brightness: 1, contrast: 1, "
    "sharpness: 1, decay: 1}"
)
BOARD = f"""\
version: 1
size: 96x64
fps: 4
models: {{perceptors: {{starter: 1, ViT-B/32: 0.5}}}}  # PERCEPTORS take their places
defaults: {{iterations: {{first: 7, then: 7}}, cutouts: 6, losses: {LOSSES}}}
shots:
  - duration: 1.5s
    prompts: [{{text: sea, where: left}}, {{text: fire, where: right, stop: 0.4}}]
    camera: {{zoom: 1.3/s, x: 40%/s, border: dream}}
"""


class Tape(TorchDispatchMode):
    """Notes every operation; an operation that reads from the host is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, function: Any, types: Any, given: Any = (), named: Any = None):  # type: ignore[no-untyped-def]
        named = named or {}
        assert function.name().split(".")[0] not in FROM_HOST, function
        made = function(*given, **named)
        self.calls.append((function, given, named, made))
        return made

    @torch.no_grad()
    def replay(self, value: Tensor) -> Tensor:
        """Runs all noted operations again; returns what takes the place of their result `value`."""
        replaced: dict[int, Any] = {}

        def latest(each: Any) -> Any:
            return replaced.get(id(each), each)

        for function, given, named, made in self.calls:
            new = function(*tree_map(latest, given), **tree_map(latest, named))
            pairs = zip(tree_leaves(made), tree_leaves(new), strict=True)
            replaced.update((id(old), each) for old, each in pairs)
        return latest(value)


TAPES: list[Tape] = []


def record_on_tape(run: Thunk) -> Thunk:
    """Records a step, for a CPU. Recording runs the step; with a graph, its first replay does."""
    with Tape() as tape:
        value = run()
    TAPES.append(tape)
    first = [value.clone()]
    return lambda: first.pop() if first else tape.replay(value).clone()


def runner_with(record: Callable[[Thunk], Thunk]) -> StepRunner:
    """A runner whose steps are recorded by this function, without a CUDA stream."""
    return RecordedSteps(warm_up=lambda run: run(), record=record)


class Capturable(StepRunner):
    """One by one, with the Adam that can be captured."""

    captures = True


LAUNCHED = Capturable()
PERCEPTORS = ((tiny.perceptor(), 1.0), (tiny.perceptor(1), 0.5))


def recorded_plan(folder: Path, border: str = "dream") -> Plan:
    """The plan of a film with every loss, two regions and a moving camera."""
    return plan_for(parse(BOARD.replace("dream", border), folder), 4)


def steps_of(plan: Plan, number: int, runner: StepRunner) -> list[Step]:
    """The steps of a keyframe, of which the first look at small pictures; those of a later one
    embed their cutouts in parts."""
    models = small_models(runner, at_once=4 if number else None)
    codebook = models.network.codebook
    parent = codebook[:8].T.reshape(1, 4, 2, 4).repeat(1, 1, 8, 6) if number else None
    return keyframe_steps(plan, number, models, parent)


def small_models(runner: StepRunner, at_once: int | None = None) -> Models:
    """Tiny models whose steps this runner launches."""
    perceptors = tuple((one.on(torch.device("cpu"), at_once=at_once), w) for one, w in PERCEPTORS)
    return Models((tiny.with_readouts(tiny.generator()),), perceptors, runner=runner)


def keyframe_steps(plan: Plan, number: int, models: Models, parent: Tensor | None) -> list[Step]:
    """The steps of a keyframe from its parent's latent."""
    keyframe, generator = plan.keyframes[number], models.network
    statistics = {level: shot_statistics(plan, None, parent, generator, level) for level in (0, 1)}
    targets = embed_targets(plan, models)
    with patch.object(optimised, "step_level", lambda plan, keyframe, step, steps: step < 4):
        return [
            step
            for step in optimize_keyframe(plan, keyframe, models, targets, parent, statistics)
            if isinstance(step, Step)
        ]
