"""The losses of a keyframe, one function each, and their weighted sum.

A new loss is a function here with its row in `LOSSES`, its weight in `LOSS_WEIGHTS`
(storyboard/model.py) and its help in `LOSS_MEANINGS` (storyboard/loss_weights.py). It computes with
tensors only: reading a value back to the host makes CUDA graphs impossible. Every loss is a scalar
tensor (). d is the perceptor's own `distance`: from 0 to π²/2 for a CLIP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from kornia.filters import sobel
from torch import Tensor
from torch.nn import functional as F

from render.synthesis.cutouts import Cutouts, cut_out, region_shares
from render.synthesis.perceptor import Perceptor
from render.synthesis.picture_statistics import palette_of, sharpness_of
from render.synthesis.targets import LatentTarget, PromptTarget


@dataclass(frozen=True)
class LossInputs:
    """All that a loss can depend on in one step."""

    latent: Tensor  # (B, C, h, w)
    codes: Tensor  # (B, C, h, w): the latent quantised, with a straight-through gradient
    picture: Tensor  # (B, 3, H, W) in [0, 1]
    parent: Tensor | None  # (B, 3, H, W): the parent's picture, warped to this keyframe's camera
    parent_latent: Tensor | None  # (B, C, h, w): the parent's latent, moved likewise
    cutouts: Cutouts
    prompt_targets: tuple[PromptTarget, ...]  # one for each perceptor
    latent_targets: tuple[LatentTarget, ...] = ()
    palette: Tensor | None = None  # (2, 3): `palette_of` the picture whose colours are kept
    sharpness: Tensor | None = None  # (): `sharpness_of` the shot's first keyframe
    unit: float = 1.0  # the generator's, in which losses measure latents
    level: int = 0  # how often the picture is halved

    @cached_property
    def picture_palette(self) -> Tensor:
        """The palette (2, 3) of the picture."""
        return palette_of(self.picture)

    @cached_property
    def embeddings(self) -> tuple[Tensor, ...]:
        """The embeddings (n, D) of the picture's cutouts, for each prompt target's perceptor."""
        return tuple(
            embed_picture(self.picture, self.cutouts, prompt_target.perceptor)
            for prompt_target in self.prompt_targets
        )


def embed_picture(picture: Tensor, cutouts: Cutouts, perceptor: Perceptor) -> Tensor:
    """Returns a perceptor's embeddings (n, D) of the cutouts of a picture (B, 3, H, W)."""
    return perceptor.embed_cutouts(cut_out(picture, cutouts, perceptor.side))


class _GradientAboveStop(torch.autograd.Function):
    """Passes a value on unchanged, and its gradient only where the value is not below its stop."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, stop: Tensor) -> Tensor:
        """Returns the value; `stop` has a shape that broadcasts to its shape."""
        ctx.save_for_backward(value >= stop)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Returns the gradient of the value, 0 below the stop, and none of the stop."""
        (passes,) = ctx.saved_tensors
        return gradient * passes, None


def prompts(inputs: LossInputs) -> Tensor:
    """How far the cutouts are from the prompts, with weights, signs and stops.

    For each perceptor, times its weight and its pull in this keyframe: the mean over the cutouts of
    Σ |w|/Σ|w| · sign(w) · d over the prompts, so that doubling every weight changes nothing. A
    negative weight pushes the picture away. Latent targets are added with as much weight as all
    perceptors together. For a CLIP from -π²/2 to π²/2, for a classifier about from -1 to 1. After
    K. Crowson's notebook (VQGAN-CLIP, arXiv 2204.08583).
    """
    total = inputs.picture.new_zeros(())
    for term in _prompt_terms(inputs):
        total = total + term
    for term in _latent_terms(inputs):
        total = total + term
    return total


