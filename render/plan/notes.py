"""What Render writes into the files it makes, so that they can be made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from render import __version__
from render.media.provenance import place_of
from render.plan.arithmetic import Arithmetic
from render.plan.key import ALGORITHM
from render.plan.plan import ActivePrompt, Keyframe, Plan
from render.weights.catalog import Model


def note_of(
    plan: Plan,
    kind: str,
    keyframe: Keyframe | None = None,
    frame: int | None = None,
    arithmetic: Arithmetic | None = None,
) -> dict[str, Any]:
    """The note of a film, a frame or a latent (`kind`): enough to make it again.

    It names no clock and no machine, so that equal files stay equal.
    """
    board = plan.board
    # A film's are all of them; a latent's and a frame's its own.
    generators = plan.models.generators if keyframe is None else (plan.generator_of(keyframe),)
    note: dict[str, Any] = {
        "render": __version__,
        "algorithm": ALGORITHM,
        "kind": kind,
        "storyboard": board.text,
        "storyboard_file": board.source.name if board.source else None,
        "seed": board.seed,
        "size": list(board.size),
        "models": [
            *(generator_note(chosen.model, chosen.digest) for chosen in generators),
            *(
                {"role": "perceptor", "name": chosen.model.name, "sha256": chosen.digest}
                for chosen in plan.models.perceptors
            ),
        ],
    }
    if board.included:
        note["included"] = dict(board.included)
    if board.settings:
        note["settings"] = list(board.settings)
    if plan.part and kind in ("film", "animatic"):
        note["frames"] = [[part.start, part.stop] for part in plan.part]
    if board.draft:
        note["draft"] = True
    if frame is not None:
        note |= {"frame": frame, "time": float(frame / board.fps)}
    if arithmetic is not None:
        note["arithmetic"] = str(arithmetic)
    if keyframe is not None:
        note |= {
            "shot": board.shots[keyframe.shot].name,
            "time_in_shot": str(keyframe.time),
            "prompts": [_prompt_note(prompt) for prompt in keyframe.prompts],
            "key": keyframe.key,
            "steps": keyframe.steps,
        }
    return note


def frame_note(plan: Plan, number: int, file: Path) -> dict[str, Any]:
    """The note of a frame that is written to a file of its own."""
    note = note_of(plan, "frame", plan.keyframes[plan.moment(number).left], number)
    return note | {"made_from": place_of(plan.board.source, file)}


def generator_note(model: Model, digest: str) -> dict[str, Any]:
    """A generator as a note names it: its parameters too, if it has no weights."""
    note: dict[str, Any] = {"role": "generator", "name": model.name, "sha256": digest}
    return note if model.has_weights else note | {"parameters": dict(model.config)}


def _prompt_note(prompt: ActivePrompt) -> dict[str, Any]:
    """A prompt's text, or the name of its file, and its weight."""
    file = prompt.image or prompt.latent
    return {"prompt": prompt.text or (file.name if file else ""), "weight": prompt.weight}
