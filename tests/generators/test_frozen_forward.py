"""The fast way through taming's modules: the same numbers as its own, in less memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import tiny
import torch
from torch import Tensor

from render.generators import frozen_forward
from render.generators.vqgan import Generator

WITH_ATTENTION = copy.deepcopy(tiny.GENERATOR)
WITH_ATTENTION["ddconfig"]["attn_resolutions"] = [16]  # beside the middle's
both_ways = pytest.mark.parametrize("winograd", [True, False], ids=["winograd", "onednn"])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """With which even the tiny generator's few channels go by Winograd's transform."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def generator(winograd: bool, monkeypatch: pytest.MonkeyPatch) -> Generator:
    if not winograd:
        monkeypatch.setattr(frozen_forward, "winograd_works", lambda: False)
    elif not frozen_forward.winograd_works():
        pytest.skip("this torch or CPU has no NNPACK")
    return tiny.generator(WITH_ATTENTION)


def painted(generator: Generator, reference: bool, batch: int = 1) -> tuple[Tensor, Tensor]:
    """A picture of 80x48, and the gradient of its latent."""
    random = torch.Generator().manual_seed(1)
    latent = torch.randn(batch, 4, 12, 20, generator=random).requires_grad_()
    generator.reference = reference
    picture = generator.paint(latent)
    picture.backward(torch.randn(picture.shape, generator=random))
    assert latent.grad is not None
    return picture.detach(), latent.grad


def off(given: Tensor, wanted: Tensor) -> float:
    return float((given - wanted).norm() / wanted.norm())


@both_ways
def test_it_paints_what_taming_paints(generator: Generator) -> None:
    given, wanted = painted(generator, False), painted(generator, True)
    assert off(given[0], wanted[0]) < 1e-5
    assert off(given[1], wanted[1]) < 1e-4


@both_ways
def test_it_encodes_what_taming_encodes(generator: Generator) -> None:
    picture = torch.rand(2, 3, 48, 80, generator=torch.Generator().manual_seed(0))
    given = generator.encode(picture)
    generator.reference = True
    assert off(given, generator.encode(picture)) < 1e-5


@both_ways
def test_twice_is_the_same_bits(generator: Generator) -> None:
    once, again = painted(generator, False), painted(generator, False)
    assert torch.equal(once[0], again[0])
    assert torch.equal(once[1], again[1])


def test_reloaded_weights_have_their_own_gradient() -> None:
    generator = tiny.generator()
    painted(generator, False)
    generator.load_taming(tiny.taming_state(seed=5))
    assert off(painted(generator, False)[1], painted(generator, True)[1]) < 1e-4


def test_a_decoder_may_enlarge_without_a_convolution() -> None:
    plain = copy.deepcopy(tiny.GENERATOR)
    plain["ddconfig"]["resamp_with_conv"] = False
    generator = tiny.generator(plain)
    assert off(painted(generator, False)[0], painted(generator, True)[0]) < 1e-5


def test_who_trains_gets_gradients() -> None:
    generator = tiny.generator().requires_grad_(True)
    generator.paint(torch.zeros(1, 4, 12, 20)).sum().backward()
    assert all(parameter.grad is not None for parameter in generator.decoder.parameters())


@both_ways
def test_a_batch_is_its_pictures(generator: Generator) -> None:
    given, wanted = painted(generator, False, batch=3), painted(generator, True, batch=3)
    assert off(given[0], wanted[0]) < 1e-5
    assert off(given[1], wanted[1]) < 1e-4


def test_winograd_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    if not frozen_forward.winograd_works():
        pytest.skip("this torch or CPU has no NNPACK")
    used = []
    real = torch._nnpack_spatial_convolution

    def counted(x: Tensor, *rest: object) -> Tensor:
        used.append(x.shape[-2:])
        return real(x, *rest)

    monkeypatch.setattr(torch, "_nnpack_spatial_convolution", counted)
    painted(tiny.generator(), False)
    assert (48, 80) in used  # the largest, there and back
    assert not any(height * width < frozen_forward.LEAST_CELLS for height, width in used)
    used.clear()
    torch.set_num_threads(4)  # of which NNPACK would use one
    painted(tiny.generator(), False)
    assert not used


def test_a_winograd_that_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
        return torch.conv2d(x, weight, bias, padding=padding) * 1.01

    def missing(*given: object) -> Tensor:
        raise RuntimeError("SpatialConvolution_updateOutput failed")

    for broken in (wrong, missing):
        monkeypatch.setattr(torch, "_nnpack_spatial_convolution", broken)
        assert not frozen_forward.winograd_works.__wrapped__()


def kept(generator: Generator, reference: bool) -> int:
    """Bytes that painting keeps for the way back, weights left out."""
    generator.reference = reference
    latent = torch.zeros(1, 4, 16, 16).requires_grad_()
    picture, count = tiny.kept_by(lambda: generator.paint(latent), generator.parameters())
    assert picture.requires_grad
    return count


def test_less_than_a_third_is_kept() -> None:
    generator = tiny.generator()
    assert kept(generator, False) < kept(generator, True) / 3


def test_steps_in_sixteen_bits_go_the_same_way() -> None:
    generator = tiny.generator(WITH_ATTENTION)
    random = torch.Generator().manual_seed(1)
    latent = torch.randn(1, 4, 12, 20, generator=random).requires_grad_()
    weights = torch.randn(1, 3, 48, 80, generator=random)

    def painted(step: bool) -> tuple[Tensor, Tensor]:
        picture = generator.paint(latent, step=step)
        assert picture.dtype == torch.float32
        (gradient,) = torch.autograd.grad(picture, latent, weights)
        return picture.detach(), gradient

    wanted = painted(step=True)
    generator.on(torch.device("cpu"), torch.bfloat16)
    shown, given = painted(step=False), painted(step=True)
    assert all(map(torch.equal, shown, wanted))  # what is shown stays as it was
    assert 0 < off(given[0], wanted[0]) < 0.01
    assert 0 < off(given[1], wanted[1]) < 0.1
