"""A step that is recorded once and launched whole: on a GPU a step's thousand kernels take longer
to launch one by one than to compute.

A recording (a CUDA graph) reads the same places of memory and computes the same shapes every time.
So a step is given tensors only, which are copied to where the recording reads them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from render.synthesis.cutouts import Cutouts

Thunk = Callable[[], Tensor]


class RecordedStep:
    """`step(looks)`, which changes tensors in place and returns one, always in the same shapes.

    The first call runs as it is, so that libraries and constants are ready; the second is recorded;
    from then on the recording runs. What cannot be recorded (memory may be too short for it) goes
    on as it is, and is told of.
    """

    def __init__(
        self,
        step: Callable[[Cutouts], Tensor],
        beside: Callable[[Thunk], Tensor] | None = None,
        record: Callable[[Thunk], Thunk] | None = None,
    ) -> None:
        self.step, self.beside, self.record = (
            step,
            beside or run_on_side_stream,
            record or record_graph,
        )
        self.constants = CachedConstants()
        self.given: Cutouts | None = None  # which the recording reads
        self.replay: Thunk | None = None

    def __call__(self, cutouts: Cutouts) -> Tensor:
        first = self.given is None
        given = self.given = self.given or cutouts

        def run() -> Tensor:
            with self.constants:
                return self.step(given)

        if first:
            return self.beside(run)
        for place, tensor in zip(given.tensors(), cutouts.tensors(), strict=True):
            place.copy_(tensor)
        if self.replay is None:
            try:
                self.replay = self.record(run)
            except RuntimeError as error:
                warnings.warn(f"a step could not be recorded, and is slower: {error}", stacklevel=2)
                self.replay = partial(self.beside, run)
        return self.replay()


class CachedConstants(TorchFunctionMode):
    """Inside, `torch.tensor` of the same numbers is the same tensor: kornia makes its matrices anew
    each time, and nothing can be copied from the host into a recording."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, Tensor] = {}

    def __torch_function__(
        self, function: Any, types: Any, given: Any = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        if function is not torch.tensor:
            return function(*given, **named)
        key = repr((given, sorted(named.items())))
        if key not in self.made:
            self.made[key] = function(*given, **named)
        return self.made[key]


@cache
def side_stream(device: int) -> Any:
    """Where all that is recorded runs first; one, for libraries keep memory for each."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def run_on_side_stream(run: Thunk) -> Tensor:
    """Run on another stream, as what will be recorded must, after and before all else."""
    current, stream = torch.cuda.current_stream(), side_stream(torch.cuda.current_device())
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        value = run()
    current.wait_stream(stream)
    return value


def record_graph(run: Thunk) -> Thunk:
    """Record what is launched, which is not run now; the result is overwritten by the next."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=side_stream(torch.cuda.current_device())):
        value = run()

    def replay() -> Tensor:
        graph.replay()
        return value.clone()

    return replay
