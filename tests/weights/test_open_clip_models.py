"""Perceptors of one's own and those of open_clip's table: read, checked, installed, used."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP

from render.synthesis.clip_perceptor import load_clip
from render.weights import install, library
from render.weights.catalog import PERCEPTORS, ModelError
from render.weights.convert import convert, read_config
from render.weights.library import weights_metadata
from render.weights.open_clip_models import (
    build_clip,
    clip_shapes,
    read_perceptor_config,
    tagged_model,
)

VISION: dict[str, Any] = {"image_size": 32, "layers": 1, "width": 16, "patch_size": 16}
TRANSFORMER: dict[str, Any] = {
    "embed_dim": 8,
    "vision_cfg": {**VISION, "head_width": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 8, "heads": 1, "layers": 1},
}
RESNET = {**TRANSFORMER, "vision_cfg": {**VISION, "layers": [1, 1, 1, 1], "head_width": 8}}
TIMM_VISION = {"image_size": 32, "timm_model_name": "test_vit", "timm_pool": "token"}
OF_TIMM = {**TRANSFORMER, "custom_text": True, "vision_cfg": TIMM_VISION}


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder of models."""
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def written(path: Path, config: Any) -> Path:
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize("config", [TRANSFORMER, RESNET, OF_TIMM], ids=["vit", "resnet", "timm"])
def test_a_user_can_add_a_clip(tmp_path: Path, config: dict[str, Any]) -> None:
    clip = build_clip(config)
    assert isinstance(clip, CustomTextCLIP if "custom_text" in config else CLIP)
    # Some archives leave out the counts of batches.
    state = {n: t for n, t in clip.state_dict().items() if not n.endswith("batches_tracked")}
    source = tmp_path / "clip.pt"
    torch.save(state, source)
    told = {"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    shape = read_perceptor_config(written(tmp_path / "open_clip_config.json", told))
    path = install.add_own_model("my-clip", source, shape)
    model = library.known_models("perceptor")["my-clip"]
    assert library.weights_path(model) == path
    assert model.input_size == 32
    assert model.gflop_per_cutout > 0
    assert model.parameters == sum(t.numel() for t in clip.state_dict().values())
    assert model.is_transformer == (config is TRANSFORMER)
    perceptor = load_clip(model)
    assert perceptor.mean.flatten().tolist() == [0.5] * 3
    assert perceptor.std.flatten().tolist() == [0.25] * 3
    assert perceptor.embed_texts(["a red sea"]).shape == (1, 8)
    assert perceptor.embed_cutouts(torch.rand(2, 3, 32, 32)).norm(dim=1).tolist() == (
        pytest.approx([1, 1], abs=1e-5)
    )
    # From another machine's folder, without the JSON.
    again = install.add_own_model("again", path, None)
    assert again.read_bytes() == path.read_bytes()
    assert "again" in library.known_models("perceptor")


def with_part(part: str, **changed: Any) -> dict[str, Any]:
    return {**TRANSFORMER, part: {**TRANSFORMER[part], **changed}}


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ([1], "should be a mapping"),
        ({}, "embed_dim is None"),
        ({**TRANSFORMER, "extra": 1}, "extra is no key of a CLIP's config"),
        ({**TRANSFORMER, "text_cfg": None}, "text_cfg should be a mapping"),
        (with_part("text_cfg", hf_model_name="roberta"), "Hugging Face's (hf_model_name)"),
        (with_part("text_cfg", hf_tokenizer_name="a"), "Hugging Face's (hf_tokenizer_name)"),
        (with_part("vision_cfg", timm_model_name="hf-hub:a/b"), "should be a name, no address"),
        (with_part("vision_cfg", timm_model_name="vit", timm_model_pretrained=True), "be false"),
        (with_part("vision_cfg", layers=10**6), "vision_cfg.layers is 1000000"),
        (with_part("vision_cfg", layers=10**400), "vision_cfg.layers is something else"),
        (with_part("vision_cfg", layers=[]), "vision_cfg.layers is []"),
        (with_part("vision_cfg", layers=[1, 1, 1, "x"]), "vision_cfg.layers is 'x'"),
        (with_part("vision_cfg", patch_size="x"), "vision_cfg.patch_size is 'x'"),
        (with_part("vision_cfg", mlp_ratio=float("inf")), "vision_cfg.mlp_ratio should be"),
        (with_part("vision_cfg", timm_model_name=5), "timm_model_name should be a name"),
        (with_part("text_cfg", layers=10**6), "text_cfg.layers is 1000000"),
        (with_part("text_cfg", width=10**6), "text_cfg.width is 1000000"),
        ({**TRANSFORMER, "mean": "foo"}, "mean should be three numbers"),
        (with_part("vision_cfg", image_size=[32, 64]), "vision_cfg.image_size is [32, 64]"),
        ({"model_cfg": TRANSFORMER, "preprocess_cfg": 3}, "preprocess_cfg should be a mapping"),
        (
            {"model_cfg": TRANSFORMER, "preprocess_cfg": {"mean": [1, 2]}},
            "mean should be three numbers",
        ),
    ],
)
def test_an_untrusted_config_is_checked(tmp_path: Path, config: Any, sentence: str) -> None:
    with pytest.raises(ModelError, match=re.escape(sentence)):
        read_perceptor_config(written(tmp_path / "config.json", config))


