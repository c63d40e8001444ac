"""The sketch: a picture drawn in pixels, which a chain of keyframes starts from.

In the latent of a small generator a classifier raises its logits by combs and cells, and its object
comes late and out of place. In pixels a robust classifier draws whole things in their own colours
(Santurkar et al. 2019, arXiv 1906.09453), and a step takes a third of the time, because no
generator is asked. Encoded, the sketch loses its noise and keeps its layout; the steps of the
keyframe then paint it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from render.generators.clamp import clamp_with_gradient
from render.generators.generator import Generator, Start
from render.generators.warp import View, warp
from render.plan.camera import Matrix
from render.plan.cost import sketch_cutouts
from render.plan.key import derived_seed
from render.plan.plan import Keyframe, Plan
from render.synthesis.cutouts import Cutouts, sample_cutouts
from render.synthesis.losses import LossInputs, weighted_sum
from render.synthesis.optimize import optimize
from render.synthesis.targets import PromptTarget, resized_masks

SKETCH_SIDE = 128  # pixels of the shorter side
STEP_SIZE = 0.05  # of colours in 0 to 1
LOSSES = (("prompts", 1.0), ("smoothness", 80.0))
CUTOUT_SIZE = (0.6, 1.05)  # large ones, so that things are drawn whole


@dataclass(frozen=True)
class SketchStep:
    """The state after one step of a sketch."""

    index: int  # 1..steps
    steps: int
    loss: Tensor  # ()
    picture: Tensor  # (1, 3, H, W) in [0, 1]: the running average


class Raster(Generator):
    """What a sketch is drawn in: a latent is a picture (B, 3, H, W), its colours in 0 to 1."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        # Colours may leave 0 to 1 a little, so that their gradient does not end at the bounds.
        self.register_buffer("low", torch.full((3, 1, 1), -0.2, device=device))
        self.register_buffer("high", torch.full((3, 1, 1), 1.2, device=device))

    def encode(self, picture: Tensor) -> Tensor:
        """Returns the picture as it is."""
        return picture

    def seen(self, latent: Tensor, matrix: Matrix, border: str) -> Tensor:
        """Returns the picture warped."""
        return warp(latent, matrix, border)

    def warm_start(self, parent: Tensor, view: View) -> Start:
        """Returns the picture warped."""
        return self.start_from(parent, view)

    def paint(self, codes: Tensor, *, step: bool = False, level: int = 0) -> Tensor:
        """Returns the picture in [0, 1]."""
        return clamp_with_gradient(codes)


def sketch_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns the (width, height) of the sketch for a picture of this size."""
    scale = min(1.0, SKETCH_SIDE / min(size))
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def sketch(
    plan: Plan, keyframe: Keyframe, prompt_targets: tuple[PromptTarget, ...], start: Tensor
) -> Iterator[SketchStep]:
    """Draws a keyframe's prompts from a start (1, 3, H, W) in [0, 1]; yields after every step.

    Steps are launched one by one on a GPU too: recording them has not been tried there.
    """
    settings, size, device = keyframe.settings, sketch_size(plan.size), start.device
    small = F.interpolate(start, size=size[::-1], mode="area")
    masked = tuple(resized_masks(target, size) for target in prompt_targets)
    sides = dict.fromkeys((target.perceptor.side for target in prompt_targets), 1.0)
    raster = Raster(device)

    def cutouts_at(step: int) -> Cutouts:
        seed = derived_seed(keyframe.seed, "sketch", step)
        count = sketch_cutouts(settings.cutouts)
        draw = sample_cutouts(count, size, CUTOUT_SIZE, seed)
        return draw.on(device, min(size), sides)

    def loss(
        latent: Tensor, codes: Tensor, picture: Tensor, cutouts: Cutouts, constants: object
    ) -> Tensor:
        inputs = LossInputs(latent, codes, picture, None, None, cutouts, masked)
        return weighted_sum(inputs, LOSSES)

    for step in optimize(
        small,
        raster,
        cutouts_at,
        loss,
        steps=keyframe.steps,
        step_size=STEP_SIZE,
        smoothing=settings.smoothing,
    ):
        yield SketchStep(step.index, step.steps, step.loss, step.average.clamp(0, 1))
