"""THE INNER LOOP: one latent goes down its losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from render.generators.vqgan import Generator
from render.synthesis.cuda_graph import RecordedStep
from render.synthesis.cutouts import Cutouts


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
    look: Callable[[int], Cutouts],
    loss: Callable[[Tensor, Tensor, Tensor, Cutouts], Tensor],
    *,
    steps: int,
    step_size: float,
    smoothing: float,
    new: Tensor | None = None,
    recorded: bool = False,
) -> Iterator[Step]:
    """Adam from a (B, C, h, w) latent; yields after every step.

    `look(step)` are a step's views, `loss(latent, codes, picture, looks)` a scalar. Where steps are
    `recorded` the loss computes with tensors only, the same way every time.

    The step size rises over the first steps, while Adam knows little more than signs, and falls
    along a line to a fifth, so that a keyframe comes to rest; `smoothing` is the decay of the
    bias-corrected running average (as Adam's own, Kingma & Ba 2015), begun anew for every keyframe.
    The latent stays in the box of its codes, outside which a gradient through quantisation means
    nothing. What is `new`, (1, 1, h, w) in [0, 1], goes down alone for the first third of the
    steps. No steps are one report of where it begins.

    This differs from the field, which moves every cell on its own: Adam then moves the grain of a
    picture as far as its composition, and a film grows checkerboards. Here the latent is its start
    plus a pyramid of offsets (the preconditioning of Olah, Mordvintsev & Schubert, Feature
    Visualization, 2017), and the coarse ones move further.
    """
    if steps == 0:
        yield Step(0, 0, start.new_zeros(()), start)
    offsets = [offset.requires_grad_() for offset in zero_offsets(start)]
    sizes = [step_size * share for share in LEVEL_STEPS]
    optimizer = torch.optim.Adam(
        [{"params": [offset]} for offset in offsets], betas=BETAS, capturable=recorded
    )
    if recorded:  # a recording reads the step size where it lies
        for group in optimizer.param_groups:
            group["lr"] = start.new_zeros(())
        # Some steps are not recorded, and torch would wonder at each keyframe.
        optimizer._warned_capturable_if_run_uncaptured = True
    average, share = torch.zeros_like(start), 0.0

    def now(alone: bool) -> Tensor:
        latent = sum_offsets(start, offsets)
        if alone and new is not None:
            latent = start + new * (latent - start)
        return latent.maximum(generator.low).minimum(generator.high)

    def one(cutouts: Cutouts, alone: bool) -> Tensor:
        """All that a step does on its device."""
        optimizer.zero_grad(set_to_none=True)
        latent = now(alone)
        codes = generator.quantise(latent)
        value = loss(latent, codes, generator.paint(codes, step=True), cutouts)
        if value.requires_grad:  # else nothing is asked of it: every weight is 0 just now
            value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            average.mul_(smoothing).add_(now(alone), alpha=1 - smoothing)
        return value.detach()

    usual = partial(one, alone=False)
    run = RecordedStep(usual) if recorded else usual
    for step in range(steps):
        for group, size in zip(optimizer.param_groups, sizes, strict=True):
            now_size = step_size_at(size, step, steps)
            group["lr"] = group["lr"].fill_(now_size) if recorded else now_size
        alone = new is not None and step < steps // 3  # too few to be worth a recording
        value = one(look(step), alone=True) if alone else run(look(step))
        share = share * smoothing + (1 - smoothing)
        yield Step(step + 1, steps, value, average / share)


def step_size_at(size: float, step: int, steps: int) -> float:
    """A step's size: it rises over a third of the steps, at most eight, and falls to a fifth."""
    rise = max(1.0, min(8.0, steps / 3))
    return size * (1 - 0.8 * step / steps) * min(1.0, (step + 1) / rise)


# Short memories: a keyframe has a dozen steps, not the thousands that Adam's defaults are for.
BETAS = (0.8, 0.99)

# How far a step moves each level of the pyramid, from single cells to eighths of the latent.
LEVEL_STEPS = (0.3, 0.5, 0.5, 0.5)


def zero_offsets(latent: Tensor) -> list[Tensor]:
    """Zeros (B, C, h, w), and at a half, a quarter and an eighth of the latent's size."""
    height, width = latent.shape[-2:]
    return [
        latent.new_zeros(*latent.shape[:2], max(1, height >> level), max(1, width >> level))
        for level in range(len(LEVEL_STEPS))
    ]


def sum_offsets(start: Tensor, offsets: list[Tensor]) -> Tensor:
    """The start plus all offsets, brought to its size."""
    size = start.shape[-2:]
    coarse = (
        F.interpolate(offset, size=size, mode="bilinear", align_corners=False)
        for offset in offsets[1:]
    )
    return start + offsets[0] + sum(coarse)
