"""Numbers, times and frame rates as a storyboard writes them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.storyboard import literals

FPS = Fraction(24)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3.5s", Fraction(7, 2)),
        ("3.5 s", Fraction(7, 2)),
        ("1500ms", Fraction(3, 2)),
        ("90f", Fraction(90, 24)),
        ("1:02.5", Fraction(125, 2)),
        ("0:30", Fraction(30)),
        ("1:00:00", Fraction(3600)),
        ("3m", Fraction(180)),
        ("2min", Fraction(120)),
        ("1.5 min", Fraction(90)),
        ("1m30s", Fraction(90)),
        ("1min 02.5s", Fraction(125, 2)),
        ("2", Fraction(2)),
        ("0.1", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        ("1e-3", Fraction(1, 1000)),
    ],
)
def test_times(text: str, value: Fraction) -> None:
    assert literals.time(text, FPS) == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "1:75",
            "1:60:00",
            "1m75s",
            "1m30",
            "1:1m30s",
            "1.5m30s",
            "m",
            "s",
            "nan",
            ".inf",
            "infs",
        ),
        *("1:-2", "ten", "9" * 5000, "1e999", "1h", "3M"),
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write"):
        literals.time(text, FPS)


def test_the_sentence_about_a_decimal_comma_shows_the_point() -> None:
    with pytest.raises(ValueError, match=r"point: 1\.5 s$"):
        literals.time("1,5 s", FPS)
    with pytest.raises(ValueError, match=r"point: 0\.125$"):
        literals.number("0,125")
    with pytest.raises(ValueError, match=r"Write one such as"):
        literals.number("1,000")  # which may be a thousand


def test_a_number_beyond_every_range_is_still_one() -> None:
    assert literals.looks_like_number("1e400")
    with pytest.raises(ValueError, match=r"out of range.* Write"):
        literals.number("1e400")


def test_frames_are_exact_at_the_storyboards_rate() -> None:
    assert literals.time("24f", Fraction(24000, 1001)) == Fraction(1001, 1000)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("24", Fraction(24)),
        ("23.976", Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("12.5", Fraction(25, 2)),
    ],
)
def test_frame_rates(text: str, value: Fraction) -> None:
    assert literals.frame_rate(text) == value


@pytest.mark.parametrize("text", ["nan", ".inf", "-.inf", "1/0", "", "fast", "0x18", "2,5"])
def test_what_is_no_frame_rate(text: str) -> None:
    with pytest.raises(ValueError, match="Write"):
        literals.frame_rate(text)


@given(st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=1000).map(float))
def test_numbers_round_trip(value: float) -> None:
    assert float(literals.number(repr(value))) == value


@given(st.text(max_size=40))
def test_numbers_and_times_take_any_text(text: str) -> None:
    for read in (literals.number, lambda t: literals.time(t, FPS), literals.frame_rate):
        try:
            assert abs(read(text)) < 10**160
        except ValueError as error:
            assert "Write" in str(error)  # noqa: PT017
