"""Curves: numbers over time, given by keys or a formula, and the integrals of rates."""

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
    """The values of a curve over time in seconds, whatever they measure: Keys or a Formula.

    Where `logarithmic` is true, the logarithms of the values are interpolated and integrated
    instead of the values, which must all be above 0.
    """

    @property
    def constant_value(self) -> float | None:
        """The value where it is the same at every time, else None."""

    def at(self, time: Fraction | float, logarithmic: bool) -> float:
        """Returns the value at `time`; never its logarithm."""

    def area(self, start: Fraction | float, end: Fraction | float, logarithmic: bool) -> float:
        """Returns the integral from `start` to `end`, start <= end, of the value or its log."""

    def corners(
        self, start: Fraction | float, end: Fraction | float, logarithmic: bool
    ) -> Iterable[Fraction | float]:
        """Returns the times between `start` and `end` at which it may not be smooth."""

    def extremes(self, logarithmic: bool) -> tuple[float, float]:
        """Returns the least and the greatest value."""

    def scaled(self, factor: float) -> Course:
        """Returns a course with every value multiplied by `factor`."""


@dataclass(frozen=True)
class Key:
    """A value at a time in seconds; `ease` shapes the interval from the key before to this one."""

    time: Fraction
    value: float
    ease: str = "linear"  # a name of easing.EASINGS, or a text such as easing.BEZIER_FORM


@dataclass(frozen=True)
class Keys:
    """A Course through keys. Before the first key and after the last, the value stays constant.

    Raises ValueError if there are no keys, or if their times do not increase.
    """

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
    def constant_value(self) -> float | None:
        """The value of all keys where they have the same, else None."""
        value = self.keys[0].value
        return value if all(key.value == value for key in self.keys) else None

    def at(self, time: Fraction | float, logarithmic: bool) -> float:
        """Returns the value at `time`, interpolated between the keys beside it."""
        keys = self.keys
        if len(keys) == 1:
            return keys[0].value
        number = bisect.bisect_right(keys, time, key=lambda key: key.time)
        if number == 0 or number == len(keys):
            return keys[max(number - 1, 0)].value
        a, b = keys[number - 1], keys[number]
        share = self._easing_to(number, logarithmic)(float((time - a.time) / (b.time - a.time)))
        return _interpolate(a.value, b.value, share, logarithmic)

    def area(self, start: Fraction | float, end: Fraction | float, logarithmic: bool) -> float:
        """Returns the integral from `start` to `end`, start <= end, of the value or its log."""
        keys = self.keys
        first, last = keys[0], keys[-1]
        if first is last:
            return _value_or_log(first, logarithmic) * float(end - start)
        total = 0.0
        if start < first.time:
            total += _value_or_log(first, logarithmic) * float(min(end, first.time) - start)
        for number, (a, b) in enumerate(itertools.pairwise(keys), 1):
            if start < b.time and a.time < end:
                length = b.time - a.time
                u, until = (
                    float((min(max(time, a.time), b.time) - a.time) / length)
                    for time in (start, end)
                )
                ease = self._easing_to(number, logarithmic)
                value = _value_or_log(a, logarithmic)
                difference = _value_or_log(b, logarithmic) - value
                eased = area(ease, until) - area(ease, u)
                total += float(length) * (value * (until - u) + difference * eased)
        if end > last.time:
            total += _value_or_log(last, logarithmic) * float(end - max(start, last.time))
        return total

    def corners(
        self, start: Fraction | float, end: Fraction | float, logarithmic: bool
    ) -> Iterable[Fraction | float]:
        """Returns the times of the keys between `start` and `end`."""
        return (key.time for key in self.keys if start < key.time < end)

    def extremes(self, logarithmic: bool) -> tuple[float, float]:
        """Returns the least and the greatest value, with what a Bezier overshoots its keys by."""
        values = [key.value for key in self.keys]
        for a, b in itertools.pairwise(self.keys):
            shares = span(easing(b.ease))
            values += (_interpolate(a.value, b.value, share, logarithmic) for share in shares)
        return min(values), max(values)

    def scaled(self, factor: float) -> Keys:
        """Returns the keys with every value multiplied by `factor`."""
        return Keys(tuple(replace(key, value=key.value * factor) for key in self.keys))

    def _easing_to(self, number: int, logarithmic: bool) -> Easing:
        """Returns the easing of the interval that ends at key `number`."""
        ease = self.keys[number].ease
        secant = self._secant(number, logarithmic)
        if ease != "smooth" or secant == 0.0:
            return easing(ease)
        return hermite(
            self._slope(number - 1, logarithmic) / secant, self._slope(number, logarithmic) / secant
        )

    def _secant(self, number: int, logarithmic: bool) -> float:
        """Returns the mean change per second up to key `number`; 0 where the value jumps there."""
        a, b = self.keys[number - 1], self.keys[number]
        if b.ease == "hold":
            return 0.0
        return (_value_or_log(b, logarithmic) - _value_or_log(a, logarithmic)) / float(
            b.time - a.time
        )

    def _slope(self, number: int, logarithmic: bool) -> float:
        """Returns the change per second at key `number` of a curve that is smooth on both sides.

        It is the weighted harmonic mean of the secants beside the key (Fritsch & Butland 1984, as
        PCHIP): 0 at a peak, and never so steep that the curve overshoots. It differs from PCHIP at
        the first and the last key, where it is 0, because the value is constant outside them.
        """
        if number in (0, len(self.keys) - 1):
            return 0.0
        before = self._secant(number, logarithmic)
        after = self._secant(number + 1, logarithmic)
        if before * after <= 0.0:
            return 0.0
        a, b, c = (float(key.time) for key in self.keys[number - 1 : number + 2])
        weight_before, weight_after = 2 * (c - b) + (b - a), (c - b) + 2 * (b - a)
        return (weight_before + weight_after) / (weight_before / before + weight_after / after)


