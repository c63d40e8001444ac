"""Warping: exact where it can be, with the right borders, and without shimmer when it shrinks."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from render.curves.curve import constant
from render.generators.warp import BORDERS, coverage, resample, source_grid, warp
from render.plan.camera import IDENTITY, Matrix, pose_matrix
from render.storyboard.model import BORDERS as NAMES
from render.storyboard.model import Camera


def picture(height: int = 48, width: int = 64) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_the_identity_changes_nothing() -> None:
    for border in BORDERS:
        assert torch.allclose(warp(picture(), IDENTITY, border), picture(), atol=1e-5)


def test_the_storyboard_knows_the_same_borders() -> None:
    assert set(NAMES) == set(BORDERS)


def shift(x_pixels: int, height: int = 48) -> tuple[float, ...]:
    return (1.0, 0.0, x_pixels / height, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def test_wrap_is_a_roll() -> None:
    assert torch.allclose(warp(picture(), shift(10), "wrap"), picture().roll(10, -1), atol=1e-4)


@pytest.mark.parametrize(
    ("border", "expected"),
    [
        ("black", lambda p: torch.zeros_like(p[..., :4])),
        ("smear", lambda p: p[..., :1].expand(-1, -1, -1, 4)),
        ("mirror", lambda p: p[..., :4].flip(-1)),
        ("dream", lambda p: p[..., :4].flip(-1)),  # until it is painted
        ("#3366cc", lambda p: torch.tensor([0.2, 0.4, 0.8]).view(3, 1, 1).expand_as(p[..., :4])),
    ],
)
def test_borders(border: str, expected: object) -> None:
    moved = warp(picture(), shift(4), border)
    assert torch.allclose(moved[..., 4:], picture()[..., :-4], atol=1e-4)
    assert torch.allclose(moved[..., :4], expected(picture()), atol=1e-4)  # type: ignore[operator]


def test_shrinking_averages_instead_of_skipping() -> None:
    checks = ((torch.arange(48)[:, None] + torch.arange(64)) % 2).float().expand(1, 3, -1, -1)
    half = (0.4, 0.0, 0.0, 0.0, 0.4, 0.0, 0.0, 0.0, 1.0)
    middle = warp(checks, half, "mirror")[..., 20:28, 28:36]
    assert (middle - 0.5).abs().max() < 0.1


def test_coverage_is_1_where_the_source_is_inside() -> None:
    assert coverage(IDENTITY, 48, 64, torch.device("cpu"))[..., 8:-8, 8:-8].min() == 1
    covered = coverage(shift(32), 48, 64, torch.device("cpu"))
    assert covered[..., :30].max() == 0
    assert covered[0, 0, 24, 40] == 1


def tilted(degrees: float, fov: float = 90.0) -> Matrix:
    camera = Camera(tilt_x=constant(degrees), fov=constant(fov))
    return pose_matrix(camera, Fraction(0), (64 / 48, 1.0))


def test_a_tilted_picture_is_read_as_the_textbook_says() -> None:
    """Against the homography of each pixel, one at a time."""
    m = tilted(30)
    grid = source_grid(m, 48, 64, torch.device("cpu"))[0]
    for row, column in ((0, 0), (10, 50), (47, 63)):
        x, y = grid[row, column].tolist()
        x, y = x * 64 / 48 / 2, y / 2  # the source, in camera units
        moved = [m[k] * x + m[k + 1] * y + m[k + 2] for k in (0, 3, 6)]
        assert moved[0] / moved[2] == pytest.approx((column + 0.5 - 32) / 48, abs=1e-5)
        assert moved[1] / moved[2] == pytest.approx((row + 0.5 - 24) / 48, abs=1e-5)


def test_there_is_nothing_beyond_the_horizon() -> None:
    m = tilted(75)  # the horizon is at tan(15 degrees) / 2 above the middle: row 17.6
    sky = warp(picture(), m, "black")[..., :17, :]
    assert sky.abs().max() == 0
    assert coverage(m, 48, 64, torch.device("cpu"))[..., :17, :].max() == 0
    for border in (*NAMES, "#204060"):
        assert torch.isfinite(warp(picture(), m, border)).all(), border


@pytest.mark.parametrize("border", ["mirror", "wrap"])
def test_a_tilted_pattern_does_not_shimmer(border: str) -> None:
    checks = ((torch.arange(96)[:, None] + torch.arange(128)) % 2).float().expand(1, 3, -1, -1)
    distant = warp(checks, tilted(60), border)[..., 20:30, 54:74]  # rows above the middle
    assert (distant - 0.5).abs().mean() < 0.1
    narrow = (0.4, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    assert (warp(checks, narrow, border) - 0.5).abs().mean() < 0.1


def test_shrinking_along_one_axis_keeps_the_detail_along_the_other() -> None:
    rows = (torch.arange(48)[:, None] % 2).float().expand(1, 3, 48, 64)
    narrow = (0.4, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    assert torch.allclose(warp(rows, narrow, "mirror"), rows, atol=1e-4)


def test_outside_a_latent_a_colour_gives_zeros() -> None:
    moved = resample(torch.ones(1, 8, 48, 64), shift(32), "#ff0000")
    assert moved[..., :28].abs().max() == 0
    assert moved[..., 36:].min() > 0.999
