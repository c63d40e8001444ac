"""The first minutes with Render: a storyboard to begin with, what this machine has, completion."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
from collections.abc import Iterator
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import click
from click.shell_completion import get_completion_class

from render import __version__
from render.cli.options import SHELLS
from render.errors import InputError
from render.media.atomic import atomic_write, file_errors, nearest_folder
from render.text import gibibytes_text, megabytes_text, plural

LITTLE_DISK = 1_000_000_000  # bytes
LITTLE_MEMORY = 2 * 2**30  # bytes; a film of the embedded models takes about half of it
MARK = "# Completion of render's commands"


def write_storyboard(name: str) -> Path:
    """Writes a commented storyboard to NAME.yaml; returns its path. Raises InputError where there
    is one, or no such folder."""
    path = Path(name)
    if path.suffix.lower() not in (".yaml", ".yml"):
        path = path.with_name(f"{path.name}.yaml")
    if os.path.lexists(path):
        raise InputError(f"{path} is there already, and is kept as it is; choose another name")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}. Make it first")
    text = (resources.files("render.starter") / "new-film.yaml").read_text(encoding="utf-8")
    with file_errors(path), atomic_write(path) as partial:
        partial.write_text(text.replace("NAME", shlex.quote(path.stem)), encoding="utf-8")
    return path


def next_commands(path: Path) -> list[str]:
    """Returns the commands that follow `render new`."""
    board, film = shlex.quote(str(path)), shlex.quote(str(path.with_suffix(".mp4")))
    return [f"render check {board}", f"render {board} --draft", f"render {board} -o {film}"]


class Finding(NamedTuple):
    """A line of `render doctor`."""

    subject: str
    found: str
    advice: str = ""  # what to do about a lack
    is_serious: bool = False  # whether films cannot be made because of it


def examine() -> Iterator[Finding]:
    """Yields what this machine has, and what it lacks for Render."""
    yield Finding(
        "render",
        f"{__version__}, Python {platform.python_version()}, {platform.system()} "
        f"{platform.machine()}",
    )
    yield from _compute()
    yield from _memory()
    yield from _video()
    yield from _models()
    yield from _disk()


def _compute() -> Iterator[Finding]:
    """What computes."""
    import torch

    from render.synthesis.device import choose_device

    version = f"torch {torch.__version__}"
    device = choose_device("auto").device
    if device.type == "cuda":
        cards = [
            f"{torch.cuda.get_device_name(number)}, "
            f"{gibibytes_text(torch.cuda.get_device_properties(number).total_memory)}"
            for number in range(torch.cuda.device_count())
        ]
        yield Finding("device", f"{'; '.join(cards)} ({version})")
    elif device.type == "mps":
        yield Finding("device", f"Metal ({version})")
    else:
        advice = ""
        if shutil.which("nvidia-smi"):
            advice = (
                "torch sees no CUDA device, although this machine has NVIDIA's driver: install a "
                "build of PyTorch for the driver's version"
            )
        yield Finding("device", f"the CPU ({version})", advice)
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    advice = ""
    if threads < cores // 2 and "OMP_NUM_THREADS" in os.environ:
        advice = f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']} leaves most cores idle; unset it"
    yield Finding("threads", f"{threads} of {plural(cores, 'core')}", advice)


def _memory() -> Iterator[Finding]:
    """Main memory."""
    from render.plan.memory import machine_memory

    memory = machine_memory()
    if memory is None:
        yield Finding("memory", "unknown: the system does not tell")
    elif memory < LITTLE_MEMORY:
        advice = (
            "render small films only, such as size: 256x144; `render check` says what one needs"
        )
        yield Finding("memory", gibibytes_text(memory), advice)
    else:
        yield Finding("memory", gibibytes_text(memory))


def _video() -> Iterator[Finding]:
    """The encoder of films, and what it can write."""
    from render.media.codecs import CODECS, probe
    from render.media.ffmpeg import VideoError, ffmpeg_path, run_ffmpeg

    try:
        path = ffmpeg_path()
        words = run_ffmpeg("-version").stdout.decode(errors="replace").split()
    except VideoError as error:
        yield Finding("ffmpeg", "none that runs", str(error), is_serious=True)
        return
    yield Finding("ffmpeg", f"{' '.join(words[1:3])}, {path}")
    usable, lacking = [], []
    for name in CODECS:
        try:
            probe(name)
            usable.append(name)
        except InputError:
            lacking.append(name)
    advice = ""
    if "h264" not in usable:
        advice = "unset IMAGEIO_FFMPEG_EXE and `pip install imageio-ffmpeg`, whose ffmpeg has h264"
    yield Finding("codecs", ", ".join(usable) or "none", advice, is_serious=bool(advice))
    if lacking:
        yield Finding("", f"not here: {', '.join(lacking)}")


def _models() -> Iterator[Finding]:
    """The embedded models and those in the folder of models."""
    from render.weights.catalog import CATALOG, ModelError
    from render.weights.library import models_folder, own_files, verify_weights

    for rows in CATALOG.values():
        for row in rows.values():
            if row.embedded:
                try:
                    verify_weights(row)
                except ModelError as error:
                    yield Finding("models", row.name, f"{error}", is_serious=True)
    try:
        folder, files = models_folder(), own_files()
        can_write = os.access(nearest_folder(folder), os.W_OK | os.X_OK)
    except (ModelError, OSError, StopIteration) as error:
        yield Finding("models", "no folder", str(error), is_serious=True)
        return
    advice = ""
    if not can_write:
        advice = "it cannot be written to; name another in the environment variable RENDER_MODELS"
    found = "the embedded ones" + (f", and {plural(len(files), 'file')}" if files else "")
    yield Finding("models", f"{found} in {folder}", advice)


def _disk() -> Iterator[Finding]:
    """Room for latents and films, here and where models are kept."""
    from render.weights.catalog import ModelError
    from render.weights.library import models_folder

    for subject, folder_of in (("disk here", Path.cwd), ("disk of models", models_folder)):
        with suppress(OSError, ModelError):  # a models' folder that is none was told above
            present = nearest_folder(folder_of())
            free = shutil.disk_usage(present).free
            advice = ""
            if free < LITTLE_DISK:
                advice = f"make room in {present}; `render check` says what a film takes"
            elif not os.access(present, os.W_OK | os.X_OK):
                advice = f"{present} cannot be written to; change to another folder"
            yield Finding(subject, f"{megabytes_text(free)} free", advice)


def described(findings: list[Finding]) -> Iterator[str]:
    """Yields the lines of `render doctor`."""
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        yield f"{finding.subject:<{width}}  {finding.found}"
        if finding.advice:
            yield f"{'':<{width}}  -> {finding.advice}"
    lacks = sum(finding.is_serious for finding in findings)
    yield f"{plural(lacks, 'lack')}; films cannot be made" if lacks else "ready to make films"


def shell_of_user() -> str:
    """Returns the name of the user's shell; raises InputError if it is none of SHELLS."""
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        known = ", ".join(SHELLS)
        if not name:
            raise InputError(f"it is not known which shell you use; name one of {known}")
        raise InputError(f"your shell {name} is not one of {known}: name one of them")
    return name