def _prompt_terms(inputs: LossInputs) -> Iterator[Tensor]:
    """Yields the loss () of texts and images for each perceptor."""
    latent_weights = sum(latent_target.weight.abs() for latent_target in inputs.latent_targets)
    for prompt_target, embeddings in zip(inputs.prompt_targets, inputs.embeddings, strict=True):
        targets = prompt_target.embeddings[None]
        distances = prompt_target.perceptor.distance(embeddings[:, None], targets)  # (n, p)
        signed = distances * prompt_target.weights.sign()
        stopped = _GradientAboveStop.apply(signed, prompt_target.stops)
        strength = prompt_target.weights.abs() / (
            prompt_target.weights.abs().sum() + latent_weights
        )
        if prompt_target.masks is not None:
            shares = region_shares(prompt_target.masks, inputs.cutouts)
            seen = inputs.cutouts.sides[prompt_target.perceptor.side].seen
            strength = strength * region_strength(shares[seen])
        yield prompt_target.pull * (stopped * strength).sum(1).mean()


def _latent_terms(inputs: LossInputs) -> Iterator[Tensor]:
    """Yields the loss () of each latent target."""
    if not inputs.latent_targets:
        return
    latent_weights = sum(latent_target.weight.abs() for latent_target in inputs.latent_targets)
    perceptor_weights = sum(prompt_target.weight for prompt_target in inputs.prompt_targets) or 1.0
    all_weights = latent_weights + sum(
        prompt_target.weights.abs().sum() for prompt_target in inputs.prompt_targets[:1]
    )
    for latent_target in inputs.latent_targets:
        signed = latent_target.distance(inputs.latent) * latent_target.weight.sign()
        stopped = _GradientAboveStop.apply(signed, latent_target.stop)
        yield perceptor_weights * latent_target.weight.abs() / all_weights * stopped


def region_strength(shares: Tensor) -> Tensor:
    """Returns how much each prompt counts in each cutout, from the shares of the cutouts that lie
    in the prompts' regions: (n, p) in [0, 1] to (n, p), 1 on average over the cutouts.

    The shares are squared, so that a cutout across two regions counts little for either; divided by
    their mean, so that a prompt is as strong in a corner as it is everywhere. A region that no
    cutout touches counts nowhere.
    """
    square = shares.square()
    return square / square.mean(0).clamp_min(1e-6)


def smoothness(inputs: LossInputs) -> Tensor:
    """How much neighbouring pixels differ: squared total variation.

    The mean squared difference of vertical neighbours plus that of horizontal ones, 0 to 2; of a
    halved picture as if of the whole one, whose neighbours are half as far apart.
    """
    picture = inputs.picture
    total: Tensor = (picture[..., 1:, :] - picture[..., :-1, :]).square().mean() + (
        picture[..., :, 1:] - picture[..., :, :-1]
    ).square().mean()
    return total / 4.0**inputs.level


def commitment(inputs: LossInputs) -> Tensor:
    """How far the latent is from its codes: their MSE in units, from 0 (VQ-VAE, arXiv 1711.00937).

    Near its code, a small step of the latent can change the code.
    """
    return F.mse_loss(inputs.latent, inputs.codes.detach()) / inputs.unit**2


def decay(inputs: LossInputs) -> Tensor:
    """How large the latent is: the mean square in units, from 0 (nerdyrodent's VQGAN-CLIP)."""
    return inputs.latent.square().mean() / inputs.unit**2


def hold(inputs: LossInputs) -> Tensor:
    """How far the pixels are from the warped parent picture: the MSE, 0 to 1.

    0 without a parent.
    """
    if inputs.parent is None:
        return inputs.picture.new_zeros(())
    return F.mse_loss(inputs.picture, inputs.parent)


def latent(inputs: LossInputs) -> Tensor:
    """How far the latent is from the warped parent's latent: the MSE in units, from 0; 0 without a
    parent.

    Calmer than `hold`, and coarser.
    """
    if inputs.parent_latent is None:
        return inputs.picture.new_zeros(())
    return F.mse_loss(inputs.latent, inputs.parent_latent) / inputs.unit**2


