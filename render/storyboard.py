"""What the user wrote: the storyboard's dataclasses, YAML to them, every mistake with its line.

A shot's seeds come from the storyboard's seed, its name and the time within it. A shot with a name
therefore keeps its pictures when others are put in front of it; one without is called shot-1,
shot-2, ... by its place, and does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from render.audio import Audio, check_audio
from render.camerakeys import Camera, Shake, check_camera
from render.codecs import CODECS
from render.curves import Curve
from render.errors import InputError
from render.fields import switched
from render.formulas import Clock
from render.groups import merged
from render.language import (
    LOSSES,
    OF_PALETTE,
    SHOT,
    STEADY,
    STORYBOARD,
    places,
)
from render.prompts import Prompt, with_style
from render.reading import Noted, Reader
from render.transitions import DURATION_LIMIT, OVERLAPPING, TRANSITION
from render.yamlnodes import (
    SIZE_LIMIT,
    Mapping,
    Mistake,
    Node,
    Problem,
    Scalar,
    compose,
    decode,
    printable,
    seconds,
)

__all__ = [
    "LOSSES",
    "Camera",
    "Problem",
    "Prompt",
    "Settings",
    "Shake",
    "Shot",
    "Storyboard",
    "StoryboardError",
    "Transition",
    "load",
    "parse",
]

KEYFRAME_LIMIT = 200_000
PROBLEM_LIMIT = 100  # shown at once


class StoryboardError(InputError):
    """A storyboard that cannot be rendered: every mistake in `problems`, a line each in str()."""

    def __init__(self, problems: tuple[Problem, ...], source: Path | None = None) -> None:
        self.problems = problems
        self.source = source
        super().__init__(problems, source)

    def __str__(self) -> str:
        name = self.source if self.source is not None else "storyboard"
        return "\n".join(f"{name}:{p.line}:{p.column}: {p.message}" for p in self.problems)


@dataclass(frozen=True)
class Transition:
    """How a shot begins: "cut" starts anew, "continue" goes on from the last picture while the
    prompts cross over. "dissolve" and "morph" start anew too, and the shot before, which goes on
    beyond its end, becomes this one in pictures or through latent space. Whichever, it takes the
    first `duration` seconds of this shot, and the film is as long as with cuts."""

    kind: str = "cut"
    duration: Fraction = Fraction(0)
    ease: str = "in-out"


@dataclass(frozen=True)
class Settings:
    """How a shot's keyframes are made. The defaults here are the program's defaults.

    Those that move over a shot are here as they are at its beginning.
    """

    first: int = 100  # optimisation steps of a keyframe that starts a chain
    then: int = 15  # optimisation steps of every later keyframe
    every: Fraction = Fraction(1, 2)  # seconds between keyframes
    between: str = "auto"  # frames between keyframes: one of BETWEEN
    first_step: float = 0.8  # how far a step goes, where a chain starts
    then_step: float = 0.2  # and at every later keyframe, where far steps would flicker
    cutouts: int = 16  # views of the picture per step
    cutout_size: tuple[float, float] = (0.4, 1.0)  # of the shorter side
    smoothing: float = 0.9  # decay of the running average of the latent
    losses: tuple[tuple[str, float], ...] = tuple(LOSSES.items())  # weights; a shot's also STEADY
    palette: Path | None = None  # None is the shot's first keyframe

    @property
    def keeps_palette(self) -> bool:
        """Whether any loss compares with the palette."""
        return any(weight for name, weight in self.losses if name in OF_PALETTE)

    @property
    def keeps_to_first(self) -> bool:
        """Whether any loss compares with the shot's first keyframe."""
        return bool(dict(self.losses).get("sharpness")) or (
            self.keeps_palette and self.palette is None
        )


