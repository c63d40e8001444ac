"""Text that is drawn into pictures: sheets, charts and animatics.

Pillow's own font has ASCII letters only. Other texts are drawn in a font of the machine that has
their letters, if there is one.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont
    from PIL.ImageFont import ImageFont as BitmapFont

    Font = FreeTypeFont | BitmapFont

PAPER, INK, EMPTY = "#141414", "#e6e6e6", "#2a2a2a"
# Files of fonts with the letters of many languages, as Linux, macOS and Windows bring them; Pillow
# finds them by these names.
FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "FreeSans.ttf",
    "NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf",
    "Arial Unicode.ttf", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "GeezaPro.ttc",
    "arial.ttf", "msyh.ttc", "msgothic.ttc", "malgun.ttf", "Nirmala.ttf",
)  # fmt: skip
ABSENT = "\uffff"  # no font has a letter for it: all draw what stands for missing ones
SIZE = 10  # pixels: of letters where nothing else is said


def draw_text(
    draw: ImageDraw,
    place: tuple[float, float],
    text: str,
    width: float,
    ink: str | int = INK,
    size: int = SIZE,
) -> None:
    """Draw as much of a text as fits into a width in pixels, from its upper left corner on."""
    text, font = fitting(text, width, size)
    draw.text(place, text, fill=ink, font=font)


def fitting(text: str, width: float, size: int = SIZE) -> tuple[str, Font]:
    """Returns as much of a text as fits into a width in pixels, and the font that it is for.

    Letters that no font has are drawn without their accents, or as "?"; it is one line.
    """
    text = "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text)
    font = font_of(text, size)
    text = "".join(_known(letter, font) for letter in text)
    if font.getlength(text) <= width:
        return text, font
    fits, too_long = 0, len(text)  # letters before "..."
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if font.getlength(text[:middle].rstrip() + "...") <= width:
            fits = middle
        else:
            too_long = middle
    return text[:fits].rstrip() + "..." if fits else "", font


def font_of(text: str, size: int = SIZE) -> Font:
    """Returns the font that has the most letters of a text: Pillow's own, if it has all."""
    best, most = default_font(size), -1
    letters = {letter for letter in text if not letter.isspace()}
    for name in (None, *FONTS):
        font = default_font(size) if name is None else _machine_font(name, size)
        if font is None:
            continue
        count = sum(has_letter(font, letter) for letter in letters)
        if count == len(letters):
            return font
        if count > most:
            best, most = font, count
    return best


@lru_cache(maxsize=8)
def default_font(size: int) -> Font:
    """Returns Pillow's own font, at a size in pixels."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


@lru_cache(maxsize=64)
def _machine_font(name: str, size: int) -> Font | None:
    """Returns a font of this machine, if it is there and can be read."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype(name, size)
    except (OSError, ImportError):  # without FreeType
        return None


@lru_cache(maxsize=4096)
def has_letter(font: Font, letter: str) -> bool:
    """Returns whether a font draws a letter as such."""
    if letter.isascii():
        return True
    try:
        return bytes(font.getmask(letter)) != _absent(font)
    except (UnicodeError, ValueError):  # the bitmap font of a Pillow without FreeType
        return False


@lru_cache(maxsize=64)
def _absent(font: Font) -> bytes:
    """Returns what a font draws for letters that it does not have."""
    return bytes(font.getmask(ABSENT))


def _known(letter: str, font: Font) -> str:
    """Returns a letter, or what stands for it where the font does not have it."""
    if has_letter(font, letter) or letter.isspace():
        return letter
    plain = unicodedata.normalize("NFKD", letter)[0]
    return plain if has_letter(font, plain) else "?"
