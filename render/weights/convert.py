"""Published checkpoints to the safetensors files that Render uses, and the configs of users' own.

Each checkpoint is converted once, when it is got: only the tensors that are needed, checked
against the shapes that the model's config gives, with the config and the digest of the published
file in the header.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import struct
from pathlib import Path
from typing import Any

import torch
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from render.media.atomic import atomic_write
from render.weights.catalog import Model, ModelError
from render.weights.checkpoint import DTYPES, Entry, open_tensors
from render.weights.config import check_config
from render.weights.download import disk_errors

# Groups of a VQGAN's tensors that Render uses; loss.*, the discriminator's, is dropped.
_GROUPS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "quantize.")
_CONFIG_LIMIT = 1 << 20  # bytes
_DEPTH_LIMIT = 50


def write_tensors(target: Path, entries: dict[str, Entry], metadata: dict[str, str]) -> None:
    """Write a safetensors file: whole or not at all, and the same bytes for the same content.

    safetensors' own writer orders the metadata as it happens, so two machines would get files
    of different digests; and it wants all tensors in memory at once. Raises DownloadError.
    """
    # Larger elements first, so that all are aligned.
    names = sorted(entries, key=lambda name: (-entries[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for name in names:
        begin, entry = end, entries[name]
        end += math.prod(entry.shape) * entry.dtype.itemsize
        header[name] = {
            "dtype": DTYPES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with disk_errors(target), atomic_write(target) as partial, partial.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            tensor = entries[name].read().detach().contiguous()
            file.write(tensor.flatten().view(torch.uint8).numpy().data)


def convert(source: Path, target: Path, model: Model, source_sha256: str) -> None:
    """Write exactly the tensors of `source` that the model needs to `target`, a safetensors file.

    `source_sha256` is noted in it. Raises ModelError if a tensor is missing or of another shape
    than the model's config says, DownloadError if the disk would not take it.
    """
    if model.role == "generator":
        wanted, config = generator_shapes(model.config), model.config
        metadata = {"format": "render.generator.1", "config": json.dumps(config, sort_keys=True)}
    elif "open_clip" not in model.config:
        raise ModelError(
            f"{model.name} is a perceptor of your own, of which only a .safetensors that Render "
            f"wrote can be taken; {source} is none"
        )
    else:
        wanted, config = _perceptor_shapes(model.config["open_clip"])
        metadata = {
            "format": "render.perceptor.1",
            "config": json.dumps(config, sort_keys=True),
            "mean": json.dumps(model.config["mean"]),
            "std": json.dumps(model.config["std"]),
        }
    metadata |= {"licence": model.licence, "name": model.name, "source_sha256": source_sha256}
    with open_tensors(source) as entries:
        # A transformer's checkpoint holds the VQGAN that it was trained on top of.
        if any(name.startswith("first_stage_model.") for name in entries):
            entries = {
                name.removeprefix("first_stage_model."): entry
                for name, entry in entries.items()
                if name.startswith("first_stage_model.")
            }
        _check_shapes(source, model, wanted, entries)
        write_tensors(target, {name: entries[name] for name in wanted}, metadata)


def check_weights(source: Path, model: Model) -> None:
    """Raise ModelError unless a generator's .safetensors holds what its config says."""
    with open_tensors(source) as entries:
        _check_shapes(source, model, generator_shapes(model.config), entries)


def _check_shapes(
    source: Path,
    model: Model,
    wanted: dict[str, tuple[int, ...]],
    entries: dict[str, Entry],
) -> None:
    """Raise ModelError unless the entries are what is wanted, and no more of the same kind."""
    if missing := [name for name in wanted if name not in entries]:
        raise ModelError(f"{source} is not a checkpoint of {model.name}: it lacks {_few(missing)}")
    for name, shape in wanted.items():
        if entries[name].shape != shape:
            raise ModelError(
                f"{source} does not fit the config of {model.name}: {name} is "
                f"{_by(entries[name].shape)}, and should be {_by(shape)}"
            )
    if model.role != "generator":
        return  # OpenAI's archives carry constants that nobody needs
    if more := [name for name in entries if name.startswith(_GROUPS) and name not in wanted]:
        raise ModelError(
            f"{source} does not fit the config of {model.name}: it also has {_few(more)}"
        )


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"


