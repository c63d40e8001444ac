"""Our forward of taming's modules: the same numbers as taming's own, in less memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import tiny
import torch
from reference_models import reference_generator
from torch import Tensor

from render.generators import frozen_forward
from render.generators.vqgan import VQGAN
from render.plan.arithmetic import CONVOLUTIONS, Arithmetic

WITH_ATTENTION = copy.deepcopy(tiny.GENERATOR)
WITH_ATTENTION["ddconfig"]["attn_resolutions"] = [16]  # besides that of the middle blocks
CPU = torch.device("cpu")
every_way = pytest.mark.parametrize("way", CONVOLUTIONS)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One thread, with which even the tiny generator has enough channels for Winograd."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def generator(way: str) -> VQGAN:
    """A tiny generator with attention, whose convolutions are computed in this way."""
    if way == "winograd" and not frozen_forward.winograd_works():
        pytest.skip("this torch or CPU has no NNPACK")
    return tiny.generator(WITH_ATTENTION).on(CPU, Arithmetic(convolutions=way))


def painted(generator: VQGAN, batch: int = 1) -> tuple[Tensor, Tensor]:
    """Pictures of 80x48, and the gradient of their latent."""
    random = torch.Generator().manual_seed(1)
    latent = torch.randn(batch, 4, 12, 20, generator=random).requires_grad_()
    picture = generator.paint(latent)
    picture.backward(torch.randn(picture.shape, generator=random))
    assert latent.grad is not None
    return picture.detach(), latent.grad


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """The norm of the difference, relative to the expected norm."""
    return float((actual - expected).norm() / expected.norm())


def assert_equal_to_reference(generator: VQGAN, batch: int = 1) -> None:
    """Pictures and gradients are those of taming's own forward."""
    picture, gradient = painted(generator, batch)
    expected_picture, expected_gradient = painted(reference_generator(generator), batch)
    assert relative_error(picture, expected_picture) < 1e-5
    assert relative_error(gradient, expected_gradient) < 1e-4


@every_way
def test_it_paints_what_taming_paints(generator: VQGAN) -> None:
    assert_equal_to_reference(generator)


@every_way
def test_it_encodes_what_taming_encodes(generator: VQGAN) -> None:
    picture = torch.rand(2, 3, 48, 80, generator=torch.Generator().manual_seed(0))
    expected = reference_generator(generator).encode(picture)
    assert relative_error(generator.encode(picture), expected) < 1e-5


@every_way
def test_twice_is_the_same_bits(generator: VQGAN) -> None:
    first, second = painted(generator), painted(generator)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_reloaded_weights_have_their_own_gradient() -> None:
    generator = tiny.generator()
    painted(generator)
    generator.load_taming(tiny.taming_state(seed=5))
    assert_equal_to_reference(generator)


def test_a_decoder_may_upsample_without_a_convolution() -> None:
    plain = copy.deepcopy(tiny.GENERATOR)
    plain["ddconfig"]["resamp_with_conv"] = False
    assert_equal_to_reference(tiny.generator(plain))


def test_weights_that_are_trained_get_gradients() -> None:
    generator = tiny.generator().requires_grad_(True)
    generator.paint(torch.zeros(1, 4, 12, 20)).sum().backward()
    assert all(parameter.grad is not None for parameter in generator.decoder.parameters())


@every_way
def test_a_batch_equals_the_reference(generator: VQGAN) -> None:
    assert_equal_to_reference(generator, batch=3)


def test_winograd_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    if not frozen_forward.winograd_works():
        pytest.skip("this torch or CPU has no NNPACK")
    used = []
    real = torch._nnpack_spatial_convolution

    def counted(x: Tensor, *rest: object) -> Tensor:
        used.append(x.shape[-2:])
        return real(x, *rest)

    monkeypatch.setattr(torch, "_nnpack_spatial_convolution", counted)
    painted(tiny.generator().on(CPU, Arithmetic(convolutions="winograd")))
    assert (48, 80) in used  # the largest, forward and backward
    assert not any(height * width < frozen_forward.WINOGRAD_PIXELS for height, width in used)
    used.clear()
    torch.set_num_threads(4)  # of which NNPACK would use one
    assert not frozen_forward.has_winograd()
    painted(tiny.generator().on(CPU, Arithmetic(convolutions="winograd")))
    painted(tiny.generator())
    assert not used


def test_channels_lie_side_by_side_throughout(monkeypatch: pytest.MonkeyPatch) -> None:
    layouts = []
    real = torch.ops.aten.native_group_norm

    def counted(x: Tensor, *rest: object) -> object:
        layouts.append(frozen_forward.layout_of(x))
        return real(x, *rest)

    monkeypatch.setattr(torch.ops.aten, "native_group_norm", counted)
    painted(tiny.generator(WITH_ATTENTION).on(CPU, Arithmetic(convolutions="channels-last")))
    assert len(layouts) > 20
    assert set(layouts) == {torch.channels_last}


def test_a_winograd_that_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
        return torch.conv2d(x, weight, bias, padding=padding) * 1.01

    def missing(*given: object) -> Tensor:
        raise RuntimeError("SpatialConvolution_updateOutput failed")

    for broken in (wrong, missing):
        monkeypatch.setattr(torch, "_nnpack_spatial_convolution", broken)
        assert not frozen_forward.winograd_works.__wrapped__()


def kept_bytes(generator: VQGAN) -> int:
    """Bytes that painting keeps for the backward pass, without the weights."""
    latent = torch.zeros(1, 4, 16, 16).requires_grad_()
    picture, count = tiny.kept_by(lambda: generator.paint(latent), generator.parameters())
    assert picture.requires_grad
    return count


def test_less_than_a_third_is_kept() -> None:
    generator = tiny.generator()
    assert kept_bytes(generator) < kept_bytes(reference_generator(generator)) / 3


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_steps_in_sixteen_bits_have_nearly_the_same_gradient(precision: str) -> None:
    generator = tiny.generator(WITH_ATTENTION)
    random = torch.Generator().manual_seed(1)
    latent = torch.randn(1, 4, 12, 20, generator=random).requires_grad_()
    weights = torch.randn(1, 3, 48, 80, generator=random)

    def painted(step: bool) -> tuple[Tensor, Tensor]:
        picture = generator.paint(latent, step=step)
        assert picture.dtype == torch.float32
        (gradient,) = torch.autograd.grad(picture, latent, weights)
        return picture.detach(), gradient

    expected = painted(step=True)
    generator.on(CPU, Arithmetic(precision))
    shown, actual = painted(step=False), painted(step=True)
    assert all(map(torch.equal, shown, expected))  # pictures that are shown stay float32
    assert 0 < relative_error(actual[0], expected[0]) < 0.01
    assert 0 < relative_error(actual[1], expected[1]) < 0.1
