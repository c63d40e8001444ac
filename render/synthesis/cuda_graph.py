"""Steps recorded as a CUDA graph, once for each kind of step of a film, and launched whole.

On a GPU, launching a step's thousand kernels one by one takes longer than computing them. A graph
reads the same memory and computes the same shapes every time. So the canvas, the cutouts and the
constants of the losses have fixed places, into which those of each keyframe are copied.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache, partial
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from render.generators.generator import Generator
from render.synthesis.cutouts import Cutouts
from render.synthesis.optimize import Canvas, StepFunction, StepRunner

Thunk = Callable[[], Tensor]
Given = TypeVar("Given")

KEPT = 16  # recordings: kinds of step, by level, count of prompts, with or without a parent


class RecordedSteps(StepRunner):
    """A runner for the steps of one film.

    A step of a new kind runs as it is, which initialises libraries and constants; it is recorded
    when it comes again, and replayed from then on, in later keyframes too. Where recording fails,
    for example for want of memory, its steps continue one by one and a warning says so.
    """

    captures = True

    def __init__(
        self,
        warm_up: Callable[[Thunk], Tensor] | None = None,
        record: Callable[[Thunk], Thunk] | None = None,
    ) -> None:
        """`warm_up` runs what is not recorded, `record` records: by default on a CUDA device."""
        self.warm_up = warm_up or run_on_side_stream
        self.record = record or GraphRecorder()
        self.kept_canvas: Canvas | None = None
        self.recordings: OrderedDict[Hashable, Recording] = OrderedDict()

    def canvas(self, start: Tensor, generator: Generator) -> Canvas:
        """As `StepRunner.canvas`; the same one for all latents of one shape in turn."""
        kept = self.kept_canvas
        if kept is None or kept.start.shape != start.shape:
            self.recordings.clear()
            kept = self.kept_canvas = super().canvas(start, generator)
        else:
            kept.begin(start)
        return kept

    def run(self, step: StepFunction, cutouts: Cutouts, constants: Any) -> Tensor:
        """As `StepRunner.run`."""
        key = (step, kind_of(cutouts), kind_of(constants))
        recording = self.recordings.pop(key, None)
        if recording is None:
            recording = Recording(step, self.warm_up, self.record)
        self.recordings[key] = recording  # the latest is the last
        if len(self.recordings) > KEPT:
            self.recordings.popitem(last=False)
        return recording(cutouts, constants)

    def forget(self) -> None:
        """As `StepRunner.forget`."""
        self.recordings.clear()
        self.kept_canvas = None


class Recording:
    """A step function that is recorded at its second call and replayed from then on."""

    def __init__(
        self,
        step: StepFunction,
        warm_up: Callable[[Thunk], Tensor],
        record: Callable[[Thunk], Thunk],
    ) -> None:
        self.step, self.warm_up, self.record = step, warm_up, record
        self.cached = CachedConstants()
        self.places: tuple[Cutouts, Any] | None = None  # what the recording reads
        self.constants: Any = None  # of which the places hold a copy
        self.replay: Thunk | None = None

    def __call__(self, cutouts: Cutouts, constants: Any) -> Tensor:
        """Run the step with these cutouts and constants; returns its value."""
        is_first = self.places is None
        places = self.places = self.places or (copy_of(cutouts), copy_of(constants))
        if not is_first:
            write_to(places[0], cutouts)
            if constants is not self.constants:
                write_to(places[1], constants)
        self.constants = constants

        def run() -> Tensor:
            with self.cached:
                return self.step(*places)

        if is_first:
            return self.warm_up(run)
        if self.replay is None:
            try:
                self.replay = self.record(run)
            except RuntimeError as error:
                warnings.warn(f"a step could not be recorded, and is slower: {error}", stacklevel=2)
                self.replay = partial(self.warm_up, run)
        return self.replay()


def parts_of(value: Any) -> list[Any] | None:
    """What a dataclass, tuple or dict consists of; None for anything else."""
    if is_dataclass(value):
        return [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, tuple) else None


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yields every tensor, in an order that is the same for all values of one kind."""
    if isinstance(value, Tensor):
        yield value
    for part in parts_of(value) or ():
        yield from tensors_in(part)


def kind_of(value: Any) -> Hashable:
    """A key that is equal for two values which differ in the numbers of their tensors only."""
    if isinstance(value, Tensor):
        return tuple(value.shape), value.dtype, value.device
    parts = parts_of(value)
    if parts is None:
        kind: Hashable = value  # a number, a name or a network, which equals only itself
        return kind
    names = tuple(value) if isinstance(value, dict) else ()
    return type(value), names, tuple(map(kind_of, parts))


def copy_of(value: Given) -> Given:
    """The same value with copies of its tensors."""
    copied: Any = value
    if isinstance(value, Tensor):
        copied = value.clone()
    elif isinstance(value, dict):
        copied = {name: copy_of(part) for name, part in value.items()}
    elif isinstance(value, tuple):
        copied = tuple(map(copy_of, value))
    elif (parts := parts_of(value)) is not None:
        make: Callable[..., Any] = type(value)
        copied = make(*map(copy_of, parts))
    result: Given = copied
    return result


def write_to(places: Any, value: Any) -> None:
    """Copy the tensors of a value to those of another one of the same kind."""
    for place, tensor in zip(tensors_in(places), tensors_in(value), strict=True):
        place.copy_(tensor)


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


class GraphRecorder:
    """Records steps as CUDA graphs, which share their memory: only one runs at a time, and its
    value is copied before the next one runs."""

    def __init__(self) -> None:
        self.pool: Any = None

    def __call__(self, run: Thunk) -> Thunk:
        """Record the kernels that `run` launches, without running them; returns what replays
        them."""
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        self.pool = self.pool or torch.cuda.graph_pool_handle()
        side = side_stream(torch.cuda.current_device())
        try:
            with torch.cuda.graph(graph, pool=self.pool, stream=side):
                value = run()
        except BaseException:
            # Where a recording cannot be ended, torch leaves its stream the current one, and the
            # graph's memory taken. Memory of a failed recording is shared with no other.
            torch.cuda.set_stream(current)
            self.pool = None
            with suppress(RuntimeError):
                graph.reset()
            raise

        def replay() -> Tensor:
            graph.replay()
            return value.clone()  # the next replay overwrites it

        return replay
