"""Other programs' notation is text here, and a warning says Render's form of the same."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from render.storyboard.notation import NOTATIONS, foreign_notation
from render.storyboard.parser import parse
from render.storyboard.problems import StoryboardError

BOARD = "version: 1\nfps: 24\nshots:\n  - duration: 4s\n"


def warnings_of(prompts: str) -> list[str]:
    return [problem.message for problem in parse(BOARD + prompts, Path()).warnings]


@pytest.mark.parametrize(
    ("written", "form"),
    [
        # A weight within a text.
        ("portrait of a man:0.1, highly detailed", "portrait of a man:0.1 | highly detailed"),
        ("apple:.9, banana:.2", "'apple:.9 | banana:.2'"),
        ("a sea:2 a fire:1", "'a sea:2 | a fire:1'"),
        ("a sea:-1; a fire:1", "'a sea:-1 | a fire:1'"),
        # A story's next text.
        ("rembrandt:0.5^fish:0.2", "{text: {0s: rembrandt, 2s: fish}}"),
        ("a red horse ^ a cat", "{text: {0s: a red horse, 2s: a cat}}"),
        ("love:1 | a ^ b", "{text: {0s: a, 2s: b}}"),
        # Brackets and signs that weigh words.
        ("a (drawing:1.7) of headphones", "'a drawing of headphones | drawing:0.7'"),
        ("a (dark sky:0.5), stars", "'a dark sky, stars | dark sky:-0.5'"),
        ("(sky:1.2)", "'sky:1.2'"),
        ("((masterpiece)) of a sea", "'... | masterpiece:0.2'"),
        ("a [[dark]] sea", "'... | dark:0.2'"),
        ("a (stormy)++ sea", "'... | stormy:0.2'"),
        # Options.
        ("a durian --neg photo", "under exclude: 'photo'"),
        ("a sea --no people, boats", "under exclude: 'people, boats'"),
        ("a sea --ar 16:9", "written at 'size'"),
        ("a sea --v 5", "Remove it"),
        # Letters of other keyboards.
        ("夕焼け\uff1a0.5\uff5c海", "'夕焼け:0.5|海'"),
        ("海\uff1a2", "'海:2'"),
        ("海\uff5c山", "'海|山'"),
        # Others.
        ("cat::2 dog::1", "'cat:2 | dog:1'"),
        ("[a cat:a dog:0.5]", "{text: {0s: one, 2s: another}}"),
        ("a [sea:0.5]", "A text that comes or goes is {text: {0s: one"),
        ("a [sea::0.5]", "{text: {0s: one, 2s: another}}"),
        ("a sea [mask.png]", "{text: ..., where: mask.png}"),
        ("a sea:`sin(t)`", "{text: ..., weight: sin(t)}"),
        ("a cat, BREAK, a dog", "'a cat, |, a dog'"),
        ("a sea <lora:ghibli:0.8>", "Remove it"),
        ("a cat AND a dog", "'a cat | a dog'"),
        ("a __color__ sea", "Write one of its words"),
        ("a {red|blue} sea", "is no choice"),
    ],
)
def test_notation_of_other_programs_is_told_with_our_form(written: str, form: str) -> None:
    (sentence,) = foreign_notation(written)
    assert form in sentence
    try:
        told = warnings_of(f"    prompts: '{written}'")
    except StoryboardError as error:  # it cannot be read as a prompt either
        told = [str(error)]
    assert any(form in sentence for sentence in told)


@pytest.mark.parametrize(
    "written",
    [
        "a red sky:0.5 | the sea:-0.2:-0.4",
        "a sea (and a lighthouse), at dusk",
        "a ratio of 16:9",
        "one two-storey house, half-timbered",
        "a clock at 10:30 by the sea",
        "C++ code on a screen",
        "rock AND",
        "Rick & Morty, 100% cotton %20",
        "夕焼けの海:0.5",
        "a wall in #ff8800",
        "snow_covered_hills",
        "poster: 12 monkeys in a row",
        "year: 1984 city, iso: 100 film grain",
        "BLACK AND WHITE PHOTO",
        "夜の海\uff1a静か",
        "f(x)=x^2 on a blackboard",
        "a happy ^_^ face",
        "notepad++ on a screen",
    ],
)
def test_plain_texts_are_not_warned_of(written: str) -> None:
    assert list(foreign_notation(written)) == []


def test_every_notation_has_a_test() -> None:
    texts = [str(mark) for mark in test_notation_of_other_programs_is_told_with_our_form.pytestmark]
    for notation in NOTATIONS:
        assert any(notation.pattern.search(text) for text in texts), notation.pattern.pattern


@pytest.mark.parametrize(
    ("prompts", "form"),
    [
        ("    prompts: |\n      a red sky\n      a blue sea:0.5\n", "'a red sky | a blue sea:0.5'"),
        ('    prompts: "a red sky\\na blue sea"\n', "'a red sky | a blue sea'"),
        ("    prompts: >\n      a red sky\n\n      a blue sea\n", "'a red sky | a blue sea'"),
    ],
)
def test_two_lines_are_one_text_and_that_is_said(prompts: str, form: str) -> None:
    (warning,) = warnings_of(prompts)
    assert form in warning


def test_one_text_folded_over_lines_is_not_warned_of() -> None:
    assert warnings_of("    prompts: >\n      a red sky\n      over the sea\n") == []
    assert warnings_of("    prompts: a red sky\n      over the sea\n") == []


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ('    prompts: {"0": a sea}\n', "Write {text: {0f: ...}}, or a shot for each text"),
        ('    prompts: {"0": a sea, "30": a cat}\n', "{text: {0f: ..., 30f: ...}}"),
        ('    prompts: {"max_f/2": a sea}\n', "has frames as keys"),
        ("    prompts: line 1 || line 2\n", "'||' begins a new scene in PyTTI"),
        ("    prompts: a:1 | b ||c\n", "- prompts: a:1 | b, and - prompts: c"),
        ("    prompts: '||'\n", "'||' begins a new scene"),
        ('    prompts: {text: {0: a, "max_f/2": b}}\n', "Write a time, such as 2s or 48f"),
        ("    prompts: a\n    camera: {angle: '0:(0), 30:(15)'}\n", "Write {0f: 0, 30f: 15}"),
        ("    prompts: a\n    camera: {x: '0: (1.75)'}\n", "Write {0f: 1.75}"),
        ("    prompts: a\n    camera: {zoom: '0: (1+0.1*sin(t/30))'}\n", "'1+0.1*sin(f/30)'"),
        ("    prompts: a\n    camera: {border: replicate}\n", "Here it is called 'smear'"),
        ("    prompts: {text: {0: a, 90: b}}\n", "If 90 frames are meant, write 90f"),
        ("    prompts: {text: a, weight: 1 - fLo}\n", "does not follow the bands of a sound"),
        ("    prompts: {text: a, weight: 'where(t, 1, 0)'}\n", "written a if t < 2 else b"),
        ("    prompts: {text: a, weight: max_f/2}\n", "u goes from 0 to 1"),
    ],
)
def test_what_cannot_be_read_is_told_in_our_form(prompts: str, said: str) -> None:
    with pytest.raises(StoryboardError) as error:
        parse(BOARD + prompts, Path())
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("prompts", "word"),
    [
        ("    prompts: a wall in #ff8800\n", "#ff8800"),
        ("    prompts: [a sea, a beach #sunset\n      ]\n", "#sunset"),
        ("    prompts: a\n    name: shot #1\n", "#1"),
        ("    prompts: a sea  # a comment\n", ""),
        ("    prompts: 'a wall in #ff8800'\n", ""),
        ("    prompts: a\n    keyframes: 1s #slow\n", ""),
    ],
)
def test_a_text_that_a_comment_cuts_off_is_told(prompts: str, word: str) -> None:
    found = [warning for warning in warnings_of(prompts) if "ends before" in warning]
    assert [word in warning for warning in found] == [True] * bool(word)


def test_frames_of_deforum_are_not_taken_for_seconds_without_a_word() -> None:
    (warning,) = warnings_of('    prompts: {text: {"0": a, "2": b}}\n')
    assert "'2' means seconds" in warning
    assert "2f" in warning


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("    prompts: 'it's raining'\n", '"it\'s raining"'),
        ("    prompts: 'don't look'\n", '"don\'t look"'),
        ("    prompts: {text: 'it's raining'}\n", '"it\'s raining"'),
        ('    init: "C:\\Users\\x.png"\n', "Write folders with /"),
        ('    init: "images\\hills.png"\n', "Write folders with /"),
        ('    init: "D:\\9.png"\n', "Write folders with /"),
        ("    prompts: [a wall in #ff8800]\n", "Put the text that holds it in quotes"),
    ],
)
def test_yaml_s_own_words_are_not_shown(line: str, said: str) -> None:
    with pytest.raises(StoryboardError) as error:
        parse(BOARD + line, Path())
    assert said in str(error.value)
    assert "this is not YAML" not in str(error.value)


def test_a_style_in_other_notation_is_told_too() -> None:
    text = BOARD + "    prompts: a\nstyle: (masterpiece:1.2), best quality\n"
    assert any("brackets weigh no words" in one.message for one in parse(text, Path()).warnings)


@pytest.mark.parametrize(
    "line",
    [
        "    prompts: " + "a" * 60_000 + "\n",
        "    prompts: '" + "(" * 60_000 + "'\n",
        "    prompts: [" + "a:" * 30_000 + "x]\n",
        "    prompts: a\n    step: " + "1" * 60_000 + "\n",
        "    prompts: a\n    camera: {x: '" + "1" * 60_000 + ":('}\n",
        "    prompts: {" + "word " * 12_000 + "\n",
    ],
)
def test_long_texts_are_refused_in_no_time(line: str) -> None:
    began = time.monotonic()
    with pytest.raises(StoryboardError):
        parse(BOARD + line, Path())
    assert time.monotonic() - began < 5


def test_every_option_of_a_prompt_is_told() -> None:
    told = list(foreign_notation("a sea --ar 16:9 --no people --v 5"))
    assert ["'size'" in told[0], "exclude" in told[1], "Remove it" in told[2]] == [True] * 3


def test_a_weight_and_stop_of_pytti_are_told() -> None:
    assert any("'a sea:2:0.5'" in one for one in warnings_of("    prompts: a sea:2.0_-0.5"))
