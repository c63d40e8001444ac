"""Files of strangers: each command that meets one ends with a sentence, soon and in little memory,
and changes nothing that is not its own."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PIL import Image

from trials.scene import BOARD, forked, set_up
from trials.tally import Tally, sample, tally, undocumented

SLOWEST = 40  # seconds for one command
MOST_MEMORY = 2500  # megabytes that one command may take, with what torch takes
PRECIOUS = b"a line of the user's\n" * 500
ESCAPES = "\x1b]0;x\x07\x9b31m\x08\r\u202e"
CONTROLS = set(ESCAPES) - set("]0;x31m")


@dataclass(frozen=True)
class Hostile:
    """A file, and the commands that meet it."""

    name: str
    make: Callable[[Path], object]  # in the folder of a case
    commands: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        return self.name


def write(name: str, data: bytes | str) -> Callable[[Path], object]:
    """Returns what writes a file."""
    content = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return lambda folder: (folder / name).write_bytes(content)


def tensors(header: object, data: bytes = b"") -> bytes:
    """Returns a safetensors file with this header."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def png(width: int, height: int, text: bytes = b"", colours: int = 2) -> bytes:
    """Returns a PNG of nothing but its head, a note and no pixels that it claims."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0))
    note = chunk(b"iTXt", b"render\0\0\0\0\0" + text) if text else b""
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + head + note + pixels + chunk(b"IEND", b"")


def board(more: str) -> str:
    """Returns the storyboard of the trials with its first shot's prompts and more replaced."""
    return BOARD.replace('prompts: "a red sea | a sun:0.5"', more)


def checked(name: str, text: str) -> Hostile:
    """A storyboard that is checked."""
    return Hostile(name, write("film.yaml", text), (("check", "film.yaml"),))


def read_as_picture(name: str, data: bytes) -> Hostile:
    """A picture that is an init image, and whose note is read."""

    def make(folder: Path) -> None:
        (folder / "x.png").write_bytes(data)
        (folder / "film.yaml").write_text(board("prompts: sky, init: x.png"))

    return Hostile(name, make, (("check", "film.yaml"), ("inspect", "x.png"),
                                ("still", "film.yaml", "--at", "0s", "-o", "y.png"),
                                ("score", "x.png", "--text", "a sky")))  # fmt: skip


def read_as_latent(name: str, data: bytes) -> Hostile:
    """A file under the name of a latent to interpolate from, to become, and of a model."""

    def make(folder: Path) -> None:
        (folder / "x.safetensors").write_bytes(data)
        (folder / "models" / "theirs.safetensors").write_bytes(data)
        (folder / "film.yaml").write_text(board("prompts: {latent: x.safetensors}"))

    return Hostile(name, make, (("check", "film.yaml"), ("inspect", "x.safetensors"), ("models",),
                                ("interpolate", "x.safetensors", "a.png", "-o", "x.mp4"),
                                ("models", "get", "gift", "--from", "x.safetensors")))  # fmt: skip


def read_as_sound(name: str, data: bytes | str) -> Hostile:
    """A sound of the film."""

    def make(folder: Path) -> None:
        write("x.wav", data)(folder)
        (folder / "film.yaml").write_text(f"audio: x.wav\n{BOARD}")

    return Hostile(name, make, (("check", "film.yaml"), ("film.yaml", "-o", "film.mp4")))


def read_as_checkpoint(name: str, data: bytes) -> Hostile:
    """A checkpoint that is imported."""
    get = ("models", "get", "gift", "--from", "x.ckpt", "--config", "mine.yaml")
    return Hostile(name, write("x.ckpt", data), (get,))


