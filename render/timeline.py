"""Storyboard to Plan: which keyframes, from which parent, at which seed and key. Pure, no torch.

`check`, resume and rendering all read the same Plan, so none of them can disagree. A keyframe's
key is a digest of everything that decides its picture and of nothing else: not of absolute time,
frame rate, file names or order. A latent on disk under its key is done.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from render import camera
from render.camera import IDENTITY, Matrix
from render.codecs import LEAST_SIDE, halved
from render.curves import Curve
from render.easings import easing
from render.language import OF_PALETTE, OF_PARENT
from render.regions import Region
from render.storyboard import Settings, Shot, Storyboard
from render.transitions import OVERLAPPING

ALGORITHM = 4  # raised when the same storyboard gives other pictures; the changelog says why


@dataclass(frozen=True)
class Aim:
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
    aims: tuple[Aim, ...]
    steps: int
    step_size: float
    seed: int
    settings: Settings


@dataclass(frozen=True)
class Moment:
    """A frame between (or on) keyframes, and what it comes out of during a morph or a dissolve."""

    left: int  # index of a keyframe
    right: int
    fraction: float  # 0 at left .. 1 at right
    from_left: Matrix  # the left keyframe's picture to this frame
    from_right: Matrix
    border: str
    between: str  # latent | picture
    before: Moment | None = None  # the shot before, going on beyond its end
    share: float = 1.0  # of this moment beside the one before, 0..1
    transition: str = "cut"  # how the two become one: morph | dissolve

    @property
    def keyframes(self) -> tuple[int, ...]:
        """The indices of all that it is made of."""
        own = (self.left, self.right) if self.fraction else (self.left,)
        return own if self.before is None else (*self.before.keyframes, *own)


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
        return _moment(self, frame)

    def shot_frames(self, shot: int) -> range:
        """The frames that begin within a shot: start <= frame / fps < end."""
        fps = self.board.fps
        first, last = math.ceil(self.starts[shot] * fps), math.ceil(self.starts[shot + 1] * fps)
        return range(first, min(last, self.frame_count))


@dataclass(frozen=True)
class Report:
    """What the core tells the outside while it works; it displays nothing itself."""

    stage: str  # optimise | decode
    shot: str
    keyframe: int  # 1..keyframes while optimising, frame 1..frames while decoding
    keyframes: int
    step: int
    steps: int
    done: float  # share of all work, 0..1
    loss: float | None = None
    picture: Any = None  # (H, W, 3) uint8


def make_plan(board: Storyboard, factor: int, digest: Callable[[str, str], str]) -> Plan:
    """`factor` is the generator's pixels per cell; `digest(role, name)` that of its weights."""
    width, height = (math.ceil(side / factor) * factor for side in board.size)
    starts = [Fraction(0)]
    for shot in board.shots:
        starts.append(starts[-1] + shot.duration)
    generator = digest("generator", board.generator)
    perceptors = tuple((digest("perceptor", name), weight) for name, weight in board.perceptors)
    common = {
        "algorithm": ALGORITHM,
        "size": [width, height],
        "generator": generator,
        "perceptors": perceptors,
    }
    frame = (board.size[0] / height, board.size[1] / height)
    keyframes: list[Keyframe] = []
    firsts = []
    for number in range(len(board.shots)):
        firsts.append(len(keyframes))
        for time in keyframe_times(board, number):
            keyframes.append(_keyframe(board, number, time, keyframes, common, frame))
    return Plan(
        board=board,
        size=(width, height),
        # Half up, by hand: round() would take two shots of 0.5 frames to no frame at all.
        frame_count=max(1, math.floor(starts[-1] * board.fps + Fraction(1, 2))),
        keyframes=tuple(keyframes),
        generator=generator,
        perceptors=perceptors,
        starts=tuple(starts),
        firsts=(*firsts, len(keyframes)),
        frame=frame,
    )


