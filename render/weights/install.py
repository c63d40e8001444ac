"""Installs models from a download or a file: checked, converted, and never half-written."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from render.media.atomic import atomic_write
from render.media.digest import sha256_of
from render.weights.catalog import CATALOG, Model, ModelError
from render.weights.convert import check_weights, convert
from render.weights.download import DownloadError, OnProgress, discard, disk_errors, fetch
from render.weights.library import (
    check_header,
    models_folder,
    own_files,
    own_model,
    read_record,
    require_weights,
    verify_weights,
    weights_digest,
    weights_file,
    weights_metadata,
    write_record,
)


def install_model(
    model: Model, report: OnProgress, from_file: Path | None = None, *, timeout: float = 30.0
) -> Path:
    """Installs a model's weights from its addresses or from a file; returns the weights file.

    An interrupted download is resumed. The published file is checked, converted to safetensors by
    `convert.convert` (no code in it is run) and then deleted; its digest is kept in the metadata
    and in the record beside the weights. `from_file` is the published file, or the .safetensors
    from another machine's folder; it is never changed. `timeout` is in seconds. Raises ModelError,
    or DownloadError if the network or the disk fails.
    """
    target = weights_file(model)
    if not model.has_weights:
        raise ModelError(f"{model.name} needs no file: name it in a storyboard")
    if model.embedded:
        return require_weights(model)
    if from_file is None and target.is_file():
        verify_weights(model)
        weights_digest(model)
        return target
    with disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    pinned = model.sha256 or read_record(target).get("source")
    if from_file is not None:
        return _install_from_file(model, from_file, target, pinned)
    if not model.urls:
        raise ModelError(f"{model.name} is your own: `render models get {model.name} --from FILE`")
    partial = target.with_suffix(".partial")
    _check_free_disk(model, target, partial)
    try:
        digest = fetch(model.urls, partial, report, size=model.size, sha256=pinned, timeout=timeout)
    except DownloadError as error:
        raise DownloadError(_by_hand(model, target, str(error))) from error
    try:
        _convert(partial, target, model, digest)
    except ModelError as error:
        if not isinstance(error.__cause__, OSError):  # not a checkpoint, so never resume it
            discard(partial)
        raise
    discard(partial)
    return target


def add_own_model(name: str, from_file: Path, config: dict[str, Any] | None) -> Path:
    """Installs a user's own VQGAN or CLIP under a new name, by which storyboards can use it.

    `config` is what `convert.read_config` or `open_clip_models.read_perceptor_config` returns, or
    None if `from_file` is a .safetensors that Render wrote. Returns the weights file; raises
    ModelError, or DownloadError if the disk fails.
    """
    taken = {weights_file(row).stem.lower() for table in CATALOG.values() for row in table.values()}
    if name.lower() in taken or name.lower() == "starter":
        raise ModelError(f"{name} is a model of Render's own table; choose another name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ModelError(
            f"{name!r} cannot be a name: letters, digits, dot, dash and underscore can"
        )
    same_name = (path for path in own_files() if path.stem.lower() == name.lower())
    if existing := next(same_name, None):
        if existing.stem == name and _is_of(existing, from_file, config):
            write_record(existing, sha256_of(existing), sha256_of(from_file))
            return existing  # as when a disk was full just after the weights were written
        raise ModelError(
            f"{name} is one of your models already, in {models_folder()}; choose another name, or "
            "delete its file there first"
        )
    role = "perceptor" if config and "vision_cfg" in config else "generator"
    if config is None:
        if not from_file.is_file():
            raise ModelError(_no_file(from_file))
        try:
            metadata = weights_metadata(from_file)
            role = metadata["format"].split(".")[1]
            config = json.loads(metadata["config"])
            if role not in CATALOG:
                raise KeyError(role)
        except (ModelError, KeyError, ValueError, IndexError, RecursionError) as error:
            raise ModelError(
                f"{name} is not in Render's table, so its shape is not known: give the config that "
                "came with it, --config FILE.yaml for a VQGAN and FILE.json for a CLIP"
            ) from error
    return install_model(
        own_model(name, role, config, from_file), lambda done, total: None, from_file
    )


def _is_of(weights: Path, source: Path, config: dict[str, Any] | None) -> bool:
    """Returns whether a weights file was made from this file, with this config."""
    try:
        metadata, digest = weights_metadata(weights), sha256_of(source)
        if config is None:
            return sha256_of(weights) == digest
        return metadata["source_sha256"] == digest and json.loads(metadata["config"]) == config
    except (OSError, ModelError, KeyError, ValueError, RecursionError):
        return False


def _install_from_file(model: Model, source: Path, target: Path, pinned: str | None) -> Path:
    """Installs the weights from a file; see `install_model`. `pinned` is its digest, if known."""
    if not source.is_file():
        raise ModelError(_no_file(source))
    try:
        if _written_by_render(source):
            return _copy_converted(model, source, target, pinned)
        if model.size is not None and source.stat().st_size != model.size:
            raise ModelError(
                f"{source} is not the published file of {model.name}: it has "
                f"{source.stat().st_size:,} bytes, not {model.size:,}"
            )
        digest = sha256_of(source)
    except OSError as error:
        raise ModelError(f"{source} cannot be read ({error.strerror or error})") from error
    if pinned and digest != pinned:
        raise ModelError(
            f"{source} is not the published file of {model.name}: "
            f"its SHA-256 is {digest}, not {pinned}"
        )
    _convert(source, target, model, digest)
    return target


def _written_by_render(path: Path) -> bool:
    """Returns whether the file is a safetensors file that Render wrote."""
    try:
        return weights_metadata(path).get("format", "").startswith("render.")
    except ModelError:
        return False


def _copy_converted(model: Model, source: Path, target: Path, pinned: str | None) -> Path:
    """Checks a weights file that Render wrote on another machine, and copies it unchanged."""
    source_sha256 = check_header(model, source, pinned).get("source_sha256", "")
    check_weights(source, model)
    with disk_errors(target):
        with atomic_write(target) as partial:
            shutil.copyfile(source, partial)
        write_record(target, sha256_of(target), source_sha256)
    return target


def _convert(source: Path, target: Path, model: Model, digest: str) -> None:
    """Converts the published file to the weights file, and writes the record beside it."""
    with disk_errors(target):
        convert(source, target, model, digest)
        write_record(target, sha256_of(target), digest)


def _check_free_disk(model: Model, target: Path, partial: Path) -> None:
    """Raises DownloadError if the disk has no room for the rest of the download."""
    received = partial.stat().st_size if partial.is_file() else 0
    missing = (model.size or 0) - received
    free = shutil.disk_usage(target.parent).free
    if missing > free:
        raise DownloadError(
            f"{model.name} takes {missing / 1e6:,.0f} MB more, and {target.parent} has "
            f"{free / 1e6:,.0f} MB free; make room, or choose another folder with RENDER_MODELS"
        )


def _by_hand(model: Model, target: Path, reason: str) -> str:
    """Returns what to do when no address gave the file; `reason` completes a sentence."""
    addresses = "".join(f"\n    {url}" for url in model.urls)
    digest = f"\n  (SHA-256 {model.sha256})" if model.sha256 else ""
    return (
        f"{model.name} could not be downloaded: {reason}.\n"
        "  Run the same command again later (what was received is kept), or download on another "
        "machine"
        f"{addresses}{digest}\n"
        f"  and run `render models get {model.name} --from FILE`. A {target.name} from another "
        f"machine's folder will do as well; the folder here is {target.parent}"
    )


def _no_file(path: Path) -> str:
    """Returns why `path` is not a file that can be installed."""
    if path.is_dir():
        return f"{path} is a folder; give the file itself"
    return f"{path} is not there"
