"""Easings: functions from the share of time between two keys to the share of their difference."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from render.curves.quadrature import integral

# From u in 0..1, the share of the time, to the share of the difference; e(0) = 0 and e(1) = 1.
Easing = Callable[[float], float]


def _linear(u: float) -> float:
    return u


def _hold(u: float) -> float:
    return 1.0 if u >= 1.0 else 0.0


def _in_out(u: float) -> float:
    return u * u * (3.0 - 2.0 * u)


# A new easing is a row. All are polynomials, whose integrals `area` computes exactly.
EASINGS: dict[str, Easing] = {
    "linear": _linear,
    # Between two keys only; with more keys `Keys` in curve.py shapes it by the keys beside it.
    "smooth": _in_out,
    "in": lambda u: u * u,
    "out": lambda u: u * (2.0 - u),
    "in-out": _in_out,
    "smoother": lambda u: u * u * u * (10.0 + u * (6.0 * u - 15.0)),
    "hold": _hold,
}
BEZIER_FORM = "bezier(0.4, 0, 0.2, 1)"
BEZIER_HEIGHT = (-1.0, 2.0)  # the range of a handle's y: how far a curve may overshoot its keys


@dataclass(frozen=True)
class Bezier:
    """CSS's cubic-bezier(): the curve from (0, 0) to (1, 1) with handles (x1, y1) and (x2, y2).

    With both x in 0..1 every time has exactly one value (CSS Easing Functions Level 1, section
    2.2). Each y may lie outside 0..1, and the curve then overshoots its ends.
    """

    x1: float
    y1: float
    x2: float
    y2: float

    def __call__(self, u: float) -> float:
        """Returns y where x is `u`; 0 below 0 and 1 above 1."""
        if u <= 0.0 or u >= 1.0:
            return float(u > 0.0)
        return _bernstein(self.y1, self.y2, self._parameter(u))

    def area(self, u: float) -> float:
        """Returns the integral of y dx from x = 0 to x = `u`: of a polynomial, so it is exact."""
        return integral(
            lambda s: _bernstein(self.y1, self.y2, s) * _bernstein_slope(self.x1, self.x2, s),
            0.0,
            self._parameter(u),
        )

    def span(self) -> tuple[float, float]:
        """Returns the least and the greatest y: (0, 1), or wider where the curve overshoots."""
        # The derivative of y is a quadratic in s; y has its extremes where that is 0.
        a, b, c = 3 * self.y1 - 3 * self.y2 + 1, 2 * self.y2 - 4 * self.y1, self.y1
        roots: list[float] = []
        if abs(a) < 1e-12:
            roots = [-c / b] if abs(b) > 1e-12 else []
        elif (discriminant := b * b - 4 * a * c) >= 0:
            root = math.sqrt(discriminant)
            roots = [(-b - root) / (2 * a), (-b + root) / (2 * a)]
        heights = [_bernstein(self.y1, self.y2, s) for s in roots if 0 < s < 1]
        return min(0.0, *heights, 1.0), max(0.0, *heights, 1.0)

    def _parameter(self, u: float) -> float:
        """Returns the parameter s at which x is `u`: Newton's method, bisecting where it fails."""
        if u <= 0.0 or u >= 1.0:
            return float(u > 0.0)
        low, high, s = 0.0, 1.0, u
        for _ in range(100):
            error = _bernstein(self.x1, self.x2, s) - u
            if error == 0.0:
                break
            low, high = (low, s) if error > 0 else (s, high)
            slope = _bernstein_slope(self.x1, self.x2, s)
            newton = s - error / slope if slope > 0 else low
            following = newton if low < newton < high else (low + high) / 2
            if abs(following - s) < 1e-15:
                break
            s = following
        return s


def _bernstein(first: float, second: float, s: float) -> float:
    """Returns the cubic Bezier polynomial from 0 to 1 with these two handles, at s in 0..1."""
    rest = 1.0 - s
    return s * (3.0 * rest * (rest * first + s * second) + s * s)


def _bernstein_slope(first: float, second: float, s: float) -> float:
    """Returns the derivative of `_bernstein` by s."""
    rest = 1.0 - s
    return 3.0 * (rest * rest * first + 2.0 * rest * s * (second - first) + s * s * (1.0 - second))


def hermite(start_slope: float, end_slope: float) -> Easing:
    """Returns the cubic from 0 to 1 with these slopes at its ends.

    With both slopes in 0..3 it is monotonic and never overshoots (Fritsch & Carlson 1980).
    """
    square, cube = 3.0 - 2.0 * start_slope - end_slope, start_slope + end_slope - 2.0
    return lambda u: u * (start_slope + u * (square + u * cube))


@lru_cache(maxsize=1024)
def easing(name: str) -> Easing:
    """Returns the easing of this name: one of EASINGS, or a text such as BEZIER_FORM.

    Raises KeyError for an unknown name, and ValueError for invalid handles; its text is the end of
    a sentence that begins with the name.
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
    """Returns the integral of an easing from 0 to `u` in 0..1, exact for polynomials and Beziers.

    That of "hold", which is 0 until it jumps at 1, is exactly 0.
    """
    if ease is _linear:
        return u * u / 2
    return ease.area(u) if isinstance(ease, Bezier) else integral(ease, 0.0, u)


def span(ease: Easing) -> tuple[float, float]:
    """Returns the least and the greatest value: (0, 1), or wider for a Bezier that overshoots."""
    return ease.span() if isinstance(ease, Bezier) else (0.0, 1.0)
