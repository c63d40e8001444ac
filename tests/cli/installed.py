"""The installed `render` command in a process of its own, and its storyboard."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

RENDER = Path(sysconfig.get_path("scripts")) / "render"
BOARD = """\
version: 1
size: 64x48
fps: 12
seed: 7
models: {generator: tiny-vqgan, perceptors: tiny-clip}
style: oil painting
exclude: text
defaults:
  iterations: {first: 6, then: 3}
  keyframes: {every: 0.5s}
  cutouts: 3
shots:
  - name: dawn
    duration: 1s
    prompts: a red sea | a sun:0.5
    camera: {zoom: 1.2/s}
  - name: fire
    duration: 1s
    prompts: fire
    transition: 0.5s
  - name: night
    duration: 0.5s
    prompts: night
"""
Render = Callable[..., subprocess.CompletedProcess[str]]  # the fixture `render`


def stored_files(folder: Path) -> dict[str, bytes]:
    """The names and bytes of the latents of film.yaml."""
    latents = (folder / "film.latents").glob("*.safetensors")  # not those that were set aside
    return {path.name: path.read_bytes() for path in latents}


def shell(command: str, folder: Path, models_folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a line of sh in which $0 is the installed command."""
    return subprocess.run(
        ["sh", "-c", command, RENDER],
        cwd=folder,
        env={**os.environ, "RENDER_MODELS": str(models_folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def start(folder: Path, models_folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts the installed command in a process group of its own."""
    environment = {**os.environ, "RENDER_MODELS": str(models_folder)}
    return subprocess.Popen(
        [RENDER, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
