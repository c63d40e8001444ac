"""What both trainings share: a time budget, checkpoints, progress lines, averages, Muon."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes a checkpoint whole: beside the old one first, then in its place."""
    temporary = path.with_suffix(".partial")
    torch.save(content, temporary)
    os.replace(temporary, path)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes a safetensors file whole: beside the old file first, then in its place."""
    temporary = path.with_suffix(".safetensors.partial")
    save_file(tensors, str(temporary), metadata)
    temporary.chmod(0o644)
    os.replace(temporary, path)


class Clock:
    """The training time and its budget. `elapsed` is the seconds of earlier runs."""

    def __init__(self, minutes: float, elapsed: float = 0.0) -> None:
        self.budget = minutes * 60
        self.before = elapsed
        self.start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """The seconds trained, earlier runs included."""
        return self.before + time.monotonic() - self.start

    @property
    def share(self) -> float:
        """The share of the budget that is used, 0 to 1."""
        return min(1.0, self.elapsed / self.budget)

    def rate(self, step: int, warm_up: int, final: float = 0.02) -> float:
        """Returns the factor of the learning rate: it rises linearly over `warm_up` steps and falls
        along a cosine to `final` at the end of the budget."""
        fall = 0.5 * (1 + math.cos(math.pi * self.share)) * (1 - final) + final
        return min(1.0, (step + 1) / warm_up) * fall


class Averages:
    """Running means of the figures in the progress lines, over about 50 steps."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def add(self, **figures: Any) -> None:
        """Adds the figures of one step."""
        for name, value in figures.items():
            number = float(value)
            self.values[name] = 0.98 * self.values.get(name, number) + 0.02 * number

    def line(self) -> str:
        """Returns the figures as one line of text."""
        return "  ".join(f"{name} {value:.4f}" for name, value in self.values.items())


def report(name: str, step: int, clock: Clock, averages: Averages) -> None:
    """Writes one progress line to stderr."""
    left = (clock.budget - clock.elapsed) / 60
    sys.stderr.write(
        f"{name}  step {step}  {clock.share:4.0%}  {left:.0f} min left  {averages.line()}\n"
    )
    sys.stderr.flush()


class MovingAverage:
    """The exponential moving average of a model's floating-point state."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int, copied: tuple[str, ...] = ()) -> None:
        """Moves the average towards the model; entries whose name begins with one of `copied` are
        copied."""
        decay = min(self.decay, step / (step + 20))
        for name, value in model.state_dict().items():
            if value.is_floating_point() and not name.startswith(copied or ("\0",)):
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)


def orthogonal(matrix: Tensor, rounds: int = 5) -> Tensor:
    """Returns about the nearest semi-orthogonal matrix, by Newton-Schulz iterations with Muon's
    coefficients."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (matrix / (matrix.norm() + 1e-7)).bfloat16()
    transposed = x.shape[0] > x.shape[1]
    x = x.t() if transposed else x
    for _ in range(rounds):
        square = x @ x.t()
        x = a * x + (b * square + c * square @ square) @ x
    return (x.t() if transposed else x).float()


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024): momentum with orthogonalised updates, for convolution weights."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.9) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Updates every parameter that has a gradient."""
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
