"""Filters that make a picture look drawn, painted or otherwise treated, and their names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter
from starter.canvas import SIZE, Array, Random, as_bytes, mix, noise, rgb, slope

Style = Callable[[Random, Array], Array]


def image(picture: Array) -> Image.Image:
    """Returns the picture as Pillow's filters take it."""
    return Image.fromarray(as_bytes(picture))


def floats(filtered: Image.Image) -> Array:
    """Returns a picture of Pillow's as (SIZE, SIZE, 3) in 0 to 1."""
    return np.asarray(filtered, np.float32) / 255


def blurred(picture: Array, radius: float) -> Array:
    """Returns the picture after a Gaussian blur."""
    return floats(image(picture).filter(ImageFilter.GaussianBlur(radius)))


def grey(picture: Array) -> Array:
    """Returns the lightness of a picture, (SIZE, SIZE) in 0 to 1."""
    return picture @ np.array([0.3, 0.59, 0.11], np.float32)


def edges(picture: Array, blur: float = 1.2) -> Array:
    """Returns the strength of a picture's outlines, (SIZE, SIZE) in 0 to 1."""
    soft = blurred(picture, blur)
    down, right = np.gradient(soft, axis=0), np.gradient(soft, axis=1)
    strength = np.sqrt(down**2 + right**2).max(2)
    return np.clip(strength / (np.percentile(strength, 97) + 0.02), 0, 1).astype(np.float32)


def pixel_art(random: Random, picture: Array) -> Array:
    """Returns the picture in 14 to 26 square pixels a side and a few colours."""
    cells = int(random.integers(14, 27))
    small = image(picture).resize((cells, cells), Image.Resampling.BOX)
    flat = small.quantize(int(random.integers(6, 13)), dither=Image.Dither.NONE).convert("RGB")
    return floats(flat.resize((SIZE, SIZE), Image.Resampling.NEAREST))


def watercolour(random: Random, picture: Array) -> Array:
    """Returns the picture as watercolour: flat areas, darker rims, an uneven white border."""
    flat = floats(image(picture).filter(ImageFilter.MedianFilter(7)))
    pools = noise(random, 5, 0.6, 4)[..., None]
    wet = 1 - (1 - flat) * (0.45 + 0.5 * pools)
    rim = edges(flat, 1.0)[..., None]
    paper = 1 + 0.05 * (noise(random, 3, 0.9, 40)[..., None] - 0.5)
    border = np.clip(4 * noise(random, 4, 0.6, 3) - 0.7, 0, 1)[..., None]
    return np.clip((1 - (1 - wet * (1 - 0.25 * rim)) * border) * paper, 0, 1)


def oil_painting(random: Random, picture: Array) -> Array:
    """Returns the picture in vivid patches with the relief of brush strokes."""
    flat = floats(image(picture).filter(ImageFilter.ModeFilter(9)))
    strokes = noise(random, 4, 0.7, 14, 1, float(random.uniform(0.25, 0.5)))
    relief = np.clip(slope(strokes), -1.5, 1.5)[..., None]
    vivid = np.clip((flat - flat.mean(2, keepdims=True)) * 1.25 + flat.mean(2, keepdims=True), 0, 1)
    return np.clip(vivid * (0.95 + 0.13 * relief), 0, 1)


def pencil_sketch(random: Random, picture: Array) -> Array:
    """Returns grey outlines and hatching."""
    light = grey(picture)
    line = 1 - 0.75 * edges(picture, 0.8)
    hatch = noise(random, 2, 0.9, 45, 1.3, 0.15)
    shade = 1 - 0.6 * (1 - light) * (0.35 + 0.9 * hatch)
    return np.clip(line * shade, 0, 1)[..., None].repeat(3, 2)


def line_drawing(random: Random, picture: Array) -> Array:
    """Returns black outlines on white."""
    strong = edges(picture, float(random.uniform(1.0, 1.8)))
    return (1 - np.clip((strong - 0.45) * 5, 0, 1))[..., None].repeat(3, 2).astype(np.float32)


