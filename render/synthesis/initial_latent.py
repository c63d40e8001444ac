"""The latent that starts a chain: the best of many soft colour fields."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from render.generators.vqgan import Generator
from render.plan.key import derived_seed
from render.plan.plan import Keyframe, Plan
from render.synthesis.losses import distance
from render.synthesis.targets import PromptTarget


def grey_clouds(size: tuple[int, int], seed: int) -> Tensor:
    """A grey picture (1, 3, H, W) with faint clouds of light and shade, to break the symmetry.

    This differs from the field's random codes: those, and coloured clouds too, leave their blobs
    in what a small perceptor paints, a green patch in a blue sky.
    """
    width, height = size
    random = torch.Generator().manual_seed(seed)
    picture = torch.full((1, 1, height, width), 0.5)
    for cells, strength in ((2, 0.04), (4, 0.03), (8, 0.03), (32, 0.02)):
        shape = (max(2, round(cells * height / width)), cells)
        clouds = torch.randn(1, 1, *shape, generator=random)
        picture += strength * F.interpolate(
            clouds, size=(height, width), mode="bicubic", align_corners=False
        )
    return picture.clamp(0, 1).expand(-1, 3, -1, -1)


# The colour grids (rows, columns) that a chain may begin as, tried in turn.
COLOUR_GRIDS = ((1, 1), (2, 1), (3, 1), (3, 2), (4, 3))
CANDIDATES = 160
SHORTLIST = 40  # are looked at in every place; of 40 choices all were among the first 20
# Where they are looked at: from the top and from the left of what room there is, and what share.
CROPS = ((0, 0, 1.0), (0, 0.5, 1.0), (0, 1, 1.0), (0, 0.5, 0.5), (1, 0, 0.5), (1, 1, 0.5))


def draw_candidates(size: tuple[int, int], seed: int) -> Tensor:
    """GROUNDS soft fields of random colours (n, 3, H, W) in [0, 1], some of them strong."""
    width, height = size
    random = torch.Generator().manual_seed(seed)
    drawn = []
    for number in range(CANDIDATES):
        colours = torch.rand(1, 3, *COLOUR_GRIDS[number % len(COLOUR_GRIDS)], generator=random)
        if number % 2:
            colours = (colours - 0.5) * 1.6 + 0.5
        drawn.append(
            F.interpolate(
                colours.clamp(0, 1), size=(height, width), mode="bicubic", align_corners=True
            )
        )
    return torch.cat(drawn).clamp(0, 1)


@torch.no_grad()
def choose_initial_latent(
    plan: Plan, keyframe: Keyframe, generator: Generator, prompt_targets: tuple[PromptTarget, ...]
) -> Tensor:
    """The latent of the soft colours that the perceptors find nearest to what is asked, or of grey.

    From grey the way down often ends in the wrong light: a night that begins by brightening never
    turns dark again, and the way to fire leads past every other colour. A look at each ground, and
    six more at what is nearest, cost about as much as a few steps.
    """
    grey = grey_clouds(plan.size, keyframe.seed).to(generator.low.device)
    if not prompt_targets:
        return generator.encode(grey)
    width, height = plan.size
    short = 40  # pixels; they are soft
    scale = short / min(width, height)
    # A strip of a picture is looked at as one of eight to one: there is no more in its colours.
    small = (min(round(width * scale), 8 * short), min(round(height * scale), 8 * short))
    drawn = draw_candidates(small, derived_seed(keyframe.seed, "ground")).to(grey.device)
    if prompt_targets[0].masks is None:  # else a ground may be far from all prompts and near to one
        squeezed = F.interpolate(drawn, size=(short, short), mode="area")
        far = candidate_distances(squeezed, prompt_targets, CROPS[:1])
        drawn = drawn[far.sum(1).topk(SHORTLIST, largest=False).indices]
    far = candidate_distances(drawn, prompt_targets, CROPS)
    ground = drawn[far.sum(1).argmin(0, keepdim=True)]
    if prompt_targets[0].masks is not None:
        ground = combine_by_region(ground, drawn, far, prompt_targets[0])
    picture = F.interpolate(ground, size=(height, width), mode="bicubic", align_corners=False)
    return generator.encode((picture + (grey - 0.5)).clamp(0, 1))


def candidate_distances(
    drawn: Tensor,
    prompt_targets: tuple[PromptTarget, ...],
    places: tuple[tuple[float, float, float], ...],
) -> Tensor:
    """How far each of these pictures (n, 3, H, W) is from each prompt in these places, weighed and
    summed: (n, p)."""
    height, width = drawn.shape[-2:]
    far = drawn.new_zeros(len(drawn), len(prompt_targets[0].targets))
    for prompt_target in prompt_targets:
        side, embed = prompt_target.perceptor.side, prompt_target.perceptor.embed_cutouts
        for down, across, share in places:
            size = round(min(height, width) * share)
            top, left = round(down * (height - size)), round(across * (width - size))
            seen = drawn[..., top : top + size, left : left + size]
            seen = F.interpolate(seen, size=side, mode="bilinear", align_corners=False)
            # In parts, so that a large perceptor needs no more memory here than for its views.
            embedded = torch.cat([embed(part) for part in torch.split(seen, 16)])
            away = distance(embedded[:, None], prompt_target.targets[None])
            far += prompt_target.weight * away * prompt_target.weights
    return far


def combine_by_region(
    ground: Tensor, drawn: Tensor, far: Tensor, prompt_target: PromptTarget
) -> Tensor:
    """Every region with the ground that is nearest to what is asked of it, elsewhere `ground`.

    (1, 3, h, w), (n, 3, h, w), and how far each of n is from each of p prompts, (n, p).
    """
    assert prompt_target.masks is not None
    masks = F.interpolate(prompt_target.masks, size=ground.shape[-2:], mode="area")[
        :, 0
    ]  # (p, h, w)
    flat = masks.flatten(1)
    shared = flat @ flat.T / flat.sum(1, keepdim=True).clamp_min(1e-6)  # of each, with each other
    chosen = drawn[(far @ shared.T).argmin(0)]  # (p, 3, h, w)
    covers = (masks * (prompt_target.weights > 0)[:, None, None])[:, None]
    total = covers.sum(0, keepdim=True)
    mixed = (chosen * covers).sum(0, keepdim=True) / total.clamp_min(1e-6)
    return torch.lerp(ground, mixed, total.clamp(max=1))
