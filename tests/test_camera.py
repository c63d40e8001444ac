"""Poses compose, and every field of the camera moves the picture the way it says."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.camera import IDENTITY, between, inverse, matrix, moves, multiply
from render.curves import Curve, Key, constant
from render.storyboard import Camera

WIDE = (16 / 9, 1.0)


def rate(value: float, kind: str = "rate") -> Curve:
    return Curve((Key(Fraction(0), value),), kind=kind)


MOVING = Camera(zoom=rate(1.3, "growth"), x=rate(0.1), y=rate(-0.07), angle=rate(20))
times = st.fractions(0, 10, max_denominator=60)


@given(times, times, times)
def test_moves_compose(a: Fraction, b: Fraction, c: Fraction) -> None:
    two_steps = multiply(between(MOVING, b, c, WIDE), between(MOVING, a, b, WIDE))
    assert two_steps == pytest.approx(between(MOVING, a, c, WIDE), abs=1e-7)


@given(times)
def test_inverse_undoes(time: Fraction) -> None:
    m = matrix(MOVING, time, WIDE)
    assert multiply(m, inverse(m)) == pytest.approx(IDENTITY, abs=1e-9)


def test_a_move_is_the_same_at_any_frame_rate() -> None:
    for fps in (12, 24, Fraction(24000, 1001), 60):
        whole = IDENTITY
        for frame in range(math.floor(2 * fps)):
            a, b = Fraction(frame) / fps, Fraction(frame + 1) / fps
            whole = multiply(between(MOVING, a, b, WIDE), whole)
        end = Fraction(math.floor(2 * fps)) / fps
        assert whole == pytest.approx(between(MOVING, Fraction(0), end, WIDE), abs=1e-6)


@pytest.mark.parametrize("seconds", [0, 7, 60, 3000])
def test_a_pan_has_one_speed_across_the_picture_however_deep_the_zoom(seconds: int) -> None:
    camera = Camera(zoom=rate(1.3, "growth"), x=rate(0.1), y=rate(-0.2))
    start = Fraction(seconds)
    step = between(camera, start, start + 1, WIDE)
    # The integral of 1.3^(1 - s) over a second.
    stretched = 0.3 / math.log(1.3)
    slid = (-0.1 * WIDE[0] * stretched, 0.2 * stretched)
    assert where(step, 0, 0) == pytest.approx(slid, rel=1e-9)


def test_a_pan_goes_along_the_picture_s_own_edge_however_it_is_turned() -> None:
    camera = Camera(angle=constant(90.0), x=rate(0.1))
    step = between(camera, Fraction(5), Fraction(6), WIDE)
    assert step == pytest.approx((1, 0, -0.1 * WIDE[0], 0, 1, 0, 0, 0, 1))


@given(times, times)
def test_a_pan_is_the_sum_of_its_small_steps(a: Fraction, b: Fraction) -> None:
    """The slow, obvious version: a thousand small moves, one after the other."""
    eased = (Key(Fraction(1), 0.1), Key(Fraction(4), -0.3, "in-out"), Key(Fraction(5), 0.2, "hold"))
    camera = Camera(
        zoom=Curve((Key(Fraction(0), 1.0), Key(Fraction(3), 2.0, "out")), geometric=True),
        x=Curve(eased, "rate"),
        y=rate(0.2),
        angle=Curve((Key(Fraction(0), 0.0), Key(Fraction(6), 50.0, "in-out"))),
    )
    count = 500
    x = y = 0.0
    for k in range(count):
        middle = float(a) + (k + 0.5) / count * float(b - a)
        zoom = camera.zoom.at(b) / camera.zoom.at(middle)
        angle = math.radians(camera.angle.at(b) - camera.angle.at(middle))
        across, down = camera.x.interpolated(middle) * WIDE[0], camera.y.interpolated(middle)
        share = zoom * float(b - a) / count
        x -= share * (math.cos(angle) * across + math.sin(angle) * down)
        y -= share * (-math.sin(angle) * across + math.cos(angle) * down)
    assert where(between(camera, a, b, WIDE), 0, 0) == pytest.approx((x, y), abs=0.02)


def test_hours_into_a_zoom_no_number_overflows() -> None:
    camera = Camera(zoom=rate(10.0, "growth"), x=rate(0.1))
    late = between(camera, Fraction(36_000), Fraction(72_001, 2), WIDE)
    assert late == between(camera, Fraction(0), Fraction(1, 2), WIDE)


def test_every_field_moves_the_picture() -> None:
    moved = {"zoom": 2.0, "x": 0.5, "y": 0.5, "angle": 90.0}
    curves = {f.name for f in dataclasses.fields(Camera) if f.name != "border"}
    assert curves == set(moved), "a new field of Camera needs its term in camera.matrix"
    for name, value in moved.items():
        assert moves(matrix(Camera(**{name: constant(value)}), Fraction(0), WIDE)), name


def where(m: tuple[float, ...], x: float, y: float) -> tuple[float, float]:
    return m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]


def test_signs_are_as_documented() -> None:
    zero = Fraction(0)
    closer = matrix(Camera(zoom=constant(2.0)), zero, WIDE)
    assert where(closer, 0.1, 0.1) == pytest.approx((0.2, 0.2))  # things grow
    right = matrix(Camera(x=constant(0.5)), zero, WIDE)
    assert where(right, 0.5 * WIDE[0], 0) == pytest.approx((0, 0))  # half a frame to the right
    down = matrix(Camera(y=constant(0.5)), zero, WIDE)
    assert where(down, 0, 0.5) == pytest.approx((0, 0))
    turned = matrix(Camera(angle=constant(90.0)), zero, WIDE)
    assert where(turned, 0.3, 0) == pytest.approx((0, -0.3))  # right goes up: counter-clockwise


def test_a_camera_at_rest_is_exactly_the_identity() -> None:
    tilted = Camera(zoom=constant(1.37), x=constant(0.11), angle=constant(33.3))
    assert between(tilted, Fraction(1, 3), Fraction(7, 3), WIDE) == IDENTITY


@given(times, times)
def test_between_is_one_pose_after_the_other_undone(a: Fraction, b: Fraction) -> None:
    plain = multiply(matrix(MOVING, b, WIDE), inverse(matrix(MOVING, a, WIDE)))
    assert between(MOVING, a, b, WIDE) == pytest.approx(plain, abs=1e-7)


def test_a_place_is_not_lost_far_into_a_zoom() -> None:
    deep = Camera(zoom=rate(1.2, "growth"), x=constant(0.3), y=constant(0.1))
    for seconds in (0, 100, 300, 900):
        step = between(deep, Fraction(seconds), Fraction(seconds + 1), WIDE)
        assert step == (1.2, 0, 0, 0, 1.2, 0, 0, 0, 1), seconds