def test_an_unreadable_config_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(ModelError, match="cannot be read"):
        read_perceptor_config(path)
    path.write_text("{")
    with pytest.raises(ModelError, match="not readable JSON"):
        read_perceptor_config(path)
    path.write_text("[" * 100_000)
    with pytest.raises(ModelError, match="not readable JSON"):
        read_perceptor_config(path)
    path.write_text(" " * (2 << 20))
    with pytest.raises(ModelError, match="too large"):
        read_perceptor_config(path)


def test_only_ordinary_files_are_read_as_configs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", tmp_path, Path("/dev/zero")):
        for read in (read_perceptor_config, read_config):
            with pytest.raises(ModelError, match="is not an ordinary file"):
                read(path)


def test_a_name_of_one_s_own_is_not_given_twice(tmp_path: Path, models: Path) -> None:
    source = tmp_path / "clip.pt"
    torch.save(build_clip(TRANSFORMER).state_dict(), source)
    path = install.add_own_model("my-clip", source, TRANSFORMER)
    # The same again, as after a disk that was full behind the weights, is no mistake.
    path.with_suffix(".sha256").unlink()
    assert install.add_own_model("my-clip", source, TRANSFORMER) == path
    assert path.with_suffix(".sha256").exists()
    assert install.add_own_model("my-clip", path, None) == path
    for name in ("my-clip", "My-Clip"):
        with pytest.raises(ModelError, match=f"{name} is one of your models already, in "):
            install.add_own_model(name, source, RESNET)


def test_a_config_that_open_clip_cannot_build_is_reported() -> None:
    with pytest.raises(ModelError, match="open_clip cannot build"):
        clip_shapes(with_part("vision_cfg", timm_model_name="no_such_network"))
    with pytest.raises(ModelError, match="open_clip cannot build"):
        clip_shapes(with_part("vision_cfg", strange=1))
    with pytest.raises(ModelError, match=r"config \(AssertionError\)"):
        clip_shapes(with_part("text_cfg", pool_type="strange"))
    # A tower of another size.
    other = {"image_size": 32, "timm_model_name": "vit_tiny_patch16_224", "timm_pool": "token"}
    with pytest.raises(ModelError, match="doesn't match model"):
        clip_shapes({**TRANSFORMER, "custom_text": True, "vision_cfg": other})


def test_weights_of_open_clip_have_their_name_and_tag() -> None:
    row = tagged_model("ViT-B-32:metaclip_400m")
    assert row.name == "ViT-B-32:metaclip_400m"
    assert library.weights_file(row).stem == "ViT-B-32-metaclip_400m"
    assert row.config["quick_gelu"]
    assert row.sha256 is None
    assert row.urls == (
        "https://dl.fbaipublicfiles.com/MMPT/metaclip/b32_400m.pt",
        "https://huggingface.co/timm/vit_base_patch32_clip_224.metaclip_400m/resolve/main/"
        "open_clip_model.safetensors",
        "https://huggingface.co/timm/vit_base_patch32_clip_224.metaclip_400m/resolve/main/"
        "open_clip_pytorch_model.bin",
    )
    assert row.gflop_per_cutout == pytest.approx(8.8, rel=0.05)
    openai = tagged_model("RN50:openai")
    assert openai.sha256 == PERCEPTORS["RN50"].sha256
    assert tagged_model("MobileCLIP2-S2:dfndr2b").config["mean"] == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ViT-B-33:openai", "open_clip has no model ViT-B-33; did you mean ViT-B-32"),
        ("ViT-B-32:laion", "no weights 'laion' of ViT-B-32. It has openai, "),
        ("vit-b-32:openai", "did you mean ViT-B-32?"),
        ("ViT-B-16-SigLIP:webli", "Hugging Face's (hf_tokenizer_name)"),
        ("hf-hub:someone/model", "open_clip has no model hf-hub"),
    ],
)
def test_other_names_are_refused(name: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=re.escape(sentence)):
        tagged_model(name)


def test_tagged_weights_are_installed_like_others(tmp_path: Path) -> None:
    row = tagged_model("ViT-B-32:metaclip_400m")
    config = {**TRANSFORMER, "mean": row.config["mean"], "std": row.config["std"]}
    source, target = tmp_path / "clip.bin", tmp_path / "clip.safetensors"
    torch.save(build_clip(TRANSFORMER).state_dict(), source)
    convert(source, target, replace(row, config=config), "")
    header = weights_metadata(target)
    assert json.loads(header["config"]) == TRANSFORMER
    assert json.loads(header["mean"]) == row.config["mean"]