def generator_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shapes of a VQGAN's tensors by their names in taming's checkpoints; ModelError."""
    from taming.modules.diffusionmodules.model import Decoder, Encoder

    options, codes, channels = config["ddconfig"], config["n_embed"], config["embed_dim"]
    try:
        # taming's Decoder prints its shape.
        with torch.device("meta"), contextlib.redirect_stdout(io.StringIO()):
            halves = {"encoder": Encoder(**options), "decoder": Decoder(**options)}
    except (TypeError, ValueError, ZeroDivisionError, RuntimeError, IndexError) as error:
        raise ModelError(f"the generator's ddconfig cannot be built ({error})") from error
    shapes = {
        f"{half}.{name}": tuple(tensor.shape)
        for half, module in halves.items()
        for name, tensor in module.state_dict().items()
    }
    cells = options["z_channels"]
    encoded = 2 * cells if options.get("double_z", True) else cells
    shapes |= {
        "quant_conv.weight": (channels, encoded, 1, 1),
        "quant_conv.bias": (channels,),
        "post_quant_conv.weight": (cells, channels, 1, 1),
        "post_quant_conv.bias": (cells,),
    }
    if config.get("gumbel"):
        shapes["quantize.embed.weight"] = (codes, channels)
        shapes["quantize.proj.weight"] = (codes, channels, 1, 1)
        shapes["quantize.proj.bias"] = (codes,)
    else:
        shapes["quantize.embedding.weight"] = (codes, channels)
    return shapes


def _perceptor_shapes(open_clip_name: str) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
    """The shapes of a CLIP's tensors by their names, and the keywords that build it."""
    import open_clip

    config: dict[str, Any] = open_clip.get_model_config(open_clip_name)
    with torch.device("meta"):
        clip = open_clip.model.CLIP(**config)
    return {name: tuple(tensor.shape) for name, tensor in clip.state_dict().items()}, config


def read_config(path: Path) -> dict[str, Any]:
    """A VQGAN's own YAML (model.params.ddconfig, embed_dim, n_embed) as a generator's config.

    The config of a transformer holds its VQGAN's as first_stage_config. Raises ModelError.
    """
    params, target = _first_stage(_load_yaml(path), path)
    try:
        config = {
            "ddconfig": OmegaConf.to_container(params["ddconfig"], resolve=True),
            "embed_dim": params["embed_dim"],
            "n_embed": params["n_embed"],
            "gumbel": "gumbel" in target.lower(),
        }
    except (KeyError, TypeError, ValueError, OmegaConfBaseException) as error:
        raise ModelError(
            f"{path} is not the config of a VQGAN: model.params needs ddconfig, embed_dim and "
            f"n_embed ({str(error).splitlines()[0]})"
        ) from error
    check_config("generator", config, path)
    return config


def _load_yaml(path: Path) -> Any:
    try:
        if path.stat().st_size > _CONFIG_LIMIT:
            raise ModelError(f"{path} is too large to be a config (1 MB at most)")
        text = path.read_text(encoding="utf-8")
        depth = 0
        for event in yaml.parse(text):
            # Aliases within aliases grow without end, and no published config has one.
            if isinstance(event, yaml.AliasEvent):
                raise ModelError(f"{path} uses YAML aliases (*name), which are not read here")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEPTH_LIMIT:
                raise ModelError(f"{path} is nested too deeply to be a config")
        return OmegaConf.create(text)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror or error})") from error
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not readable YAML ({' '.join(str(error).split())})") from error


def _first_stage(root: Any, path: Path) -> tuple[Any, str]:
    """(params, target) of the VQGAN in a config file."""
    try:
        node = root["model"]
        if "first_stage_config" in node["params"]:
            node = node["params"]["first_stage_config"]
        return node["params"], str(node.get("target", ""))
    except (KeyError, TypeError, AttributeError, OmegaConfBaseException) as error:
        raise ModelError(f"{path} is not the config of a VQGAN: it has no model.params") from error
