"""Transitions and loops."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image
from storyboard.samples import GROUND, SHOT, board, check_mistake, problems

from render.storyboard import model
from render.storyboard.parser import parse
from render.storyboard.problems import StoryboardError

MISTAKES = [
    (GROUND + "  transition: continue", 5, "nothing before it"),
    (GROUND + "  transition: crossfade", 5, "cross over, write the time it takes: 'transition: "),
    (GROUND + "  transition: fade 1s", 5, "'transition: 1s'; to let the pictures, 'transition: d"),
    (GROUND + "  transition: dissolve 1s", 5, "nothing before it"),
    (GROUND + SHOT[7:] + "  transition: morph 2h", 7, "transition '2h' is not a time"),
    (GROUND + SHOT[7:] + "  transition: dissolve 5s", 7, "longer than shot"),
    ("loop: often\n" + GROUND, 1, "is not a time. Write 3.5s"),
    ("loop: true\n" + GROUND + "  transition: cut", 6, "goes over into its first shot"),
    ("loop: 5s\n" + GROUND, 1, "loop takes 5 s, longer than shot 'shot-1' with 4 s"),
    ("loop: -1s\n" + GROUND, 1, "out of range"),
    ("loop: true\n" + GROUND + "  transition: continue", 6, "its first shot. Write dissolve"),
    (GROUND + SHOT[7:] + "  transition: {kind: fade, duration: 1}", 7, "kind 'fade'"),
    (GROUND + "  transition: {duration: soon}", 5, "duration 'soon' is not a time"),
    (GROUND + "  transition: -1s", 5, "out of range"),
    (GROUND + "- duration: 1s\n  prompts: a\n  transition: 2s", 7, "longer than shot 'shot-2'"),
    (GROUND + "- duration: 1s\n  prompts: a\n  transition: {kind: cut, duration: 1s}", 7, "a cut"),
    (GROUND + "- duration: 1s\n  prompts: a\n  transition: {ease: fast, kind: cut}", 7, "ease"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)


@pytest.mark.parametrize("kind", ["dissolve", "morph"])
def test_an_overlap_that_takes_no_time_is_warned_of(kind: str) -> None:
    film = board(GROUND + SHOT[7:] + f"  transition: {kind} 0s\n")
    (warning,) = film.warnings
    assert warning.line == 7
    assert warning.message.startswith(f"a {kind} that takes no time is a cut. Write how long")
    assert not board(GROUND + SHOT[7:] + "  transition: 0s\n").warnings  # which continues


@pytest.mark.parametrize(
    ("written", "kind", "duration"),
    [
        ("dissolve", "dissolve", 1),
        ("morph 0.5s", "morph", Fraction(1, 2)),
        (" continue  12f ", "continue", Fraction(1, 2)),
        ("{kind: dissolve, duration: 2s}", "dissolve", 2),
        ("2s", "continue", 2),
    ],
)
def test_ways_to_write_a_transition(written: str, kind: str, duration: Fraction) -> None:
    shot = f"- {{duration: 4s, prompts: a, transition: {written}}}\n"
    second = parse(GROUND + shot, Path()).shots[1]
    assert second.transition == model.Transition(kind, Fraction(duration))


def test_a_loop_takes_its_own_time_whatever_the_defaults() -> None:
    def first(top: str, own: str = "", duration: str = "4s") -> model.Transition:
        text = f"{top}\n{GROUND}".replace("4s", duration) + own
        return parse(text, Path()).shots[0].transition

    dissolve = "defaults: {transition: dissolve 0.8s}\n"
    assert first("loop: 0.5s\n" + dissolve) == model.Transition("dissolve", Fraction(1, 2))
    assert first("loop: true\n" + dissolve, "", "0.9s").duration == Fraction(4, 5)
    assert first("loop: true\n", "  transition: dissolve\n", "0.5s").duration == Fraction(1, 2)
    with pytest.raises(StoryboardError, match="1:7: loop takes 2 s, longer than shot 'shot-1'"):
        first("loop: 2s\n" + dissolve, "", "1.5s")
    text = f"loop: 2s\n{GROUND}  transition: dissolve 0.3s\n"
    (warning,) = parse(text, Path()).warnings
    assert warning.message.startswith("the loop is to take 2 s, and the first shot's transition")


@pytest.mark.parametrize(("written", "loop"), [("true", 1), ("false", 0), ("0.5s", Fraction(1, 2))])
def test_a_film_that_loops(written: str, loop: Fraction) -> None:
    board = parse(f"loop: {written}\n{GROUND}", Path())
    assert board.loop == loop
    kind = "morph" if loop else "cut"
    assert board.shots[0].transition == model.Transition(kind, min(loop, Fraction(1)))


def test_continue_and_init_exclude_each_other(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    text = GROUND + "- {duration: 1, prompts: a, transition: continue, init: a.png}\n"
    (only,) = problems(text, tmp_path)
    assert "cannot begin with init" in only.message
