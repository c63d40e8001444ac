"""Recorded steps end on the bits of unrecorded ones; a tape takes the place of the graph."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from plans import plan_for
from synthesis.tapes import (
    LAUNCHED,
    PERCEPTORS,
    TAPES,
    keyframe_steps,
    record_on_tape,
    recorded_plan,
    runner_with,
    small_models,
    steps_of,
)
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from render.storyboard.parser import parse
from render.synthesis.cuda_graph import CachedConstants, GraphRecorder, RecordedSteps, Thunk
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.models import Models
from render.synthesis.optimize import ONE_BY_ONE, StepFunction, StepRunner
from render.synthesis.picture_statistics import ShotStatistics
from render.synthesis.targets import embed_targets


@pytest.mark.parametrize("number", [0, 1])
def test_recorded_steps_end_on_the_bits_of_unrecorded_ones(
    tmp_path: Path, on_tape: None, number: int
) -> None:
    plan = recorded_plan(tmp_path)
    plain = steps_of(plan, number, ONE_BY_ONE)
    recorded = steps_of(plan, number, runner_with(record_on_tape))
    assert len(TAPES) == 2  # one for each level
    one_by_one = steps_of(plan, number, LAUNCHED)
    assert len({step.loss.item() for step in recorded}) == 7
    for left, right in zip(recorded, one_by_one, strict=True):
        assert torch.equal(left.average, right.average)
        assert torch.equal(left.loss, right.loss)
    # torch's capturable Adam divides in another order.
    difference = (recorded[-1].average - plain[-1].average).norm()
    assert difference < 0.02 * (plain[-1].average - plain[0].average).norm()


CHANGING = """\
version: 1
size: 96x64
fps: 4
models: {perceptors: {starter: 1, ViT-B/32: 0.5}}
defaults:
  iterations: {first: 7, then: 7}
  cutouts: 6
  losses: {hold: {0: 0.5, 1: 2}, likeness: 1, colours: 3, sharpness: {0: 1, 1: 0.2}}
  smoothing: 0.5
shots:
  - duration: 1.5s
    prompts: [{text: sea, where: left, weight: {0: 1, 1: 3}}, {text: fire, stop: 0.4}]
    camera: {zoom: 1.3/s, angle: 9deg/s}
"""


def test_a_recording_serves_for_every_keyframe(tmp_path: Path, on_tape: None) -> None:
    plan = plan_for(parse(CHANGING, tmp_path), 4)

    def film(runner: StepRunner) -> list[Tensor]:
        models, parent, ends = small_models(runner), None, []
        for number in range(len(plan.keyframes)):
            *_, last = keyframe_steps(plan, number, models, parent)
            parent = last.average
            ends.append(last.average)
        return ends

    recorded = film(runner_with(record_on_tape))
    assert len(plan.keyframes) == 4
    assert len(TAPES) == 4  # two levels, with a parent and without
    for left, right in zip(recorded, film(LAUNCHED), strict=True):
        assert torch.equal(left, right)


def test_only_the_latest_recordings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("render.synthesis.cuda_graph.KEPT", 2)
    made = []

    def record(run: Thunk) -> Thunk:
        made.append(run)
        return run

    runner = RecordedSteps(lambda run: run(), record)
    canvas = runner.canvas(torch.zeros(1, 4, 8, 8), tiny.generator())
    step = StepFunction(canvas, tiny.generator(), lambda *_: torch.zeros(()), 0.5, 0)
    for level in (1, 2, 1, 3, 1, 2):
        for _ in range(2):
            runner.run(step, tiny.no_cutouts(0), level)
    assert len(made) == 4  # 2 gave its place to 3, and is recorded again


class OneDevice(TorchDispatchMode):
    """Inside it, an operation with a tensor on another device than meta is an error."""

    def __torch_dispatch__(self, function: Any, types: Any, given: Any = (), named: Any = None):  # type: ignore[no-untyped-def]
        made = function(*given, **(named or {}))
        tensors = [one for one in tree_leaves((given, named, made)) if isinstance(one, Tensor)]
        moved = function.name().startswith(("aten::_to_copy", "aten::copy_", "aten::lift_fresh"))
        # A number may be a tensor on the host: it is read when a kernel is launched.
        assert {one.device.type for one in tensors if one.ndim or moved} <= {"meta"}, function
        return made


def test_no_recorded_operation_reads_from_the_host(
    tmp_path: Path, on_tape: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    adam, meta = sys.modules[torch.optim.Adam.__module__], torch.device("meta")
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda *_: ["meta"])
    replays = []

    def one_device(run: Thunk) -> Thunk:
        def replay() -> Tensor:
            replays.append(run)
            with OneDevice():
                return run()

        return replay

    plan = recorded_plan(tmp_path, "mirror")
    perceptors = tuple((deepcopy(one).on(meta), weight) for one, weight in PERCEPTORS)
    models = Models((tiny.generator().on(meta),), perceptors, runner=runner_with(one_device))
    empty = ShotStatistics(*(torch.empty(shape, device="meta") for shape in ((2, 3), ())))
    statistics = {0: empty}
    latent = torch.empty(1, 4, 16, 24, device="meta")
    list(
        optimize_keyframe(
            plan, plan.keyframes[1], models, embed_targets(plan, models), latent, statistics
        )
    )
    assert len(replays) == 6


def test_a_failed_recording_leaves_stream_and_memory_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """torch's own context leaves its stream the current one where a recording cannot be ended."""
    current, freed = ["the film's"], []

    class Graph:
        def reset(self) -> None:
            freed.append(self)

    @contextmanager
    def recording(graph: Graph, pool: object, stream: str) -> Iterator[None]:
        current[0] = stream
        yield
        raise RuntimeError("the recording cannot be ended")

    for name, value in {
        "CUDAGraph": Graph,
        "graph": recording,
        "current_stream": lambda: current[0],
        "set_stream": lambda stream: current.__setitem__(0, stream),
        "current_device": lambda: 0,
        "graph_pool_handle": lambda: (0, 1),
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr("render.synthesis.cuda_graph.side_stream", lambda device: "the side one")
    with pytest.raises(RuntimeError, match="cannot be ended"):
        GraphRecorder()(lambda: torch.zeros(()))
    assert current == ["the film's"]
    assert len(freed) == 1


def test_constants_are_cached_only_inside_the_context() -> None:
    with CachedConstants() as constants:
        first, again = (torch.tensor([1.0, 2.0]) for _ in range(2))
        other = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert first is again
    assert other.dtype == torch.float64
    with constants:
        assert torch.tensor([1.0, 2.0]) is first
    assert torch.tensor([1.0, 2.0]) is not first
