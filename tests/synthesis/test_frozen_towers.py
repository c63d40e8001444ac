"""The sped-up image towers compute what open_clip's own compute."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor, nn

from render.synthesis.clip_perceptor import ClipPerceptor, load_clip, read_clip
from render.synthesis.frozen_towers import speed_up_tower
from render.weights.library import known_models
from render.weights.open_clip_models import build_clip

TRANSFORMER = {
    **tiny.PERCEPTOR,
    "vision_cfg": {
        "image_size": 32, "layers": 2, "width": 32, "head_width": 8, "patch_size": 8,
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def relative_error(given: Tensor, expected: Tensor) -> float:
    return float((given - expected).norm() / expected.norm())


def sped_up(clip: Any) -> Any:
    """The same clip, with its image tower sped up in place."""
    speed_up_tower(clip.visual)
    return clip


@pytest.mark.parametrize("shape", [TRANSFORMER, tiny.PERCEPTOR], ids=["transformer", "resnet"])
def test_a_sped_up_tower_computes_what_open_clip_computes(shape: dict) -> None:
    clip = build_clip(shape).eval()
    with torch.no_grad():
        tensors = [*clip.visual.parameters(), *clip.visual.buffers()]  # and statistics
        for number, tensor in enumerate(tensors):
            if tensor.is_floating_point():
                random = torch.Generator().manual_seed(number)
                tensor.copy_(torch.randn(tensor.shape, generator=random) * 0.2)
                if number >= len(list(clip.visual.parameters())):
                    tensor.abs_().add_(0.5)  # a variance
    cutouts = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    weights = torch.randn(3, 16, generator=torch.Generator().manual_seed(1))

    def embedded(clip: Any) -> tuple[Tensor, Tensor]:
        given = cutouts.clone().requires_grad_()
        embeddings = ClipPerceptor(clip).embed_cutouts(given)
        (embeddings * weights).sum().backward()
        assert given.grad is not None
        return embeddings.detach(), given.grad

    expected = embedded(copy.deepcopy(clip))
    given = embedded(sped_up(clip))
    assert relative_error(given[0], expected[0]) < 1e-5
    assert relative_error(given[1], expected[1]) < 1e-4


def test_only_a_transformer_computes_in_sixteen_bits() -> None:
    cutouts = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    transformer, resnet = ClipPerceptor(sped_up(build_clip(TRANSFORMER))), tiny.perceptor()
    for perceptor, largest_error in ((transformer, 0.02), (resnet, 0.0)):
        expected, texts = perceptor.embed_cutouts(cutouts), perceptor.embed_texts(["a sea"])
        perceptor.on(torch.device("cpu"), torch.bfloat16)
        given = perceptor.embed_cutouts(cutouts)
        assert given.dtype == torch.float32
        assert relative_error(given, expected) <= largest_error
        assert torch.equal(given, expected) == (largest_error == 0)
        assert torch.equal(perceptor.embed_texts(["a sea"]), texts)


def test_the_slow_layers_of_a_transformer_are_replaced() -> None:
    def kinds(visual: Any) -> set[str]:
        return {type(visual.conv1).__name__, type(visual.transformer.resblocks[1].attn).__name__}

    assert kinds(build_clip(TRANSFORMER).visual) == {"Conv2d", "MultiheadAttention"}
    assert kinds(sped_up(build_clip(TRANSFORMER)).visual) == {"_Patches", "_Attention"}


def normalisations(visual: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in visual.modules())


def test_the_normalisations_of_a_resnet_are_folded() -> None:
    assert normalisations(tiny.clip().visual) == 19
    assert normalisations(tiny.perceptor().clip.visual) == 0


def test_a_stored_perceptor_is_sped_up_when_it_is_loaded(
    models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDER_MODELS", str(models_folder))
    model = known_models("perceptor")["tiny-clip"]
    assert normalisations(read_clip(model).clip.visual) == 19
    assert normalisations(load_clip(model).clip.visual) == 0
