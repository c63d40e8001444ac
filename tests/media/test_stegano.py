"""Texts in the lowest bits of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from render.media.provenance import ProvenanceError, read_note, write_png
from render.media.stegano import HEADER, MARK, TooSmallError, find_hidden, hidden_in


def frame(side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)


def test_a_note_outlives_its_chunks(tmp_path: Path) -> None:
    note = {"render": "1", "kind": "frame", "storyboard": "shots: äöü \x1b"}
    write_png(tmp_path / "a.png", frame(), note, stegano=True)
    with Image.open(tmp_path / "a.png") as image:
        assert image.text
        stripped = Image.fromarray(np.asarray(image))
    stripped.save(tmp_path / "b.png")
    assert read_note(tmp_path / "b.png") == note
    assert np.abs(np.asarray(stripped).astype(int) - frame()).max() <= 1


def test_a_picture_without_a_note_or_with_changed_pixels_has_none(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(frame()).save(path)
    assert find_hidden(path) is None
    changed = hidden_in(frame(), "a text")
    changed[0, 40] ^= 1
    Image.fromarray(changed).save(path)
    assert find_hidden(path) is None
    with pytest.raises(ProvenanceError):
        read_note(path)


def test_a_picture_too_small_for_its_note_is_refused() -> None:
    with pytest.raises(TooSmallError, match="leave --stegano out"):
        hidden_in(frame(4), "a text")


@pytest.mark.parametrize(("length", "side"), [(2**32 - 1, 64), (10, 2), (0, 64)])
def test_a_crafted_length_reads_nothing(tmp_path: Path, length: int, side: int) -> None:
    bits = np.unpackbits(np.frombuffer(HEADER.pack(MARK, length, 0), np.uint8))
    flat = frame(side).flatten()
    flat[: len(bits)] = (flat[: len(bits)] & 0xFE) | bits[: len(flat)]
    Image.fromarray(flat.reshape(side, side, 3)).save(tmp_path / "a.png")
    assert find_hidden(tmp_path / "a.png") is None
