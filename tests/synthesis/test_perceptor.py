"""The perceptor gives unit vectors, reads unknown words as stand-ins, and loads its weights."""

from __future__ import annotations

import logging
from pathlib import Path

import open_clip
import pytest
import tiny
import torch
from safetensors.torch import save_file

from render.synthesis.clip_perceptor import (
    load_clip,
    readings_of,
    whole_state,
)
from render.weights.catalog import ModelError
from render.weights.library import known_models
from render.weights.open_clip_models import build_clip


def test_embeddings_are_unit_vectors_that_differ() -> None:
    perceptor = tiny.perceptor()
    texts = perceptor.embed_texts(["a red sea", "огонь 🔥 a fire", ""])
    cutouts = perceptor.embed_cutouts(torch.rand(4, 3, 32, 32))
    for vectors in (texts, cutouts):
        assert torch.allclose(vectors.norm(dim=-1), torch.ones(len(vectors)), atol=1e-5)
    assert not torch.allclose(texts[0], texts[1])


def test_cutouts_get_gradients_and_weights_do_not() -> None:
    perceptor = tiny.perceptor()
    cutouts = torch.rand(2, 3, 32, 32, requires_grad=True)
    perceptor.embed_cutouts(cutouts).sum().backward()
    assert cutouts.grad is not None
    assert all(parameter.grad is None for parameter in perceptor.parameters())


def test_building_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    tiny.perceptor()
    assert torch.equal(torch.rand(1), expected)


def test_building_logs_no_warning_of_random_weights(
    caplog: pytest.LogCaptureFixture,
) -> None:
    build_clip({"open_clip": "ViT-S-32-alt"})
    assert not caplog.records
    logging.warning("still logged")
    assert len(caplog.records) == 1


def test_a_stored_perceptor_is_loaded(models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENDER_MODELS", str(models_folder))
    loaded, made = load_clip(known_models("perceptor")["tiny-clip"]), tiny.perceptor()
    cutouts = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(loaded.embed_cutouts(cutouts), made.embed_cutouts(cutouts), atol=1e-5)
    assert loaded.side == 32
    assert len(loaded.digest) == 64


def test_rows_that_were_not_stored_are_the_mean_of_those_that_were() -> None:
    clip = tiny.perceptor().clip
    rows = torch.randn(3, 16).half()
    state = {"token_embedding.rows": rows, "token_embedding.ids": torch.tensor([5, 7, 9])}
    table = whole_state(state, clip, readings_of(state))["token_embedding.weight"]
    assert table.shape == (49408, 16)
    assert torch.equal(table[7], rows[1].float())
    assert torch.allclose(table[0], rows.float().mean(0))


def test_unknown_words_are_read_as_their_stand_ins() -> None:
    clip = tiny.perceptor().clip
    token = open_clip.SimpleTokenizer().encoder
    sea, fire, ocean = token["sea</w>"], token["fire</w>"], token["ocean</w>"]
    state = {
        "token_embedding.rows": torch.randn(3, 16),
        "token_embedding.ids": torch.tensor([sea, fire, token["a</w>"]]),
        "token_embedding.stand_ins": torch.tensor([[ocean, sea]]),
    }
    table = whole_state(state, clip, readings_of(state))["token_embedding.weight"]
    assert torch.equal(table[ocean], table[sea])


def test_weights_that_do_not_fit_are_a_sentence(
    models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDER_MODELS", str(models_folder))
    row = known_models("perceptor")["tiny-clip"]
    wrong = models_folder / "wrong.safetensors"
    save_file({"logit_scale": torch.zeros(())}, wrong, {"format": "render.perceptor.1"})
    monkeypatch.setattr("render.synthesis.clip_perceptor.require_weights", lambda model: wrong)
    with pytest.raises(ModelError, match="does not hold the perceptor tiny-clip"):
        load_clip(row)
    wrong.unlink()


def test_a_text_s_bits_do_not_depend_on_its_neighbours() -> None:
    perceptor = tiny.perceptor()
    texts = [f"a {colour} sea" for colour in ("red", "green", "blue", "grey", "black", "white")]
    together = perceptor.embed_texts(texts)
    for text, embedding in zip(texts, together, strict=True):
        assert torch.equal(perceptor.embed_texts([text])[0], embedding)


def test_cutouts_in_parts_give_the_same_in_less_memory() -> None:
    perceptor = tiny.perceptor()
    given = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def embedded(at_once: int | None) -> tuple[torch.Tensor, torch.Tensor, int]:
        perceptor.at_once = at_once
        cutouts = given.clone().requires_grad_()
        embeddings, memory = tiny.kept_by(lambda: perceptor.embed_cutouts(cutouts))
        embeddings.square().cumsum(1).sum().backward()
        assert cutouts.grad is not None
        return embeddings.detach(), cutouts.grad, memory

    whole, gradient, whole_memory = embedded(None)
    parts, gradient_of_parts, parts_memory = embedded(2)
    assert torch.allclose(parts, whole, atol=1e-6)
    assert (gradient_of_parts - gradient).norm() < 1e-4 * gradient.norm()
    assert parts_memory < whole_memory / 2
