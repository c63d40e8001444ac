"""The notes in films, frames and latents: their exact fields, which never change spelling."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from plans import plan_for
from tiny_film import latent_note

from render import __version__
from render.plan.key import ALGORITHM
from render.plan.notes import note_of
from render.plan.plan import Plan
from render.plan.planner import draft
from render.storyboard.parser import load
from render.synthesis.latents import Store

BOARD = """\
version: 1
size: 64x48
fps: 24
seed: 3
models: {perceptors: {starter: 1, ViT-B/32: 0.5}}
defaults: {keyframes: 0.5s, iterations: {first: 4, then: 2}}
shots:
- name: dawn
  duration: 1s
  prompts: [{text: a sea, weight: 2}, {image: leaf.png, weight: 0.25}]
  exclude: {latent: fog.safetensors}
"""
FILM = {
    "render": __version__,
    "algorithm": ALGORITHM,
    "storyboard": BOARD,
    "storyboard_file": "sea.yaml",
    "seed": 3,
    "size": [64, 48],
    "models": [
        {"role": "generator", "name": "starter", "sha256": "digest of generator starter"},
        {"role": "perceptor", "name": "starter", "sha256": "digest of perceptor starter"},
        {"role": "perceptor", "name": "ViT-B/32", "sha256": "digest of perceptor ViT-B/32"},
    ],
}
PROMPTS = [
    {"prompt": "a sea", "weight": 2.0},
    {"prompt": "leaf.png", "weight": 0.25},
    {"prompt": "fog.safetensors", "weight": -1.0},
]


def plan_with_files(folder: Path) -> Plan:
    """The plan of BOARD as sea.yaml, with a text, an image and a latent as prompts."""
    Image.new("RGB", (40, 40)).save(folder / "leaf.png")
    Store(folder).save("fog", torch.zeros(1, 4, 12, 16), latent_note())
    (folder / "sea.yaml").write_text(BOARD)
    return plan_for(load(folder / "sea.yaml"), 4, lambda role, name: f"digest of {role} {name}")


def test_the_note_of_a_film_holds_storyboard_seed_size_and_models(tmp_path: Path) -> None:
    plan = plan_with_files(tmp_path)
    assert note_of(plan, "film") == {**FILM, "kind": "film"}
    drafted = replace(plan, board=draft(plan.board, 4))
    assert note_of(drafted, "film") == {**FILM, "kind": "film", "size": [32, 24], "draft": True}
    unsaved = replace(plan, board=replace(plan.board, source=None))
    assert note_of(unsaved, "film") == {**FILM, "kind": "film", "storyboard_file": None}


def test_the_note_of_a_frame_also_holds_its_time_and_its_keyframe(tmp_path: Path) -> None:
    plan = plan_with_files(tmp_path)
    keyframe = plan.keyframes[plan.moment(15).left]
    assert note_of(plan, "frame", keyframe, 15) == {
        **FILM,
        "kind": "frame",
        "frame": 15,
        "time": 0.625,
        "shot": "dawn",
        "time_in_shot": "1/2",
        "prompts": PROMPTS,
        "key": keyframe.key,
        "steps": 2,
    }


def test_the_note_of_a_latent_also_holds_its_keyframe(tmp_path: Path) -> None:
    plan = plan_with_files(tmp_path)
    first = plan.keyframes[0]
    assert note_of(plan, "latent", first) == {
        **FILM,
        "kind": "latent",
        "shot": "dawn",
        "time_in_shot": "0",
        "prompts": PROMPTS,
        "key": first.key,
        "steps": 4,
    }
