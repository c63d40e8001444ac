"""Loaded images and masks of regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from render.plan.camera import IDENTITY, Matrix
from render.storyboard.model import FADES, Region
from render.synthesis.images import load_image, region_mask


def test_images_are_loaded_upright_on_white_and_from_16_bits(tmp_path: Path) -> None:
    device = torch.device("cpu")
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert load_image(tmp_path / "clear.png", device).min() == 1
    deep = Image.fromarray(np.full((8, 8), 32768, dtype=np.uint16))
    deep.save(tmp_path / "deep.png")
    assert load_image(tmp_path / "deep.png", device).mean().item() == pytest.approx(0.5, abs=0.01)
    turned = Image.new("RGB", (30, 10))
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert load_image(tmp_path / "turned.jpg", device).shape == (1, 3, 30, 10)


def test_region_masks_are_where_their_names_say(tmp_path: Path) -> None:
    device = torch.device("cpu")

    def mask(name: str | Path, moved: Matrix = IDENTITY) -> torch.Tensor:
        return region_mask(Region(name), moved, (24, 12), device)[0, 0]

    assert mask("top")[:6].min() == 1
    assert mask("top")[6:].max() == 0
    assert mask("right-third")[:, 16:].min() == 1
    assert mask("right-third")[:, :16].max() == 0
    thirds = (
        ("left-third", "centre-third", "right-third"),
        ("top-third", "middle-third", "bottom-third"),
    )
    for names in thirds:
        assert torch.equal(sum(mask(name) for name in names), torch.ones(12, 24))
    for name, (right, below) in FADES.items():
        fade = mask(name)
        assert 0 <= fade.min() <= fade.max() <= 1
        slope = fade[-1, -1] - fade[0, 0]
        assert (slope > 0.5) == (right + below > 0)
    Image.linear_gradient("L").resize((48, 24)).save(tmp_path / "light below.png")
    drawn = mask(tmp_path / "light below.png")
    assert drawn[0].max() < 0.2
    assert drawn[-1].min() > 0.8
    down = (1.0, 0.0, 0.0, 0.0, 1.0, 0.25, 0.0, 0.0, 1.0)  # by a quarter of the height
    assert mask("top", down)[7].min() > 0.9
    assert torch.equal(region_mask(None, IDENTITY, (24, 12), device), torch.ones(1, 1, 12, 24))
