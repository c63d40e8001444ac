"""Stored latents are whole or absent, and reported when they cannot be used."""

from __future__ import annotations

import errno
import json
import os
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from render.media.atomic import FileError
from render.media.safetensors_header import latent_damage
from render.synthesis.latents import LatentError, Store, latent_digest, load_latent


@pytest.fixture
def latent() -> torch.Tensor:
    return torch.randn(1, 4, 6, 8, generator=torch.Generator().manual_seed(0))


def test_a_saved_latent_is_loaded(tmp_path: Path, latent: torch.Tensor) -> None:
    store = Store(tmp_path / "made" / "on demand")
    assert not store.has("key")
    store.save("key", latent, {"shot": "dawn"})
    assert store.has("key")
    assert torch.equal(store.load("key"), latent)
    assert load_latent(store.path("key"))[1]["shot"] == "dawn"
    assert [path.name for path in store.folder.iterdir()] == ["key.safetensors"]


def test_the_same_latent_is_the_same_bytes(tmp_path: Path, latent: torch.Tensor) -> None:
    store = Store(tmp_path)
    store.save("a", latent, {"x": 1, "y": 2})
    first = store.path("a").read_bytes()
    store.save("a", latent, {"y": 2, "x": 1})
    assert store.path("a").read_bytes() == first


@pytest.mark.parametrize("keep", [0, 7, 40, 300, -1])
def test_a_truncated_latent_does_not_count(tmp_path: Path, latent: torch.Tensor, keep: int) -> None:
    store = Store(tmp_path)
    store.save("key", latent, {})
    store.path("key").write_bytes(store.path("key").read_bytes()[:keep])
    assert not store.has("key")
    with pytest.raises(LatentError, match="truncated or not a latent"):
        store.load("key")


def test_other_files_are_refused(tmp_path: Path, latent: torch.Tensor) -> None:
    stranger = tmp_path / "stranger.safetensors"
    save_file({"weights": latent}, stranger)
    with pytest.raises(LatentError, match="no latent that Render wrote"):
        load_latent(stranger)
    with pytest.raises(LatentError):
        load_latent(tmp_path / "absent.safetensors")


