"""The frozen networks of one film, on the device that computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from render.generators.generator import Generator
from render.generators.vqgan import VQGAN
from render.plan.arithmetic import PLAIN, Arithmetic
from render.plan.memory import HOST_MEMORY, MemoryBudget
from render.synthesis.optimize import ONE_BY_ONE, StepRunner
from render.synthesis.perceptor import Perceptor, seen_sides


@dataclass(frozen=True)
class Models:
    """Generators and perceptors with their weights. Text towers stay in main memory."""

    generators: tuple[Generator, ...]
    perceptors: tuple[tuple[Perceptor, float], ...]
    memory_budget: MemoryBudget = HOST_MEMORY  # for their steps
    arithmetic: Arithmetic = PLAIN  # how they compute, which a latent's note says
    runner: StepRunner = ONE_BY_ONE  # how their steps are launched
    say: Callable[[str], None] = lambda sentence: None  # is told what a user should know
    recording_failed: bool = False  # recording steps as a CUDA graph was tried and failed

    @property
    def device(self) -> torch.device:
        """Where pictures and latents are computed."""
        return self.generators[0].device

    @property
    def networks(self) -> list[VQGAN]:
        """Those of its generators that are networks."""
        return [one for one in self.generators if isinstance(one, VQGAN)]

    @property
    def network(self) -> VQGAN:
        """The first of them; raises IndexError if there is none."""
        return self.networks[0]

    def halve_cutouts(self, most: int) -> bool:
        """Let the perceptors take half as many cutouts at once, of a step that has `most`; returns
        False where they take one already. The pictures are alike, their last bits are not."""
        halved = False
        for perceptor, _ in self.perceptors:
            now = min(perceptor.at_once or most, most)
            if now > 1:
                # A power of two: parts of another size would round differently.
                perceptor.at_once = 1 << (now - 1).bit_length() - 1
                halved = True
        self.runner.forget()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return halved

    def runner_of(self, generator: Generator) -> StepRunner:
        """How the steps of a generator are launched."""
        return self.runner if generator.is_network else ONE_BY_ONE

    @property
    def sides(self) -> dict[int, float]:
        """The sides of the perceptors' cutouts in pixels, each with the share that is seen."""
        return seen_sides(perceptor for perceptor, _ in self.perceptors)