def completion_script(shell: str, command: click.Command) -> str:
    """Returns the script by which a shell completes a command line: commands, options, files."""
    made = get_completion_class(shell)
    assert made is not None
    return str(made(command, {}, "render", "_RENDER_COMPLETE").source())


def install_completion(shell: str, script_text: str) -> list[Path]:
    """Writes a script of completion where a shell finds it; returns the files that were written.

    For bash and zsh a line that reads the script is added to the shell's own file, once.
    """
    try:
        home = Path.home()
    except RuntimeError as error:
        raise InputError("you have no home folder here; print the script without --install") from (
            error
        )
    if shell == "fish":
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        script, own_file = config / "fish" / "completions" / "render.fish", None
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
        folder = Path(os.environ.get("ZDOTDIR") or home) if shell == "zsh" else home
        script, own_file = data / "render" / f"completion.{shell}", folder / f".{shell}rc"
    written = [script]
    with file_errors(script):
        script.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(script) as partial:
            partial.write_text(script_text, encoding="utf-8")
    if own_file is None:
        return written
    before = own_file.read_bytes() if own_file.exists() else b""
    if MARK.encode() not in before:
        # zsh completes nothing before compinit has run, which may be called twice.
        needed = "autoload -Uz compinit && compinit; " if shell == "zsh" else ""
        name = shlex.quote(str(script))
        line = f"\n{MARK}\n[ -f {name} ] && {{ {needed}. {name}; }}\n"
        with file_errors(own_file), atomic_write(own_file) as partial:
            partial.write_bytes(before + line.encode())
            if own_file.exists():
                shutil.copymode(own_file, partial)
        written.append(own_file)
    return written
