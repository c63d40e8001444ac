"""Finds the weights of generators and perceptors on this machine, and checks their digests.

The table of published models is in `catalog.py`; `install.py` downloads and converts them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.media.atomic import atomic_write
from render.media.digest import file_digest, sha256_of
from render.media.records import read_record_text
from render.media.safetensors_header import read_header
from render.text import nearest
from render.weights.catalog import CATALOG, OF_CLIPS, Model, ModelError
from render.weights.checkpoint import DTYPES
from render.weights.config import check_config


@dataclass(frozen=True)
class ModelListing:
    """One model, with what `render models` shows of it and its note."""

    name: str
    role: str
    size: int | None  # bytes of the weights file, or of the published file if not installed
    licence: str
    where: str  # the weights file, or why there is none
    digest: str  # how the digest is known
    note: str


def models_folder() -> Path:
    """Returns the folder of downloaded weights: $RENDER_MODELS, or one in the platform's cache."""
    if chosen := os.environ.get("RENDER_MODELS"):
        try:
            return Path(chosen).expanduser()
        except RuntimeError as error:
            raise ModelError(
                f"RENDER_MODELS={chosen}: there is no home of such a user; name a folder"
            ) from error
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local")
    elif sys.platform == "darwin":
        base = Path("~/Library/Caches")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        return base.expanduser() / "render" / "models"
    except RuntimeError as error:
        raise ModelError(
            "there is no home folder for the models; name a folder in the environment variable "
            "RENDER_MODELS"
        ) from error


def weights_file(model: Model) -> Path:
    """Returns the path of a model's weights file, whether it exists or not."""
    if model.embedded:
        return Path(__file__).parent.parent / "starter" / model.embedded
    return models_folder() / f"{re.sub('[/:]', '-', model.name)}.safetensors"


def weights_path(model: Model) -> Path | None:
    """Returns the path of a model's weights file, or None if it does not exist."""
    path = weights_file(model)
    return path if path.is_file() else None


def require_weights(model: Model) -> Path:
    """Returns the path of a model's weights file; raises ModelError that says how to get it."""
    path = weights_path(model)
    if path is None:
        if model.embedded:
            raise ModelError(
                f"the embedded {model.role} is missing ({weights_file(model)}): "
                "install Render again"
            )
        raise ModelError(
            f"the {model.role} {model.name} is not here: run `render models get {model.name}`"
        )
    return path


def models_by_role() -> dict[str, dict[str, Model]]:
    """Returns every model by its role and its name: the table's, then the user's own.

    The user's own are the safetensors files in `models_folder()` that Render wrote. Reads their
    headers at every call: a command calls it once and passes the rows on. Raises ModelError if the
    folder exists and cannot be read.
    """
    models = {role: dict(rows) for role, rows in CATALOG.items()}
    published = {
        role: {weights_file(row).name for row in rows.values()} for role, rows in CATALOG.items()
    }
    for path in own_files():
        if all(path.name in names for names in published.values()):
            continue
        # A file that is not a model is ignored.
        with contextlib.suppress(ModelError, KeyError, TypeError, ValueError, RecursionError):
            header = _header(path)
            metadata, numbers = _metadata_in(header), _numbers_in(header, path.stat().st_size)
            for role, names in published.items():
                if metadata.get("format") == f"render.{role}.1" and path.name not in names:
                    config = json.loads(metadata["config"])
                    models[role][path.stem] = own_model(path.stem, role, config, path, numbers)
    return models


def own_files() -> list[Path]:
    """Returns the safetensors files in `models_folder()`; raises ModelError if it is unreadable."""
    try:
        return sorted(models_folder().glob("*.safetensors"))
    except OSError as error:
        raise ModelError(
            f"the models' folder {models_folder()} cannot be read: {error.strerror}. Name another "
            "in the environment variable RENDER_MODELS"
        ) from error


def known_models(role: str) -> dict[str, Model]:
    """Returns every model of a role by name; see `models_by_role`."""
    return models_by_role()[role]


def all_models() -> list[Model]:
    """Returns the models of both roles, generators first; reads the user's folder once."""
    return [model for rows in models_by_role().values() for model in rows.values()]


