"""A number over time by a formula: what its variables mean in a shot, and what it adds up to."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache

from render.curves.expression import Expression
from render.curves.quadrature import integral
from render.errors import InputError
from render.text import quoted, seconds_text

POINT_LIMIT = 10_000  # frames, and as many keyframes, at which a formula is tried at the door
CELL = Fraction(1, 2)  # seconds: what is integrated at once where it is smooth
CELL_LIMIT = 4096  # of one kind
HALVING_LIMIT = 4000  # of all cells together; beyond it an area is as good as it is
DEPTH_LIMIT = 36  # halvings of one cell, in which the formula jumps
NEAR = 1e-11  # an area and that of its halves are the same, relative to the area and to 1


class FormulaError(InputError):
    """A formula that has no value at a time that nobody tried before; its text is a sentence."""


@dataclass(frozen=True)
class Clock:
    """What the time in a shot is called by a formula. Before and after the shot it stands still."""

    duration: Fraction  # seconds
    fps: Fraction
    every: Fraction  # seconds from keyframe to keyframe
    start: Fraction = Fraction(0)  # of the shot in the film, in seconds
    bpm: Fraction | None = None

    def values(self, names: Iterable[str], time: Fraction | float) -> dict[str, float]:
        """The variables at `time` seconds into the shot, as expressions.VARIABLES says.

        A Fraction stays exact, so that floor(f) on frame 37 is 37.
        """
        units: Mapping[str, tuple[Fraction | float, Fraction | float]]
        if isinstance(time, float):
            time, units = min(max(time, 0.0), self._rough[0]), self._rough[1]
        else:
            time, units = min(max(time, Fraction(0)), self.duration), self.units
        return {name: float((time - units[name][0]) / units[name][1]) for name in names}

    @cached_property
    def units(self) -> dict[str, tuple[Fraction, Fraction]]:
        """When each variable is 0, in seconds of the shot, and how many seconds are 1 of it."""
        never, second = Fraction(0), Fraction(1)
        return {
            "t": (never, second),
            "u": (never, self.duration),
            "f": (never, 1 / self.fps),
            "n": (never, self.every),
            "beat": (-self.start, 60 / self.bpm if self.bpm else second),
        }

    @cached_property
    def _rough(self) -> tuple[float, dict[str, tuple[float, float]]]:
        """The duration and the units as floats, which are ten times as fast."""
        rough = {name: (float(zero), float(one)) for name, (zero, one) in self.units.items()}
        return float(self.duration), rough

    def moments(self) -> Iterator[tuple[str, Fraction]]:
        """Every frame and keyframe of the shot with what it is called, and the shot's end.

        Of a very long shot they are as many as can be tried, evenly.
        """
        for name, step in (("frame", 1 / self.fps), ("keyframe", self.every)):
            count = math.ceil(self.duration / step)
            for number in range(0, count, math.ceil(count / POINT_LIMIT)):
                yield f"{name} {number} ({seconds_text(number * step)})", number * step
        yield f"its end ({seconds_text(self.duration)})", self.duration


@dataclass(frozen=True)
class Formula:
    """A Course by an expression of the time in a shot, times `factor`."""

    expression: Expression
    clock: Clock
    factor: float = 1.0

    def __str__(self) -> str:
        return f"{'-' if self.factor < 0 else ''}({self.expression.text})"

    @property
    def still(self) -> float | None:
        return None  # without variables it would be a number

    def at(self, time: Fraction | float, logs: bool = False) -> float:
        try:
            return self._value(time)
        except ValueError as error:
            text = quoted(self.expression.text)
            message = f"the formula {text} {error} at {float(time):.6g} s. Change it there"
            raise FormulaError(message) from error

    def _value(self, time: Fraction | float) -> float:
        names = self.expression.variables
        return self.expression.at(self.clock.values(names, time)) * self.factor

    def area(self, start: Fraction | float, end: Fraction | float, logs: bool) -> float:
        return _mesh(self, logs).area(float(start), float(end))

    def corners(
        self, start: Fraction | float, end: Fraction | float, logs: bool
    ) -> Iterable[Fraction | float]:
        return _mesh(self, logs).corners(float(start), float(end))

    def extremes(self, logs: bool) -> tuple[float, float]:
        """At every frame and keyframe of the shot."""
        return _extremes(self)

    def scaled(self, factor: float) -> Formula:
        return replace(self, factor=self.factor * factor)

    def level(self, time: float, logs: bool) -> float:
        """The value, or its logarithm."""
        value = self.at(time)
        if not logs:
            return value
        if value <= 0:
            text = quoted(self.expression.text)
            message = f"the formula {text} is {value:g} at {time:.6g} s. Keep it above 0"
            raise FormulaError(message)
        return math.log(value)

    def mistake(self, low: float, high: float) -> str | None:
        """What is wrong with it at the first frame or keyframe that has no value from low to high,
        as the end of a sentence; None where all is well."""
        for name, time in self.clock.moments():
            try:
                value = self._value(time)
            except ValueError as error:
                return f"at {name} {error}"
            if not low <= value <= high:
                return f"at {name} is {value:.6g}"
        return None


@lru_cache(maxsize=256)
def _extremes(formula: Formula) -> tuple[float, float]:
    values = [formula.at(time) for _, time in formula.clock.moments()]
    return min(values), max(values)


@dataclass(frozen=True)
class _Mesh:
    """A shot cut where a formula turns or jumps, into pieces in which it is smooth.

    An area is the sum of its pieces' and of smooth parts of pieces, so areas add up.
    """

    level: Callable[[float], float]
    starts: tuple[float, ...]  # of the pieces, in seconds
    areas: tuple[float, ...]
    end: float

    def area(self, start: float, end: float) -> float:
        total = 0.0
        if start < 0.0:  # there the formula stands still
            total += self.level(0.0) * (min(end, 0.0) - start)
        if end > self.end:
            total += self.level(self.end) * (end - max(start, self.end))
        for number in range(max(0, bisect_right(self.starts, start) - 1), len(self.starts)):
            first, last = self.starts[number], self._end_of(number)
            if first >= end:
                break
            if start <= first and last <= end:
                total += self.areas[number]
            elif max(start, first) < min(end, last):
                total += integral(self.level, max(start, first), min(end, last))
        return total

    def corners(self, start: float, end: float) -> tuple[float, ...]:
        edges = (*self.starts, self.end)
        return edges[bisect_right(edges, start) : bisect_left(edges, end)]

    def _end_of(self, number: int) -> float:
        return self.starts[number + 1] if number + 1 < len(self.starts) else self.end


@lru_cache(maxsize=256)
def _mesh(formula: Formula, logs: bool) -> _Mesh:
    """Cells, halved until a cell's area is that of its halves; a jump is halved to nothing."""

    def level(time: float) -> float:
        return formula.level(time, logs)

    edges = _edges(formula)
    # The last is taken first, so they are put there backwards; with each, how often it was halved.
    waiting = [(a, b, integral(level, a, b), 0) for a, b in itertools.pairwise(edges)][::-1]
    starts: list[float] = []
    areas: list[float] = []
    halvings = 0
    while waiting:
        start, end, whole, depth = waiting.pop()
        middle = (start + end) / 2
        left, right = integral(level, start, middle), integral(level, middle, end)
        same = abs(left + right - whole) <= NEAR * max(1.0, abs(whole))
        if same or depth == DEPTH_LIMIT or halvings == HALVING_LIMIT:
            starts.append(start)
            areas.append(left + right)
        else:
            halvings += 1
            waiting += ((middle, end, right, depth + 1), (start, middle, left, depth + 1))
    return _Mesh(level, tuple(starts), tuple(areas), edges[-1])


def _edges(formula: Formula) -> list[float]:
    """Where the shot is cut to begin with: by the clock, and where the variables that the formula
    names are whole, which is where floor and fract jump."""
    clock = formula.clock
    edges = {Fraction(0), clock.duration}
    for zero, one in ((Fraction(0), CELL), *(clock.units[v] for v in formula.expression.variables)):
        first, last = math.floor(-zero / one) + 1, math.ceil((clock.duration - zero) / one)
        for number in range(first, last, math.ceil((last - first + 1) / CELL_LIMIT)):
            edges.add(zero + number * one)
    return [float(edge) for edge in sorted(edges)]
