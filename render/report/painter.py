"""The picture of an animatic: what the camera sees of a test card, or of the picture that a shot
begins with, through the same matrices as the film's pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from render.media.pictures import flattened, open_picture
from render.plan.camera import IDENTITY, Matrix, determinant, inverse, moves, multiply
from render.plan.moments import Moment
from render.plan.plan import Plan
from render.report.captions import crossing_at
from render.report.pose import keyframe_poses
from render.report.test_card import Colour, Floats, card, homogeneous, shot_colour
from render.storyboard.named_files import LATENT_SUFFIX
from render.weights.kinds import kind_of

Frame = NDArray[np.uint8]  # (height, width, 3)

FAR = 8.0  # in half pictures: as in `render.generators.warp`
FOLDS: dict[str, Any] = {
    # From coordinates in half pictures to those of the points that are read for them.
    "mirror": lambda side: np.abs((side - 1) % 4 - 2) - 1,
    "dream": lambda side: np.abs((side - 1) % 4 - 2) - 1,  # until it is painted
    "wrap": lambda side: (side + 1) % 2 - 1,
    "smear": lambda side: side.clip(-1, 1),
}


class Painter:
    """Paints what the camera sees, at a size of its own."""

    def __init__(self, plan: Plan, size: tuple[int, int]) -> None:
        """`size` is (width, height)."""
        self.plan, self.size = plan, size
        self.poses = keyframe_poses(plan)
        self.half = (plan.size[0] / plan.size[1] / 2, 0.5)  # of the made picture
        self.pixel = plan.frame_size[1] / size[1]
        x, y = (
            ((np.arange(count) + 0.5) / count - 0.5) * side
            for count, side in zip(size, plan.frame_size, strict=True)
        )
        self.x, self.y = x[None, :].astype(np.float32), y[:, None].astype(np.float32)
        self.begins: list[Path | None] = []  # the picture that each keyframe's chain begins with
        for keyframe in plan.keyframes:
            if keyframe.parent is not None:
                begins = self.begins[keyframe.parent]
            else:
                begins = keyframe.init
                if begins and begins.suffix.lower() == LATENT_SUFFIX:
                    begins = None  # a latent is a picture only to its generator
            self.begins.append(begins)
        # A film may have many: those of two shots, and the next.
        self._photo = lru_cache(maxsize=3)(partial(load_photo, plan.size, 1 / self.pixel))
        self._seen = lru_cache(maxsize=4)(self._seen_anew)  # while the camera rests

    def paint(self, number: int, moment: Moment) -> Frame:
        """Returns the picture of a frame of the film, (height, width, 3), and of its moment; raises
        InputError for a file that cannot be read."""
        planes = self._moment(moment, self._colour(number))
        frame = np.empty((*planes.shape[1:], 3), np.uint8)
        for channel, plane in enumerate(planes):
            frame[..., channel] = plane * np.float32(255) + np.float32(0.5)
        return frame

    def _colour(self, number: int) -> Colour:
        """The colour of a frame's shot, which goes over from that before as the prompts do."""
        index = self.plan.shot_of(number)
        share = crossing_at(self.plan, number)
        before, own = shot_colour(index - 1), shot_colour(index)
        red, green, blue = (a + share * (b - a) for a, b in zip(before, own, strict=True))
        return red, green, blue

    def _moment(self, moment: Moment, colour: Colour) -> Floats:
        """The picture of a moment, (3, height, width); in a transition both shots are mixed."""
        if moment.before is None:
            return self._one_shot(moment, colour)
        shot = self.plan.keyframes[moment.before.left].shot
        before = self._one_shot(moment.before, shot_colour(shot))
        after = self._one_shot(moment, colour)
        mixture: Floats = before + np.float32(moment.share) * (after - before)
        return mixture

    def _one_shot(self, moment: Moment, colour: Colour) -> Floats:
        """The picture of a moment in its own shot alone."""
        moved: Floats = self._seen(moment.left, moment.from_left, colour)
        keyframe = self.plan.keyframes[moment.left]
        if not moves(moment.from_left) and not moves(moment.from_right):
            return moved
        fraction = np.float32(moment.fraction)
        if (
            moment.between == "latent"
            and not kind_of(self.plan.generator_of(keyframe).model).moves_latents
        ):  # the film blends two pictures that do not move
            if not moment.fraction:
                return moved
            left, right = (
                self._seen(index, IDENTITY, colour) for index in (moment.left, moment.right)
            )
            blend: Floats = left + fraction * (right - left)
            return blend
        return self._with_border(moved, moment, colour)

    def _with_border(self, moved: Floats, moment: Moment, colour: Colour) -> Floats:
        """The moved picture of a moment, where it newly shows what is beyond the keyframe before
        it as its border gives that: at the next keyframe it will have been painted."""
        back = inverse(moment.from_left)
        if not self._shows_outside(back):
            return moved
        x, y, w = homogeneous(back, self.x, self.y)
        if not isinstance(w, float):
            w = np.maximum(w, np.float32(1e-6))
        across, down = np.broadcast_arrays(x / w / self.half[0], y / w / self.half[1])
        there = np.flatnonzero((np.abs(across) > 1) | (np.abs(down) > 1))
        if moment.border in FOLDS:
            sides = (side.ravel()[there].clip(-FAR, FAR) for side in (across, down))
            across, down = (FOLDS[moment.border](side) for side in sides)
            folded = self._shade(
                moment.left, IDENTITY, across * self.half[0], down * self.half[1], colour
            )
        else:
            flat = ImageColor.getrgb(moment.border)[:3]
            folded = (np.array(flat) / 255).astype(np.float32)[:, None]
        share = np.float32(moment.fraction)
        framed = np.array(moved)
        planes = framed.reshape(3, -1)
        planes[:, there] = folded + share * (planes[:, there] - folded)
        result: Floats = framed
        return result

    def _shows_outside(self, back: Matrix) -> bool:
        """Whether a corner of the frame is outside the picture that `back` leads to: no other part
        of the frame is farther out, unless that corner is behind the camera."""
        for x in (self.x[0, 0], self.x[0, -1]):
            for y in (self.y[0, 0], self.y[-1, 0]):
                across, down, w = (back[k] * x + back[k + 1] * y + back[k + 2] for k in (0, 3, 6))
                if w <= 0 or abs(across) > self.half[0] * w or abs(down) > self.half[1] * w:
                    return True
        return False

    def _seen_anew(self, index: int, matrix: Matrix, colour: Colour) -> Floats:
        """What lies where a keyframe's picture does, moved by a matrix."""
        return self._shade(index, inverse(matrix), self.x, self.y, colour)

    def _shade(self, index: int, back: Matrix, x: Floats, y: Floats, colour: Colour) -> Floats:
        """What lies on the plane of a keyframe, (3, ...), at points of a picture that `back` leads
        to the keyframe's own."""
        pose, begins = self.poses[index], self.begins[index]
        drawn = card(multiply(pose.to_grid(), back), x, y, self.pixel, colour)
        if begins is None:
            return drawn
        photo = self._photo(begins)
        border = self.plan.keyframes[index].border
        return self._with_photo(drawn, photo, multiply(pose.to_plane(), back), x, y, border)

    def _with_photo(
        self, drawn: Floats, photo: Photo, m: Matrix, x: Floats, y: Floats, border: str
    ) -> Floats:
        """The card with a photo on it, which fades the deeper the camera is in it.

        `m` is the matrix from the picture to the plane. Beyond the photo lies what the border
        gives; a colour gives the card.
        """
        u, v, w = homogeneous(m, x, y)
        behind: Any = False
        if not isinstance(w, float):
            behind = w <= 1e-4
            w = np.maximum(w, np.float32(1e-4))
        u, v = np.broadcast_arrays(u / w / self.half[0], v / w / self.half[1])
        hidden = behind
        if border in FOLDS:
            u, v = (FOLDS[border](side.clip(-1e4, 1e4)) for side in (u, v))
        else:
            hidden = behind | (np.abs(u) > 1) | (np.abs(v) > 1)
        # Of the first level in a pixel that is seen, at the picture's nearest point.
        nearest = float(np.max(w))
        shrink = math.sqrt(abs(determinant(m)) / nearest**3) * self.pixel * photo.pixels
        level = min(len(photo.levels) - 1, max(0, math.floor(math.log2(shrink + 1e-9) + 0.25)))
        share = min(1.0, max(0.35, 1.2 + 0.2 * math.log2(2 * shrink + 1e-9)))
        sampled = _sampled(photo.levels[level], u, v)
        weight = np.where(hidden, np.float32(0), np.float32(share))
        mixture: Floats = drawn + weight * (sampled - drawn)
        return mixture