def find_model(name: str) -> Model:
    """Returns the model of a name in either role, ignoring case; raises ModelError."""
    models = all_models()
    for model in models:
        if model.name.lower() == name.lower():
            return model
    near = nearest(name, [model.name for model in models])
    hint = f"did you mean {near}?" if near else "`render models` lists them."
    raise ModelError(f"there is no model named {name}; {hint}")


def list_models() -> list[ModelListing]:
    """Returns what `render models` shows, one entry for each model."""
    return [_listing(model) for model in all_models()]


def weights_metadata(path: Path) -> dict[str, str]:
    """Returns the metadata of a safetensors file; raises ModelError if it is not one."""
    return _metadata_in(_header(path))


def _header(path: Path) -> dict[str, Any]:
    """Returns the header of a safetensors file; raises ModelError if it is not one."""
    try:
        return read_header(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not a safetensors file, or is cut off ({error})") from error


def _metadata_in(header: dict[str, Any]) -> dict[str, str]:
    """Returns the metadata of a safetensors file's header."""
    return {str(key): str(value) for key, value in header.get("__metadata__", {}).items()}


def _numbers_in(header: dict[str, Any], most: int) -> int:
    """Returns how many numbers the tensors of a safetensors file of `most` bytes have, by their
    places in it. Raises KeyError, TypeError or ValueError for a header that is not right."""
    numbers = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            if not 0 <= begin <= end <= most:
                raise ValueError("its tensors are not within the file")
            numbers += int(end - begin) // DTYPES[tensor["dtype"]].size
    return numbers


def weights_digest(model: Model) -> str:
    """Returns the SHA-256 of a model's weights file.

    The recorded digest is used if the file's size and time are as recorded; otherwise the file is
    read. Raises ModelError if the weights are absent or are not the file that was recorded when
    they were installed, because other weights would make other pictures under the same name.
    """
    path = require_weights(model)
    status = path.stat()
    record = {} if model.embedded else read_record(path)
    if record.get("stamp") == f"{status.st_size} {status.st_mtime_ns}":
        return record["sha256"]
    digest = file_digest(path)
    if model.embedded:
        return digest
    if record and digest != record["sha256"]:
        raise ModelError(
            f"{path} is not the file that was recorded when it was got; "
            f"delete it and run `render models get {model.name}`"
        )
    metadata = check_header(model, path, model.sha256)
    with contextlib.suppress(OSError):  # here the record only saves reading the file again
        write_record(path, digest, record.get("source") or metadata.get("source_sha256", ""))
    return digest


def named_digest(role: str, name: str) -> str:
    """Returns `known_digest` of the named model; raises KeyError, ModelError."""
    return known_digest(known_models(role)[name])


def decodes_latents_of(model: Model, digest: str) -> bool:
    """Returns whether a generator decodes the latents of weights with this SHA-256: its own, or
    earlier ones of the same latent space. Raises ModelError."""
    return digest in model.decodes or digest == known_digest(model)


def known_digest(model: Model) -> str:
    """Returns `weights_digest`, or what stands for it while the weights are absent.

    That is the digest of the published file, or "absent NAME" where no document gives one; of a
    generator without weights it names its kind. Raises ModelError.
    """
    if not model.has_weights:
        return hashlib.sha256(f"render.{model.kind}.1".encode()).hexdigest()
    if weights_path(model):
        return weights_digest(model)
    return model.sha256 or f"absent {model.name}"


def verify_weights(model: Model) -> None:
    """Reads the whole weights file; raises ModelError if its SHA-256 is not the recorded one."""
    path = require_weights(model)
    record = read_record(path)
    if record and sha256_of(path) != record["sha256"]:
        raise ModelError(
            f"{path} is damaged (its SHA-256 has changed): "
            f"delete it and run `render models get {model.name}`"
        )


def own_model(name: str, role: str, config: Any, source: Path, parameters: int = 0) -> Model:
    """Returns a user's own model, described by the config in `source`; raises ModelError.

    `parameters` is how many numbers its weights file holds. Its cost in GFLOP is an estimate.
    """
    check_config(role, config, source)
    if role == "perceptor":
        return Model(
            name=name,
            role=role,
            config=config,
            licence="yours to know",
            note="your own",
            parameters=parameters,
            input_size=config["vision_cfg"]["image_size"],
            gflop_per_cutout=_tower_gflop(config["vision_cfg"]),
            usual=OF_CLIPS,
        )
    ddconfig = config["ddconfig"]
    # Scaled from the f16 models: by the square of the width, and by the blocks on each level.
    gflop = 3856.1 * (ddconfig["ch"] / 128) ** 2 * (ddconfig["num_res_blocks"] + 1) / 3
    return Model(
        name=name,
        role=role,
        config=config,
        licence="yours to know",
        note="your own",
        parameters=parameters,
        factor=2 ** (len(ddconfig["ch_mult"]) - 1),
        channels=config["embed_dim"],
        gflop_per_megapixel=gflop,
    )


def _tower_gflop(vision: dict[str, Any]) -> float:
    """Returns an estimate of what one cutout costs an image tower of open_clip, forward only."""
    side, layers = vision["image_size"], vision.get("layers", 12)
    if "timm_model_name" in vision:
        return float(35.1 * (side / 224) ** 2)  # as ViT-B/16
    width = vision.get("width", 768)
    if isinstance(layers, list):  # a ResNet, scaled from the starter's: 64 px, width 32
        return float(0.145 * (side / 64) ** 2 * (width / 32) ** 2)
    tokens = (side // max(1, vision.get("patch_size") or 16)) ** 2 + 1
    return float(2e-9 * layers * (12 * width**2 * tokens + 2 * width * tokens**2))


def check_header(model: Model, path: Path, pinned: str | None) -> dict[str, str]:
    """Returns the metadata of a weights file that Render wrote; raises ModelError.

    ModelError means that the file is not this model's: another role or another shape, or made from
    a file whose SHA-256 is not `pinned`.
    """
    metadata = weights_metadata(path)
    if metadata.get("format") != f"render.{model.role}.1":
        raise ModelError(
            f"{path} is not a {model.role} that Render wrote; give it to "
            f"`render models get {model.name} --from FILE`"
        )
    if model.role == "generator":
        try:
            config = json.loads(metadata["config"])
        except (KeyError, ValueError, RecursionError) as error:
            raise ModelError(f"{path} does not say what shape its generator has") from error
        if config != model.config:
            raise ModelError(f"{path} holds a generator of another shape than {model.name}")
    if pinned and metadata.get("source_sha256") != pinned:
        raise ModelError(
            f"{path} was not made from the published file of {model.name}: "
            f"it says SHA-256 {metadata.get('source_sha256') or 'nothing'}, not {pinned}"
        )
    return metadata


def write_record(path: Path, digest: str, source: str) -> None:
    """Writes a weights file's digest and its source's beside it, in a form for `sha256sum -c`.

    Also writes the file's size and time, by which `weights_digest` sees that it has not changed.
    Raises OSError.
    """
    status = path.stat()
    lines = [
        f"{digest}  {path.name}",
        f"# source {source}",
        f"# stamp {status.st_size} {status.st_mtime_ns}",
    ]
    with atomic_write(path.with_suffix(".sha256"), through_link=False) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_record(path: Path) -> dict[str, str]:
    """Returns the record beside a weights file: sha256, source, stamp; empty if there is none."""
    try:
        first, *others = read_record_text(path.with_suffix(".sha256")).splitlines()
    except (OSError, ValueError):
        return {}
    found = {"sha256": first.split(" ", 1)[0]}
    for line in others:
        key, _, value = line.removeprefix("# ").partition(" ")
        if value:
            found[key] = value
    return found if re.fullmatch(r"[0-9a-f]{64}", found["sha256"]) else {}


def _listing(model: Model) -> ModelListing:
    """Returns what `render models` shows of a model."""
    path = weights_path(model)
    if not model.has_weights:
        where, digest = "needs no file", "none"
    elif model.embedded:
        where = "in this package" if path else "missing: install Render again"
        digest = "packaged"
    else:
        where = str(path) if path else "not here"
        if model.sha256:
            digest = "pinned"
        elif path:
            digest = "recorded"
        else:
            digest = "recorded at first download"  # no document gives one
    size = path.stat().st_size if path else model.size
    return ModelListing(model.name, model.role, size, model.licence, where, digest, model.note)
