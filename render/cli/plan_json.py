"""What `render check --log-format json` says: the plan as one object for other programs. No torch.

Times are in seconds, sizes in pixels or bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from render.cli.describe import beginning_of, damaged_latents, text_times, without_latent
from render.media.sound import sound_length
from render.plan.cost import disk_shortfall, estimate, known_speed
from render.plan.memory import MemoryBudget, machine_memory, shortfall
from render.plan.plan import Plan
from render.plan.wording import film_texts, film_vocabularies, plan_warnings
from render.storyboard.model import Prompt
from render.weights import library


def plan_as_json(plan: Plan, folder: Path) -> dict[str, Any]:
    """Everything that `render check` knows of a film whose latents are in `folder`."""
    board = plan.board
    damaged = damaged_latents(plan, folder)
    todo = without_latent(plan.needed_keyframes(), folder, damaged)
    missing = {one.index for one in without_latent(plan.keyframes, folder, damaged)}
    budget = MemoryBudget(machine_memory())
    cost = estimate(plan, todo, known_speed(library.models_folder(), "cpu"), budget)
    short = shortfall(plan, budget) if todo else None
    lack = disk_shortfall(cost.disk, folder)
    notes = [*damaged.values(), short.message if short else None, lack]
    warnings: list[dict[str, Any]] = [
        {
            "message": problem.message,
            "file": problem.file or str(board.source),
            "line": problem.line,
            "column": problem.column,
        }
        for problem in board.warnings
    ]
    warnings += [{"message": text} for text in (*plan_warnings(plan), *filter(None, notes))]
    return {
        "storyboard": str(board.source) if board.source else None,
        "size": list(board.size),
        "made_at": list(plan.size),
        "fps": float(board.fps),
        "seconds": float(board.duration),
        "frames": plan.frame_count,
        "part": [[part.start, part.stop] for part in plan.part],
        "keyframes": len(plan.keyframes),
        "chains": len(plan.chains()),
        "models": {
            "generators": [
                {"name": chosen.model.name}
                | ({} if chosen.model.has_weights else {"parameters": chosen.model.config})
                for chosen in plan.models.generators
            ],
            "perceptors": dict(board.perceptors),
            "absent": [model.name for model in plan.models.absent()],
        },
        "sound": _sound(plan),
        "shots": [_shot(plan, index, missing) for index in range(len(board.shots))],
        "known_words": _known_words(plan),
        "to_do": {
            "keyframes": cost.keyframes,
            "sketch_steps": cost.sketch_steps,
            "steps": cost.steps,
            "frames": len(plan.shown),
            "seconds": cost.seconds,
            "speed_is_measured": cost.measured,
            "memory": cost.memory,
            "disk": cost.disk,
            "latents": str(folder),
        },
        "warnings": warnings,
    }


def _sound(plan: Plan) -> dict[str, Any] | None:
    """The film's sound; its length is null where ffmpeg cannot tell."""
    audio = plan.board.audio
    if audio is None:
        return None
    length = sound_length(audio.file)
    return {
        "file": str(audio.file),
        "seconds": None if length is None else float(length),
        "start": float(audio.start),
        "loop": audio.loop,
    }


def _shot(plan: Plan, index: int, missing: set[int]) -> dict[str, Any]:
    """A shot: when it is, what it shows and what is done of it."""
    shot = plan.board.shots[index]
    own = range(plan.first_keyframes[index], plan.first_keyframes[index + 1])
    return {
        "name": shot.name,
        "starts": float(plan.starts[index]),
        "seconds": float(shot.duration),
        "frames": len(plan.shot_frames(index)),
        "keyframes": len(own),
        "done": sum(keyframe not in missing for keyframe in own),
        "begins_with": beginning_of(shot),
        "prompts": [_prompt(prompt) for prompt in shot.prompts],
        "texts": [{"at": float(time), "text": text} for time, text in text_times(shot)],
    }


def _prompt(prompt: Prompt) -> dict[str, Any]:
    """A prompt: what is wanted, and its least and greatest weight over the shot."""
    file = prompt.image or prompt.latent
    low, high = prompt.weight.extremes()
    found: dict[str, Any] = {"text": prompt.text, "weight": [low, high]}
    if file:
        found["file"] = str(file)
    if prompt.stop is not None:
        found["stop"] = list(prompt.stop.extremes())
    if prompt.where:
        found["where"] = str(prompt.where.name)
    return found


def _known_words(plan: Plan) -> list[dict[str, Any]]:
    """For every text the words that each perceptor knows; null where it knows any word."""
    readers = film_vocabularies(plan)
    return [
        {
            "text": text,
            "known": {name: list(read(text)) if read else None for name, read in readers.items()},
        }
        for text in film_texts(plan)
    ]
