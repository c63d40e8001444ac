"""Blends of two latents start and end with them, and follow their formulas between."""

from __future__ import annotations

import math

import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st

from render.film.blends import BLENDS, lerp, slerp


@given(st.floats(0, 1))
def test_slerp_is_the_textbook_formula(fraction: float) -> None:
    random = torch.Generator().manual_seed(4)
    a, b = (torch.randn(1, 5, 2, 2, generator=random).double() for _ in range(2))
    mixed = slerp(a, b, fraction)
    for y in range(2):
        for x in range(2):
            p, q = a[0, :, y, x], b[0, :, y, x]
            angle = math.acos(float((p / p.norm()) @ (q / q.norm())))
            direction = (
                math.sin((1 - fraction) * angle) * p / p.norm()
                + math.sin(fraction * angle) * q / q.norm()
            ) / math.sin(angle)
            length = (1 - fraction) * p.norm() + fraction * q.norm()
            assert torch.allclose(mixed[0, :, y, x], direction * length, atol=1e-9)


def test_every_blend_starts_and_ends_with_its_latents() -> None:
    generator = tiny.generator()
    a, b = (generator.quantise(torch.randn(1, 4, 6, 8) * 0.5) for _ in range(2))
    for name, blend in BLENDS.items():
        assert torch.allclose(blend(generator, a, b, 0.0), a, atol=1e-5), name
        assert torch.allclose(blend(generator, a, b, 1.0), b, atol=1e-5), name


def test_equal_and_opposite_cells_have_no_nan() -> None:
    a = torch.randn(1, 4, 3, 3)
    for other in (a, -a, torch.zeros_like(a)):
        assert torch.isfinite(slerp(a, other, 0.5)).all()
    assert torch.equal(lerp(a, a, 0.3), a)


def test_the_codes_blend_gives_true_codes() -> None:
    generator = tiny.generator()
    a, b = (generator.quantise(torch.randn(1, 4, 6, 8) * 0.5) for _ in range(2))
    halfway = BLENDS["codes"](generator, a, b, 0.5)
    assert torch.equal(generator.quantise(halfway), halfway)