def draft(board: Storyboard, factor: int) -> Storyboard:
    """The same shots and keyframes, half the size and a third of the steps.

    A film of few of the generator's cells keeps its size: half of them would show nothing of it.
    """
    width, height = halved(board.size)
    small = min(width, height) < max(4 * factor, LEAST_SIDE)

    def cheaper(settings: Settings) -> Settings:
        first, then = settings.first, settings.then
        return replace(
            settings, first=min(first, max(10, first // 3)), then=min(then, max(5, then // 3))
        )

    shots = tuple(replace(shot, settings=cheaper(shot.settings)) for shot in board.shots)
    size = board.size if small else (width, height)
    return replace(board, size=size, shots=shots, draft=True)


def keyframe_times(board: Storyboard, number: int) -> list[Fraction]:
    """Multiples of `every` within the shot, and one beyond its end where a chain ends.

    A shot that the next one morphs or dissolves out of goes on for as long as that takes.
    """
    shot = board.shots[number]
    after = board.shots[(number + 1) % len(board.shots)].transition  # the first's where it loops
    overlap = after.duration if after.kind in OVERLAPPING else Fraction(0)
    count = math.ceil((shot.duration + overlap) / shot.settings.every)
    return [shot.settings.every * k for k in range(count + (after.kind != "continue"))]


def derived_seed(*parts: object) -> int:
    """63 bits out of any printable parts; the same on every machine."""
    text = json.dumps([str(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def aims_at(
    board: Storyboard, number: int, time: Fraction, frame: tuple[float, float] = (1.0, 1.0)
) -> tuple[Aim, ...]:
    """The prompts that pull at `time`; during a crossfade also those of the shot before.

    `frame` as in Plan, for regions that move with the camera.
    """
    shot = board.shots[number]
    fresh = _aims(shot, time, 1.0, frame)
    transition = shot.transition
    if transition.kind != "continue" or time >= transition.duration:
        return fresh
    share = easing(transition.ease)(float(time / transition.duration))
    before = board.shots[number - 1]
    old = _aims(before, before.duration + time, 1 - share, frame)
    return _merged(old + _aims(shot, time, share, frame))


def _aims(shot: Shot, time: Fraction, share: float, frame: tuple[float, float]) -> tuple[Aim, ...]:
    aims = []
    for prompt in shot.prompts:
        weight = round(prompt.weight.at(time) * prompt.share.at(time) * share, 12)
        stop = -math.inf if prompt.stop is None else _now(prompt.stop, time)
        if weight != 0:
            moved = IDENTITY
            if prompt.where and prompt.where.moves:
                moved = camera.between(shot.camera, Fraction(0), time, frame)
            wanted = prompt.text, prompt.image, weight, stop, prompt.where, moved, prompt.latent
            aims.append(Aim(*wanted))
    return tuple(aims)


def _now(curve: Curve, time: Fraction) -> float:
    """The value at `time`, without the last bits of one C library's sine where it changes."""
    return curve.at(time) if curve.constant else round(curve.at(time), 12)


def _merged(aims: tuple[Aim, ...]) -> tuple[Aim, ...]:
    """One aim for each thing wanted: a prompt that both shots share keeps its full weight."""
    weights: dict[Aim, float] = {}
    for aim in aims:
        wanted = replace(aim, weight=0.0)
        weights[wanted] = round(weights.get(wanted, 0.0) + aim.weight, 12)
    return tuple(replace(aim, weight=w) for aim, w in weights.items() if w != 0)


def _keyframe(
    board: Storyboard,
    number: int,
    time: Fraction,
    before: list[Keyframe],
    common: Mapping[str, Any],
    frame: tuple[float, float],
) -> Keyframe:
    shot = board.shots[number]
    settings = shot.settings_at(time)
    opens = time == 0
    parent = None if opens and shot.transition.kind != "continue" else before[-1].index
    lens, local, init = shot.camera, time, None
    if parent is None:
        init = shot.init
        matrix = camera.tidy(camera.matrix(shot.camera, time, frame)) if init else IDENTITY
    elif opens:  # the shot before carries the camera to its own end
        previous = board.shots[number - 1]
        lens, local = previous.camera, previous.duration
        matrix = camera.between(previous.camera, before[-1].time, previous.duration, frame)
    else:
        matrix = camera.between(shot.camera, before[-1].time, time, frame)
    moving = camera.moves(matrix)
    sharpen = round(lens.sharpen.at(local), 12) if moving else 0.0
    aims = aims_at(board, number, time, frame)
    steps, step_size = settings.then, settings.then_step
    if parent is None:
        steps, step_size = settings.first, settings.first_step
    seed = derived_seed(board.seed, shot.name, time)
    first = _first_of(shot, time, before) if settings.keeps_to_first else None
    idle: tuple[str, ...] = () if parent is not None or init else OF_PARENT
    if first is None:
        idle += ("sharpness",) if settings.palette else ("sharpness", *OF_PALETTE)
    decides = {
        **common,
        "steps": steps,
        "step_size": step_size,
        "cutouts": [settings.cutouts, *settings.cutout_size],
        "smoothing": settings.smoothing,
        "losses": sorted((n, w) for n, w in settings.losses if w and n not in idle),
        "aims": [_wanted(aim) for aim in aims],
        "matrix": matrix,
        "border": lens.border if moving else None,
        "init": _file_digest(init),
        "seed": seed,
        "parent": None if parent is None else before[-1].key,
    }
    if sharpen:
        decides["sharpen"] = sharpen
    if settings.palette and settings.keeps_palette:
        decides["palette"] = _file_digest(settings.palette)
    if first is not None:
        decides["first"] = before[first].key
    text = json.dumps(decides, sort_keys=True, ensure_ascii=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    return Keyframe(
        key,
        len(before),
        number,
        time,
        parent,
        matrix,
        lens.border,
        sharpen,
        init,
        first,
        aims,
        steps,
        step_size,
        seed,
        settings,
    )


def _first_of(shot: Shot, time: Fraction, before: list[Keyframe]) -> int | None:
    """Index of the shot's first keyframe, after its prompts have crossed over; None until then."""
    crossing = shot.transition.duration if shot.transition.kind == "continue" else Fraction(0)
    every = shot.settings.every
    back = time / every - math.ceil(crossing / every)
    return len(before) - int(back) if back > 0 else None


def _wanted(aim: Aim) -> list[Any]:
    """What an aim adds to a key."""
    wanted: list[Any] = [aim.text, _file_digest(aim.image), aim.weight, aim.stop]
    if aim.where:
        wanted += [_file_digest(aim.where.picture) or aim.where.name, aim.moved]
    if aim.latent:
        wanted += ["latent", _file_digest(aim.latent)]
    return wanted


def _file_digest(path: Path | None) -> str | None:
    if path is None:
        return None
    status = path.stat()
    return _digest_of_file(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _digest_of_file(path: Path, size: int, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _moment(plan: Plan, frame: int) -> Moment:
    board = plan.board
    time = frame / board.fps
    number = plan.shot_of(frame)
    shot = board.shots[number]
    local = min(time - plan.starts[number], shot.duration)
    moment = _moment_of(plan, number, local)
    transition = shot.transition
    if transition.kind not in OVERLAPPING or local >= transition.duration:
        return moment
    previous = number - 1 if number else len(board.shots) - 1  # a film that loops
    return replace(
        moment,
        before=_moment_of(plan, previous, board.shots[previous].duration + local),
        share=easing(transition.ease)(float(local / transition.duration)),
        transition=transition.kind,
    )


def _moment_of(plan: Plan, number: int, local: Fraction) -> Moment:
    """What a shot alone shows `local` seconds after its start."""
    shot = plan.board.shots[number]
    nearest = plan.firsts[number] + math.floor(local / shot.settings.every)
    left = plan.keyframes[min(nearest, plan.firsts[number + 1] - 1)]
    right = plan.keyframes[min(left.index + 1, len(plan.keyframes) - 1)]
    # The next shot's first keyframe stands where this shot's camera ends.
    right_time = right.time if right.shot == number else shot.duration
    span = right_time - left.time
    between = shot.settings.between
    if between == "auto":
        moving = camera.moves(camera.between(shot.camera, left.time, right_time, plan.frame))
        between = "picture" if moving else "latent"
    return Moment(
        left=left.index,
        right=right.index,
        fraction=float((local - left.time) / span) if span > 0 else 0.0,
        from_left=camera.between(shot.camera, left.time, local, plan.frame),
        from_right=camera.between(shot.camera, right_time, local, plan.frame),
        border=shot.camera.border,
        between=between,
    )
