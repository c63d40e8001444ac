"""Parts of the picture that a prompt applies to."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from storyboard.samples import BARE, HEAD, board, check_mistake

from render.storyboard.model import Region
from render.storyboard.problems import StoryboardError

MISTAKES = [
    (BARE + "  prompts: {text: a, where: tpo}", 4, "Did you mean 'top'?"),
    (
        BARE + "  prompts: {text: a, where: no.png}",
        4,
        "no.png' is not there",
    ),
    (BARE + "  prompts: {text: a, where: {moves: true}}", 4, "has no 'mask'"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)


def test_a_mask_has_the_film_s_shape(tmp_path: Path) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "square.png")
    Image.new("L", (64, 32)).save(tmp_path / "wide.png")
    text = HEAD + "size: 128x64\nshots:\n- duration: 1s\n  prompts: {text: a, where: FILE}\n"
    with pytest.raises(StoryboardError, match="64x64, another shape than the film's 128x64"):
        board(text.replace("FILE", "square.png"), tmp_path)
    where = board(text.replace("FILE", "wide.png"), tmp_path).shots[0].prompts[0].where
    assert where == Region((tmp_path / "wide.png").resolve())
    moving = board(text.replace("FILE", "{mask: from-left, moves: true}")).shots[0].prompts[0]
    assert moving.where == Region("from-left", moves=True)


@pytest.mark.parametrize(
    ("colour", "dark"), [("black", True), ("#00000000", True), ("#0a0a0a", False)]
)
def test_a_mask_that_is_dark_everywhere_is_warned_of(
    tmp_path: Path, colour: str, dark: bool
) -> None:
    Image.new("RGBA", (320, 192), colour).save(tmp_path / "mask.png")
    text = "version: 1\nshots: [{duration: 1s, prompts: [{text: a, where: mask.png}, b]}]\n"
    said = [one.message for one in board(text, tmp_path).warnings]
    assert ["so the prompt is meant for nothing" in one for one in said] == [True] * dark
