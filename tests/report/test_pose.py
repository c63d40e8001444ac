"""Poses: the same as the product of all matrices, and exact where no float could hold that."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from plans import plan_for

from render.plan import camera
from render.plan.camera import Matrix, inverse, multiply
from render.plan.plan import Plan
from render.report.pose import PERIOD, Pose, keyframe_poses
from render.storyboard.parser import parse

HEAD = "version: 1\nsize: 64x40\nfps: 24\nshots:\n"


def plan_of(*shots: str) -> Plan:
    return plan_for(parse(HEAD + "".join(f"  - {{{shot}}}\n" for shot in shots), Path()), 8)


def through(m: Matrix, x: float, y: float) -> tuple[float, float]:
    across, down, w = (m[k] * x + m[k + 1] * y + m[k + 2] for k in (0, 3, 6))
    return across / w, down / w


@pytest.mark.parametrize(
    "move",
    [
        "zoom: 1.5/s",
        "zoom: {0s: 2, 3s: 0.3}",
        "x: 20%/s, y: -10%/s",
        "angle: 40deg/s, zoom: 0.8/s, centre_x: 20%",
        "tilt_x: 50, y: -30%/s",
        "tilt_y: 20*sin(t), shear_x: 10%/s, aspect: 1.1/s",
        "shake: {amplitude: 5%, frequency: 3Hz}, zoom: 1.2/s",
    ],
)
def test_a_pose_is_the_camera_s_own(move: str) -> None:
    plan = plan_of(f"duration: 3s, prompts: a, camera: {{{move}}}")
    for keyframe, pose in zip(plan.keyframes, keyframe_poses(plan), strict=True):
        lens = plan.board.shots[0].camera
        expected = inverse(camera.pose_matrix(lens, keyframe.time, plan.frame_size))
        for point in ((0.0, 0.0), (0.7, -0.4), (-0.5, 0.5)):
            assert through(pose.to_plane(), *point) == pytest.approx(
                through(expected, *point), abs=1e-6
            )


def assert_joined(plan: Plan, poses: list[Pose], first: int, tolerance: float) -> None:
    """A point of each keyframe and where it is in the next one lie on one place of the plane."""
    for keyframe in plan.keyframes[first:]:
        before, after = poses[keyframe.index - 1], poses[keyframe.index]
        point = 0.3, -0.2
        place = through(before.to_grid(), *point)
        moved = through(after.to_grid(), *through(keyframe.matrix, *point))
        scale = 2.0 ** (after.depth - before.depth)
        if scale > 4:  # where the perspective of a joint is given up
            now = through(after.to_plane(), *through(keyframe.matrix, *point))
            assert through(before.to_plane(), *point) == pytest.approx(now, abs=1e-9)
            continue
        for one, other in zip(place, moved, strict=True):
            difference = (one * scale - other) / PERIOD
            if scale < 1:  # the finer plane repeats sooner
                difference /= scale
            assert difference == pytest.approx(round(difference), abs=tolerance)


@pytest.mark.parametrize("rate", ["1.5/s", "0.6/s"])
def test_minutes_of_zoom_lose_no_digits(rate: str) -> None:
    plan = plan_of(
        f"duration: 200s, prompts: a, camera: {{zoom: {rate}, x: 3%/s, angle: 5deg/s, tilt_x: 20}}"
    )
    poses = keyframe_poses(plan)
    deepest = math.log2(float(rate[:3])) * 200
    assert poses[-1].depth == pytest.approx(deepest, abs=3)
    assert abs(deepest) > 100
    assert_joined(plan, poses, 1, 1e-9)


def test_a_zoom_into_a_tilted_picture_of_the_shot_before_loses_no_digits() -> None:
    plan = plan_of(
        "duration: 1s, prompts: a, camera: {tilt_x: 40, y: -30%/s}",
        "duration: 200s, prompts: b, transition: continue, camera: {zoom: 1.5/s, x: 3%/s}",
    )
    poses = keyframe_poses(plan)
    assert poses[-1].depth > 90
    assert_joined(plan, poses, 1, 1e-8)


def test_a_zoom_of_hours_has_a_pose() -> None:
    """Beyond what a float can hold."""
    for rate in ("0.5", "2"):
        shot = f"duration: 400s, prompts: a, keyframes: 5s, camera: {{zoom: {rate}/s, x: 3%/s}}"
        plan = plan_of(shot, *[f"{shot}, transition: continue"] * 2)
        last = keyframe_poses(plan)[-1]
        assert abs(last.depth) >= 1200
        for matrix in (last.to_grid(), last.to_plane()):
            assert all(math.isfinite(value) for value in matrix)
        assert max(map(abs, last.to_grid())) < 2 * PERIOD


def test_a_shot_that_continues_goes_on_from_the_last_place() -> None:
    plan = plan_of(
        "duration: 1s, prompts: a, camera: {tilt_x: 40, y: -30%/s, zoom: 1.4/s}",
        "duration: 1s, prompts: b, transition: continue, camera: {x: 20%/s, angle: 30deg/s}",
        "duration: 1s, prompts: c, camera: {x: 20%/s}",
    )
    poses = keyframe_poses(plan)
    for keyframe, pose in zip(plan.keyframes, poses, strict=True):
        if keyframe.parent is not None:
            step = inverse(keyframe.matrix)
            expected = multiply(poses[keyframe.parent].to_plane(), step)
            assert through(pose.to_plane(), 0.2, 0.1) == pytest.approx(through(expected, 0.2, 0.1))
    first = plan.first_keyframes[1]
    assert plan.keyframes[first].parent is not None
    assert through(poses[first].to_plane(), 0, 0) != pytest.approx((0, 0), abs=0.1)
    assert through(poses[plan.first_keyframes[2]].to_plane(), 0, 0) == (0, 0)  # a cut begins anew
