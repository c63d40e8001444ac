"""The camera: a pose over time, and the 3x3 matrix between two poses. No torch: the plan needs it.

Coordinates are the picture's own, whatever its size: the origin is the centre, one unit is the
picture's height, x points right and y points down. A pose's matrix takes a point of the scene to
where it stands in the picture. Every matrix is `pose(b) @ inverse(pose(a))`, so moves compose,
`between(b, c) @ between(a, b) == between(a, c)`, and look the same at any frame rate.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

from render.curves import GAUSS_LEGENDRE
from render.storyboard import Camera

Matrix = tuple[float, float, float, float, float, float, float, float, float]  # row by row
IDENTITY: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


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


def matrix(camera: Camera, time: Fraction, frame: tuple[float, float]) -> Matrix:
    """The pose at `time` seconds into the shot as a matrix from scene to picture.

    `frame` is the film's width and height in units: (aspect, 1), or less where the film is cropped
    from a larger picture. A new camera move is a field of `Camera`, its term here and in `between`.
    """
    x, y = _place(camera, time, frame)
    across, down = _slide(camera, Fraction(0), time, frame)
    turn = _turn(camera.zoom.at(time), math.radians(camera.angle.at(time)))
    moved = multiply(turn, (1.0, 0.0, -x, 0.0, 1.0, -y, 0.0, 0.0, 1.0))
    return (*moved[:2], moved[2] - across, *moved[3:5], moved[5] - down, 0.0, 0.0, 1.0)


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
    return tidy((*turn[:2], moved_x - across, *turn[3:5], moved_y - down, 0.0, 0.0, 1.0))


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
    """How far the speeds of x and y move the camera from `start` to `end`, as the picture at `end`
    has it, in units.

    A speed is one of the picture, not of the scene: 5%/s crosses a twentieth of what is seen in a
    second, however far the camera has come, along the picture's own edge, however it is turned. So
    every moment's part is zoomed and turned by what follows it.
    """
    pans = ((camera.x, frame[0]), (camera.y, frame[1]))
    if all(curve.kind != "rate" or curve.constant for curve, _ in pans):
        return 0.0, 0.0
    if camera.zoom.constant and camera.angle.constant:
        x, y = (c.total(start, end) * side if c.kind == "rate" else 0.0 for c, side in pans)
        return x, y
    across = down = 0.0
    for moment, share in _moments(camera, start, end):
        x, y = (c.interpolated(moment) * side if c.kind == "rate" else 0.0 for c, side in pans)
        turn = _turn(math.exp(_closer(camera, moment, end)), _turned(camera, moment, end))
        across += share * (turn[0] * x + turn[1] * y)
        down += share * (turn[3] * x + turn[4] * y)
    return across, down


def _moments(camera: Camera, start: Fraction, end: Fraction) -> Iterator[tuple[float, float]]:
    """Times and their shares, in seconds, for an integral from `start` to `end` (Gauss-Legendre).

    Between two keys every curve is smooth; a piece in which zoom and angle change by less than e
    and a radian is exact to the last digits.
    """
    if end < start:
        yield from ((moment, -share) for moment, share in _moments(camera, end, start))
        return
    curves = (camera.zoom, camera.angle, camera.x, camera.y)
    corners = {key.time for curve in curves for key in curve.keys if start < key.time < end}
    for a, b in itertools.pairwise([start, *sorted(corners), end]):
        pieces = math.ceil(max(1.0, abs(_closer(camera, a, b)), abs(_turned(camera, a, b))))
        half = float(b - a) / pieces / 2
        for piece in range(pieces):
            middle = float(a) + half * (2 * piece + 1)
            for node, weight in GAUSS_LEGENDRE:
                yield middle - half * node, half * weight
                yield middle + half * node, half * weight


def _closer(camera: Camera, start: Fraction | float, end: Fraction | float) -> float:
    """The logarithm of how many times larger things are at `end` than at `start`."""
    zoom = camera.zoom
    if zoom.kind == "growth":
        return zoom.total(start, end)
    return math.log(zoom.at(end) / zoom.at(start))


def _turned(camera: Camera, start: Fraction | float, end: Fraction | float) -> float:
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
