"""Smooth noise over time: the same for the same seed, on every machine and at any frame rate."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache


def smooth_noise(seed: str, phase: float) -> float:
    """A value in -1..1 that wanders: by `phase` 1 further on it has changed its mind about once.

    A uniform cubic B-spline through random heights at the whole phases (de Boor, A Practical Guide
    to Splines, 1978). Its second derivative is continuous, so that nothing that follows it jerks,
    and unlike Perlin's gradient noise it does not come back to 0 at every whole phase.
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
    heights = (_height(seed, first + offset) for offset in (-1, 0, 1, 2))
    return sum(weight * height for weight, height in zip(weights, heights, strict=True))


@lru_cache(maxsize=4096)
def _height(seed: str, index: int) -> float:
    """Evenly spread over -1..1."""
    digest = hashlib.sha256(f"{seed}/{index}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**47 - 1.0
