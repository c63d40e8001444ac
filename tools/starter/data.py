"""The training data: scenes, studies and drawings with captions, prepared once and stored.

The files of the work folder (.training/):

    scenes/000.npy   500 scenes as bytes (500, 160, 160, 3), scenes/000.json their captions
    studies/000.npy  500 colours, shapes, textures and styles, in the same form
    objects.npz      the drawings, see drawings.py

A file that exists is not made again, so the preparation can be stopped and continued at any time.
"""

from __future__ import annotations

import concurrent.futures
import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from starter.drawings import Drawings
from starter.scenes import Scene, scene
from starter.studies import study

BLOCK = 500  # pictures in a file
HELD_OUT = 900_000_000  # seeds from here on are for evaluation and never trained on
KINDS = ("scenes", "studies")


@functools.cache
def painter(kind: str, work: str) -> Callable[[int], Scene]:
    """Returns the function that paints a picture of that kind from a seed."""
    return scene if kind == "scenes" else functools.partial(study, drawings=Drawings(Path(work)))


def make_block(kind: str, work: str, block: int, seed: int) -> None:
    """Makes one block of pictures unless it exists."""
    pictures = Path(work) / kind / f"{block:03d}.npy"
    captions = pictures.with_suffix(".json")
    if pictures.exists() and captions.exists():
        return
    paint = painter(kind, work)
    scenes = [paint(seed * 10_000_000 + block * BLOCK + i) for i in range(BLOCK)]
    temporary = pictures.with_suffix(".partial")
    with temporary.open("wb") as file:
        np.save(file, np.stack([one.picture for one in scenes]))
    os.replace(temporary, pictures)
    temporary.write_text(json.dumps([[one.kind, *one.captions] for one in scenes]))
    os.replace(temporary, captions)


def make_pictures(
    kind: str, work: Path, count: int, seed: int, report: Callable[[int, int], None]
) -> None:
    """Makes `count` pictures of a kind, rounded up to whole blocks, on every core.

    Blocks that exist are kept. `report` is called with the pictures done and their number.
    """
    (work / kind).mkdir(parents=True, exist_ok=True)
    blocks = -(-count // BLOCK)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        tasks = [pool.submit(make_block, kind, str(work), i, seed) for i in range(blocks)]
        for done, task in enumerate(concurrent.futures.as_completed(tasks), 1):
            task.result()
            report(done * BLOCK, blocks * BLOCK)


class Pictures:
    """The prepared pictures of a kind, memory-mapped; raises SystemExit where there are none."""

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.glob("*.npy"))
        if not files:
            raise SystemExit(f"No pictures in {folder}. Run the stage 'data' first.")
        self.blocks = [np.load(file, mmap_mode="r") for file in files]
        records = [r for file in files for r in json.loads(file.with_suffix(".json").read_text())]
        self.kinds = [record[0] for record in records]
        self.captions = [record[1:] for record in records]

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """One picture, (SIZE, SIZE, 3) bytes."""
        return self.blocks[index // BLOCK][index % BLOCK]
