"""The version, and the list of shots."""

from __future__ import annotations

import pytest
from storyboard.samples import HEAD, SHOT, check_mistake

MISTAKES = [
    ("version: 2\n" + SHOT, 1, "version '2'"),
    (HEAD + "shots: []", 2, "no shots"),
    (HEAD + "shots:", 2, "no shots"),
    (HEAD + "shots: {a: 1}", 2, "not a list"),
    (HEAD + "shots: [" + "{duration: 1, prompts: a}, " * 1001 + "]", 2, "more than 1000"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)
