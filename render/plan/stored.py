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


def latent_at(plan: Plan, folder: Path, time: Fraction) -> StoredLatent:
    """The latent of the keyframe that is nearest to a time of the film, of the shot that is on
    screen then; after the film's end, or where a keyframe is at that very time, of any shot."""
    latents = list(stored_latents(plan, folder))
    shown = plan.shot_of(int(time * plan.board.fps))
    own = [one for one in latents if one.keyframe.shot == shown]
    exact = [one for one in (*own, *latents) if one.time == time]
    if exact:
        return exact[0]
    return min(own, key=lambda one: abs(one.time - time))
