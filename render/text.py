"""How sentences and tables show texts, times and quantities."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from fractions import Fraction


def aligned_columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows of text in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()


def rate_text(fps: object) -> str:
    """24, or 23.976 for 24000/1001."""
    return f"{float(fps):.3f}".rstrip("0").rstrip(".")  # type: ignore[arg-type]


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def megabytes_text(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def duration_text(seconds: float) -> str:
    """45 s, 3 min, 2 h 10 min: no more exact than it is known."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def gibibytes_text(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


def escape_unprintable(line: str) -> str:
    """The note may come from a stranger's file: what would steer the terminal is spelt out."""
    return "".join(
        character if character.isprintable() or character == "\t" else ascii(character)[1:-1]
        for character in line
    )


def is_printable(text: str) -> bool:
    """Whether a text holds no control characters and no halves of surrogate pairs."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text)


def quoted(text: str) -> str:
    """A text as sentences quote it: printable, on one line, cut to a readable length."""
    flat = "".join(letter if is_printable(letter) else "?" for letter in " ".join(text.split()))
    return f"'{flat if len(flat) <= 40 else flat[:37] + '...'}'"


def seconds_text(time: Fraction) -> str:
    """A time as sentences show it."""
    return f"{float(time):.6g} s"