@dataclass(frozen=True)
class Shot:
    """One shot. Its prompts already carry style (in the text) and exclude (negative weights)."""

    name: str
    duration: Fraction
    prompts: tuple[Prompt, ...]
    camera: Camera = field(default_factory=Camera)
    transition: Transition = Transition()
    init: Path | None = None
    settings: Settings = Settings()
    moving: tuple[tuple[str, Curve], ...] = ()  # settings, and losses' weights, by name

    def settings_at(self, time: Fraction) -> Settings:
        """The settings of a keyframe at `time`, seconds into the shot."""
        now = {name: round(curve.at(time), 12) for name, curve in self.moving}
        losses = tuple((name, now.pop(name, weight)) for name, weight in self.settings.losses)
        return replace(self.settings, losses=losses, **now)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Storyboard:
    """A film as written: everything that decides it but the algorithm."""

    version: int
    shots: tuple[Shot, ...]
    size: tuple[int, int] = (320, 192)  # (width, height) in pixels
    fps: Fraction = Fraction(24)
    bpm: Fraction | None = None  # beats per minute
    seed: int = 0
    generator: str = "starter"
    perceptors: tuple[tuple[str, float], ...] = (("starter", 1.0),)  # (name, weight)
    codec: str = "h264"
    quality: int = 17  # constant rate factor: less is better
    audio: Audio | None = None
    loop: Fraction = Fraction(0)  # seconds in which the end goes over into the beginning, or 0
    source: Path | None = None
    text: str = ""  # the YAML as written
    draft: bool = False  # made smaller and with fewer steps than written
    warnings: tuple[Problem, ...] = ()  # what looks unintended but can be rendered

    @property
    def duration(self) -> Fraction:
        """Seconds."""
        return sum((shot.duration for shot in self.shots), Fraction(0))


def load(path: Path) -> Storyboard:
    """The storyboard in a file. Raises StoryboardError with every mistake in it."""
    path = Path(path)
    try:
        if path.is_dir():
            raise Mistake(Scalar("", 1, 1), "this is a folder. Name the storyboard in it")
        if path.exists() and not path.is_file():
            raise Mistake(Scalar("", 1, 1), "this is not an ordinary file. Name a storyboard")
        with path.open("rb") as file:
            text = decode(file.read(SIZE_LIMIT + 1))
    except Mistake as mistake:
        raise StoryboardError((mistake.problem,), path) from mistake
    except FileNotFoundError as error:
        message = "there is no such file. Check the name and the folder"
        raise StoryboardError((Problem(1, 1, message),), path) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"the file cannot be read: {reason}. Check its name and its rights"
        raise StoryboardError((Problem(1, 1, message),), path) from error
    return parse(text, path.parent, path)


def parse(text: str, folder: Path, source: Path | None = None) -> Storyboard:
    """The storyboard that a text says; images are named from `folder`. Raises StoryboardError."""
    found: list[Problem] = []
    node = compose(text, found)
    reader = Reader(folder=folder, places=places())
    reader.problems.update(dict.fromkeys(found))
    board = None
    if isinstance(node, Mapping):
        board = _storyboard(node, reader, source, text)
    elif not found:
        message = "this is not a storyboard. Begin with 'version: 1' and a list of 'shots'"
        reader.problem(node or Scalar("", 1, 1), message)
    if board is None or reader.problems:
        problems = sorted(reader.problems)
        if len(problems) > PROBLEM_LIMIT:
            last = problems[PROBLEM_LIMIT - 1]
            more = f"and {len(problems) - PROBLEM_LIMIT} more mistakes. Correct those above first"
            problems[PROBLEM_LIMIT:] = [Problem(last.line, last.column, more)]
        raise StoryboardError(tuple(problems), source)
    return board


