"""Small pictures read from the middle of a decoder."""

from __future__ import annotations

import math
from pathlib import Path
from unittest.mock import patch

import pytest
import tiny
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from render.generators import vqgan
from render.generators.readout import (
    LEVELS,
    dead_leaves,
    load_readouts,
    save_readouts,
    study_pictures,
)
from render.generators.vqgan import VQGAN, fit_readouts, load_vqgan
from render.plan.cost import DECODED, MOST_HALVED
from render.synthesis.load import EMBEDDED_READOUTS
from render.weights.catalog import GENERATORS


@pytest.fixture(scope="module")
def tiny_generator() -> VQGAN:
    """The tiny generator, whose weights are random, with readouts however poor."""
    generator = tiny.generator()
    with patch.object(vqgan, "LEAST_PSNR", 0):
        fit_readouts(generator)
    return generator


@pytest.fixture(scope="module")
def embedded() -> VQGAN:
    """The embedded generator with the readouts that come with it."""
    generator = load_vqgan(GENERATORS["starter"])
    readouts = load_readouts(EMBEDDED_READOUTS, generator.digest, generator.decoder)
    assert readouts is not None, "run tools/train_starter.py readouts"
    generator.readouts = readouts
    return generator


def errors(generator: VQGAN, level: int) -> tuple[float, float]:
    """The mean squared error of a level's small pictures, and the variance of the whole ones
    averaged, of pictures that the fit has not seen."""
    squares, wanted = [], []
    with torch.no_grad():
        for picture in study_pictures(side=96, count=4, seed=9):
            codes = generator.quantise(generator.encode(picture))
            wanted.append(F.avg_pool2d(generator.paint(codes), 2**level))
            squares.append(F.mse_loss(generator.paint(codes, level=level), wanted[-1]))
    return float(torch.stack(squares).mean()), float(torch.cat(wanted).var())


@pytest.mark.parametrize("level", LEVELS)
def test_the_embedded_generator_s_small_pictures_are_its_own_averaged(
    embedded: VQGAN, level: int
) -> None:
    error, _ = errors(embedded, level)
    assert -10 * math.log10(error) > 36  # dB


@pytest.mark.parametrize("level", LEVELS)
def test_readouts_are_fitted_to_any_generator(tiny_generator: VQGAN, level: int) -> None:
    error, variance = errors(tiny_generator, level)
    assert error < variance / 3


@pytest.mark.parametrize("level", LEVELS)
def test_their_gradient_points_where_the_whole_picture_s_does(embedded: VQGAN, level: int) -> None:
    picture = next(study_pictures(side=64, count=1, seed=9))
    latent = embedded.encode(picture).requires_grad_()
    random = torch.Generator().manual_seed(0)
    weights = F.interpolate(torch.randn(1, 3, 4, 4, generator=random), size=64 >> level)

    def gradient(small: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad((small * weights).sum(), latent)[0].flatten()

    whole = gradient(F.avg_pool2d(embedded.paint(latent, step=True), 2**level))
    read = gradient(embedded.paint(latent, step=True, level=level))
    assert torch.cosine_similarity(whole, read, dim=0) > 0.8


def test_readouts_are_read_back(tiny_generator: VQGAN, tmp_path: Path) -> None:
    path, decoder = tmp_path / "models" / "readouts.safetensors", tiny_generator.decoder
    save_readouts(tiny_generator.readouts, path, "digest")
    again = load_readouts(path, "digest", decoder)
    assert again is not None
    x = torch.randn(1, len(tiny_generator.readouts[1].mean), 8, 8)
    assert torch.equal(again[1](x), tiny_generator.readouts[1](x))
    assert load_readouts(path, "another generator", decoder) is None
    path.write_bytes(path.read_bytes()[:-10])
    assert load_readouts(path, "digest", decoder) is None
    assert load_readouts(tmp_path / "absent", "digest", decoder) is None


@pytest.mark.parametrize(
    "changed",
    [{"1.mean": torch.tensor(1.0)}, {"1.mean": torch.zeros(5, 1, 1)}, {"1.odd": torch.zeros(2)}],
)
def test_a_file_of_other_shapes_is_not_used(
    tiny_generator: VQGAN, tmp_path: Path, changed: dict[str, torch.Tensor]
) -> None:
    path = tmp_path / "readouts.safetensors"
    own = {f"1.{name}": value for name, value in tiny_generator.readouts[1].state_dict().items()}
    save_file({**own, **changed}, path, {"generator": "digest"})
    assert load_readouts(path, "digest", tiny_generator.decoder) is None


def test_a_poor_fit_is_not_used(tmp_path: Path) -> None:
    generator = tiny.generator()
    generator.decoder.conv_out.weight.fill_(torch.nan)
    fit_readouts(generator)
    assert generator.readouts == {}
    save_readouts({}, tmp_path / "readouts.safetensors", "digest")
    assert load_readouts(tmp_path / "readouts.safetensors", "digest", generator.decoder) == {}


def test_a_plan_knows_the_levels_of_readouts() -> None:
    assert list(LEVELS) == list(range(1, MOST_HALVED + 1))
    assert len(DECODED) == MOST_HALVED + 1


def test_study_pictures_are_the_same_every_time() -> None:
    assert all(map(torch.equal, study_pictures(32, 5), study_pictures(32, 5)))
    one = dead_leaves(32, torch.Generator().manual_seed(1))
    assert one.shape == (1, 3, 32, 32)
    assert one.std() > 0.05
