"""Reading the shots of a storyboard, one after the other.

A shot's seeds come from the storyboard's seed, the shot's name and the time within the shot. A shot
with a name therefore keeps its pictures when others are put before it. A shot without one is called
shot-1, shot-2, ... by its place, and does not keep them.
"""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from itertools import islice
from typing import Any

from render.curves.curve import Curve
from render.curves.formula import Clock
from render.storyboard.animated import split_moving
from render.storyboard.camera_keys import CAMERA, check_camera, shot_camera
from render.storyboard.context import FilmContext, ShotContext
from render.storyboard.keys import SHOT, SHOT_LIMIT
from render.storyboard.loss_weights import shot_losses
from render.storyboard.model import Prompt, Settings, Shot, Transition
from render.storyboard.overrides import overridden_shot
from render.storyboard.problems import Line
from render.storyboard.prompts import with_style
from render.storyboard.reader import Reader
from render.storyboard.sequence import (
    Act,
    WrittenShot,
    check_count,
    shot_times,
    written_shots,
)
from render.storyboard.tables import read_entries, split_entries, with_defaults
from render.storyboard.transitions import shot_transition
from render.storyboard.yaml_nodes import Mapping, Node, Scalar
from render.text import is_printable, seconds_text
from render.weights.kinds import kind_of

# Keys that formulas and key times need, so they are read first.
TIMING = ("duration", "at", "keyframes")


def read_shots(nodes: tuple[Node, ...], film: FilmContext, reader: Reader) -> list[Shot]:
    """The shots that can be used, in order; notes the mistakes of all."""
    written = list(islice(written_shots(nodes, film, reader, within=film.files), SHOT_LIMIT + 1))
    check_count(written, reader)
    names = _names(tuple(shot.own for shot in written), reader)
    written = [_overridden(shot, name) for shot, name in zip(written, names, strict=True)]
    times = shot_times(written, names, reader, film.sound_end)
    for one, time in zip(written, times, strict=True):
        if one.act is not None:
            one.act.start = time.start if not one.act.duration else one.act.start
            one.act.duration += time.duration or 0
    shots: list[Shot] = []
    written_at: list[Node] = []  # their transitions
    for index, (one, name, time) in enumerate(zip(written, names, times, strict=True)):
        own, film = one.own, one.film
        if not isinstance(own, Mapping):
            reader.problem(own, f"{name} is not a mapping. Write keys such as duration and prompts")
            continue
        node = _on_defaults(own, film)
        entries = SHOT.entries(node, f"shot '{name}'", film, reader)
        generator, entries = split_entries(entries, ("generator",))
        if chosen := read_entries(generator, ShotContext(film, name), reader):
            film = replace(film, generator=chosen["generator"])
        timing, others = split_entries(entries, TIMING)
        context = ShotContext(film, name, is_first=index == 0, start=time.start)
        unread = [entry for entry in timing if entry.row.key == "keyframes"]
        given = {**read_entries(unread, context, reader), "duration": time.duration}
        context = _timed(context, given, own)
        given.update(read_entries(others, context, reader))
        if one.act and one.act.camera is not None:
            camera = _camera_of_act(one.act, time.start, context, reader)
            if own.get("camera") is None:
                given["camera"] = camera
        shot = _shot(given, own, node, context, reader)
        if shot is not None:
            shots.append(replace(shot, act=one.act.name if one.act else ""))
            written_at.append(node.get("transition") or own)
    if len(shots) == len(written):
        _check_neighbours(shots, written_at, film.loop > 0, reader)
    return shots


def _check_neighbours(
    shots: list[Shot], written_at: list[Node], loops: bool, reader: Reader
) -> None:
    """Note what a shot cannot take over from one of another generator: they share no latents."""
    for index, (shot, node) in enumerate(zip(shots, written_at, strict=True)):
        before = shots[index - 1]  # of the first one the last, where the film loops
        if before.generator == shot.generator or (index == 0 and not loops):
            continue
        if shot.transition.kind == "morph":
            how = ", with which the film's loop begins," if index == 0 else ""
            message = (
                f"shot '{shot.name}'{how} cannot morph out of '{before.name}', because their "
                "generators are not the same. Write 'transition: dissolve' in it"
            )
            reader.problem(node, message)
        crosses = shot.transition.kind == "continue" and shot.transition.duration
        if crosses and any(prompt.latent for prompt in before.prompts):
            message = (
                f"shot '{shot.name}' continues from '{before.name}', whose latents as prompts are "
                f"not those of its generator {shot.generator.name}. Write dissolve, or name stills "
                "of them under image"
            )
            reader.problem(node, message)


def _camera_of_act(
    act: Act, start: Fraction, context: ShotContext, reader: Reader
) -> dict[str, Any] | None:
    """The part of an act's camera that begins at a shot: what `shot_camera` takes."""
    if act.read is None and act.camera is not None:  # once: it may be long, and its shots many
        clock = context.clock and replace(context.clock, duration=act.duration, start=act.start)
        whole = replace(context, name=act.name, start=act.start, duration=act.duration, clock=clock)
        act.read = reader.attempt(CAMERA, act.camera, "camera", whole) or {}
    camera = act.read
    if camera is None:
        return None

    def from_here(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: from_here(part) for name, part in value.items()}
        return value.shifted(start - act.start) if isinstance(value, Curve) else value

    found: dict[str, Any] = from_here(camera)
    if found.get("shake"):
        found["shake"]["seed"] = f"{context.film.seed}/{act.name}"
    return found


