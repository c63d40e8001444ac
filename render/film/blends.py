"""Blends of two latents: lerp, slerp and codes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from render.generators.generator import Generator


def lerp(a: Tensor, b: Tensor, fraction: float) -> Tensor:
    """Returns the linear interpolation from `a` to `b`; `fraction` in 0..1."""
    return torch.lerp(a, b, fraction)


def slerp(a: Tensor, b: Tensor, fraction: float) -> Tensor:
    """Returns the spherical interpolation (Shoemake 1985) of latents (B, C, h, w), cell by cell;
    `fraction` in 0..1. The lengths of the vectors are interpolated linearly.

    The latent of a VQGAN is not Gaussian: one angle for the whole tensor would give nearly lerp.
    The angle is taken for each cell.
    """
    lengths_a, lengths_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    unit_a, unit_b = a / lengths_a.clamp_min(1e-12), b / lengths_b.clamp_min(1e-12)
    cosine = (unit_a * unit_b).sum(1, keepdim=True).clamp(-1, 1)
    angle = cosine.arccos()
    # Nearly parallel or opposite cells have no stable arc: they are interpolated linearly.
    straight = angle.sin() < 1e-3
    sine = torch.where(straight, torch.ones_like(angle), angle.sin())
    arc = (((1 - fraction) * angle).sin() * unit_a + (fraction * angle).sin() * unit_b) / sine
    length = torch.lerp(lengths_a, lengths_b, fraction)
    return torch.where(straight, torch.lerp(a, b, fraction), arc * length)


# The values of `--blend`: functions of two quantised latents and a fraction in 0..1 that return the
# latent to paint.
BLENDS: dict[str, Callable[[Generator, Tensor, Tensor, float], Tensor]] = {
    "lerp": lambda generator, a, b, fraction: generator.travel(a, b, fraction),
    "slerp": lambda generator, a, b, fraction: slerp(a, b, fraction),
    # Every frame consists of true codes: crisper, but cells jump from one code to the next.
    "codes": lambda generator, a, b, fraction: generator.quantise(lerp(a, b, fraction)),
}
