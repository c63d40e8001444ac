"""Reading YAML as it was written, within limits."""

import json
import time as clock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.storyboard import yaml_nodes
from render.storyboard.problems import Problem
from render.storyboard.yaml_nodes import Mapping, Mistake, Scalar, Sequence, compose, decode_text


def problems_of(text: str) -> list[Problem]:
    problems: list[Problem] = []
    compose(text, problems)
    return problems


def test_every_node_knows_its_place_and_its_text() -> None:
    node = compose("fps: 24\nshots:\n  - name: off\n    at: [0:30, '1e-3']\n", [])
    assert isinstance(node, Mapping)
    shots = node.get("shots")
    assert isinstance(shots, Sequence)
    shot = shots.items[0]
    assert isinstance(shot, Mapping)
    assert (shot.line, shot.column) == (3, 5)
    assert shot.get("name") == Scalar("off", 3, 11)
    at = shot.get("at")
    assert isinstance(at, Sequence)
    assert at.items == (Scalar("0:30", 4, 10), Scalar("1e-3", 4, 16, quoted=True))


def test_repeated_keys_are_all_kept() -> None:
    node = compose("a: 1\na: 2\n", [])
    assert isinstance(node, Mapping)
    assert [value for _, value in node.entries] == [Scalar("1", 1, 4), Scalar("2", 2, 4)]


def test_aliases_and_merge_keys() -> None:
    node = compose("base: &b {x: 1, y: 2}\nown: {<<: *b, y: 3}\n", [])
    assert isinstance(node, Mapping)
    own = node.get("own")
    assert isinstance(own, Mapping)
    assert {key.text: value.text for key, value in own.entries if isinstance(value, Scalar)} == {
        "y": "3",
        "x": "1",
    }


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("shots:\n\t- a: 1\n", 2, "a tab"),
        ("a: 1\nb: {c: #204060}\nd: 2\n", 2, "in quotes: '#204060'"),
        ("a: {b: #fff, c: 1}", 1, "in quotes: '#fff'"),
        ("a:\n  - [#112233, #445566]\n", 2, "in quotes: '#112233'"),
        ("prompts: sky: 0.5\n", 1, "quotes"),
        ('name: "dawn\n', 1, "never closed"),
        ("a: [1, 2\nb: 3\n", 2, "not YAML"),
        ("a: *nothing\n", 1, "refers to nothing"),
        ("a: &a [*a]\n", 1, "inside what it refers to"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "tag"),
        ("a: \x07\n", 1, "control character"),
        ("? [1, 2]\n: 3\n", 1, "single word"),
        ("a: {<<: 3}\n", 1, "'<<'"),
        ("a: @b\n", 1, "not YAML"),
    ],
)
def test_what_is_not_yaml_is_said_with_its_line(text: str, line: int, says: str) -> None:
    (problem,) = problems_of(text)
    assert problem.line == line
    assert says in problem.message


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"\x00\x01\x02", "binary"),
        (b"\x89PNG\r\n\x1a\n", "UTF-8"),
        ("version: 1".encode("utf-16"), "UTF-16"),
        (b"a" * (yaml_nodes.SIZE_LIMIT + 1), "larger"),
    ],
)
def test_bytes_that_are_no_storyboard(data: bytes, says: str) -> None:
    with pytest.raises(Mistake, match=says):
        decode_text(data)


def test_a_broken_character_is_reported_with_its_place() -> None:
    with pytest.raises(Mistake) as caught:
        decode_text(b"a: 1\nb: caf\xe9")
    assert (caught.value.problem.line, caught.value.problem.column) == (2, 7)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert decode_text(b"\xef\xbb\xbfa: 1") == "a: 1"


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        before = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} [{before}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (bomb(9), "aliases expanded"),
        ("a: &a [" + "x, " * 999 + "x]\nb: [" + "*a, " * 300 + "*a]", "aliases expanded"),
        ("[" * 100_000, "nested"),
        ("{a: " * 100_000, "nested"),
        ("\n".join("  " * level + "a:" for level in range(60)), "nested"),
        ("[" + "x," * 250_000 + "]", "values"),
    ],
)
def test_bombs_are_refused_early(text: str, says: str) -> None:
    start = clock.perf_counter()
    (problem,) = problems_of(text)
    assert says in problem.message
    assert clock.perf_counter() - start < 8


def test_depth_counts_through_aliases() -> None:
    deep = "a: &a " + "[" * 30 + "]" * 30
    assert problems_of(deep) == []
    (problem,) = problems_of(deep + "\nb: " + "[" * 15 + "*a" + "]" * 15)
    assert "nested" in problem.message


@given(st.text(max_size=200))
def test_any_text_composes_or_says_why(text: str) -> None:
    problems: list[Problem] = []
    compose(text, problems)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)


def test_escaped_pairs_of_surrogates_are_one_letter() -> None:
    """As json.dumps writes what is beyond 16 bits."""
    text = json.dumps("a \N{GRINNING FACE} and \N{MUSICAL SYMBOL G CLEF}")
    assert "\\ud83d" in text
    node = compose(text, [])
    assert isinstance(node, Scalar)
    assert node.text == json.loads(text)
    alone = compose('"a \\ud83d"', [])
    assert isinstance(alone, Scalar)
    assert alone.text == "a \ud83d"
