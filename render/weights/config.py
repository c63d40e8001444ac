"""Checks the config of a user's own model, which may come from an untrusted file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from render.text import escape_unprintable
from render.weights.catalog import ModelError

_CONFIG_LIMIT = 1 << 20  # bytes of a config in YAML or JSON
_PERCEPTOR_KEYS = {
    "embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text", "init_logit_scale",
    "init_logit_bias", "nonscalar_logit_scale", "mean", "std",
}  # fmt: skip

_NUMBERS = (  # required in ddconfig: name, minimum, maximum
    ("z_channels", 1, 4096),
    ("resolution", 8, 8192),
    ("in_channels", 3, 3),
    ("out_ch", 3, 3),
    ("ch", 32, 1024),
    ("num_res_blocks", 1, 16),
)


def check_file(path: Path) -> None:
    """Raises ModelError unless a config is an ordinary file of ordinary size: a pipe would wait for
    ever, and a device never end."""
    if not path.exists():
        raise ModelError(f"{path} cannot be read: it is not there")
    if not path.is_file():
        raise ModelError(f"{path} is not an ordinary file; give the config itself")
    if path.stat().st_size > _CONFIG_LIMIT:
        raise ModelError(f"{path} is too large to be a config (1 MB at most)")


def check_config(role: str, config: Any, path: Path) -> None:
    """Raises ModelError, which names `path`, unless a model of the role can have the config."""
    if not isinstance(config, dict):
        raise ModelError(f"{path}: the config should be a mapping")
    if role == "perceptor":
        _check_perceptor(config, path)
    else:
        _check_generator(config, path)


def _check_perceptor(config: dict[str, Any], path: Path) -> None:
    """Raises ModelError unless the config describes a CLIP with square pictures, which nothing but
    its weights file is needed for.

    open_clip would download what other configs name: a text tower or a tokenizer of Hugging Face's,
    pretrained weights of timm's.
    """
    if more := set(config) - _PERCEPTOR_KEYS:
        raise ModelError(f"{path}: {_listed(more)} is no key of a CLIP's config")
    _check_number(path, "embed_dim", config.get("embed_dim"), 1, 16384)
    vision, text = config.get("vision_cfg"), config.get("text_cfg")
    if not isinstance(vision, dict) or not isinstance(text, dict):
        name = "text_cfg" if isinstance(vision, dict) else "vision_cfg"
        raise ModelError(f"{path}: {name} should be a mapping")
    if foreign := [key for key in text if str(key).startswith("hf_") and text[key] is not None]:
        raise ModelError(
            f"{path}: its texts are read by a program of Hugging Face's ({_listed(foreign)}), "
            "which Render does not have; CLIPs with open_clip's own text tower can be used"
        )
    for name, part in (("vision_cfg", vision), ("text_cfg", text)):
        for key, value in part.items():
            if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9_.]{0,100}", value):
                raise ModelError(f"{path}: {name}.{_listed([key])} should be a name, no address")
    _check_towers(vision, text, path)
    for name in ("mean", "std"):
        check_statistics(config.get(name, [0.5] * 3), name, path)


def _check_towers(vision: dict[str, Any], text: dict[str, Any], path: Path) -> None:
    """Raises ModelError unless the sizes of a CLIP's two towers are such as networks have."""
    _check_number(path, "vision_cfg.image_size", vision.get("image_size"), 16, 4096)
    if "timm_model_name" in vision and not isinstance(vision["timm_model_name"], str):
        raise ModelError(f"{path}: vision_cfg.timm_model_name should be a name")
    layers = vision.get("layers", 12)
    if isinstance(layers, list) and len(layers) == 4:
        for each in layers:
            _check_number(path, "vision_cfg.layers", each, 1, 100)
    else:
        _check_number(path, "vision_cfg.layers", layers, 1, 200)
    _check_number(path, "text_cfg.layers", text.get("layers", 12), 1, 200)
    for name, part in (("vision_cfg", vision), ("text_cfg", text)):
        for key, most in (("width", 16384), ("heads", 1024), ("head_width", 1024)):
            _check_number(path, f"{name}.{key}", part.get(key, 64), 1, most)
        ratio = part.get("mlp_ratio", 4.0)
        if type(ratio) not in (int, float) or not 0 < ratio <= 64:
            raise ModelError(f"{path}: {name}.mlp_ratio should be a number from 0 to 64")
    if vision.get("patch_size") is not None:
        _check_number(path, "vision_cfg.patch_size", vision["patch_size"], 1, 4096)
    if vision.get("timm_model_pretrained"):
        raise ModelError(f"{path}: vision_cfg.timm_model_pretrained should be false")
    _check_number(path, "text_cfg.context_length", text.get("context_length", 77), 1, 4096)
    _check_number(path, "text_cfg.vocab_size", text.get("vocab_size", 49408), 2, 1 << 20)


def check_statistics(value: Any, name: str, path: Path) -> None:
    """Raises ModelError unless a mean or standard deviation is three numbers from 0 to 1."""
    is_three = isinstance(value, list) and len(value) == 3
    if not is_three or not all(type(v) in (int, float) and 0 <= v <= 1 for v in value):
        raise ModelError(f"{path}: {name} should be three numbers from 0 to 1")


def _listed(names: Iterable[str]) -> str:
    """Returns the first names, sorted, as untrusted text that is safe to print."""
    return ", ".join(escape_unprintable(name[:60]) for name in sorted(map(str, names))[:3])


def _check_generator(config: dict[str, Any], path: Path) -> None:
    """Raises ModelError unless the config describes a VQGAN for colour pictures."""
    options = config.get("ddconfig")
    if not isinstance(options, dict):
        raise ModelError(f"{path}: ddconfig should be a mapping")
    _check_number(path, "embed_dim", config.get("embed_dim"), 1, 4096)
    _check_number(path, "n_embed", config.get("n_embed"), 2, 1 << 20)
    for name, low, high in _NUMBERS:
        _check_number(path, f"ddconfig.{name}", options.get(name), low, high)
    if options["ch"] % 32:
        raise ModelError(f"{path}: ddconfig.ch is {options['ch']}, and should be a multiple of 32")
    for name, most in (("ch_mult", 8), ("attn_resolutions", 8)):
        values = options.get(name)
        if not isinstance(values, list) or len(values) > most:
            raise ModelError(f"{path}: ddconfig.{name} should be a list of at most {most}")
        if not all(type(value) is int and 1 <= value <= 8192 for value in values):
            raise ModelError(f"{path}: ddconfig.{name} should hold whole numbers")
    if not options["ch_mult"] or max(options["ch_mult"]) > 64:
        raise ModelError(f"{path}: ddconfig.ch_mult should hold numbers from 1 to 64")
    dropout = options.get("dropout", 0.0)
    if type(dropout) not in (int, float) or not 0 <= dropout <= 1:
        raise ModelError(f"{path}: ddconfig.dropout should be a number from 0 to 1")
    groups = config.get("norm_groups", 32)
    _check_number(path, "norm_groups", groups, 1, 1024)
    if options["ch"] % groups:
        raise ModelError(f"{path}: norm_groups is {groups}, and should divide ddconfig.ch")


def _check_number(path: Path, name: str, value: object, low: int, high: int) -> None:
    """Raises ModelError unless `value` is an int from `low` to `high`."""
    if type(value) is not int or not low <= value <= high:
        allowed = f"{low}" if low == high else f"a whole number from {low} to {high}"
        shown = repr(value) if len(repr(value)) < 60 else "something else"
        raise ModelError(f"{path}: {name} is {shown}, and should be {allowed}")
