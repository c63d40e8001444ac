"""What a keyframe starts from: its parent as the camera sees it now, or an image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from render.generators.generator import Start
from render.generators.warp import View
from render.media.safetensors_header import is_whole
from render.plan.plan import Keyframe, Plan
from render.synthesis.images import load_image
from render.synthesis.models import Models
from render.synthesis.targets import load_latent_target


@torch.no_grad()
def warm_start(
    plan: Plan, keyframe: Keyframe, models: Models, parent: Tensor | None
) -> Start | None:
    """Returns what a keyframe starts from; None where a chain starts without an image.

    `parent` is the parent's latent, of the parent's own generator: where that is another one, the
    keyframe starts from its picture. Without a parent the init image or latent takes its place.
    """
    generator = models.generators[keyframe.generator]
    view = View(keyframe.matrix, keyframe.border, keyframe.sharpen, keyframe.seed)
    if parent is not None and keyframe.parent is not None:
        own = models.generators[plan.keyframes[keyframe.parent].generator]
        if own is not generator:
            return generator.start_from(own.decode(parent), view)
    if parent is None and keyframe.init is not None:
        if not is_whole(keyframe.init):  # no latent
            return generator.start_from(load_image(keyframe.init, models.device, plan.size), view)
        parent = load_latent_target(keyframe.init, plan, models, keyframe.generator)
    return None if parent is None else generator.warm_start(parent, view)


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
