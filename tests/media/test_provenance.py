"""Notes are read back from the files they are written into, and other files are refused."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from render.media import provenance
from render.media.atomic import FileError
from render.media.codecs import CODECS, CONTAINERS
from render.media.provenance import ProvenanceError, format_note, read_note, write_png
from render.media.seal import FIELD, seal_of_picture
from render.media.video import write_video
from render.storyboard.named_files import files_named_in

STORYBOARD = "version: 1\nshots:\n  - prompts: 'a=b; #c \\ \"d\" | 日本 ☃'\n"
NOTE: dict[str, Any] = {
    "render": "0.1.0",
    "kind": "frame",
    "storyboard": STORYBOARD,
    "storyboard_file": "first-light.yaml",
    "shot": "dawn",
    "time": 3.25,
    "prompts": [{"prompt": "a red sky", "weight": 1.0}, {"prompt": "text", "weight": -0.5}],
    "seed": 7,
    "models": [
        {"role": "generator", "name": "starter", "sha256": "ab" * 32},
        {"role": "perceptor", "name": "starter", "sha256": None},
    ],
    "size": [320, 192],
    "key": "0123",
    "steps": 25,
    "algorithm": 1,
}


def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


def write_film(path: Path, metadata: dict[str, str]) -> None:
    codec = next(name for name, codec in CODECS.items() if path.suffix in codec.extensions)
    frames = [np.zeros((48, 64, 3), np.uint8)] * 3
    write_video(path, frames, (64, 48), Fraction(24), codec, 30, metadata)


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def latent(note: str | None = None) -> bytes:
    metadata = {"format": "render.latent.1"} | ({"render": note} if note else {})
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    return safetensors({"__metadata__": metadata, "latent": tensor}, b"\0\0\0\0")


def write_any(path: Path, note: dict[str, Any] | None) -> None:
    """Writes a file of the kind that its extension names, with or without a note."""
    if path.suffix == ".png":
        write_png(path, picture(), note)
    elif path.suffix == ".safetensors":
        path.write_bytes(latent(json.dumps(note) if note else None))
    else:
        write_film(path, {"comment": provenance.to_text(note)} if note else {})


EVERY_ENDING = [".png", ".safetensors", *CONTAINERS]


@pytest.mark.parametrize("ending", EVERY_ENDING)
def test_a_note_is_read_back(tmp_path: Path, ending: str) -> None:
    for note in (NOTE, NOTE | {"storyboard": "# 日本 = ; \\ \n" * 60_000}):
        write_any(tmp_path / f"-a file{ending}", note)
        assert read_note(tmp_path / f"-a file{ending}") | {FIELD: ""} == note | {FIELD: ""}


@pytest.mark.parametrize("ending", EVERY_ENDING)
def test_a_file_without_a_note_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"file{ending}"
    write_any(path, None)
    kinds = {".png": "PNG", ".apng": "PNG", ".gif": "GIF", ".safetensors": "safetensors file"}
    kind = kinds.get(ending, "film")
    with pytest.raises(ProvenanceError, match=f"this {kind} was not written by Render"):
        read_note(path)
    write_any(path, {"comment": "of another program"})
    with pytest.raises(ProvenanceError, match=f"this {kind} was not written by Render"):
        read_note(path)


@pytest.mark.parametrize("ending", EVERY_ENDING)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, ending: str, share: float) -> None:
    path = tmp_path / f"file{ending}"
    write_any(path, NOTE)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ProvenanceError, match="is cut short"):
        read_note(path)


@pytest.mark.parametrize("ending", EVERY_ENDING)
def test_a_file_of_a_few_bytes_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"file{ending}"
    write_any(path, NOTE)
    data = path.read_bytes()
    for count in range(1, 40):
        path.write_bytes(data[:count])
        with pytest.raises(ProvenanceError):
            read_note(path)


@pytest.mark.parametrize(
    "start", [b"", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x18ftyp", b"\x1a\x45\xdf\xa3"]
)
def test_random_bytes_are_refused(tmp_path: Path, start: bytes) -> None:
    noise = np.random.default_rng(1)
    for _ in range(15):
        path = tmp_path / "noise.bin"
        path.write_bytes(start + noise.bytes(300))
        with pytest.raises(ProvenanceError):
            read_note(path)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"\xff\xd8\xff\xe0 a JPEG and more", "is neither a picture"),
        (b"version: 1\nshots: []\n", "is neither a picture"),
        (safetensors(b"{not json}"), "its header is broken"),
        (safetensors([1]), "is neither a picture"),
        (safetensors({"a": {}}), "its header is broken"),
        (safetensors({"a": {"data_offsets": [0, "1"]}}), "its header is broken"),
        (safetensors({"a": {"data_offsets": [0, 64.0]}}), "its header is broken"),
        (safetensors({"__metadata__": []}), "its header is broken"),
        (safetensors(b"{" + b"[" * 100_000), "its header is broken"),
        (struct.pack("<Q", 2**60) + b"{}    ", "is not a safetensors file that Render reads"),
        (latent("no json"), "was not written by Render"),
        (latent("[]"), "was not written by Render"),
        (latent("{}"), "was not written by Render"),
    ],
)
def test_other_and_broken_files_are_refused(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(ProvenanceError, match=sentence):
        read_note(path)


def test_missing_files_folders_and_devices_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ProvenanceError, match="no such file"):
        read_note(tmp_path / "none.png")
    with pytest.raises(ProvenanceError, match="is a folder"):
        read_note(tmp_path)
    with pytest.raises(ProvenanceError, match="a device or a pipe"):
        read_note(Path(os.devnull))


def test_a_png_has_the_picture_and_the_same_bytes_every_time(tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    for path in (first, second):
        write_png(path, picture(), NOTE)
    assert first.read_bytes() == second.read_bytes()
    with Image.open(first) as opened:
        assert np.array_equal(np.asarray(opened), picture())
        note = json.loads(opened.text["render"])  # type: ignore[attr-defined]
        assert note == NOTE | {FIELD: seal_of_picture(picture())}
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_a_png_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.png").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda number: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_png(tmp_path / "old.png", picture(), NOTE)
    monkeypatch.undo()
    assert (tmp_path / "old.png").read_bytes() == b"old"
    for path in (tmp_path / "none" / "a.png", tmp_path):
        with pytest.raises(FileError, match="was not written"):
            write_png(path, picture(), NOTE)
    assert os.listdir(tmp_path) == ["old.png"]


def test_a_note_of_any_values_becomes_json() -> None:
    note = {
        "render": "1",
        "file": "\udcff.yaml",
        "at": Fraction(1, 3),
        "path": Path("x"),
        "t": (1,),
    }
    text = provenance.to_text(note)
    text.encode()
    assert json.loads(text) == note | {"at": "1/3", "path": "x", "t": [1]}
    assert provenance.to_text({"b": 1, "a": 2}) == provenance.to_text({"a": 2, "b": 1})


def test_every_field_of_a_note_is_shown() -> None:
    assert format_note(NOTE) == (
        "what        frame\n"
        "Render      0.1.0\n"
        "storyboard  first-light.yaml\n"
        "shot        dawn\n"
        "time        3.25 s\n"
        "prompts     1 x a red sky\n"
        "            -0.5 x text\n"
        "seed        7\n"
        "size        320 x 192\n"
        f"models      generator starter  sha256 {'ab' * 32}\n"
        "            perceptor starter\n"
        "steps       25\n"
        "key         0123\n"
        "algorithm   1\n"
        "\n" + STORYBOARD.rstrip()
    )
    assert format_note({}) == ""


def test_a_note_of_unknown_origin_cannot_control_the_terminal() -> None:
    note = {"render": "\x1b[2J", "models": ["x"], "prompts": [1, {}, {"prompt": "\x07"}]}
    note |= {"storyboard": "a\x1b]0;title\x07\n\tb", "sh\x1bot": {"a": "\x1b"}, "size": "big"}
    said = format_note(note)
    assert all(character.isprintable() or character in "\n\t" for character in said)
    assert said.endswith("a\\x1b]0;title\\x07\n\tb")


def test_the_files_that_a_storyboard_names() -> None:
    text = """
    style: image
    shots:
      - {init: a/b.png, prompts: [{image: c.png, weight: 1}, sea]}
      - {init: a/b.png, prompts: {image: /elsewhere/d.png}, name: init}
      - {init: , prompts: [sea}
    """
    assert files_named_in(text.replace("[sea}", "[sea]}")) == ["a/b.png", "c.png"]
    own = "- losses: {latent: 0.5}\n  palette: p.png\n  prompts: {latent: l.safetensors}\n"
    assert files_named_in(own) == ["p.png", "l.safetensors"]
    where = "shots: [{prompts: [{text: a, where: top-third}, {text: b, where: masks/b.png}]}]"
    assert files_named_in(where) == ["masks/b.png"]
    assert (
        files_named_in(text)
        == files_named_in("")
        == files_named_in("init: " + "x" * 2_000_000)
        == []
    )


def test_importing_is_cheap() -> None:
    code = (
        "import sys, render.media.provenance; print({'numpy', 'torch', 'PIL'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def test_a_number_too_large_for_a_float_is_shown() -> None:
    prompt = {"prompt": "sea", "weight": 10**400}
    assert "x sea" in format_note({"render": "1", "prompts": [prompt], "time": 10**400})
