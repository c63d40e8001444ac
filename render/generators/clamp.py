"""Clamping a picture without losing the gradient that leads back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def clamp_with_gradient(picture: Tensor) -> Tensor:
    """Clamps to [0, 1]; the gradient is zero only where descent would move further out.

    The gradient of `torch.clamp` is zero everywhere outside, so values there would never return.
    From K. Crowson's VQGAN+CLIP notebook.
    """
    clamped: Tensor = _ClampWithGradient.apply(picture)
    return clamped


class _ClampWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, picture: Tensor) -> Tensor:
        ctx.save_for_backward(picture)
        return picture.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (picture,) = ctx.saved_tensors
        kept: Tensor = gradient * (gradient * (picture - picture.clamp(0, 1)) >= 0)
        return kept
