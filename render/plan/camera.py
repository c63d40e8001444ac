"""The camera: a pose over time, and the 3x3 matrix between two poses. No torch: the plan needs it.

Coordinates are the picture's own, whatever its size: the origin is the centre, one unit is the
picture's height, x points right and y points down. A matrix takes a point of one picture, or of the
scene, to where it stands in another, as homogeneous coordinates (x, y, w): w is above 0 in front of
the camera (Hartley & Zisserman, Multiple View Geometry, 2nd ed. 2004, chapter 2).

The scene is a plane. In it the camera zooms, turns and goes: that is a similarity. How the plane
is then seen, stretched, sheared, tilted and shaken, is a homography made of the time alone, so what
a rate of these adds up to is a pose too. The matrix between two times is

    view(b) @ similarity(a, b) @ inverse(view(a))

and moves therefore compose, `between(b, c) @ between(a, b) == between(a, c)`, and look the same at
any frame rate.
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
STEEPEST = 85.0  # degrees of a tilt, where a shot that goes on beyond its end asks for more
SHAKE_TURN = 0.5  # radians for every picture's height that a shake moves it by


def multiply(a: Matrix, b: Matrix) -> Matrix:
    """a @ b: first b, then a."""
    rows = (a[0:3], a[3:6], a[6:9])
    columns = (b[0::3], b[1::3], b[2::3])
    return tuple(  # type: ignore[return-value]
        sum(x * y for x, y in zip(row, column, strict=True)) for row in rows for column in columns
    )


def inverse(m: Matrix) -> Matrix:
    """The inverse by cofactors; raises ZeroDivisionError for a matrix that flattens the picture."""
    a, b, c, d, e, f, g, h, i = m
    cofactors = (
        e * i - f * h, c * h - b * i, b * f - c * e,
        f * g - d * i, a * i - c * g, c * d - a * f,
        d * h - e * g, b * g - a * h, a * e - b * d,
    )  # fmt: skip
    determinant = a * cofactors[0] + b * cofactors[3] + c * cofactors[6]
    return tuple(value / determinant for value in cofactors)  # type: ignore[return-value]


def pose_matrix(camera: Camera, time: Fraction, frame: tuple[float, float]) -> Matrix:
    """The pose at `time` seconds into the shot as a matrix from scene to picture.

    `frame` is the film's width and height in units: (aspect, 1), or less where the film is cropped
    from a larger picture. A new camera move is a field of `Camera` and its term here and in
    `between`, or in `view`.
    """
    x, y = _place(camera, time, frame)
    across, down = _slide(camera, Fraction(0), time, frame)
    turn = _turn(camera.zoom.at(time), math.radians(camera.angle.at(time)))
    moved = multiply(turn, (1.0, 0.0, -x, 0.0, 1.0, -y, 0.0, 0.0, 1.0))
    if centre := _centre(camera, Fraction(0), frame):  # the pose it begins with is about it too
        pose = complex(turn[0], turn[3])
        swung = (pose - _similarity(camera, Fraction(0), time)) * centre
        across, down = across + swung.real, down + swung.imag
    inside = (*moved[:2], moved[2] - across, *moved[3:5], moved[5] - down, 0.0, 0.0, 1.0)
    return multiply(view(camera, time), inside)


def between(camera: Camera, start: Fraction, end: Fraction, frame: tuple[float, float]) -> Matrix:
    """The matrix that takes the picture at `start` to the picture at `end`.

    It is matrix(end) @ inverse(matrix(start)), but of the poses' differences: far into a zoom both
    matrices are so large that nothing would be left of a place after multiplying them.
    """
    if start == end:
        return IDENTITY
    turn = _turn(math.exp(_closer(camera, start, end)), _turned(camera, start, end))
    x, y = _place(camera, end, frame)
    x_before, y_before = _place(camera, start, frame)
    across, down = _slide(camera, start, end, frame)
    moved_x = moved_y = 0.0
    if (x, y) != (x_before, y_before):
        pose = _turn(camera.zoom.at(end), math.radians(camera.angle.at(end)))
        moved_x = pose[0] * (x_before - x) + pose[1] * (y_before - y)
        moved_y = pose[3] * (x_before - x) + pose[4] * (y_before - y)
    inside = (*turn[:2], moved_x - across, *turn[3:5], moved_y - down, 0.0, 0.0, 1.0)
    before, after = view(camera, start), view(camera, end)
    if inside == IDENTITY and before == after:
        return IDENTITY
    return tidy(multiply(after, multiply(inside, inverse(before))))


def view(camera: Camera, time: Fraction) -> Matrix:
    """How the plane is seen at `time`: stretched and sheared, then tilted, then shaken."""
    seen = multiply(_tilted(camera, time), _shaped(camera, time))
    return multiply(_shaken(camera, time), seen)


def _shaped(camera: Camera, time: Fraction) -> Matrix:
    """Sheared up and down, then to the side, then stretched to the side."""
    aspect = camera.aspect.at(time)
    shear_x, shear_y = camera.shear_x.at(time), camera.shear_y.at(time)
    across = (aspect * (1.0 + shear_x * shear_y), -aspect * shear_x, 0.0)
    return (*across, -shear_y, 1.0, 0.0, 0.0, 0.0, 1.0)


def _unshaped(camera: Camera, time: Seconds, x: float, y: float) -> tuple[float, float]:
    """What `_shaped` makes (x, y) of: a speed or place in the picture as one in the plane."""
    x = x / camera.aspect.at(time) + camera.shear_x.at(time) * y
    return x, y + camera.shear_y.at(time) * x


def _tilted(camera: Camera, time: Fraction) -> Matrix:
    """The plane turned about the picture's middle, first left or right, then up or down.

    The homography of a plane, K [r1 r2 t] (Hartley & Zisserman, section 8.1.1), for an eye at a
    distance from which the untilted picture fills the field of view, so that this one is seen as
    it is.
    """
    x, y = (
        math.radians(max(-STEEPEST, min(STEEPEST, curve.at(time))))
        for curve in (camera.tilt_x, camera.tilt_y)
    )
    near = 2.0 * math.tan(math.radians(camera.fov.at(time)) / 2)  # 1 / the eye's distance
    return (
        math.cos(y), 0.0, 0.0,
        math.sin(x) * math.sin(y), math.cos(x), 0.0,
        near * math.cos(x) * math.sin(y), -near * math.sin(x), 1.0,
    )  # fmt: skip


def _shaken(camera: Camera, time: Fraction) -> Matrix:
    """The picture as it is seen, moved and turned a little by noise that only time decides."""
    shake = camera.shake
    amplitude = shake.amplitude.at(time)
    if amplitude == 0.0:
        return IDENTITY
    phase = replace(shake.frequency, kind="rate").at(time)
    x, y, turned = (amplitude * smooth_noise(f"{shake.seed}/{way}", phase) for way in range(3))
    turn = _turn(1.0, SHAKE_TURN * turned)
    return (*turn[:2], x, *turn[3:5], y, 0.0, 0.0, 1.0)


def _place(camera: Camera, time: Fraction, frame: tuple[float, float]) -> tuple[float, float]:
    """Where in the scene x and y put the camera, in units; a speed puts it nowhere."""
    x, y = (
        0.0 if curve.kind == "rate" else curve.at(time) * side
        for curve, side in zip((camera.x, camera.y), frame, strict=True)
    )
    return x, y


def _slide(
    camera: Camera, start: Fraction, end: Fraction, frame: tuple[float, float]
) -> tuple[float, float]:
    """How far the speeds of x and y, and zooming and turning about a centre that is not the middle,
    move the camera from `start` to `end`, as the plane at `end` has it, in units."""
    across, down = _panned(camera, start, end, frame)
    if all(c.constant and c.at(start) == 0.0 for c in (camera.centre_x, camera.centre_y)):
        return across, down
    swung = _swung(camera, start, end, frame)
    return across + swung.real, down + swung.imag


def _panned(
    camera: Camera, start: Fraction, end: Fraction, frame: tuple[float, float]
) -> tuple[float, float]:
    """How far the speeds of x and y move the camera.

    A speed is one of the picture, not of the scene: 5%/s crosses a twentieth of what is seen in a
    second, however far the camera has come, along the picture's own edge, however it is turned. So
    every moment's part is zoomed and turned by what follows it.
    """
    pans = ((camera.x, frame[0]), (camera.y, frame[1]))
    if all(curve.kind != "rate" or curve.constant for curve, _ in pans):
        return 0.0, 0.0
    shaped = all(curve.constant for curve in (camera.aspect, camera.shear_x, camera.shear_y))
    if shaped and camera.zoom.constant and camera.angle.constant:
        x, y = (c.total(start, end) * side if c.kind == "rate" else 0.0 for c, side in pans)
        return _unshaped(camera, start, x, y)
    curves = (camera.zoom, camera.angle, camera.x, camera.y)
    if shaped and all(curve.course.still is not None for curve in curves):
        return _spiralled(camera, start, end, frame)
    across = down = 0.0
    for moment, share in _moments(camera, start, end):
        x, y = (c.interpolated(moment) * side if c.kind == "rate" else 0.0 for c, side in pans)
        x, y = _unshaped(camera, moment, x, y)
        turn = _turn(math.exp(_closer(camera, moment, end)), _turned(camera, moment, end))
        across += share * (turn[0] * x + turn[1] * y)
        down += share * (turn[3] * x + turn[4] * y)
    return across, down


def _spiralled(
    camera: Camera, start: Fraction, end: Fraction, frame: tuple[float, float]
) -> tuple[float, float]:
    """`_panned` where zoom, turn and speeds never change: the integral of an exponential.

    However often the picture turns round in that time, it takes no longer.
    """
    pans = ((camera.x, frame[0]), (camera.y, frame[1]))
    x, y = (c.interpolated(start) * side if c.kind == "rate" else 0.0 for c, side in pans)
    seconds = float(end - start)
    way = complex(_closer(camera, start, end), -_turned(camera, start, end))
    if abs(way) < 0.01:  # where subtracting would lose digits: exp's own series
        grown = sum(way**power / math.factorial(power + 1) for power in range(7))
    else:
        grown = (cmath.exp(way) - 1) / way
    moved = complex(*_unshaped(camera, start, x, y)) * grown * seconds
    return moved.real, moved.imag


def _swung(camera: Camera, start: Fraction, end: Fraction, frame: tuple[float, float]) -> complex:
    """How far zooming and turning about the centre moves the camera, as x + iy.

    About a point c that stays, a similarity E moves by (E - 1) c. Where c wanders this is the sum
    over all moments of what is zoomed and turned then, about where c is then: integrated by parts,
    so that only c needs a slope, and nothing is lost where a zoom jumps.
    """
    if start == end:
        return 0j
    if end < start:
        return -_similarity(camera, start, end) * _swung(camera, end, start, frame)
    total = 0j
    for a, b in itertools.pairwise(_corners(camera, start, end)):
        rest = _similarity(camera, b, end)
        total += (_similarity(camera, a, end) - rest) * _centre(camera, a, frame)
        if not all(curve.constant for curve in _centring(camera)):
            reach = float(b - a) / _pieces(camera, a, b) / 500  # the outermost node is 1/190 in
            for moment, share in _moments(camera, a, b):
                one, two = (
                    _centre(camera, moment + step, frame) - _centre(camera, moment - step, frame)
                    for step in (reach, 2 * reach)
                )
                # Five points, Abramowitz & Stegun 25.3.6: exact up to the fourth power.
                slope = (8 * one - two) / (12 * reach)
                total += share * slope * (_similarity(camera, moment, end) - rest)
    return total


def _centring(camera: Camera) -> tuple[Curve, ...]:
    return camera.centre_x, camera.centre_y, camera.aspect, camera.shear_x, camera.shear_y


def _centre(camera: Camera, time: Seconds, frame: tuple[float, float]) -> complex:
    """About what the camera zooms and turns, as x + iy in the plane, in units."""
    x, y = camera.centre_x.at(time) * frame[0], camera.centre_y.at(time) * frame[1]
    return complex(*_unshaped(camera, time, x, y))


def _similarity(camera: Camera, start: Seconds, end: Seconds) -> complex:
    """Zoom and turn from `start` to `end` as one factor of x + iy; y points down."""
    return cmath.exp(complex(_closer(camera, start, end), -_turned(camera, start, end)))


def _corners(camera: Camera, start: Seconds, end: Seconds) -> list[Seconds]:
    """`start`, `end` and the times between them at which a curve may not be smooth."""
    curves = (camera.zoom, camera.angle, camera.x, camera.y, *_centring(camera))
    corners = set[Seconds]().union(*(curve.corners(start, end) for curve in curves))
    return [start, *sorted(corners), end]


def _pieces(camera: Camera, a: Seconds, b: Seconds) -> int:
    """In how many parts to integrate: zoom and angle change by less than e and a radian in each.

    They may come back to where they were: what counts is the way, seen in eight steps.
    """
    steps = [a + (b - a) * step / 8 for step in range(9)]
    ways = (
        sum(abs(change(camera, one, two)) for one, two in itertools.pairwise(steps))
        for change in (_closer, _turned)
    )
    return math.ceil(max(1.0, *ways))


def _moments(camera: Camera, start: Seconds, end: Seconds) -> Iterator[tuple[float, float]]:
    """Times and their shares, in seconds, for an integral from `start` to `end` (Gauss-Legendre).

    Between two keys every curve is smooth; a piece in which zoom and angle change by less than e
    and a radian is exact to the last digits.
    """
    if end < start:
        yield from ((moment, -share) for moment, share in _moments(camera, end, start))
        return
    for a, b in itertools.pairwise(_corners(camera, start, end)):
        pieces = _pieces(camera, a, b)
        half = float(b - a) / pieces / 2
        for piece in range(pieces):
            middle = float(a) + half * (2 * piece + 1)
            for node, weight in GAUSS_LEGENDRE:
                yield middle - half * node, half * weight
                yield middle + half * node, half * weight


def _closer(camera: Camera, start: Seconds, end: Seconds) -> float:
    """The logarithm of how many times larger things are at `end` than at `start`."""
    zoom = camera.zoom
    if zoom.kind == "growth":
        return zoom.total(start, end)
    return math.log(zoom.at(end) / zoom.at(start))


def _turned(camera: Camera, start: Seconds, end: Seconds) -> float:
    """By how many radians the picture turns from `start` to `end`."""
    angle = camera.angle
    if angle.kind == "rate":
        return math.radians(angle.total(start, end))
    return math.radians(angle.at(end) - angle.at(start))


def _turn(zoom: float, angle: float) -> Matrix:
    """y points down, so this turns the picture counter-clockwise for a positive angle."""
    cosine, sine = zoom * math.cos(angle), zoom * math.sin(angle)
    return (cosine, sine, 0.0, -sine, cosine, 0.0, 0.0, 0.0, 1.0)


def tidy(m: Matrix) -> Matrix:
    """Rounded to twelve digits, so that a camera at rest is exactly the identity.

    It also keeps the last bit of one C library's cosine out of the keys of latents.
    """
    rounded = tuple(round(value, 12) + 0.0 for value in m)
    return rounded  # type: ignore[return-value]


def moves(m: Matrix) -> bool:
    """Whether the matrix changes the picture at all."""
    return m != IDENTITY
