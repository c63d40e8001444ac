"""What a keyframe is optimised towards: embedded prompts and stored latents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from render.generators.generator import Generator
from render.plan.plan import ActivePrompt, Keyframe, Plan
from render.synthesis.cutouts import cut_out, sample_cutouts
from render.synthesis.images import fill, load_image, region_mask
from render.synthesis.latents import LatentError, load_latent
from render.synthesis.models import Models
from render.synthesis.perceptor import Perceptor
from render.weights.kinds import latent_shape

PromptSource = tuple[str | None, Path | None]  # of a prompt: its text or its image


@dataclass(frozen=True)
class FilmTargets:
    """The targets of all keyframes of a film, read and embedded once."""

    embedded: tuple[dict[PromptSource, Tensor], ...]  # for each perceptor: (D,)
    # (1, C, h, w), by their files and the index of the generator that they are for
    latents: dict[tuple[Path, int], Tensor]


@dataclass(frozen=True)
class PromptTarget:
    """The p texts and images of one keyframe, embedded by one perceptor."""

    perceptor: Perceptor
    weight: float  # of the perceptor in the film
    pull: Tensor  # (): that weight times its factor in this keyframe
    embeddings: Tensor  # (p, D): what the perceptor makes of them
    weights: Tensor  # (p,), signed
    stops: Tensor  # (p,): the loss of a prompt has no gradient below its stop; -inf is never
    masks: Tensor | None = None  # (p, 1, H, W) in [0, 1]: the prompts' regions; None is everywhere


@dataclass(frozen=True)
class LatentTarget:
    """A stored latent that the keyframe's latent is pulled towards, cell by cell."""

    latent: Tensor  # (1, C, h, w)
    weight: Tensor  # (), signed
    stop: Tensor  # (): a signed distance: there is no gradient below it; -inf is never
    spread: float  # the mean squared difference of two codes, at which the distance is 1
    mask: Tensor | None = None  # (1, 1, h, w) in [0, 1]: its region; None is everywhere

    def distance(self, latent: Tensor) -> Tensor:
        """Returns the mean squared difference () from a latent (1, C, h, w), in units of `spread`:
        0 for the same latent."""
        square = (latent - self.latent).square()
        if self.mask is None:
            return square.mean() / self.spread
        share = self.mask.expand_as(square)
        return (square * share).sum() / share.sum().clamp_min(1e-6) / self.spread


def embed_targets(plan: Plan, models: Models) -> FilmTargets:
    """Returns the targets of all keyframes of a plan; raises LatentError."""
    prompts = [prompt for keyframe in plan.keyframes for prompt in keyframe.prompts]
    sources = list(dict.fromkeys((p.text, p.image) for p in prompts if not p.latent))
    texts = [text for text, _ in sources if text is not None]
    images = [image for _, image in sources if image is not None]
    tables = []
    for perceptor, _ in models.perceptors:
        table: dict[PromptSource, Tensor] = {}
        if texts:
            table.update(
                zip([(text, None) for text in texts], perceptor.embed_texts(texts), strict=True)
            )
        for image in images:
            table[None, image] = embed_image(load_image(image, models.device), perceptor)
        tables.append(table)
    paths = dict.fromkeys(
        (prompt.latent, keyframe.generator)
        for keyframe in plan.keyframes
        for prompt in keyframe.prompts
        if prompt.latent
    )
    latents = {
        (path, index): load_latent_target(path, plan, models, index) for path, index in paths
    }
    return FilmTargets(tuple(tables), latents)


@torch.no_grad()
def load_latent_target(path: Path, plan: Plan, models: Models, index: int) -> Tensor:
    """Returns a stored latent of a generator, by its index, at the film's size, (1, C, h, w).

    One of another size is decoded, its picture scaled and cropped to the frame, and encoded. Raises
    LatentError for a latent of another generator.
    """
    generator = models.generators[index]
    shape = latent_shape(plan.models.generators[index].model, plan.size)
    latent = load_latent(path)[0].to(generator.device)
    if latent.shape[1] != len(generator.low) or not torch.isfinite(latent).all():
        raise LatentError(f"{path} is no latent of the film's generator; name another")
    if latent.shape[-2:] == shape[1:]:
        return latent
    return generator.encode(fill(generator.decode(latent), plan.size))


