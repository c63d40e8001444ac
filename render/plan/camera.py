"""The camera: its pose over time, and the 3x3 matrix between two poses, without torch.

Coordinates are the picture's own and do not depend on its size in pixels: the origin is the centre,
one unit is the picture's height, x points right and y points down. A matrix maps a point of one
picture, or of the scene, to its position in another, in homogeneous coordinates (x, y, w); w is
above 0 in front of the camera (Hartley & Zisserman, Multiple View Geometry, 2nd ed. 2004,
chapter 2).

The scene is a plane. The camera zooms, turns and moves in it, which is a similarity. The plane is
then stretched, sheared, tilted and shaken by `view`, a homography that depends on the time alone,
so these have a pose too, even where the storyboard gives them as rates. The matrix between two
times is

    view(b) @ similarity(a, b) @ inverse(view(a))

Moves therefore compose, `between(b, c) @ between(a, b) == between(a, c)`, and look the same at any
frame rate.
"""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from render.curves.curve import Curve
from render.curves.noise import smooth_noise
from render.curves.quadrature import GAUSS_LEGENDRE
from render.storyboard.model import Camera

Matrix = tuple[float, float, float, float, float, float, float, float, float]  # row by row
Seconds = Fraction | float
IDENTITY: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
# Degrees. A rate can add up to more, in a shot that overlaps the next: tilts are clamped to this.
MAX_TILT = 85.0
SHAKE_TURN = 0.5  # radians of rotation where a shake would move the picture by its whole height


def multiply(a: Matrix, b: Matrix) -> Matrix:
    """Returns the product a @ b, which applies b first and then a."""
    a0, a1, a2, a3, a4, a5, a6, a7, a8 = a
    b0, b1, b2, b3, b4, b5, b6, b7, b8 = b
    return (
        a0 * b0 + a1 * b3 + a2 * b6, a0 * b1 + a1 * b4 + a2 * b7, a0 * b2 + a1 * b5 + a2 * b8,
        a3 * b0 + a4 * b3 + a5 * b6, a3 * b1 + a4 * b4 + a5 * b7, a3 * b2 + a4 * b5 + a5 * b8,
        a6 * b0 + a7 * b3 + a8 * b6, a6 * b1 + a7 * b4 + a8 * b7, a6 * b2 + a7 * b5 + a8 * b8,
    )  # fmt: skip


def inverse(m: Matrix) -> Matrix:
    """Returns the inverse, by cofactors; raises ZeroDivisionError for a singular matrix."""
    a, b, c, d, e, f, g, h, i = m
    cofactors = (
        e * i - f * h, c * h - b * i, b * f - c * e,
        f * g - d * i, a * i - c * g, c * d - a * f,
        d * h - e * g, b * g - a * h, a * e - b * d,
    )  # fmt: skip
    determinant = a * cofactors[0] + b * cofactors[3] + c * cofactors[6]
    return tuple(value / determinant for value in cofactors)  # type: ignore[return-value]


def determinant(m: Matrix) -> float:
    """Returns the determinant of a matrix."""
    a, b, c, d, e, f, g, h, i = m
    return a * (e * i - f * h) + b * (f * g - d * i) + c * (d * h - e * g)


def pose_matrix(camera: Camera, time: Fraction, frame: tuple[float, float]) -> Matrix:
    """Returns the pose at `time` seconds into the shot, as a matrix from scene to picture.

    `frame` is the film's width and height in units: (aspect, 1), or less where the film is cropped
    from a larger picture. A new camera move is a field of `Camera` with a term both here and in
    `between`, or with one term in `view`.
    """
    x, y = _position(camera, time, frame)
    shift_x, shift_y = _shift(camera, Fraction(0), time, frame)
    turn = _similarity_matrix(camera.zoom.at(time), math.radians(camera.angle.at(time)))
    moved = multiply(turn, (1.0, 0.0, -x, 0.0, 1.0, -y, 0.0, 0.0, 1.0))
    # `_shift` covers the change since 0 s; the zoom and angle at 0 s are about the centre too.
    if centre := _centre(camera, Fraction(0), frame):
        pose = complex(turn[0], turn[3])
        initial = (pose - _similarity_factor(camera, Fraction(0), time)) * centre
        shift_x, shift_y = shift_x + initial.real, shift_y + initial.imag
    plane = (*moved[:2], moved[2] - shift_x, *moved[3:5], moved[5] - shift_y, 0.0, 0.0, 1.0)
    return multiply(view(camera, time), plane)


