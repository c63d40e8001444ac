"""Converts published checkpoints to Render's safetensors files, and reads users' VQGAN configs.

A checkpoint is converted once, when its model is installed. The safetensors file contains only the
tensors that Render needs, checked against the shapes that the model's config gives, and its header
contains the config and the digest of the published file.

torch and the networks' own packages are imported only by the functions that need them.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import struct
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from render.media.atomic import atomic_write
from render.weights.catalog import OPENAI_MEAN, OPENAI_STD, Model, ModelError
from render.weights.checkpoint import DTYPES, Entry, open_tensors
from render.weights.config import check_config, check_file
from render.weights.download import disk_errors
from render.weights.open_clip_models import class_arguments, clip_shapes

# The parts of a VQGAN that Render uses; the discriminator (loss.*) is dropped.
_GENERATOR_PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "quantize.")
# What stands before the names: nothing; the VQGAN of a transformer's checkpoint; a wrapped module.
_PREFIXES = ("", "first_stage_model.", "model.", "module.", "module.model.")
# Which codes a transformer uses; a remapped VQGAN's codebook is the whole one.
_USED_CODES = "quantize.used"
_DEPTH_LIMIT = 50  # nesting of a YAML config
# What YAML and OmegaConf raise; AssertionError is OmegaConf's for a text that is no mapping.
UNREADABLE = (
    yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError, AssertionError, TypeError,
    AttributeError,
)  # fmt: skip


def convert(source: Path, target: Path, model: Model, source_sha256: str) -> None:
    """Writes the tensors of the checkpoint `source` that the model needs to the file `target`.

    `target` becomes a safetensors file whose metadata includes `source_sha256`. Raises ModelError
    if a tensor is missing or has another shape than the model's config says, DownloadError if
    `target` cannot be written.
    """
    if model.role == "generator":
        shapes, config = generator_shapes(model.config), model.config
        metadata = {"format": "render.generator.1", "config": json.dumps(config, sort_keys=True)}
    else:
        config = class_arguments(model.config)
        shapes = clip_shapes(config)
        metadata = {
            "format": "render.perceptor.1",
            "config": json.dumps(config, sort_keys=True),
            "mean": json.dumps(model.config.get("mean", OPENAI_MEAN)),
            "std": json.dumps(model.config.get("std", OPENAI_STD)),
        }
    metadata |= {"licence": model.licence, "name": model.name, "source_sha256": source_sha256}
    with open_tensors(source) as entries:
        entries = _named_as(shapes, entries)
        _check_shapes(source, model, shapes, entries)
        write_tensors(target, {name: entries[name] for name in shapes}, metadata)


def _named_as(shapes: dict[str, tuple[int, ...]], entries: dict[str, Entry]) -> dict[str, Entry]:
    """Returns the entries without what programs put before the names of `shapes`, without what no
    picture needs, and with the counts of batches that some archives leave out."""

    def under(prefix: str) -> dict[str, Entry]:
        found = ((n, entry) for n, entry in entries.items() if n.startswith(prefix))
        return {name.removeprefix(prefix): entry for name, entry in found}

    named = max(map(under, _PREFIXES), key=lambda one: len(shapes.keys() & one.keys()))
    for name in shapes:
        if name.endswith(".num_batches_tracked"):
            named.setdefault(name, _NO_BATCHES)
    named.pop(_USED_CODES, None)
    return named


def _no_batches() -> Any:
    """Returns the count of a normalisation that is never trained."""
    import torch

    return torch.zeros((), dtype=torch.int64)


_NO_BATCHES = Entry("I64", (), _no_batches)


def check_weights(source: Path, model: Model) -> None:
    """Raises ModelError unless a .safetensors that Render wrote has the tensors of its config."""
    if model.role == "generator":
        shapes = generator_shapes(model.config)
    else:  # the embedded perceptor's table of tokens is stored in part
        every = clip_shapes(class_arguments(model.config))
        shapes = {n: shape for n, shape in every.items() if not n.startswith("token_embedding.")}
    with open_tensors(source) as entries:
        _check_shapes(source, model, shapes, entries)


def write_tensors(target: Path, entries: dict[str, Entry], metadata: dict[str, str]) -> None:
    """Writes a safetensors file atomically; the same content always gives the same bytes.

    safetensors' own writer orders the metadata arbitrarily, so files from two machines would have
    different digests, and it needs all tensors in memory at once. Raises ModelError for values that
    are no numbers, DownloadError if the file cannot be written.
    """
    import torch

    sizes = {name: DTYPES[entry.dtype].size for name, entry in entries.items()}  # of an element
    names = sorted(entries, key=lambda name: (-sizes[name], name))  # keeps all tensors aligned
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for name in names:
        begin, entry = end, entries[name]
        end += math.prod(entry.shape) * sizes[name]
        header[name] = {
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with disk_errors(target), atomic_write(target) as partial, partial.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            tensor = entries[name].read().detach().contiguous()
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise ModelError(f"{name} holds values that are no numbers; get the file again")
            file.write(tensor.flatten().view(torch.uint8).numpy().data)


def read_config(path: Path) -> dict[str, Any]:
    """Reads the YAML of a VQGAN (model.params.ddconfig, embed_dim, n_embed) as a `Model.config`.

    The YAML of a transformer contains that of its VQGAN as first_stage_config. Raises ModelError.
    """
    params, target = _vqgan_params(_load_yaml(path), path)
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


def generator_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of a VQGAN's tensors by their names in taming's checkpoints.

    Raises ModelError if taming cannot build a network from the config.
    """
    import torch
    from taming.modules.diffusionmodules.model import Decoder, Encoder

    options, codes, channels = config["ddconfig"], config["n_embed"], config["embed_dim"]
    try:
        # taming's Decoder prints its latent shape.
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


