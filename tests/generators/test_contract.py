"""What every kind of generator promises, over all rows; a kind of which half is missing fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor
from torch.nn import functional as F

from render.generators.generator import Generator
from render.generators.load import LOADERS, load_generator
from render.generators.warp import View, warp
from render.plan.camera import IDENTITY
from render.storyboard.model_names import GENERATOR
from render.synthesis.latents import Store
from render.synthesis.optimize import only_level, optimize, whole_picture
from render.weights.catalog import GENERATORS, Model
from render.weights.kinds import KINDS, PARAMETERS, latent_shape

SIZE = (64, 48)
ZOOM = (1.25, 0.0, 0.0, 0.0, 1.25, 0.0, 0.0, 0.0, 1.0)
AWAY = (0.8, 0.0, 0.1, 0.0, 0.8, 0.0, 0.0, 0.0, 1.0)
TURN = (0.9, -0.3, 0.1, 0.3, 0.9, 0.0, 0.1, 0.05, 1.0)  # and tilted
# The rows that need no file, each with every value of its parameters once, and a tiny VQGAN.
ROWS = [
    ("vqgan", {}),
    *((name, dict(row.config)) for name, row in GENERATORS.items() if not row.has_weights),
    ("pixels", {"basis": "spectrum"}),
    ("strokes", {"count": 40, "width": 0.1, "paper": "#204060"}),
]
rows = pytest.mark.parametrize(("kind", "parameters"), ROWS)


def made(kind: str, parameters: dict[str, object]) -> tuple[Generator, Model]:
    """A generator of a kind for pictures of SIZE, and its row."""
    if kind == "vqgan":
        row = GENERATORS["starter"]
        return tiny.generator(), Model(**{**vars(row), "factor": 4, "channels": 4})
    row = Model(**{**vars(GENERATORS[kind]), "config": parameters})
    return load_generator(row, SIZE), row


def soft_picture(seed: int = 0) -> Tensor:
    """Soft colours (1, 3, H, W)."""
    colours = torch.rand(1, 3, 3, 4, generator=torch.Generator().manual_seed(seed))
    size = SIZE[::-1]
    return F.interpolate(colours, size=size, mode="bicubic", align_corners=True).clamp(0, 1)


def test_every_kind_has_all_its_rows() -> None:
    kinds = {row.kind for row in GENERATORS.values()}
    assert kinds == set(KINDS) == set(LOADERS) == {kind for kind, _ in ROWS}
    for kind, parameters in ROWS:
        generator, row = made(kind, dict(parameters))
        assert generator.moves_latents == KINDS[kind].moves_latents
        assert KINDS[kind].fits(row, latent_shape(row, SIZE))
        assert not KINDS[kind].fits(row, (3, 9000, 9000))
    of_kinds = {name for kind in KINDS.values() for name in kind.parameters}
    assert of_kinds == set(PARAMETERS) == {row.key for row in GENERATOR.rows} - {"name"}
    for row in GENERATORS.values():
        if not row.has_weights:
            assert set(row.config) == set(KINDS[row.kind].parameters)
            assert all(PARAMETERS[name](value) for name, value in row.config.items())


@rows
def test_it_begins_with_a_latent_of_its_shape_in_its_bounds(
    kind: str, parameters: dict[str, object]
) -> None:
    generator, row = made(kind, parameters)
    assert generator.kind == kind
    assert generator.digest
    latent = generator.begin(soft_picture(), seed=7)
    assert latent.shape == (1, *latent_shape(row, SIZE))
    assert torch.equal(latent, generator.begin(soft_picture(), seed=7))
    inside = latent.maximum(generator.low).minimum(generator.high)
    assert kind == "vqgan" or torch.equal(latent, inside)  # whose bounds are its codes'
    assert generator.low.shape == generator.high.shape == (latent.shape[1], 1, 1)
    assert generator.unit > 0
    assert generator.spread > 0


@rows
def test_it_paints_pictures_of_the_size_whole_and_halved(
    kind: str, parameters: dict[str, object]
) -> None:
    generator, _ = made(kind, parameters)
    codes = generator.quantise(generator.begin(soft_picture(), seed=1))
    whole = generator.paint(codes)
    assert whole.shape == (1, 3, SIZE[1], SIZE[0])
    assert 0 <= whole.min() <= whole.max() <= 1
    assert 0 in generator.levels
    for level in generator.levels:
        halved = generator.paint(codes, step=True, level=level)
        assert halved.shape == (1, 3, SIZE[1] >> level, SIZE[0] >> level)
        assert (halved - F.avg_pool2d(whole, 2**level)).abs().mean() < 0.05
    assert torch.allclose(generator.paint(torch.cat([codes, codes]))[1:], whole, atol=1e-5)


@rows
def test_it_encodes_a_picture_as_near_as_it_can(kind: str, parameters: dict[str, object]) -> None:
    generator, _ = made(kind, parameters)
    if kind == "vqgan":
        pytest.skip("its tiny weights are random")
    picture = soft_picture()
    again = generator.decode(generator.encode(picture))
    flat = picture.mean((2, 3), keepdim=True).expand_as(picture)
    error = F.mse_loss(again, picture)
    if kind == "color":
        assert torch.allclose(again, flat, atol=1e-5)
    else:
        assert error < 0.5 * F.mse_loss(flat, picture)
    if kind == "pixels":
        assert error < 1e-4


@rows
def test_the_gradient_reaches_every_number_that_it_may_move(
    kind: str, parameters: dict[str, object]
) -> None:
    generator, _ = made(kind, parameters)
    start = generator.begin(soft_picture(), seed=1)
    offsets = [offset.requires_grad_() for offset in generator.zero_offsets(start)]
    assert len(offsets) == len(generator.step_shares)
    assert torch.allclose(generator.add_offsets(start, offsets), start)
    generator.decode(generator.add_offsets(start, offsets)).square().sum().backward()
    for offset in offsets:
        assert offset.grad is not None
        assert torch.isfinite(offset.grad).all()
        assert offset.grad.abs().max() > 0
    change = torch.randn(start.shape, generator=torch.Generator().manual_seed(0)) * 0.01
    with torch.no_grad():
        generator.move_offsets(offsets, change)
        moved = generator.add_offsets(start, offsets)
    if kind == "strokes":  # when it was drawn is not for steps to move
        change[:, -1] = 0
    assert torch.allclose(moved - start, change, atol=1e-4)


@rows
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_come_nearer_to_a_picture_and_stay_in_bounds(
    kind: str, parameters: dict[str, object], weight_decay: float
) -> None:
    generator, _ = made(kind, parameters)
    wanted = generator.decode(generator.begin(soft_picture(2), seed=2)).detach()
    start = generator.begin(soft_picture(3), seed=3)
    steps = optimize(
        start,
        generator,
        tiny.no_cutouts,
        lambda latent, codes, picture, cutouts, constants: F.mse_loss(picture, wanted),
        steps=12,
        step_size=0.8,
        smoothing=0.5,
        weight_decay=weight_decay,
        level_at=whole_picture,
        constants_at=only_level,
    )
    states = list(steps)
    assert torch.isfinite(states[-1].average).all()
    assert (states[-1].average <= generator.high + 1e-4).all()
    assert (states[-1].average >= generator.low - 1e-4).all()
    if not weight_decay:
        assert states[-1].loss < 0.9 * states[0].loss


@rows
def test_the_camera_moves_a_latent_as_it_moves_its_picture(
    kind: str, parameters: dict[str, object]
) -> None:
    generator, _ = made(kind, parameters)
    latent = generator.begin(soft_picture(), seed=4)
    picture = generator.decode(latent)
    assert torch.equal(generator.seen(latent, IDENTITY, "mirror"), latent)
    for matrix in (ZOOM, TURN):
        if kind == "vqgan":  # whose tiny weights are random
            break
        seen = generator.decode(generator.seen(latent, matrix, "mirror"))
        inner = (..., slice(12, 36), slice(16, 48))
        assert (seen - warp(picture, matrix, "mirror"))[inner].abs().mean() < 0.04, matrix


@rows
@pytest.mark.parametrize("border", ["mirror", "dream"])
def test_a_keyframe_starts_from_its_parent_and_from_a_picture(
    monkeypatch: pytest.MonkeyPatch, kind: str, parameters: dict[str, object], border: str
) -> None:
    monkeypatch.setattr("render.generators.strokes.FIT_STEPS", 3)
    generator, row = made(kind, parameters)
    parent = generator.begin(soft_picture(), seed=5)
    resting = generator.warm_start(parent, View())
    assert torch.equal(resting.latent, parent)
    assert torch.equal(resting.picture, generator.decode(parent))
    for matrix in (ZOOM, AWAY, TURN):
        view = View(matrix, border, seed=9)
        starts = [generator.warm_start(parent, view), generator.start_from(soft_picture(), view)]
        for start in starts:
            assert start.latent.shape == (1, *latent_shape(row, SIZE))
            assert start.picture.shape == (1, 3, SIZE[1], SIZE[0])
            assert torch.isfinite(start.latent).all()
            assert not start.latent.requires_grad
            if start.free is not None:
                torch.broadcast_shapes(start.free.shape, start.latent.shape)
        assert torch.equal(starts[0].latent, generator.warm_start(parent, view).latent)


@rows
def test_what_is_between_two_latents_begins_with_one_and_ends_with_the_other(
    kind: str, parameters: dict[str, object]
) -> None:
    generator, _ = made(kind, parameters)
    before, after = (
        generator.quantise(generator.begin(soft_picture(seed), seed=seed)) for seed in (1, 2)
    )
    pictures = [generator.paint(before), generator.paint(after)]
    for way in (generator.between, generator.travel):
        for fraction, picture in zip((0.0, 1.0), pictures, strict=True):
            assert torch.allclose(generator.paint(way(before, after, fraction)), picture, atol=1e-3)
        small = generator.paint(way(before, after, 0.01))
        assert (small - pictures[0]).abs().mean() < 0.05
        halfway = generator.paint(way(before, after, 0.5))
        assert halfway.shape == pictures[0].shape
        assert not torch.allclose(halfway, pictures[0], atol=1e-2)


@rows
def test_its_latents_are_saved_and_loaded(
    tmp_path: Path, kind: str, parameters: dict[str, object]
) -> None:
    generator, row = made(kind, parameters)
    latent = generator.begin(soft_picture(), seed=6)
    store = Store(tmp_path, {"key": latent_shape(row, SIZE)})
    store.save("key", latent, {})
    assert torch.equal(store.load("key"), latent)


@rows
def test_a_mask_has_a_share_in_every_part(kind: str, parameters: dict[str, object]) -> None:
    generator, _ = made(kind, parameters)
    latent = generator.begin(soft_picture(), seed=8)
    mask = torch.zeros(1, 1, SIZE[1], SIZE[0])
    assert (generator.share_of(mask + 1, latent) == 1).all()
    mask[..., :32] = 1
    share = generator.share_of(mask, latent)
    torch.broadcast_shapes(share.shape, latent.shape)
    assert 0.3 < share.mean() < 0.7
