"""Pictures at the door: what is wrong with them, and which way up they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image

from render.storyboard.context import FilmContext, ShotContext
from render.storyboard.named_files import IMAGE_FORMATS, probe_image
from render.storyboard.reader import Reader
from render.storyboard.regions import Mask
from render.storyboard.yaml_nodes import Mistake, Scalar
from render.synthesis.images import load_image

CPU = torch.device("cpu")


def photograph(folder: Path, orientation: int, form: str = "JPEG") -> Path:
    """96x64 as it is stored, and held by a phone as the orientation says."""
    path = folder / f"{orientation}.{form.lower()}"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (96, 64), "white").save(path, form, exif=exif)
    return path


@pytest.mark.parametrize("form", IMAGE_FORMATS)
@pytest.mark.parametrize("orientation", range(10))
def test_a_picture_is_as_large_as_it_will_be_loaded(
    tmp_path: Path, orientation: int, form: str
) -> None:
    path = photograph(tmp_path, orientation, form)
    height, width = load_image(path, CPU).shape[-2:]
    assert probe_image(path) == (width, height)


@pytest.mark.parametrize("size", [(96, 64), (64, 96)])
def test_a_mask_is_judged_by_the_shape_in_which_it_is_used(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    for orientation in (1, 6):
        path = photograph(tmp_path, orientation)
        node, reader = Scalar(path.name, 1, 1), Reader()
        context = ShotContext(FilmContext(tmp_path, size=size))
        height, width = load_image(path, CPU).shape[-2:]
        if (width, height) == size:
            assert Mask().read(node, "where", context, reader) == path.resolve()
        else:
            with pytest.raises(Mistake, match=f"is {width}x{height}, another shape than the film"):
                Mask().read(node, "where", context, reader)


def test_a_mask_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = photograph(tmp_path, 6)
    opened, open_image = [], Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: opened.append(a) or open_image(*a, **k))
    context, reader = ShotContext(FilmContext(tmp_path, size=(64, 96))), Reader()
    for _ in range(3):
        Mask().read(Scalar(path.name, 1, 1), "where", context, reader)
    assert len(opened) == 1


@pytest.mark.parametrize("exif", [b"Exi", b"Exif\0\0MM\0*\0\0"])
def test_a_picture_whose_orientation_cannot_be_read_is_told(tmp_path: Path, exif: bytes) -> None:
    Image.new("RGB", (96, 64)).save(tmp_path / "a.png", exif=exif)
    assert "is not an image that can be read" in str(probe_image(tmp_path / "a.png"))
