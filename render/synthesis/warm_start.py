"""The latent that a keyframe continues from: its parent, as the camera sees it now."""

from __future__ import annotations

import torch
from kornia.filters import unsharp_mask
from torch import Tensor
from torch.nn import functional as F

from render.generators.vqgan import Generator
from render.plan.camera import moves
from render.plan.key import derived_seed
from render.plan.plan import Keyframe, Plan
from render.synthesis.images import load_image
from render.synthesis.warp import newly_exposed_mask, resample, warp


@torch.no_grad()
def warm_start(
    plan: Plan, keyframe: Keyframe, generator: Generator, parent: Tensor | None
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """The latent a keyframe goes on from, and the picture it should hold on to, if it does.

    A camera at rest starts from the parent's own latent: no decoding and encoding, which loses a
    little every time. A moving one decodes the parent, warps it as float and encodes it, and
    what encoding had lost of the parent is moved along and added again: otherwise details stick to
    the grid of cells while the picture moves, and a slow zoom swims.
    """
    device = generator.low.device
    if parent is None:
        if keyframe.init is None:
            return None, None
        picture = load_image(keyframe.init, device, plan.size)
    else:
        before = generator.decode(parent)
        if not moves(keyframe.matrix):
            return parent, before
        picture = warp_parent(before, keyframe)
        lost = resample(parent - generator.encode(before), keyframe.matrix, keyframe.border)
        return fill_newly_exposed(generator.encode(picture) + lost, keyframe, generator), picture
    if not moves(keyframe.matrix):
        return generator.encode(picture), picture
    picture = warp_parent(picture, keyframe)
    return fill_newly_exposed(generator.encode(picture), keyframe, generator), picture


def warp_parent(picture: Tensor, keyframe: Keyframe) -> Tensor:
    """A picture (1, 3, H, W) as the camera sees it now, sharpened by as much as is asked.

    The unsharp mask's size is Deforum's: a kernel of 5 and a sigma of 1 pixel.
    """
    seen = warp(picture, keyframe.matrix, keyframe.border)
    if keyframe.sharpen == 0.0:
        return seen
    sharp = unsharp_mask(seen, (5, 5), (1.0, 1.0))
    return seen.lerp(sharp, keyframe.sharpen).clamp(0, 1)


def newly_exposed(keyframe: Keyframe, size: tuple[int, int], device: torch.device) -> Tensor | None:
    """(1, 1, H, W), 1 where a keyframe dreams of what its parent did not show; None if nowhere."""
    if keyframe.border != "dream" or not moves(keyframe.matrix):
        return None
    width, height = size
    new = newly_exposed_mask(keyframe.matrix, height, width, device)
    return new if new.any() else None


def fill_newly_exposed(latent: Tensor, keyframe: Keyframe, generator: Generator) -> Tensor:
    """A latent (1, C, h, w) with noise of codes where a keyframe shows what its parent did not, in
    every cell by as much of it as is new, so that a slow move begins to dream too.

    The codes are the picture's own, each from a random cell at about its height: codes from all of
    the codebook leave blobs in every colour, which few steps cannot paint over.
    """
    height, width = latent.shape[-2:]
    size = (width * generator.factor, height * generator.factor)
    new = newly_exposed(keyframe, size, latent.device)
    if new is None:
        return latent
    random = torch.Generator().manual_seed(derived_seed(keyframe.seed, "dream"))
    columns = torch.randint(width, (height, width), generator=random)
    jumps = torch.randint(-1, 2, (height, width), generator=random)
    rows = (torch.arange(height)[:, None] + jumps).clamp(0, height - 1)
    codes = generator.quantise(latent)[..., rows, columns]
    return latent.lerp(codes, F.avg_pool2d(new, generator.factor))


def release_newly_exposed(held: Tensor | None, now: Tensor, new: Tensor | None) -> Tensor | None:
    """What holds a picture or latent, but where it is new nothing: there it holds itself."""
    if held is None or new is None:
        return held
    return held.lerp(now.detach(), F.interpolate(new, size=held.shape[-2:], mode="area"))
