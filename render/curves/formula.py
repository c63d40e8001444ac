"""Formulas over time: the variables of a shot, and the values and integrals of a formula in it."""

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

POINT_LIMIT = 10_000  # frames, and as many keyframes, at which a formula is checked beforehand
CELL = Fraction(1, 2)  # seconds: the longest piece that is integrated at once
CELL_LIMIT = 4096  # initial cuts of a shot, for each variable
HALVING_LIMIT = 4000  # of all cells of a shot together; then the integral is taken as it is
DEPTH_LIMIT = 36  # halvings of one cell, which reach this number only where the formula jumps
# A cell is halved until its integral and that of its halves differ by no more than this, relative
# to the integral where that is above 1.
TOLERANCE = 1e-11


class FormulaError(InputError):
    """A formula has no value at a time that was not checked beforehand."""


@dataclass(frozen=True)
class Clock:
    """What a formula's variables are in one shot. Outside the shot they keep their end values."""

    duration: Fraction  # seconds
    fps: Fraction
    every: Fraction  # seconds from keyframe to keyframe
    start: Fraction = Fraction(0)  # of the shot in the film, in seconds
    bpm: Fraction | None = None  # None counts one beat per second
    first_beat: Fraction = Fraction(0)  # seconds from the film's beginning, of beat 0

    def values(self, names: Iterable[str], time: Fraction | float) -> dict[str, float]:
        """Returns the variables of these names, of expression.VARIABLES, `time` s into the shot.

        A Fraction stays exact up to the last operation, so that floor(f) on frame 37 is 37.
        """
        units: Mapping[str, tuple[Fraction | float, Fraction | float]]
        if isinstance(time, float):
            time, units = min(max(time, 0.0), self._float_units[0]), self._float_units[1]
        else:
            time, units = min(max(time, Fraction(0)), self.duration), self.units
        return {name: float((time - units[name][0]) / units[name][1]) for name in names}

    @cached_property
    def units(self) -> dict[str, tuple[Fraction, Fraction]]:
        """The time at which each variable is 0 and the time in which it rises by 1, in seconds."""
        zero, second = Fraction(0), Fraction(1)
        return {
            "t": (zero, second),
            "u": (zero, self.duration),
            "f": (zero, 1 / self.fps),
            "n": (zero, self.every),
            "film_time": (-self.start, second),
            "beat": (self.first_beat - self.start, 60 / self.bpm if self.bpm else second),
        }

    @cached_property
    def _float_units(self) -> tuple[float, dict[str, tuple[float, float]]]:
        """The duration and the units as floats, which are ten times as fast as Fractions."""
        units = {name: (float(zero), float(one)) for name, (zero, one) in self.units.items()}
        return float(self.duration), units

    @property
    def moment_count(self) -> int:
        """About how many moments `moments` yields."""
        steps = (1 / self.fps, self.every)
        return sum(min(POINT_LIMIT, math.ceil(self.duration / step)) for step in steps)

    def moments(self) -> Iterator[tuple[str, Fraction]]:
        """Yields (name, time in seconds) for every frame, every keyframe and the shot's end.

        Of a shot with more than POINT_LIMIT frames or keyframes it yields at most that many of
        them, evenly spaced.
        """
        for name, step in (("frame", 1 / self.fps), ("keyframe", self.every)):
            count = math.ceil(self.duration / step)
            for number in range(0, count, math.ceil(count / POINT_LIMIT)):
                yield f"{name} {number} ({seconds_text(number * step)})", number * step
        yield f"its end ({seconds_text(self.duration)})", self.duration


@dataclass(frozen=True)
class Formula:
    """A Course whose values are those of an expression in one shot, times `factor`."""

    expression: Expression
    clock: Clock
    factor: float = 1.0

    def __str__(self) -> str:
        return f"{'-' if self.factor < 0 else ''}({self.expression.text})"

    @property
    def constant_value(self) -> float | None:
        """None: an expression without variables is parsed as a number, not as a formula."""
        return None

    def at(self, time: Fraction | float, logarithmic: bool = False) -> float:
        """Returns the value at `time`; raises FormulaError where the formula has none."""
        try:
            return self._value(time)
        except ValueError as error:
            message = f"the formula {quoted(self.expression.text)} {error} at {seconds_text(time)}."
            raise FormulaError(f"{message} Change it there") from error

    def _value(self, time: Fraction | float) -> float:
        """Returns the value at `time`; raises ValueError with the end of a sentence."""
        names = self.expression.variables
        return self.expression.at(self.clock.values(names, time)) * self.factor

    def value_or_log(self, time: float, logarithmic: bool) -> float:
        """Returns the value at `time` or its logarithm; raises FormulaError where it has none."""
        value = self.at(time)
        if not logarithmic:
            return value
        if value <= 0:
            text = quoted(self.expression.text)
            message = f"the formula {text} is {value:g} at {seconds_text(time)}. Keep it above 0"
            raise FormulaError(message)
        return math.log(value)

    def area(self, start: Fraction | float, end: Fraction | float, logarithmic: bool) -> float:
        """Returns the integral from `start` to `end`, start <= end, of the value or its log."""
        return _mesh(self, logarithmic).area(float(start), float(end))

    def halvings(self, logarithmic: bool) -> int:
        """Returns how often a cell was halved to add the formula up: often where it jumps often."""
        return _mesh(self, logarithmic).halvings

    def corners(
        self, start: Fraction | float, end: Fraction | float, logarithmic: bool
    ) -> Iterable[Fraction | float]:
        """Returns the edges between `start` and `end` of the cells in which it is smooth."""
        return _mesh(self, logarithmic).corners(float(start), float(end))

    def extremes(self, logarithmic: bool) -> tuple[float, float]:
        """Returns the least and the greatest value at the frames and keyframes of the shot."""
        return _extremes(self)

    def scaled(self, factor: float) -> Formula:
        """Returns the formula with every value multiplied by `factor`."""
        return replace(self, factor=self.factor * factor)

    def mistake(self, low: float, high: float) -> str | None:
        """Returns what is wrong at the first frame or keyframe without a value in low..high.

        The text is the end of a sentence that begins with the formula; None if nothing is wrong.
        """
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
    """Returns `Formula.extremes`, cached."""
    values = [formula.at(time) for _, time in formula.clock.moments()]
    return min(values), max(values)


