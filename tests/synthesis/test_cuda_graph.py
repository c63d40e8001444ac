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
from synthesis.tapes import (
    LAUNCHED,
    ON_TAPE,
    PERCEPTORS,
    TAPES,
    recorded_plan,
    runner_with,
    steps_of,
)
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from render.synthesis.cuda_graph import CachedConstants, Thunk, record_graph
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.models import Models
from render.synthesis.optimize import ONE_BY_ONE
from render.synthesis.picture_statistics import ShotStatistics
from render.synthesis.targets import embed_targets


@pytest.mark.parametrize("number", [0, 1])
def test_recorded_steps_end_on_the_bits_of_unrecorded_ones(
    tmp_path: Path, on_tape: None, number: int
) -> None:
    plan = recorded_plan(tmp_path)
    plain = steps_of(plan, number, ONE_BY_ONE)
    recorded = steps_of(plan, number, ON_TAPE)
    assert len(TAPES) == 1  # the last steps are too few to be worth another
    one_by_one = steps_of(plan, number, LAUNCHED)
    assert len({step.loss.item() for step in recorded}) == 7
    for left, right in zip(recorded, one_by_one, strict=True):
        assert torch.equal(left.average, right.average)
        assert torch.equal(left.loss, right.loss)
    # torch's capturable Adam divides in another order.
    difference = (recorded[-1].average - plain[-1].average).norm()
    assert difference < 0.02 * (plain[-1].average - plain[0].average).norm()


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
    models = Models(tiny.generator().on(meta), perceptors, runner=runner_with(one_device))
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
    def recording(graph: Graph, stream: str) -> Iterator[None]:
        current[0] = stream
        yield
        raise RuntimeError("the recording cannot be ended")

    for name, value in {
        "CUDAGraph": Graph,
        "graph": recording,
        "current_stream": lambda: current[0],
        "set_stream": lambda stream: current.__setitem__(0, stream),
        "current_device": lambda: 0,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr("render.synthesis.cuda_graph.side_stream", lambda device: "the side one")
    with pytest.raises(RuntimeError, match="cannot be ended"):
        record_graph(lambda: torch.zeros(()))
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
