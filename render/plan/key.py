"""The key of a keyframe: a digest of everything that decides its picture, and of nothing else.

A key does not depend on absolute time, frame rate, file names or order. A keyframe whose latent is
stored under its key is not made again. Never respell the strings hashed here (such as "aims"), even
when code is renamed: users' latents are found by these digests.

A setting that changes a keyframe's picture needs a part in `keyframe_key`, or old latents would be
reused for it. The camera needs none: its matrix is one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from render.plan import camera
from render.plan.plan import ActivePrompt, Keyframe
from render.storyboard.model import OF_PALETTE, OF_PARENT, Settings
from render.weights.selection import ChosenModel, FilmModels

ALGORITHM = 6  # incremented when the same storyboard gives other pictures; see the changelog
FileDigest = Callable[[Path], str]


def derived_seed(*parts: object) -> int:
    """A seed of 63 bits from any printable parts, the same on every machine."""
    text = json.dumps([str(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def film_parts(size: tuple[int, int], models: FilmModels, generator: ChosenModel) -> dict[str, Any]:
    """What every key of a film contains whose keyframe this generator paints; `size` is (width,
    height) that the generators make."""
    own = generator.model
    parameters = {} if own.has_weights else {"parameters": sorted(own.config.items())}
    return parameters | {
        "algorithm": ALGORITHM,
        "size": list(size),
        "generator": generator.digest,
        "perceptors": [(chosen.digest, chosen.weight) for chosen in models.perceptors],
    }


def keyframe_key(
    keyframe: Keyframe,
    before: Sequence[Keyframe],
    film: Mapping[str, Any],
    file_digest: FileDigest,
) -> str:
    """The key of a keyframe (32 hexadecimal digits), whatever its field `key` holds now.

    `before` are the keyframes planned before it, with their keys; `film` is what `film_parts`
    returns.
    """
    settings = keyframe.settings
    parts = {
        **film,
        "steps": keyframe.steps,
        "step_size": keyframe.step_size,
        "cutouts": [settings.cutouts, *settings.cutout_size],
        "smoothing": settings.smoothing,
        "losses": sorted(effective_losses(keyframe)),
        "aims": [prompt_parts(prompt, file_digest) for prompt in keyframe.prompts],
        "matrix": keyframe.matrix,
        "border": keyframe.border if camera.moves(keyframe.matrix) else None,
        "init": file_digest(keyframe.init) if keyframe.init else None,
        "seed": keyframe.seed,
        "parent": None if keyframe.parent is None else before[keyframe.parent].key,
    }
    if (settings.noise, settings.distortion) != (Settings.noise, Settings.distortion):
        parts["grain"] = [settings.noise, settings.distortion]
    if settings.padding != Settings.padding:
        parts["padding"] = settings.padding
    if settings.decay:
        parts["decay"] = settings.decay
    if keyframe.sharpen:
        parts["sharpen"] = keyframe.sharpen
    if settings.palette and settings.keeps_palette:
        parts["palette"] = file_digest(settings.palette)
    if keyframe.reference is not None:
        parts["first"] = before[keyframe.reference].key
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def effective_losses(keyframe: Keyframe) -> list[tuple[str, float]]:
    """The losses that have a weight and something to compare the keyframe with."""
    without: tuple[str, ...] = ()
    if keyframe.parent is None and not keyframe.init:
        without += OF_PARENT
    if keyframe.reference is None:
        without += ("sharpness",) if keyframe.settings.palette else ("sharpness", *OF_PALETTE)
    losses = keyframe.settings.losses
    return [(name, weight) for name, weight in losses if weight and name not in without]


def prompt_parts(prompt: ActivePrompt, file_digest: FileDigest) -> list[Any]:
    """What an active prompt adds to a key."""
    image = file_digest(prompt.image) if prompt.image else None
    parts: list[Any] = [prompt.text, image, prompt.weight, prompt.stop]
    if prompt.where:
        picture = prompt.where.picture
        parts += [file_digest(picture) if picture else prompt.where.name, prompt.moved]
    if prompt.latent:
        parts += ["latent", file_digest(prompt.latent)]
    return parts
