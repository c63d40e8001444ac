"""A film of three keyframes for the tiny models, which tests optimise in a second."""

from __future__ import annotations

from pathlib import Path

import tiny
import torch
from plans import plan_for

from render.plan.plan import Plan
from render.storyboard.parser import parse
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.models import Models
from render.synthesis.targets import (
    embed_targets,
)
from render.weights.library import named_digest

MODELS = Models((tiny.generator(),), ((tiny.perceptor(), 1.0), (tiny.perceptor(1), 0.5)))


def tiny_plan(more: str = "", folder: Path = Path()) -> Plan:
    """The plan of a shot of one second with three keyframes; `more` lines are added to the shot."""
    text = (
        "version: 1\nsize: 48x32\nseed: 1\n"
        "models: {perceptors: {starter: 1, ViT-B/32: 0.5}}\n"  # MODELS take their places
        "defaults: {iterations: {first: 4, then: 2}, keyframes: 0.5s, cutouts: 3}\n"
        f"shots:\n  - duration: 1s\n    prompts: a red sea | fire:-0.5\n{more}"
    )
    return plan_for(parse(text, folder), 4)


def optimised_first_keyframe(plan: Plan) -> torch.Tensor:
    """The latent (1, C, h, w) of the plan's first keyframe, optimised on MODELS."""
    targets = embed_targets(plan, MODELS)
    *_, last = optimize_keyframe(plan, plan.keyframes[0], MODELS, targets, None)
    return last.average


def latent_note(generator: str = "starter", digest: str = "") -> dict[str, object]:
    """The note of a latent that this generator made, by default with the digest of `starter`."""
    sha256 = digest or named_digest("generator", "starter")
    model = {"role": "generator", "name": generator, "sha256": sha256}
    return {"render": "1", "kind": "latent", "models": [model]}
