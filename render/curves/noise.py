"""Smooth noise over time: the same for the same seed, on every machine and at any frame rate."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache


def smooth_noise(seed: str, phase: float) -> float:
    """Returns a value in -1..1 that varies smoothly with `phase`, about once for every 1 of it.

    It is a uniform cubic B-spline with random control values at the whole phases (de Boor, A
    Practical Guide to Splines, 1978). Its second derivative is continuous, so a camera that follows
    it does not jerk, and unlike Perlin's gradient noise it is not 0 at every whole phase.
    """
    first = math.floor(phase)
    u = phase - first
    rest = 1.0 - u
    weights = (
        rest * rest * rest / 6,
        (4.0 + u * u * (3.0 * u - 6.0)) / 6,
        (4.0 + rest * rest * (3.0 * rest - 6.0)) / 6,
        u * u * u / 6,
    )
    values = (_control_value(seed, first + offset) for offset in (-1, 0, 1, 2))
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


@lru_cache(maxsize=4096)
def _control_value(seed: str, index: int) -> float:
    """Returns a number uniform over -1..1, from the SHA-256 of the seed and the index."""
    digest = hashlib.sha256(f"{seed}/{index}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**47 - 1.0
