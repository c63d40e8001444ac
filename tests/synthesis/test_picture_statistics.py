"""The palette and sharpness that later keyframes keep."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from tiny_film import MODELS, tiny_plan

from render.synthesis.picture_statistics import (
    ShotStatistics,
    palette_of,
    sharpness_of,
    shot_statistics,
)


def test_statistics_are_those_of_the_first_keyframe_or_the_palette_of_a_picture(
    tmp_path: Path,
) -> None:
    Image.new("RGB", (30, 90), "red").save(tmp_path / "red.png")
    plan, generator = tiny_plan(), MODELS.network
    assert shot_statistics(plan, None, None, generator) == ShotStatistics()
    first = torch.randn(1, 4, 8, 12)
    decoded = generator.decode(first)
    own = shot_statistics(plan, None, first, generator)
    assert torch.equal(own.palette, palette_of(decoded))
    assert torch.equal(own.sharpness, sharpness_of(decoded))
    picture = shot_statistics(plan, tmp_path / "red.png", None, generator)
    assert picture.sharpness is None
    both = shot_statistics(plan, tmp_path / "red.png", first, generator)
    assert torch.equal(both.palette, picture.palette)
    assert torch.equal(both.sharpness, own.sharpness)
