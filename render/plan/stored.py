"""The stored latents of a film by shot and time, and the one of a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from render.media.safetensors_header import has_latent, latent_path
from render.plan.plan import Keyframe, Plan


@dataclass(frozen=True)
class StoredLatent:
    """A keyframe's latent."""

    keyframe: Keyframe
    shot: str
    time: Fraction  # seconds from the film's beginning
    path: Path
    is_there: bool


def stored_latents(plan: Plan, folder: Path) -> Iterator[StoredLatent]:
    """Yields the latent of every keyframe that is needed for what is shown, in order of time."""
    for keyframe in plan.needed_keyframes():
        yield StoredLatent(
            keyframe,
            plan.board.shots[keyframe.shot].name,
            plan.starts[keyframe.shot] + keyframe.time,
            latent_path(folder, keyframe.key),
            has_latent(folder, keyframe.key),
        )


def latent_at(plan: Plan, folder: Path, frame: int) -> StoredLatent:
    """The latent of the keyframe that is nearest to a frame, of the frame's own shot."""
    moment = plan.moment(frame)
    index = moment.left if moment.fraction < 0.5 else moment.right
    latents = {one.keyframe.index: one for one in stored_latents(plan, folder)}
    return latents[index]
