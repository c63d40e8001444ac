"""The codec, its quality, and the sizes that it takes."""

from __future__ import annotations

import pytest
from storyboard.samples import GROUND, board, check_mistake

MISTAKES = [
    (
        GROUND + "size: 641x360\noutput: {codec: h264}",
        5,
        "h264 needs even sides; 642x360 would work",
    ),
    (GROUND + "output: {codec: h246}", 5, "Did you mean 'h26"),
    (GROUND + "output: {quality: 60}", 5, "from 0 to 51"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)


@pytest.mark.parametrize("codec", ["ffv1"])
def test_codecs_that_take_odd_sides(codec: str) -> None:
    assert board(f"size: 641x361\noutput: {{codec: {codec}}}\n" + GROUND).size == (641, 361)


def test_a_quality_that_few_players_show_is_warned_of() -> None:
    (warning,) = board("output: {quality: 0}\n" + GROUND).warnings
    assert "few players show, so 1 is used" in warning.message
    assert not board("output: {codec: vp9, quality: 0}\n" + GROUND).warnings
    assert not board("output: {quality: 1}\n" + GROUND).warnings


def test_an_odd_size_is_only_warned_of_where_the_name_decides() -> None:
    (warning,) = board("size: 641x360\n" + GROUND).warnings
    assert "642x360 would work, and .gif, .apng and PNGs take any" in warning.message
