"""Small storyboards for tests, and what reading them gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from render.storyboard.model import Shot, Storyboard
from render.storyboard.parser import parse
from render.storyboard.problems import Problem, StoryboardError

NOWHERE = Path("/nowhere")
HEAD = "version: 1\n"
SHOT = "shots:\n- duration: 4s\n  prompts: a red sky\n"
GROUND = HEAD + SHOT
BARE = HEAD + "shots:\n- duration: 4s\n"
STORYBOARDS = Path(__file__).resolve().parent.parent.parent / "storyboards"
PULSE = STORYBOARDS / "sounds" / "pulse.wav"


def board(text: str, folder: Path = NOWHERE) -> Storyboard:
    """The storyboard in a text."""
    return parse(text, folder, allow_outside=True)


def problems(text: str, folder: Path = NOWHERE) -> tuple[Problem, ...]:
    """The mistakes in a text."""
    with pytest.raises(StoryboardError) as caught:
        parse(text, folder, allow_outside=True)
    return caught.value.problems


def shot(more: str, folder: Path = NOWHERE) -> Shot:
    """The one shot of a storyboard, with more keys in it, each as `  key: value` lines."""
    return board(GROUND + more, folder).shots[0]


def check_mistake(text: str, line: int, says: str) -> None:
    """Assert that a text has one mistake, in that line, and one of the words between bars in it."""
    found = problems(text)
    matching = [p for p in found if any(part in p.message for part in says.split("|"))]
    assert matching, found
    assert matching[0].line == line
    assert all(p.column >= 1 for p in found)
    if "version" in text and "shots" in text:
        assert len(found) == 1, found
