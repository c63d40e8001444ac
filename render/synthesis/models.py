"""The frozen networks of one film, on the device that computes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from render.generators.vqgan import Generator
from render.plan.arithmetic import PLAIN, Arithmetic
from render.plan.memory import HOST_MEMORY, MemoryBudget
from render.synthesis.optimize import ONE_BY_ONE, StepRunner
from render.synthesis.perceptor import Perceptor, seen_sides


@dataclass(frozen=True)
class Models:
    """A generator and perceptors with their weights. Text towers stay in main memory."""

    generator: Generator
    perceptors: tuple[tuple[Perceptor, float], ...]
    memory_budget: MemoryBudget = HOST_MEMORY  # for their steps
    arithmetic: Arithmetic = PLAIN  # how they compute, which a latent's note says
    runner: StepRunner = ONE_BY_ONE  # how their steps are launched
    recording_failed: bool = False  # recording steps as a CUDA graph was tried and failed

    @property
    def device(self) -> torch.device:
        """Where pictures and latents are computed."""
        return self.generator.device

    @property
    def sides(self) -> dict[int, float]:
        """The sides of the perceptors' cutouts in pixels, each with the share that is seen."""
        return seen_sides(perceptor for perceptor, _ in self.perceptors)