def archive(pickled: bytes) -> bytes:
    """Returns a checkpoint with this pickle."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        made.writestr("archive/data.pkl", pickled)
    return content.getvalue()


def link(name: str, command: tuple[str, ...], target: str = "precious.txt") -> Hostile:
    """A link to a file of the user's, or to where none is, under a name that Render writes to."""

    def make(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(os.path.relpath(folder / target, path.parent))

    return Hostile(f"a link at {name} to {target}", make, (command,))


def pipe(name: str, *commands: tuple[str, ...]) -> Hostile:
    """A pipe that nobody writes to, under a name that Render reads."""

    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return Hostile(f"a pipe at {name}", make, commands)


def large(mode: str, name: str) -> Callable[[Path], object]:
    """Returns what writes a picture of 64 million pixels that takes little room."""

    def make(folder: Path) -> None:
        Image.new(mode, (8000, 8000)).save(folder / name)
        (folder / "film.yaml").write_text(board(f"prompts: sky, init: {name}"))

    return make


CHECK, FILM = ("check", "film.yaml"), ("film.yaml", "-o", "film.mp4")
SHOT = "version: 1\nfps: 120\nshots:\n"
FORMULA = "1+0.1*(" + "+".join(f"sin({n}*t)" for n in range(20)) + ")"
LOSSES = ", ".join(f"{n}: {FORMULA}" for n in ("latent", "hold", "smoothness", "contrast"))
TEXTS = ", ".join(f"{n}s: text {n}" for n in range(3000))
PLAYLIST = "#EXTM3U\n#EXTINF:2,\n/etc/passwd\n#EXT-X-ENDLIST\n"
F32 = {"dtype": "F32", "shape": [1, 4, 8, 12], "data_offsets": [0, 1536]}
NOTE = '{"format": "render.latent.1", "render": "1", "kind": "latent", "size": [48, 32]}'
HOSTILE = (
    checked("nothing", ""),
    checked("a billion laughs", "a: &a [x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi")
    )),
    checked("deep nesting", "[" * 200_000),
    checked("a tag of Python's", 'version: !!python/object/apply:os.system ["touch owned"]'),
    checked("numbers without end", BOARD.replace("seed: 7", "seed: " + "9" * 400_000)),
    checked("a million shots", BOARD + "  - {duration: 1f, prompts: a}\n" * 30_000),
    checked("long formulas", SHOT
            + f"- {{duration: 100s, prompts: a, losses: {{{LOSSES}}}}}\n" * 30),
    checked("jumping formulas", SHOT + "- {duration: 60s, prompts: a, camera: {zoom: "
            "1+0.1*sign(sin(1e3*t))*fract(997*t)/s}}\n" * 20),
    checked("many texts", SHOT + f"- {{duration: 6000s, prompts: [{{text: {{{TEXTS}}}}}]}}\n"),
    checked("escapes", board(f'prompts: "{json.dumps(ESCAPES)[1:-1]}"')),
    checked("a very long film", SHOT + "- {duration: 36000s, prompts: a, keyframes: 1f}\n"),
    read_as_picture("a strip of 60,000 pixels", png(60_000, 1)),
    read_as_picture("a picture of four thousand million pixels", png(65_000, 65_000)),
    read_as_picture("a picture without pixels", png(16, 16)[:33] + png(16, 16)[-12:]),
    read_as_picture("a note of lists", png(1, 1, b'{"render": 1, "x": ' + b"[" * 9_000_000)),
    read_as_picture("a note of escapes", png(16, 16, json.dumps(
        {"render": "1", "kind": ESCAPES, "storyboard": ESCAPES, "models": [{"name": ESCAPES}]}
    ).encode())),
    read_as_picture("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
                    b"(owned) (w) file closefile\n"),
    read_as_picture("half a TIFF", b"II*\0\x08\0\0\0\xff\xff" + bytes(30)),
    Hostile("a large picture of floats", large("F", "x.tif"), (CHECK,)),
    Hostile("a large palette", large("P", "x.png"),
            (CHECK, ("still", "film.yaml", "--at", "0s", "-o", "y.png"))),
    read_as_latent("a header of one terabyte", struct.pack("<Q", 1 << 40) + b"{}"),
    read_as_latent("a note that is a number", tensors(
        {"__metadata__": {"render": 5}, "latent": F32}, bytes(1536))),
    read_as_latent("no cells", tensors({"__metadata__": {"render": NOTE}, "latent":
                   {"dtype": "F32", "shape": [1, 4, 0, 0], "data_offsets": [0, 0]}})),
    read_as_latent("a shape without end", tensors({"__metadata__": {"render": NOTE}, "latent":
                   {**F32, "shape": [1 << 62, 4, -8, 12]}}, bytes(1536))),
    read_as_latent("a size without end", tensors({"__metadata__": {
        "render": NOTE.replace("48", "9" * 400)}, "latent": F32}, bytes(1536))),
    read_as_latent("offsets that overlap", tensors({"a": F32, "latent": F32}, bytes(1536))),
    read_as_latent("a model without end", tensors({"__metadata__": {
        "format": "render.generator.1", "config": '{"ddconfig": {"ch": 1e9}}'}, "x": F32},
        bytes(1536))),
    read_as_sound("a playlist", PLAYLIST),
    read_as_sound("a list of files", "ffconcat version 1.0\nfile /etc/passwd\n"),
    read_as_sound("a sound without end", b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0"
                  b"\xff\xff\xff\x7f\xff\xff\xff\x7f\2\0\x10\0data\xff\xff\xff\xff"),
    read_as_checkpoint("a command in a pickle", archive(b"cos\nsystem\n(S'touch owned'\ntR.")),
    read_as_checkpoint("pairs of pairs", archive(
        b"\x80\x02K\x01" + b"q\x00h\x00h\x00\x86" * 60 + b"}q\x01h\x01")),
    read_as_checkpoint("marks", archive(b"\x80\x02" + b"(" * 2_000_000 + b".")),
    read_as_checkpoint("half an archive", archive(b"\x80\x02}.")[:-9]),
    read_as_checkpoint("the old format", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."),
    link("film.latents/claims", FILM),
    link("film.preview.png", FILM),
    link("film.preview.png", FILM, "owned"),
    link("still.png", ("still", "film.yaml", "--at", "0s", "-o", "still.png")),
    pipe("film.latents/claims", FILM),
    pipe("models/theirs.safetensors", CHECK, ("models",)),
    pipe("film.yaml", CHECK),
    pipe("a.png", ("inspect", "a.png"), ("interpolate", "a.png", "b.png", "-o", "x.mp4")),
    pipe("film.mp4", FILM),
    Hostile("a name of escapes", write(f"{ESCAPES}.yaml", BOARD),
            (("check", f"{ESCAPES}.yaml"), ("inspect", f"{ESCAPES}.yaml"))),
)  # fmt: skip


def attempt(hostile: Hostile, folder: Path) -> str | None:
    """Runs the commands that meet a file; returns what went wrong, or None."""
    set_up(folder)
    (folder / "precious.txt").write_bytes(PRECIOUS)
    hostile.make(folder)
    for command in hostile.commands:
        code, said = forked(folder, command)
        wrong = undocumented(code, said)
        if wrong is None and CONTROLS & set(said):
            wrong = f"it wrote control characters: {said!r}"
        if wrong is None and (folder / "precious.txt").read_bytes() != PRECIOUS:
            wrong = "a file of the user's was changed"
        if wrong is None and list(folder.rglob("owned")):
            wrong = "what the file says was done"
        if wrong is None and (most := peak_of_children()) > MOST_MEMORY:
            wrong = f"it took {most:.0f} MB"
        if wrong is not None:
            return f"{' '.join(command)!r}: {wrong}"
    return None


def peak_of_children() -> float:
    """Returns the most memory that a child of this process took, in megabytes."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def hostile(work: Path, share: float, jobs: int) -> Iterator[Tally]:
    """Gives each file to the commands that would read it."""
    yield tally("hostile files", sample(HOSTILE, share), attempt, work, jobs, SLOWEST * 3)