def _overridden(shot: WrittenShot, name: str) -> WrittenShot:
    """A shot with the settings of the command line laid over it."""
    if not isinstance(shot.own, Mapping):
        return shot
    return replace(shot, own=overridden_shot(shot.own, name, shot.film.overrides))


def _names(nodes: tuple[Node, ...], reader: Reader) -> list[str]:
    """What each shot is called; notes names that two shots have."""
    names: list[str] = []
    lines: dict[str, Node] = {}
    for index, own in enumerate(nodes):
        written = own.get("name") if isinstance(own, Mapping) else None
        name, place = f"shot-{index + 1}", own
        if isinstance(written, Scalar) and not written.null and written.text.strip():
            # Sentences quote it before it is checked, so control characters are replaced here.
            text = " ".join(written.text.split())
            name = "".join(letter if is_printable(letter) else "?" for letter in text)
            place = written
        if name in lines:
            first = lines[name]
            where = f"line {first.line}"
            if isinstance(first.line, Line) and first.line.file:
                where += f" of {first.line.file}"
            message = f"two shots are called '{name}', the first in {where}. "
            reader.problem(place, message + "Rename one: a shot's seeds come from its name")
        lines.setdefault(name, place)
        names.append(name)
    return names


def _on_defaults(own: Mapping, film: FilmContext) -> Mapping:
    """The shot as it was written, on top of the film's defaults."""
    node = with_defaults(film.defaults, own, SHOT) if isinstance(film.defaults, Mapping) else own
    assert isinstance(node, Mapping)  # two mappings make one
    return node


def _timed(context: ShotContext, timing: dict[str, Any], own: Mapping) -> ShotContext:
    """The context with what the values under TIMING say, for all other values of the shot."""
    film, duration = context.film, timing.get("duration")
    every = timing.get("every", Settings.every)
    return replace(
        context,
        duration=duration,
        clock=(
            Clock(duration, film.fps, every, context.start, film.bpm, film.first_beat)
            if duration
            else None
        ),
        begins_with_image=own.get("init") is not None,
    )


def _shot(
    given: dict[str, Any], own: Mapping, node: Mapping, context: ShotContext, reader: Reader
) -> Shot | None:
    """The shot made of the values that were read; None without usable duration and prompts.

    `own` is the shot as it was written and `node` the shot on top of the defaults.
    """
    film = context.film
    _check_duration(own, node, context, reader)
    transition = shot_transition(given.get("transition") or {}, own, node, context, reader)
    prompts, exclude = given.get("prompts"), _excluded(given, context, reader)
    steady = _is_steady(given, transition, (*(prompts or ()), *exclude))
    losses, moving_losses = shot_losses(given, steady, node, context, reader)
    numbers, moving = split_moving({**given, "losses": losses})
    own_settings = (
        film.usual
        | kind_of(film.generator_model).settings
        | {f.name: numbers[f.name] for f in fields(Settings) if f.name in numbers}
    )
    if context.duration is None or prompts is None:
        return None  # noted
    camera = shot_camera(given.get("camera") or {}, context)
    _check_decay(own, own_settings.get("optimizer", Settings.optimizer), reader)
    every = given.get("every", Settings.every)
    check_camera(camera, every, node.get("camera") or node, context, reader)
    return Shot(
        name=context.name,
        duration=context.duration,
        prompts=(*with_style(prompts, given.get("style", film.style)), *exclude),
        camera=camera,
        transition=transition,
        init=given.get("init"),
        generator=film.generator,
        settings=Settings(**own_settings),
        moving=moving + moving_losses,
    )


def _check_decay(own: Mapping, optimizer: str, reader: Reader) -> None:
    """Note a weight decay of an optimiser that has none."""
    written = own.get("optimizer")
    has_decay = isinstance(written, Mapping) and written.get("weight_decay") is not None
    if written is not None and has_decay and optimizer != "adamw":
        message = f"{optimizer} has no weight_decay. Write 'name: adamw' beside it, or leave it out"
        reader.problem(written, message)


def _check_duration(own: Mapping, node: Mapping, context: ShotContext, reader: Reader) -> None:
    """Note a shot without a duration, or shorter than a frame."""
    written, duration = node.get("duration") or own.get("at") or own, context.duration
    if duration is None and node.get("duration") is None:
        message = f"shot '{context.name}' has no 'duration'. Write how long it lasts, as in 4s, or "
        reader.problem(own, f"{message}when the next one begins, as in at: 1:12.5")
    elif duration is not None and duration * context.film.fps < 1:
        message = f"shot '{context.name}' lasts {seconds_text(duration)}, less than one frame. "
        reader.problem(written, message + "Lengthen it")


def _excluded(given: dict[str, Any], context: ShotContext, reader: Reader) -> tuple[Prompt, ...]:
    """The prompts to move away from: the shot's own, else the film's."""
    film = context.film
    if "exclude" in given or film.exclude is None:
        return given.get("exclude") or ()
    # Read again for every shot, because of formulas. Its key times may lie beyond a shot's end.
    endless = replace(context, duration=None)
    return reader.attempt(SHOT.row("exclude").kind, film.exclude, "exclude", endless) or ()


def _is_steady(given: dict[str, Any], transition: Transition, prompts: tuple[Prompt, ...]) -> bool:
    """Whether the losses of STEADY apply: the shot starts anew, and its colours should not drift.

    A shot that begins with an image changes from there towards its prompts.
    """
    if transition.kind == "continue":
        return False
    keeps_prompts = "init" not in given and all(prompt.still for prompt in prompts)
    return keeps_prompts or bool(given.get("palette"))
