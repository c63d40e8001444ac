"""What makes a picture good: one function each, and their weighted sum.

A new loss is a name with its weight in `language.LOSSES` and a function of the same name here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from kornia.filters import sobel
from torch import Tensor
from torch.nn import functional as F

from render.synthesis.cutouts import Cutouts, cut_out, region_shares
from render.synthesis.perceptor import Perceptor
from render.synthesis.statistics import palette_of, sharpness_of
from render.synthesis.targets import LatentTarget, PromptTarget


@dataclass(frozen=True)
class LossInputs:
    """All that a loss may look at in one step."""

    latent: Tensor  # (B, C, h, w)
    codes: Tensor  # (B, C, h, w), the latent quantised, straight-through
    picture: Tensor  # (B, 3, H, W) in [0, 1]
    parent: Tensor | None  # (B, 3, H, W): the keyframe before, as the camera sees it now
    parent_latent: Tensor | None  # (B, C, h, w): its latent, moved along
    cutouts: Cutouts
    prompt_targets: tuple[PromptTarget, ...]
    latent_targets: tuple[LatentTarget, ...] = ()
    palette: Tensor | None = None  # (2, 3): what `palette_of` says of the picture to keep to
    sharpness: Tensor | None = None  # (): what `sharpness_of` says of the shot's first keyframe

    @cached_property
    def palette_now(self) -> Tensor:
        """What `palette_of` says of the picture."""
        return palette_of(self.picture)

    @cached_property
    def seen(self) -> tuple[Tensor, ...]:
        """The views as each wish's perceptor understands them, (n, D)."""
        return tuple(
            embed_picture(self.picture, self.cutouts, prompt_target.perceptor)
            for prompt_target in self.prompt_targets
        )


def embed_picture(picture: Tensor, cutouts: Cutouts, perceptor: Perceptor) -> Tensor:
    """What a perceptor makes of each view of a picture (B, 3, H, W): (n, D), unit length."""
    return perceptor.embed_cutouts(cut_out(picture, cutouts, perceptor.side))


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared great-circle distance of unit vectors, 2·asin(|a-b|/2)², in 0..π²/2."""
    # Bounded away from 1, where asin's slope has no end: opposite vectors would give NaN.
    chord: Tensor = (a - b).norm(dim=-1).div(2).clamp(max=1 - 1e-6)
    return chord.arcsin().square().mul(2)


class _StopGradient(torch.autograd.Function):
    """The value passes unchanged; the gradient ends where the value is below its stop."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, stop: Tensor) -> Tensor:
        ctx.save_for_backward(value >= stop)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (pulls,) = ctx.saved_tensors
        return gradient * pulls, None


def prompts(inputs: LossInputs) -> Tensor:
    """How far every view is from what the prompts ask, with sign, weight and stop (K. Crowson).

    A negative weight turns the sign, so that the picture moves away. Divided by the sum of the
    weights' sizes: doubling every weight changes nothing. Latents pull beside them, by as much as
    all perceptors together.
    """
    total = inputs.picture.new_zeros(())
    latent_targets = sum(abs(latent_target.weight) for latent_target in inputs.latent_targets)
    for prompt_target, embeddings in zip(inputs.prompt_targets, inputs.seen, strict=True):
        far = distance(embeddings[:, None], prompt_target.targets[None])  # (n, p)
        signed = _StopGradient.apply(far * prompt_target.weights.sign(), prompt_target.stops)
        strength = prompt_target.weights.abs() / (
            prompt_target.weights.abs().sum() + latent_targets
        )
        if prompt_target.masks is not None:
            strength = strength * region_strength(
                region_shares(prompt_target.masks, inputs.cutouts)
            )
        total = total + prompt_target.weight * (signed * strength).sum(1).mean()
    if inputs.latent_targets:
        perceptors = sum(prompt_target.weight for prompt_target in inputs.prompt_targets) or 1.0
        all_weights = latent_targets + sum(
            prompt_target.weights.abs().sum() for prompt_target in inputs.prompt_targets[:1]
        )
        for latent_target in inputs.latent_targets:
            signed = latent_target.distance(inputs.latent) * math.copysign(1, latent_target.weight)
            pull = _StopGradient.apply(signed, torch.full_like(signed, latent_target.stop))
            total = total + perceptors * abs(latent_target.weight) / all_weights * pull
    return total


def region_strength(shares: Tensor) -> Tensor:
    """How much each view is a prompt's business, by what it sees of the prompt's region.

    (n, p) in [0, 1] to (n, p), 1 on average: squared, so that a view of both halves has little to
    say of either, and a prompt is as strong in a corner as it is everywhere. A region that no view
    sees concerns none.
    """
    square = shares.square()
    return square / square.mean(0).clamp_min(1e-6)


