"""The picture of an animatic moves as the film's pictures do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from plans import plan_for

from render.generators.warp import warp
from render.plan.camera import between, pose_matrix
from render.plan.plan import Plan
from render.report.animatic import picture_size
from render.report.painter import Painter
from render.storyboard.parser import parse

SIZE = 320, 192
DOTS = [(x, y) for x in (-0.6, -0.35, -0.1, 0.15, 0.4, 0.65) for y in (-0.35, -0.12, 0.11, 0.34)]
MakePlan = Callable[[str], Plan]


def dots() -> NDArray[np.uint8]:
    """White dots on black, and a frame of lines, as (H, W, 3)."""
    x, y = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    picture = np.zeros(x.shape)
    for column, row in DOTS:
        away = (x - SIZE[0] / 2 - column * SIZE[1]) ** 2 + (y - SIZE[1] / 2 - row * SIZE[1]) ** 2
        picture += np.exp(-away / 8)
    return (255 * picture.clip(0, 1)).round().astype(np.uint8)[..., None].repeat(3, -1)


@pytest.fixture
def make_plan(tmp_path: Path) -> MakePlan:
    """The plan of a storyboard of shots, in a folder with dots.png."""
    Image.fromarray(dots()).save(tmp_path / "dots.png")

    def plan_of(shots: str) -> Plan:
        head = f"version: 1\nsize: {SIZE[0]}x{SIZE[1]}\nfps: 24\nshots:\n"
        return plan_for(parse(head + shots, tmp_path), 8)

    return plan_of


def place_of_dot(picture: NDArray[np.float64], x: float, y: float) -> tuple[float, float] | None:
    """The centre of what is bright within six pixels of a place; None near the edges."""
    left, top = round(x) - 6, round(y) - 6
    if not (0 <= left < SIZE[0] - 13 and 0 <= top < SIZE[1] - 13):
        return None
    part = picture[top : top + 13, left : left + 13]
    rows, columns = np.mgrid[top : top + 13, left : left + 13]
    return float((part * columns).sum() / part.sum()), float((part * rows).sum() / part.sum())


@pytest.mark.parametrize(
    "move",
    [
        "zoom: 1.3/s",
        "zoom: 0.8/s",
        "x: 12%/s, y: -9%/s",
        "angle: 25deg/s",
        "angle: -20deg/s, zoom: 1.2/s, centre_x: 25%, centre_y: -20%",
        "tilt_x: 25*t, fov: 70",
        "tilt_y: -30*sin(2*t)",
        "shear_x: 15%/s, shear_y: -10%/s, aspect: 1.1/s",
        "shake: {amplitude: 6%, frequency: 3Hz}",
    ],
)
def test_dots_are_where_the_film_s_warp_takes_them(make_plan: MakePlan, move: str) -> None:
    plan = make_plan(
        "  - {duration: 2s, init: dots.png, prompts: a, keyframes: 0.5s, "
        f"camera: {{border: black, {move}}}}}\n"
    )
    painter = Painter(plan, SIZE)
    source = torch.from_numpy(dots()).permute(2, 0, 1)[None] / 255
    lens = plan.board.shots[0].camera
    seen = 0
    for number in (0, 5, 17, 30, 47):
        shown = painter.paint(number, plan.moment(number)).mean(-1)
        matrix = pose_matrix(lens, number / plan.board.fps, plan.frame_size)
        expected = (255 * warp(source, matrix, "black"))[0].mean(0).double().numpy()
        for dot in DOTS:
            x, y, w = (
                matrix[k] * dot[0] + matrix[k + 1] * dot[1] + matrix[k + 2] for k in (0, 3, 6)
            )
            place = x / w * SIZE[1] + SIZE[0] / 2, y / w * SIZE[1] + SIZE[1] / 2
            real, ours = (place_of_dot(picture, *place) for picture in (expected, shown))
            if real is None or ours is None:
                continue
            seen += 1
            assert np.hypot(real[0] - ours[0], real[1] - ours[1]) < 0.2, (number, dot)
    assert seen > 50


@pytest.mark.parametrize("border", ["mirror", "wrap", "smear", "black", "'#3366cc'", "dream"])
def test_what_is_newly_shown_comes_from_the_border(make_plan: MakePlan, border: str) -> None:
    plan = make_plan(
        "  - {duration: 4s, init: dots.png, prompts: a, keyframes: 4s, "
        f"camera: {{x: 80%/s, angle: 10deg/s, border: {border}}}}}\n"
    )
    lens, number = plan.board.shots[0].camera, 2
    shown = Painter(plan, SIZE).paint(number, plan.moment(number)).astype(float)
    source = torch.from_numpy(dots()).permute(2, 0, 1)[None] / 255
    matrix = between(lens, plan.starts[0], number / plan.board.fps, plan.frame_size)
    expected = 255 * warp(source, matrix, lens.border)[0].permute(1, 2, 0).double().numpy()
    assert np.abs(shown - expected).mean() < 3
    strip = np.s_[30:-30, -12:]
    assert np.abs(shown - expected)[strip].mean() < 6
    others = {"mirror", "wrap", "smear", "black"} - {border}
    if border.startswith("'"):
        for other in others:
            wrong = 255 * warp(source, matrix, other)[0].permute(1, 2, 0).double().numpy()
            assert np.abs(shown - wrong)[strip].mean() > 20


def test_what_was_newly_shown_is_painted_at_the_next_keyframe(make_plan: MakePlan) -> None:
    plan = make_plan(
        "  - {duration: 2s, prompts: a, keyframes: 1s, camera: {x: 40%/s, border: '#ff0000'}}\n"
    )
    painter = Painter(plan, SIZE)
    red = [
        float(painter.paint(n, plan.moment(n))[..., -4:, 0].mean()) for n in (0, 2, 12, 23, 24, 26)
    ]
    assert red[1] > red[2] > red[3]
    assert red[1] > 200
    assert red[5] > 200
    assert red[4] == pytest.approx(red[0], abs=40)


def test_a_card_has_as_much_to_see_after_minutes_of_zoom(make_plan: MakePlan) -> None:
    plan = make_plan("  - {duration: 170s, prompts: a, camera: {zoom: 1.5/s, angle: 3deg/s}}\n")
    painter = Painter(plan, SIZE)
    details = []
    for number in (0, 2000, 4000):
        grey = painter.paint(number, plan.moment(number)).mean(-1)
        details.append(np.abs(np.diff(grey, axis=1)).mean())
    assert min(details) > 0.6 * max(details)
    assert min(details) > 1


def test_a_card_that_flies_over_a_floor_reaches_a_horizon(make_plan: MakePlan) -> None:
    plan = make_plan("  - {duration: 4s, prompts: a, camera: {tilt_x: 70, y: -20%/s}}\n")
    painter = Painter(plan, SIZE)
    far = painter.paint(10, plan.moment(10)).astype(float)
    assert far[:10].std(axis=(0, 1)).max() < 2  # nothing but the sky
    assert far[-60:].std() > 10


def test_mirrored_and_turned_cards_are_seen_as_such(make_plan: MakePlan) -> None:
    plan = make_plan("  - {duration: 1s, prompts: a}\n")
    upright = Painter(plan, SIZE).paint(0, plan.moment(0)).astype(float)
    for other in (upright[:, ::-1], upright[::-1], upright[::-1, ::-1]):
        assert np.abs(upright - other).mean() > 3


@pytest.mark.parametrize("kind", ["dissolve", "morph"])
def test_a_transition_mixes_both_shots_as_the_film_does(make_plan: MakePlan, kind: str) -> None:
    plan = make_plan(
        "  - {duration: 1s, prompts: a, camera: {zoom: 1.5/s}}\n"
        f"  - {{duration: 1s, prompts: b, transition: {kind} 0.5s, camera: {{x: 30%/s}}}}\n"
    )
    painter = Painter(plan, SIZE)
    moment = plan.moment(30)
    assert moment.before is not None
    mixed = painter.paint(30, moment).astype(float)
    own = painter.paint(30, replace(moment, before=None)).astype(float)
    alone = make_plan("  - {duration: 2s, prompts: a, camera: {zoom: 1.5/s}}\n")
    before = Painter(alone, SIZE).paint(30, alone.moment(30)).astype(float)
    assert np.abs(mixed - (before + moment.share * (own - before))).max() <= 2
    assert np.abs(before - own).mean() > 5


def test_frames_that_blend_codes_do_not_move_between_keyframes(make_plan: MakePlan) -> None:
    plan = make_plan(
        "  - {duration: 2s, prompts: a, keyframes: {every: 1s, between: latent}, "
        "camera: {x: 40%/s}}\n"
    )
    painter = Painter(plan, SIZE)
    first, middle, last = (painter.paint(n, plan.moment(n)).astype(float) for n in (0, 12, 24))
    assert np.abs(middle - (first + last) / 2).max() <= 2


def test_the_picture_of_an_animatic_has_a_readable_size() -> None:
    assert picture_size((320, 192)) == (320, 192)
    assert picture_size((160, 96)) == (320, 192)
    assert picture_size((96, 160)) == (192, 320)
    assert picture_size((1920, 1080)) == (640, 360)
    assert picture_size((101, 57)) == (320, 180)
    assert picture_size((16, 2000)) == (16, 640)