def _storyboard(node: Mapping, reader: Reader, source: Path | None, text: str) -> Storyboard | None:
    # Before all else: times may be written in frames and beats, and latents have their generator.
    reader.fps = _early("fps", node, reader) or reader.fps
    reader.bpm = _early("bpm", node, reader)
    reader.generator = (_early("models", node, reader) or {}).get("generator", reader.generator)
    given = STORYBOARD.read(node, "the storyboard", reader)
    style = given.pop("style", None)
    exclude = node.get("exclude") if given.pop("exclude", None) else None
    given.pop("defaults", None)
    if "file" in (given.get("audio") or {}):
        given["audio"] = Audio(**given["audio"])
        check_audio(given["audio"], node.get("audio") or node, reader)
    shot_nodes = given.pop("shots", ())
    _check_output(node, given, reader)
    reader.seed = given.get("seed", Storyboard.seed)
    reader.loop, reader.loop_node = given.get("loop", reader.loop), node.get("loop")
    reader.size = given.get("size", Storyboard.size)
    shots: list[Shot] = []
    names: dict[str, Node] = {}
    for index, shot_node in enumerate(shot_nodes):
        name, name_node = _name(index, shot_node)
        if name in names:
            message = f"two shots are called '{name}', the first in line {names[name].line}. "
            reader.problem(name_node, message + "Rename one: a shot's seeds come from its name")
        names.setdefault(name, name_node)
        reader.shot = name
        try:
            shots.append(_shot(index, shot_node, node.get("defaults"), style, exclude, reader))
        except Mistake as mistake:
            reader.problems[mistake.problem] = None
        except Noted:
            pass
        reader.start += reader.duration or 0
    _check_shots(shots, shot_nodes, reader)
    if reader.problems or not shots:
        return None
    return Storyboard(
        shots=tuple(shots),
        source=source,
        text=text,
        warnings=tuple(sorted(reader.warnings)),
        **given,
    )


def _early(key: str, node: Mapping, reader: Reader) -> Any:
    """A value that others need to be read; None where there is none that can be used."""
    value = node.get(key)
    return None if value is None else reader.attempt(STORYBOARD.row(key).kind, value, key)


def _check_output(node: Mapping, given: dict[str, Any], reader: Reader) -> None:
    """Size and quality against what the codec can take."""
    name = given.get("codec", Storyboard.codec)
    codec = CODECS[name]
    width, height = given.get("size", Storyboard.size)
    if codec.even and (width % 2 or height % 2):
        better = f"{width + width % 2}x{height + height % 2}"
        message = f"size {width}x{height}: {name} needs even sides; {better} would work"
        reader.problem(node.get("size") or node, message)
    output = node.get("output")
    quality_node = output.get("quality") if isinstance(output, Mapping) else None
    quality = given.get("quality", Storyboard.quality)
    if quality_node is None or "quality" not in given:
        return
    if codec.quality is None:
        reader.warn(quality_node, f"quality has no meaning for {name}, which has one quality only")
    elif not codec.quality[0] <= quality <= codec.quality[1]:
        low, high = codec.quality
        message = f"quality {quality} is out of range. For {name} it goes from {low} to {high}"
        reader.problem(quality_node, message)


def _name(index: int, own: Node) -> tuple[str, Node]:
    """What the shot is called, and the node that says so."""
    node = own.get("name") if isinstance(own, Mapping) else None
    if isinstance(node, Scalar) and not node.null and node.text.strip():
        name = " ".join(node.text.split())
        # Sentences quote it before it is checked: what would steer the terminal is left out.
        return "".join(letter if printable(letter) else "?" for letter in name), node
    return f"shot-{index + 1}", own


