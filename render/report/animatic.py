"""The animatic: a film's moves, prompts, transitions and sound, frame for frame, without a model.

A test card moves exactly as the pictures of the film will. What a frame newly shows beyond the
keyframe before it comes from that keyframe's border, and has become the card at the next keyframe,
as the film paints it anew there. Below the picture: the time, the shot, the speed of the camera,
the prompts with their weights, and the whole film as a band with its sound.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from render.media.codecs import chosen_codec
from render.media.lettering import PAPER
from render.media.note_text import to_text
from render.media.provenance import place_of
from render.media.seal import FIELD, UNSEALED
from render.media.video import video_writer
from render.plan.notes import note_of
from render.plan.part import soundtrack_of
from render.plan.plan import Plan
from render.plan.progress import Progress, Show
from render.report.captions import beat_at
from render.report.painter import Frame, Painter
from render.report.panel import ACCENT, Panel, mixed

LARGEST, SMALLEST = 640, 320  # pixels of the longer side of the picture in an animatic
NARROWEST = 320  # pixels of the whole
QUALITY = 20  # of the codecs that have one


def make_animatic(animatic: Animatic, output: Path, show: Show) -> None:
    """Write an animatic with the sound of what it shows; raises VideoError and InputError."""
    plan = animatic.plan
    board, numbers = plan.board, plan.shown
    note = note_of(plan, "animatic")
    note |= {"made_from": place_of(board.source, output), FIELD: UNSEALED}
    title = f"{board.source.stem if board.source else 'storyboard'}, animatic"
    metadata = {"title": title, "comment": to_text(note)}
    settings = animatic.size, board.fps, chosen_codec("auto", output), QUALITY
    with video_writer(output, *settings, metadata, soundtrack_of(plan)) as writer:
        for index, number in enumerate(numbers):
            writer.send(animatic.frame(index))
            if index + 1 < len(numbers):
                show(_progress(plan, number, index + 1))
    show(_progress(plan, numbers[-1], len(numbers)))


def _progress(plan: Plan, number: int, count: int) -> Progress:
    """The report of so many frames, the last of which has this number in the film."""
    shot, total = plan.board.shots[plan.shot_of(number)].name, len(plan.shown)
    return Progress("decode", shot, count, total, 0, 0, count / total)


def picture_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns the (width, height) of the picture in an animatic of a film of this size: even, and
    neither too small to be read nor slow to draw."""
    longer = max(size)
    scale = min(LARGEST, max(longer, SMALLEST)) / longer
    width, height = (max(16, 2 * round(side * scale / 2)) for side in size)
    return width, height


class Animatic:
    """The frames of an animatic: pictures, and a panel below them."""

    def __init__(self, plan: Plan) -> None:
        """Decodes the sound; raises VideoError where that is not possible."""
        self.plan = plan
        width, height = picture_size(plan.board.size)
        self.painter = Painter(plan, (width, height))
        self.panel = Panel(plan, max(width, NARROWEST))
        self.size = (self.panel.width, height + self.panel.height)
        self.left = (self.panel.width - width) // 2

    def frame(self, index: int) -> Frame:
        """Returns frame `index` of those that are shown, (height, width, 3)."""
        number = self.plan.shown[index]
        moment = self.plan.moment(number)
        canvas = Image.new("RGB", self.size, PAPER)
        canvas.paste(Image.fromarray(self.painter.paint(number, moment)), (self.left, 0))
        width, height = self.painter.size
        draw = ImageDraw.Draw(canvas)
        middle = self.left + width // 2, height // 2
        _draw_cross(draw, middle, max(3, height // 40))
        glow = beat_at(self.plan, number)[1]
        if glow > 0.02:
            edge = (self.left, 0, self.left + width - 1, height - 1)
            draw.rectangle(edge, outline=mixed(PAPER, ACCENT, glow), width=2)
        self.panel.draw(canvas, height, index, moment)
        return np.asarray(canvas)


def _draw_cross(draw: ImageDraw.ImageDraw, middle: tuple[int, int], arm: int) -> None:
    """Mark the middle of the frame, which does not move."""
    x, y = middle
    for width, ink in ((3, "#000000"), (1, "#ffffff")):
        draw.line((x - arm, y, x + arm, y), fill=ink, width=width)
        draw.line((x, y - arm, x, y + arm), fill=ink, width=width)
