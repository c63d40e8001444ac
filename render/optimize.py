"""THE INNER LOOP: one latent goes down its losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from render.generator import Generator


@dataclass(frozen=True)
class Step:
    """Where the climb stands after one step."""

    index: int  # 1..steps; 0 where there are none
    steps: int
    loss: Tensor  # (), on the device: reading it waits for the step
    average: Tensor  # (B, C, h, w): the running average of the latent, which is what is shown


def optimize(
    start: Tensor,
    generator: Generator,
    loss: Callable[[Tensor, Tensor, Tensor, int], Tensor],
    *,
    steps: int,
    step_size: float,
    smoothing: float,
    new: Tensor | None = None,
) -> Iterator[Step]:
    """Adam from a (B, C, h, w) latent; yields after every step.

    `loss(latent, codes, picture, step)` is a scalar. The step size rises over the first steps,
    while Adam knows little more than signs, and falls along a line to a fifth, so that a keyframe
    comes to rest; `smoothing` is the decay of the bias-corrected running average (as Adam's own,
    Kingma & Ba 2015), begun anew for every keyframe. The latent stays in the box of its codes,
    outside which a gradient through quantisation means nothing. What is `new`, (1, 1, h, w) in
    [0, 1], goes down alone for the first third of the steps. No steps are one report of where it
    begins.

    This differs from the field, which moves every cell on its own: Adam then moves the grain of a
    picture as far as its composition, and a film grows checkerboards. Here the latent is its start
    plus a pyramid of offsets (the preconditioning of Olah, Mordvintsev & Schubert, Feature
    Visualization, 2017), and the coarse ones move further.
    """
    if steps == 0:
        yield Step(0, 0, start.new_zeros(()), start)
    offsets = [offset.requires_grad_() for offset in pyramid(start)]
    sizes = [step_size * share for share in SHARES]
    groups = [{"params": [o], "lr": size} for o, size in zip(offsets, sizes, strict=True)]
    optimizer = torch.optim.Adam(groups, betas=BETAS)
    rise = max(1.0, min(8.0, steps / 3))
    average, share = torch.zeros_like(start), 0.0

    def now(step: int) -> Tensor:
        latent = raised(start, offsets)
        if new is not None and step < steps // 3:
            latent = start + new * (latent - start)
        return latent.maximum(generator.low).minimum(generator.high)

    for step in range(steps):
        for group, size in zip(optimizer.param_groups, sizes, strict=True):
            group["lr"] = size * (1 - 0.8 * step / steps) * min(1.0, (step + 1) / rise)
        optimizer.zero_grad(set_to_none=True)
        latent = now(step)
        codes = generator.quantise(latent)
        value = loss(latent, codes, generator.paint(codes, step=True), step)
        if value.requires_grad:  # else nothing is asked of it: every weight is 0 just now
            value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            average.mul_(smoothing).add_(now(step), alpha=1 - smoothing)
            share = share * smoothing + (1 - smoothing)
        yield Step(step + 1, steps, value.detach(), average / share)


# Short memories: a keyframe has a dozen steps, not the thousands that Adam's defaults are for.
BETAS = (0.8, 0.99)

# How far a step moves each level of the pyramid, from single cells to eighths of the latent.
SHARES = (0.3, 0.5, 0.5, 0.5)


def pyramid(latent: Tensor) -> list[Tensor]:
    """Zeros (B, C, h, w), and at a half, a quarter and an eighth of the latent's size."""
    height, width = latent.shape[-2:]
    return [
        latent.new_zeros(*latent.shape[:2], max(1, height >> level), max(1, width >> level))
        for level in range(len(SHARES))
    ]


def raised(start: Tensor, offsets: list[Tensor]) -> Tensor:
    """The start plus all offsets, brought to its size."""
    size = start.shape[-2:]
    coarse = (
        F.interpolate(offset, size=size, mode="bilinear", align_corners=False)
        for offset in offsets[1:]
    )
    return start + offsets[0] + sum(coarse)
