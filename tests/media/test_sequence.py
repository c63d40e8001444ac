"""A film as a sequence of PNGs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from render.cli.request import preview_path
from render.errors import InputError
from render.media.provenance import read_note
from render.media.sequence import SequenceWriter, check_sequence, frame_path, is_sequence


def test_each_frame_is_a_file_with_its_note(tmp_path: Path) -> None:
    import numpy as np

    pattern = tmp_path / "frames" / "f_%04d.png"
    writer = SequenceWriter(pattern, [3, 7], lambda number: {"render": "x", "frame": number})
    for colour in (10, 20):
        writer.send(np.full((16, 16, 3), colour, np.uint8))
    assert writer.count == 2
    names = sorted(path.name for path in pattern.parent.iterdir())
    assert names == ["f_0003.png", "f_0007.png"]
    assert read_note(frame_path(pattern, 7))["frame"] == 7
    with Image.open(frame_path(pattern, 7)) as image:
        assert image.getpixel((0, 0)) == (20, 20, 20)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("f_%04d.jpg", "a sequence is written as PNG"),
        ("f_%04d_%d.png", "stands once in the name"),
        ("no/such/f_%d.png", "there is no folder"),
    ],
)
def test_patterns_that_cannot_be_are_told(tmp_path: Path, pattern: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        check_sequence(tmp_path / pattern)
    assert said in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pattern", ["%d.png", "f_%06d.png", "new/%06d.png"])
def test_patterns_that_can_be_pass(tmp_path: Path, pattern: str) -> None:
    check_sequence(tmp_path / pattern)


@pytest.mark.parametrize(
    ("output", "preview"),
    [
        ("film.mp4", "film.preview.png"),
        ("frames/%06d.png", "frames.preview.png"),
        ("frames/f_%06d.png", "frames/f.preview.png"),
        ("%06d.png", "film.preview.png"),
    ],
)
def test_the_preview_lies_beside_it(output: str, preview: str) -> None:
    assert preview_path(Path(output)) == Path(preview)


def test_a_percent_sign_alone_makes_no_sequence() -> None:
    for name in ("100%.png", "50%.mp4", "a%s.png", "x%1.png"):
        assert not is_sequence(Path(name))
    assert preview_path(Path("100%.mp4")) == Path("100%.preview.png")
