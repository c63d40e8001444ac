"""Curves through keys: interpolation, and the integrals of rates."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.curves.curve import Curve, Key, constant, keyed
from render.curves.easing import EASINGS

TIMES = st.fractions(min_value=0, max_value=20, max_denominator=1001)
HANDLES = st.tuples(st.floats(0, 1), st.floats(-1, 2), st.floats(0, 1), st.floats(-1, 2))
BEZIERS = HANDLES.map(lambda handles: "bezier({}, {}, {}, {})".format(*handles))
EASES = st.sampled_from(sorted(EASINGS)) | BEZIERS


@st.composite
def curves(draw: st.DrawFn, kind: str = "value", least: float = -100.0) -> Curve:
    times = sorted(draw(st.sets(TIMES, min_size=1, max_size=5)))
    values = st.floats(least, 100, allow_nan=False)
    return keyed(tuple(Key(time, draw(values), draw(EASES)) for time in times), kind)


def test_a_curve_meets_its_keys_and_is_constant_outside_them() -> None:
    curve = keyed((Key(Fraction(1), 2.0), Key(Fraction(3), 6.0)))
    assert [curve.at(Fraction(t)) for t in (0, 1, 2, 3, 9)] == [2.0, 2.0, 4.0, 6.0, 6.0]
    assert curve.at(1.5) == 3.0


def test_hold_jumps_at_its_key_only() -> None:
    curve = keyed((Key(Fraction(0), 1.0), Key(Fraction(2), 5.0, "hold")))
    assert curve.at(Fraction(1999, 1000)) == 1.0
    assert curve.at(Fraction(2)) == 5.0


def test_a_geometric_curve_interpolates_logarithms() -> None:
    curve = keyed((Key(Fraction(0), 1.0), Key(Fraction(2), 4.0)), geometric=True)
    assert curve.at(Fraction(1)) == pytest.approx(2.0)
    assert curve.at(Fraction(2)) == 4.0


def test_a_constant_rate_or_growth_is_exact() -> None:
    turn = keyed((Key(Fraction(0), 6.0),), "rate")
    assert turn.at(Fraction(5, 2)) == 15.0
    zoom = keyed((Key(Fraction(0), 1.08),), "growth")
    assert zoom.at(Fraction(3)) == pytest.approx(1.08**3, rel=1e-14)


def test_the_integral_of_a_linear_rate_is_quadratic() -> None:
    curve = keyed((Key(Fraction(0), 0.0), Key(Fraction(4), 8.0)), "rate")
    assert [curve.at(Fraction(t)) for t in (0, 2, 4, 6)] == [0.0, 4.0, 16.0, 32.0]


@given(curves("rate"), TIMES)
def test_a_rate_is_integrated(curve: Curve, end: Fraction) -> None:
    """Against the slow, obvious version: the sum of hundreds of rectangles."""
    value = Curve(curve.course)
    n = 300
    step = float(end) / n
    slow = sum(value.at((k + 0.5) * step) for k in range(n)) * step
    # The error of a rectangle is up to all of it at a jump or at a Bezier that nearly is one, and
    # of second order elsewhere.
    steep = sum(key.ease == "hold" or "(" in key.ease for key in curve.course.keys)
    near = 0.05 + 600 * step * steep + 100 * step * step
    assert curve.at(end) == pytest.approx(slow, rel=1e-3, abs=near)


@given(curves("rate"), TIMES, TIMES, TIMES)
def test_differences_of_an_integrated_rate_are_additive(
    curve: Curve, a: Fraction, b: Fraction, c: Fraction
) -> None:
    one_way = (curve.at(b) - curve.at(a)) + (curve.at(c) - curve.at(b))
    assert one_way == pytest.approx(curve.at(c) - curve.at(a), abs=1e-8)
    assert curve.at(Fraction(0)) == 0.0


@given(curves("rate"), st.tuples(TIMES, TIMES, TIMES).map(sorted))
def test_totals_are_additive(curve: Curve, times: list[Fraction]) -> None:
    a, b, c = times
    whole = curve.total(a, c)
    assert curve.total(a, b) + curve.total(b, c) == pytest.approx(whole, abs=1e-8, rel=1e-9)
    assert curve.total(c, a) == -whole


@given(curves("growth", least=0.1), TIMES, TIMES)
def test_growth_is_exp_of_the_integral_of_its_logarithm(
    curve: Curve, a: Fraction, b: Fraction
) -> None:
    logs = keyed(tuple(Key(k.time, math.log(k.value), k.ease) for k in curve.course.keys), "rate")
    assert math.log(curve.at(a) / curve.at(b)) == pytest.approx(logs.at(a) - logs.at(b), abs=1e-8)


@given(curves("rate"), st.integers(0, 100))
def test_a_pose_does_not_depend_on_fps(curve: Curve, half_seconds: int) -> None:
    """The frame number of a time differs with fps, but the value at that time does not."""
    time = Fraction(half_seconds, 2)
    for fps in (Fraction(12), Fraction(24), Fraction(60), Fraction(24000, 1001)):
        assert curve.at((time * fps) / fps) == curve.at(time)
        assert curve.at(float(time)) == pytest.approx(curve.at(time), abs=1e-9)


def test_constant_is_true_where_the_value_never_changes() -> None:
    assert constant(3.0).constant
    assert keyed((Key(Fraction(0), 1.0), Key(Fraction(1), 1.0))).constant
    assert not keyed((Key(Fraction(0), 1.0), Key(Fraction(1), 2.0))).constant
    assert keyed((Key(Fraction(0), 0.0),), "rate").constant
    assert not keyed((Key(Fraction(0), 5.0),), "rate").constant
    assert keyed((Key(Fraction(0), 1.0),), "growth").constant
    assert not keyed((Key(Fraction(0), 1.1),), "growth").constant


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
def test_invalid_curves_are_refused(keys: tuple[Key, ...], kind: str) -> None:
    with pytest.raises(ValueError, match="curve"):
        keyed(keys, kind)


@st.composite
def smooth_curves(draw: st.DrawFn, least: float = -100.0) -> Curve:
    times = sorted(draw(st.sets(st.integers(0, 200), min_size=2, max_size=6)))
    values = st.floats(least, 100).map(lambda value: round(value, 3))
    keys = (Key(Fraction(time, 10), draw(values), "smooth") for time in times)
    return keyed(keys, geometric=least > 0)


@given(smooth_curves() | smooth_curves(least=0.01), st.integers(1, 99))
def test_a_smooth_curve_meets_its_keys_and_never_overshoots(curve: Curve, share: int) -> None:
    keys = curve.course.keys
    for a, b in itertools.pairwise(keys):
        value = curve.at(a.time + (b.time - a.time) * Fraction(share, 100))
        low, high = sorted((a.value, b.value))
        assert low - 1e-9 <= value <= high + 1e-9
    assert [curve.at(key.time) for key in keys] == [key.value for key in keys]


@given(smooth_curves())
def test_a_smooth_curve_has_no_corners(curve: Curve) -> None:
    """Its slope just before a key is its slope just after it, and 0 at its ends."""
    keys = curve.course.keys
    short = 1e-6
    fastest = max(
        abs(b.value - a.value) / float(b.time - a.time) for a, b in itertools.pairwise(keys)
    )
    for key in keys:
        time = float(key.time)
        before = (curve.at(time) - curve.at(time - short)) / short
        behind = (curve.at(time + short) - curve.at(time)) / short
        assert before == pytest.approx(behind, abs=1e-2 + 1e-3 * fastest)


def test_smooth_has_the_slopes_of_pchip_at_inner_keys() -> None:
    """The slopes at inner keys are those of Fritsch and Butland, as SciPy's PchipInterpolator."""
    keys = [
        Key(Fraction(time), value, "smooth") for time, value in ((0, 0), (1, 1), (3, 2), (4, 5))
    ]
    curve = keyed(keys)
    short = 1e-7
    slopes = [(curve.at(time + short) - curve.at(time - short)) / (2 * short) for time in (1, 3)]
    # Secants 1, 1/2 and 3; weights 2*2+1 and 2+2*1, then 2*1+2 and 1+2*2.
    assert slopes == pytest.approx([9 / (5 / 1 + 4 / 0.5), 9 / (4 / 0.5 + 5 / 3)], abs=1e-5)


def test_smooth_has_slope_0_beside_a_jump_and_between_equal_keys() -> None:
    keys = ((0, 0.0, "linear"), (1, 3.0, "smooth"), (2, 9.0, "hold"), (3, 9.0, "smooth"))
    curve = keyed(Key(Fraction(time), value, ease) for time, value, ease in keys)
    assert curve.at(0.5) == 1.5  # slope 0 at both ends: half-way in the middle
    assert curve.at(2.5) == 9.0


@given(curves(), st.integers(0, 400))
def test_every_value_is_within_the_extremes(curve: Curve, step: int) -> None:
    low, high = curve.extremes()
    assert low - 1e-9 <= curve.at(Fraction(step, 20)) <= high + 1e-9


def test_scaling_scales_every_value() -> None:
    curve = keyed((Key(Fraction(0), 1.0), Key(Fraction(2), 5.0, "in")), "rate")
    assert curve.scaled(-1).at(2) == -curve.at(2)
    assert curve.scaled(0.5).interpolated(2) == 2.5


def test_corners_are_the_keys_between() -> None:
    curve = keyed(Key(Fraction(time), float(time)) for time in (0, 1, 2))
    assert curve.corners(0, 2) == {1}
    assert curve.corners(Fraction(1, 2), 1) == set()