def between(camera: Camera, start: Fraction, end: Fraction, frame: tuple[float, float]) -> Matrix:
    """Returns the matrix from the picture at `start` to the picture at `end`, rounded by `tidy`.

    `start` and `end` are seconds into the shot, in either order; `frame` is as in `pose_matrix`.
    The result equals pose_matrix(end) @ inverse(pose_matrix(start)), but is computed from the
    difference of the poses: far into a zoom both matrices have such large entries that their
    product would lose all digits of the position.
    """
    if start == end:
        return IDENTITY
    turn = _similarity_matrix(
        math.exp(_log_zoom_change(camera, start, end)), _angle_change(camera, start, end)
    )
    x, y = _position(camera, end, frame)
    x_before, y_before = _position(camera, start, frame)
    shift_x, shift_y = _shift(camera, start, end, frame)
    moved_x = moved_y = 0.0
    if (x, y) != (x_before, y_before):
        pose = _similarity_matrix(camera.zoom.at(end), math.radians(camera.angle.at(end)))
        moved_x = pose[0] * (x_before - x) + pose[1] * (y_before - y)
        moved_y = pose[3] * (x_before - x) + pose[4] * (y_before - y)
    plane = (*turn[:2], moved_x - shift_x, *turn[3:5], moved_y - shift_y, 0.0, 0.0, 1.0)
    before, after = view(camera, start), view(camera, end)
    if plane == IDENTITY and before == after:
        return IDENTITY
    return tidy(multiply(after, multiply(plane, inverse(before))))


def view(camera: Camera, time: Fraction) -> Matrix:
    """Returns the homography of the plane at `time`: stretch and shear, then tilt, then shake."""
    seen = multiply(_tilt_matrix(camera, time), _shape_matrix(camera, time))
    return multiply(_shake_matrix(camera, time), seen)


def tidy(m: Matrix) -> Matrix:
    """Returns the matrix rounded to twelve decimals: a camera at rest is exactly the identity.

    Rounding also keeps the last bit of a C library's cosine out of the keys of latents.
    """
    rounded = tuple(round(value, 12) + 0.0 for value in m)
    return rounded  # type: ignore[return-value]


def moves(m: Matrix) -> bool:
    """Returns whether the matrix changes the picture at all."""
    return m != IDENTITY


def _similarity_matrix(zoom: float, angle: float) -> Matrix:
    """Returns the matrix of a zoom and a turn by `angle` radians about the origin.

    A positive angle turns the picture counter-clockwise, as y points down.
    """
    cosine, sine = zoom * math.cos(angle), zoom * math.sin(angle)
    return (cosine, sine, 0.0, -sine, cosine, 0.0, 0.0, 0.0, 1.0)


def _shape_matrix(camera: Camera, time: Fraction) -> Matrix:
    """Returns the matrix of shear_y, then shear_x, then the horizontal stretch by `aspect`."""
    aspect = camera.aspect.at(time)
    shear_x, shear_y = camera.shear_x.at(time), camera.shear_y.at(time)
    across = (aspect * (1.0 + shear_x * shear_y), -aspect * shear_x, 0.0)
    return (*across, -shear_y, 1.0, 0.0, 0.0, 0.0, 1.0)


def _undo_shape(camera: Camera, time: Seconds, x: float, y: float) -> tuple[float, float]:
    """Returns inverse(_shape_matrix) @ (x, y): a point or speed of the picture in the plane."""
    x = x / camera.aspect.at(time) + camera.shear_x.at(time) * y
    return x, y + camera.shear_y.at(time) * x


def _tilt_matrix(camera: Camera, time: Fraction) -> Matrix:
    """Returns the homography of the plane turned about the picture's centre, tilt_y before tilt_x.

    It is K [r1 r2 t] (Hartley & Zisserman, section 8.1.1). The eye is at the distance from which
    the untilted picture fills the field of view, so an untilted picture is left unchanged.
    """
    x, y = (
        math.radians(max(-MAX_TILT, min(MAX_TILT, curve.at(time))))
        for curve in (camera.tilt_x, camera.tilt_y)
    )
    near = 2.0 * math.tan(math.radians(camera.fov.at(time)) / 2)  # 1 / the eye's distance
    return (
        math.cos(y), 0.0, 0.0,
        math.sin(x) * math.sin(y), math.cos(x), 0.0,
        near * math.cos(x) * math.sin(y), -near * math.sin(x), 1.0,
    )  # fmt: skip


