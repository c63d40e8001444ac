"""Guided pictures: what the models draw of a text, optimised as Render optimises a keyframe."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from render.curves.curve import constant
from render.generators.readout import load_readouts
from render.generators.vqgan import load_vqgan
from render.media.digest import file_digest
from render.plan.arithmetic import Arithmetic
from render.plan.key import ALGORITHM
from render.plan.planner import make_plan
from render.storyboard.model import STARTERS, Prompt, Settings, Shot, Storyboard
from render.synthesis.images import to_frame
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.load import load_perceptor
from render.synthesis.models import Models
from render.synthesis.optimize import Step
from render.synthesis.probe import fastest_convolutions
from render.synthesis.targets import embed_targets
from render.weights.catalog import GENERATORS, PERCEPTORS
from render.weights.selection import ChosenModel, FilmModels


@dataclasses.dataclass(frozen=True)
class Effort:
    """The size and the settings of a guided picture."""

    side: int  # pixels
    settings: Settings


FULL = Effort(256, Settings())
QUICK = Effort(160, Settings(first_steps=25, cutouts=8))
# A plan needs models for its keys; the keys of these plans are not used.
STARTER = FilmModels(
    (ChosenModel(GENERATORS["starter"], "starter"),),
    tuple(ChosenModel(PERCEPTORS[name], name, weight) for name, weight in STARTERS),
)


def load_pair(folder: Path) -> Models:
    """Returns the exported models of a folder, loaded as Render loads its own."""
    rows = (GENERATORS["starter"], *(PERCEPTORS[name] for name, _ in STARTERS))
    generator, *perceptors = (
        dataclasses.replace(row, embedded=str(folder.resolve() / str(row.embedded))) for row in rows
    )
    painter = load_vqgan(generator)
    painter.readouts = (
        load_readouts(folder / "readouts.safetensors", painter.digest, painter.decoder) or {}
    )
    return Models(
        (painter.on(torch.device("cpu"), Arithmetic(convolutions=fastest_convolutions(painter))),),
        tuple(
            (load_perceptor(row), weight)
            for row, (_, weight) in zip(perceptors, STARTERS, strict=True)
        ),
    )


def draw(models: Models, text: str, seed: int, effort: Effort) -> Tensor:
    """Returns a picture (3, side, side) in 0 to 1 of the text: the first keyframe of a film with
    that prompt."""
    shot = Shot(
        "picture", Fraction(1), (Prompt(text, None, constant(1.0)),), settings=effort.settings
    )
    board = Storyboard(1, (shot,), size=(effort.side, effort.side), seed=seed)
    plan = make_plan(board, STARTER, file_digest)
    for step in optimize_keyframe(
        plan, plan.keyframes[0], models, embed_targets(plan, models), None
    ):
        if isinstance(step, Step):
            latent = step.average
    with torch.no_grad():
        return models.network.decode(latent)[0]


class Studio:
    """Draws with the models of a folder and stores the pictures, so that a stopped evaluation can
    continue."""

    def __init__(self, target: Path, work: Path, effort: Effort) -> None:
        self.models, self.effort = load_pair(target), effort
        digest = hashlib.sha256(repr((ALGORITHM, effort)).encode())
        for weights in sorted(target.glob("*.safetensors")):
            digest.update(weights.read_bytes())
        self.folder = work / "guided" / digest.hexdigest()[:12]
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, text: str, seed: int) -> Tensor:
        """Returns the picture (3, side, side) of that text in 0 to 1, rounded to 8 bits."""
        side = self.effort.side
        path = self.folder / f"{re.sub('[^a-z]+', '-', text)}.{seed}.png"
        if not path.exists():
            frame = to_frame(draw(self.models, text, seed, self.effort)[None], (side, side))
            Image.fromarray(frame).save(path.with_suffix(".partial"), "PNG")
            path.with_suffix(".partial").rename(path)
        with Image.open(path) as picture:
            return torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255


def save_sheet(pictures: Mapping[str, Tensor], path: Path, columns: int = 8) -> None:
    """Writes pictures (3, side, side) in 0 to 1, each above its label of up to two lines, as one
    PNG."""
    side = next(iter(pictures.values())).shape[-1]
    rows = math.ceil(len(pictures) / columns)
    page = Image.new("RGB", (columns * (side + 4), rows * (side + 32)), "white")
    pen = ImageDraw.Draw(page)
    for i, (label, picture) in enumerate(pictures.items()):
        x, y = i % columns * (side + 4), i // columns * (side + 32)
        page.paste(Image.fromarray(to_frame(picture[None], (side, side))), (x, y))
        pen.multiline_text((x + 2, y + side + 3), label, "black")
    page.save(path)
