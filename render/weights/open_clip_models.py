"""open_clip's models: built from a config, and those of its own table by name and tag.

open_clip, and torch with it, is imported only by the functions that need it.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from render.text import nearest
from render.weights.catalog import Model, ModelError
from render.weights.config import check_config, check_file, check_statistics
from render.weights.library import own_model

_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # in a repository


def build_clip(config: dict[str, Any]) -> Any:
    """Returns open_clip's CLIP of an architecture, with random weights.

    `config` is {"open_clip": the name of an architecture}, or the arguments of open_clip's class,
    with "custom_text" where its text tower stands apart. Raises ValueError for a name that
    open_clip does not have.
    """
    import open_clip
    import torch
    from open_clip.model import CLIP, CustomTextCLIP

    # The random weights are replaced at once, so they must not advance the global random state, and
    # open_clip's warnings about them, and about the activation that a tag expects, do not apply.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), _unlogged():
        warnings.simplefilter("ignore")
        if "open_clip" in config:
            # open_clip might look for an unknown name on the network.
            if config["open_clip"] not in open_clip.list_models():
                raise ValueError(f"open_clip knows no model {config['open_clip']!r}")
            return open_clip.create_model(config["open_clip"], pretrained=None)
        arguments = {k: dict(v) if isinstance(v, dict) else v for k, v in config.items()}
        kind = CustomTextCLIP if arguments.pop("custom_text", False) else CLIP
        return kind(**arguments)


def class_arguments(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of open_clip's class from the config of a row of the catalogue, which
    names an architecture, or of a user's own perceptor."""
    if "open_clip" in config:
        import open_clip

        arguments: dict[str, Any] = open_clip.get_model_config(config["open_clip"])
        return arguments
    return {name: value for name, value in config.items() if name not in ("mean", "std")}


def clip_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of a CLIP's tensors by name, from the arguments of open_clip's class.

    Raises ModelError if open_clip cannot build one from them that looks at a cutout.
    """
    import torch

    side = config["vision_cfg"]["image_size"]
    try:
        with torch.device("meta"), torch.no_grad():
            clip = build_clip(config)
            clip.eval().encode_image(torch.empty(1, 3, side, side))
    # Whatever open_clip and timm raise for numbers that do not fit together.
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError,
            AssertionError) as error:  # fmt: skip
        reason = str(error) or type(error).__name__
        raise ModelError(f"open_clip cannot build the perceptor's config ({reason})") from error
    return {name: tuple(tensor.shape) for name, tensor in clip.state_dict().items()}


def read_perceptor_config(path: Path) -> dict[str, Any]:
    """Reads the JSON of an open_clip model as a `Model.config`: the arguments of open_clip's class,
    with "mean" and "std" where it names them.

    Takes a model's own JSON, and open_clip_config.json as repositories hold it. Raises ModelError.
    """
    try:
        check_file(path)
        root = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not readable JSON ({error})") from error
    if not isinstance(root, dict):
        raise ModelError(f"{path}: the config should be a mapping")
    config = root.get("model_cfg", root)
    check_config("perceptor", config, path)
    statistics = root.get("preprocess_cfg", {})
    if not isinstance(statistics, dict):
        raise ModelError(f"{path}: preprocess_cfg should be a mapping")
    for name in ("mean", "std"):
        if name in statistics:
            check_statistics(statistics[name], name, path)
            config = {**config, name: statistics[name]}
    return dict(config)


def tagged_model(name: str) -> Model:
    """Returns the row of a model of open_clip's own table, named as in "ViT-B-32:datacomp_xl_...".

    open_clip gives no digests, so that of the first download is recorded. Storyboards call it by
    the name of its file, in which a dash takes the colon's place. Raises ModelError.
    """
    import open_clip

    architecture, _, tag = name.partition(":")
    known = open_clip.list_models()
    if architecture not in known:
        near = nearest(architecture, known)
        hint = f"; did you mean {near}?" if near else ""
        raise ModelError(f"open_clip has no model {architecture}{hint}")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        raise ModelError(
            f"open_clip has no weights {tag!r} of {architecture}. It has "
            + (", ".join(tags) or "none")
        )
    published = open_clip.get_pretrained_cfg(architecture, tag)
    config: dict[str, Any] = open_clip.get_model_config(architecture)
    if published.get("quick_gelu"):
        config["quick_gelu"] = True
    check_config("perceptor", config, Path(f"open_clip's {architecture}"))
    row = own_model(name, "perceptor", config, Path(architecture))
    return replace(
        row,
        config={**config, "mean": list(published["mean"]), "std": list(published["std"])},
        urls=_addresses(published),
        sha256=_digest_in(published.get("url", "")),
        licence="its publisher's: open_clip names none",
        digest_source="addresses: open_clip/pretrained.py",
    )


def _addresses(published: dict[str, Any]) -> tuple[str, ...]:
    """Returns where open_clip finds weights: one address, or the files of a repository."""
    repository, _, file = published.get("hf_hub", "").rpartition("/")
    files = (file,) if file else _FILES
    hub = [f"https://huggingface.co/{repository}/resolve/main/{one}" for one in files if repository]
    return tuple(url for url in (published.get("url", ""), *hub) if url)


def _digest_in(url: str) -> str | None:
    """Returns the SHA-256 that an address of OpenAI's contains; None for others."""
    found = re.search(r"/([0-9a-f]{64})/", url)
    return found[1] if found else None


@contextmanager
def _unlogged() -> Iterator[None]:
    """Suppresses log records below the level of an error."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
