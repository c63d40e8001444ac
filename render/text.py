"""How sentences and tables show texts, times, quantities and columns."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of direction


def is_printable(text: str) -> bool:
    """Returns whether a text has no control characters and no halves of surrogate pairs.

    It is what a storyboard may contain. Unlike `str.isprintable` it allows every other character,
    such as the invisible joiners within emoji.
    """
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def quoted(text: str) -> str:
    """Returns a text as error sentences quote it: on one line and at most 40 characters long.

    Characters that `is_printable` refuses become "?".
    """
    line = "".join(
        character if is_printable(character) else "?" for character in " ".join(text.split())
    )
    return f"'{line if len(line) <= 40 else line[:37] + '...'}'"


def nearest(word: str, names: Iterable[str], likeness: float = 0.6) -> str | None:
    """Returns the name that a misspelt word was probably meant to be, ignoring case; None if none
    is near: as alike as `likeness`, 0 to 1."""
    lowered = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=likeness)
    return lowered[near[0]] if near else None


def escape_unprintable(line: str) -> str:
    """Returns a line that cannot control the terminal that shows it.

    Control characters, halves of surrogate pairs, line separators, and the characters that override
    the direction of writing become escapes such as "\\x1b". Everything else stays, as emoji that
    Python does not know yet and the marks of scripts that are written from the right.
    """
    if line.isprintable():
        return line
    return "".join(
        ascii(character)[1:-1] if _controls(character) else character for character in line
    )


def _controls(character: str) -> bool:
    """Returns whether a character could control a terminal, or show a text in another order."""
    if character == "\t":
        return False
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in OVERRIDES


def seconds_text(time: Fraction | float) -> str:
    """Returns a time in seconds, to six digits: "1.54167 s". For times that must be exact."""
    return f"{float(time):.6g} s"


def duration_text(seconds: float) -> str:
    """Returns an estimated or measured duration, rounded: "45 s", "3 min", "2 h 10 min".

    At least "1 s".
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def rate_text(fps: Fraction | float) -> str:
    """Returns a frame rate to three decimals without trailing zeros: "24", "23.976"."""
    return f"{float(fps):.3f}".rstrip("0").rstrip(".")


def plural(count: int, noun: str) -> str:
    """Returns the count with the noun, in the plural with "s" unless the count is 1."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def megabytes_text(count: int) -> str:
    """Returns bytes of disk in powers of 1000: "3.2 MB", from 1 GB on "1.4 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def gibibytes_text(count: int) -> str:
    """Returns bytes of memory in powers of 1024: "1.5 GiB"."""
    return f"{count / 2**30:.1f} GiB"


def cell_width(text: str) -> int:
    """Returns how many columns of a terminal a text takes; a Japanese letter takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # imported late: not every command shows such texts

    return cell_len(text)


def aligned_columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yields the rows, at least one, as indented lines with left-aligned columns."""
    widths = [max(cell_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell + " " * (width - cell_width(cell)) for cell, width in zip(row, widths, strict=True)
        )
        yield ("  " + "  ".join(cells)).rstrip()