def likeness(inputs: LossInputs) -> Tensor:
    """How far the perceptors find the picture from the warped parent picture; pixels may change.

    For each perceptor, times its weight: the mean of its `difference` between the embeddings of the
    same cutouts of both pictures, 0 to π²/2; 0 without a parent.
    """
    total = inputs.picture.new_zeros(())
    if inputs.parent is None:
        return total
    for prompt_target, embeddings in zip(inputs.prompt_targets, inputs.embeddings, strict=True):
        with torch.no_grad():
            parent = embed_picture(inputs.parent, inputs.cutouts, prompt_target.perceptor)
        difference = prompt_target.perceptor.difference(embeddings, parent)
        total = total + prompt_target.weight * difference.mean()
    return total


def edges(inputs: LossInputs) -> Tensor:
    """How far the outlines are from those of the warped parent picture; colours may change.

    The MSE of the magnitudes of Sobel's gradients, 0 to 1/2; 0 without a parent.
    """
    if inputs.parent is None:
        return inputs.picture.new_zeros(())
    difference: Tensor = F.mse_loss(sobel(inputs.picture), sobel(inputs.parent))
    return difference / 4.0**inputs.level


def colours(inputs: LossInputs) -> Tensor:
    """How far the colours are from the palette's.

    The MSE of the means and standard deviations of CIELAB's a and b, in hundredths, from 0; 0
    without a palette. After colour transfer (Reinhard et al. 2001, see `palette_of`).
    """
    return _palette_difference(inputs, (slice(None), slice(1, 3)))


def brightness(inputs: LossInputs) -> Tensor:
    """How far the mean lightness is from the palette's.

    The squared difference of the means of CIELAB's L, 0 to 1; 0 without a palette. As `colours`.
    """
    return _palette_difference(inputs, (0, slice(0, 1)))


def contrast(inputs: LossInputs) -> Tensor:
    """How far the contrast is from the palette's.

    The squared difference of the standard deviations of CIELAB's L, 0 to about 1/4; 0 without a
    palette. As `colours`.
    """
    return _palette_difference(inputs, (1, slice(0, 1)))


def sharpness(inputs: LossInputs) -> Tensor:
    """How much sharpness is lost since the shot's first keyframe.

    The squared logarithm of the ratio of the two (see `sharpness_of`), from 0; 0 where the picture
    is no less sharp, and in the first keyframe itself. Render's own.

    A zoom magnifies all detail, and a dozen steps do not paint what is then missing: without this
    loss, thirty seconds of zoom leave a third of the first second's sharpness. Resampling is not
    the cause; the same happens to latents that are carried over exactly.
    """
    if inputs.sharpness is None:
        return inputs.picture.new_zeros(())
    own = sharpness_of(inputs.picture).clamp_min(1e-8)
    return (own / inputs.sharpness.clamp_min(1e-8)).log().clamp(max=0).square()


def _palette_difference(inputs: LossInputs, part: tuple[int | slice, slice]) -> Tensor:
    """Returns the MSE () of a part of the palettes (2, 3) of the picture and of the inputs.

    0 for the shot's first keyframe, which has no palette to keep unless a picture is given.
    """
    if inputs.palette is None:
        return inputs.picture.new_zeros(())
    return F.mse_loss(inputs.picture_palette[part], inputs.palette[part])


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


def active_weights(
    weights: tuple[tuple[str, float], ...], device: torch.device
) -> tuple[tuple[str, Tensor], ...]:
    """Returns the losses whose weight is not 0, each with its weight () on the device."""
    return tuple(
        (name, torch.tensor(weight, device=device)) for name, weight in weights if weight != 0
    )


def weighted_sum(inputs: LossInputs, weights: Iterable[tuple[str, float | Tensor]]) -> Tensor:
    """Returns the loss () that a keyframe minimises: the sum of these (name, weight) losses."""
    total = inputs.picture.new_zeros(())
    for name, weight in weights:
        total = total + weight * LOSSES[name](inputs)
    return total
