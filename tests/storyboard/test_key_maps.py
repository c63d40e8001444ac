"""Key maps: their times, values and easings."""

from __future__ import annotations

import pytest
from storyboard.samples import GROUND, check_mistake

MISTAKES = [
    (GROUND + "  camera: {zoom: {}}", 5, "no keys"),
    (GROUND + "  camera: {zoom: {0s: 1, 5s: 2}}", 5, "'shot-1' ends at 4 s"),
    (GROUND + "  camera: {zoom: {-1s: 1}}", 5, "out of range"),
    (GROUND + "  camera: {zoom: {2s: 1, 1s: 2}}", 5, "order of time"),
    (GROUND + "  camera: {zoom: {1s: 1, 1000ms: 2}}", 5, "two keys at 1 s"),
    (GROUND + "  camera: {zoom: {0s: 1, 1s: {ease: in}}}", 5, "no 'value'"),
    (GROUND + "  camera: {zoom: {0s: 1, 1s: {value: 2, ease: bounce}}}", 5, "not known"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)
