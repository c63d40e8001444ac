"""The plan of a film: every keyframe that will be made, from which parent, under which key."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from render.plan.camera import IDENTITY, Matrix
from render.plan.moments import Moment, moment_at
from render.storyboard.model import Region, Settings, Storyboard
from render.weights.kinds import Shape, latent_shape
from render.weights.selection import ChosenModel, FilmModels


@dataclass(frozen=True)
class ActivePrompt:
    """A prompt at one time: a text, an image or a latent, with its weight and stop of that time."""

    text: str | None
    image: Path | None
    weight: float  # signed; below 0 pushes away
    stop: float  # the distance below which it no longer pulls; -inf is never
    where: Region | None = None
    moved: Matrix = IDENTITY  # the camera's movement since the start of the shot
    latent: Path | None = None  # instead of a text or an image


@dataclass(frozen=True)
class Keyframe:
    """One latent to be made, and everything that decides it."""

    key: str
    index: int  # in the film
    shot: int  # index of its shot
    time: Fraction  # seconds into the shot
    parent: int | None  # index of the keyframe it continues from; None starts a chain
    matrix: Matrix  # from the parent's picture (or the init image) to this one
    border: str  # what comes in from outside the parent's picture
    sharpen: float  # strength of the sharpening after the parent is warped
    init: Path | None  # the image that a chain starts from
    generator: int  # index in the plan's models
    reference: int | None  # index of the keyframe whose sharpness and palette it keeps
    prompts: tuple[ActivePrompt, ...]
    steps: int
    step_size: float
    # How much its prompts are others than the parent's: 0 for the same, 1 from a quarter on.
    change: float
    seed: int
    settings: Settings  # of its shot, at its time


@dataclass(frozen=True)
class Plan:
    """What will be done for one storyboard. `check`, resume and rendering all read the same one."""

    board: Storyboard
    models: FilmModels
    size: tuple[int, int]  # (width, height) that the generators make, cropped to the board's
    frame_count: int
    keyframes: tuple[Keyframe, ...]  # parents first
    starts: tuple[Fraction, ...]  # start of each shot in seconds, then the film's end
    first_keyframes: tuple[int, ...]  # index of each shot's first keyframe, then the number of all
    frame_size: tuple[float, float]  # the board's (width, height) in heights of the made picture
    part: tuple[range, ...] = ()  # the frames that are shown, in order; () is all

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """The numbers of the frames that are shown."""
        ranges = self.part or (range(self.frame_count),)
        return tuple(number for numbers in ranges for number in numbers)

    def generator_of(self, keyframe: Keyframe) -> ChosenModel:
        """The generator that paints a keyframe."""
        return self.models.generators[keyframe.generator]

    @cached_property
    def latent_shapes(self) -> dict[str, Shape]:
        """(C, h, w) of every keyframe's latent, by its key."""
        shapes = [latent_shape(chosen.model, self.size) for chosen in self.models.generators]
        return {keyframe.key: shapes[keyframe.generator] for keyframe in self.keyframes}

    def chains(self) -> list[list[Keyframe]]:
        """Runs of keyframes in which each continues from the one before."""
        runs: list[list[Keyframe]] = []
        for keyframe in self.keyframes:
            if keyframe.parent is None:
                runs.append([])
            runs[-1].append(keyframe)
        return runs

    def needed_keyframes(self, frame: int | None = None) -> tuple[Keyframe, ...]:
        """The keyframes of what is shown, or of one frame, and all that they continue from."""
        if frame is None and not self.part:
            return self.keyframes
        indices: set[int] = set()
        for number in self.shown if frame is None else (frame,):
            for index in self.moment(number).keyframes:
                step: int | None = index
                while step is not None and step not in indices:
                    indices.add(step)
                    step = self.keyframes[step].parent
        return tuple(self.keyframes[index] for index in sorted(indices))

    def shot_of(self, frame: int) -> int:
        """The index of the shot that a frame belongs to."""
        last = len(self.board.shots) - 1
        return max(0, min(bisect_right(self.starts, frame / self.board.fps) - 1, last))

    def shot_frames(self, shot: int) -> range:
        """The numbers of the frames that begin within a shot: start <= frame / fps < end."""
        fps = self.board.fps
        first, last = math.ceil(self.starts[shot] * fps), math.ceil(self.starts[shot + 1] * fps)
        return range(first, min(last, self.frame_count))

    def moment(self, frame: int) -> Moment:
        """What frame number `frame`, at frame / fps seconds, is made of."""
        return moment_at(self, frame)
