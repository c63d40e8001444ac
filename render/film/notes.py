"""What Render writes into the files it makes, so that they can be made again."""

from __future__ import annotations

from typing import Any

from render import __version__
from render.plan.key import ALGORITHM
from render.plan.plan import Keyframe, Plan


def note_of(
    plan: Plan, kind: str, keyframe: Keyframe | None = None, frame: int | None = None
) -> dict[str, Any]:
    """What Render writes into its files: enough to make them again. No clock, no machine."""
    board = plan.board
    models = [{"role": "generator", "name": board.generator, "sha256": plan.generator}]
    for (name, _), (digest, _) in zip(board.perceptors, plan.perceptors, strict=True):
        models.append({"role": "perceptor", "name": name, "sha256": digest})
    written: dict[str, Any] = {
        "render": __version__,
        "algorithm": ALGORITHM,
        "kind": kind,
        "storyboard": board.text,
        "storyboard_file": board.source.name if board.source else None,
        "seed": board.seed,
        "size": list(board.size),
        "models": models,
    }
    if board.draft:
        written["draft"] = True
    if frame is not None:
        written["frame"] = frame
        written["time"] = float(frame / board.fps)
    if keyframe is not None:
        written["shot"] = board.shots[keyframe.shot].name
        written["time_in_shot"] = str(keyframe.time)
        written["prompts"] = [
            {"prompt": a.text or next(f.name for f in (a.image, a.latent) if f), "weight": a.weight}
            for a in keyframe.prompts
        ]
        written["key"] = keyframe.key
        written["steps"] = keyframe.steps
    return written
