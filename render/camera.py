"""The camera: a pose over time, and the 3x3 matrix between two poses. No torch: the plan needs it.

Coordinates are the picture's own, whatever its size: the origin is the centre, one unit is the
picture's height, x points right and y points down. A pose's matrix takes a point of the scene to
where it stands in the picture. Every matrix is `pose(b) @ inverse(pose(a))`, so moves compose,
`between(b, c) @ between(a, b) == between(a, c)`, and look the same at any frame rate.
"""

from __future__ import annotations

import math
from fractions import Fraction

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
    zoom, x, y, angle = _pose(camera, time, frame)
    return multiply(_turn(zoom, angle), (1.0, 0.0, -x, 0.0, 1.0, -y, 0.0, 0.0, 1.0))


def between(camera: Camera, start: Fraction, end: Fraction, frame: tuple[float, float]) -> Matrix:
    """The matrix that takes the picture at `start` to the picture at `end`.

    It is matrix(end) @ inverse(matrix(start)), but of the poses' differences: far into a zoom both
    matrices are so large that nothing would be left of a place after multiplying them.
    """
    if start == end:
        return IDENTITY
    zoom, x, y, angle = _pose(camera, end, frame)
    zoom_before, x_before, y_before, angle_before = _pose(camera, start, frame)
    turn = _turn(zoom / zoom_before, angle - angle_before)
    way = (1.0, 0.0, x_before - x, 0.0, 1.0, y_before - y, 0.0, 0.0, 1.0)
    moved = multiply(_turn(zoom, angle), way)
    return tidy((*turn[:2], moved[2], *turn[3:5], moved[5], 0.0, 0.0, 1.0))


def _pose(
    camera: Camera, time: Fraction, frame: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Zoom, x and y in units, and the angle in radians."""
    x, y = camera.x.at(time) * frame[0], camera.y.at(time) * frame[1]
    return camera.zoom.at(time), x, y, math.radians(camera.angle.at(time))


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
