"""Tables of keys: unknown, repeated, missing and empty ones, and those of the defaults."""

from __future__ import annotations

import pytest
from storyboard.samples import GROUND, HEAD, board, check_mistake

from render.storyboard.model import Camera

MISTAKES = [
    ("shots: []\n", 1, "no 'version'"),
    (HEAD, 1, "no 'shots'"),
    (GROUND + "scenes: 1", 5, "Here it is called 'shots'"),
    (GROUND + "sed: 1", 5, "Did you mean 'seed'?"),
    (GROUND + "codec: h264", 5, "belongs in 'output'"),
    (GROUND + "  prompt: a", 5, "Here it is called 'prompts'"),
    (GROUND + "defaults: {prompts: a}", 5, "belongs in a shot"),
    (GROUND + "iterations: 9", 5, "belongs in 'defaults' or a shot"),
    (GROUND + "seed: 1\nseed: 2", 6, "written twice, first in line 5"),
    (GROUND + "  camera: {zoom: 1.1, 5/s}", 5, "write numbers with a point"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)


def test_a_default_that_a_shot_replaces_is_not_checked_in_the_shot() -> None:
    film = board(
        HEAD + "defaults: {camera: {zoom: {0s: 1, 3s: 2}}}\n"
        "shots:\n- {duration: 2, prompts: a, camera: {zoom: 1.1/s}}\n"
        "- {duration: 2, prompts: b, camera: null}\n"
    )
    assert film.shots[0].camera.zoom.kind == "growth"
    assert film.shots[1].camera == Camera()


def test_a_value_that_yaml_reads_as_a_comment_is_warned_of() -> None:
    (warning,) = board(GROUND + "  palette: #ff0000\n").warnings
    assert warning.message.startswith("nothing is written after palette. Write null")
    assert not board("style: null\n" + GROUND).warnings
