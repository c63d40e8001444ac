"""The generator equals taming's own modules, and its gradients are those of VQGAN+CLIP."""

from __future__ import annotations

import copy

import pytest
import tiny
import torch
from taming.modules.vqvae.quantize import VectorQuantizer

from render.generators.vqgan import VQGAN, code_statistics
from render.weights.catalog import ModelError

GUMBEL = {**copy.deepcopy(tiny.GENERATOR), "gumbel": True}


def test_the_quantiser_is_taming_s() -> None:
    generator = tiny.generator()
    reference = VectorQuantizer(32, 4, beta=0.25)
    reference.embedding.weight.data.copy_(generator.codebook)
    latent = torch.randn(2, 4, 5, 7) * 0.5
    assert torch.allclose(generator.quantise(latent), reference(latent)[0], atol=1e-6)


def test_quantising_is_a_nearest_neighbour() -> None:
    generator = tiny.generator()
    latent = torch.randn(1, 4, 3, 3) * 0.5
    codes = generator.quantise(latent)
    for y in range(3):
        for x in range(3):
            cell = latent[0, :, y, x]
            nearest = min(generator.codebook, key=lambda code: float((code - cell).square().sum()))
            assert torch.equal(codes[0, :, y, x], nearest)


def test_codes_that_are_not_in_use_do_not_change_the_unit() -> None:
    """Of imagenet-16384's codes 6% are in use; the others lie near zero."""
    state = tiny.taming_state()
    live = state["quantize.embedding.weight"]
    dead = torch.rand(470, 4) * 1e-3
    config = {**copy.deepcopy(tiny.GENERATOR), "n_embed": 32 + len(dead)}
    sparse, full = VQGAN(config), tiny.generator()
    sparse.load_taming({**state, "quantize.embedding.weight": torch.cat([live, dead])})
    assert (sparse.unit, sparse.spread) == (full.unit, pytest.approx(full.spread))
    for odd in (torch.full((3, 4), torch.nan), torch.ones(3, 4), torch.zeros(3, 4)):
        assert code_statistics(odd) == (1.0, 1.0)
    apart = (live[:, None] - live[None]).square().mean()
    assert full.spread == pytest.approx(float(apart), rel=1e-4)
    assert full.unit == pytest.approx(float(apart / 2) ** 0.5 / 1.837, rel=0.01)


def test_gradients_pass_straight_through() -> None:
    generator = tiny.generator()
    latent = (torch.randn(1, 4, 3, 3) * 0.5).requires_grad_()
    (generator.quantise(latent) * 3).sum().backward()
    assert torch.allclose(latent.grad, torch.full_like(latent, 3.0))


def test_shapes_ranges_and_frozen_weights() -> None:
    generator = tiny.generator()
    assert generator.factor == 4
    latent = generator.encode(torch.rand(1, 3, 32, 48))
    assert latent.shape == (1, 4, 8, 12)
    picture = generator.decode(latent)
    assert picture.shape == (1, 3, 32, 48)
    assert 0 <= picture.min() <= picture.max() <= 1
    assert torch.equal(generator.low[:, 0, 0], generator.codebook.min(0).values)
    assert not any(parameter.requires_grad for parameter in generator.parameters())


def test_the_clamp_keeps_gradients_that_lead_back() -> None:
    generator = tiny.generator()
    generator.decoder.conv_out.bias.data.fill_(5.0)  # every value far above 1
    codes = generator.codebook[:4].T.reshape(1, 4, 2, 2).clone().requires_grad_()
    generator.paint(codes).sum().backward()  # descent makes it darker
    inwards = codes.grad.abs().max()
    codes.grad = None
    (-generator.paint(codes)).sum().backward()
    outwards = codes.grad.abs().max()
    assert inwards > 0
    assert outwards == 0


def test_a_gumbel_model_encodes_to_codes() -> None:
    generator = tiny.generator(GUMBEL)
    latent = generator.encode(torch.rand(1, 3, 16, 16))
    cells = latent.permute(0, 2, 3, 1).reshape(-1, 4)
    assert all((generator.codebook == cell).all(1).any() for cell in cells)


def test_weights_that_do_not_fit_are_reported() -> None:
    state = tiny.taming_state()
    state.pop("decoder.conv_out.bias")
    with pytest.raises(ModelError, match="do not fit"):
        VQGAN(tiny.GENERATOR).load_taming(state)
