"""What both trainings share: a time budget, checkpoints that survive a kill, progress, Muon."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint beside the old one, then take its place."""
    temporary = path.with_suffix(".partial")
    torch.save(content, temporary)
    os.replace(temporary, path)


class Clock:
    """Training time against its budget; counts on over interruptions."""

    def __init__(self, minutes: float, elapsed: float = 0.0) -> None:
        self.budget = minutes * 60
        self.before = elapsed
        self.start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds trained, those of earlier runs included."""
        return self.before + time.monotonic() - self.start

    @property
    def share(self) -> float:
        """How much of the budget is used, 0 to 1."""
        return min(1.0, self.elapsed / self.budget)

    def rate(self, step: int, warm_up: int, final: float = 0.02) -> float:
        """The learning rate's factor: a short rise, then a cosine to the end of the budget."""
        fall = 0.5 * (1 + math.cos(math.pi * self.share)) * (1 - final) + final
        return min(1.0, (step + 1) / warm_up) * fall


class Averages:
    """Running means of the figures shown, over about 50 steps."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def add(self, **figures: Any) -> None:
        """Take one step's figures in."""
        for name, value in figures.items():
            number = float(value)
            self.values[name] = 0.98 * self.values.get(name, number) + 0.02 * number

    def line(self) -> str:
        """The figures in a line."""
        return "  ".join(f"{name} {value:.4f}" for name, value in self.values.items())


def report(name: str, step: int, clock: Clock, averages: Averages) -> None:
    """One progress line."""
    left = (clock.budget - clock.elapsed) / 60
    sys.stderr.write(
        f"{name}  step {step}  {clock.share:4.0%}  {left:.0f} min left  {averages.line()}\n"
    )
    sys.stderr.flush()


class MovingAverage:
    """An exponential moving average of a model's floating-point state."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int, copied: tuple[str, ...] = ()) -> None:
        """Move towards the model; entries whose name starts as in `copied` are taken over."""
        decay = min(self.decay, step / (step + 20))
        for name, value in model.state_dict().items():
            if value.is_floating_point() and not name.startswith(copied or ("\0",)):
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)


def orthogonal(matrix: Tensor, rounds: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly: Newton-Schulz with Muon's coefficients."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (matrix / (matrix.norm() + 1e-7)).bfloat16()
    turned = x.shape[0] > x.shape[1]
    x = x.t() if turned else x
    for _ in range(rounds):
        square = x @ x.t()
        x = a * x + (b * square + c * square @ square) @ x
    return (x.t() if turned else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised (Jordan et al. 2024); for convolution weights."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.9) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step on every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                speed = state.setdefault("speed", torch.zeros_like(parameter))
                speed.mul_(group["momentum"]).add_(parameter.grad)
                ahead = parameter.grad + group["momentum"] * speed
                update = orthogonal(ahead.reshape(len(ahead), -1))
                update *= max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                parameter.add_(update.view_as(parameter), alpha=-group["lr"])
