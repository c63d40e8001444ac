"""Converting checkpoints keeps exactly the needed tensors, and reports what does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from checkpoint_files import CONFIG, YAML, checkpoint, row, taming_state
from safetensors.torch import load_file
from torch import Tensor

from render.weights.catalog import GENERATORS, PERCEPTORS, ModelError
from render.weights.convert import convert, generator_shapes, read_config
from render.weights.download import DownloadError
from render.weights.library import weights_metadata
from render.weights.open_clip_models import class_arguments, clip_shapes


@pytest.mark.parametrize("gumbel", [False, True], ids=["vqgan", "gumbel"])
@pytest.mark.parametrize(
    "prefix",
    ["", "first_stage_model.", "model.", "module.", "module.model."],
    ids=["alone", "in a transformer", "in a model", "in a parallel module", "in both"],
)
def test_exactly_the_needed_tensors_are_converted(
    tmp_path: Path, gumbel: bool, prefix: str
) -> None:
    state = taming_state(gumbel)
    within = {prefix + name: tensor for name, tensor in state.items()}
    if prefix:
        within["transformer.tok_emb.weight"] = torch.ones(2)
    source = checkpoint(tmp_path / "last.ckpt", within)
    target = tmp_path / "tiny.safetensors"
    config = {**CONFIG, "gumbel": gumbel}
    convert(source, target, row(config), "ab" * 32)
    tensors = load_file(target)
    assert set(tensors) == {name for name in state if not name.startswith("loss.")}
    assert set(tensors) == set(generator_shapes(config))
    assert all(torch.equal(tensors[name], state[name]) for name in tensors)
    header = weights_metadata(target)
    assert header["format"] == "render.generator.1"
    assert header["source_sha256"] == "ab" * 32
    assert json.loads(header["config"]) == config
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "tiny.safetensors"]


def test_converting_in_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "last.ckpt", taming_state())
    convert(source, tmp_path / "here.safetensors", row(), "")
    code = (
        "import sys, json; from pathlib import Path; from render.weights.convert import convert;"
        "from render.weights.catalog import Model;"
        "convert(Path(sys.argv[1]), Path(sys.argv[2]),"
        "Model('tiny', 'generator', json.loads(sys.argv[3]), licence='MIT', note=''), '')"
    )
    there = tmp_path / "there.safetensors"
    command = [sys.executable, "-c", code, str(source), str(there), json.dumps(CONFIG)]
    subprocess.run(command, check=True, cwd=Path(__file__).parent.parent.parent)
    assert there.read_bytes() == (tmp_path / "here.safetensors").read_bytes()


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    state, target = taming_state(), tmp_path / "tiny.safetensors"

    def problem(state: dict[str, Tensor], config: dict[str, Any] = CONFIG) -> str:
        with pytest.raises(ModelError) as caught:
            convert(checkpoint(tmp_path / "a.ckpt", state), target, row(config), "")
        assert not target.exists()
        assert not list(tmp_path.glob("*.partial"))
        return str(caught.value)

    without = {name: tensor for name, tensor in state.items() if "quant_conv" not in name}
    assert "it lacks quant_conv.weight, quant_conv.bias, post_quant_conv.weight and 1 more" in (
        problem(without)
    )
    said = problem(state, {**CONFIG, "n_embed": 1024})
    assert "quantize.embedding.weight is 16x8, and should be 1024x8" in said
    deeper = {**state, "encoder.down.9.block.0.conv1.weight": torch.ones(1)}
    assert "it also has encoder.down.9.block.0.conv1.weight" in problem(deeper)
    assert "it lacks" in problem({})
    assert "cannot be built" in problem(state, {**CONFIG, "ddconfig": {"ch": 32}})


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    state, target = taming_state(), tmp_path / "tiny.safetensors"
    state["decoder.conv_in.weight"] = state["decoder.conv_in.weight"].clone()
    state["decoder.conv_in.weight"].view(-1)[7] = torch.nan
    with pytest.raises(ModelError, match="weight holds values that are no numbers"):
        convert(checkpoint(tmp_path / "a.ckpt", state), target, row(), "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]


def test_the_used_codes_of_a_remapped_generator_are_left_out(tmp_path: Path) -> None:
    source, target = tmp_path / "a.ckpt", tmp_path / "tiny.safetensors"
    checkpoint(source, {**taming_state(), "quantize.used": torch.arange(4)})
    convert(source, target, row(), "")
    assert "quantize.used" not in load_file(target)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = checkpoint(tmp_path / "last.ckpt", taming_state())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DownloadError, match="the disk is full"):
        convert(source, tmp_path / "tiny.safetensors", row(), "")
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_converted_clip_says_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keywords = {
        "embed_dim": 8,
        "quick_gelu": True,
        "vision_cfg": {
            "image_size": 32,
            "layers": 1,
            "width": 16,
            "patch_size": 16,
            "head_width": 8,
        },
        "text_cfg": {"context_length": 8, "vocab_size": 32, "width": 16, "heads": 2, "layers": 1},
    }
    monkeypatch.setattr(open_clip, "get_model_config", lambda name: dict(keywords))
    clip = open_clip.model.CLIP(**keywords)
    extra = {"input_resolution": torch.tensor(32), "attn_mask": torch.ones(8, 8)}
    source, target = tmp_path / "clip.bin", tmp_path / "clip.safetensors"
    torch.save({**clip.state_dict(), **extra}, source)
    convert(source, target, PERCEPTORS["ViT-B/32"], "cd" * 32)
    header = weights_metadata(target)
    assert header["format"] == "render.perceptor.1"
    built = open_clip.model.CLIP(**json.loads(header["config"]))
    built.load_state_dict(load_file(target))
    assert json.loads(header["mean"]) == pytest.approx([0.4815, 0.4578, 0.4082], abs=1e-4)
    other = replace(PERCEPTORS["ViT-B/32"], name="other")
    torch.save({"visual.proj": torch.ones(1)}, source)
    with pytest.raises(ModelError, match="not a checkpoint of other: it lacks positional_embed"):
        convert(source, target, other, "")


@pytest.mark.parametrize("name", [name for name, row in PERCEPTORS.items() if not row.embedded])
def test_the_perceptors_are_as_open_clip_has_them(name: str) -> None:
    model = PERCEPTORS[name]
    config = open_clip.get_model_config(model.config["open_clip"])
    assert config["vision_cfg"]["image_size"] == model.input_size
    shapes = clip_shapes(class_arguments(model.config))
    assert model.parameters == sum(torch.Size(shape).numel() for shape in shapes.values())
    plain = model.config["open_clip"].removesuffix("-quickgelu")
    published = open_clip.pretrained.get_pretrained_cfg(plain, model.config["pretrained"])
    assert config.get("quick_gelu", False) == published.get("quick_gelu", False)
    assert list(published["mean"]) == model.config["mean"]
    assert list(published["std"]) == model.config["std"]
    if model.config["pretrained"] == "openai":
        first, second = model.urls
        assert first == published["url"]
        assert second.endswith(f"/{model.sha256}/{first.rpartition('/')[2]}")
        assert model.sha256 == published["url"].split("/")[-2]
    else:
        assert all(f"/{published['hf_hub']}resolve/" in url for url in model.urls)


@pytest.mark.parametrize("name", [name for name, row in GENERATORS.items() if row.urls])
def test_the_generators_can_be_built(name: str) -> None:
    model = GENERATORS[name]
    shapes = generator_shapes(model.config)
    assert model.factor == 2 ** (len(model.config["ddconfig"]["ch_mult"]) - 1)
    assert model.channels == model.config["embed_dim"] == shapes["quant_conv.weight"][0]
    numbers = sum(torch.Size(shape).numel() for shape in shapes.values())
    assert model.parameters == numbers
    # 4 bytes per weight; the rest of a published file is the state of training.
    assert model.size is None or model.size > 4 * numbers
    if name == "vqgan-coco":  # the only published file with nothing but the generator
        assert model.size is not None
        assert model.size - 4 * numbers < 200_000


def test_the_yaml_of_a_vqgan_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(YAML.format(target="VQModel"))
    assert read_config(path) == CONFIG
    path.write_text(YAML.format(target="GumbelVQ"))
    assert read_config(path) == {**CONFIG, "gumbel": True}
    inner = YAML.format(target="VQModel").replace("\n", "\n    ").replace("model:", "", 1)
    outer = "model:\n  target: Net2NetTransformer\n  params:\n    first_stage_config:"
    path.write_text(outer + inner)
    assert read_config(path) == CONFIG


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("model:", "other:"), "no model.params"),
        (("embed_dim: 8", "dim: 8"), "needs ddconfig, embed_dim and n_embed"),
        (("embed_dim: 8", "embed_dim: -8"), "embed_dim is -8, and should be a whole number"),
        (("embed_dim: 8", "embed_dim: true"), "embed_dim is True"),
        (("ch: 32", "ch: 33"), "a multiple of 32"),
        (("ch: 32", "ch: 1e9"), "ddconfig.ch is"),
        (("in_channels: 3", "in_channels: 4"), "in_channels is 4, and should be 3"),
        (("[1, 2]", "[]"), "ch_mult should hold"),
        (("[1, 2]", "two"), "ch_mult should be a list"),
        (("[1, 2]", "[1, a]"), "ch_mult should hold whole numbers"),
        (("[1, 2]", "[1, 1000]"), "numbers from 1 to 64"),
        (("ddconfig:", "ddconfig: [1]\n    d:"), "should be a mapping"),
        (("n_embed: 16", "n_embed: ${nothing}"), "not the config of a VQGAN"),
        (("n_embed: 16", "n_embed: *name"), "aliases"),
        (("model:", "x: &a [1]\ny: *a\nmodel:"), "aliases"),
        (("model:", "\tmodel:"), "not readable YAML"),
        (("model:", "[" * 5000), "nested too deeply"),
    ],
    ids=lambda value: value[1][:20] if isinstance(value, tuple) else "",
)
def test_a_wrong_yaml_is_reported(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(YAML.format(target="VQModel").replace(*change, 1))
    with pytest.raises(ModelError, match=r"model\.yaml") as caught:
        read_config(path)
    assert sentence in str(caught.value)


def test_an_unreadable_config_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    with pytest.raises(ModelError, match="cannot be read"):
        read_config(path)
    with pytest.raises(ModelError, match="is not an ordinary file"):
        read_config(tmp_path)
    path.write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(ModelError, match="not readable YAML"):
        read_config(path)
    path.write_text("#" * (2 << 20))
    with pytest.raises(ModelError, match="too large"):
        read_config(path)
