"""Numbers that change over time: keys and what lies between them, and what a rate adds up to."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

from render.curves.easing import Easing, area, easing, hermite, span

KINDS = ("value", "rate", "growth")


class Course(Protocol):
    """How a number goes over time, in seconds, whatever it measures: Keys, or a Formula.

    With `logs` what is interpolated and summed up are the logarithms of its values, all above 0.
    """

    @property
    def still(self) -> float | None:
        """Its value where it never changes; None where it does."""

    def at(self, time: Fraction | float, logs: bool) -> float:
        """The value at `time`."""

    def area(self, start: Fraction | float, end: Fraction | float, logs: bool) -> float:
        """The integral from `start` to `end`, start <= end."""

    def corners(
        self, start: Fraction | float, end: Fraction | float, logs: bool
    ) -> Iterable[Fraction | float]:
        """Times between `start` and `end` at which it turns or jumps; elsewhere it is smooth."""

    def extremes(self, logs: bool) -> tuple[float, float]:
        """The least and the greatest value."""

    def scaled(self, factor: float) -> Course:
        """Every value times `factor`."""


@dataclass(frozen=True)
class Key:
    """A value at a time in seconds; `ease` shapes the way from the key before to this one."""

    time: Fraction
    value: float
    ease: str = "linear"  # a name in easings.EASINGS, or a Bezier


@dataclass(frozen=True)
class Keys:
    """Values at times. Before the first and after the last the value holds."""

    keys: tuple[Key, ...]

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("a curve needs at least one key")
        if any(a.time >= b.time for a, b in itertools.pairwise(self.keys)):
            raise ValueError("a curve's keys must be in order of time, each time once")

    def __str__(self) -> str:
        values = [f"{key.value:g}" for key in self.keys]
        if len(values) > 3:
            values[1:-1] = ["..."]
        return " to ".join(values)

    @property
    def still(self) -> float | None:
        value = self.keys[0].value
        return value if all(key.value == value for key in self.keys) else None

    def at(self, time: Fraction | float, logs: bool) -> float:
        keys = self.keys
        if len(keys) == 1:
            return keys[0].value
        after = bisect.bisect_right(keys, time, key=lambda key: key.time)
        if after == 0 or after == len(keys):
            return keys[max(after - 1, 0)].value
        a, b = keys[after - 1], keys[after]
        way = self._way(after, logs)(float((time - a.time) / (b.time - a.time)))
        return _between(a.value, b.value, way, logs)

    def area(self, start: Fraction | float, end: Fraction | float, logs: bool) -> float:
        keys = self.keys
        first, last = keys[0], keys[-1]
        if first is last:
            return _level(first, logs) * float(end - start)
        total = 0.0
        if start < first.time:
            total += _level(first, logs) * float(min(end, first.time) - start)
        for after, (a, b) in enumerate(itertools.pairwise(keys), 1):
            if start < b.time and a.time < end:
                length = b.time - a.time
                u, until = (
                    float((min(max(time, a.time), b.time) - a.time) / length)
                    for time in (start, end)
                )
                way = self._way(after, logs)
                rise = _level(b, logs) - _level(a, logs)
                eased = area(way, until) - area(way, u)
                total += float(length) * (_level(a, logs) * (until - u) + rise * eased)
        if end > last.time:
            total += _level(last, logs) * float(end - max(start, last.time))
        return total

    def corners(
        self, start: Fraction | float, end: Fraction | float, logs: bool
    ) -> Iterable[Fraction | float]:
        return (key.time for key in self.keys if start < key.time < end)

    def extremes(self, logs: bool) -> tuple[float, float]:
        """Of the keys; a Bezier may swing beyond them."""
        reached = [key.value for key in self.keys]
        for a, b in itertools.pairwise(self.keys):
            reached += (_between(a.value, b.value, way, logs) for way in span(easing(b.ease)))
        return min(reached), max(reached)

    def scaled(self, factor: float) -> Keys:
        return Keys(tuple(replace(key, value=key.value * factor) for key in self.keys))

    def _way(self, after: int, logs: bool) -> Easing:
        """The easing that leads to the key number `after` from the one before."""
        ease = self.keys[after].ease
        secant = self._secant(after, logs)
        if ease != "smooth" or secant == 0.0:
            return easing(ease)
        return hermite(self._slope(after - 1, logs) / secant, self._slope(after, logs) / secant)

    def _secant(self, after: int, logs: bool) -> float:
        """Change per second on the way to the key number `after`; of one that jumps, none."""
        a, b = self.keys[after - 1], self.keys[after]
        if b.ease == "hold":
            return 0.0
        return (_level(b, logs) - _level(a, logs)) / float(b.time - a.time)

    def _slope(self, number: int, logs: bool) -> float:
        """Change per second at a key where the way is smooth on both sides.

        The weighted harmonic mean of the secants beside it (Fritsch & Butland 1984, as PCHIP): 0 at
        a peak, and never so steep that the curve overshoots. This differs from PCHIP at the first
        and the last key, where it is 0, because before and after them the value holds.
        """
        if number in (0, len(self.keys) - 1):
            return 0.0
        before, behind = self._secant(number, logs), self._secant(number + 1, logs)
        if before * behind <= 0.0:
            return 0.0
        a, b, c = (float(key.time) for key in self.keys[number - 1 : number + 2])
        near, far = 2 * (c - b) + (b - a), (c - b) + 2 * (b - a)
        return (near + far) / (near / before + far / behind)


def _level(key: Key, logs: bool) -> float:
    return math.log(key.value) if logs else key.value


def _between(a: float, b: float, way: float, logs: bool) -> float:
    """The value a share of the way from a to b."""
    if logs:
        return float(a * (b / a) ** way)
    return a + (b - a) * way


@dataclass(frozen=True)
class Curve:
    """A number over time, in seconds.

    kind "value":  at(t) is the course's own value.
    kind "rate":   the course is in units per second; at(t) is what they add up to from 0 to t.
    kind "growth": the course is of factors per second; at(t) is what they multiply to from 0 to t,
                   exp of the integral of their logarithm, between which they are interpolated.
    geometric interpolates a "value" curve between logarithms too: a zoom from 1 to 4 passes 2
    half-way, and looks even. Growth and geometric curves need values above zero.
    """

    course: Course
    kind: str = "value"
    geometric: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of curve {self.kind!r}: one of {', '.join(KINDS)}")
        keys = self.course.keys if isinstance(self.course, Keys) else ()
        if self.logs and any(key.value <= 0 for key in keys):
            raise ValueError("a growth or geometric curve needs values above zero")

    def __str__(self) -> str:
        return str(self.course)

    @property
    def logs(self) -> bool:
        """Whether its values are interpolated, and summed up, as logarithms."""
        return self.geometric or self.kind == "growth"

    @property
    def constant(self) -> bool:
        """Whether at() is the same at every time."""
        still = self.course.still
        return (
            still is not None and still == {"value": still, "rate": 0.0, "growth": 1.0}[self.kind]
        )

    def at(self, time: Fraction | float) -> float:
        """The value at `time` in seconds. A Fraction stays exact up to the last operation."""
        if self.kind == "value":
            return self.interpolated(time)
        total = self.total(Fraction(0), time)
        return math.exp(total) if self.kind == "growth" else total

    def interpolated(self, time: Fraction | float) -> float:
        """The course's own value at `time`: of a rate the speed, not what it adds up to."""
        return self.course.at(time, self.logs)

    def total(self, start: Fraction | float, end: Fraction | float) -> float:
        """What a rate adds up to from `start` to `end`, or the logarithm of a growth's factor.

        It is summed up over that stretch alone: hours into a film nothing is lost to rounding.
        """
        if end < start:
            return -self.total(end, start)
        return self.course.area(start, end, self.logs)

    def corners(self, start: Fraction | float, end: Fraction | float) -> set[Fraction | float]:
        """Times between `start` and `end` at which it may turn or jump; elsewhere it is smooth."""
        return set(self.course.corners(start, end, self.logs))

    def extremes(self) -> tuple[float, float]:
        """The least and the greatest of the course's own values: of a rate the speeds."""
        return self.course.extremes(self.logs)

    def scaled(self, factor: float) -> Curve:
        """Every value times `factor`; a geometric one only by a factor above zero."""
        return replace(self, course=self.course.scaled(factor))


def keyed(keys: Iterable[Key], kind: str = "value", geometric: bool = False) -> Curve:
    """A curve through keys."""
    return Curve(Keys(tuple(keys)), kind, geometric)


def constant(value: float) -> Curve:
    """A curve that is `value` at every time."""
    return keyed((Key(Fraction(0), value),))
