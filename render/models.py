"""Where the weights of generators and perceptors are, and how to get them.

The table itself, with the source of every address and digest, is `model_table.py`.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from render.downloads import DownloadError, Report, disk_sentence, fetch, forget, sha256_of
from render.headers import read_header
from render.model_table import GENERATORS, PERCEPTORS, Model, ModelError

__all__ = [
    "GENERATORS",
    "PERCEPTORS",
    "Listed",
    "Model",
    "ModelError",
    "add",
    "digest_named",
    "digest_of",
    "download",
    "file_of",
    "find",
    "folder",
    "known",
    "metadata_of",
    "need",
    "path_of",
    "table",
    "verify",
]


@dataclass(frozen=True)
class Listed:
    """One line of the listing."""

    name: str
    role: str
    size: int | None  # bytes: of the weights that are here, else of the file as published
    licence: str
    where: str
    digest: str
    note: str


def folder() -> Path:
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


def file_of(model: Model) -> Path:
    """Where its weights belong, whether they are there or not."""
    if model.embedded:
        return Path(__file__).parent / "starter" / model.embedded
    return folder() / f"{model.name.replace('/', '-')}.safetensors"


def path_of(model: Model) -> Path | None:
    """Where its weights are, None if they are not there."""
    path = file_of(model)
    return path if path.is_file() else None


def need(model: Model) -> Path:
    """Where its weights are; raises ModelError with the way to get them if they are not there."""
    path = path_of(model)
    if path is None:
        if model.embedded:
            raise ModelError(
                f"the embedded {model.role} is missing ({file_of(model)}): install Render again"
            )
        raise ModelError(
            f"the {model.role} {model.name} is not here: run `render models get {model.name}`"
        )
    return path


def known(role: str) -> dict[str, Model]:
    """Every model of the role: those of the table, then the user's own in `folder()`, by name."""
    table = GENERATORS if role == "generator" else PERCEPTORS
    taken = {file_of(model).name for model in table.values()}
    rows = dict(table)
    for path in sorted(folder().glob("*.safetensors")):
        if path.name in taken:
            continue
        # A stray file is not a reason to stop.
        with contextlib.suppress(ModelError, KeyError, TypeError, ValueError):
            metadata = metadata_of(path)
            if metadata.get("format") == f"render.{role}.1":
                rows[path.stem] = _own(path.stem, role, json.loads(metadata["config"]))
    return rows


def find(name: str) -> Model:
    """The model of that name that can be downloaded or is the user's; raises ModelError."""
    rows = [row for role in ("generator", "perceptor") for row in known(role).values()]
    for row in rows:
        if row.name.lower() == name.lower():
            return row
    near = difflib.get_close_matches(name, [row.name for row in rows], n=1)
    hint = f"did you mean {near[0]}?" if near else "`render models` lists them."
    raise ModelError(f"there is no model named {name}; {hint}")


def table() -> list[Listed]:
    """Every model as the listing shows it."""
    return [_list(row) for role in ("generator", "perceptor") for row in known(role).values()]


def _list(model: Model) -> Listed:
    path = path_of(model)
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
    return Listed(model.name, model.role, size, model.licence, where, digest, model.note)


