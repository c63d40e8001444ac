"""The camera: matrices compose, and every field moves the picture as documented."""

from __future__ import annotations

import dataclasses
import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.curves.curve import Curve, Key, constant, keyed
from render.plan.camera import IDENTITY, between, inverse, moves, multiply, pose_matrix, view
from render.storyboard.model import Camera, Shake

WIDE = (16 / 9, 1.0)


def rate(value: float, kind: str = "rate") -> Curve:
    return keyed((Key(Fraction(0), value),), kind=kind)


def through(*values: float, ease: str = "in-out", geometric: bool = False) -> Curve:
    """These values at 0 s, 3 s, 6 s and so on."""
    keys = [Key(Fraction(3 * number), value, ease) for number, value in enumerate(values)]
    return keyed(keys, geometric=geometric)


MOVING = Camera(zoom=rate(1.3, "growth"), x=rate(0.1), y=rate(-0.07), angle=rate(20))
# Every kind of move, combined with those that it could interfere with.
CAMERAS = {
    "flat": MOVING,
    "posed": Camera(zoom=through(1, 2, 0.5, geometric=True), x=through(0, 0.3), y=rate(0.1)),
    "centred": Camera(zoom=rate(1.2, "growth"), angle=rate(-15), centre_x=constant(0.3)),
    "centre moves": Camera(
        zoom=through(1, 2, 0.8), angle=through(0, 40, -10),
        centre_x=through(0.2, -0.4), centre_y=rate(0.05),
    ),
    "centre jumps": Camera(
        zoom=rate(1.2, "growth"), angle=through(0, 40, 10, ease="hold"),
        centre_x=through(0.2, -0.4, 0.3, ease="hold"),
    ),
    "shaped": Camera(
        aspect=rate(1.1, "growth"), shear_x=rate(0.1), shear_y=through(0, 0.3),
        zoom=rate(1.1, "growth"), angle=rate(10), x=rate(0.2), centre_y=constant(0.3),
    ),
    "tilted": Camera(tilt_x=constant(60.0), tilt_y=rate(3), y=rate(-0.2), zoom=rate(1.1, "growth")),
    "lens": Camera(
        tilt_x=through(0, 40), fov=through(40, 90), angle=rate(8), shear_x=constant(0.2)
    ),
    "shaken": Camera(
        shake=Shake(through(0, 0.05), through(1, 4), "0/a"), zoom=rate(1.2, "growth"), x=rate(0.1)
    ),
}  # fmt: skip
cameras = pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
times = st.fractions(0, 10, max_denominator=60)


@cameras
@given(times, times, times)
def test_matrices_between_times_compose(
    camera: Camera, a: Fraction, b: Fraction, c: Fraction
) -> None:
    two_steps = multiply(between(camera, b, c, WIDE), between(camera, a, b, WIDE))
    assert two_steps == pytest.approx(between(camera, a, c, WIDE), abs=1e-7)


@cameras
@given(times)
def test_inverse_is_the_inverse(camera: Camera, time: Fraction) -> None:
    m = pose_matrix(camera, time, WIDE)
    assert multiply(m, inverse(m)) == pytest.approx(IDENTITY, abs=1e-9)


@cameras
@pytest.mark.parametrize("fps", [12, 24, Fraction(24000, 1001), 60], ids=str)
def test_a_move_is_the_same_at_any_frame_rate(camera: Camera, fps: Fraction) -> None:
    whole = IDENTITY
    for frame in range(math.floor(2 * fps)):
        a, b = Fraction(frame) / fps, Fraction(frame + 1) / fps
        whole = multiply(between(camera, a, b, WIDE), whole)
    end = Fraction(math.floor(2 * fps)) / fps
    assert whole == pytest.approx(between(camera, Fraction(0), end, WIDE), abs=1e-6)


@pytest.mark.parametrize("seconds", [0, 7, 60, 3000])
def test_a_pan_has_the_same_speed_in_the_picture_at_any_zoom(seconds: int) -> None:
    camera = Camera(zoom=rate(1.3, "growth"), x=rate(0.1), y=rate(-0.2))
    start = Fraction(seconds)
    step = between(camera, start, start + 1, WIDE)
    # The integral of 1.3^(1 - s) over a second.
    stretched = 0.3 / math.log(1.3)
    slid = (-0.1 * WIDE[0] * stretched, 0.2 * stretched)
    assert mapped(step, 0, 0) == pytest.approx(slid, rel=1e-9)


