"""Steps that are recorded end on the bits of steps that are not: a tape stands for the graph.

A CUDA graph is only there on a GPU. The tape notes every operation that a step asks of its device,
below autograd, and asks the same ones again: whatever a step takes from the host, a number, a
constant, a random one, stays on it as it was, as it would in a graph.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from plans import plan_for
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from render.plan.plan import Plan
from render.storyboard.parser import parse
from render.synthesis.cuda_graph import CachedConstants, RecordedStep, Thunk
from render.synthesis.graph_check import recording_works
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.models import Models
from render.synthesis.optimize import ONE_BY_ONE, Step, StepRunner
from render.synthesis.statistics import ShotStatistics, shot_statistics
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
models: {{perceptors: {{starter: 1, ViT-B/32: 0.5}}}}  # named so; MODELS stand for them
defaults: {{iterations: {{first: 7, then: 7}}, cutouts: 6, losses: {LOSSES}}}
shots:
  - duration: 1.5s
    prompts: [{{text: sea, where: left}}, {{text: fire, where: right, stop: 0.4}}]
    camera: {{zoom: 1.3/s, x: 40%/s, border: dream}}
"""


class Tape(TorchDispatchMode):
    """Notes what is computed."""

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
    def again(self, value: Tensor) -> Tensor:
        """Compute it all once more; what has become of `value`."""
        fresh: dict[int, Any] = {}

        def now(each: Any) -> Any:
            return fresh.get(id(each), each)

        for function, given, named, made in self.calls:
            new = function(*tree_map(now, given), **tree_map(now, named))
            pairs = zip(tree_leaves(made), tree_leaves(new), strict=True)
            fresh.update((id(old), each) for old, each in pairs)
        return now(value)


TAPED: list[Tape] = []


def taped(run: Thunk) -> Thunk:
    """What records, for a CPU. A graph's first run comes after it was recorded: here it is it."""
    with Tape() as tape:
        value = run()
    TAPED.append(tape)
    first = [value.clone()]
    return lambda: first.pop() if first else tape.again(value).clone()


@pytest.fixture
def on_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are recorded on tapes, and torch's Adam may be captured on a CPU."""
    TAPED.clear()
    adam = sys.modules[torch.optim.Adam.__module__]
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda *_: ["cpu"])
    # kornia filters a GPU's pictures another way than a CPU's, where it reads how large they are.
    laplacian = sys.modules["kornia.filters.laplacian"]
    monkeypatch.setattr(laplacian, "_laplacian_slices_eligible", lambda _: False, raising=False)


def recorded_by(record: Callable[[Thunk], Thunk]) -> StepRunner:
    """Steps that are recorded by this function, without a CUDA stream."""
    step = partial(RecordedStep, warm_up=lambda run: run(), record=record)
    return StepRunner(step, captures=True)


ON_TAPE = recorded_by(taped)
LAUNCHED = StepRunner(lambda step: step, captures=True)  # with the Adam that may be captured


PERCEPTORS = ((tiny.perceptor(), 1.0), (tiny.perceptor(1), 0.5))


def planned(folder: Path, border: str = "dream") -> Plan:
    board = parse(BOARD.replace("dream", border), folder)
    return plan_for(board, 4)


def steps(plan: Plan, number: int, runner: StepRunner) -> list[Step]:
    """Of a keyframe; the later one looks at its views in parts."""
    parts = 4 if number else None
    perceptors = tuple((one.on(torch.device("cpu"), at_once=parts), w) for one, w in PERCEPTORS)
    models = Models(tiny.generator(), perceptors, runner=runner)
    keyframe, generator = plan.keyframes[number], models.generator
    parent = generator.codebook[:8].T.reshape(1, 4, 2, 4).repeat(1, 1, 8, 6) if number else None
    kept = shot_statistics(plan, None, parent, generator)
    return list(
        optimize_keyframe(plan, keyframe, models, embed_targets(plan, models), parent, kept)
    )


@pytest.mark.parametrize("number", [0, 1])
def test_recorded_steps_end_on_the_same_bits(tmp_path: Path, on_tape: None, number: int) -> None:
    plan = planned(tmp_path)
    plain = steps(plan, number, ONE_BY_ONE)
    made = steps(plan, number, ON_TAPE)
    assert len(TAPED) == 1
    one_by_one = steps(plan, number, LAUNCHED)
    assert len({step.loss.item() for step in made}) == 7
    for left, right in zip(made, one_by_one, strict=True):
        assert torch.equal(left.average, right.average)
        assert torch.equal(left.loss, right.loss)
    # torch's Adam that can be captured divides in another order.
    far = (made[-1].average - plain[-1].average).norm()
    assert far < 0.02 * (plain[-1].average - plain[0].average).norm()


class OneDevice(TorchDispatchMode):
    """Nothing that is computed inside is, or comes from, another device than meta."""

    def __torch_dispatch__(self, function: Any, types: Any, given: Any = (), named: Any = None):  # type: ignore[no-untyped-def]
        made = function(*given, **(named or {}))
        tensors = [one for one in tree_leaves((given, named, made)) if isinstance(one, Tensor)]
        moved = function.name().startswith(("aten::_to_copy", "aten::copy_", "aten::lift_fresh"))
        # A number may be a tensor of the host, read when a kernel is launched.
        assert {one.device.type for one in tensors if one.ndim or moved} <= {"meta"}, function
        return made


def test_nothing_that_is_recorded_comes_from_the_host(
    tmp_path: Path, on_tape: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    adam, meta = sys.modules[torch.optim.Adam.__module__], torch.device("meta")
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda *_: ["meta"])
    counted = []

    def one_device(run: Thunk) -> Thunk:
        def again() -> Tensor:
            counted.append(run)
            with OneDevice():
                return run()

        return again

    plan = planned(tmp_path, "mirror")
    perceptors = tuple((deepcopy(one).on(meta), weight) for one, weight in PERCEPTORS)
    models = Models(tiny.generator().on(meta), perceptors, runner=recorded_by(one_device))
    kept = ShotStatistics(*(torch.empty(shape, device="meta") for shape in ((2, 3), ())))
    latent = torch.empty(1, 4, 16, 24, device="meta")
    list(
        optimize_keyframe(
            plan, plan.keyframes[1], models, embed_targets(plan, models), latent, kept
        )
    )
    assert len(counted) == 6


def test_a_recording_is_tried_before_it_is_trusted(tmp_path: Path, on_tape: None) -> None:
    models = Models(tiny.generator(), PERCEPTORS)
    assert recording_works(models, ON_TAPE)

    def forgetful(run: Thunk) -> Thunk:
        value = run()
        return lambda: value.clone()

    assert not recording_works(models, recorded_by(forgetful))

    def refused(run: Thunk) -> Thunk:
        raise RuntimeError("operation not permitted when stream is capturing")

    broken = recorded_by(refused)
    assert not recording_works(models, broken)
    # Where it fails later, in a film, steps go on as they are.
    plan = planned(tmp_path)
    with pytest.warns(UserWarning, match="could not be recorded"):
        made = steps(plan, 0, broken)
    assert torch.equal(made[-1].average, steps(plan, 0, LAUNCHED)[-1].average)


def test_constants_are_made_once_and_only_inside() -> None:
    with CachedConstants() as constants:
        first, again = (torch.tensor([1.0, 2.0]) for _ in range(2))
        other = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert first is again
    assert other.dtype == torch.float64
    with constants:
        assert torch.tensor([1.0, 2.0]) is first
    assert torch.tensor([1.0, 2.0]) is not first