def test_a_failed_write_leaves_nothing_half_made(
    tmp_path: Path, latent: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    store = Store(tmp_path)
    with pytest.raises(OSError, match="the disk is full"):
        store.save("key", latent, {})
    assert list(tmp_path.iterdir()) == []


def test_a_latent_that_cannot_be_written_is_named(
    tmp_path: Path, latent: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(FileError, match=r"key\.safetensors was not written: File too large"):
        Store(tmp_path).save("key", latent, {})


def test_a_latent_changed_on_disk_is_refused(tmp_path: Path, latent: torch.Tensor) -> None:
    store = Store(tmp_path)
    store.save("key", latent, {})
    path = store.path("key")
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    assert store.has("key")
    with pytest.raises(LatentError, match="changed since Render wrote it; put the right one back"):
        store.load("key")


def test_a_digest_is_computed_once(
    tmp_path: Path, latent: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.save("key", latent, {})
    computed = []
    monkeypatch.setattr(
        "render.synthesis.latents.latent_digest",
        lambda value: computed.append(value) or latent_digest(value),
    )
    store.load("key")
    assert len(computed) == 1


def test_a_note_nested_too_deeply_is_refused(tmp_path: Path, latent: torch.Tensor) -> None:
    path = tmp_path / "deep.safetensors"
    save_file({"latent": latent}, path, {"render": "[" * 200_000 + "]" * 200_000})
    with pytest.raises(LatentError, match="nested too deeply"):
        load_latent(path)


def test_a_latent_of_another_film_under_a_key_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).save("key", torch.zeros(1, 3, 5, 5), {})
    assert Store(tmp_path, {"key": (3, 5, 5)}).load("key").shape == (1, 3, 5, 5)
    with pytest.raises(LatentError, match=r"\(3, 5, 5\), and the keyframe's latent is \(4, 6"):
        Store(tmp_path, {"key": (4, 6, 8)}).load("key")


def test_latents_that_cannot_be_used_are_set_aside(tmp_path: Path, latent: torch.Tensor) -> None:
    store = Store(tmp_path, dict.fromkeys(("right", "changed", "other"), (4, 6, 8)))
    for key in ("right", "changed", "other"):
        store.save(key, latent, {})
    store.save("other", torch.zeros(1, 3, 5, 5), {})
    content = bytearray(store.path("changed").read_bytes())
    content[-3] ^= 1
    store.path("changed").write_bytes(content)
    assert store.set_damaged_aside(["right"]) == {}
    damaged = store.set_damaged_aside(["right", "changed", "other"])
    assert damaged["changed"].startswith(f"{store.path('changed')} was changed since")
    assert damaged["other"].startswith(f"{store.path('other')} holds (3, 5, 5)")
    assert "It is now other.safetensors.damaged-1, and its keyframe is made" in damaged["other"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "changed.safetensors.damaged-1", "other.safetensors.damaged-1", "right.safetensors",
    ]  # fmt: skip
    store.save("other", torch.zeros(1, 3, 5, 5), {})
    assert "other.safetensors.damaged-2" in store.set_damaged_aside(["other"])["other"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e30])
def test_numbers_that_no_latent_has_are_refused(
    tmp_path: Path, latent: torch.Tensor, number: float
) -> None:
    wrong = latent.clone()
    wrong[0, 1, 2, 3] = number
    Store(tmp_path).save("key", wrong, {})
    with pytest.raises(LatentError, match="holds numbers that no latent has"):
        Store(tmp_path).load("key")


def test_the_latent_of_another_keyframe_is_refused(tmp_path: Path, latent: torch.Tensor) -> None:
    store = Store(tmp_path)
    store.save("a", latent, {})
    store.save("b", latent + 1, {})
    store.path("b").write_bytes(store.path("a").read_bytes())
    with pytest.raises(LatentError, match="is the latent of another keyframe"):
        store.load("b")
    assert "of another keyframe" in (latent_damage(tmp_path, "b") or "")
    assert latent_damage(tmp_path, "a") is None
    assert latent_damage(tmp_path, "none") is None


def test_a_folder_under_a_latent_s_name_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.path("key").mkdir()
    assert latent_damage(tmp_path, "key") == "is no ordinary file; move it away"
    with pytest.raises(LatentError):
        store.set_damaged_aside(["key"])


def test_a_latent_without_a_digest_is_accepted_but_not_as_a_keyframe(
    tmp_path: Path, latent: torch.Tensor
) -> None:
    """Other tools and earlier versions write such latents."""
    path = tmp_path / "theirs.safetensors"
    save_file({"latent": latent}, path, {"render": '{"format": "render.latent.1"}'})
    assert torch.equal(load_latent(path)[0], latent)
    save_file(
        {"latent": latent}, path, {"render": '{"format": "render.latent.1", "key": "theirs"}'}
    )
    with pytest.raises(LatentError, match="has no digest"):
        Store(tmp_path).load("theirs")


def test_preparing_makes_the_folder_and_removes_stale_partial_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "film.latents")
    store.prepare()
    old, fresh = (store.folder / f"key.safetensors.{n}-0123abcd.partial" for n in (1, 2))
    old.touch()
    fresh.touch()
    os.utime(old, (0, 0))
    store.prepare()
    assert list(store.folder.iterdir()) == [fresh]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LatentError, match=r"cannot be made \(Not a directory\); keep the latents"):
        Store(tmp_path / "file" / "film.latents").prepare()


@pytest.mark.parametrize(
    ("note", "shape"),
    [("5", (1, 4, 2, 2)), ("null", (1, 4, 2, 2)), ('{"format": "render.latent.1"}', (1, 3, 0, 0))],
)
def test_a_note_or_a_tensor_of_another_kind_is_refused(
    tmp_path: Path, note: str, shape: tuple[int, ...]
) -> None:
    path = tmp_path / "key.safetensors"
    tensors = {"latent": torch.zeros(shape), "other": torch.zeros(1)}
    save_file(tensors, path, {"render": note})
    with pytest.raises(LatentError):
        load_latent(path)
    assert latent_damage(tmp_path, "key")
    # Not even a text: safetensors itself refuses it.
    header = json.dumps({"__metadata__": {"render": 5}, **ENTRY}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(LatentError):
        load_latent(path)
    assert latent_damage(tmp_path, "key")


ENTRY = {"latent": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}


def test_a_link_to_nowhere_is_set_aside(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.path("key").symlink_to("nowhere")
    assert [*store.set_damaged_aside(["key"])] == ["key"]
    assert not os.path.lexists(store.path("key"))
    assert os.path.lexists(tmp_path / "key.safetensors.damaged-1")
