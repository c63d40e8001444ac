"""Sketches: pictures that the robust student draws in pixels, which the decoder is trained on.

sketches/000.npy holds 20 of them as bytes (20, 128, 128, 3). They are those that Render makes of a
prompt before a generator paints it, of things in all kinds of places, made with few steps.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from starter.guided import STARTER, load_pair
from torch import Tensor

from render.curves.curve import constant
from render.media.digest import file_digest
from render.plan.planner import make_plan
from render.storyboard.model import Prompt, Settings, Shot, Storyboard
from render.synthesis.images import Frame, to_frame
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.models import Models
from render.synthesis.sketch import SKETCH_SIDE, SketchStep
from render.synthesis.targets import embed_targets

BLOCK = 20  # sketches in a file
PLACES = (
    "", "", "", "at night", "at sunset", "in the snow", "in a forest", "by the sea", "in the fog",
    "under a blue sky", "in a meadow", "in the rain",
)  # fmt: skip


def names_of_things(words: str) -> list[str]:
    """Returns the phrases of a table of words that mean one class and no other."""
    return re.findall(r"^([^\t\n]+)\t(?:9\d|100) \d+:\d+$", words, re.MULTILINE)


def draw(models: Models, text: str, seed: int, steps: int) -> Tensor | None:
    """Returns the sketch (1, 3, 128, 128) in 0 to 1 of a text; None where it names nothing."""
    side, settings = SKETCH_SIDE, Settings(first_steps=steps, cutouts=8)
    shot = Shot("picture", Fraction(1), (Prompt(text, None, constant(1.0)),), settings=settings)
    board = Storyboard(1, (shot,), size=(side, side), seed=seed)
    plan = make_plan(board, STARTER, file_digest)
    targets = embed_targets(plan, models)
    picture = None
    for step in optimize_keyframe(plan, plan.keyframes[0], models, targets, None):
        if not isinstance(step, SketchStep):
            break
        picture = step.picture
    return picture


def make_sketches(
    work: Path, target: Path, count: int, seed: int, say: Callable[[str], None]
) -> None:
    """Draws `count` sketches, rounded up to whole files, with the exported models of a folder.

    Files that exist are kept. `say` is called with a line of progress.
    """
    folder = work / "sketches"
    folder.mkdir(parents=True, exist_ok=True)
    things, models = names_of_things((work / "words.txt").read_text()), load_pair(target)
    blocks = -(-count // BLOCK)
    for block in range(blocks):
        path = folder / f"{block:03d}.npy"
        if not path.exists():
            random = np.random.default_rng((seed, block, 2))
            drawn: list[Frame] = []
            while len(drawn) < BLOCK:
                text = f"{random.choice(things)} {random.choice(PLACES)}".strip()
                picture = draw(
                    models, text, int(random.integers(2**31)), int(random.integers(24, 46))
                )
                if picture is not None:
                    drawn.append(to_frame(picture, (SKETCH_SIDE, SKETCH_SIDE)))
            temporary = path.with_suffix(".partial")
            with temporary.open("wb") as file:
                np.save(file, np.stack(drawn))
            os.replace(temporary, path)
        say(f"sketches  {(block + 1) * BLOCK} of {blocks * BLOCK}")


class Sketches:
    """The sketches of the work folder; raises SystemExit where there are none."""

    def __init__(self, work: Path) -> None:
        files = sorted((work / "sketches").glob("*.npy"))
        if not files:
            raise SystemExit(f"No sketches in {work}. Run the stage 'sketches' first.")
        self.pictures = np.concatenate([np.load(file) for file in files])

    def picture(self, random: np.random.Generator) -> Tensor:
        """Returns a random one (1, 3, 128, 128) in 0 to 1, mirrored at random."""
        one = self.pictures[int(random.integers(len(self.pictures)))]
        if random.random() < 0.5:
            one = one[:, ::-1]
        return torch.from_numpy(one.copy()).permute(2, 0, 1)[None].float() / 255
