"""An endless test card: numbered cells, which a camera may zoom into, or fly over, for ever.

The card is computed for each pixel from its place on the plane. Cells are from a sixth to a third
of the picture high, whatever the zoom: as they grow, those of half the side fade in within them.
Lines up and down are warm and lines across are cool, and every cell has a letter and a number, so
that a turned or mirrored card is seen as such.
"""

from __future__ import annotations

import colorsys
import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from render.plan.camera import Matrix

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]  # red, green and blue in [0, 1]

CELL = 1 / 6  # heights of the picture: the side of the smallest cells, when they appear
LETTERS = 16  # cells, along each side, until their names repeat
GLYPH = 48  # pixels of a cell's name in the atlas
WARM, COOL, WHITE = (1.0, 0.72, 0.42), (0.45, 0.78, 1.0), (1.0, 1.0, 1.0)
FOG: Colour = (0.10, 0.10, 0.12)  # beyond the horizon
COARSEST = 8.0  # units: cells of this side, near a horizon, are lost in the fog


def shot_colour(index: int) -> Colour:
    """Returns the colour of a shot's card, unlike that of its neighbours."""
    return colorsys.hsv_to_rgb((0.6 + index * 0.381966) % 1.0, 0.5, 0.42)


def homogeneous(m: Matrix, x: Floats, y: Floats) -> tuple[Any, Any, Any]:
    """Returns points (x, y) through a matrix, as (x, y, w); w is 1.0 where the matrix is affine.

    `x` and `y` may be a row and a column, which stand for all points of a picture.
    """
    a, b, c, d, e, f, g, h, i = (np.float32(value) for value in m)
    across, down = a * x + b * y + c, d * x + e * y + f
    if m[6] == 0.0 and m[7] == 0.0:
        return across / i, down / i, 1.0
    return across, down, g * x + h * y + i


def card(m: Matrix, x: Floats, y: Floats, pixel: float, colour: Colour) -> Floats:
    """Returns the card at points (x, y) of a picture as (3, ...) in [0, 1].

    `m` is the matrix from the picture to the grid of the plane, `Pose.to_grid`; `pixel` is the side
    of a pixel, in heights of the picture.
    """
    u, v, w = homogeneous(m, x, y)
    fog: Any = 0.0
    if isinstance(w, float):
        slope_u, slope_v = (math.hypot(*m[k : k + 2]) * pixel / abs(m[8]) for k in (0, 3))
        level: Any = math.floor(math.log2(max(slope_u, slope_v) * CELL / pixel)) + 1
        size: Any = 2.0**level
    else:
        behind = w <= 1e-4
        w = np.maximum(w, np.float32(1e-4))
        u, v = u / w, v / w
        slope_u = np.hypot(m[0] - u * m[6], m[1] - u * m[7]) * (pixel / w)
        slope_v = np.hypot(m[3] - v * m[6], m[4] - v * m[7]) * (pixel / w)
        steepest = np.minimum(np.maximum(slope_u, slope_v), np.float32(1e6))
        level = np.floor(np.log2(steepest * (CELL / pixel))) + 1
        size = np.exp2(level).astype(np.float32)
        fog = np.where(behind, 1, np.clip(np.log2(size / COARSEST) + 1, 0, 1))
        u, v = (np.clip(side, -1e6, 1e6) for side in (u, v))
    # From 0 to 1 while the smallest cells grow to twice their side.
    appeared: Any = np.log2(size / np.maximum(slope_u, slope_v) * (pixel / CELL))
    if isinstance(fog, float):
        appeared = float(appeared)  # a scalar of numpy's would make doubles of all that follow
    picture = _cells(u, v, size, slope_u, slope_v, appeared, colour)
    if not isinstance(fog, float):
        for plane, grey in zip(picture, FOG, strict=True):
            plane += fog * (np.float32(grey) - plane)
    return picture


