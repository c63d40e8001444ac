"""Prompts: shorthand, weights, texts over time with their shares, and their mistakes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from storyboard.samples import GROUND, HEAD, board, check_mistake

from render.cli.describe import describe_prompt
from render.curves.curve import Key, keyed
from render.curves.easing import EASINGS
from render.plan.active_prompts import active_prompts
from render.storyboard.model import Prompt
from render.storyboard.parser import parse
from render.storyboard.problems import StoryboardError
from render.storyboard.prompts import split_weights


def prompts(written: str, more: str = "") -> tuple[Prompt, ...]:
    text = f"version: 1\nshots:\n- duration: 8s\n  prompts: [{written}]\n{more}"
    return parse(text, Path("/nowhere")).shots[0].prompts


def mistake(written: str) -> str:
    with pytest.raises(StoryboardError) as caught:
        prompts(written)
    (only,) = caught.value.problems
    assert only.line == 4
    return only.message


def test_prompts_that_only_push_away_are_warned_of() -> None:
    def warnings(prompts: str) -> list[str]:
        board = parse(f"version: 1\nshots: [{{duration: 1, prompts: {prompts}}}]\n", Path())
        return [warning.message for warning in board.warnings]

    (only,) = warnings("'a red fox:-1 | fog:0'")
    assert only.startswith("prompts says only what should not be seen. ")
    assert warnings("'a red fox:-1 | fog'") == []
    assert warnings("'a red sky', exclude: fog") == []


def test_texts_cross_over_in_weight() -> None:
    sky, storm = prompts("{text: {0s: a red sky, 4s: {value: a storm, ease: in}}, weight: 2}")
    assert (sky.text, storm.text) == ("a red sky", "a storm")
    for time, shares in ((0, (1, 0)), (2, (0.75, 0.25)), (4, (0, 1)), (8, (0, 1))):
        assert (sky.share.at(time), storm.share.at(time)) == shares
        assert sky.weight.at(time) == storm.weight.at(time) == 2


def test_hold_switches_at_once() -> None:
    day, night = prompts("{text: {1s: day, 3s: {value: night, ease: hold}}}")
    assert [day.share.at(Fraction(t)) for t in ("0", "2.999", "3")] == [1, 1, 0]
    assert [night.share.at(Fraction(t)) for t in ("0", "2.999", "3")] == [0, 0, 1]


def test_a_text_may_come_back() -> None:
    day, night = prompts("{text: {0s: day, 2s: night, 4s: day, 6s: day}}")
    assert [day.share.at(t) for t in (0, 1, 2, 3, 4, 5, 6)] == [1, 0.5, 0, 0.5, 1, 1, 1]
    assert [night.share.at(t) for t in (0, 1, 2, 3, 4, 5, 6)] == [0, 0.5, 1, 0.5, 0, 0, 0]


EASES = st.sampled_from(sorted(EASINGS)) | st.just("[0.9, 0.1, 0, 1]")


@given(
    st.lists(st.tuples(st.sampled_from("abc"), EASES), min_size=1, max_size=5),
    st.fractions(0, 9, max_denominator=1000),
    st.floats(0.5, 4),
)
def test_the_shares_are_the_prompt_s_weight_at_any_time(
    keys: list[tuple[str, str]], time: Fraction, weight: float
) -> None:
    written = ", ".join(f"{n}s: {{value: {t}, ease: {e}}}" for n, (t, e) in enumerate(keys))
    text = f"{{text: {{{written}}}, weight: {weight} + 0.3*sin(t)}}"
    film = parse(f"version: 1\nshots:\n- {{duration: 8s, prompts: [{text}]}}\n", Path("/nowhere"))
    prompts = active_prompts(film, 0, time)
    assert all(prompt.weight > 0 for prompt in prompts)
    expected = film.shots[0].prompts[0].weight.at(time)
    assert sum(prompt.weight for prompt in prompts) == pytest.approx(expected, abs=1e-11)


def test_style_is_behind_every_text() -> None:
    found = prompts(
        "{text: {0s: day, 2s: night}}", "  style: oil\n  exclude: [{text: {0s: a, 1s: b}}]"
    )
    assert [prompt.text for prompt in found] == ["day, oil", "night, oil", "a", "b"]
    assert [prompt.weight.at(0) for prompt in found] == [1, 1, -1, -1]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("{text: {}}", "text has no keys"),
        ("{text: {0s: day, 9s: night}}", "ends at 8 s"),
        ("{text: {2s: day, 1s: night}}", "order of time"),
        ("{text: {0s: day, 1s: }}", "text has no value"),
        ("{text: {soon: day}}", "the key time 'soon' is not a time"),
        (
            "{text: {0s: a, 1s: {value: b, ease: [0.5, -1, 0.5, 1]}}}",
            "would push away from the text",
        ),
        ("{text: {0s: a}, image: b.png}", "not there"),
        ("{text: a, stop: 9}", "stop '9' is out of range. It goes from -5 to 5"),
        ("{text: a, stop: 6*u}", "is 5.03125. It goes from -5 to 5"),
    ],
)
def test_mistakes(written: str, says: str) -> None:
    if "image" in written:
        with pytest.raises(StoryboardError, match=says):
            prompts(written)
        return
    assert says in mistake(written)


def test_a_formula_in_shorthand_is_a_warning_and_a_text_is_not() -> None:
    def warnings(text: str) -> list[str]:
        board = f"version: 1\nshots:\n- {{duration: 8s, prompts: '{text}'}}\n"
        return [problem.message for problem in parse(board, Path("/nowhere")).warnings]

    (warning,) = warnings("sea:0.5 + u/2 | sky")
    assert "write {text: ..., weight: 0.5 + u/2}" in warning
    assert not warnings("a film: part two | a sign: t-shirts | rain: 2 - 3 drops")


def test_prompts_as_check_shows_them() -> None:
    assert [describe_prompt(prompt) for prompt in prompts(
        "{text: {0s: day, 2s: night}, weight: 2, stop: 0.5}, "
        "{text: {0s: sun, 2s: moon}, weight: 1 + u}, {text: sea, stop: {0s: 0, 1s: 0.8}}"
    )] == [
        "2 to 0 x day (stop 0.5)",
        "0 to 2 x night (stop 0.5)",
        "(1 + u) x (1 to 0) x sun",
        "(1 + u) x (0 to 1) x moon",
        "1 x sea (stop 0 to 0.8)",
    ]  # fmt: skip


MISTAKES = [
    (GROUND + "exclude: 'text:-0.5'", 5, "has a minus"),
    (GROUND + "exclude: [{text: a, stop: -1}]", 5, "has a minus"),
    (HEAD + "shots: [{duration: 1, prompts: ''}]", 2, "no text"),
    (HEAD + "shots: [{duration: 1, prompts: 'a | '}]", 2, "no text"),
    (HEAD + "shots: [{duration: 1, prompts: ':2'}]", 2, "no text"),
    (HEAD + "shots: [{duration: 1, prompts: []}]", 2, "empty list"),
    (HEAD + "shots: [{duration: 1, prompts: [[a]]}]", 2, "a list"),
    (HEAD + "shots: [{duration: 1, prompts: [{weight: 1}]}]", 2, "neither text nor image"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:0 | b:0'}]", 2, "every weight is 0"),
    (HEAD + "shots: [{duration: 1, prompts: at 10:30}]", 2, "digit before the colon"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:nan'}]", 2, "finite"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:1e9'}]", 2, "the weight 1e+09 of 'a' is out of"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:1e400'}]", 2, "'1e400' is out of range"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:1:9'}]", 2, "the stop 9 of 'a' is out of range"),
    (HEAD + "shots: [{duration: 1, prompts: [{text: a, weight: 50%}]}]", 2, "Write 0.5"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:0,5'}]", 2, "comma in its weight. Write 0.5"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:0,5:1'}]", 2, "comma in its weight. Write 0.5"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:'}]", 2, "nothing behind it"),
    (HEAD + f"shots: [{{duration: 1, prompts: {'x' * 1001}}}]", 2, "Shorten it"),
    (HEAD + f"shots: [{{duration: 1, prompts: '{'a|' * 100}a'}}]", 2, "at most 100"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)


@pytest.mark.parametrize("prompts", ["sky:abc", "sea:50%", "a | sky:0.5x | b", "[sky:1, 5]"])
def test_what_may_be_meant_as_a_weight_is_a_warning(prompts: str) -> None:
    (warning,) = board(HEAD + f"shots:\n- duration: 1\n  prompts: {prompts}\n").warnings
    assert "sky:0.5" in warning.message
    assert warning.line == 4


@pytest.mark.parametrize(
    "prompts",
    [
        *("'Star Trek: Voyager'", "'a sign: open'", "rgb:red sky", "http://a.b/c", "a smile :)"),
        *("sky:abc:0.5", "[{text: sky:abc}]", "'1984'"),
    ],
)
def test_a_text_with_a_colon_is_no_warning(prompts: str) -> None:
    assert not board(HEAD + f"shots:\n- duration: 1\n  prompts: {prompts}\n").warnings


def test_a_weight_left_in_a_text_is_a_warning() -> None:
    film = board(HEAD + "shots: [{duration: 1, prompts: [{text: 'sky:0.5'}]}]")
    assert film.shots[0].prompts[0].text == "sky:0.5"
    assert "taken as written" in film.warnings[0].message


def test_signed_weights_may_cancel() -> None:
    assert [
        p.weight.at(0)
        for p in board(HEAD + "shots: [{duration: 1, prompts: 'a:1 | b:-1'}]").shots[0].prompts
    ] == [1.0, -1.0]


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("sky", ("sky", None, None)),
        ("sky:0.5", ("sky", 0.5, None)),
        ("sky : 0.5 : -1", ("sky", 0.5, -1.0)),
        ("storm: oil on canvas", ("storm: oil on canvas", None, None)),
        ("storm: oil on canvas:2", ("storm: oil on canvas", 2.0, None)),
        ("http://a.b/c", ("http://a.b/c", None, None)),
        ("studio 54 :2", ("studio 54", 2.0, None)),
        ("сон 🌊:.7", ("сон 🌊", 0.7, None)),
        ("夜の海:1e-1", ("夜の海", 0.1, None)),
        ("infinity", ("infinity", None, None)),
    ],
)
def test_shorthand(written: str, parts: tuple[str, float | None, float | None]) -> None:
    assert split_weights(written) == parts


WORDS = st.text(
    st.characters(exclude_categories=("C", "Z", "N"), exclude_characters=":|"),
    min_size=1,
    max_size=30,
)  # fmt: skip


NUMBERS = st.floats(-100, 100).map(lambda value: round(value, 4))


@given(WORDS, st.none() | NUMBERS, st.none() | NUMBERS)
@example("夜 🌊", 0.5, None)
def test_shorthand_round_trips(text: str, weight: float | None, stop: float | None) -> None:
    text = text.strip()
    if not text:
        return
    stop = None if weight is None else stop
    written = ":".join([text, *(repr(n) for n in (weight, stop) if n is not None)])
    assert split_weights(written) == (text, weight, stop)


@given(st.text(max_size=60))
def test_no_weight_is_left_in_a_text(written: str) -> None:
    try:
        text, _, _ = split_weights(written)
    except ValueError as error:
        assert str(error)  # noqa: PT017
        return
    assert text == text.strip() != ""
    # Three numbers are one too many, and then what is left ends in a digit: refused above.
    head, _, tail = text.rpartition(":")
    assert not (head and tail.strip().replace(".", "").isdecimal() and tail.isascii())


def test_many_texts_are_refused_before_they_take_memory() -> None:
    many = ", ".join(f"{number}f: text {number}" for number in range(180))
    assert mistake("{text: {" + many + "}}") == "text holds 180 texts. Keep at most 100"
    several = ", ".join("a | b | c" for _ in range(60))
    assert "holds too many prompts. Keep at most 100" in mistake(several)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([*EASINGS])), min_size=2))
def test_the_shares_of_texts_are_those_of_keys_at_every_change(
    changes: list[tuple[str, str]],
) -> None:
    """Keys that change nothing are left out, because texts times changes would be too many."""
    changes = changes[:30]
    ways = ["linear", *(ease for _, ease in changes[1:])]
    entries = ", ".join(
        f"{number}f: {{value: {text}, ease: {ease}}}"
        for number, ((text, _), ease) in enumerate(zip(changes, ways, strict=True))
    )
    for prompt in prompts("{text: {" + entries + "}}"):
        every = keyed(
            Key(Fraction(number, 24), float(text == prompt.text), ease)
            for number, ((text, _), ease) in enumerate(zip(changes, ways, strict=True))
        )
        for number in range(4 * len(changes)):
            time = Fraction(number, 96)
            assert prompt.share.at(time) == every.at(time)
