"""The training data: procedural scenes, drawn objects, captions; prepared once and kept.

Everything lies in the work folder (.training/):

    scenes/000.npy  500 scenes as bytes (500, 160, 160, 3), scenes/000.json their captions
    objects.npz     cut-out drawings (n, 96, 96, 4) premultiplied, objects.json their captions
    sources/        what `fetching` below names, if you want objects: archives as downloaded

A block or file that is there is not made again, so the preparation can be stopped at any time.
"""

from __future__ import annotations

import concurrent.futures
import io
import json
import os
import re
import subprocess
import tarfile
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starter.canvas import SIZE
from starter.scenes import scene

BLOCK = 500  # scenes in a file
OBJECT = 96  # pixels of a cut-out drawing
HELD_OUT = 900_000_000  # seeds from here on are for evaluation and never trained on

FETCHING = """\
Objects are optional. To have them, put these archives into {folder}:
    npm pack fluentui-emoji@1.3.0 @lobehub/fluent-emoji-3d@1.1.0        (MIT)
    apt-get download openclipart-png                                    (public domain)
"""

# Drawings whose names say nothing of how they look, or that we do not want to dream of.
UNWANTED = re.compile(
    r"button|keycap|flag|clock|oclock|thirty|arrow|sign|symbol|square|letter|person|man|woman|"
    r"men\b|women|people|boy|girl|family|couple|kiss|hand|finger|medium|light skin|dark skin|"
    r"zodiac|number|japanese|input|mark|recycling|no |non |currency|dollar|yen|euro|pound|atm|"
    r"restroom|baggage|latin|squared|negative|regional|tag |selector|ideograph|copyright|"
    r"registered|trade"
)


def block_of_scenes(folder: str, block: int, seed: int) -> int:
    """Make one block of scenes unless it is there; returns its number."""
    pictures, captions = Path(folder) / f"{block:03d}.npy", Path(folder) / f"{block:03d}.json"
    if pictures.exists() and captions.exists():
        return block
    made = [scene(seed * 10_000_000 + block * BLOCK + i) for i in range(BLOCK)]
    temporary = pictures.with_suffix(".partial")
    with temporary.open("wb") as file:
        np.save(file, np.stack([one.picture for one in made]))
    os.replace(temporary, pictures)
    temporary.write_text(json.dumps([[one.kind, *one.captions] for one in made]))
    os.replace(temporary, captions)
    return block


