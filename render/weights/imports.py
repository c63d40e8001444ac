"""Weights that another program already downloaded: found by size and digest in its folders."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from render.media.digest import sha256_of
from render.weights.catalog import CATALOG, Model, ModelError
from render.weights.install import install_model
from render.weights.library import weights_path

_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", "")  # "": a file named by its digest
_LEAST = 100 << 20  # bytes; every published file is larger
_MOST_FILES = 100_000  # looked at in one folder


@dataclass(frozen=True)
class Found:
    """A file that is, or by its size may be, the published file of a model."""

    model: Model
    path: Path
    is_certain: bool  # its digest is the published one; else no document gives any


def usual_folders() -> list[Path]:
    """Returns the folders of OpenAI's clip, open_clip (by Hugging Face's hub and by torch's) that
    there are for this user."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    faces = Path(os.environ.get("HF_HOME") or cache / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or faces / "hub")
    torch = Path(os.environ.get("TORCH_HOME") or cache / "torch")
    return [
        one for one in (cache / "clip", hub, torch / "hub" / "checkpoints") if os.path.isdir(one)
    ]


def find_weights(folders: Iterable[Path]) -> Iterator[Found]:
    """Yields the files in folders, and in those within them, that are published files of models
    which are not on this machine yet; each model once, the certain ones first.

    Reads whole only files of the size of one, or where no document gives the size, of its name. In
    a cache whose files are named by their digests no file is read. Raises ModelError for a folder
    that is not there.
    """
    rows = [row for table in CATALOG.values() for row in table.values()]
    stored = [row for row in rows if row.has_weights and not row.embedded]
    wanted = {row.name: row for row in stored if not weights_path(row)}
    uncertain: dict[str, Found] = {}
    for path in _large_files(folders):
        digest = ""
        for row in [row for row in wanted.values() if _may_be(path, row)]:
            if row.sha256 is None:
                uncertain.setdefault(row.name, Found(row, path, False))
                continue
            try:
                digest = digest or _digest_of(path)
            except OSError:  # may not be read; then it is not taken
                break
            if digest == row.sha256:
                uncertain.pop(row.name, None)
                yield Found(wanted.pop(row.name), path, True)
                break
    yield from (found for name, found in uncertain.items() if name in wanted)


def _may_be(path: Path, row: Model) -> bool:
    """Returns whether a file may be the published one of a model, by its size or else its name."""
    if row.size is not None:
        return path.stat().st_size == row.size
    names = {urlsplit(url).path.rpartition("/")[2] for url in row.urls}
    return row.sha256 is not None and (path.name in names or path.resolve().name == row.sha256)


def _digest_of(path: Path) -> str:
    """Returns the SHA-256 of a file, from the name of the file that it links to if that is one.

    Whoever installs the file reads it whole and compares.
    """
    name = path.resolve().name
    return name if re.fullmatch("[0-9a-f]{64}", name) else sha256_of(path)


def import_weights(folders: Iterable[Path], say: Callable[[str], None]) -> list[str]:
    """Installs what `find_weights` is certain of; returns the names. `say` is told of each file,
    before it is converted, and of those that cannot be. The files stay where they are. Raises
    ModelError, or DownloadError if the disk fails."""
    names = []
    for found in find_weights(folders):
        if not found.is_certain:
            say(
                f"{found.path} has the size of {found.model.name}, of which no document gives a "
                f"digest; `render models get {found.model.name} --from FILE` takes it"
            )
            continue
        say(f"{found.model.name} from {found.path}")
        try:
            install_model(found.model, lambda done, total: None, found.path)
        except ModelError as error:
            say(str(error))
            continue
        names.append(found.model.name)
    return names


def _large_files(folders: Iterable[Path]) -> Iterator[Path]:
    """Yields every file that is large enough to be weights, once, by sorted names."""
    seen: set[Path] = set()
    for folder in folders:
        if not folder.is_dir():
            raise ModelError(f"{folder} is {'no folder' if folder.exists() else 'not there'}")
        looked_at = 0
        for parent, inner, files in os.walk(folder):
            inner.sort()
            looked_at += len(files)
            if looked_at > _MOST_FILES:
                raise ModelError(
                    f"{folder} holds more than {_MOST_FILES:,} files; name the one with the weights"
                )
            for name in sorted(files):
                path = Path(parent, name)
                try:
                    real = path.resolve()
                    is_large = real.is_file() and real.stat().st_size >= _LEAST
                except (OSError, RuntimeError):  # a link to nowhere, or to itself
                    continue
                if is_large and path.suffix in _SUFFIXES and real not in seen:
                    seen.add(real)
                    yield path
