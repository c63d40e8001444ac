"""How the way from one value to the next is shaped: a share of the way for a share of the time."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from render.curves.quadrature import integral

Easing = Callable[[float], float]  # u in 0..1 to a share of the way, e(0) = 0 and e(1) = 1


def _linear(u: float) -> float:
    return u


def _hold(u: float) -> float:
    return 1.0 if u >= 1.0 else 0.0


def _in_out(u: float) -> float:
    return u * u * (3.0 - 2.0 * u)


# A new easing is a row. Polynomials on purpose: their integrals come out exact in `area`.
EASINGS: dict[str, Easing] = {
    "linear": _linear,
    "smooth": _in_out,  # between two keys; among more it is shaped by its neighbours, in curves.py
    "in": lambda u: u * u,
    "out": lambda u: u * (2.0 - u),
    "in-out": _in_out,
    "smoother": lambda u: u * u * u * (10.0 + u * (6.0 * u - 15.0)),
    "hold": _hold,
}
BEZIER_FORM = "bezier(0.4, 0, 0.2, 1)"
BEZIER_HEIGHT = (-1.0, 2.0)  # of a handle: how far the way may swing beyond its ends


@dataclass(frozen=True)
class Bezier:
    """CSS's cubic-bezier(): from (0, 0) to (1, 1), pulled by handles (x1, y1) and (x2, y2).

    With both x in 0..1 there is one share of the way for every time (CSS Easing Functions Level 1,
    section 2.2); y may leave 0..1, and the way then swings beyond its ends.
    """

    x1: float
    y1: float
    x2: float
    y2: float

    def __call__(self, u: float) -> float:
        if u <= 0.0 or u >= 1.0:
            return float(u > 0.0)
        return _bernstein(self.y1, self.y2, self._parameter(u))

    def area(self, u: float) -> float:
        """The integral from 0 to u: of y dx along the curve, which is a polynomial."""
        return integral(
            lambda s: _bernstein(self.y1, self.y2, s) * _slope(self.x1, self.x2, s),
            0.0,
            self._parameter(u),
        )

    def span(self) -> tuple[float, float]:
        """The least and the greatest share of the way: 0 and 1, or beyond."""
        # _slope(y1, y2, s) is a quadratic in s; where it is 0 the curve turns.
        a, b, c = 3 * self.y1 - 3 * self.y2 + 1, 2 * self.y2 - 4 * self.y1, self.y1
        turns: list[float] = []
        if abs(a) < 1e-12:
            turns = [-c / b] if abs(b) > 1e-12 else []
        elif (under := b * b - 4 * a * c) >= 0:
            turns = [(-b - math.sqrt(under)) / (2 * a), (-b + math.sqrt(under)) / (2 * a)]
        heights = [_bernstein(self.y1, self.y2, s) for s in turns if 0 < s < 1]
        return min(0.0, *heights, 1.0), max(0.0, *heights, 1.0)

    def _parameter(self, u: float) -> float:
        """Where along the curve x is u: Newton's steps, halving where one would lead astray."""
        if u <= 0.0 or u >= 1.0:
            return float(u > 0.0)
        low, high, s = 0.0, 1.0, u
        for _ in range(100):
            missed = _bernstein(self.x1, self.x2, s) - u
            if missed == 0.0:
                break
            low, high = (low, s) if missed > 0 else (s, high)
            slope = _slope(self.x1, self.x2, s)
            step = s - missed / slope if slope > 0 else low
            nearer = step if low < step < high else (low + high) / 2
            if abs(nearer - s) < 1e-15:
                break
            s = nearer
        return s


def _bernstein(first: float, second: float, s: float) -> float:
    """The cubic from 0 to 1 with these two handles, at s in 0..1."""
    rest = 1.0 - s
    return s * (3.0 * rest * (rest * first + s * second) + s * s)


def _slope(first: float, second: float, s: float) -> float:
    """Its derivative."""
    rest = 1.0 - s
    return 3.0 * (rest * rest * first + 2.0 * rest * s * (second - first) + s * s * (1.0 - second))


def hermite(leaving: float, arriving: float) -> Easing:
    """The cubic from 0 to 1 with these slopes; within 0..3 both, it never overshoots or turns
    (Fritsch & Carlson 1980)."""
    square, cube = 3.0 - 2.0 * leaving - arriving, leaving + arriving - 2.0
    return lambda u: u * (leaving + u * (square + u * cube))


@lru_cache(maxsize=1024)
def easing(name: str) -> Easing:
    """An easing by what a storyboard calls it: a name in EASINGS, or BEZIER_FORM.

    Raises ValueError with a sentence for handles that are none; KeyError for an unknown name.
    """
    match = re.fullmatch(r"\s*(?:cubic-)?bezier\s*\((.*)\)\s*", name)
    if match is None:
        return EASINGS[name]
    try:
        handles = [float(part) for part in re.split(r"\s*,\s*|\s+", match[1].strip())]
    except ValueError:
        handles = []
    if len(handles) != 4 or not all(map(math.isfinite, handles)):
        raise ValueError(f"does not have four numbers. Write one such as {BEZIER_FORM}")
    x1, y1, x2, y2 = handles
    for x in (x1, x2):
        if not 0 <= x <= 1:
            raise ValueError(
                f"has the handle x {x:g}, and time cannot run backwards. Write an x from 0 to 1"
            )
    low, high = BEZIER_HEIGHT
    for y in (y1, y2):
        if not low <= y <= high:
            raise ValueError(f"has the handle y {y:g}. Write a y from {low:g} to {high:g}")
    return Bezier(x1, y1, x2, y2)


def area(ease: Easing, u: float) -> float:
    """The integral of an easing from 0 to u, u in 0..1. Closed form where it is linear."""
    if ease is _linear:
        return u * u / 2
    return ease.area(u) if isinstance(ease, Bezier) else integral(ease, 0.0, u)


def span(ease: Easing) -> tuple[float, float]:
    """The least and the greatest share of the way."""
    return ease.span() if isinstance(ease, Bezier) else (0.0, 1.0)
