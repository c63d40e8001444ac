"""The plain kinds of values: what they read where a storyboard's own tests do not look."""

from __future__ import annotations

import pytest

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
def test_what_is_no_switch_is_none_anywhere(node: Scalar) -> None:
    for kind, says in ((AUDIO.row("loop").kind, "true or false|nor false"), (Loop(), "or true")):
        with pytest.raises(Mistake, match=says):
            kind.read(node, "loop", FILM, Reader())