def neon(random: Random, picture: Array) -> Array:
    """Returns glowing outlines in the picture's colours on black."""
    strong = np.clip((edges(picture, 1.3) - 0.35) * 2.5, 0, 1)[..., None]
    tone = picture - picture.min(2, keepdims=True)
    tone = tone / (tone.max(2, keepdims=True) + 0.05) + 0.15 * random.random(3)
    lines = (strong * np.clip(tone, 0, 1)).astype(np.float32)
    return np.clip(1.1 * lines + 1.6 * blurred(lines, 4) + 0.25 * strong**3, 0, 1)


def blurry(random: Random, picture: Array) -> Array:
    """Returns the picture out of focus."""
    return blurred(picture, float(random.uniform(5, 10)))


def sepia(random: Random, picture: Array) -> Array:
    """Returns the picture in tones of brown."""
    light = grey(picture)[..., None]
    return np.clip(mix(rgb(45, 28, 12), rgb(250, 225, 180), light[..., 0]), 0, 1)


def black_and_white(random: Random, picture: Array) -> Array:
    """Returns the picture in grey, with more contrast."""
    light = grey(picture)
    return np.clip((light - 0.5) * 1.15 + 0.5, 0, 1)[..., None].repeat(3, 2)


def pastel(random: Random, picture: Array) -> Array:
    """Returns the picture soft and pale, with the grain of chalk."""
    soft = blurred(picture, 1.5)
    chalk = noise(random, 3, 0.9, 35)[..., None]
    return np.clip(0.58 + 0.42 * soft + 0.1 * (chalk - 0.5), 0, 1)


def mosaic(random: Random, picture: Array) -> Array:
    """Returns the picture in irregular tiles with dark joints."""
    cells = int(random.integers(12, 19))
    small = floats(image(picture).resize((cells, cells), Image.Resampling.BOX))
    small = np.clip(small + random.normal(0, 0.035, small.shape), 0, 1)
    jitter = random.uniform(-0.22, 0.22, (cells, cells, 2))
    place = (np.arange(SIZE) + 0.5) / SIZE * cells
    y, x = np.meshgrid(place, place, indexing="ij")
    first = np.full((SIZE, SIZE), 9.0)
    second, owner = first.copy(), np.zeros((SIZE, SIZE, 2), int)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            row = np.clip(y.astype(int) + dy, 0, cells - 1)
            column = np.clip(x.astype(int) + dx, 0, cells - 1)
            centre = jitter[row, column] + 0.5
            away = np.maximum(np.abs(y - row - centre[..., 0]), np.abs(x - column - centre[..., 1]))
            nearer = away < first
            second = np.where(nearer, first, np.minimum(second, np.where(away > first, away, 9)))
            first = np.where(nearer, away, first)
            owner[nearer] = np.stack([row, column], -1)[nearer]
    tesserae = small[owner[..., 0], owner[..., 1]]
    return mix(rgb(70, 66, 62), tesserae, np.clip((second - first) * 7, 0, 1)).astype(np.float32)


def comic(random: Random, picture: Array) -> Array:
    """Returns the picture in a few flat tones with dots in the dark and black outlines."""
    flat = floats(image(picture).filter(ImageFilter.MedianFilter(5)))
    levels = 3
    flat = np.round(np.clip((flat - 0.5) * 1.3 + 0.5, 0, 1) * levels) / levels
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    dots = (np.sin((x + y) * 0.8) * np.sin((x - y) * 0.8) > 0.25) & (grey(flat) < 0.7)
    flat = np.where(dots[..., None], flat * 0.8, flat)
    outline = np.clip((edges(picture, 1.2) - 0.5) * 5, 0, 1)[..., None]
    return (flat * (1 - outline)).astype(np.float32)


STYLES: dict[str, tuple[Style, str]] = {  # name: filter, and the words for a picture in that style
    "watercolour": (watercolour, "a watercolour"),
    "oil painting": (oil_painting, "an oil painting"),
    "pencil sketch": (pencil_sketch, "a pencil sketch"),
    "line drawing": (line_drawing, "a line drawing"),
    "pixel art": (pixel_art, "a pixel art picture"),
    "neon": (neon, "a neon drawing"),
    "blurred photograph": (blurry, "a blurred photograph"),
    "sepia": (sepia, "a sepia photograph"),
    "black and white": (black_and_white, "a black and white photograph"),
    "pastel": (pastel, "a pastel drawing"),
    "mosaic": (mosaic, "a mosaic"),
    "comic": (comic, "a comic book picture"),
}