def _cells(
    u: Floats, v: Floats, size: Any, slope_u: Any, slope_v: Any, appeared: Any, colour: Colour
) -> Floats:
    """Returns cells of a `size`, which have `appeared` so far, within those of twice that size.

    `slope_u` and `slope_v` are how far u and v change over a pixel.
    """
    chess: Any = 0.0
    lines_u: Any = 0.0
    lines_v: Any = 0.0
    names: Any = 0.0
    for side, share in ((size, appeared), (2 * size, 1 - appeared)):
        across, down = u * (1 / side), v * (1 / side)
        column, row = np.floor(across), np.floor(down)
        parity = column + row
        parity *= np.float32(0.5)
        parity -= np.floor(parity)  # much faster than a modulus
        chess = chess + (2 * share) * parity - 0.5 * share
        new = side is size
        strength, width = (share, 0.25 + 0.35 * share) if new else (1.0, 0.6 + 0.3 * share)
        lines_u = np.maximum(lines_u, strength * _line(across, side / slope_u, width))
        lines_v = np.maximum(lines_v, strength * _line(down, side / slope_v, width))
        bold = np.clip(2 * share - 0.5, 0, 1)  # half of the time there is only one kind of names
        if np.max(bold) > 0:
            name = _name(across - column, down - row, column, row, side / slope_u)
            names = names + np.asarray(bold, np.float32) * name
    tone = 1 + np.float32(0.36) * np.asarray(chess, np.float32)
    inks = ((0.5 * lines_v, COOL), (0.5 * lines_u, WARM), (0.6 * names, WHITE))
    shape = np.broadcast_shapes(tone.shape, *(np.shape(amount) for amount, _ in inks))
    picture = np.empty((3, *shape), np.float32)
    for channel, plane in enumerate(picture):
        plane[...] = tone
        plane *= np.float32(colour[channel])
        for amount, ink in inks:
            plane += amount * (np.float32(ink[channel]) - plane)
    return picture


def _line(place: Floats, pixels: Any, width: Any) -> Any:
    """Returns how much of each pixel is on a line between cells, in [0, 1].

    `place` counts cells, of so many `pixels`; `width` is half that of a line, in pixels.
    """
    away = np.rint(place)
    away -= place
    np.abs(away, out=away)
    away *= -pixels
    away += width + 0.5
    return np.clip(away, 0, 1, out=away)


def _name(x: Floats, y: Floats, column: Floats, row: Floats, pixels: Any) -> Floats:
    """Returns how much of each pixel is on the name of its cell; `x` and `y` in [0, 1] are its
    place in the cell, which is so many `pixels` wide."""
    inside = np.broadcast_to(np.abs(y - 0.5) < 0.25, np.broadcast_shapes(x.shape, y.shape)) & (
        np.abs(x - 0.5) < 0.25
    )
    there = np.flatnonzero(inside)

    def of_those(values: Floats) -> Floats:
        return np.broadcast_to(values, inside.shape).ravel()[there]

    glyph_x, glyph_y = ((of_those(side) - 0.25) * (2 * GLYPH) - 0.5 for side in (x, y))
    left, top = (np.clip(side.astype(np.intp), 0, GLYPH - 2) for side in (glyph_x, glyph_y))
    right_share, lower_share = glyph_x - left, glyph_y - top
    across, down = (of_those(side).astype(np.intp) % LETTERS for side in (column, row))
    atlas, line = _atlas(), LETTERS * GLYPH
    place = (down * GLYPH + top) * line + across * GLYPH + left
    upper, upper_right = atlas[place], atlas[place + 1]
    lower, lower_right = atlas[place + line], atlas[place + line + 1]
    upper += right_share * (upper_right - upper)
    lower += right_share * (lower_right - lower)
    upper += lower_share * (lower - upper)
    steep = 0.09 * pixels  # of the blurred outline, in a pixel
    if isinstance(pixels, np.ndarray):
        steep = of_those(steep)
    names = np.zeros(inside.shape, np.float32)
    names.ravel()[there] = np.clip((upper - 0.4) * np.maximum(steep, 1.5) + 0.5, 0, 1)
    return names


@lru_cache(maxsize=1)
def _atlas() -> Floats:
    """Returns the names of all cells, A1 to P16, each GLYPH pixels wide and high, blurred: the rows
    of a square picture, one after another, in [0, 1]."""
    side = LETTERS * GLYPH
    image = Image.new("L", (side, side))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(GLYPH * 0.5)
    for row in range(LETTERS):
        for column in range(LETTERS):
            middle = ((column + 0.5) * GLYPH, (row + 0.5) * GLYPH)
            name = f"{chr(65 + column)}{row + 1}"
            draw.text(middle, name, fill=255, font=font, anchor="mm", stroke_width=1)
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2)), np.float32)
    names: Floats = blurred.ravel() / np.float32(255)
    return names
