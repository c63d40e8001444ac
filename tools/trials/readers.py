"""The readers of whatever strangers write, as functions of bytes.

Each returns, or raises an error that is not documented. Those of files write the bytes to a file in
the folder in which the process runs.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from render.curves import expression
from render.errors import RenderError
from render.media.animation import find_note
from render.media.claims import FILE, Claims
from render.media.pictures import BROKEN, read_picture
from render.media.provenance import format_note, read_note
from render.media.safetensors_header import latent_damage
from render.media.seal import is_intact
from render.plan.arithmetic import PLAIN
from render.starter.words import WordTable
from render.storyboard import literals
from render.storyboard.named_files import probe_image
from render.storyboard.overrides import read_override
from render.storyboard.parser import parse
from render.storyboard.yaml_nodes import Mistake, decode_text
from render.synthesis.latents import Store, load_latent
from render.weights.checkpoint import open_tensors
from render.weights.convert import read_config
from render.weights.open_clip_models import read_perceptor_config
from render.weights.tokens import count_tokens

HERE = Path()
MATROSKA = b"\x1a\x45\xdf\xa3"
SHOT = "version: 1\nbpm: 120\nshots:\n- duration: 2s\n  "


def text(data: bytes) -> str:
    """Returns bytes as a command line or a file name has them."""
    return data.decode("utf-8", "surrogateescape")


def written(name: str, data: bytes) -> Path:
    """Returns a file that holds the bytes."""
    path = Path(name)
    path.write_bytes(data)
    return path


def storyboard(data: bytes) -> None:
    with suppress(RenderError, Mistake):
        parse(decode_text(data), HERE)


def shot(data: bytes) -> None:
    line = text(data).replace("\n", " ")
    for written_as in (f"prompts: sky\n  camera: {{zoom: {line}}}\n", f"prompts: {line}\n"):
        with suppress(RenderError):
            parse(SHOT + written_as, HERE)


def formula(data: bytes) -> None:
    with suppress(ValueError):
        made = expression.parse(text(data))
        made.at(dict.fromkeys(expression.VARIABLES, 0.5))


def words(data: bytes) -> None:
    line = text(data)
    for read in (
        literals.number, literals.frame_rate, read_override,
        lambda given: literals.time(given, Fraction(24), Fraction(120)),
    ):  # fmt: skip
        with suppress(ValueError, RenderError):
            read(line)
    count_tokens(line)
    with suppress(ValueError):
        WordTable.parse(line)


def note(data: bytes) -> None:
    if data.startswith(MATROSKA):
        return  # ffmpeg reads it, in a process that takes a thousand times as long
    for name in ("a.png", "a.mp4", "a.svg", "a.safetensors"):
        path = written(name, data)
        with suppress(RenderError, OSError):  # of a file that is none of a seal's
            found = read_note(path)
            format_note(found)
            is_intact(path, found)
    with suppress(ValueError):
        find_note(data)


def picture(data: bytes) -> None:
    path = written("a.png", data)
    if not isinstance(probe_image(path), str):
        with suppress(RenderError, *BROKEN):  # what is only damaged in its pixels
            read_picture(path)


def latent(data: bytes) -> None:
    path = written("key.safetensors", data)
    latent_damage(HERE, "key")
    with suppress(RenderError):
        load_latent(path)
    written("key.unfinished", data)
    Store(HERE).load_unfinished("key", PLAIN)
    written(FILE, data)
    Claims(HERE).holder("key")


def pickle(data: bytes) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/data/0", bytes(64))
    checkpoint(content.getvalue())


def checkpoint(data: bytes) -> None:
    with suppress(RenderError), open_tensors(written("a.ckpt", data)) as entries:
        for entry in entries.values():
            with suppress(RenderError):
                entry.read()


def config(data: bytes) -> None:
    with suppress(RenderError):
        read_config(written("a.yaml", data))
    with suppress(RenderError):
        read_perceptor_config(written("a.json", data))


READERS: dict[str, Callable[[bytes], None]] = {
    reader.__name__: reader
    for reader in (
        storyboard, shot, formula, words, note, picture, latent, pickle, checkpoint, config,
    )
}  # fmt: skip
