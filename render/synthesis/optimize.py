"""THE INNER LOOP: Adam minimises the losses of one latent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from render.synthesis.cutouts import Cutouts

# Shorter averages than Adam's defaults, because a keyframe has only about a dozen steps.
BETAS = (0.8, 0.99)
# How far a step moves each level of offsets, from single cells to eighths of the latent.
LEVEL_STEPS = (0.3, 0.5, 0.5, 0.5)

WORTH_RECORDING = 5  # steps left of a keyframe, from which a new level's step is recorded

StepFunction = Callable[[Cutouts], Tensor]


class Painter(Protocol):
    """What the inner loop asks of a generator: how a latent (B, C, h, w) becomes a picture."""

    @property
    def low(self) -> Tensor:
        """The least value of each channel, (C, 1, 1)."""

    @property
    def high(self) -> Tensor:
        """The greatest value of each channel, (C, 1, 1)."""

    @property
    def unit(self) -> float:
        """How far a step of size 1 moves a value."""

    @property
    def gradient_scale(self) -> float:
        """By which the loss is multiplied for the backward pass, so that no gradient vanishes."""

    def quantise(self, latent: Tensor) -> Tensor:
        """Returns the codes (B, C, h, w) of a latent; the gradient passes through."""

    def paint(self, codes: Tensor, *, step: bool = False, level: int = 0) -> Tensor:
        """Returns the pictures (B, 3, H, W) in [0, 1] of codes; with `step` for a step only, then
        perhaps halved `level` times."""


@dataclass(frozen=True)
class Step:
    """The state after one step."""

    index: int  # 1..steps; 0 where there are none
    steps: int
    loss: Tensor  # (), on the device: reading it waits for the step
    average: Tensor  # (B, C, h, w): the running average of the latent, which is shown and stored


@dataclass(frozen=True)
class StepRunner:
    """How the steps of a keyframe are launched: one by one, or as `cuda_graph` records them."""

    prepare: Callable[[StepFunction], StepFunction]  # called for each level of a keyframe
    captures: bool = False  # then Adam keeps its step size and its count of steps as tensors


ONE_BY_ONE = StepRunner(lambda step: step)


def whole_picture(step: int) -> int:
    """The level of a step whose picture is never halved: 0."""
    return 0


def optimize(
    start: Tensor,
    generator: Painter,
    cutouts_at: Callable[[int], Cutouts],
    loss: Callable[[Tensor, Tensor, Tensor, Cutouts, int], Tensor],
    *,
    steps: int,
    step_size: float,
    smoothing: float,
    exposed: Tensor | None = None,
    level_at: Callable[[int], int] = whole_picture,
    runner: StepRunner = ONE_BY_ONE,
) -> Iterator[Step]:
    """Adam from a latent (B, C, h, w); yields after every step.

    `level_at(step)` says how often the picture that a step looks at is halved, `cutouts_at(step)`
    returns its cutouts, and `loss(latent, codes, picture, cutouts, level)` a scalar computed with
    tensors only, for each level the same way every time. `step_size` is in units of the generator.
    `smoothing` is the decay of the bias-corrected running average (as Adam's own, Kingma & Ba
    2015). In the first third of the steps, only what the camera newly `exposed`, (1, 1, h, w) in
    [0, 1], may change. Zero steps yield the start once. Each channel of the latent stays in the
    codebook's range, outside which the gradient through quantisation has no meaning: what a step
    moves out of it is set back, as in K. Crowson's notebook. (A clamp within the loss has no
    gradient outside, and what has left the range would never return.)

    This differs from other programs, which optimise each cell separately: Adam then changes fine
    grain as strongly as composition, and checkerboards build up over a film. Here the latent is its
    start plus a pyramid of offsets (the preconditioning of Olah, Mordvintsev & Schubert, Feature
    Visualization, 2017), and the coarse ones move further.
    """
    if steps == 0:
        yield Step(0, 0, start.new_zeros(()), start)
        return
    start = start.maximum(generator.low).minimum(generator.high)
    offsets = [offset.requires_grad_() for offset in zero_offsets(start)]
    optimizer = make_adam(offsets, capturable=runner.captures)
    scale = generator.gradient_scale
    average, total_weight = torch.zeros_like(start), 0.0

    def changed(latent: Tensor, only_exposed: bool) -> Tensor:
        """The latent, or the start with only its newly exposed part replaced by it."""
        if only_exposed and exposed is not None:
            return start + exposed * (latent - start)
        return latent

    def run_step(cutouts: Cutouts, only_exposed: bool, level: int) -> Tensor:
        """Everything that a step does on its device."""
        optimizer.zero_grad(set_to_none=True)
        latent = changed(sum_offsets(start, offsets), only_exposed)
        codes = generator.quantise(latent)
        picture = generator.paint(codes, step=True, level=level)
        value = loss(latent, codes, picture, cutouts, level)
        if value.requires_grad:  # else every weight is 0 at this time
            (value * scale).backward()  # type: ignore[no-untyped-call]
            for offset in offsets if scale != 1 else ():
                if offset.grad is not None:
                    offset.grad /= scale
        optimizer.step()
        with torch.no_grad():
            moved = sum_offsets(start, offsets)
            inside = moved.maximum(generator.low).minimum(generator.high)
            offsets[0].add_(inside - moved)
            average.mul_(smoothing).add_(changed(inside, only_exposed), alpha=1 - smoothing)
        return value.detach()

    prepared: tuple[int, StepFunction] | None = None  # of the current level only: it holds memory
    for step in range(steps):
        set_step_sizes(optimizer, step_size * generator.unit, step, steps)
        level, only_exposed = level_at(step), exposed is not None and step < steps // 3
        if prepared is None or prepared[0] != level:
            run_all = partial(run_step, only_exposed=False, level=level)
            prepared = None
            prepared = level, run_all if steps - step < WORTH_RECORDING else runner.prepare(run_all)
        run = prepared[1]
        if only_exposed:  # too few to be worth a recording
            run = partial(run_step, only_exposed=True, level=level)
        value = run(cutouts_at(step))
        total_weight = total_weight * smoothing + (1 - smoothing)
        yield Step(step + 1, steps, value, average / total_weight)


def make_adam(offsets: list[Tensor], *, capturable: bool) -> torch.optim.Adam:
    """Adam with a group for each level of offsets; `set_step_sizes` sets their step sizes.

    A `capturable` one keeps its step sizes as tensors, which a CUDA graph reads when it is
    replayed.
    """
    rates = [offset.new_zeros(()) if capturable else 0.0 for offset in offsets]
    groups = [{"params": [o], "lr": rate} for o, rate in zip(offsets, rates, strict=True)]
    return torch.optim.Adam(groups, betas=BETAS, capturable=capturable)


def set_step_sizes(optimizer: torch.optim.Adam, step_size: float, step: int, steps: int) -> None:
    """Set each level's step size for one step."""
    for group, share in zip(optimizer.param_groups, LEVEL_STEPS, strict=True):
        size = step_size_at(step_size * share, step, steps)
        group["lr"] = group["lr"].fill_(size) if isinstance(group["lr"], Tensor) else size


def step_size_at(size: float, step: int, steps: int) -> float:
    """The size of one step. It rises over the first third of the steps, at most eight, while Adam's
    averages are still poor, and falls linearly to about a fifth, so that the keyframe settles."""
    rise = max(1.0, min(8.0, steps / 3))
    return size * (1 - 0.8 * step / steps) * min(1.0, (step + 1) / rise)


def zero_offsets(latent: Tensor) -> list[Tensor]:
    """Zeros (B, C, h, w), and at a half, a quarter and an eighth of the latent's size."""
    height, width = latent.shape[-2:]
    return [
        latent.new_zeros(*latent.shape[:2], max(1, height >> level), max(1, width >> level))
        for level in range(len(LEVEL_STEPS))
    ]


def sum_offsets(start: Tensor, offsets: list[Tensor]) -> Tensor:
    """The start (B, C, h, w) plus all offsets, upsampled to its size."""
    size = start.shape[-2:]
    coarse = (
        F.interpolate(offset, size=size, mode="bilinear", align_corners=False)
        for offset in offsets[1:]
    )
    return start + offsets[0] + sum(coarse)