@dataclass(frozen=True)
class _Mesh:
    """A shot cut into cells in which a formula is smooth, with the integral over each cell.

    An integral is a sum of whole cells and of parts of cells at its ends, so that integrals over
    adjacent stretches add up.
    """

    function: Callable[[float], float]  # the formula's value or its logarithm, by time
    starts: tuple[float, ...]  # of the cells, in seconds
    areas: tuple[float, ...]  # of the cells
    end: float  # of the last cell
    halvings: int  # of cells, until it was smooth in each

    def area(self, start: float, end: float) -> float:
        """Returns the integral from `start` to `end`, start <= end."""
        total = 0.0
        if start < 0.0:  # outside the shot the value is constant
            total += self.function(0.0) * (min(end, 0.0) - start)
        if end > self.end:
            total += self.function(self.end) * (end - max(start, self.end))
        for number in range(max(0, bisect_right(self.starts, start) - 1), len(self.starts)):
            first, last = self.starts[number], self._end_of(number)
            if first >= end:
                break
            if start <= first and last <= end:
                total += self.areas[number]
            elif max(start, first) < min(end, last):
                total += integral(self.function, max(start, first), min(end, last))
        return total

    def corners(self, start: float, end: float) -> tuple[float, ...]:
        """Returns the edges of cells between `start` and `end`."""
        edges = (*self.starts, self.end)
        return edges[bisect_right(edges, start) : bisect_left(edges, end)]

    def _end_of(self, number: int) -> float:
        return self.starts[number + 1] if number + 1 < len(self.starts) else self.end


@lru_cache(maxsize=256)
def _mesh(formula: Formula, logarithmic: bool) -> _Mesh:
    """Returns the cells of a formula by adaptive quadrature.

    A cell is halved until its integral agrees with that of its halves to TOLERANCE, or a limit is
    reached; a cell that holds a jump is halved until it is negligibly short.
    """

    def function(time: float) -> float:
        return formula.value_or_log(time, logarithmic)

    edges = _initial_edges(formula)
    # A stack of (start, end, integral, halvings so far), the earliest cell on top.
    waiting = [(a, b, integral(function, a, b), 0) for a, b in itertools.pairwise(edges)][::-1]
    starts: list[float] = []
    areas: list[float] = []
    halvings = 0
    while waiting:
        start, end, whole, depth = waiting.pop()
        middle = (start + end) / 2
        left, right = integral(function, start, middle), integral(function, middle, end)
        agree = abs(left + right - whole) <= TOLERANCE * max(1.0, abs(whole))
        if agree or depth == DEPTH_LIMIT or halvings == HALVING_LIMIT:
            starts.append(start)
            areas.append(left + right)
        else:
            halvings += 1
            waiting += ((middle, end, right, depth + 1), (start, middle, left, depth + 1))
    return _Mesh(function, tuple(starts), tuple(areas), edges[-1], halvings)


def _initial_edges(formula: Formula) -> list[float]:
    """Returns the edges of the cells before any is halved, in seconds.

    They stand every CELL, and where a variable of the formula is whole, which is where floor and
    fract jump.
    """
    clock = formula.clock
    edges = {Fraction(0), clock.duration}
    for zero, one in ((Fraction(0), CELL), *(clock.units[v] for v in formula.expression.variables)):
        first, last = math.floor(-zero / one) + 1, math.ceil((clock.duration - zero) / one)
        for number in range(first, last, math.ceil((last - first + 1) / CELL_LIMIT)):
            edges.add(zero + number * one)
    return [float(edge) for edge in sorted(edges)]