def _value_or_log(key: Key, logarithmic: bool) -> float:
    """Returns the key's value, or its logarithm."""
    return math.log(key.value) if logarithmic else key.value


def _interpolate(a: float, b: float, share: float, logarithmic: bool) -> float:
    """Returns the value at a share of the difference from a to b, or of that of their logs."""
    if logarithmic:
        return float(a * (b / a) ** share)
    return a + (b - a) * share


@dataclass(frozen=True)
class Curve:
    """A number over time, in seconds.

    kind "value":  at(t) is the course's value.
    kind "rate":   the course is in units per second; at(t) is its integral from 0 to t.
    kind "growth": the course is in factors per second; at(t) is the factor reached from 0 to t, exp
                   of the integral of the course's logarithm. The logarithms are interpolated.
    geometric interpolates the logarithms of a "value" curve as well: a zoom from 1 to 4 passes 2
    half-way and looks even.

    Raises ValueError for another kind, and for a growth or geometric curve with a key of 0 or less.
    """

    course: Course
    kind: str = "value"
    geometric: bool = False
    # When a rate begins to add up, in seconds: below 0 for what is left of a longer curve.
    begins: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of curve {self.kind!r}: one of {', '.join(KINDS)}")
        keys = self.course.keys if isinstance(self.course, Keys) else ()
        if self.logarithmic and any(key.value <= 0 for key in keys):
            raise ValueError("a growth or geometric curve needs values above zero")

    def __str__(self) -> str:
        return str(self.course)

    @property
    def logarithmic(self) -> bool:
        """Whether the logarithms of the values are interpolated and integrated."""
        return self.geometric or self.kind == "growth"

    @property
    def constant(self) -> bool:
        """Whether at() is the same at every time."""
        value = self.course.constant_value
        return (
            value is not None and value == {"value": value, "rate": 0.0, "growth": 1.0}[self.kind]
        )

    def at(self, time: Fraction | float) -> float:
        """Returns the value at `time`. A Fraction stays exact up to the last operation."""
        if self.kind == "value":
            return self.interpolated(time)
        total = self.total(self.begins, time)
        return math.exp(total) if self.kind == "growth" else total

    def interpolated(self, time: Fraction | float) -> float:
        """Returns the course's value at `time`: of a rate the speed, not its integral."""
        return self.course.at(time, self.logarithmic)

    def total(self, start: Fraction | float, end: Fraction | float) -> float:
        """Returns the integral of a rate from `start` to `end`, or the log of a growth's factor.

        Only that stretch is integrated, so no digits are lost hours into a film. `end` may be
        before `start`.
        """
        if end < start:
            return -self.total(end, start)
        return self.course.area(start, end, self.logarithmic)

    def corners(self, start: Fraction | float, end: Fraction | float) -> set[Fraction | float]:
        """Returns the times between `start` and `end` at which the curve may not be smooth."""
        return set(self.course.corners(start, end, self.logarithmic))

    def extremes(self) -> tuple[float, float]:
        """Returns the least and the greatest value of the course: of a rate the speeds."""
        return self.course.extremes(self.logarithmic)

    def shifted(self, by: Fraction) -> Curve:
        """Returns what is left of the curve from `by` seconds on; a rate keeps what it has added up
        until then."""
        if not by:
            return self
        return replace(self, course=Shifted(self.course, by), begins=self.begins - by)

    def scaled(self, factor: float) -> Curve:
        """Returns the curve with every value of the course multiplied by `factor`.

        A growth or geometric curve needs a factor above 0.
        """
        return replace(self, course=self.course.scaled(factor))


@dataclass(frozen=True)
class Shifted:
    """A Course that begins at a later time of another: what is left of it from there."""

    course: Course
    by: Fraction  # seconds

    def __str__(self) -> str:
        return f"{self.course} from {float(self.by):g} s on"

    @property
    def constant_value(self) -> float | None:
        """As `Course.constant_value`."""
        return self.course.constant_value

    def at(self, time: Fraction | float, logarithmic: bool) -> float:
        """As `Course.at`."""
        return self.course.at(time + self.by, logarithmic)

    def area(self, start: Fraction | float, end: Fraction | float, logarithmic: bool) -> float:
        """As `Course.area`."""
        return self.course.area(start + self.by, end + self.by, logarithmic)

    def corners(
        self, start: Fraction | float, end: Fraction | float, logarithmic: bool
    ) -> Iterable[Fraction | float]:
        """As `Course.corners`."""
        found = self.course.corners(start + self.by, end + self.by, logarithmic)
        return [time - self.by for time in found]

    def extremes(self, logarithmic: bool) -> tuple[float, float]:
        """As `Course.extremes`, of the whole course."""
        return self.course.extremes(logarithmic)

    def scaled(self, factor: float) -> Shifted:
        """As `Course.scaled`."""
        return replace(self, course=self.course.scaled(factor))


def keyed(keys: Iterable[Key], kind: str = "value", geometric: bool = False) -> Curve:
    """Returns a curve through keys; raises ValueError as `Keys` and `Curve` do."""
    return Curve(Keys(tuple(keys)), kind, geometric)


def constant(value: float) -> Curve:
    """Returns a curve that is `value` at every time."""
    return keyed((Key(Fraction(0), value),))
