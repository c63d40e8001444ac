"""Where the pictures of a plan lie on one endless plane, at any depth of zoom.

A chain's camera moves over a plane. After minutes of zoom the matrix from the plane to the picture
has entries that no float holds beside its position, so the position is kept as an exact fraction
and the scale as a power of two. A move of the camera is added as the matrix between two pictures,
`render.plan.camera.between`, which is small and exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from render.plan import camera
from render.plan.camera import IDENTITY, Matrix, inverse, multiply
from render.plan.plan import Plan

# The plane repeats after so many units of `Pose.to_grid`, a power of two: 32-bit floats still tell
# apart thousandths of a unit there.
PERIOD = 256
FLAT = 1e-8  # of the perspective across a picture, below which it is not seen
LIMIT = 2**24  # units: where a photo at the middle of the plane is too far away to be seen


@dataclass(frozen=True)
class Pose:
    """A picture's place on the plane: picture = `outer` @ 2^depth · `inner` @ (plane - `origin`).

    Coordinates of pictures are those of `render.plan.camera`. `outer` tilts and stretches, `inner`
    is a 2x2 matrix, row by row, whose determinant is from 1 to 4.
    """

    outer: Matrix
    inner: tuple[float, float, float, float]
    depth: int
    origin: tuple[Fraction, Fraction]

    def moved(self, step: Matrix, view: Matrix) -> Pose:
        """Returns the pose after a `step`, the matrix from this picture to the next one, in which
        the camera sees its plane through `view`.

        Where `view` is not that of the plane, as when a shot goes on with another's tilted picture,
        `outer` takes in the step as it is, until the zoom has left no perspective to be seen.
        """
        outer = multiply(step, self.outer)
        plane = _flattened(normalised(multiply(inverse(view), outer)))
        if plane is None:
            return Pose(normalised(outer), self.inner, self.depth, self.origin)
        return Pose(view, self.inner, self.depth, self.origin)._through(plane)

    def _through(self, plane: Matrix) -> Pose:
        """Returns the pose with an affine matrix between `outer` and `inner`."""
        a, b, c, d = self.inner
        p, q, shift_x, r, s, shift_y = plane[:6]
        inner = (p * a + q * c, p * b + q * d, r * a + s * c, r * b + s * d)
        determinant = abs(inner[0] * inner[3] - inner[1] * inner[2])
        deeper = math.floor(math.log2(determinant) / 2)
        scale = math.ldexp(1.0, -deeper)
        inner = (inner[0] * scale, inner[1] * scale, inner[2] * scale, inner[3] * scale)
        depth = self.depth + deeper
        back = _inverse_2x2(inner)
        origin = (
            self.origin[0] - _scaled(back[0] * shift_x + back[1] * shift_y, -depth),
            self.origin[1] - _scaled(back[2] * shift_x + back[3] * shift_y, -depth),
        )
        return Pose(self.outer, inner, depth, origin)

    def to_grid(self) -> Matrix:
        """Returns the matrix from this picture to the plane in units of 2^-depth, from a corner of
        the plane that is nearer than PERIOD."""
        x, y = (float(_scaled(side, self.depth) % PERIOD) for side in self.origin)
        a, b, c, d = _inverse_2x2(self.inner)
        return multiply((a, b, x, c, d, y, 0.0, 0.0, 1.0), inverse(self.outer))

    def to_plane(self) -> Matrix:
        """Returns the matrix from this picture to the plane, where the chain's first picture is the
        one that a camera at rest sees; far into a zoom it loses its digits."""
        x, y = (float(side) if abs(side) < LIMIT else float(LIMIT) for side in self.origin)
        shrink = min(LIMIT, math.ldexp(1.0, max(-1000, min(1000, -self.depth))))
        a, b, c, d = (shrink * value for value in _inverse_2x2(self.inner))
        return multiply((a, b, x, c, d, y, 0.0, 0.0, 1.0), inverse(self.outer))


REST = Pose(IDENTITY, (1.0, 0.0, 0.0, 1.0), 0, (Fraction(0), Fraction(0)))


def keyframe_poses(plan: Plan) -> list[Pose]:
    """Returns the poses of all keyframes of a plan; a chain begins where its camera does."""
    poses: list[Pose] = []
    for keyframe in plan.keyframes:
        shot = plan.board.shots[keyframe.shot]
        lens, time = shot.camera, keyframe.time
        if keyframe.parent is None:
            start = camera.pose_matrix(lens, time, plan.frame_size)
            poses.append(REST.moved(start, camera.view(lens, time)))
            continue
        if time == 0:  # the shot before has moved the camera until here
            before = plan.board.shots[keyframe.shot - 1]
            lens, time = before.camera, before.duration
        poses.append(poses[keyframe.parent].moved(keyframe.matrix, camera.view(lens, time)))
    return poses


def _flattened(m: Matrix) -> Matrix | None:
    """Returns a homography to a picture as the affine matrix that it is within this picture; None
    if its perspective can be seen."""
    if max(abs(m[6]), abs(m[7])) < FLAT:
        return (*m[:6], 0.0, 0.0, 1.0)
    back = normalised(inverse(m))
    x, y = back[2], back[5]  # what the middle of the picture shows
    w = m[6] * x + m[7] * y + m[8]
    if w <= 0:
        return None
    a, b, c, d = (m[place] / w for place in (0, 1, 3, 4))  # the derivative there
    if math.hypot(m[6], m[7]) / w > FLAT * math.sqrt(abs(a * d - b * c)):
        return None
    return (a, b, -a * x - b * y, c, d, -c * x - d * y, 0.0, 0.0, 1.0)


def normalised(m: Matrix) -> Matrix:
    """Returns a homography scaled so that its last number is 1: the same homography."""
    return tuple(value / m[8] for value in m)  # type: ignore[return-value]


def _inverse_2x2(m: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Returns the inverse of a 2x2 matrix, row by row."""
    a, b, c, d = m
    determinant = a * d - b * c
    return d / determinant, -b / determinant, -c / determinant, a / determinant


def _scaled(value: float | Fraction, power: int) -> Fraction:
    """Returns value · 2^power, exactly."""
    factor = Fraction(1 << power) if power >= 0 else Fraction(1, 1 << -power)
    return Fraction(value) * factor
