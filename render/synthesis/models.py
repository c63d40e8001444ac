"""The frozen networks of one film, on their device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from render.generators.vqgan import Generator
from render.plan.memory import HOST_MEMORY, MemoryBudget
from render.synthesis.perceptor import Perceptor


@dataclass(frozen=True)
class Models:
    """The frozen networks of one film, on their device (but what reads texts: that stays)."""

    generator: Generator
    perceptors: tuple[tuple[Perceptor, float], ...]  # with their weights
    budget: MemoryBudget = HOST_MEMORY  # for their steps
    recorded: bool | None = None  # whether steps are launched whole; None if it was not tried

    @property
    def device(self) -> torch.device:
        return self.generator.low.device

    @property
    def sides(self) -> tuple[int, ...]:
        """Of the perceptors' views, in pixels."""
        return tuple(dict.fromkeys(perceptor.side for perceptor, _ in self.perceptors))
