"""Ways between two latents: lerp, slerp and codes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from render.generators.vqgan import Generator


def lerp(a: Tensor, b: Tensor, fraction: float) -> Tensor:
    """The straight way from a to b; fraction in 0..1."""
    return torch.lerp(a, b, fraction)


def slerp(a: Tensor, b: Tensor, fraction: float) -> Tensor:
    """Along the sphere, cell by cell (Shoemake 1985); lengths are interpolated along a line.

    The latent of a VQGAN is not Gaussian: one angle for the whole tensor would hardly differ from
    lerp. The vector of one cell is what has a direction.
    """
    lengths_a, lengths_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    unit_a, unit_b = a / lengths_a.clamp_min(1e-12), b / lengths_b.clamp_min(1e-12)
    cosine = (unit_a * unit_b).sum(1, keepdim=True).clamp(-1, 1)
    angle = cosine.arccos()
    # Nearly parallel or opposite cells have no stable arc: those take the straight way.
    straight = angle.sin() < 1e-3
    sine = torch.where(straight, torch.ones_like(angle), angle.sin())
    arc = (((1 - fraction) * angle).sin() * unit_a + (fraction * angle).sin() * unit_b) / sine
    length = torch.lerp(lengths_a, lengths_b, fraction)
    return torch.where(straight, torch.lerp(a, b, fraction), arc * length)


# What `--blend` names: from two quantised latents and a fraction to what is painted.
BLENDS: dict[str, Callable[[Generator, Tensor, Tensor, float], Tensor]] = {
    "lerp": lambda generator, a, b, fraction: lerp(a, b, fraction),
    "slerp": lambda generator, a, b, fraction: slerp(a, b, fraction),
    # Every frame made of true codes: crisper, but cells pop from one code to the next.
    "codes": lambda generator, a, b, fraction: generator.quantise(lerp(a, b, fraction)),
}