def _shake_matrix(camera: Camera, time: Fraction) -> Matrix:
    """Returns a small shift and turn by smooth noise, a function of the seed and the time only."""
    shake = camera.shake
    amplitude = shake.amplitude.at(time)
    if amplitude == 0.0:
        return IDENTITY
    phase = replace(shake.frequency, kind="rate").at(time)
    x, y, angle = (amplitude * smooth_noise(f"{shake.seed}/{axis}", phase) for axis in range(3))
    turn = _similarity_matrix(1.0, SHAKE_TURN * angle)
    return (*turn[:2], x, *turn[3:5], y, 0.0, 0.0, 1.0)


def _position(camera: Camera, time: Fraction, frame: tuple[float, float]) -> tuple[float, float]:
    """Returns the camera's position in the scene, in units, from those of x and y that are values.

    A rate contributes 0 here; `_pan_shift` integrates it.
    """
    x, y = (
        0.0 if curve.kind == "rate" else curve.at(time) * side
        for curve, side in zip((camera.x, camera.y), frame, strict=True)
    )
    return x, y


def _shift(
    camera: Camera, start: Fraction, end: Fraction, frame: tuple[float, float]
) -> tuple[float, float]:
    """Returns `_pan_shift` plus `_centre_shift`: how far the camera moves from `start` to `end`.

    In units, in the coordinates of the plane at `end`.
    """
    shift_x, shift_y = _pan_shift(camera, start, end, frame)
    if all(c.constant and c.at(start) == 0.0 for c in (camera.centre_x, camera.centre_y)):
        return shift_x, shift_y
    centre_shift = _centre_shift(camera, start, end, frame)
    return shift_x + centre_shift.real, shift_y + centre_shift.imag


def _pan_shift(
    camera: Camera, start: Fraction, end: Fraction, frame: tuple[float, float]
) -> tuple[float, float]:
    """Returns how far the rates of x and y move the camera from `start` to `end`, in units.

    A rate is a speed in the picture, not in the scene: 5%/s crosses a twentieth of the visible
    picture in a second at any depth of zoom, and follows the picture's own edge at any angle. The
    integral therefore zooms and turns each moment's part by what follows that moment.
    """
    pans = ((camera.x, frame[0]), (camera.y, frame[1]))
    if all(curve.kind != "rate" or curve.constant for curve, _ in pans):
        return 0.0, 0.0
    shape_rests = all(curve.constant for curve in (camera.aspect, camera.shear_x, camera.shear_y))
    if shape_rests and camera.zoom.constant and camera.angle.constant:
        x, y = (c.total(start, end) * side if c.kind == "rate" else 0.0 for c, side in pans)
        return _undo_shape(camera, start, x, y)
    curves = (camera.zoom, camera.angle, camera.x, camera.y)
    if shape_rests and all(curve.course.constant_value is not None for curve in curves):
        return _steady_pan_shift(camera, start, end, frame)
    shift_x = shift_y = 0.0
    for time, weight in _quadrature_nodes(camera, start, end):
        x, y = (c.interpolated(time) * side if c.kind == "rate" else 0.0 for c, side in pans)
        x, y = _undo_shape(camera, time, x, y)
        turn = _similarity_matrix(
            math.exp(_log_zoom_change(camera, time, end)), _angle_change(camera, time, end)
        )
        shift_x += weight * (turn[0] * x + turn[1] * y)
        shift_y += weight * (turn[3] * x + turn[4] * y)
    return shift_x, shift_y


def _steady_pan_shift(
    camera: Camera, start: Fraction, end: Fraction, frame: tuple[float, float]
) -> tuple[float, float]:
    """Returns `_pan_shift` where zoom, angle and speeds have constant rates, in closed form.

    It is the integral of an exponential, and its cost does not depend on the number of turns.
    """
    pans = ((camera.x, frame[0]), (camera.y, frame[1]))
    x, y = (c.interpolated(start) * side if c.kind == "rate" else 0.0 for c, side in pans)
    seconds = float(end - start)
    exponent = complex(_log_zoom_change(camera, start, end), -_angle_change(camera, start, end))
    if abs(exponent) < 0.01:  # where the subtraction would lose digits: the series of exp
        mean = sum(exponent**power / math.factorial(power + 1) for power in range(7))
    else:
        mean = (cmath.exp(exponent) - 1) / exponent
    shift = complex(*_undo_shape(camera, start, x, y)) * mean * seconds
    return shift.real, shift.imag