def smoothness(inputs: LossInputs) -> Tensor:
    """Total variation, squared: neighbouring pixels are alike."""
    picture = inputs.picture
    return (picture[..., 1:, :] - picture[..., :-1, :]).square().mean() + (
        picture[..., :, 1:] - picture[..., :, :-1]
    ).square().mean()


def commitment(inputs: LossInputs) -> Tensor:
    """The latent stays near the code that stands for it, so that its next step is felt."""
    return F.mse_loss(inputs.latent, inputs.codes.detach())


def decay(inputs: LossInputs) -> Tensor:
    """The latent stays small: the MSE towards nothing of nerdyrodent's VQGAN-CLIP notebook."""
    return inputs.latent.square().mean()


def hold(inputs: LossInputs) -> Tensor:
    """Stay near the keyframe before, as the camera sees it now; 0 where a chain starts."""
    if inputs.parent is None:
        return inputs.picture.new_zeros(())
    return F.mse_loss(inputs.picture, inputs.parent)


def latent(inputs: LossInputs) -> Tensor:
    """Stay near the latent of the keyframe before, moved along: calmer than `hold`, and coarser."""
    if inputs.parent_latent is None:
        return inputs.picture.new_zeros(())
    return F.mse_loss(inputs.latent, inputs.parent_latent)


def likeness(inputs: LossInputs) -> Tensor:
    """Stay what the keyframe before was to the perceptors, view by view; the pixels may change."""
    total = inputs.picture.new_zeros(())
    if inputs.parent is None:
        return total
    for prompt_target, embeddings in zip(inputs.prompt_targets, inputs.seen, strict=True):
        with torch.no_grad():
            before = embed_picture(inputs.parent, inputs.cutouts, prompt_target.perceptor)
        total = total + prompt_target.weight * distance(embeddings, before).mean()
    return total


def edges(inputs: LossInputs) -> Tensor:
    """Keep the outlines of the keyframe before, by Sobel's operator; the colours may change."""
    if inputs.parent is None:
        return inputs.picture.new_zeros(())
    return F.mse_loss(sobel(inputs.picture), sobel(inputs.parent))


def colours(inputs: LossInputs) -> Tensor:
    """Keep the palette's colours: the mean and deviation of CIELAB's a and b."""
    return _palette_difference(inputs, (slice(None), slice(1, 3)))


def brightness(inputs: LossInputs) -> Tensor:
    """Be as light as the palette on the whole: the mean of CIELAB's L."""
    return _palette_difference(inputs, (0, slice(0, 1)))


def contrast(inputs: LossInputs) -> Tensor:
    """Be as rich in light and dark as the palette: the deviation of CIELAB's L."""
    return _palette_difference(inputs, (1, slice(0, 1)))


def sharpness(inputs: LossInputs) -> Tensor:
    """Be no less sharp than the shot's first keyframe: the square of the logarithm of what is lost.

    A zoom magnifies all that is there, and a dozen steps do not paint what is missing then: without
    this, thirty seconds of zoom leave a third of the first second's sharpness, and resampling is
    not why (the same happens to latents that are carried over exactly).
    """
    if inputs.sharpness is None:
        return inputs.picture.new_zeros(())
    now = sharpness_of(inputs.picture).clamp_min(1e-8)
    return (now / inputs.sharpness.clamp_min(1e-8)).log().clamp(max=0).square()


def _palette_difference(inputs: LossInputs, part: tuple[int | slice, slice]) -> Tensor:
    if inputs.palette is None:  # the shot's first keyframe is the palette
        return inputs.picture.new_zeros(())
    return F.mse_loss(inputs.palette_now[part], inputs.palette[part])


LOSSES: dict[str, Callable[[LossInputs], Tensor]] = {
    "prompts": prompts,
    "smoothness": smoothness,
    "commitment": commitment,
    "decay": decay,
    "hold": hold,
    "latent": latent,
    "likeness": likeness,
    "edges": edges,
    "colours": colours,
    "brightness": brightness,
    "contrast": contrast,
    "sharpness": sharpness,
}


def weighted_sum(inputs: LossInputs, weights: tuple[tuple[str, float], ...]) -> Tensor:
    """The one number that a keyframe goes down."""
    total = inputs.picture.new_zeros(())
    for name, weight in weights:
        if weight != 0:
            total = total + weight * LOSSES[name](inputs)
    return total
