"""The plain kinds of values: numbers, times, words and pairs."""

from __future__ import annotations

import pytest
from storyboard.samples import GROUND, HEAD, board, check_mistake, problems, shot

from render.curves.curve import Key, keyed
from render.storyboard.audio import AUDIO
from render.storyboard.context import FilmContext, ShotContext
from render.storyboard.reader import Reader
from render.storyboard.transitions import Loop
from render.storyboard.yaml_nodes import Mistake, Scalar

FILM = ShotContext(FilmContext())


@pytest.mark.parametrize(
    ("written", "value"),
    [("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False)],
)
def test_a_switch_is_spelt_the_same_everywhere(written: str, value: bool) -> None:
    node, reader = Scalar(written, 1, 1), Reader()
    assert AUDIO.row("loop").kind.read(node, "loop", FILM, reader) is value
    assert bool(Loop().read(node, "loop", FILM, reader)) is value


@pytest.mark.parametrize(
    "node", [Scalar("yes", 1, 1), Scalar("true", 1, 1, quoted=True), Scalar("", 1, 1)]
)
def test_other_words_are_no_switch_anywhere(node: Scalar) -> None:
    for kind, says in ((AUDIO.row("loop").kind, "true or false|nor false"), (Loop(), "or true")):
        with pytest.raises(Mistake, match=says):
            kind.read(node, "loop", FILM, Reader())


MISTAKES = [
    (GROUND + "seed: -1", 5, "out of range"),
    (GROUND + "seed: 9223372036854775808", 5, "out of range"),
    (GROUND + "seed: 1.5", 5, "not whole"),
    (GROUND + "seed:", 5, "no value"),
    (GROUND + "seed: random", 5, "a whole number such as 7: the same seed, the same film"),
    (GROUND + "fps: 0", 5, "from 1 to 240"),
    (GROUND + "fps: -24", 5, "from 1 to 240"),
    (GROUND + "fps: 1000", 5, "from 1 to 240"),
    (GROUND + "fps: .nan", 5, "finite"),
    (GROUND + "fps: 1/0", 5, "zero"),
    (GROUND + "fps: 24.123456789", 5, "too fine"),
    (GROUND + "  iterations: 0", 5, "iterations '0' is out of range"),
    (GROUND + "  iterations: few", 5, "iterations 'few' is not a number"),
    (GROUND + "  cutouts: {size: [0.9, 0.5]}", 5, "greater number"),
    (GROUND + "  cutouts: {size: [0.4, 3]}", 5, "the largest cutout '3'"),
    (GROUND + "  cutouts: 0", 5, "cutouts '0'"),
    (GROUND + "  keyframes: 0s", 5, "keyframes '0s' is out of range"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)


def test_text_is_text_even_where_yaml_sees_something_else() -> None:
    assert shot("  name: off\n").name == "off"
    assert board(HEAD + "shots: [{duration: 1, prompts: no}]").shots[0].prompts[0].text == "no"


def test_a_bound_itself_is_allowed() -> None:
    assert shot("  camera: {zoom: 0.1/s}\n").camera.zoom == keyed((Key(0, 0.1),), "growth")
    assert shot("  cutouts: {size: [0.05, 1]}\n").settings.cutout_size == (0.05, 1.0)
    assert board(GROUND + "seed: 9223372036854775807\n").seed == 2**63 - 1
    (high,) = problems(GROUND + "seed: 9223372036854775808\n")
    assert "out of range" in high.message
