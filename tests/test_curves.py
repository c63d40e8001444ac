"""Curves: easings, interpolation, and that rates add up."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.curves import EASINGS, GAUSS_LEGENDRE, Curve, Key, constant

TIMES = st.fractions(min_value=0, max_value=20, max_denominator=1001)
EASES = st.sampled_from(sorted(EASINGS))


@st.composite
def curves(draw: st.DrawFn, kind: str = "value", least: float = -100.0) -> Curve:
    times = sorted(draw(st.sets(TIMES, min_size=1, max_size=5)))
    values = st.floats(least, 100, allow_nan=False)
    return Curve(tuple(Key(time, draw(values), draw(EASES)) for time in times), kind)


@pytest.mark.parametrize("name", EASINGS)
def test_easings_begin_at_0_end_at_1_and_never_turn_back(name: str) -> None:
    e = EASINGS[name]
    assert e(0.0) == 0.0
    assert e(1.0) == 1.0
    steps = [e(k / 100) for k in range(101)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(steps))


def test_gauss_legendre_table_is_the_published_one() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(16)
    assert np.allclose([node for node, _ in GAUSS_LEGENDRE], nodes[8:], atol=1e-15)
    assert np.allclose([weight for _, weight in GAUSS_LEGENDRE], weights[8:], atol=1e-15)


def test_values_hold_outside_their_keys_and_meet_them() -> None:
    curve = Curve((Key(Fraction(1), 2.0), Key(Fraction(3), 6.0)))
    assert [curve.at(Fraction(t)) for t in (0, 1, 2, 3, 9)] == [2.0, 2.0, 4.0, 6.0, 6.0]
    assert curve.at(1.5) == 3.0


def test_hold_jumps_at_its_key() -> None:
    curve = Curve((Key(Fraction(0), 1.0), Key(Fraction(2), 5.0, "hold")))
    assert curve.at(Fraction(1999, 1000)) == 1.0
    assert curve.at(Fraction(2)) == 5.0


def test_geometric_zoom_is_even() -> None:
    curve = Curve((Key(Fraction(0), 1.0), Key(Fraction(2), 4.0)), geometric=True)
    assert curve.at(Fraction(1)) == pytest.approx(2.0)
    assert curve.at(Fraction(2)) == 4.0


def test_constant_rates_and_growth_are_exact() -> None:
    turn = Curve((Key(Fraction(0), 6.0),), "rate")
    assert turn.at(Fraction(5, 2)) == 15.0
    zoom = Curve((Key(Fraction(0), 1.08),), "growth")
    assert zoom.at(Fraction(3)) == pytest.approx(1.08**3, rel=1e-14)


def test_a_linear_rate_adds_up_like_a_triangle() -> None:
    curve = Curve((Key(Fraction(0), 0.0), Key(Fraction(4), 8.0)), "rate")
    assert [curve.at(Fraction(t)) for t in (0, 2, 4, 6)] == [0.0, 4.0, 16.0, 32.0]


@given(curves("rate"), TIMES)
def test_a_rate_is_the_sum_of_its_small_steps(curve: Curve, end: Fraction) -> None:
    """The slow, obvious version: thousands of rectangles under the interpolated value."""
    value = Curve(curve.keys)
    n = 2000
    step = float(end) / n
    slow = sum(value.at((k + 0.5) * step) for k in range(n)) * step
    holds = sum(key.ease == "hold" for key in curve.keys)  # a jump costs up to one rectangle
    assert curve.at(end) == pytest.approx(slow, rel=1e-3, abs=0.05 + 200 * step * holds)


@given(curves("rate"), TIMES, TIMES, TIMES)
def test_differences_of_a_rate_are_additive(
    curve: Curve, a: Fraction, b: Fraction, c: Fraction
) -> None:
    one_way = (curve.at(b) - curve.at(a)) + (curve.at(c) - curve.at(b))
    assert one_way == pytest.approx(curve.at(c) - curve.at(a), abs=1e-8)
    assert curve.at(Fraction(0)) == 0.0


@given(curves("growth", least=0.1), TIMES, TIMES)
def test_growth_multiplies(curve: Curve, a: Fraction, b: Fraction) -> None:
    logs = Curve(tuple(Key(k.time, math.log(k.value), k.ease) for k in curve.keys), "rate")
    assert math.log(curve.at(a) / curve.at(b)) == pytest.approx(logs.at(a) - logs.at(b), abs=1e-8)


@given(curves("rate"), st.integers(0, 100))
def test_a_pose_does_not_depend_on_fps(curve: Curve, half_seconds: int) -> None:
    """The same moment is frame 12n, 24n, 60n or not even a whole frame; the pose is one."""
    time = Fraction(half_seconds, 2)
    for fps in (Fraction(12), Fraction(24), Fraction(60), Fraction(24000, 1001)):
        assert curve.at((time * fps) / fps) == curve.at(time)
        assert curve.at(float(time)) == pytest.approx(curve.at(time), abs=1e-9)


def test_constant_says_whether_anything_changes() -> None:
    assert constant(3.0).constant
    assert Curve((Key(Fraction(0), 1.0), Key(Fraction(1), 1.0))).constant
    assert not Curve((Key(Fraction(0), 1.0), Key(Fraction(1), 2.0))).constant
    assert Curve((Key(Fraction(0), 0.0),), "rate").constant
    assert not Curve((Key(Fraction(0), 5.0),), "rate").constant
    assert Curve((Key(Fraction(0), 1.0),), "growth").constant
    assert not Curve((Key(Fraction(0), 1.1),), "growth").constant


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ((), "value"),
        ((Key(Fraction(1), 1.0), Key(Fraction(1), 2.0)), "value"),
        ((Key(Fraction(2), 1.0), Key(Fraction(1), 2.0)), "value"),
        ((Key(Fraction(0), 1.0),), "speed"),
        ((Key(Fraction(0), 0.0),), "growth"),
    ],
)
def test_impossible_curves_are_refused(keys: tuple[Key, ...], kind: str) -> None:
    with pytest.raises(ValueError, match="curve"):
        Curve(keys, kind)
