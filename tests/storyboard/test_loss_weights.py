"""The weights of the losses."""

from __future__ import annotations

import pytest
from storyboard.samples import GROUND, check_mistake

MISTAKES = [
    (
        GROUND + "  losses: {prompts: 0, smoothness: 0, commitment: 0, hold: 0, sharpness: 0}",
        5,
        "is 0",
    ),
    (
        GROUND + "  losses: {prompts: 0*t, smoothness: 0, commitment: 0, hold: 0*u, sharpness: 0}",
        5,
        "is 0",
    ),
    (GROUND + "  losses: {smoothnes: 1}", 5, "Did you mean 'smoothness'?"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)
