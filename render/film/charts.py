"""Pictures of scores and colours: bars, grids and strips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from render.film.sheet import GAP, LINE
from render.media.lettering import EMPTY, INK, PAPER, draw_text
from render.synthesis.images import Frame

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

THUMBNAIL, BAR, LABEL = 120, 300, 240  # pixels: of a picture's side, the longest bar, a text
FILL, BEST = "#5a7fb0", "#e0a030"
CELL, STRIP = 24, 64  # pixels of a colour in a grid, and of the height of a strip


def bar_chart(
    pictures: Sequence[Frame],
    texts: Sequence[str],
    similarities: Sequence[Sequence[float]],
    probabilities: Sequence[Sequence[float]],
) -> Frame:
    """Returns the chart of n pictures, each beside bars of how probable each of p texts is."""
    line = LINE + 6
    height = max(THUMBNAIL, line * len(texts)) + GAP
    width = THUMBNAIL + LABEL + BAR + 130 + 4 * GAP
    chart = Image.new("RGB", (width, height * len(pictures) + GAP), PAPER)
    draw = ImageDraw.Draw(chart)
    for row, (frame, cosines, shares) in enumerate(
        zip(pictures, similarities, probabilities, strict=True)
    ):
        top = GAP + row * height
        small = Image.fromarray(frame)
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        chart.paste(small, (GAP, top))
        for place, (text, cosine, share) in enumerate(zip(texts, cosines, shares, strict=True)):
            y, left = top + place * line, THUMBNAIL + 2 * GAP
            draw_text(draw, (left, y + 3), text, LABEL)
            left += LABEL + GAP
            draw.rectangle((left, y + 2, left + BAR, y + line - 4), fill=EMPTY)
            color = BEST if share == max(shares) else FILL
            draw.rectangle((left, y + 2, left + round(BAR * share), y + line - 4), fill=color)
            said = f"{100 * share:5.1f}%   {cosine:.3f}"
            draw_text(draw, (left + BAR + GAP, y + 3), said, width)
    return np.asarray(chart)


def colour_chart(colours: Frame, texts: Sequence[str], scores: np.ndarray) -> Frame:
    """Returns a grid of colours (rows, columns, 3), and for each text the same grid with the worst
    ones faded away and the best one framed; `scores` are (rows, columns, texts)."""
    rows, columns = colours.shape[:2]
    size = columns * CELL, rows * CELL
    each = size[1] + LINE + GAP
    chart = Image.new("RGB", (size[0] + 2 * GAP, each * (len(texts) + 1) + GAP), PAPER)
    draw = ImageDraw.Draw(chart)
    chart.paste(_enlarged(colours, size), (GAP, GAP))
    for number, text in enumerate(texts):
        top = GAP + each * (number + 1)
        own = scores[..., number]
        share = (own - own.min()) / max(float(own.max() - own.min()), 1e-6)
        faded = colours * share[..., None] ** 2 + 20 * (1 - share[..., None] ** 2)
        chart.paste(_enlarged(faded.round().astype(np.uint8), size), (GAP, top))
        row, column = np.unravel_index(int(own.argmax()), own.shape)
        x, y = GAP + int(column) * CELL, top + int(row) * CELL
        draw.rectangle((x - 1, y - 1, x + CELL, y + CELL), outline=INK, width=2)
        draw_text(draw, (GAP, top + size[1] + 1), text, size[0])
    return np.asarray(chart)


def colour_strips(strips: Sequence[np.ndarray], texts: Sequence[str]) -> Frame:
    """Returns the steps of each colour, (steps, 3) uint8, from left to right, above its text."""
    width, each = 640, STRIP + LINE + GAP
    chart = Image.new("RGB", (width + 2 * GAP, each * len(strips) + GAP), PAPER)
    draw = ImageDraw.Draw(chart)
    for row, (strip, text) in enumerate(zip(strips, texts, strict=True)):
        top = GAP + row * each
        chart.paste(_enlarged(strip[None], (width, STRIP)), (GAP, top))
        draw_text(draw, (GAP, top + STRIP + 1), text, width)
    return np.asarray(chart)


def _enlarged(colours: Frame, size: tuple[int, int]) -> Picture:
    """Returns a small picture (rows, columns, 3) uint8 as squares of one colour."""
    return Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)