def test_a_pan_follows_the_edge_of_the_picture_at_any_angle() -> None:
    camera = Camera(angle=constant(90.0), x=rate(0.1))
    step = between(camera, Fraction(5), Fraction(6), WIDE)
    assert step == pytest.approx((1, 0, -0.1 * WIDE[0], 0, 1, 0, 0, 0, 1))


@given(times, times)
def test_a_pan_is_the_integral_of_its_speed(a: Fraction, b: Fraction) -> None:
    """Against the slow, obvious version: a sum of 500 small shifts."""
    eased = (Key(Fraction(1), 0.1), Key(Fraction(4), -0.3, "in-out"), Key(Fraction(5), 0.2, "hold"))
    camera = Camera(
        zoom=keyed((Key(Fraction(0), 1.0), Key(Fraction(3), 2.0, "out")), geometric=True),
        x=keyed(eased, "rate"),
        y=rate(0.2),
        angle=keyed((Key(Fraction(0), 0.0), Key(Fraction(6), 50.0, "in-out"))),
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
    assert mapped(between(camera, a, b, WIDE), 0, 0) == pytest.approx((x, y), abs=0.02)


@pytest.mark.parametrize(
    "camera",
    [
        Camera(
            angle=keyed((Key(Fraction(0), 360.0), Key(Fraction(20), -360.0)), "rate"), x=rate(0.1)
        ),
        Camera(angle=rate(3600), x=rate(0.05), y=rate(-0.02)),
        Camera(angle=rate(1e-4), zoom=rate(1 + 1e-6, "growth"), x=rate(0.05)),
    ],
    ids=["there and back", "many turns", "almost none"],
)
def test_a_pan_is_exact_however_fast_the_picture_turns(camera: Camera) -> None:
    whole = between(camera, Fraction(0), Fraction(20), WIDE)
    small = IDENTITY
    for step in range(1600):
        small = multiply(between(camera, Fraction(step, 80), Fraction(step + 1, 80), WIDE), small)
    assert whole == pytest.approx(small, abs=1e-6)


def test_hours_into_a_zoom_no_number_overflows() -> None:
    camera = Camera(zoom=rate(10.0, "growth"), x=rate(0.1))
    late = between(camera, Fraction(36_000), Fraction(72_001, 2), WIDE)
    assert late == between(camera, Fraction(0), Fraction(1, 2), WIDE)


def test_every_field_moves_the_picture() -> None:
    half, grows = constant(0.5), rate(1.5, "growth")
    moved = {
        "zoom": Camera(zoom=constant(2.0)),
        "x": Camera(x=half),
        "y": Camera(y=half),
        "angle": Camera(angle=constant(90.0)),
        "aspect": Camera(aspect=constant(2.0)),
        "shear_x": Camera(shear_x=half),
        "shear_y": Camera(shear_y=half),
        "tilt_x": Camera(tilt_x=constant(30.0)),
        "tilt_y": Camera(tilt_y=constant(30.0)),
        "shake": Camera(shake=Shake(amplitude=half)),
    }
    # These move nothing by themselves, but change how other fields move the picture.
    changed = {
        "centre_x": (Camera(zoom=grows), Camera(zoom=grows, centre_x=half)),
        "centre_y": (Camera(zoom=grows), Camera(zoom=grows, centre_y=half)),
        "fov": (moved["tilt_x"], dataclasses.replace(moved["tilt_x"], fov=constant(90.0))),
    }
    poses = {f.name for f in dataclasses.fields(Camera)} - {"border", "sharpen"}
    assert poses == {*moved, *changed}, "a new field of Camera needs its term in camera.py"
    for name, camera in moved.items():
        assert moves(pose_matrix(camera, Fraction(1), WIDE)), name
    for name, (plain, other) in changed.items():
        assert pose_matrix(plain, Fraction(1), WIDE) != pose_matrix(other, Fraction(1), WIDE), name


def mapped(m: tuple[float, ...], x: float, y: float) -> tuple[float, float]:
    """The point to which a matrix maps (x, y)."""
    across, down, w = (m[row] * x + m[row + 1] * y + m[row + 2] for row in (0, 3, 6))
    return across / w, down / w


def test_each_field_has_the_documented_direction() -> None:
    zero = Fraction(0)
    closer = pose_matrix(Camera(zoom=constant(2.0)), zero, WIDE)
    assert mapped(closer, 0.1, 0.1) == pytest.approx((0.2, 0.2))  # the picture grows
    right = pose_matrix(Camera(x=constant(0.5)), zero, WIDE)
    assert mapped(right, 0.5 * WIDE[0], 0) == pytest.approx((0, 0))  # half a frame to the right
    down = pose_matrix(Camera(y=constant(0.5)), zero, WIDE)
    assert mapped(down, 0, 0.5) == pytest.approx((0, 0))
    turned = pose_matrix(Camera(angle=constant(90.0)), zero, WIDE)
    assert mapped(turned, 0.3, 0) == pytest.approx((0, -0.3))  # right goes up: counter-clockwise
    wide = pose_matrix(Camera(aspect=constant(2.0)), zero, WIDE)
    assert mapped(wide, 0.1, 0.1) == pytest.approx((0.2, 0.1))
    leans = pose_matrix(Camera(shear_x=constant(0.2)), zero, WIDE)
    assert mapped(leans, 0, -0.5) == pytest.approx((0.1, -0.5))  # the upper edge goes right
    lifts = pose_matrix(Camera(shear_y=constant(0.2)), zero, WIDE)
    assert mapped(lifts, 0.5, 0) == pytest.approx((0.5, -0.1))  # the right edge goes up


def test_a_tilt_is_a_perspective_projection_about_the_centre() -> None:
    # With a field of view of 90 degrees the eye is half a picture's height away.
    floor = pose_matrix(Camera(tilt_x=constant(60.0), fov=constant(90.0)), Fraction(0), WIDE)
    away = 0.5 + 0.25 * math.sin(math.radians(60))  # distance of a point 1/4 above the centre
    assert mapped(floor, 0.1, -0.25) == pytest.approx((0.1 * 0.5 / away, -0.125 * 0.5 / away))
    assert mapped(floor, 0, 0) == pytest.approx((0, 0))
    wall = pose_matrix(Camera(tilt_y=constant(60.0), fov=constant(90.0)), Fraction(0), WIDE)
    assert mapped(wall, 0.25, 0.1) == pytest.approx((0.125 * 0.5 / away, 0.1 * 0.5 / away))


def test_a_rate_of_tilt_equals_the_pose_it_reaches() -> None:
    tips, tipped = Camera(tilt_x=rate(10)), Camera(tilt_x=constant(40.0))
    assert pose_matrix(tips, Fraction(4), WIDE) == pytest.approx(
        pose_matrix(tipped, Fraction(0), WIDE)
    )
    assert between(tips, Fraction(9), Fraction(99), WIDE) == IDENTITY  # both clamped


@pytest.mark.parametrize("tilt", [0.0, 70.0])
def test_the_centre_is_a_fixed_point_of_zoom_and_turn(tilt: float) -> None:
    camera = Camera(
        zoom=rate(1.5, "growth"), angle=through(0, 90, ease="hold"), tilt_x=constant(tilt),
        centre_x=constant(0.25), centre_y=constant(-0.4),
    )  # fmt: skip
    centre = mapped(
        pose_matrix(Camera(tilt_x=constant(tilt)), Fraction(0), WIDE), 0.25 * WIDE[0], -0.4
    )
    for end in (Fraction(1, 3), Fraction(3), Fraction(40)):
        assert mapped(between(camera, Fraction(0), end, WIDE), *centre) == pytest.approx(centre)
        assert mapped(between(camera, end, Fraction(0), WIDE), *centre) == pytest.approx(centre)


def test_a_moving_centre_is_integrated() -> None:
    """Against the slow, obvious version: many small zooms and turns about the centre then."""
    camera = CAMERAS["centre moves"]
    whole, count = IDENTITY, 700
    for k in range(count):
        a, middle, b = (Fraction(7 * (2 * k + part), 2 * count) for part in (0, 1, 2))
        still = {
            name: constant(getattr(camera, name).at(middle)) for name in ("centre_x", "centre_y")
        }
        step = between(dataclasses.replace(camera, **still), a, b, WIDE)
        whole = multiply(step, whole)
    assert between(camera, Fraction(0), Fraction(7), WIDE) == pytest.approx(whole, abs=1e-4)


def test_a_moving_centre_alone_moves_nothing() -> None:
    camera = Camera(zoom=constant(2.0), centre_x=through(0, 0.5))
    assert between(camera, Fraction(0), Fraction(2), WIDE) == IDENTITY


def test_a_pan_has_the_same_speed_in_a_stretched_picture() -> None:
    camera = Camera(aspect=rate(1.5, "growth"), x=rate(0.1))
    late = between(camera, Fraction(20), Fraction(20) + Fraction(1, 1000), WIDE)
    assert mapped(late, 0, 0) == pytest.approx((-0.1 * WIDE[0] / 1000, 0), rel=1e-3)


@given(times)
def test_a_shake_stays_within_its_amplitude(time: Fraction) -> None:
    x, y = mapped(view(CAMERAS["shaken"], time), 0, 0)
    assert max(abs(x), abs(y)) <= CAMERAS["shaken"].shake.amplitude.at(time)


def test_a_shake_is_smooth_and_depends_on_its_seed() -> None:
    def path(seed: str, frequency: float, seconds: int = 10) -> list[float]:
        shake = Shake(constant(0.1), constant(frequency), seed)
        return [view(Camera(shake=shake), Fraction(k * seconds, 600))[2] for k in range(601)]

    one = path("0/a", 2)
    assert one == path("0/a", 2)
    assert one != path("0/b", 2)
    assert max(one) - min(one) > 0.08
    assert one == path("0/a", 1, seconds=20)
    # At most twice the amplitude for every 1 of phase.
    assert max(abs(b - a) for a, b in itertools.pairwise(one)) < 0.1 * 2 * 2 / 60


def test_a_camera_at_rest_is_exactly_the_identity() -> None:
    tilted = Camera(zoom=constant(1.37), x=constant(0.11), angle=constant(33.3))
    assert between(tilted, Fraction(1, 3), Fraction(7, 3), WIDE) == IDENTITY
    seen = Camera(
        zoom=constant(1.7), tilt_x=constant(77.7), tilt_y=constant(-33.3), fov=constant(149.0),
        shear_x=constant(2.9), aspect=constant(0.07), centre_x=constant(0.3),
    )  # fmt: skip
    assert between(seen, Fraction(1, 3), Fraction(7, 3), WIDE) == IDENTITY


@cameras
@given(times, times)
def test_between_is_a_pose_times_the_inverse_of_the_other(
    camera: Camera, a: Fraction, b: Fraction
) -> None:
    plain = multiply(pose_matrix(camera, b, WIDE), inverse(pose_matrix(camera, a, WIDE)))
    assert between(camera, a, b, WIDE) == pytest.approx(plain, abs=1e-7)


def test_the_position_keeps_its_digits_far_into_a_zoom() -> None:
    deep = Camera(zoom=rate(1.2, "growth"), x=constant(0.3), y=constant(0.1))
    for seconds in (0, 100, 300, 900):
        step = between(deep, Fraction(seconds), Fraction(seconds + 1), WIDE)
        assert step == (1.2, 0, 0, 0, 1.2, 0, 0, 0, 1), seconds


def test_tilt_and_centre_keep_their_digits_far_into_a_zoom() -> None:
    deep = Camera(
        zoom=rate(1.2, "growth"), tilt_x=constant(60.0), shear_y=constant(0.1),
        centre_x=constant(0.2), y=rate(-0.1), shake=Shake(constant(0.01)),
    )  # fmt: skip
    still = dataclasses.replace(deep, shake=Shake())
    first = between(still, Fraction(0), Fraction(1), WIDE)
    for seconds in (100, 3000):
        late = between(still, Fraction(seconds), Fraction(seconds + 1), WIDE)
        assert late == pytest.approx(first, abs=1e-9)
        assert late != between(deep, Fraction(seconds), Fraction(seconds + 1), WIDE)
