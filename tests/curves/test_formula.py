"""Formulas over time: their variables at any frame rate, values, integrals and errors."""

from __future__ import annotations

import math
import pickle
import time
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from render.curves.curve import Curve
from render.curves.expression import parse
from render.curves.formula import Clock, Formula, FormulaError

CLOCK = Clock(Fraction(10), Fraction(24), Fraction(1, 4), Fraction(3), Fraction(120))
TIMES = st.fractions(0, 10, max_denominator=1001)


def formula(text: str, clock: Clock = CLOCK) -> Formula:
    return Formula(parse(text), clock)


def rate(text: str) -> Curve:
    return Curve(formula(text), "rate")


def test_the_values_of_the_variables() -> None:
    readings = CLOCK.values(["t", "u", "f", "n", "beat"], Fraction(5, 2))
    assert readings == {"t": 2.5, "u": 0.25, "f": 60.0, "n": 10.0, "beat": 11.0}


@pytest.mark.parametrize("fps", [Fraction(12), Fraction(24), Fraction(24000, 1001), Fraction(60)])
def test_frames_keyframes_and_beats_are_whole_at_their_times(fps: Fraction) -> None:
    clock = Clock(Fraction(9), fps, Fraction(1, 3), Fraction(1, 7), Fraction(97))
    for number in range(100):
        assert formula("floor(f)", clock).at(number / fps) == min(number, math.floor(9 * fps))
        assert formula("floor(n)", clock).at(number * clock.every) == min(number, 27)
        if (time := Fraction(number * 60, 97) - clock.start) >= 0:
            assert formula("floor(beat)", clock).at(time) == min(number, 14)


@given(TIMES, st.sampled_from(["12", "24", "24000/1001", "60"]))
def test_a_formula_of_seconds_does_not_depend_on_fps(time: Fraction, fps: str) -> None:
    other = Clock(CLOCK.duration, Fraction(fps), CLOCK.every, CLOCK.start, CLOCK.bpm)
    text = "1 + sin(t) * u + floor(beat) / (n + 1)"
    assert formula(text, other).at(time) == formula(text).at(time)


def test_a_formula_is_constant_outside_its_shot() -> None:
    rising = rate("t")
    assert (rising.interpolated(-1), rising.interpolated(12)) == (0.0, 10.0)
    assert rising.total(Fraction(10), Fraction(12)) == pytest.approx(20.0)
    assert rising.total(-2, 1) == pytest.approx(0.5)
    assert rising.total(-2, -1) == 0.0


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("t", lambda t: t * t / 2),
        ("sin(tau*t)", lambda t: (1 - math.cos(math.tau * t)) / math.tau),
        ("exp(-t)", lambda t: 1 - math.exp(-t)),
        ("abs(t - pi)", lambda t: (math.pi**2 + (t - math.pi) * abs(t - math.pi)) / 2),
        ("floor(t)", lambda t: math.floor(t) * (math.floor(t) - 1) / 2 + t % 1 * math.floor(t)),
        ("1 if t > pi else 0", lambda t: max(0, t - math.pi)),
        ("sqrt(t)", lambda t: t**1.5 / 1.5),
    ],
)
def test_integrals_are_exact(text: str, exact: object) -> None:
    curve = rate(text)
    for step in range(41):
        end = step / 4
        assert curve.at(end) == pytest.approx(exact(end), abs=1e-9), end  # type: ignore[operator]


INTEGRANDS = [
    "sin(3*t)*u", "floor(beat) % 3", "abs(sin(beat))", "fract(t*1.7)", "0 if t < 4.4 else t",
    "sqrt(u)", "max(0, 1 - 4*abs(fract(beat) - 0.5))", "1/(0.001 + (t-3)**2)",
]  # fmt: skip


@settings(deadline=None)
@given(st.sampled_from(INTEGRANDS), st.tuples(TIMES, TIMES, TIMES).map(sorted))
@example("fract(t*1.7)", [Fraction(0), Fraction(10, 17), Fraction(10)])
def test_totals_are_additive(text: str, times: list[Fraction]) -> None:
    a, b, c = times
    curve = rate(text)
    whole = curve.total(a, c)
    assert curve.total(a, b) + curve.total(b, c) == pytest.approx(whole, abs=1e-9, rel=1e-11)
    assert curve.total(c, a) == -whole


@given(TIMES, TIMES)
def test_growth_by_a_formula_is_exp_of_the_integral_of_its_logarithm(
    a: Fraction, b: Fraction
) -> None:
    curve = Curve(formula("exp(sin(t))"), "growth")
    expected = math.exp((1 - math.cos(b)) - (1 - math.cos(a)))
    assert curve.at(b) / curve.at(a) == pytest.approx(expected, rel=1e-9)


def test_corners_are_where_a_formula_jumps() -> None:
    corners = rate("0 if t < pi else 1").corners(Fraction(3), Fraction(13, 4))
    assert min(abs(time - math.pi) for time in corners) < 1e-9
    assert rate("sin(t)").corners(Fraction(1, 8), Fraction(1, 4)) == set()


def test_extremes_and_scaling() -> None:
    curve = Curve(formula("2 + sin(tau*t)"))
    assert curve.extremes() == pytest.approx((1.0, 3.0))
    assert curve.scaled(-1).extremes() == pytest.approx((-3.0, -1.0))
    assert str(curve.scaled(-1)) == "-(2 + sin(tau*t))"
    assert not curve.constant
    assert pickle.loads(pickle.dumps(curve)) == curve


def test_a_mistake_names_the_first_frame_or_keyframe() -> None:
    assert formula("1/(f - 37)").mistake(-9, 9) == "at frame 37 (1.54167 s) divides by zero"
    assert formula("t").mistake(0, 9) == "at frame 217 (9.04167 s) is 9.04167"
    assert formula("u").mistake(0, 0.9999) == "at its end (10 s) is 1"
    slow = Clock(Fraction(10), Fraction(1), Fraction(1, 4))
    assert formula("sqrt(n - 1.5)**2 + 1/(n - 3)", slow).mistake(-9, 9) is not None
    assert formula("1/(n - 3)", slow).mistake(-9, 9) == "at keyframe 3 (0.75 s) divides by zero"
    assert formula("t").mistake(0, 10) is None


def test_a_missing_value_between_frames_is_an_error() -> None:
    with pytest.raises(FormulaError, match=r"the formula '1/\(t - 0.3\)' divides by zero at 0.3 s"):
        formula("1/(t - 0.3)").at(0.3)
    with pytest.raises(FormulaError, match="Keep it above 0"):
        Curve(formula("t - 5"), "growth").at(4)


@pytest.mark.parametrize("text", ["sin(1e7*t)", "floor(1e5*t) % 2", "tan(40*t)"])
def test_the_work_for_a_rapidly_changing_formula_is_limited(text: str) -> None:
    start = time.perf_counter()
    rate(text).at(Fraction(10))
    assert time.perf_counter() - start < 8


def test_a_very_long_shot_is_checked_at_evenly_spaced_frames() -> None:
    day = Clock(Fraction(36_000), Fraction(240), Fraction(1, 100))
    names = [name for name, _ in day.moments()]
    assert len(names) <= 20_001
    assert names[0] == "frame 0 (0 s)"
    assert names[-1] == "its end (36000 s)"
