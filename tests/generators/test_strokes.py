"""Strokes: what they cover, how they follow the camera, and drawings without a resolution."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from render.generators import rasterise as rasterising
from render.generators.rasterise import Curves, flatten, rasterise
from render.generators.strokes import BIRTH, COLOUR, OPACITY, POINTS, WIDTH, Strokes
from render.generators.warp import View

PAPER = torch.tensor([1.0, 1.0, 1.0])


def random_curves(count: int = 12, size: tuple[int, int] = (40, 30), seed: int = 0) -> Curves:
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=random)

    points = draw(count, 4, 2) * (torch.tensor(size) + 20.0) - 10
    return Curves(flatten(points, 8), 0.3 + 4 * draw(count), draw(count, 3), draw(count))


def painted_one_by_one(curves: Curves, size: tuple[int, int]) -> Tensor:
    """The same picture by comparing every pixel with every segment."""
    width, height = size
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    picture = PAPER[:, None, None].expand(3, height, width)
    for points, radius, colour, opacity in zip(
        curves.points, curves.radii, curves.colours, curves.opacities, strict=True
    ):
        least = torch.full((height, width), torch.inf)
        for begin, end in itertools.pairwise(points):
            along = end - begin
            share = ((x - begin[0]) * along[0] + (y - begin[1]) * along[1]) / along.square().sum()
            share = share.clamp(0, 1).detach()
            across, down = x - begin[0] - share * along[0], y - begin[1] - share * along[1]
            least = torch.minimum(least, (across.square() + down.square() + 1e-6).sqrt())
        cover = (radius - least + 0.5).clamp(0, 1) - (0.5 - radius - least).clamp(0, 1)
        share = (cover * opacity).clamp(0, rasterising.MOST_OPAQUE)
        picture = picture + share * (colour[:, None, None] - picture)
    return picture


@pytest.mark.parametrize("candidates", [rasterising.CANDIDATES, 300])
def test_the_picture_and_its_gradient_are_those_of_every_pixel_with_every_segment(
    monkeypatch: pytest.MonkeyPatch, candidates: int
) -> None:
    """In one piece, and in bands, as large pictures are painted."""
    monkeypatch.setattr(rasterising, "CANDIDATES", candidates)
    gradients = []
    for paint in (lambda curves: rasterise(curves, (40, 30), PAPER), painted_one_by_one):
        parts = [part.clone().requires_grad_() for part in vars(random_curves()).values()]
        made = paint(Curves(*parts)) if paint is not painted_one_by_one else None
        made = painted_one_by_one(Curves(*parts), (40, 30)) if made is None else made
        weights = torch.rand(made.shape, generator=torch.Generator().manual_seed(1))
        gradients.append((made, torch.autograd.grad((made * weights).sum(), parts)))
    (picture, own), (reference, right) = gradients
    assert torch.allclose(picture, reference, atol=1e-4)
    for one, other in zip(own, right, strict=True):
        assert torch.allclose(one, other, atol=1e-3 * float(other.abs().max()))


def test_strokes_outside_the_picture_and_none_at_all_leave_paper() -> None:
    curves = random_curves()
    outside = Curves(curves.points + 1000, *list(vars(curves).values())[1:])
    assert torch.equal(rasterise(outside, (40, 30), PAPER), torch.ones(3, 30, 40))
    none = Curves(*(part[:0] for part in vars(curves).values()))
    assert torch.equal(rasterise(none, (40, 30), PAPER), torch.ones(3, 30, 40))


def drawing(count: int = 60, size: tuple[int, int] = (96, 64)) -> tuple[Strokes, Tensor]:
    generator = Strokes(size, count=count, width=0.06, paper="#ffffff")
    colours = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(3))
    return generator, generator.begin(colours, seed=3)


def zoomed(factor: float) -> View:
    return View((factor, 0.0, 0.0, 0.0, factor, 0.0, 0.0, 0.0, 1.0), seed=1)


def test_a_zoom_runs_for_ever_with_as_many_strokes() -> None:
    """A hundred keyframes, of 1.2 each: what leaves the frame is drawn anew within it."""
    generator, strokes = drawing()
    births = set()
    for keyframe in range(100):
        view = View(zoomed(1.2).matrix, seed=keyframe)
        start = generator.warm_start(strokes, view)
        strokes = start.latent
        births.update(strokes[0, BIRTH, :, 0].tolist())
        assert torch.isfinite(strokes).all()
        assert (strokes >= generator.low).all()
        assert (strokes <= generator.high).all()
    inside = strokes[0, POINTS, :, 0].abs().amin(0) < 0.75
    assert inside.float().mean() > 0.9
    assert len(births) > 20
    picture = generator.decode(strokes)
    assert (picture < 0.99).any(1).float().mean() > 0.3  # it is not empty paper


def test_a_zoom_never_blurs() -> None:
    generator, strokes = drawing()
    large = Strokes((960, 640), count=60, width=0.06, paper="#ffffff")
    near = large.decode(generator.seen(strokes, zoomed(8.0).matrix, "mirror"))
    edges = (near[..., 1:] - near[..., :-1]).abs().amax()
    assert edges > 0.15  # a stroke's edge is a pixel wide, at eight times the size too


def test_moving_away_fills_what_was_not_shown() -> None:
    generator, strokes = drawing(count=200)
    start = generator.warm_start(strokes, zoomed(0.6))
    assert start.free is not None
    anew = start.free[0, 0, :, 0] > 0
    share = anew.float().mean()
    assert 0.5 < share < 0.75  # 1 - 0.6²
    middle = start.latent[0, POINTS, :, 0].view(4, 2, -1).mean(0)[:, anew]
    outside = (middle[0].abs() > 0.6 * generator.half_width) | (middle[1].abs() > 0.3)
    assert outside.float().mean() > 0.95


def test_a_stroke_that_is_drawn_anew_fades_and_none_flies() -> None:
    generator, before = drawing()
    after = generator.warm_start(before, zoomed(1.5)).latent
    moved = generator.seen(before, zoomed(1.5).matrix, "mirror")
    between = generator.between(moved, after, 0.25)
    anew = int((after[0, BIRTH] != 0).sum())
    assert anew > 0
    assert between.shape[2] == before.shape[2] + anew
    assert torch.allclose(
        between[0, OPACITY].sum(),
        moved[0, OPACITY][after[0, BIRTH] == 0].sum()
        + 0.75 * moved[0, OPACITY][after[0, BIRTH] != 0].sum()
        + 0.25 * after[0, OPACITY][after[0, BIRTH] != 0].sum(),
        atol=1e-3,
    )


def test_drawings_travel_stroke_by_stroke() -> None:
    generator, before = drawing()
    after = before.flip(2)  # the same strokes in another order
    halfway = generator.travel(before, after, 0.5)
    assert halfway.shape == before.shape

    def by_place(strokes: Tensor) -> Tensor:
        return strokes[0, :, strokes[0, 0, :, 0].argsort()]

    assert torch.allclose(by_place(halfway), by_place(before), atol=1e-5)


def test_drawings_of_different_numbers_of_strokes_travel_too() -> None:
    generator, before = drawing()
    after = before[:, :, :40]
    for one, other in ((before, after), (after, before)):
        halfway = generator.travel(one, other, 0.5)
        assert halfway.shape == before.shape
        near = generator.paint(generator.travel(one, other, 0.001))
        assert (near - generator.paint(one)).abs().mean() < 0.01


@pytest.mark.parametrize("kind", ["perspective", "turn"])
def test_widths_grow_as_the_picture_does(kind: str) -> None:
    generator, strokes = drawing()
    cosine, sine = math.cos(0.3), math.sin(0.3)
    turned = (2 * cosine, -2 * sine, 0.0, 2 * sine, 2 * cosine, 0.0, 0.0, 0.0, 1.0)
    matrix = turned if kind == "turn" else (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.8, 1.0)
    growth = generator.seen(strokes, matrix, "mirror")[0, WIDTH] / strokes[0, WIDTH]
    if kind == "turn":
        assert torch.allclose(growth, torch.full_like(growth, 2.0), atol=1e-4)
    else:  # what is below is further away
        y = strokes[0, POINTS, :, 0].view(4, 2, -1).mean(0)[1]
        assert torch.corrcoef(torch.stack([y, growth[:, 0]]))[0, 1] < -0.9


def test_new_strokes_have_the_colours_of_the_picture() -> None:
    generator = Strokes((96, 64), count=50, width=0.05, paper="#000000")
    picture = torch.zeros(1, 3, 8, 12)
    picture[:, 0, :, :6], picture[:, 2, :, 6:] = 1.0, 1.0  # red, and blue on the right
    strokes = generator.begin(picture, seed=0)[0, ..., 0]
    left = strokes[POINTS].view(4, 2, -1).mean(0)[0] < -0.1
    assert (strokes[COLOUR][0][left] > 0.9).all()
    assert (strokes[COLOUR][2][~left] > 0.4).float().mean() > 0.8


def test_the_gradient_is_the_same_bits_every_time() -> None:
    """With several threads too: latents are found by their keys, and have to be made again."""
    generator, strokes = drawing(count=256, size=(192, 128))
    gradients = []
    for _ in range(4):
        own = strokes.clone().requires_grad_()
        weights = torch.rand(1, 3, 128, 192, generator=torch.Generator().manual_seed(1))
        gradients.append(torch.autograd.grad((generator.paint(own) * weights).sum(), own)[0])
    assert all(torch.equal(gradients[0], other) for other in gradients[1:])


def test_an_average_keeps_the_births() -> None:
    generator, strokes = drawing()
    strokes[0, BIRTH, ::3] = 54035
    average, total = torch.zeros_like(strokes), 0.0
    for _ in range(5):
        average.mul_(0.9).add_(strokes, alpha=1 - 0.9)
        total = total * 0.9 + (1 - 0.9)
    restored = generator.restored(average / total, strokes)
    assert torch.equal(restored[0, BIRTH], strokes[0, BIRTH])
    assert torch.allclose(restored, strokes, rtol=1e-4)


def test_a_move_that_exposes_nothing_draws_nothing_anew() -> None:
    generator, strokes = drawing(count=100)
    for view in (View((1, 0, 0.001, 0, 1, 0, 0, 0, 1), seed=1), zoomed(1.01)):
        start = generator.warm_start(strokes, view)
        anew = 0 if start.free is None else int(start.free.sum())
        assert anew <= 3  # those that have left the frame


def test_what_is_behind_the_camera_is_not_seen() -> None:
    generator, strokes = drawing()
    tilted = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 4.0, 1.0)  # w = 1 + 4 y
    seen = generator.seen(strokes, tilted, "mirror")
    behind = (1 + 4 * strokes[0, POINTS, :, 0].view(4, 2, -1)[:, 1] < 0.05).any(0)
    assert behind.any()
    assert (seen[0, OPACITY, :, 0][behind] == 0).all()
    shown = seen[0, OPACITY, :, 0] > 0
    assert seen[0, WIDTH, :, 0][shown].max() < 1.5
    assert torch.isfinite(generator.decode(seen)).all()
    lost = generator.warm_start(strokes, View(tilted, seed=1))
    assert (lost.latent[0, OPACITY] > 0).all()
