"""Cut-out drawings of the openly licensed emoji sets and cliparts, with the words they go by.

objects.npz     drawings (n, 96, 96, 4), premultiplied; objects.json their names
sources/        what FETCHING below names, if you want drawings: archives as downloaded
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

# Drawings whose names say nothing of how they look, or that we do not want to dream of.
UNWANTED = re.compile(
    r"button|keycap|flag|clock|oclock|thirty|arrow|sign|symbol|square|letter|person|man|woman|"
    r"men\b|women|people|boy|girl|family|couple|kiss|hand|finger|medium|light skin|dark skin|"
    r"zodiac|number|japanese|input|mark|recycling|no |non |currency|dollar|yen|euro|pound|atm|"
    r"restroom|baggage|latin|squared|negative|regional|tag |selector|ideograph|copyright|"
    r"registered|trade"
)
# Folders of openclipart whose names do not say what is seen.
UNNAMED = re.compile(r"/(icons|signs_and_symbols|people|shapes|special|cards|aiga-symbols)/")


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


def cliparts(archive: Path, rest: bool = False) -> Iterator[tuple[str, Image.Image]]:
    """Pictures of openclipart-png, by the noun in their file names; most say too little.

    Every fourth one, named or not, or the `rest` of them, if named.
    """
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=process.stdout, mode="r|") as files:
        count, seen = 0, set()
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
            again = not noun or stem in seen  # many lie in two folders
            seen.add(stem)
            wanted = count % 4 != 0 and not again if rest else count % 4 == 0
            if source is not None and wanted:
                yield noun, Image.open(io.BytesIO(source.read()))
    process.wait()


def noun_in_file_name(stem: str) -> str:
    """The one noun among a file name's first words ("pie_cherry" is a cherry), or nothing."""
    words = re.findall("[a-z]+", stem.lower())
    found = {noun for word in words[:3] for noun in (word, word.removesuffix("s")) if noun in NOUNS}
    return found.pop() if len(found) == 1 and "bw" not in words else ""


def noun_of(name: str) -> str:
    """The noun a name ends with: a polar bear is a bear, a mouse trap nothing we know."""
    last = name.removesuffix(" face").split()[-1:]
    return last[0] if last and last[0] in NOUNS else ""


def captions_of(name: str) -> tuple[str, ...]:
    """Six texts that are true of a drawing of that name."""
    noun = noun_of(name) or name
    drawn = f"a drawing of {article(noun)}", f"a picture of {article(noun)}"
    return name, article(name), noun, article(noun), *drawn


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


class Drawings:
    """The cut-out drawings; every fiftieth is held out for the evaluation."""

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

    def likely(self, random: np.random.Generator) -> int:
        """A drawing with a name: mostly of a common noun, each noun as often as any other."""
        group = self.named
        if random.random() < 0.85 and self.by_noun:
            group = self.by_noun[list(self.by_noun)[random.integers(len(self.by_noun))]]
        return group[random.integers(len(group))]

    def laid_on(
        self,
        ground: np.ndarray[Any, Any],
        drawing: int,
        random: np.random.Generator,
        sizes: tuple[float, float] = (0.44, 1.0),
    ) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The drawing on a square ground, somewhere, its size a share of the ground's."""
        edge = len(ground)
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
        picture = ground * (1 - layer[..., 3:] / 255) + layer[..., :3]
        return np.clip(picture, 0, 255).astype(np.uint8)