@torch.no_grad()
def embed_image(picture: Tensor, perceptor: Perceptor) -> Tensor:
    """Returns a perceptor's target (D,) of a picture (1, 3, H, W) in [0, 1], from sixteen seeded
    cutouts without noise."""
    height, width = picture.shape[-2:]
    draw = sample_cutouts(16, (width, height), (0.6, 1.0), seed=0, noise=0)
    cutouts = draw.on(picture.device, min(width, height), {perceptor.side: 1.0})
    seen = perceptor.embed_cutouts(cut_out(picture, cutouts, perceptor.side))
    return perceptor.embed_image(seen)


def make_prompt_targets(
    plan: Plan, keyframe: Keyframe, models: Models, targets: FilmTargets
) -> tuple[PromptTarget, ...]:
    """Returns the targets of a keyframe's texts and images, one for each perceptor that knows
    something of them; none if it has neither.

    For the loss `likeness` every perceptor takes part.
    """
    prompts = tuple(prompt for prompt in keyframe.prompts if not prompt.latent)
    if not prompts:
        return ()
    device = models.device
    masks = None
    if any(prompt.where for prompt in prompts):
        masks = torch.cat(
            [region_mask(prompt.where, prompt.moved, plan.size, device) for prompt in prompts]
        )
    weights = torch.tensor([prompt.weight for prompt in prompts], device=device)
    stops = torch.tensor([prompt.stop for prompt in prompts], device=device)
    prompt_targets = []
    for (perceptor, weight), table in zip(models.perceptors, targets.embedded, strict=True):
        if not (concerns(prompts, perceptor) or dict(keyframe.settings.losses)["likeness"]):
            continue
        embeddings = torch.stack([table[prompt.text, prompt.image] for prompt in prompts])
        pull = perceptor.first_pull
        if keyframe.parent is not None:
            pull = perceptor.later_pull + keyframe.change * (pull - perceptor.later_pull)
        strength = torch.tensor(weight * pull, device=device)
        own_stops = perceptor.stops(embeddings, weights, stops)
        prompt_targets.append(
            PromptTarget(perceptor, weight, strength, embeddings, weights, own_stops, masks)
        )
    return tuple(prompt_targets)


def concerns(prompts: Iterable[ActivePrompt], perceptor: Perceptor) -> bool:
    """Returns whether a perceptor knows something of a picture or text among the prompts. If not,
    it would pull nowhere."""
    return any(prompt.text is None or perceptor.reads(prompt.text) for prompt in prompts)


def resized_masks(target: PromptTarget, size: tuple[int, int]) -> PromptTarget:
    """Returns a target with its masks scaled to (width, height)."""
    if target.masks is None:
        return target
    return replace(target, masks=F.interpolate(target.masks, size=size[::-1], mode="area"))


def make_latent_targets(
    plan: Plan, keyframe: Keyframe, generator: Generator, targets: FilmTargets
) -> tuple[LatentTarget, ...]:
    """Returns the targets of a keyframe's stored latents."""
    latent_targets = []
    for prompt in keyframe.prompts:
        if prompt.latent:
            latent, mask = targets.latents[prompt.latent, keyframe.generator], None
            if prompt.where:
                mask = region_mask(prompt.where, prompt.moved, plan.size, latent.device)
                mask = generator.share_of(mask, latent)
            # A negative weight pushes no further than the distance of two random codes: beyond it
            # latents are no pictures.
            stop = max(prompt.stop, -1.0) if prompt.weight < 0 else prompt.stop
            weight, bound = torch.tensor([prompt.weight, stop], device=latent.device)
            latent_targets.append(LatentTarget(latent, weight, bound, generator.spread, mask))
    return tuple(latent_targets)
