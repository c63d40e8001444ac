"""Numbers, times and frame rates as a storyboard writes them, read to exact fractions."""

from __future__ import annotations

import re
from fractions import Fraction

LITERAL_LIMIT = 60  # characters of a number or time, so that its value stays in a float's range

NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?"
_NUMBER = re.compile(NUMBER)
_ANY_NUMBER = re.compile(NUMBER.replace("{1,2}", "+"))  # with any exponent
_NOT_FINITE = re.compile(r"[+-]?\.?(?:nan|inf|infinity)", re.IGNORECASE)
_TIME = re.compile(rf"({NUMBER})\s*(s|ms|f|b|m|min)?")
_CLOCK = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-9]+(?:\.[0-9]*)?)")
_MINUTES = re.compile(r"^([0-9]+)\s*m(?:in)?\s*([0-9]+(?:\.[0-9]*)?)\s*s$")  # 1m30s is 1:30
# All forms of a time, for the schema.
_PLAIN = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
TIME = (
    rf"^\s*(?:\+?{_PLAIN}\s*(?:s|ms|f|b|m|min)?|(?:[0-9]+:)?[0-9]+:[0-9]+\.?[0-9]*"
    r"|[0-9]+\s*m(?:in)?\s*[0-9]+\.?[0-9]*\s*s)\s*$"
)
BEATS = "8b (beats)"
TIME_FORMS = f"3.5s, 1500ms, 2min, 1m30s, 1:02.5, 90f (frames), {BEATS} or a number of seconds"

_NTSC = {Fraction(text): Fraction(n * 1000, 1001) for text, n in (
    ("23.976", 24), ("23.98", 24), ("29.97", 30), ("47.952", 48), ("59.94", 60), ("119.88", 120),
)}  # fmt: skip


def looks_like_number(text: str) -> bool:
    """Whether a text is a number, nan or infinity; `number` refuses the last two."""
    text = text.strip()
    return bool(_ANY_NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text))


def number(text: str, expected: str = "one such as 2, 0.5 or 1e-3") -> Fraction:
    """A number, exactly. Raises ValueError with the end of a sentence ("is not a number...").

    `expected` is what the sentence says to write.
    """
    text = text.strip()
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"is not a finite number. Write {expected}")
    # A decimal comma, but not 1,000.
    if re.fullmatch(r"(?![1-9][0-9]*,[0-9]{3}$)[+-]?[0-9]+,[0-9]+", text):
        raise ValueError(f"is not a number. Write it with a point: {text.replace(',', '.')}")
    if not _ANY_NUMBER.fullmatch(text):
        raise ValueError(f"is not a number. Write {expected}")
    if len(text) > LITERAL_LIMIT or not _NUMBER.fullmatch(text):
        raise ValueError(f"is out of range for any number. Write {expected}")
    return Fraction(text)


def time(text: str, fps: Fraction, bpm: Fraction | None = None) -> Fraction:
    """Seconds, exactly, from one of TIME_FORMS. Raises ValueError with the end of a sentence."""
    text = text.strip()
    if len(text) > LITERAL_LIMIT:
        raise ValueError(f"is not a time. Write {TIME_FORMS}")
    if clock := _CLOCK.fullmatch(_MINUTES.sub(r"\1:\2", text)):
        return _clock_time(clock[1], clock[2], clock[3])
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"is not a finite time. Write {TIME_FORMS}")
    if comma := re.fullmatch(r"([0-9]+),([0-9]+\s*[a-z]*)", text):
        raise ValueError(f"is not a time. Write it with a point: {comma[1]}.{comma[2]}")
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError(f"is not a time. Write {TIME_FORMS}")
    if match[2] == "b" and bpm is None:
        raise ValueError("counts beats, and there is no bpm. Add 'bpm: 120' at the top level")
    units = {
        "ms": Fraction(1, 1000),
        "f": 1 / fps,
        "b": 60 / (bpm or Fraction(1)),
        "m": Fraction(60),
        "min": Fraction(60),
    }
    return Fraction(match[1]) * units.get(match[2], 1)


def _clock_time(hours: str | None, minutes: str, seconds: str) -> Fraction:
    """The seconds of 1:02.5 or 0:01:02.5; raises ValueError with the end of a sentence."""
    rest = Fraction(seconds)
    if rest >= 60 or (hours and int(minutes) >= 60):
        raise ValueError("counts past 59. Write minutes and seconds, such as 1:02.5 or 1m30s")
    return int(hours or 0) * 3600 + int(minutes) * 60 + rest


def time_text(time: Fraction, fps: Fraction) -> str:
    """A time as one of TIME_FORMS: in seconds, or in frames if no decimal of seconds is exact."""
    in_seconds = f"{float(time):.12g}"
    if Fraction(in_seconds) != time and (time * fps).denominator == 1:
        return f"{time * fps}f"
    return f"{in_seconds}s"


def frame_rate(text: str) -> Fraction:
    """Frames per second, exactly: 24, 23.976 (which means 24000/1001) or 30000/1001.

    Raises ValueError with the end of a sentence.
    """
    text = text.strip()
    if ratio := re.fullmatch(r"([0-9]{1,9})\s*/\s*([0-9]{1,9})", text):
        if int(ratio[2]) == 0:
            raise ValueError("divides by zero. Write 24, 23.976 or 30000/1001")
        return Fraction(int(ratio[1]), int(ratio[2]))
    value = number(text)
    return _NTSC.get(value, value)