def make_scenes(
    work: Path, count: int, seed: int, processes: int, report: Callable[[int, int], None]
) -> None:
    """Make (or finish) `count` scenes, rounded up to whole blocks."""
    folder = work / "scenes"
    folder.mkdir(parents=True, exist_ok=True)
    blocks = -(-count // BLOCK)
    with concurrent.futures.ProcessPoolExecutor(processes) as pool:
        tasks = [pool.submit(block_of_scenes, str(folder), i, seed) for i in range(blocks)]
        for done, task in enumerate(concurrent.futures.as_completed(tasks), 1):
            task.result()
            report(done * BLOCK, blocks * BLOCK)


def cut_out(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    """The drawing without its empty border, fitted into OBJECT pixels, premultiplied RGBA."""
    picture = picture.convert("RGBA")
    box = picture.getchannel("A").point(lambda v: 255 if v > 12 else 0).getbbox()
    if box is None or min(box[2] - box[0], box[3] - box[1]) < 8:
        return None
    picture = picture.crop(box).convert("RGBa")
    factor = OBJECT / max(picture.size)
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    small = np.asarray(picture.resize(size, Image.Resampling.BOX if factor < 0.5 else 1))
    sheet = np.zeros((OBJECT, OBJECT, 4), np.uint8)
    top, left = (OBJECT - size[1]) // 2, (OBJECT - size[0]) // 2
    sheet[top : top + size[1], left : left + size[0]] = small
    return sheet


def flat_emoji(archive: Path) -> Iterator[tuple[str, Image.Image]]:
    """Names and pictures of fluentui-emoji: SVG, named in words."""
    import resvg_py

    with tarfile.open(archive) as files:
        for file in files:
            found = re.search(r"icons/(?:flat|modern)/([a-z-]+)\.svg$", file.name)
            if found is None or re.search(r"-(dark|light|medium)(-|$)", found[1]):
                continue
            source = files.extractfile(file)
            assert source is not None
            drawn = resvg_py.svg_to_bytes(svg_string=source.read().decode(), width=192)
            name = re.sub(r"-default$", "", found[1]).replace("-", " ")
            yield name, Image.open(io.BytesIO(bytes(drawn)))


def solid_emoji(archive: Path) -> Iterator[tuple[str, Image.Image]]:
    """Names and pictures of fluent-emoji-3d: WebP, named by code point."""
    with tarfile.open(archive) as files:
        for file in files:
            found = re.search(r"assets/([0-9a-f]{4,5})(-fe0f)?\.webp$", file.name)
            if found is None:
                continue
            name = unicodedata.name(chr(int(found[1], 16)), "").lower()
            source = files.extractfile(file)
            assert source is not None
            if name:
                yield name, Image.open(io.BytesIO(source.read()))


def cliparts(archive: Path, every: int = 4) -> Iterator[tuple[str, Image.Image]]:
    """Pictures of openclipart-png, without captions: its file names say too little."""
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=process.stdout, mode="r|") as files:
        count = 0
        for file in files:
            if (
                not file.isfile()
                or not file.name.endswith(".png")
                or file.size > 400_000
                or "flags" in file.name
            ):
                continue
            count += 1
            source = files.extractfile(file)
            if count % every == 0 and source is not None:
                yield "", Image.open(io.BytesIO(source.read()))
    process.wait()


def make_objects(work: Path, report: Callable[[str, int], None]) -> None:
    """Cut out the drawings of every archive in sources/; without any there are no objects."""
    target = work / "objects.npz"
    if target.exists():
        return
    sources = work / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    readers = (
        ("fluentui-emoji-*.tgz", flat_emoji),
        ("lobehub-fluent-emoji-3d-*.tgz", solid_emoji),
        ("openclipart-png_*.deb", cliparts),
    )
    drawings, names = [], []
    for pattern, read in readers:
        for archive in sorted(sources.glob(pattern)):
            for name, picture in read(archive):
                if name and UNWANTED.search(name):
                    continue
                try:
                    drawing = cut_out(picture)
                except (OSError, ValueError, SyntaxError):  # a damaged picture is no loss
                    continue
                if drawing is not None:
                    drawings.append(drawing)
                    names.append(name)
            report(archive.name, len(drawings))
    temporary = target.with_suffix(".partial")
    (work / "objects.json").write_text(json.dumps(names))
    with temporary.open("wb") as file:
        np.savez(file, drawings=np.stack(drawings) if drawings else np.zeros((0, 96, 96, 4), "u1"))
    os.replace(temporary, target)


def article(name: str) -> str:
    """The name with its article."""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


class Prepared:
    """The prepared data, opened: pictures stay on the disk and are read as they are needed."""

    def __init__(self, work: Path) -> None:
        files = sorted((work / "scenes").glob("*.npy"))
        if not files:
            raise SystemExit(f"No scenes in {work / 'scenes'}. Run the stage 'data' first.")
        self.blocks = [np.load(file, mmap_mode="r") for file in files]
        records = [r for file in files for r in json.loads(file.with_suffix(".json").read_text())]
        self.kinds = [record[0] for record in records]
        self.captions = [record[1:] for record in records]
        self.drawings = np.zeros((0, OBJECT, OBJECT, 4), np.uint8)
        self.names: list[str] = []
        if (work / "objects.npz").exists():
            self.drawings = np.load(work / "objects.npz")["drawings"]
            self.names = json.loads((work / "objects.json").read_text())
        # Every 50th drawing is held out for the evaluation.
        kept = [i for i in range(len(self.names)) if i % 50]
        self.all_drawings = np.array(kept, int)
        self.named = np.array([i for i in kept if self.names[i]], int)
        self.held_out = np.array([i for i in range(len(self.names)) if i % 50 == 0], int)

    def __len__(self) -> int:
        return len(self.captions)

    def picture(self, index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """One scene, (SIZE, SIZE, 3) bytes."""
        return self.blocks[index // BLOCK][index % BLOCK]

    def with_object(
        self, random: np.random.Generator, ground: np.ndarray[Any, Any], drawing: int
    ) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The drawing laid on the ground, at a random size and place."""
        size = int(random.integers(70, SIZE))
        sheet = Image.frombytes("RGBa", (OBJECT, OBJECT), self.drawings[drawing].tobytes()).resize(
            (size, size), 2
        )
        layer = np.asarray(sheet, np.float32)
        if random.random() < 0.5:
            layer = layer[:, ::-1]
        top, left = random.integers(0, SIZE - size + 1, 2)
        picture = ground.astype(np.float32).copy()
        part = picture[top : top + size, left : left + size]
        part[:] = part * (1 - layer[..., 3:] / 255) + layer[..., :3]
        return np.clip(picture, 0, 255).astype(np.uint8)