def _check_shapes(
    source: Path,
    model: Model,
    shapes: dict[str, tuple[int, ...]],
    entries: dict[str, Entry],
) -> None:
    """Raises ModelError unless the entries have these shapes, and a generator no others."""
    if missing := [name for name in shapes if name not in entries]:
        raise ModelError(
            f"{source} is not a checkpoint of {model.name}: it lacks {_first_names(missing)}"
        )
    for name, shape in shapes.items():
        if entries[name].shape != shape:
            raise ModelError(
                f"{source} does not fit the config of {model.name}: {name} is "
                f"{_shape_text(entries[name].shape)}, and should be {_shape_text(shape)}"
            )
    if model.role != "generator":
        return  # OpenAI's archives contain constants besides the weights
    parts = [name for name in entries if name.startswith(_GENERATOR_PARTS)]
    if more := [name for name in parts if name not in shapes]:
        raise ModelError(
            f"{source} does not fit the config of {model.name}: it also has {_first_names(more)}"
        )


def _first_names(names: list[str]) -> str:
    """Returns the first three names and the number of the others."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _shape_text(shape: tuple[int, ...]) -> str:
    """Returns a shape as "16x8"."""
    return "x".join(map(str, shape)) or "a number"


def _load_yaml(path: Path) -> Any:
    """Returns the content of a YAML file as OmegaConf nodes; raises ModelError."""
    try:
        check_file(path)
        text = path.read_text(encoding="utf-8")
        depth = 0
        for event in yaml.parse(text):
            # Nested aliases can expand without limit, and no published config has any.
            if isinstance(event, yaml.AliasEvent):
                raise ModelError(f"{path} uses YAML aliases (*name), which are not read here")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEPTH_LIMIT:
                raise ModelError(f"{path} is nested too deeply to be a config")
        return OmegaConf.create(text)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror or error})") from error
    except UNREADABLE as error:
        raise ModelError(f"{path} is not readable YAML ({' '.join(str(error).split())})") from error


def _vqgan_params(root: Any, path: Path) -> tuple[Any, str]:
    """Returns (params, class name) of the VQGAN in a YAML config; raises ModelError."""
    try:
        node = root["model"]
        if "first_stage_config" in node["params"]:
            node = node["params"]["first_stage_config"]
        return node["params"], str(node.get("target", ""))
    except (KeyError, TypeError, AttributeError, OmegaConfBaseException) as error:
        raise ModelError(f"{path} is not the config of a VQGAN: it has no model.params") from error
