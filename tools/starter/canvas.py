"""The elements of procedural pictures: fractal noise, gradients, light, masks.

A picture is a float32 array (SIZE, SIZE, 3) with values 0 to 1, a mask is (SIZE, SIZE). All random
numbers come from the numpy generator that is passed in, so that a seed decides the picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = 160
Array = np.ndarray[Any, np.dtype[np.floating[Any]]]
Random = np.random.Generator

Y: Array
X: Array
Y, X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE


def rgb(red: float, green: float, blue: float) -> Array:
    """Returns the colour of three 8-bit values, (3,) in 0 to 1."""
    return np.array([red, green, blue], np.float32) / 255


def pick(random: Random, *choices: Any) -> Any:
    """Returns one of the choices, each equally likely."""
    return choices[int(random.integers(len(choices)))]


def shifted(random: Random, colour: Array, spread: float = 0.05) -> Array:
    """Returns the colour plus normal noise with the standard deviation `spread`."""
    return np.clip(colour + random.normal(0, spread, 3), 0, 1).astype(np.float32)


def noise(
    random: Random,
    octaves: int = 5,
    gain: float = 0.55,
    base: float = 3,
    wide: float = 1,
    tall: float = 1,
) -> Array:
    """Returns fractal noise (SIZE, SIZE) in 0 to 1.

    The first octave has `base` cells a side, each further one twice as many and `gain` times the
    amplitude. `wide` and `tall` multiply the cells along each axis.
    """
    total = np.zeros((SIZE, SIZE), np.float32)
    amplitude, cells = 1.0, base
    for _ in range(octaves):
        rows, columns = max(2, int(cells * tall) + 1), max(2, int(cells * wide) + 1)
        if min(rows, columns) > 2 * SIZE:
            break
        grid = Image.fromarray(random.random((rows, columns), np.float32))
        total += amplitude * np.asarray(grid.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        amplitude *= gain
        cells *= 2
    total -= total.min()
    return total / (total.max() + 1e-6)


def line_noise(random: Random, octaves: int = 5, gain: float = 0.5, base: float = 3) -> Array:
    """Returns fractal noise along one axis, (SIZE,) in 0 to 1."""
    total = np.zeros(SIZE, np.float32)
    amplitude, cells = 1.0, base
    place = np.linspace(0, 1, SIZE, dtype=np.float32)
    for _ in range(octaves):
        count = int(cells) + 2
        knots = random.random(count).astype(np.float32)
        at = place * (count - 1)
        left = np.minimum(at.astype(int), count - 2)
        share = at - left
        smooth = share * share * (3 - 2 * share)
        total += amplitude * (knots[left] * (1 - smooth) + knots[left + 1] * smooth)
        amplitude *= gain
        cells *= 2
    total -= total.min()
    return total / (total.max() + 1e-6)


def mix(first: Array, second: Array, share: Array | float) -> Array:
    """Returns the mixture of two pictures or colours: the first at share 0, the second at 1."""
    weight = np.asarray(share, np.float32)
    if weight.ndim == 2:
        weight = weight[..., None]
    return first * (1 - weight) + second * weight


def solid(colour: Array) -> Array:
    """Returns a picture of one colour."""
    return np.broadcast_to(colour, (SIZE, SIZE, 3)).astype(np.float32).copy()


def ramp(stops: tuple[Array, ...], place: Array) -> Array:
    """Returns the colours at `place` (0 to 1) of a gradient through evenly spaced stops."""
    at = np.clip(place, 0, 1)
    positions = np.linspace(0, 1, len(stops))
    channels = [np.interp(at, positions, [stop[c] for stop in stops]) for c in range(3)]
    return np.stack(channels, -1).astype(np.float32)


def step(edge: Array | float, value: Array, soft: float = 0.006) -> Array:
    """Returns a mask: 0 where the value is below the edge, 1 above it, a ramp of width `soft`
    between."""
    return np.clip((value - edge) / soft + 0.5, 0, 1).astype(np.float32)


def disc(x: float, y: float, radius: float, soft: float = 0.01) -> Array:
    """Returns the mask of a filled circle."""
    return 1 - step(radius, np.hypot(X - x, Y - y), soft)


def glow(x: float, y: float, radius: float) -> Array:
    """Returns a mask that fades from 1 with the distance from a point."""
    return np.exp(-((np.hypot(X - x, Y - y) / radius) ** 1.3)).astype(np.float32)


def slope(field: Array, angle: float = 0.7) -> Array:
    """Returns the shading of a height field lit from one side: its directional derivative, around
    0."""
    vertical, horizontal = np.gradient(field)
    lit = np.cos(angle) * horizontal + np.sin(angle) * vertical
    return (lit / (np.abs(lit).mean() * 3 + 1e-6)).astype(np.float32)


def painted(draw_on: Any, blur: float = 0) -> tuple[Array, Array]:
    """Returns the colours and the coverage of what `draw_on(ImageDraw, size)` draws at twice the
    size, scaled down."""
    layer = Image.new("RGBA", (SIZE * 2, SIZE * 2), (0, 0, 0, 0))
    draw_on(ImageDraw.Draw(layer), SIZE * 2)
    if blur:
        layer = layer.filter(ImageFilter.GaussianBlur(blur))
    small = layer.convert("RGBa").resize((SIZE, SIZE), Image.Resampling.BOX)
    values = np.asarray(small, np.float32) / 255
    cover = values[..., 3]
    return values[..., :3] / np.maximum(cover[..., None], 1e-3), cover


def as_bytes(picture: Array) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Returns the picture in 8 bits."""
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def ink(colour: Array, light: float = 1.0) -> tuple[int, int, int]:
    """Returns the colour times `light` in 8 bits, as ImageDraw takes it."""
    values = np.clip(colour * light * 255, 0, 255)
    return int(values[0]), int(values[1]), int(values[2])
