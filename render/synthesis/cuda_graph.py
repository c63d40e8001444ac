"""Steps recorded as a CUDA graph, for a keyframe and a size of its picture, and launched whole.

On a GPU, launching a step's thousand kernels one by one takes longer than computing them. A graph
reads the same memory and computes the same shapes every time, so a step takes tensors only, which
are copied to where the graph reads them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from render.synthesis.cutouts import Cutouts
from render.synthesis.optimize import StepFunction, StepRunner

Thunk = Callable[[], Tensor]


class RecordedStep:
    """A step function that is recorded at its second call and replayed from then on.

    The step changes tensors in place and returns one, always in the same shapes. Its first call is
    not recorded: it initialises libraries and constants. Where recording fails, for example for
    want of memory, steps continue one by one and a warning says so.
    """

    def __init__(
        self,
        step: StepFunction,
        warm_up: Callable[[Thunk], Tensor] | None = None,
        record: Callable[[Thunk], Thunk] | None = None,
    ) -> None:
        """`warm_up` runs what is not recorded, `record` records: by default on a CUDA device."""
        self.step = step
        self.warm_up = warm_up or run_on_side_stream
        self.record = record or record_graph
        self.constants = CachedConstants()
        self.inputs: Cutouts | None = None  # what the recording reads
        self.replay: Thunk | None = None

    def __call__(self, cutouts: Cutouts) -> Tensor:
        """Run the step with these cutouts; returns its value."""
        is_first = self.inputs is None
        inputs = self.inputs = self.inputs or cutouts

        def run() -> Tensor:
            with self.constants:
                return self.step(inputs)

        if is_first:
            return self.warm_up(run)
        for place, tensor in zip(inputs.tensors(), cutouts.tensors(), strict=True):
            place.copy_(tensor)
        if self.replay is None:
            try:
                self.replay = self.record(run)
            except RuntimeError as error:
                warnings.warn(f"a step could not be recorded, and is slower: {error}", stacklevel=2)
                self.replay = partial(self.warm_up, run)
        return self.replay()


RECORDED = StepRunner(RecordedStep, captures=True)


class CachedConstants(TorchFunctionMode):
    """Inside it, `torch.tensor` of the same numbers returns the same tensor.

    kornia builds its constant matrices anew at each call, and copies from the host are not allowed
    while a graph is recorded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, Tensor] = {}

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """torch calls this instead of `function`."""
        kwargs = kwargs or {}
        if function is not torch.tensor:
            return function(*args, **kwargs)
        key = repr((args, sorted(kwargs.items())))
        if key not in self.made:
            self.made[key] = function(*args, **kwargs)
        return self.made[key]


@cache
def side_stream(device: int) -> Any:
    """The stream of a device on which steps are recorded; one, because libraries reserve memory for
    every stream."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def run_on_side_stream(run: Thunk) -> Tensor:
    """Run on the side stream, which recording requires, synchronised with the current stream."""
    current, stream = torch.cuda.current_stream(), side_stream(torch.cuda.current_device())
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        value = run()
    current.wait_stream(stream)
    return value


def record_graph(run: Thunk) -> Thunk:
    """Record the kernels that `run` launches, without running them; returns what replays them."""
    graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    try:
        with torch.cuda.graph(graph, stream=side_stream(torch.cuda.current_device())):
            value = run()
    except BaseException:
        # Where a recording cannot be ended, torch leaves its stream the current one, and the
        # graph's memory taken.
        torch.cuda.set_stream(current)
        with suppress(RuntimeError):
            graph.reset()
        raise

    def replay() -> Tensor:
        graph.replay()
        return value.clone()  # the next replay overwrites it

    return replay
