"""The names of models and their weights."""

from __future__ import annotations

import pytest
from storyboard.samples import GROUND, check_mistake

MISTAKES = [
    (GROUND + "models: {generator: startr}", 5, "Did you mean 'starter'?"),
    (GROUND + "models: {perceptors: [starter, starter]}", 5, "twice"),
    (GROUND + "models: {perceptors: {starter: 0}}", 5, "perceptors: the weight '0'"),
    (GROUND + "models: {perceptors: []}", 5, "empty"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)
