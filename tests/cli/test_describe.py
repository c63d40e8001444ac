"""What `render check` prints about a plan."""

import json
from fractions import Fraction
from pathlib import Path

from plans import plan_for

from render.cli.describe import (
    LINE,
    READ_TEXTS,
    describe_plan,
    describe_prompt,
    describe_prompts,
    describe_reading,
    describe_texts,
)
from render.cli.plan_json import plan_as_json
from render.curves.curve import Key, constant, keyed
from render.storyboard.model import Prompt
from render.storyboard.parser import parse
from render.text import aligned_columns

BOARD = """\
version: 1
exclude: text:0.3
shots:
- {name: dawn, duration: 1s, prompts: "a red sky:0.5 | sky:abc | the sea:1:0.8"}
- duration: 1s
  prompts:
  - {text: day, weight: {0s: 1, 1s: 0}}
  - {text: noon, weight: {0s: 0, 0.5s: 1, 1s: 0}}
  exclude: null
"""


def prompts_of(text: str) -> list[str]:
    return list(describe_prompts(parse(text, Path("/nowhere")).shots))


def test_every_prompt_is_shown_as_it_was_understood() -> None:
    assert prompts_of(BOARD) == [
        "  shot    prompts",
        "  dawn    0.5 x a red sky | 1 x sky:abc | 1 x the sea (stop 0.8) | -0.3 x text",
        "  shot-2  1 to 0 x day | 0 to 1 to 0 x noon",
    ]


def test_long_prompts_stay_within_the_line() -> None:
    long = " | ".join(["a very long description of the sea"] * 90)
    lines = prompts_of(BOARD.replace("sky:abc", long))
    assert max(len(line) for line in lines) <= LINE
    assert len(lines) == 6
    assert lines[-2].endswith(" ...")


def test_many_keys_and_a_picture() -> None:
    keys = tuple(Key(Fraction(time), time / 4) for time in range(5))
    assert describe_prompt(Prompt("sky", None, keyed(keys))) == "0 to ... to 1 x sky"
    picture = describe_prompt(Prompt(None, Path("/a/hills.png"), keyed(keys[4:])))
    assert picture == "1 x the picture hills.png"
    typed = describe_prompt(Prompt("a sea @ top (stop 0.8)", None, constant(1.0)))
    assert typed == "1 x 'a sea @ top (stop 0.8)'"


def texts_of(text: str) -> list[str]:
    return list(describe_texts(parse(text, Path("/nowhere"))))


def test_texts_that_follow_one_another_are_listed_with_their_times() -> None:
    board = (
        "version: 1\nfps: 24\nshots:\n- name: acts\n  duration: 10s\n  prompts:\n"
        "  - {text: {0s: day, 50f: dusk, 4s: {value: night, ease: hold}, 6s: day}}\n  - moon:0.5\n"
        "- {duration: 2s, prompts: {text: {0s: a, 1s: b}}}\n"
    )
    assert texts_of(board) == [
        "  shot  at         text",
        "  acts  0 s        day",
        "        2.08333 s  dusk",
        "        4 s        night",
        "        6 s        day",
    ]
    assert prompts_of(board)[1:] == [
        "  acts    3 texts, one after the other, listed below | 0.5 x moon",
        "  shot-2  1 to 0 x a | 0 to 1 x b",
    ]


def test_columns_stay_straight_under_wide_letters() -> None:
    rows = list(aligned_columns([("\u591c\u660e\u3051", "1 s"), ("dawn", "2 s"), ("a", "3 s")]))
    assert rows == ["  \u591c\u660e\u3051  1 s", "  dawn    2 s", "  a       3 s"]


def test_json_says_what_the_text_says(tmp_path: Path) -> None:
    board = parse(BOARD.replace("sky:abc", "sky:2s"), Path("/nowhere"))
    plan = plan_for(board, 8)
    said = json.loads(json.dumps(plan_as_json(plan, tmp_path)))
    assert [shot["name"] for shot in said["shots"]] == ["dawn", "shot-2"]
    assert said["shots"][0]["prompts"][0] == {"text": "a red sky", "weight": [0.5, 0.5]}
    assert said["to_do"]["keyframes"] == said["keyframes"] == len(plan.keyframes)
    lines = [warning["line"] for warning in said["warnings"] if "line" in warning]
    assert lines == [problem.line for problem in board.warnings] != []
    told = "\n".join(describe_plan(plan, tmp_path))
    for warning in said["warnings"]:
        assert "line" in warning or warning["message"] in told
    assert said["known_words"][0]["known"]["starter"] == ["red", "sky"]


def reading_of(text: str) -> list[str]:
    return list(describe_reading(plan_for(parse(text, Path("/nowhere")), 8)))


def test_the_words_that_each_perceptor_knows_are_told() -> None:
    board = "version: 1\nshots:\n- {duration: 1s, prompts: a lighthouse, zeppelinesque}\n"
    board = board.replace("a lighthouse, zeppelinesque", "'a lighthouse, zeppelinesque'")
    assert reading_of(board) == [
        "  prompt                       starter knows  starter-objects knows",
        "  a lighthouse, zeppelinesque  lighthouse     lighthouse",
    ]
    general = board.replace("shots", "models: {perceptors: ViT-B/32}\nshots")
    assert reading_of(general) == []
    both = board.replace("shots", "models: {perceptors: [starter, ViT-B/32]}\nshots")
    assert reading_of(both)[0] == "  prompt                       starter knows"


def test_many_and_long_prompts_are_told_in_part() -> None:
    long = " and the sea" * 20
    count = READ_TEXTS + 3
    prompts = " | ".join(f"forest {number} and{long}" for number in range(count))
    lines = reading_of(f"version: 1\nshots:\n- {{duration: 1s, prompts: '{prompts}'}}\n")
    assert max(map(len, lines)) <= LINE
    assert lines[1].startswith("  forest 0 and and the sea")
    assert lines[2].startswith("  the sea and")  # the same prompt goes on
    assert sum(line.startswith("  forest ") for line in lines) == READ_TEXTS
    assert lines[-1] == "  and 3 prompts more"
