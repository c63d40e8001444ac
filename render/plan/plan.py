"""The plan of a film: every keyframe that will be made, from which parent, under which key."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from render.plan.camera import IDENTITY, Matrix
from render.plan.moments import Moment, moment_at
from render.storyboard.model import Region, Settings, Storyboard
from render.weights.library import known_models


def latent_shape(plan: Plan) -> tuple[int, int, int]:
    """(C, h, w) of the film's latents."""
    generator = known_models("generator")[plan.board.generator]
    width, height = plan.size
    return generator.channels, height // generator.factor, width // generator.factor


def needed_keyframes(plan: Plan, frame: int | None = None) -> tuple[Keyframe, ...]:
    """The keyframes of the film, or those that one frame is made of and all they go on from."""
    if frame is None:
        return plan.keyframes
    indices = set[int]()
    for index in plan.moment(frame).keyframes:
        indices |= ancestors(plan, index)
    return tuple(plan.keyframes[index] for index in sorted(indices))


def ancestors(plan: Plan, index: int) -> set[int]:
    """A keyframe and all that it goes on from."""
    indices: set[int] = set()
    step: int | None = index
    while step is not None:
        indices.add(step)
        step = plan.keyframes[step].parent
    return indices


@dataclass(frozen=True)
class ActivePrompt:
    """A prompt at one time: what pulls, and how hard."""

    text: str | None
    image: Path | None
    weight: float
    stop: float
    where: Region | None = None
    moved: Matrix = IDENTITY  # from where the region is named to where it is now
    latent: Path | None = None  # instead of a text or an image


@dataclass(frozen=True)
class Keyframe:
    """One latent to be made."""

    key: str
    index: int  # in the film
    shot: int
    time: Fraction  # seconds into the shot
    parent: int | None  # index of the keyframe it goes on from; None starts a chain
    matrix: Matrix  # from the parent's picture (or the init image) to this one
    border: str
    sharpen: float  # how much of its finest detail the parent gets back after it was moved
    init: Path | None
    first: int | None  # index of the keyframe whose sharpness and palette it keeps to
    prompts: tuple[ActivePrompt, ...]
    steps: int
    step_size: float
    seed: int
    settings: Settings


@dataclass(frozen=True)
class Plan:
    """What will be done for one storyboard."""

    board: Storyboard
    size: tuple[int, int]  # (width, height) that the generator makes, cropped to the board's
    frame_count: int
    keyframes: tuple[Keyframe, ...]
    generator: str  # digests of the weights
    perceptors: tuple[tuple[str, float], ...]
    starts: tuple[Fraction, ...]  # when each shot starts, and when the last one ends
    firsts: tuple[int, ...]  # index of each shot's first keyframe, and the number of all
    frame: tuple[float, float]  # the board's size in units of the made picture's height

    def chains(self) -> list[list[Keyframe]]:
        """Runs of keyframes in which each goes on from the one before."""
        runs: list[list[Keyframe]] = []
        for keyframe in self.keyframes:
            if keyframe.parent is None:
                runs.append([])
            runs[-1].append(keyframe)
        return runs

    def shot_of(self, frame: int) -> int:
        """The index of the shot that a frame belongs to."""
        last = len(self.board.shots) - 1
        return max(0, min(bisect_right(self.starts, frame / self.board.fps) - 1, last))

    def moment(self, frame: int) -> Moment:
        """What frame number `frame`, at frame / fps seconds, is made of."""
        return moment_at(self, frame)

    def shot_frames(self, shot: int) -> range:
        """The frames that begin within a shot: start <= frame / fps < end."""
        fps = self.board.fps
        first, last = math.ceil(self.starts[shot] * fps), math.ceil(self.starts[shot + 1] * fps)
        return range(first, min(last, self.frame_count))