def _shot(
    index: int,
    own: Node,
    defaults: Node | None,
    style: str | None,
    exclude: Node | None,
    reader: Reader,
) -> Shot:
    name, reader.duration, reader.clock = reader.shot, None, None
    if not isinstance(own, Mapping):
        raise Mistake(own, f"{name} is not a mapping. Write keys such as duration and prompts")
    node = merged(defaults, own, SHOT) if isinstance(defaults, Mapping) else own
    if not isinstance(node, Mapping):
        raise Noted
    if (duration_node := node.get("duration")) is not None:
        reader.duration = reader.attempt(SHOT.row("duration").kind, duration_node, "duration")
    reader.clock = _clock(node, reader)
    reader.begins_with_image = own.get("init") is not None
    given = SHOT.read(node, f"shot '{name}'", reader)
    if reader.duration is not None and reader.duration * reader.fps < 1:
        message = (
            f"shot '{name}' lasts {seconds(reader.duration)}, less than one frame. Lengthen it"
        )
        reader.problem(duration_node or own, message)
    if duration_node is None:
        reader.problem(own, f"shot '{name}' has no 'duration'. Write how long it lasts, as in 4s")
    transition = _transition(index, own, node, given.get("transition") or {}, reader)
    if "exclude" not in given and exclude is not None:
        # Read once more, for this shot's formulas; its key times may lie beyond this shot's end.
        kind, shared = SHOT.row("exclude").kind, replace(reader, duration=None)
        given["exclude"] = shared.attempt(kind, exclude, "exclude")
    asked = (given.get("prompts") or ()) + (given.get("exclude") or ())
    given, moving = _at_rest(given)
    weights, moving_weights = _at_rest(given.get("losses", {}))
    # What begins with a picture is on its way from there to its prompts, and so is what continues.
    stays = "init" not in given and all(prompt.still for prompt in asked)
    steady = transition.kind != "continue" and (stays or given.get("palette"))
    losses = given["losses"] = tuple({**LOSSES, **(STEADY if steady else {}), **weights}.items())
    moving += moving_weights
    names = {name for name, curve in moving if curve.extremes() != (0.0, 0.0)}
    if not any(weight or name in names for name, weight in {**LOSSES, **weights}.items()):
        message = f"every loss of shot '{name}' is 0, so nothing is asked of it. Give one a weight"
        reader.problem(node.get("losses") or node, message)
    if given.get("palette") and not any(w or n in names for n, w in losses if n in OF_PALETTE):
        message = "the palette is kept to by no loss. Write one, as in 'losses: {colours: 20}'"
        reader.warn(node.get("palette") or node, message)
    if reader.duration is None or "prompts" not in given:
        raise Noted
    camera_node = node.get("camera") or node
    camera = _camera(given.get("camera") or {}, reader)
    check_camera(camera, given.get("every", Settings.every), camera_node, reader)
    own_style = given.get("style", style)
    return Shot(
        name=name,
        duration=reader.duration,
        prompts=with_style(given["prompts"], own_style) + (given.get("exclude") or ()),
        camera=camera,
        transition=transition,
        init=given.get("init"),
        settings=Settings(**{f.name: given[f.name] for f in fields(Settings) if f.name in given}),
        moving=moving,
    )


def _at_rest(given: dict[str, Any]) -> tuple[dict[str, Any], tuple[tuple[str, Curve], ...]]:
    """Curves as the numbers that they begin with, and those of them that move."""
    curves = {name: value for name, value in given.items() if isinstance(value, Curve)}
    numbers = {name: curve.at(0) for name, curve in curves.items()}
    moving = tuple((name, curve) for name, curve in curves.items() if not curve.constant)
    return {**given, **numbers}, moving


def _clock(node: Mapping, reader: Reader) -> Clock | None:
    """What the variables of formulas are in the shot being read; None where it has no duration."""
    keyframes = node.get("keyframes")
    given = None
    if keyframes is not None:
        given = reader.attempt(SHOT.row("keyframes").kind, keyframes, "keyframes")
    if not reader.duration:
        return None
    every = (given or {}).get("every", Settings.every)
    return Clock(reader.duration, reader.fps, every, reader.start, reader.bpm)


def _camera(given: dict[str, Any], reader: Reader) -> Camera:
    """The camera of the shot being read; its shake is one of its own in every shot and film."""
    shake = Shake(**(given.get("shake") or {}), seed=f"{reader.seed}/{reader.shot}")
    return Camera(**{**given, "shake": shake if "shake" in given else Shake()})


