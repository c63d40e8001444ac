"""Storyboards and plans that the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

from plans import plan_for

from render.plan.plan import Plan
from render.storyboard.model import Storyboard
from render.storyboard.parser import parse

HEAD = "version: 1\nsize: 64x48\nfps: 24\nseed: 3\ndefaults: {keyframes: {every: 0.5s}}\nshots:\n"
DAWN = "  - {name: dawn, duration: 2s, prompts: a red sea, camera: {zoom: 1.1/s}}\n"
STORM = "  - {name: storm, duration: 1.2s, prompts: a storm, transition: 0.5s}\n"
NIGHT = "  - {name: night, duration: 1s, prompts: night}\n"
TWO_SHOTS = (
    "version: 1\nsize: 320x192\nmodels: {perceptors: starter}\n"
    "defaults: {keyframes: 0.5s, cutouts: 8}\nshots:\n"
    "  - {duration: 2s, prompts: sea}\n  - {duration: 1s, prompts: fire}\n"
)


def board(*shots: str, head: str = HEAD) -> Storyboard:
    """The storyboard of these shots."""
    return parse(head + "".join(shots), Path())


def plan(*shots: str, head: str = HEAD) -> Plan:
    """The plan of these shots for a generator of 4 pixels a cell."""
    return plan_of(board(*shots, head=head))


def plan_of(storyboard: Storyboard) -> Plan:
    """The plan of a storyboard for a generator of 4 pixels a cell."""
    return plan_for(storyboard, 4, lambda role, name: f"{role} {name}")


def keys(plan: Plan, shot: int) -> list[str]:
    """The keys of the keyframes of a shot."""
    return [keyframe.key for keyframe in plan.keyframes if keyframe.shot == shot]


def two_shot_plan(text: str = TWO_SHOTS) -> Plan:
    """The plan of a storyboard for a generator of 8 pixels a cell."""
    return plan_for(parse(text, Path()), 8)