@dataclass(frozen=True)
class Photo:
    """A picture that a shot begins with, (3, h, w) in [0, 1], and its halves, quarters, ..."""

    levels: Sequence[Floats]
    pixels: float  # in one height of the made picture, of the first level


def load_photo(size: tuple[int, int], resolution: float, path: Path) -> Photo:
    """Returns the picture that a shot begins with, scaled and cropped as the film does it to the
    `size` of the pictures that are made; `resolution` is the pixels of what is seen, in one height
    of those. Raises InputError."""
    image = flattened(open_picture(path), "white")
    height = max(2, round(2 * resolution))  # twice what is seen, for a zoom
    width = max(2, round(height * size[0] / size[1]))
    scale = max(width / image.width, height / image.height)
    covering = max(width, round(image.width * scale)), max(height, round(image.height * scale))
    left, top = (covering[0] - width) // 2, (covering[1] - height) // 2
    image = image.resize(covering, Image.Resampling.BICUBIC)
    image = image.crop((left, top, left + width, top + height))
    levels = []
    while True:
        pixels = np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255)
        levels.append(np.ascontiguousarray(pixels))
        if min(image.size) < 4 or len(levels) == 8:
            return Photo(levels, height)
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)


def _sampled(picture: Floats, u: Floats, v: Floats) -> Floats:
    """Returns a picture (3, h, w) at points from -1 to 1 across it, bilinearly: (3, ...)."""
    height, width = picture.shape[1:]
    x = ((u + 1) * (width / 2) - 0.5).clip(0, width - 1)
    y = ((v + 1) * (height / 2) - 0.5).clip(0, height - 1)
    left, top = np.minimum(x.astype(np.intp), width - 2), np.minimum(y.astype(np.intp), height - 2)
    right_share, lower_share = (x - left).astype(np.float32), (y - top).astype(np.float32)
    place = top * width + left
    planes = np.empty((3, *u.shape), np.float32)
    for plane, channel in zip(planes, picture.reshape(3, -1), strict=True):
        upper, lower = channel[place], channel[place + width]
        upper += right_share * (channel[place + 1] - upper)
        lower += right_share * (channel[place + width + 1] - lower)
        plane[...] = upper + lower_share * (lower - upper)
    return planes
