"""The initial picture of a chain: the best of many soft colour fields."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from render.plan.cost import CANDIDATES, SHORTLIST, candidate_counts
from render.plan.key import derived_seed
from render.plan.plan import Keyframe, Plan
from render.synthesis.targets import PromptTarget

# The colour grids (rows, columns) that the candidates are enlarged from, in turn.
COLOUR_GRIDS = ((1, 1), (2, 1), (3, 1), (3, 2), (4, 3))
CANDIDATE_SIDE = 40  # pixels of a candidate's shorter side; candidates are soft
# The square crops that a candidate is compared in: the position from top and left as shares of the
# free room, and the side as a share of the shorter side.
CROPS = ((0, 0, 1.0), (0, 0.5, 1.0), (0, 1, 1.0), (0, 0.5, 0.5), (1, 0, 0.5), (1, 1, 0.5))


def grey_clouds(size: tuple[int, int], seed: int) -> Tensor:
    """Returns a grey picture (1, 3, H, W) with faint clouds of light and shade, which break the
    symmetry; `size` is (width, height).

    This differs from the notebooks, which start from random codes: those, and coloured clouds too,
    leave blobs in what a small perceptor leads to, such as a green patch in a blue sky.
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


def draw_candidates(size: tuple[int, int], seed: int, count: int = CANDIDATES) -> Tensor:
    """Returns soft fields of random colours (count, 3, H, W) in [0, 1], every other one more
    saturated; `size` is (width, height)."""
    width, height = size
    random = torch.Generator().manual_seed(seed)
    candidates = []
    for number in range(count):
        colours = torch.rand(1, 3, *COLOUR_GRIDS[number % len(COLOUR_GRIDS)], generator=random)
        if number % 2:
            colours = (colours - 0.5) * 1.6 + 0.5
        candidates.append(
            F.interpolate(
                colours.clamp(0, 1), size=(height, width), mode="bicubic", align_corners=True
            )
        )
    return torch.cat(candidates).clamp(0, 1)


@torch.no_grad()
def choose_initial_picture(
    plan: Plan,
    keyframe: Keyframe,
    device: torch.device,
    prompt_targets: tuple[PromptTarget, ...],
) -> Tensor:
    """Returns the picture (1, 3, H, W) of the candidate that the perceptors find nearest to the
    prompts, with grey clouds; without prompts, the grey clouds alone.

    Optimising from grey often converges to the wrong brightness: a night that begins by brightening
    never turns dark again, and the path from grey to fire passes through every other colour. One
    crop of each candidate, and six of each on the shortlist, cost no more than a few steps.
    """
    grey = grey_clouds(plan.size, keyframe.seed).to(device)
    if not prompt_targets:
        return grey
    count, shortlist = candidate_counts(plan, keyframe)
    seed = derived_seed(keyframe.seed, "ground")
    candidates = draw_candidates(candidate_size(plan.size), seed, count)
    colours = choose_candidate(candidates.to(device), prompt_targets, shortlist)
    return (enlarged(colours, plan.size) + (grey - 0.5)).clamp(0, 1)


def enlarged(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns a picture (1, 3, h, w) at a (width, height), perhaps a little beyond its range."""
    return F.interpolate(picture, size=size[::-1], mode="bicubic", align_corners=False)


def candidate_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns the (width, height) of the candidates for a picture of this size.

    Candidates are limited to 8:1, which is enough for longer strips too.
    """
    width, height = size
    scale = CANDIDATE_SIDE / min(width, height)
    longest = 8 * CANDIDATE_SIDE
    return min(round(width * scale), longest), min(round(height * scale), longest)


def choose_candidate(
    candidates: Tensor, prompt_targets: tuple[PromptTarget, ...], shortlist: int = SHORTLIST
) -> Tensor:
    """Returns the candidate, of (n, 3, h, w), that is nearest to the prompts: (1, 3, h, w).

    `shortlist` of them are compared in every crop. Prompts with regions are compared and combined
    region by region.
    """
    masked = prompt_targets[0].masks is not None
    # With regions there is no shortlist: a candidate may be far from all prompts and near to one.
    if not masked:
        small = F.interpolate(candidates, size=(CANDIDATE_SIDE, CANDIDATE_SIDE), mode="area")
        distances = candidate_distances(small, prompt_targets, CROPS[:1])
        candidates = candidates[distances.sum(1).topk(shortlist, largest=False).indices]
    distances = candidate_distances(candidates, prompt_targets, CROPS)
    nearest = candidates[distances.sum(1).argmin(0, keepdim=True)]
    if masked:
        return combine_by_region(nearest, candidates, distances, prompt_targets[0])
    return nearest


def candidate_distances(
    candidates: Tensor,
    prompt_targets: tuple[PromptTarget, ...],
    crops: tuple[tuple[float, float, float], ...],
) -> Tensor:
    """Returns the weighted distances of candidates (n, 3, H, W) from the p prompts, summed over
    crops and perceptors: (n, p)."""
    height, width = candidates.shape[-2:]
    distances = candidates.new_zeros(len(candidates), len(prompt_targets[0].embeddings))
    for prompt_target in prompt_targets:
        perceptor = prompt_target.perceptor
        side, embed = perceptor.side, perceptor.embed_cutouts
        for down, across, share in crops:
            size = round(min(height, width) * share)
            top, left = round(down * (height - size)), round(across * (width - size))
            crop = candidates[..., top : top + size, left : left + size]
            crop = F.interpolate(crop, size=side, mode="bilinear", align_corners=False)
            # In parts, so that a large perceptor needs no more memory here than for its cutouts.
            embeddings = torch.cat([embed(part) for part in torch.split(crop, 16)])
            each = perceptor.distance(embeddings[:, None], prompt_target.embeddings[None])  # (n, p)
            distances += prompt_target.pull * each * prompt_target.weights
    return distances


def combine_by_region(
    elsewhere: Tensor, candidates: Tensor, distances: Tensor, prompt_target: PromptTarget
) -> Tensor:
    """Returns (1, 3, h, w): in each prompt's region the candidate that is nearest to the prompts
    there, and `elsewhere`, (1, 3, h, w), outside all regions.

    `candidates` are (n, 3, h, w), `distances` (n, p). Where regions overlap, all their prompts
    count, each by its share of the region; prompts of a negative weight choose nothing.
    """
    assert prompt_target.masks is not None
    masks = F.interpolate(prompt_target.masks, size=elsewhere.shape[-2:], mode="area")
    masks = masks[:, 0]  # (p, h, w)
    flat = masks.flatten(1)
    overlap = flat @ flat.T / flat.sum(1, keepdim=True).clamp_min(1e-6)  # (p, p): of row in column
    chosen = candidates[(distances @ overlap.T).argmin(0)]  # (p, 3, h, w)
    covers = (masks * (prompt_target.weights > 0)[:, None, None])[:, None]
    total = covers.sum(0, keepdim=True)
    combined = (chosen * covers).sum(0, keepdim=True) / total.clamp_min(1e-6)
    return torch.lerp(elsewhere, combined, total.clamp(max=1))
