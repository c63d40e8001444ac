"""Shots: their names and times, on top of the defaults, and when their colours are held."""

from __future__ import annotations

from pathlib import Path

import pytest
from storyboard.samples import GROUND, HEAD, check_mistake, problems

from render.storyboard.model import LOSS_WEIGHTS, STEADY
from render.storyboard.parser import parse

MISTAKES = [
    (HEAD + "shots: [sky]", 2, "shot-1 is not a mapping"),
    (HEAD + "shots: [{prompts: a}]", 2, "no 'duration'"),
    (HEAD + "shots: [{duration: 1}]", 2, "no 'prompts'"),
    (GROUND + '  name: "\\e[31m"', 5, "control characters"),
    (GROUND + "- {duration: 1s, prompts: a, name: shot-1}", 5, "two shots are called 'shot-1'"),
    (HEAD + "shots: [{duration: 10h, prompts: a}]", 2, "not a time"),
    (HEAD + "shots: [{duration: 0, prompts: a}]", 2, "out of range"),
    (HEAD + "shots: [{duration: -1s, prompts: a}]", 2, "not a time|out of range"),
    (HEAD + "shots: [{duration: .inf, prompts: a}]", 2, "finite"),
    (HEAD + "shots: [{duration: nan, prompts: a}]", 2, "finite"),
    (HEAD + "shots: [{duration: 10ms, prompts: a}]", 2, "less than one frame"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)


@pytest.mark.parametrize(
    ("second", "steady"),
    [
        ("prompts: b", True),
        ("prompts: b, transition: dissolve", True),
        ("prompts: b, transition: continue", False),
        ("prompts: b, transition: 1s", False),
        ("prompts: b, transition: 1s, palette: images/hills.png", False),
        ("prompts: {text: {0s: b, 1s: c}}, palette: images/hills.png", True),
        ("prompts: b, init: images/hills.png", False),
        ("prompts: b, exclude: {text: c, weight: {0s: 0, 1s: 1}}", False),
        ("prompts: b, exclude: c", True),
        ("prompts: {text: {0s: b, 1s: c}}", False),
        ("prompts: {text: b, weight: {0s: 1, 1s: 0.5}}", False),
        ("prompts: {text: b, weight: 0.5, stop: 0.2 + 0.1*t}", False),
        ("prompts: {text: b, weight: 0.5, stop: 0.2}", True),
    ],
)
def test_a_shot_that_begins_anew_and_keeps_its_prompts_is_steady(second: str, steady: bool) -> None:
    text = f"version: 1\nshots:\n- {{duration: 2s, prompts: a}}\n- {{duration: 2s, {second}}}\n"
    folder = Path(__file__).parent.parent.parent / "storyboards"
    for usual, own in (("{}", 0.0), ("{brightness: 3}", 3.0)):
        losses = f"version: 1\ndefaults: {{losses: {usual}}}"
        shot = parse(text.replace("version: 1", losses), folder).shots[1]
        expected = {**LOSS_WEIGHTS, **(STEADY if steady else {})}
        expected["brightness"] = own or expected["brightness"]
        assert dict(shot.settings.losses) == expected


def test_a_default_that_does_not_fit_a_shot_names_the_shot() -> None:
    (only,) = problems(
        HEAD + "defaults: {camera: {zoom: {0s: 1, 3s: 2}}}\n"
        "shots:\n- {duration: 4, prompts: a}\n- {duration: 2, prompts: a, name: short}\n"
    )
    assert only.line == 2
    assert "shot 'short' ends at 2 s" in only.message


def test_control_characters_in_a_name_are_never_shown() -> None:
    text = 'shots:\n- name: "\\e]0;x\\a\\e[31mred"\n  duration: 4s\n  prompts: a\n  oops: 1\n'
    assert all(p.message.isprintable() for p in problems(HEAD + text + text[7:]))
