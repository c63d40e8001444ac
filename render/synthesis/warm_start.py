"""The latent that a keyframe continues from: its parent, warped to where the camera is now."""

from __future__ import annotations

import torch
from kornia.filters import unsharp_mask
from torch import Tensor
from torch.nn import functional as F

from render.generators.vqgan import Generator
from render.media.safetensors_header import is_whole
from render.plan.camera import moves
from render.plan.key import derived_seed
from render.plan.plan import Keyframe, Plan
from render.synthesis.images import load_image
from render.synthesis.targets import load_latent_target
from render.synthesis.warp import newly_exposed_mask, resample, warp


@torch.no_grad()
def warm_start(
    plan: Plan, keyframe: Keyframe, generator: Generator, parent: Tensor | None
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Returns the latent (1, C, h, w) that a keyframe starts from and the picture (1, 3, H, W) that
    its losses compare with; None, None where a chain starts without an image.

    `parent` is the parent's latent (1, C, h, w); without one the init image takes its place.

    Where the camera rests, the keyframe starts from the parent's own latent, because decoding and
    encoding lose a little every time. Where it moves, the parent is decoded, warped in float and
    encoded, and the error of encoding the parent is warped too and added: otherwise details stick
    to the grid of cells while the picture moves, and a slow zoom swims.
    """
    if parent is None and keyframe.init is not None and is_whole(keyframe.init):  # a latent
        parent = load_latent_target(keyframe.init, plan, generator)
    if parent is not None:
        picture = generator.decode(parent)
    elif keyframe.init is not None:
        picture = load_image(keyframe.init, generator.device, plan.size)
    else:
        return None, None
    if not moves(keyframe.matrix):
        return generator.encode(picture) if parent is None else parent, picture
    warped = warp_parent(picture, keyframe)
    latent = generator.encode(warped)
    if parent is not None:
        lost = resample(parent - generator.encode(picture), keyframe.matrix, keyframe.border)
        latent = latent + lost
    return fill_newly_exposed(latent, keyframe, generator), warped


def warp_parent(picture: Tensor, keyframe: Keyframe) -> Tensor:
    """Returns a picture (1, 3, H, W) in [0, 1] warped to the keyframe's camera and sharpened by its
    `sharpen`.

    The unsharp mask has Deforum's size: a kernel of 5 pixels and a sigma of 1 pixel.
    """
    warped = warp(picture, keyframe.matrix, keyframe.border)
    if keyframe.sharpen == 0.0:
        return warped
    sharp = unsharp_mask(warped, (5, 5), (1.0, 1.0))
    return warped.lerp(sharp, keyframe.sharpen).clamp(0, 1)


def newly_exposed(keyframe: Keyframe, size: tuple[int, int], device: torch.device) -> Tensor | None:
    """Returns where a keyframe with the border `dream` shows what its parent did not: (1, 1, H, W),
    0 or 1; None if nowhere, or if the border is another."""
    if keyframe.border != "dream" or not moves(keyframe.matrix):
        return None
    width, height = size
    exposed = newly_exposed_mask(keyframe.matrix, height, width, device)
    return exposed if exposed.any() else None


def fill_newly_exposed(latent: Tensor, keyframe: Keyframe, generator: Generator) -> Tensor:
    """Returns a latent (1, C, h, w) with random codes where it is newly exposed.

    Each cell is mixed with a code by the share of it that is newly exposed, so that a slow move
    changes cells too. The codes are the latent's own, each from a random cell of about the same
    height: random codes of the codebook leave coloured blobs, which a few steps do not remove.
    """
    height, width = latent.shape[-2:]
    size = (width * generator.factor, height * generator.factor)
    exposed = newly_exposed(keyframe, size, latent.device)
    if exposed is None:
        return latent
    random = torch.Generator().manual_seed(derived_seed(keyframe.seed, "dream"))
    columns = torch.randint(width, (height, width), generator=random)
    jumps = torch.randint(-1, 2, (height, width), generator=random)
    rows = (torch.arange(height)[:, None] + jumps).clamp(0, height - 1)
    codes = generator.quantise(latent)[..., rows, columns]
    return latent.lerp(codes, F.avg_pool2d(exposed, generator.factor))


def release_newly_exposed(
    reference: Tensor | None, current: Tensor, exposed: Tensor | None
) -> Tensor | None:
    """Returns the reference picture or latent of a loss, replaced by the current one where it is
    newly exposed, so that the loss is 0 there.

    `reference` and `current` are (B, C, H, W), `exposed` is `newly_exposed`, of any size.
    """
    if reference is None or exposed is None:
        return reference
    share = F.interpolate(exposed, size=reference.shape[-2:], mode="area")
    return reference.lerp(current.detach(), share)
