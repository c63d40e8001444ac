"""Cut-out drawings of openly licensed emoji sets and cliparts, with their names.

objects.npz     drawings (n, 96, 96, 4), premultiplied; objects.json holds their names
sources/        the archives that FETCHING below names, as downloaded; optional
"""

from __future__ import annotations

import functools
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
from starter.words import NOUNS, article

OBJECT = 96  # pixels of a cut-out drawing

FETCHING = """\
Objects are optional. To have them, put these archives into {folder}:
    npm pack fluentui-emoji@1.3.0 @lobehub/fluent-emoji-3d@1.1.0        (MIT)
    apt-get download openclipart-png                                    (public domain)
"""

# Names that say nothing about how a drawing looks, or of drawings that we do not want in films.
UNWANTED = re.compile(
    r"button|keycap|flag|clock|oclock|thirty|arrow|sign|symbol|square|letter|person|man|woman|"
    r"men\b|women|people|boy|girl|family|couple|kiss|hand|finger|medium|light skin|dark skin|"
    r"zodiac|number|japanese|input|mark|recycling|no |non |currency|dollar|yen|euro|pound|atm|"
    r"restroom|baggage|latin|squared|negative|regional|tag |selector|ideograph|copyright|"
    r"registered|trade"
)
# Folders of openclipart whose file names do not say what the picture shows.
UNNAMED = re.compile(r"/(icons|signs_and_symbols|people|shapes|special|cards|aiga-symbols)/")


def cut_out(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    """Returns the drawing without its empty border, scaled into (OBJECT, OBJECT, 4) premultiplied
    RGBA; None for one that is empty or smaller than 8 pixels."""
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
    """Yields names and pictures of fluentui-emoji, whose SVG files are named in words."""
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
    """Yields names and pictures of fluent-emoji-3d, whose WebP files are named by code point."""
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


def cliparts(archive: Path, rest: bool = False) -> Iterator[tuple[str, Image.Image]]:
    """Yields pictures of openclipart-png and the noun in their file names, "" where none is clear.

    Yields every fourth picture, with or without a noun; with `rest` the others, if they have one.
    """
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=process.stdout, mode="r|") as files:
        count, stems = 0, set()
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
            stem = Path(file.name).stem
            noun = "" if UNNAMED.search(file.name) else noun_in_file_name(stem)
            is_new = bool(noun) and stem not in stems  # many files lie in two folders
            stems.add(stem)
            is_chosen = count % 4 != 0 and is_new if rest else count % 4 == 0
            if source is not None and is_chosen:
                yield noun, Image.open(io.BytesIO(source.read()))
    process.wait()


def noun_in_file_name(stem: str) -> str:
    """Returns the only noun among a file name's first three words ("pie_cherry" is a cherry), else
    ""."""
    words = re.findall("[a-z]+", stem.lower())
    found = {noun for word in words[:3] for noun in (word, word.removesuffix("s")) if noun in NOUNS}
    return found.pop() if len(found) == 1 and "bw" not in words else ""


def noun_of(name: str) -> str:
    """Returns the noun that a name ends with (a polar bear is a bear), or "" if it is not known."""
    last = name.removesuffix(" face").split()[-1:]
    return last[0] if last and last[0] in NOUNS else ""


def captions_of(name: str) -> tuple[str, ...]:
    """Returns six captions that are true of a drawing of that name."""
    noun = noun_of(name) or name
    drawn = f"a drawing of {article(noun)}", f"a picture of {article(noun)}"
    return name, article(name), noun, article(noun), *drawn


def make_objects(work: Path, report: Callable[[str, int], None]) -> None:
    """Cuts out the drawings of every archive in sources/ and writes objects.npz unless it exists.

    Without archives it holds no drawings. `report` is called with an archive's name and the number
    of drawings so far.
    """
    target = work / "objects.npz"
    if target.exists():
        return
    sources = work / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    readers = (
        ("fluentui-emoji-*.tgz", flat_emoji),
        ("lobehub-fluent-emoji-3d-*.tgz", solid_emoji),
        ("openclipart-png_*.deb", cliparts),
        ("openclipart-png_*.deb", functools.partial(cliparts, rest=True)),
    )
    drawings, names = [], []
    for pattern, read in readers:
        for archive in sorted(sources.glob(pattern)):
            for name, picture in read(archive):
                if name and UNWANTED.search(name):
                    continue
                try:
                    drawing = cut_out(picture)
                except (OSError, ValueError, SyntaxError):  # damaged pictures are left out
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


class Drawings:
    """The cut-out drawings. Every fiftieth is held out of training, for the evaluation."""

    def __init__(self, work: Path) -> None:
        self.sheets = np.zeros((0, OBJECT, OBJECT, 4), np.uint8)
        self.names: list[str] = []
        if (work / "objects.npz").exists():
            self.sheets = np.load(work / "objects.npz")["drawings"]
            self.names = json.loads((work / "objects.json").read_text())
        self.trained = [i for i in range(len(self.names)) if i % 50]
        self.held_out = [i for i in range(len(self.names)) if i % 50 == 0]
        self.named = [i for i in self.trained if self.names[i]]
        self.by_noun: dict[str, list[int]] = {}
        for i in self.named:
            if noun := noun_of(self.names[i]):
                self.by_noun.setdefault(noun, []).append(i)

    def random_named(self, random: np.random.Generator) -> int:
        """Returns the index of a named drawing: in 85% of the draws one of a known noun, each noun
        equally often."""
        group = self.named
        if random.random() < 0.85 and self.by_noun:
            group = self.by_noun[list(self.by_noun)[random.integers(len(self.by_noun))]]
        return group[random.integers(len(group))]

    def laid_on(
        self,
        background: np.ndarray[Any, Any],
        drawing: int,
        random: np.random.Generator,
        sizes: tuple[float, float] = (0.44, 1.0),
    ) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Returns the drawing on a square background (h, h, 3) in bytes, at a random place.

        Its side is a random share of the background's, between the two `sizes`.
        """
        edge = len(background)
        size = round(edge * random.uniform(*sizes))
        sheet = Image.frombytes("RGBa", (OBJECT, OBJECT), self.sheets[drawing].tobytes())
        if random.random() < 0.5:
            sheet = sheet.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        sheet = sheet.resize((size, size), Image.Resampling.BILINEAR)
        left, top = (
            int(v) for v in random.integers(min(0, edge - size), max(1, edge - size + 1), 2)
        )
        whole = Image.new("RGBa", (edge, edge))
        whole.paste(sheet, (left, top))
        layer = np.asarray(whole, np.float32)
        picture = background * (1 - layer[..., 3:] / 255) + layer[..., :3]
        return np.clip(picture, 0, 255).astype(np.uint8)
