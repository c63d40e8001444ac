"""A contact sheet: frames of a film beside one another, with their times, shots and prompts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from render.film.frames import frames
from render.media.lettering import EMPTY, PAPER, draw_text
from render.plan.plan import Plan
from render.synthesis.device import Device
from render.synthesis.images import Frame
from render.synthesis.latents import Store
from render.synthesis.load import load_generators

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

WIDTH = 240  # pixels of a frame on the sheet
GAP, LINE = 12, 16  # pixels between frames, and of a line of text


@dataclass(frozen=True)
class Cell:
    """A place on a sheet."""

    frame: Frame | None  # None is an empty place
    lines: Sequence[str]  # at most two, below it


def stored_frames(plan: Plan, store: Store, numbers: Sequence[int]) -> list[int]:
    """Those of the frames whose keyframes are all stored."""
    keys = [keyframe.key for keyframe in plan.keyframes]
    stored = {key for key in dict.fromkeys(keys) if store.has(key)}
    return [
        number
        for number in numbers
        if all(keys[index] in stored for index in plan.moment(number).keyframes)
    ]


def spread_frames(plan: Plan, count: int) -> list[int]:
    """About `count` frames of what is shown, at even distances, the first one among them."""
    shown = plan.shown
    step = max(1, math.ceil(len(shown) / count))
    return list(shown[::step])


def make_sheet(
    plan: Plan,
    store: Store,
    device: Device,
    numbers: Sequence[int],
    there: Sequence[int],
    columns: int,
) -> Frame:
    """The sheet of these frames as a picture (H, W, 3) uint8; a frame that is not among those that
    are `there`, of `stored_frames`, is an empty place. Raises ModelError and LatentError."""
    generators, _ = load_generators(plan.models, device, plan.size)
    painted = dict(zip(there, frames(plan, store, generators, there), strict=True))
    cells = [Cell(painted.get(number), list(caption(plan, number))) for number in numbers]
    return drawn_sheet(cells, plan.board.size, columns)


def drawn_sheet(cells: Sequence[Cell], size: tuple[int, int], columns: int) -> Frame:
    """The sheet of frames of a size, (width, height), as a picture (H, W, 3) uint8."""
    size = (WIDTH, max(1, round(WIDTH * size[1] / size[0])))
    rows = math.ceil(len(cells) / columns)
    each = (size[0] + GAP, size[1] + 2 * LINE + GAP)
    sheet = Image.new("RGB", (columns * each[0] + GAP, rows * each[1] + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, cell in enumerate(cells):
        left, top = GAP + place % columns * each[0], GAP + place // columns * each[1]
        if cell.frame is None:
            draw.rectangle((left, top, left + size[0], top + size[1]), fill=EMPTY)
        else:
            sheet.paste(_scaled(cell.frame, size), (left, top))
        for line, text in enumerate(cell.lines):
            below = (left, top + size[1] + 2 + line * LINE)
            draw_text(draw, below, text, size[0])
    return np.asarray(sheet)


def caption(plan: Plan, number: int) -> Iterator[str]:
    """A frame's time and shot, and the prompt that weighs most there."""
    tenths = round(10 * number / plan.board.fps)
    shot = plan.board.shots[plan.shot_of(number)].name
    yield f"{tenths // 600}:{tenths % 600 / 10:04.1f}  {shot}"
    prompts = plan.keyframes[plan.moment(number).left].prompts
    wanted = max(prompts, key=lambda prompt: prompt.weight, default=None)
    yield (wanted.text or "") if wanted else ""


def _scaled(frame: Frame, size: tuple[int, int]) -> Picture:
    """A frame in the size that it has on the sheet."""
    return ImageOps.pad(Image.fromarray(frame), size, Image.Resampling.LANCZOS, EMPTY)
