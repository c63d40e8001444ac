"""Where the weights of generators and perceptors are, and whether they are what they should be.

The table itself, with the source of every address and digest, is `model_table.py`; getting them
is `acquire.py`.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.media.atomic import atomic_write
from render.media.digest import file_digest, sha256_of
from render.media.safetensors_header import read_header
from render.weights.catalog import GENERATORS, PERCEPTORS, Model, ModelError
from render.weights.config import check_config


@dataclass(frozen=True)
class ModelListing:
    """One line of the listing."""

    name: str
    role: str
    size: int | None  # bytes: of the weights that are here, else of the file as published
    licence: str
    where: str
    digest: str
    note: str


def models_folder() -> Path:
    """Where downloaded weights live: $RENDER_MODELS, or the platform's folder for caches."""
    if chosen := os.environ.get("RENDER_MODELS"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "render" / "models"


def weights_file(model: Model) -> Path:
    """Where its weights belong, whether they are there or not."""
    if model.embedded:
        return Path(__file__).parent.parent / "starter" / model.embedded
    return models_folder() / f"{model.name.replace('/', '-')}.safetensors"


def weights_path(model: Model) -> Path | None:
    """Where its weights are, None if they are not there."""
    path = weights_file(model)
    return path if path.is_file() else None


def require_weights(model: Model) -> Path:
    """Where its weights are; raises ModelError with the way to get them if they are not there."""
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


def known_models(role: str) -> dict[str, Model]:
    """Every model of the role: those of the table, then the user's own in `folder()`, by name."""
    table = GENERATORS if role == "generator" else PERCEPTORS
    taken = {weights_file(model).name for model in table.values()}
    rows = dict(table)
    for path in sorted(models_folder().glob("*.safetensors")):
        if path.name in taken:
            continue
        # A stray file is not a reason to stop.
        with contextlib.suppress(ModelError, KeyError, TypeError, ValueError, RecursionError):
            metadata = weights_metadata(path)
            if metadata.get("format") == f"render.{role}.1":
                rows[path.stem] = own_model(path.stem, role, json.loads(metadata["config"]), path)
    return rows


def find_model(name: str) -> Model:
    """The model of that name that can be downloaded or is the user's; raises ModelError."""
    rows = [row for role in ("generator", "perceptor") for row in known_models(role).values()]
    for row in rows:
        if row.name.lower() == name.lower():
            return row
    near = difflib.get_close_matches(name, [row.name for row in rows], n=1)
    hint = f"did you mean {near[0]}?" if near else "`render models` lists them."
    raise ModelError(f"there is no model named {name}; {hint}")


def list_models() -> list[ModelListing]:
    """Every model as the listing shows it."""
    return [
        _listing(row) for role in ("generator", "perceptor") for row in known_models(role).values()
    ]


def _listing(model: Model) -> ModelListing:
    path = weights_path(model)
    if model.embedded:
        where = "in this package" if path else "missing: install Render again"
        digest = "packaged"
    else:
        where = str(path) if path else "not here"
        if model.sha256:
            digest = "pinned"
        elif path:
            digest = "recorded"
        else:
            digest = "recorded at first download"  # no document gives it
    size = path.stat().st_size if path else model.size
    return ModelListing(model.name, model.role, size, model.licence, where, digest, model.note)


def weights_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; raises ModelError when it is none."""
    try:
        metadata = read_header(path).get("__metadata__", {})
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not a safetensors file, or is cut off ({error})") from error
    return {str(key): str(value) for key, value in metadata.items()}


def weights_digest(model: Model) -> str:
    """The SHA-256 of the weights as they are used; raises ModelError.

    A downloaded file that is not what was recorded when it was got is an error, never another
    digest: it would make other pictures under the same name.
    """
    path = require_weights(model)
    status = path.stat()
    noted = {} if model.embedded else read_record(path)
    if noted.get("stamp") == f"{status.st_size} {status.st_mtime_ns}":
        return noted["sha256"]
    digest = file_digest(path)
    if model.embedded:
        return digest
    if noted and digest != noted["sha256"]:
        raise ModelError(
            f"{path} is not the file that was recorded when it was got; "
            f"delete it and run `render models get {model.name}`"
        )
    metadata = check_header(model, path, model.sha256)
    with contextlib.suppress(OSError):  # the record only saves time here
        write_record(path, digest, noted.get("source") or metadata.get("source_sha256", ""))
    return digest


def named_digest(role: str, name: str) -> str:
    """`digest_of` the named model; what is known of it instead while its weights are not here."""
    model = known_models(role)[name]
    return weights_digest(model) if weights_path(model) else model.sha256 or f"absent {name}"


def verify_weights(model: Model) -> None:
    """Read all of a downloaded file again; raises ModelError if it has changed since."""
    path = require_weights(model)
    noted = read_record(path)
    if noted and sha256_of(path) != noted["sha256"]:
        raise ModelError(
            f"{path} is damaged (its SHA-256 has changed): "
            f"delete it and run `render models get {model.name}`"
        )


def own_model(name: str, role: str, config: Any, source: Path) -> Model:
    """The row of a user's own model, from the config in `source`; raises ModelError."""
    check_config(role, config, source)
    if role == "perceptor":
        vision = config["vision_cfg"]
        side, width = vision["image_size"], vision["width"]
        # Roughly, from the starter's: 64 px and width 32 are 0.145 GFLOP.
        work = 0.145 * (side / 64) ** 2 * (width / 32) ** 2
        return Model(
            name=name,
            role=role,
            config=config,
            licence="yours to know",
            note="your own",
            input_size=side,
            gflop_per_view=work,
        )
    ddconfig = config["ddconfig"]
    # Roughly: the convolutions go with the square of the width, and with the blocks to a level.
    work = 3856.1 * (ddconfig["ch"] / 128) ** 2 * (ddconfig["num_res_blocks"] + 1) / 3
    return Model(
        name=name,
        role=role,
        config=config,
        licence="yours to know",
        note="your own",
        factor=2 ** (len(ddconfig["ch_mult"]) - 1),
        channels=config["embed_dim"],
        gflop_per_megapixel=work,
    )


def check_header(model: Model, path: Path, pinned: str | None) -> dict[str, str]:
    """The header of weights that Render wrote, if they are this model's; raises ModelError."""
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
    """Write the digests beside the weights, in a form that `sha256sum -c` reads too; OSError."""
    status = path.stat()
    lines = [
        f"{digest}  {path.name}",
        f"# source {source}",
        f"# stamp {status.st_size} {status.st_mtime_ns}",
    ]
    with atomic_write(path.with_suffix(".sha256")) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_record(path: Path) -> dict[str, str]:
    """What the record beside the weights says: sha256, source, stamp; empty if there is none."""
    try:
        first, *others = path.with_suffix(".sha256").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    found = {"sha256": first.split(" ", 1)[0]}
    for line in others:
        key, _, value = line.removeprefix("# ").partition(" ")
        if value:
            found[key] = value
    return found if re.fullmatch(r"[0-9a-f]{64}", found["sha256"]) else {}
