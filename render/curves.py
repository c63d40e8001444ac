"""Numbers that change over time: keys, easings, and what a rate adds up to."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction


def _hold(u: float) -> float:
    return 1.0 if u >= 1.0 else 0.0


# How the way from one key to the next is shaped: u in 0..1 to a share of the way, e(0)=0, e(1)=1.
# Polynomials on purpose: their integrals come out exact in `_eased_area`.
EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda u: u,
    "in": lambda u: u * u,
    "out": lambda u: u * (2.0 - u),
    "in-out": lambda u: u * u * (3.0 - 2.0 * u),
    "smoother": lambda u: u * u * u * (10.0 + u * (6.0 * u - 15.0)),
    "hold": _hold,
}

KINDS = ("value", "rate", "growth")


@dataclass(frozen=True)
class Key:
    """A value at a time in seconds; `ease` shapes the way from the key before to this one."""

    time: Fraction
    value: float
    ease: str = "linear"


@dataclass(frozen=True)
class Curve:
    """A number over time, in seconds. Before its first key and after its last, the value holds.

    kind "value":  at(t) is the interpolated value.
    kind "rate":   the keys are units per second; at(t) is what they add up to from 0 to t.
    kind "growth": the keys are factors per second; at(t) is what they multiply to from 0 to t,
                   exp of the integral of ln(key), so growth is interpolated between logarithms.
    geometric interpolates a "value" curve between logarithms too: a zoom from 1 to 4 passes 2
    half-way, and looks even. Growth and geometric curves need values above zero.
    """

    keys: tuple[Key, ...]
    kind: str = "value"
    geometric: bool = False

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("a curve needs at least one key")
        if any(a.time >= b.time for a, b in itertools.pairwise(self.keys)):
            raise ValueError("a curve's keys must be in order of time, each time once")
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of curve {self.kind!r}: one of {', '.join(KINDS)}")
        if (self.geometric or self.kind == "growth") and min(key.value for key in self.keys) <= 0:
            raise ValueError("a growth or geometric curve needs values above zero")

    @property
    def constant(self) -> bool:
        """Whether at() is the same at every time."""
        still = {"value": self.keys[0].value, "rate": 0.0, "growth": 1.0}[self.kind]
        return all(key.value == still for key in self.keys)

    def at(self, time: Fraction | float) -> float:
        """The value at `time` in seconds. A Fraction stays exact up to the last operation."""
        if self.kind == "value":
            return self.interpolated(time)
        total = self.total(Fraction(0), time)
        return math.exp(total) if self.kind == "growth" else total

    def interpolated(self, time: Fraction | float) -> float:
        """The keys' own value at `time`: of a rate the speed, not what it adds up to."""
        keys = self.keys
        if len(keys) == 1:
            return keys[0].value
        after = bisect.bisect_right(keys, time, key=lambda key: key.time)
        if after == 0 or after == len(keys):
            return keys[max(after - 1, 0)].value
        a, b = keys[after - 1], keys[after]
        way = EASINGS[b.ease](float((time - a.time) / (b.time - a.time)))
        if self.geometric:
            return float(a.value * (b.value / a.value) ** way)
        return a.value + (b.value - a.value) * way

    def _level(self, key: Key) -> float:
        """What is summed up: units per second, or the logarithm of a factor per second."""
        return math.log(key.value) if self.kind == "growth" else key.value

    def total(self, start: Fraction | float, end: Fraction | float) -> float:
        """What a rate adds up to from `start` to `end`, or the logarithm of a growth's factor.

        It is summed up over that stretch alone: hours into a film nothing is lost to rounding.
        """
        if end < start:
            return -self.total(end, start)
        keys = self.keys
        first, last = keys[0], keys[-1]
        if first is last:
            return self._level(first) * float(end - start)
        total = 0.0
        if start < first.time:
            total += self._level(first) * float(min(end, first.time) - start)
        for a, b in itertools.pairwise(keys):
            if start < b.time and a.time < end:
                length = b.time - a.time
                u, until = (
                    float((min(max(time, a.time), b.time) - a.time) / length)
                    for time in (start, end)
                )
                rise = self._level(b) - self._level(a)
                eased = _eased_area(b.ease, until) - _eased_area(b.ease, u)
                total += float(length) * (self._level(a) * (until - u) + rise * eased)
        if end > last.time:
            total += self._level(last) * float(end - max(start, last.time))
        return total


def constant(value: float) -> Curve:
    """A curve that is `value` at every time."""
    return Curve((Key(Fraction(0), value),))


# Gauss-Legendre nodes and weights on -1..1, 16 points: half of them, the rest mirror these.
# Abramowitz and Stegun, table 25.4. Exact for polynomials up to degree 31.
GAUSS_LEGENDRE = (
    (0.09501250983763744, 0.18945061045506850),
    (0.28160355077925891, 0.18260341504492359),
    (0.45801677765722739, 0.16915651939500254),
    (0.61787624440264375, 0.14959598881657673),
    (0.75540440835500303, 0.12462897125553387),
    (0.86563120238783174, 0.09515851168249278),
    (0.94457502307323258, 0.06225352393864789),
    (0.98940093499164993, 0.02715245941175409),
)


def _eased_area(ease: str, u: float) -> float:
    """The integral of an easing from 0 to u, u in 0..1. Closed form where it is linear."""
    if ease == "linear":
        return u * u / 2
    e = EASINGS[ease]
    half = u / 2
    return half * sum(
        weight * (e(half * (1 - node)) + e(half * (1 + node))) for node, weight in GAUSS_LEGENDRE
    )
