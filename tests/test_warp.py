"""Warping: exact where it can be, true to its borders, and no shimmer when it shrinks."""

from __future__ import annotations

import pytest
import torch

from render.camera import IDENTITY
from render.language import BORDERS as NAMES
from render.warp import BORDERS, coverage, warp


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


def test_coverage_is_where_there_was_a_picture() -> None:
    assert coverage(IDENTITY, 48, 64, torch.device("cpu"))[..., 8:-8, 8:-8].min() == 1
    covered = coverage(shift(32), 48, 64, torch.device("cpu"))
    assert covered[..., :30].max() == 0
    assert covered[0, 0, 24, 40] == 1
