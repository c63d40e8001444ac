"""Cutouts: seeded, near the picture, and equal to crops where they only crop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional as F

from render.synthesis.cuda_graph import kind_of
from render.synthesis.cutouts import CutoutDraw, cut_out, sample_cutouts, sample_mirrored

CPU = torch.device("cpu")


def cutouts_of(picture: torch.Tensor, draw: CutoutDraw, side: int) -> torch.Tensor:
    return cut_out(picture, draw.on(CPU, min(picture.shape[-2:]), {side: 1.0}), side)


def test_the_same_seed_gives_the_same_cutouts_whatever_the_global_state() -> None:
    torch.manual_seed(1)
    first = sample_cutouts(9, (96, 64), (0.4, 1.0), seed=5)
    torch.manual_seed(2)
    again = sample_cutouts(9, (96, 64), (0.4, 1.0), seed=5)
    other = sample_cutouts(9, (96, 64), (0.4, 1.0), seed=6)
    assert torch.equal(first.homographies, again.homographies)
    assert not torch.equal(first.homographies, other.homographies)
    picture = torch.rand(1, 3, 64, 96)
    assert torch.equal(cutouts_of(picture, first, 32), cutouts_of(picture, again, 32))


def crop_homography(left: int, top: int, side: int, height: int, width: int) -> torch.Tensor:
    half = side / 2
    return torch.tensor(
        [
            [half, 0, left + half - width / 2],
            [0, half, top + half - height / 2],
            [0, 0, 1],
        ]
    )


def test_a_plain_cutout_equals_a_crop() -> None:
    picture = torch.rand(1, 3, 64, 96)
    places = [(0, 0, 32), (64, 32, 32), (16, 8, 32)]
    matrices = torch.stack([crop_homography(x, y, s, 64, 96) for x, y, s in places])
    draw = CutoutDraw(matrices, torch.full((3,), 32.0), torch.ones(3, 3, 1, 1), None, 0)
    cutouts = cutouts_of(picture, draw, 32)
    for index, (x, y, side) in enumerate(places):
        assert torch.allclose(cutouts[index], picture[0, :, y : y + side, x : x + side], atol=1e-4)


def test_a_cutout_that_shrinks_averages() -> None:
    picture = torch.rand(1, 3, 64, 64)
    matrix, extent = crop_homography(0, 0, 64, 64, 64)[None], torch.tensor([64.0])
    draw = CutoutDraw(matrix, extent, torch.ones(1, 3, 1, 1), None, 0)
    expected = torch.nn.functional.avg_pool2d(picture, 4)
    assert torch.allclose(cutouts_of(picture, draw, 16), expected, atol=1e-4)


def test_few_cutouts_cover_the_picture() -> None:
    picture = torch.rand(1, 3, 64, 96, requires_grad=True)
    cutouts_of(picture, sample_cutouts(8, (96, 64), (0.4, 1.0), seed=3), 32).sum().backward()
    assert (picture.grad != 0).any(1).float().mean() > 0.95


def test_cutouts_stay_near_the_picture() -> None:
    draw = sample_cutouts(64, (96, 64), (0.4, 1.0), seed=2)
    centres = draw.homographies[:, :2, 2]
    assert (centres.abs() <= torch.tensor([48.0, 32.0])).all()
    assert (draw.homographies[:, 2, :2].abs() <= 0.25).all()


def test_noise_is_only_added_when_asked() -> None:
    assert sample_cutouts(4, (64, 64), (0.5, 1.0), seed=1, noise=0).noise is None
    assert sample_cutouts(4, (64, 64), (0.5, 1.0), seed=1).noise is not None


def test_the_tensors_have_the_same_shapes_in_every_step() -> None:
    """So that a step can be recorded: which cutouts read the halved picture is random, how many is
    not."""
    cutouts = [
        sample_cutouts(16, (160, 96), (0.4, 1.0), seed=seed).on(CPU, 96, {64: 0.5, 32: 1.0})
        for seed in range(30)
    ]
    assert len({kind_of(step) for step in cutouts}) == 1
    assert {len(matrices) > 0 for matrices in cutouts[0].sides[32].matrices} == {True}
    assert len({step.sides[32].matrices[0].sum().item() for step in cutouts}) == 30


def test_a_side_may_see_a_share_of_the_cutouts() -> None:
    draw = sample_cutouts(8, (64, 48), (0.4, 1.0), seed=1, noise=0)
    picture = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    every = cut_out(picture, draw.on(CPU, 48, {16: 1.0}), 16)
    some = draw.on(CPU, 48, {16: 0.5, 24: 1.0})
    seen = some.sides[16].seen
    assert torch.equal(cut_out(picture, some, 16), every[seen])
    assert draw.extents[seen].sort().values.tolist() == draw.extents.sort().values[::2].tolist()
    assert len(cut_out(picture, some, 24)) == 8
    assert len(cut_out(picture, draw.on(CPU, 48, {16: 0.01}), 16)) == 1


@pytest.fixture
def repeating() -> Iterator[None]:
    """torch takes kernels that repeat to the last bit."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def test_a_repeating_kernel_reads_the_same_colours(repeating: None) -> None:
    random = torch.Generator().manual_seed(4)
    picture = torch.rand(1, 3, 9, 14, generator=random, requires_grad=True)
    points = torch.randn(5, 6, 6, 2, generator=random) * 1.5  # some far outside
    weights = torch.rand(5, 3, 6, 6, generator=random)
    expected = F.grid_sample(
        picture.expand(5, -1, -1, -1), points, padding_mode="reflection", align_corners=False
    )
    read = sample_mirrored(picture, points)
    assert torch.allclose(read, expected, atol=1e-5)
    gradients = [
        torch.autograd.grad((each * weights).sum(), picture)[0] for each in (read, expected)
    ]
    assert torch.allclose(*gradients, atol=1e-4)
