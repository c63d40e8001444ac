"""THE INNER LOOP: one latent goes down its losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from render.generator import Generator


@dataclass(frozen=True)
class Step:
    """Where the climb stands after one step."""

    index: int  # 1..steps; 0 where there are none
    steps: int
    loss: Tensor  # (), on the device: reading it waits for the step
    average: Tensor  # (B, C, h, w): the running average of the latent, which is what is shown


def optimize(
    latent: Tensor,
    generator: Generator,
    loss: Callable[[Tensor, Tensor, Tensor, int], Tensor],
    *,
    steps: int,
    step_size: float,
    smoothing: float,
) -> Iterator[Step]:
    """Adam on one (B, C, h, w) latent; yields after every step.

    `loss(latent, codes, picture, step)` is a scalar. The step size falls along a line to a fifth,
    so that a keyframe comes to rest; `smoothing` is the decay of the bias-corrected running
    average (as Adam's own, Kingma & Ba 2015), begun anew for every keyframe. The latent stays in
    the box of its codes, outside which a gradient through quantisation means nothing. No steps are
    one report of where it begins.
    """
    if steps == 0:
        yield Step(0, 0, latent.new_zeros(()), latent)
    latent = latent.clone().requires_grad_()
    optimizer = torch.optim.Adam([latent], lr=step_size)
    average, share = torch.zeros_like(latent), 0.0
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = step_size * (1 - 0.8 * step / steps)
        optimizer.zero_grad(set_to_none=True)
        codes = generator.quantise(latent)
        value = loss(latent, codes, generator.paint(codes), step)
        if value.requires_grad:  # else nothing is asked of it: every weight is 0 just now
            value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            latent.copy_(latent.maximum(generator.low).minimum(generator.high))
            average.mul_(smoothing).add_(latent, alpha=1 - smoothing)
            share = share * smoothing + (1 - smoothing)
        yield Step(step + 1, steps, value.detach(), average / share)
