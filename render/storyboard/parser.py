"""What the user wrote: the storyboard's dataclasses, YAML to them, every mistake with its line.

A shot's seeds come from the storyboard's seed, its name and the time within it. A shot with a name
therefore keeps its pictures when others are put in front of it; one without is called shot-1,
shot-2, ... by its place, and does not.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from render.curves.curve import Curve
from render.curves.formula import Clock
from render.media.codecs import CODECS
from render.media.sound import Audio
from render.storyboard.audio import check_audio
from render.storyboard.camera_keys import check_camera
from render.storyboard.keys import SHOT, STORYBOARD, key_places
from render.storyboard.model import (
    LOSS_WEIGHTS,
    OF_PALETTE,
    OVERLAPPING,
    STEADY,
    Camera,
    Settings,
    Shake,
    Shot,
    Storyboard,
    Transition,
)
from render.storyboard.problems import PROBLEM_LIMIT, Problem, StoryboardError
from render.storyboard.prompts import with_style
from render.storyboard.reader import AlreadyReported, Reader
from render.storyboard.tables import with_defaults
from render.storyboard.transitions import DURATION_LIMIT, TRANSITION
from render.storyboard.values import parse_switch
from render.storyboard.yaml_nodes import (
    SIZE_LIMIT,
    Mapping,
    Mistake,
    Node,
    Scalar,
    compose,
    decode_text,
)
from render.text import is_printable, seconds_text

KEYFRAME_LIMIT = 200_000


def load(path: Path) -> Storyboard:
    """The storyboard in a file. Raises StoryboardError with every mistake in it."""
    path = Path(path)
    try:
        if path.is_dir():
            raise Mistake(Scalar("", 1, 1), "this is a folder. Name the storyboard in it")
        if path.exists() and not path.is_file():
            raise Mistake(Scalar("", 1, 1), "this is not an ordinary file. Name a storyboard")
        with path.open("rb") as file:
            text = decode_text(file.read(SIZE_LIMIT + 1))
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
    reader = Reader(folder=folder, places=key_places())
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
        except AlreadyReported:
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
        return "".join(letter if is_printable(letter) else "?" for letter in name), node
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
    node = with_defaults(defaults, own, SHOT) if isinstance(defaults, Mapping) else own
    if not isinstance(node, Mapping):
        raise AlreadyReported
    if (duration_node := node.get("duration")) is not None:
        reader.duration = reader.attempt(SHOT.row("duration").kind, duration_node, "duration")
    reader.clock = _clock(node, reader)
    reader.begins_with_image = own.get("init") is not None
    given = SHOT.read(node, f"shot '{name}'", reader)
    if reader.duration is not None and reader.duration * reader.fps < 1:
        message = (
            f"shot '{name}' lasts {seconds_text(reader.duration)}, less than one frame. Lengthen it"
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
    losses = given["losses"] = tuple(
        {**LOSS_WEIGHTS, **(STEADY if steady else {}), **weights}.items()
    )
    moving += moving_weights
    names = {name for name, curve in moving if curve.extremes() != (0.0, 0.0)}
    if not any(weight or name in names for name, weight in {**LOSS_WEIGHTS, **weights}.items()):
        message = f"every loss of shot '{name}' is 0, so nothing is asked of it. Give one a weight"
        reader.problem(node.get("losses") or node, message)
    if given.get("palette") and not any(w or n in names for n, w in losses if n in OF_PALETTE):
        message = "the palette is kept to by no loss. Write one, as in 'losses: {colours: 20}'"
        reader.warn(node.get("palette") or node, message)
    if reader.duration is None or "prompts" not in given:
        raise AlreadyReported
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
    if index == 0 and reader.loop_node is not None and parse_switch(reader.loop_node) is None:
        if own_time is None:  # the defaults' time is meant for the others
            return replace(_looping(reader), kind=kind, ease=given.get("ease", Transition.ease))
        if given.get("duration", reader.loop) != reader.loop:
            message = (
                f"the loop is to take {seconds_text(reader.loop)}, and the first shot's transition "
            )
            reader.warn(reader.loop_node, f"{message}takes another time, which counts. Remove one")
    usual = Fraction(1) if kind in OVERLAPPING else Fraction(0)
    duration = given.get("duration", min(usual, reader.duration or usual))
    if kind in OVERLAPPING and duration == 0:
        message = f"a {kind} that takes no time is a cut. Write how long it takes, as in "
        reader.warn(any_node or own, f"{message}'transition: {kind} 1s', or write cut")
    if any_node is not None and reader.duration is not None and duration > reader.duration:
        message = (
            f"the transition takes {seconds_text(duration)}, longer than shot '{reader.shot}' with "
        )
        reader.problem(any_node, message + f"{seconds_text(reader.duration)}. Shorten it")
    return Transition(kind, duration, given.get("ease", Transition.ease))


def _looping(reader: Reader) -> Transition:
    """How the first shot begins: with a cut, or out of the last one's end where the film loops."""
    if not reader.loop or reader.loop_node is None:
        return Transition()
    if reader.duration is not None and reader.loop > reader.duration:
        message = f"loop takes {seconds_text(reader.loop)}, longer than shot '{reader.shot}' with "
        reader.problem(reader.loop_node, message + f"{seconds_text(reader.duration)}. Shorten it")
    return Transition("morph", reader.loop)


def _check_shots(shots: list[Shot], nodes: tuple[Node, ...], reader: Reader) -> None:
    """What no shot can know alone."""
    if not nodes:
        return
    total = sum((shot.duration for shot in shots), Fraction(0))
    if total > DURATION_LIMIT:
        message = (
            f"the film lasts {seconds_text(total)}, longer than {seconds_text(DURATION_LIMIT)}. "
        )
        reader.problem(nodes[0], message + "Make two films")
    # One more for each shot: a chain ends with a keyframe of its own.
    keyframes = sum(math.ceil(shot.duration / shot.settings.every) + 1 for shot in shots)
    if keyframes > KEYFRAME_LIMIT:
        message = f"the film has {keyframes:,} keyframes, more than {KEYFRAME_LIMIT:,}. "
        reader.problem(nodes[0], message + "Set keyframes further apart")
