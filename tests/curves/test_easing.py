"""Easings: their ends, the handles of a Bezier, and the areas under them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from render.curves.easing import EASINGS, Bezier, area, easing, hermite, span
from render.curves.quadrature import GAUSS_LEGENDRE, integral

SHARES = st.floats(0, 1)
HEIGHTS = st.floats(-1, 2)
BEZIERS = st.builds(Bezier, SHARES, HEIGHTS, SHARES, HEIGHTS)


@pytest.mark.parametrize("name", EASINGS)
def test_easings_begin_at_0_end_at_1_and_are_monotonic(name: str) -> None:
    e = EASINGS[name]
    assert e(0.0) == 0.0
    assert e(1.0) == 1.0
    steps = [e(k / 100) for k in range(101)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(steps))


def test_gauss_legendre_table_is_the_published_one() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(16)
    assert np.allclose([node for node, _ in GAUSS_LEGENDRE], nodes[8:], atol=1e-15)
    assert np.allclose([weight for _, weight in GAUSS_LEGENDRE], weights[8:], atol=1e-15)


@given(st.integers(0, 31), st.floats(-2, 2), st.floats(-2, 2))
def test_an_integral_of_a_polynomial_is_exact(degree: int, start: float, end: float) -> None:
    exact = (end ** (degree + 1) - start ** (degree + 1)) / (degree + 1)
    scale = max(1.0, abs(start), abs(end)) ** (degree + 1)
    assert integral(lambda x: x**degree, start, end) == pytest.approx(exact, abs=1e-12 * scale)


def on_the_curve(bezier: Bezier, s: float) -> tuple[float, float]:
    """The slow, obvious version: de Casteljau's algorithm on the four control points."""
    points = [(0.0, 0.0), (bezier.x1, bezier.y1), (bezier.x2, bezier.y2), (1.0, 1.0)]
    while len(points) > 1:
        points = [
            (a[0] + (b[0] - a[0]) * s, a[1] + (b[1] - a[1]) * s)
            for a, b in itertools.pairwise(points)
        ]
    return points[0]


@given(BEZIERS, SHARES)
@example(Bezier(1, 0, 0, 1), 0.5)  # x has slope 0 in the middle
@example(Bezier(0, 1, 0, 1), 0.0)  # and here at its start
@example(Bezier(1, 2, 1, -1), 0.999)
def test_a_bezier_goes_through_its_own_points(bezier: Bezier, s: float) -> None:
    x, y = on_the_curve(bezier, s)
    # Where x hardly changes, y is ill-conditioned: compare with the range of y close by.
    near = [on_the_curve(bezier, min(1.0, max(0.0, s + d)))[1] for d in (-2e-5, 0, 2e-5)]
    assert min(near) - 1e-4 <= bezier(x) <= max(near) + 1e-4
    slope = on_the_curve(bezier, min(1, s + 1e-6))[0] - on_the_curve(bezier, max(0, s - 1e-6))[0]
    if slope > 1e-7:
        assert bezier(x) == pytest.approx(y, abs=1e-9)


def test_beziers_of_the_css_specification() -> None:
    ease = Bezier(0.25, 0.1, 0.25, 1)  # CSS's `ease`; values as browsers give them
    assert [round(ease(u), 4) for u in (0.25, 0.5, 0.75)] == [0.4085, 0.8024, 0.9605]
    assert Bezier(1 / 3, 1 / 3, 2 / 3, 2 / 3)(0.3) == pytest.approx(0.3)
    assert Bezier(0.3, 0, 0.7, 1)(0.5) == pytest.approx(0.5)


@given(BEZIERS)
def test_a_bezier_begins_at_0_and_ends_at_1(bezier: Bezier) -> None:
    assert (bezier(0.0), bezier(1.0)) == (0.0, 1.0)


@given(BEZIERS, SHARES)
def test_a_bezier_stays_within_its_span(bezier: Bezier, u: float) -> None:
    low, high = bezier.span()
    assert low - 1e-12 <= bezier(u) <= high + 1e-12
    heights = [on_the_curve(bezier, s / 2000)[1] for s in range(2001)]
    assert (min(heights), max(heights)) == pytest.approx((low, high), abs=1e-5)


def test_span_of_a_polynomial_is_0_to_1() -> None:
    assert span(EASINGS["smoother"]) == (0.0, 1.0)
    assert span(easing("bezier(0.3, -0.5, 0.7, 1.5)"))[0] < 0


@given(BEZIERS | st.sampled_from(list(EASINGS.values())), SHARES)
def test_an_area_is_the_integral_of_the_easing(e: Bezier, u: float) -> None:
    steps = 400
    slow = sum(e((k + 0.5) / steps * u) for k in range(steps)) * u / steps
    jump = 2.0 / steps  # of hold, and of a Bezier that nearly jumps
    assert area(e, u) == pytest.approx(slow, abs=jump)


def test_the_area_of_a_straight_bezier_is_exact() -> None:
    straight = Bezier(0.2, 0.2, 0.9, 0.9)
    assert area(straight, 0.6) == pytest.approx(0.18, abs=1e-15)


@given(st.floats(0, 3), st.floats(0, 3), SHARES, SHARES)
def test_hermite_is_monotonic(leaving: float, arriving: float, a: float, b: float) -> None:
    e = hermite(leaving, arriving)
    assert (e(0.0), e(1.0)) == (0.0, pytest.approx(1.0))
    assert e(min(a, b)) <= e(max(a, b)) + 1e-12


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("bezier(0.1, 0.2, 0.3)", "four numbers"),
        ("bezier(0.1, 0.2, 0.3, x)", "four numbers"),
        ("bezier(0.1, nan, 0.3, 1)", "four numbers"),
        ("bezier()", "four numbers"),
        ("bezier(1.2, 0, 0.3, 1)", "the handle x 1.2, and time cannot run backwards"),
        ("bezier(0, 0, -0.1, 1)", "the handle x -0.1"),
        ("bezier(0, 3, 1, 1)", "the handle y 3. Write a y from -1 to 2"),
    ],
)
def test_invalid_handles_are_refused(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        easing(name)


def test_easings_are_found_by_name() -> None:
    assert easing("in") is EASINGS["in"]
    assert easing(" cubic-bezier( .4,0, 0.2 ,1 )") == Bezier(0.4, 0, 0.2, 1)
    with pytest.raises(KeyError):
        easing("bounce")