def _transition(
    index: int, own: Mapping, node: Mapping, given: dict[str, Any], reader: Reader
) -> Transition:
    """How a shot begins, checked against the shot it begins and the one before."""
    kind = given.get("kind", "continue" if "duration" in given else "cut")
    own_node, any_node = own.get("transition"), node.get("transition")
    if index == 0 and kind not in (OVERLAPPING if reader.loop else ("cut",)):
        if own_node is None:  # the defaults are meant for the shots that have one before them
            return _looping(reader)
        message = "the first shot has nothing before it. Write 'cut', or let the film loop: true"
        if reader.loop:
            message = "a film that loops goes over into its first shot. Write dissolve or morph"
        reader.problem(own_node, message)
    written = TRANSITION.long(own_node) if own_node is not None else None
    own_time = written.get("duration") if isinstance(written, Mapping) else None
    if kind == "cut":
        if own_time is not None and "duration" in given:  # else it has been told of already
            message = "a cut has no duration. Remove it, or write 'continue' to fade the prompts"
            reader.problem(own_time, message)
        return Transition()
    if kind == "continue" and any_node is not None and reader.begins_with_image:
        message = f"shot '{reader.shot}' continues from the shot before, so it cannot begin with "
        reader.problem(own.get("init") or own, message + "init. Let it cut, or remove init")
    if index == 0 and reader.loop_node is not None and switched(reader.loop_node) is None:
        if own_time is None:  # the defaults' time is meant for the others
            return replace(_looping(reader), kind=kind, ease=given.get("ease", Transition.ease))
        if given.get("duration", reader.loop) != reader.loop:
            message = (
                f"the loop is to take {seconds(reader.loop)}, and the first shot's transition "
            )
            reader.warn(reader.loop_node, f"{message}takes another time, which counts. Remove one")
    usual = Fraction(1) if kind in OVERLAPPING else Fraction(0)
    duration = given.get("duration", min(usual, reader.duration or usual))
    if kind in OVERLAPPING and duration == 0:
        message = f"a {kind} that takes no time is a cut. Write how long it takes, as in "
        reader.warn(any_node or own, f"{message}'transition: {kind} 1s', or write cut")
    if any_node is not None and reader.duration is not None and duration > reader.duration:
        message = (
            f"the transition takes {seconds(duration)}, longer than shot '{reader.shot}' with "
        )
        reader.problem(any_node, message + f"{seconds(reader.duration)}. Shorten it")
    return Transition(kind, duration, given.get("ease", Transition.ease))


def _looping(reader: Reader) -> Transition:
    """How the first shot begins: with a cut, or out of the last one's end where the film loops."""
    if not reader.loop or reader.loop_node is None:
        return Transition()
    if reader.duration is not None and reader.loop > reader.duration:
        message = f"loop takes {seconds(reader.loop)}, longer than shot '{reader.shot}' with "
        reader.problem(reader.loop_node, message + f"{seconds(reader.duration)}. Shorten it")
    return Transition("morph", reader.loop)


def _check_shots(shots: list[Shot], nodes: tuple[Node, ...], reader: Reader) -> None:
    """What no shot can know alone."""
    if not nodes:
        return
    total = sum((shot.duration for shot in shots), Fraction(0))
    if total > DURATION_LIMIT:
        message = f"the film lasts {seconds(total)}, longer than {seconds(DURATION_LIMIT)}. "
        reader.problem(nodes[0], message + "Make two films")
    # One more for each shot: a chain ends with a keyframe of its own.
    keyframes = sum(math.ceil(shot.duration / shot.settings.every) + 1 for shot in shots)
    if keyframes > KEYFRAME_LIMIT:
        message = f"the film has {keyframes:,} keyframes, more than {KEYFRAME_LIMIT:,}. "
        reader.problem(nodes[0], message + "Set keyframes further apart")
