"""Weights that another program downloaded are found by size and digest, and taken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from checkpoint_files import checkpoint, row, taming_state

from render.weights import imports, library
from render.weights.catalog import CATALOG, Model, ModelError
from render.weights.imports import find_weights, import_weights, usual_folders

Pin = Callable[..., Model]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of another program, with one published file; the least size is lowered."""
    monkeypatch.setattr(imports, "_LEAST", 1000)
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "cache" / "hub" / "models--someone"
    (folder / "blobs").mkdir(parents=True)
    file = checkpoint(folder / "blobs" / "last.ckpt", taming_state())
    file = file.rename(folder / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest())
    (folder / "snapshots").mkdir()
    (folder / "snapshots" / "last.ckpt").symlink_to(file)
    (folder / "snapshots" / "gone.ckpt").symlink_to(folder / "nothing")
    (folder / "notes.txt").write_bytes(b"x" * 5000)
    return tmp_path / "cache"


@pytest.fixture
def pin(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Pin:
    """Makes the catalogue hold one generator, with the size and the digest of the cached file."""
    (file,) = (cache / "hub" / "models--someone" / "blobs").iterdir()

    def table(**changed: object) -> Model:
        pinned = replace(row(), size=file.stat().st_size, sha256=file.name)
        pinned = replace(pinned, **changed)
        monkeypatch.setitem(CATALOG, "generator", {pinned.name: pinned})
        monkeypatch.setitem(CATALOG, "perceptor", {})
        return pinned

    return table


@pytest.mark.parametrize("size", ["known", None])
def test_a_published_file_is_taken_and_stays(cache: Path, pin: Pin, size: str | None) -> None:
    model = pin(size=None) if size is None else pin()
    said: list[str] = []
    before = sorted(cache.rglob("*"))
    assert import_weights([cache], said.append) == ["tiny"]
    assert said == [f"tiny from {found_path(cache)}"]
    assert library.weights_path(model)
    assert sorted(cache.rglob("*")) == before
    assert import_weights([cache], said.append) == []  # it is here


def found_path(cache: Path) -> Path:
    """The file under the first of its two names."""
    (file,) = (cache / "hub" / "models--someone" / "blobs").iterdir()
    return file


def test_other_large_files_are_not_read(
    cache: Path, pin: Pin, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(imports, "sha256_of", lambda path: read.append(path) or "")
    (cache / "llama.safetensors").write_bytes(b"x" * 10_000)
    pin(size=None, urls=("https://host/files/llama.safetensors",), sha256="0" * 64)
    assert list(find_weights([cache])) == []
    assert read == [cache / "llama.safetensors"]  # the published file's name
    read.clear()
    pin(size=None, sha256="0" * 64)
    assert list(find_weights([cache])) == []
    assert read == []


def test_a_file_that_cannot_be_taken_does_not_end_the_import(cache: Path, pin: Pin) -> None:
    pin(config={**row().config, "n_embed": 1024})
    said: list[str] = []
    assert import_weights([cache], said.append) == []
    assert "does not fit the config of tiny" in said[1]


def test_another_file_of_the_same_size_is_left_alone(cache: Path, pin: Pin) -> None:
    pin(sha256="0" * 64)
    assert list(find_weights([cache])) == []


def test_a_file_of_an_unknown_digest_is_named_but_not_taken(cache: Path, pin: Pin) -> None:
    model = pin(sha256=None)
    said: list[str] = []
    assert import_weights([cache], said.append) == []
    assert "has the size of tiny, of which no document gives a digest" in said[0]
    assert "render models get tiny --from FILE" in said[0]
    assert not library.weights_path(model)


def test_a_folder_that_is_not_there_is_reported(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere is not there"):
        list(find_weights([tmp_path / "nowhere"]))
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="file is no folder"):
        list(find_weights([tmp_path / "file"]))


def test_a_huge_folder_is_not_searched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_MOST_FILES", 1)
    with pytest.raises(ModelError, match="holds more than 1 files; name the one"):
        list(find_weights([cache]))


def test_the_usual_folders_are_those_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert usual_folders() == []
    folders = [tmp_path / "clip", tmp_path / "huggingface/hub", tmp_path / "torch/hub/checkpoints"]
    for folder in folders:
        folder.mkdir(parents=True)
    assert usual_folders() == folders
    monkeypatch.setenv("HF_HOME", str(tmp_path / "elsewhere"))
    assert usual_folders() == [folders[0], folders[2]]
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "mine"))
    assert usual_folders() == [folders[0], tmp_path / "mine", folders[2]]
