"""The size of the film's frames."""

from __future__ import annotations

import pytest
from storyboard.samples import GROUND, check_mistake

MISTAKES = [
    (GROUND + "size: [640]", 5, "two numbers"),
    (GROUND + "size: 640", 5, "two numbers"),
    (GROUND + "size: 1080p", 5, "Write 1920x1080"),
    (GROUND + "size: 480p", 5, "Write 854x480"),
    (GROUND + "size: 160*96", 5, "Write 160x96"),
    (GROUND + "size: 64×64", 5, "Write 64x64"),  # noqa: RUF001
    (GROUND + "size: 640 480", 5, "Write 640x480"),
    (GROUND + "size: [9999, 96]", 5, "the width '9999' is out of range. It goes from 16 to 4096"),
    (GROUND + "size: 96x9999", 5, "the height '9999' is out of range. It goes from 16 to 4096"),
    (GROUND + "size: {w: 1}", 5, "a mapping"),
    (GROUND + "size: [0, 64]", 5, "out of range"),
    (GROUND + "size: [-64, 64]", 5, "out of range"),
    (GROUND + "size: [.nan, 64]", 5, "finite"),
    (GROUND + "size: [.inf, 64]", 5, "finite"),
    (GROUND + "size: [9999, 64]", 5, "from 16 to 4096"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)
