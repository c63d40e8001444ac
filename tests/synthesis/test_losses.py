"""Losses: named once, finite, with a gradient for the latent, and as their formulas say."""

from __future__ import annotations

import dataclasses
import math

import pytest
import tiny
import torch

from render.storyboard.model import LOSS_WEIGHTS, OF_PALETTE, Settings
from render.synthesis.cutouts import sample_cutouts
from render.synthesis.losses import LOSSES, LossInputs, weighted_sum
from render.synthesis.perceptor import angular_distance as distance
from render.synthesis.picture_statistics import palette_of, sharpness_of
from render.synthesis.targets import PromptTarget


def inputs(
    parent: bool = True, weights: tuple[float, ...] = (1.0, -0.5), stop: float = -math.inf
) -> LossInputs:
    generator, perceptor = tiny.generator(), tiny.perceptor()
    latent = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(0)) * 0.3
    latent.requires_grad_()
    codes = generator.quantise(latent)
    embeddings = perceptor.embed_texts(["a sea", "a fire"])[: len(weights)]
    prompt_target = PromptTarget(
        perceptor,
        1.0,
        torch.tensor(1.0),
        embeddings,
        torch.tensor(weights),
        torch.full((len(weights),), float(stop)),
    )
    picture = generator.paint(codes)
    draw = sample_cutouts(4, (48, 32), (0.5, 1.0), seed=1)
    return LossInputs(
        latent,
        codes,
        picture,
        parent=torch.full_like(picture, 0.5) if parent else None,
        parent_latent=torch.zeros_like(latent) if parent else None,
        cutouts=draw.on(latent.device, 32, {perceptor.side: 1.0}),
        prompt_targets=(prompt_target,),
        palette=palette_of(torch.rand(1, 3, 32, 48)) if parent else None,
        sharpness=sharpness_of(torch.rand(1, 3, 32, 48)) if parent else None,
    )


def test_the_storyboard_knows_the_same_losses() -> None:
    assert set(LOSS_WEIGHTS) == set(LOSSES)
    assert {name for name, _ in Settings().losses} <= set(LOSSES)


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_is_finite_and_moves_the_latent(name: str) -> None:
    given = inputs()
    value = weighted_sum(given, ((name, 2.0),))
    assert torch.isfinite(value)
    assert value.item() == pytest.approx(2 * LOSSES[name](given).item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(value, given.latent)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0


def test_distance_is_half_the_squared_angle() -> None:
    angle = torch.tensor(0.7)
    a, b = torch.tensor([1.0, 0.0]), torch.stack([angle.cos(), angle.sin()])
    assert distance(a, b).item() == pytest.approx(0.7**2 / 2, rel=1e-5)


def test_opposite_vectors_have_a_finite_gradient() -> None:
    a = torch.tensor([1.0, 0.0], requires_grad=True)
    distance(a, torch.tensor([-1.0, 0.0])).backward()
    assert torch.isfinite(a.grad).all()


def test_a_negative_weight_pushes_losses() -> None:
    pull, push = inputs(weights=(1.0,)), inputs(weights=(-1.0,))
    # Gradients of the picture and not of the latent: where a colour is at the end of its range, the
    # clamp before it passes only one of two opposite gradients.
    (towards,) = torch.autograd.grad(LOSSES["prompts"](pull), pull.picture)
    (away,) = torch.autograd.grad(LOSSES["prompts"](push), push.picture)
    assert towards.norm() > 1e-3
    assert (towards + away).norm() < 1e-4 * towards.norm()


def test_doubling_every_weight_changes_nothing() -> None:
    once, twice = inputs(weights=(1.0, -0.5)), inputs(weights=(2.0, -1.0))
    assert torch.allclose(LOSSES["prompts"](once), LOSSES["prompts"](twice))


def test_below_its_stop_a_prompt_has_no_gradient() -> None:
    given = inputs(weights=(1.0,), stop=100.0)  # every distance is below 100
    (gradient,) = torch.autograd.grad(LOSSES["prompts"](given), given.latent)
    assert gradient.abs().max() == 0


@pytest.mark.parametrize("name", ["hold", "latent", "likeness", "edges", *OF_PALETTE, "sharpness"])
def test_losses_against_a_parent_are_0_where_a_chain_starts(name: str) -> None:
    assert LOSSES[name](inputs(parent=False)) == 0


def test_edges_ignore_colours() -> None:
    given = inputs()
    darker = dataclasses.replace(given, picture=given.parent * 0.5 + 0.1)  # flat, as its parent is
    assert LOSSES["edges"](darker) < 1e-9
    assert LOSSES["hold"](darker) > 1e-3


def test_likeness_compares_with_the_parent() -> None:
    given = inputs()
    same = dataclasses.replace(given, picture=given.parent)
    assert LOSSES["likeness"](same) < 0.01 * LOSSES["likeness"](given)


def test_each_palette_loss_measures_its_own_part_of_the_palette() -> None:
    random = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 32, 48, generator=random) * 0.4 + 0.3

    def losses(changed: torch.Tensor) -> dict[str, float]:
        given = dataclasses.replace(inputs(), picture=changed, palette=palette_of(picture))
        return {name: LOSSES[name](given).item() for name in OF_PALETTE}

    assert max(losses(picture.flip(-1).roll(5, -2)).values()) < 1e-9  # places do not matter
    grey = picture.mean(1, keepdim=True).expand_as(picture)
    reddened = picture * torch.tensor([1.1, 1.0, 0.8]).view(1, 3, 1, 1)
    assert losses(reddened)["colours"] > 10 * max(losses(picture)["colours"], 1e-6)
    assert losses(grey + 0.2)["brightness"] > 100 * losses(grey)["brightness"]
    flat = (grey - 0.5) * 0.5 + 0.5
    assert losses(flat)["contrast"] > 30 * max(losses(flat)["brightness"], 1e-6)


def test_a_flat_picture_has_a_finite_gradient_towards_a_palette() -> None:
    picture = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    palette_of(picture).sum().backward()
    assert torch.isfinite(picture.grad).all()


def test_only_lost_sharpness_counts() -> None:
    given = inputs()
    own = sharpness_of(given.picture).detach()
    for share, expected in ((0.5, 0.0), (1.0, 0.0), (2.0, math.log(2) ** 2)):
        value = LOSSES["sharpness"](dataclasses.replace(given, sharpness=own * share))
        assert value.item() == pytest.approx(expected, abs=1e-6)
    flat = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    LOSSES["sharpness"](dataclasses.replace(given, picture=flat, sharpness=own)).backward()
    assert torch.isfinite(flat.grad).all()