def _centre_shift(
    camera: Camera, start: Fraction, end: Fraction, frame: tuple[float, float]
) -> complex:
    """Returns how far zooming and turning about the centre moves the camera, x + iy in units.

    About a fixed point c, a similarity E moves the picture by (E - 1) c. Where c moves, the shift
    is the integral of each moment's zoom and turn about c at that moment. It is integrated by
    parts, so that only c needs a derivative, and zooms that jump are exact.
    """
    if start == end:
        return 0j
    if end < start:
        return -_similarity_factor(camera, start, end) * _centre_shift(camera, end, start, frame)
    total = 0j
    for a, b in itertools.pairwise(_breakpoints(camera, start, end)):
        after_b = _similarity_factor(camera, b, end)
        total += (_similarity_factor(camera, a, end) - after_b) * _centre(camera, a, frame)
        if not all(curve.constant for curve in _centre_curves(camera)):
            # The outermost node is 1/190 of a piece from its edge: no difference crosses the edge.
            spacing = float(b - a) / _piece_count(camera, a, b) / 500
            for time, weight in _quadrature_nodes(camera, a, b):
                one, two = (
                    _centre(camera, time + step, frame) - _centre(camera, time - step, frame)
                    for step in (spacing, 2 * spacing)
                )
                # Five points, Abramowitz & Stegun 25.3.6: exact up to the fourth power.
                slope = (8 * one - two) / (12 * spacing)
                total += weight * slope * (_similarity_factor(camera, time, end) - after_b)
    return total


def _centre_curves(camera: Camera) -> tuple[Curve, ...]:
    """Returns the curves that `_centre` depends on."""
    return camera.centre_x, camera.centre_y, camera.aspect, camera.shear_x, camera.shear_y


def _centre(camera: Camera, time: Seconds, frame: tuple[float, float]) -> complex:
    """Returns the point about which the camera zooms and turns: x + iy in the plane, in units."""
    x, y = camera.centre_x.at(time) * frame[0], camera.centre_y.at(time) * frame[1]
    return complex(*_undo_shape(camera, time, x, y))


def _similarity_factor(camera: Camera, start: Seconds, end: Seconds) -> complex:
    """Returns the zoom and turn from `start` to `end` as one factor of x + iy; y points down."""
    exponent = complex(_log_zoom_change(camera, start, end), -_angle_change(camera, start, end))
    return cmath.exp(exponent)


def _log_zoom_change(camera: Camera, start: Seconds, end: Seconds) -> float:
    """Returns the logarithm of zoom(end) / zoom(start), above 0 where the picture grows."""
    zoom = camera.zoom
    if zoom.kind == "growth":
        return zoom.total(start, end)
    return math.log(zoom.at(end) / zoom.at(start))


def _angle_change(camera: Camera, start: Seconds, end: Seconds) -> float:
    """Returns by how many radians the picture turns from `start` to `end`."""
    angle = camera.angle
    if angle.kind == "rate":
        return math.radians(angle.total(start, end))
    return math.radians(angle.at(end) - angle.at(start))


def _quadrature_nodes(
    camera: Camera, start: Seconds, end: Seconds
) -> Iterator[tuple[float, float]]:
    """Yields (time, weight), both in seconds, for an integral from `start` to `end`.

    It is Gauss-Legendre quadrature over pieces between breakpoints, where every curve is smooth.
    In each piece zoom and angle change by less than a factor e and a radian, which makes the
    integral exact to the last digits. Weights are negative where `end` is before `start`.
    """
    if end < start:
        yield from ((time, -weight) for time, weight in _quadrature_nodes(camera, end, start))
        return
    for a, b in itertools.pairwise(_breakpoints(camera, start, end)):
        pieces = _piece_count(camera, a, b)
        half = float(b - a) / pieces / 2
        for piece in range(pieces):
            middle = float(a) + half * (2 * piece + 1)
            for node, weight in GAUSS_LEGENDRE:
                yield middle - half * node, half * weight
                yield middle + half * node, half * weight


def _breakpoints(camera: Camera, start: Seconds, end: Seconds) -> list[Seconds]:
    """Returns `start`, the times between at which a curve may not be smooth, and `end`."""
    curves = (camera.zoom, camera.angle, camera.x, camera.y, *_centre_curves(camera))
    corners = set[Seconds]().union(*(curve.corners(start, end) for curve in curves))
    return [start, *sorted(corners), end]


def _piece_count(camera: Camera, a: Seconds, b: Seconds) -> int:
    """Returns into how many pieces to cut a..b: at most a factor e of zoom and a radian in each.

    The absolute changes of eight steps are added, because zoom and angle may return to where they
    began.
    """
    steps = [a + (b - a) * step / 8 for step in range(9)]
    changes = (
        sum(abs(change(camera, one, two)) for one, two in itertools.pairwise(steps))
        for change in (_log_zoom_change, _angle_change)
    )
    return math.ceil(max(1.0, *changes))