def metadata_of(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; raises ModelError when it is none."""
    try:
        metadata = read_header(path).get("__metadata__", {})
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not a safetensors file, or is cut off ({error})") from error
    return {str(key): str(value) for key, value in metadata.items()}


def digest_of(model: Model) -> str:
    """The SHA-256 of the weights as they are used; raises ModelError.

    A downloaded file that is not what was recorded when it was got is an error, never another
    digest: it would make other pictures under the same name.
    """
    path = need(model)
    status = path.stat()
    recorded = {} if model.embedded else _recorded(path)
    if recorded.get("stamp") == f"{status.st_size} {status.st_mtime_ns}":
        return recorded["sha256"]
    digest = _digest(path, status.st_size, status.st_mtime_ns)
    if model.embedded:
        return digest
    if recorded and digest != recorded["sha256"]:
        raise ModelError(
            f"{path} is not the file that was recorded when it was got; "
            f"delete it and run `render models get {model.name}`"
        )
    metadata = _check_header(model, path, model.sha256)
    with contextlib.suppress(OSError):  # the record only saves time here
        _record(path, digest, recorded.get("source") or metadata.get("source_sha256", ""))
    return digest


def digest_named(role: str, name: str) -> str:
    """`digest_of` the named model; what is known of it instead while its weights are not here."""
    model = known(role)[name]
    return digest_of(model) if path_of(model) else model.sha256 or f"absent {name}"


def verify(model: Model) -> None:
    """Read all of a downloaded file again; raises ModelError if it has changed since."""
    path = need(model)
    recorded = _recorded(path)
    if recorded and sha256_of(path) != recorded["sha256"]:
        raise ModelError(
            f"{path} is damaged (its SHA-256 has changed): "
            f"delete it and run `render models get {model.name}`"
        )


def download(
    model: Model, report: Report, from_file: Path | None = None, *, timeout: float = 30.0
) -> Path:
    """Get a model's weights, from its addresses or from a file; the path of what is used.

    A download that stopped goes on where it was. The published file is checked, converted to
    safetensors by `conversion.convert` (nothing in it is ever run) and then dropped; its own
    digest stays in the metadata and in the record beside the weights. `from_file` is the
    published file, or the .safetensors from another machine's folder; it is never changed.
    `timeout` is in seconds. Raises ModelError.
    """
    target = file_of(model)
    if model.embedded:
        return need(model)
    if from_file is None and target.is_file():
        verify(model)
        digest_of(model)
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(disk_sentence(error, target.parent)) from error
    pinned = model.sha256 or _recorded(target).get("source")
    if from_file is not None:
        return _take(model, from_file, target, pinned)
    if not model.urls:
        raise ModelError(f"{model.name} is your own: `render models get {model.name} --from FILE`")
    partial = target.with_suffix(".partial")
    _room(model, target, partial)
    try:
        digest = fetch(model.urls, partial, report, size=model.size, sha256=pinned, timeout=timeout)
    except DownloadError as error:
        raise ModelError(_by_hand(model, target, str(error))) from error
    try:
        _convert(partial, target, model, digest)
    except ModelError as error:
        if not isinstance(error.__cause__, OSError):  # no checkpoint: do not go on with it
            forget(partial)
        raise
    forget(partial)
    return target


def add(name: str, from_file: Path, config: dict[str, Any] | None) -> Path:
    """Take the user's own VQGAN in under a new name; storyboards may then name it.

    `config` is what `conversion.read_config` makes of its YAML; None if `from_file` is a
    .safetensors that Render wrote. Raises ModelError.
    """
    taken = {
        file_of(row).stem.lower() for table in (GENERATORS, PERCEPTORS) for row in table.values()
    }
    if name.lower() in taken or name.lower() == "starter":
        raise ModelError(f"{name} is a model of Render's own table; choose another name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ModelError(
            f"{name!r} cannot be a name: letters, digits, dot, dash and underscore can"
        )
    if config is None:
        if not from_file.is_file():
            raise ModelError(_no_file(from_file))
        try:
            config = json.loads(metadata_of(from_file)["config"])
        except (ModelError, KeyError, ValueError) as error:
            raise ModelError(
                f"{name} is not in Render's table, so its shape is not known: "
                "give the YAML that came with it, --config FILE.yaml"
            ) from error
    return download(_own(name, "generator", config), lambda done, total: None, from_file)


def _own(name: str, role: str, config: dict[str, Any]) -> Model:
    """The row of a user's own model, from its config."""
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


def _take(model: Model, source: Path, target: Path, pinned: str | None) -> Path:
    """The weights from a file that is there already; see `download`."""
    if not source.is_file():
        raise ModelError(_no_file(source))
    try:
        if _written_by_render(source):
            return _copy(model, source, target, pinned)
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
    try:
        return metadata_of(path).get("format", "").startswith("render.")
    except ModelError:
        return False


def _copy(model: Model, source: Path, target: Path, pinned: str | None) -> Path:
    """A converted file of another machine, copied as it is."""
    origin = _check_header(model, source, pinned).get("source_sha256", "")
    partial = target.with_suffix(".copy.partial")
    try:
        with source.open("rb") as file, partial.open("wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        os.replace(partial, target)
        _record(target, sha256_of(target), origin)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ModelError(disk_sentence(error, target)) from error
    return target


def _check_header(model: Model, path: Path, pinned: str | None) -> dict[str, str]:
    """The header of weights that Render wrote, if they are this model's; raises ModelError."""
    metadata = metadata_of(path)
    if metadata.get("format") != f"render.{model.role}.1":
        raise ModelError(
            f"{path} is not a {model.role} that Render wrote; give it to "
            f"`render models get {model.name} --from FILE`"
        )
    if model.role == "generator":
        try:
            config = json.loads(metadata["config"])
        except (KeyError, ValueError) as error:
            raise ModelError(f"{path} does not say what shape its generator has") from error
        if config != model.config:
            raise ModelError(f"{path} holds a generator of another shape than {model.name}")
    if pinned and metadata.get("source_sha256") != pinned:
        raise ModelError(
            f"{path} was not made from the published file of {model.name}: "
            f"it says SHA-256 {metadata.get('source_sha256') or 'nothing'}, not {pinned}"
        )
    return metadata


def _convert(source: Path, target: Path, model: Model, digest: str) -> None:
    """The published file to the safetensors that is used, and its record beside it."""
    from render.conversion import convert  # needs torch, which nothing else here does

    try:
        convert(source, target, model, digest)
        _record(target, sha256_of(target), digest)
    except OSError as error:
        raise ModelError(disk_sentence(error, target)) from error


def _record(path: Path, digest: str, source: str) -> None:
    """Write the digests beside the weights, in a form that `sha256sum -c` reads too; OSError."""
    status = path.stat()
    lines = [
        f"{digest}  {path.name}",
        f"# source {source}",
        f"# stamp {status.st_size} {status.st_mtime_ns}",
    ]
    partial = path.with_suffix(".sha256.partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(partial, path.with_suffix(".sha256"))


def _recorded(path: Path) -> dict[str, str]:
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


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int) -> str:
    """The file's SHA-256, read again only when its size or time has changed."""
    return sha256_of(path)


def _room(model: Model, target: Path, partial: Path) -> None:
    """Refuse before the download what the disk cannot hold."""
    have = partial.stat().st_size if partial.is_file() else 0
    missing = (model.size or 0) - have
    free = shutil.disk_usage(target.parent).free
    if missing > free:
        raise ModelError(
            f"{model.name} takes {missing / 1e6:,.0f} MB more, and {target.parent} has "
            f"{free / 1e6:,.0f} MB free; make room, or choose another folder with RENDER_MODELS"
        )


def _by_hand(model: Model, target: Path, reason: str) -> str:
    """What to do when no address gave the file."""
    addresses = "".join(f"\n    {url}" for url in model.urls)
    digest = f"\n  (SHA-256 {model.sha256})" if model.sha256 else ""
    return (
        f"{model.name} could not be downloaded: {reason}.\n"
        "  Run the same command again to go on, or download on another machine"
        f"{addresses}{digest}\n"
        f"  and run `render models get {model.name} --from FILE`. A {target.name} from another "
        f"machine's folder will do as well; the folder here is {target.parent}"
    )


def _no_file(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder; give the file itself"
    return f"{path} is not there"
