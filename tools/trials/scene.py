"""A small film of the tiny true models, and the commands that trials run on it."""

from __future__ import annotations

import importlib
import io
import os
import pkgutil
import shutil
import sys
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import tiny
from checkpoint_files import YAML, checkpoint, taming_state
from PIL import Image

import render
from render.cli import entry

RENDER = Path(sysconfig.get_path("scripts")) / "render"
BOARD = """\
version: 1
size: 48x32
fps: 4
seed: 7
models: {generator: tiny-vqgan, perceptors: tiny-clip}
defaults: {iterations: {first: 3, then: 2}, keyframes: {every: 0.5s}, cutouts: 2}
shots:
  - {name: dawn, duration: 1s, prompts: "a red sea | a sun:0.5", camera: {zoom: 1.2/s}}
  - {name: fire, duration: 0.5s, prompts: fire, transition: 0.25s}
"""
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "RENDER_PRECISION": "float32",
    "RENDER_CONVOLUTIONS": "channels-last",
    "COLUMNS": "100",
}


@dataclass(frozen=True)
class Command:
    """A command whose every write may fail."""

    name: str
    arguments: tuple[str, ...]
    made: tuple[str, ...]  # the files that it leaves, beside latents; names may be patterns
    before: tuple[str, ...] = ()  # the arguments of a command that must have been run


FILM = Command("film", ("film.yaml", "-o", "film.mp4", "--save-every", "0"), ("film.mp4",))
COMMANDS = (
    FILM,
    Command("still", ("still", "film.yaml", "--at", "1s", "-o", "still.png"), ("still.png",)),
    Command(
        "interpolate",
        ("interpolate", "a.png", "b.png", "-o", "way.mp4", "--model", "tiny-vqgan",
         "--seconds", "1", "--fps", "6"),
        ("way.mp4",),
    ),
    Command("gif", ("film.yaml", "-o", "film.gif"), ("film.gif",)),
    Command("frames", ("film.yaml", "-o", "frames/%03d.png"), ("frames/*.png",)),
    Command("sheet", ("sheet", "film.yaml", "-o", "sheet.png"), ("sheet.png",),
            ("film.yaml", "-o", "film.gif")),
    Command(
        "variants",
        ("variants", "film.yaml", "--seeds", "1,2", "--at", "0s", "-o", "variants"),
        ("variants/*",),
    ),
    Command("models", ("models", "get", "mine", "--from", "mine.ckpt", "--config", "mine.yaml"),
            ("models/mine.safetensors",)),
)  # fmt: skip


def write_template(folder: Path) -> None:
    """Makes the folder that every case gets a copy of: a storyboard, tiny models with all that is
    computed once for them, pictures, and a checkpoint to import."""
    folder.mkdir()
    (folder / "film.yaml").write_text(BOARD)
    for number, name in enumerate(("a.png", "b.png")):
        Image.effect_noise((48, 32), 60 + 40 * number).convert("RGB").save(folder / name)
    with redirect_stdout(io.StringIO()):  # taming prints the shapes of its modules
        tiny.write_models(folder / "models")
        checkpoint(folder / "mine.ckpt", taming_state())
    (folder / "mine.yaml").write_text(YAML.format(target="VQModel"))
    # A sheet has its convolutions chosen by measuring; here once for all.
    for arguments in (
        ("still", "film.yaml", "--at", "0s", "-o", "once.png"),
        ("sheet", "film.yaml", "-o", "once.png", "--force"),
        ("models",),
    ):
        code, said = forked(folder, arguments)
        if code:
            raise RuntimeError(f"{arguments} ended with {code}: {said}")
    (folder / "once.png").unlink()
    shutil.rmtree(folder / "film.latents")


def set_up(folder: Path) -> None:
    """Fills the empty folder of a case."""
    shutil.copytree(folder.parent / "template", folder, dirs_exist_ok=True)


def environment(folder: Path) -> dict[str, str]:
    """Returns the environment of a command in a folder: nothing of it is outside the folder."""
    inside = {"RENDER_MODELS": str(folder / "models"), "XDG_CACHE_HOME": str(folder / "cache")}
    return {**os.environ, **ENVIRONMENT, **inside}


def forked(
    folder: Path, arguments: Sequence[str], before: Callable[[], None] = lambda: None
) -> tuple[int, str]:
    """Runs a command in a child of this process, which has imported Render already, and waits.

    `before` is called in the child first. Returns the exit code, less than 0 where a signal ended
    it, and what the command said.
    """
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(writer, 1)
            os.dup2(writer, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            os.environ.update(environment(folder))
            os.chdir(folder)
            sys.argv = ["render", *arguments]
            before()
            entry.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    os.close(writer)
    with open(reader, "rb") as file:
        said = file.read().decode(errors="replace")
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), said


def import_all() -> None:
    """Imports every module of Render, so that children need not."""
    for module in pkgutil.walk_packages(render.__path__, "render."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
