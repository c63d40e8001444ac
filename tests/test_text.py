"""How sentences and tables show texts, times, quantities and columns."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.text import (
    aligned_columns,
    duration_text,
    escape_unprintable,
    gibibytes_text,
    is_printable,
    megabytes_text,
    nearest,
    plural,
    quoted,
    rate_text,
    seconds_text,
)

FAMILY = "👩\u200d👧"  # one emoji out of two, which an invisible joiner connects


@pytest.mark.parametrize(
    ("text", "printable"),
    [("", True), ("日本 ☃", True), (FAMILY, True), ("a\tb", False), ("\x1b[2J", False),
     ("\x85", False), ("\ud800", False)],
)  # fmt: skip
def test_control_characters_and_half_surrogates_are_not_printable(
    text: str, printable: bool
) -> None:
    assert is_printable(text) == printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a  red\n sky", "'a red sky'"),
        ("a\x07b\ud800", "'a?b?'"),
        (FAMILY, f"'{FAMILY}'"),
        ("x" * 40, f"'{'x' * 40}'"),
        ("x" * 41, f"'{'x' * 37}...'"),
    ],
)
def test_a_quoted_text_is_short_and_on_one_line(text: str, expected: str) -> None:
    assert quoted(text) == expected


@given(st.text())
def test_a_quoted_text_can_be_printed(text: str) -> None:
    shown = quoted(text)
    assert is_printable(shown)
    assert len(shown) <= 42
    shown.encode()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("\tdawn ☃", "\tdawn ☃"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202eabc", "\\u202eabc"),  # would show what follows from right to left
        ("\ud800", "\\ud800"),
    ],
)
def test_characters_that_control_a_terminal_are_escaped(line: str, expected: str) -> None:
    assert escape_unprintable(line) == expected


@pytest.mark.parametrize(
    ("time", "expected"),
    [(Fraction(37, 24), "1.54167 s"), (Fraction(3), "3 s"), (0.3, "0.3 s"), (36000, "36000 s")],
)
def test_a_time_has_six_digits(time: Fraction | float, expected: str) -> None:
    assert seconds_text(time) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "1 s"), (89.4, "89 s"), (90, "2 min"), (89 * 60, "89 min"), (90 * 60, "1 h 30 min")],
)
def test_a_duration_is_rounded(seconds: float, expected: str) -> None:
    assert duration_text(seconds) == expected


@pytest.mark.parametrize(
    ("fps", "expected"),
    [(Fraction(24), "24"), (Fraction(24000, 1001), "23.976"), (12.5, "12.5"), (240, "240")],
)
def test_a_frame_rate_has_no_trailing_zeros(fps: Fraction | float, expected: str) -> None:
    assert rate_text(fps) == expected


def test_a_count_of_one_is_singular() -> None:
    assert [plural(count, "frame") for count in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]


def test_disk_is_counted_in_thousands_and_memory_in_powers_of_two() -> None:
    sizes = (0, 3_210_000, 999_000_000, 1_400_000_000)
    assert [megabytes_text(size) for size in sizes] == ["0.0 MB", "3.2 MB", "999.0 MB", "1.4 GB"]
    assert gibibytes_text(3 * 2**29) == "1.5 GiB"


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    rows = [("shot", "frames", "done"), ("dawn", "72", ""), ("a long name", "7", "all")]
    assert list(aligned_columns(rows)) == [
        "  shot         frames  done",
        "  dawn         72",
        "  a long name  7       all",
    ]


def test_the_nearest_name_is_found_in_any_case() -> None:
    assert nearest("vit-b-32", ["RN50", "ViT-B/32", "starter"]) == "ViT-B/32"
    assert nearest("zebra", ["RN50", "ViT-B/32"]) is None


@pytest.mark.parametrize(
    "text",
    ["\U0001fae8 \U0001f3f4\U000e0067\U000e0062", "\u05e9\u05dc\u200f", "a\u00adb\u3000\ue0b0"],
)
def test_what_only_looks_strange_is_shown_as_it_is(text: str) -> None:
    assert escape_unprintable(text) == text
