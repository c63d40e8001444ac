"""The list of shots as it is written: groups of them, other files, and times, to shots in a row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from render.media.sound import sound_length
from render.storyboard.context import FilmContext, ShotContext
from render.storyboard.keys import ACT, DEFAULTS, INCLUDE, SHOT, SHOT_LIMIT
from render.storyboard.problems import Line, Problem
from render.storyboard.reader import Reader
from render.storyboard.tables import read_entries, with_defaults
from render.storyboard.yaml_nodes import (
    SIZE_LIMIT,
    Mapping,
    Mistake,
    Node,
    Scalar,
    Sequence,
    child,
    compose,
    decode_text,
)
from render.text import quoted, seconds_text

INCLUDE_DEPTH = 5  # files within files
Nodes = tuple[Node, ...]


@dataclass
class Act:
    """A group of shots: what they share, and how long they last together."""

    name: str
    camera: Node | None  # one camera that runs over all of its shots
    start: Fraction = Fraction(0)  # seconds from the film's beginning
    duration: Fraction = Fraction(0)
    read: dict[str, Any] | None = None  # what was read of the camera, {} if it has mistakes


@dataclass(frozen=True)
class WrittenShot:
    """A shot as it was written, and what it is read with."""

    own: Node
    film: FilmContext  # with the defaults of its act, and the folder of its file
    act: Act | None = None


def written_shots(
    nodes: Nodes,
    film: FilmContext,
    reader: Reader,
    act: Act | None = None,
    within: tuple[Path, ...] = (),
) -> Iterator[WrittenShot]:
    """Yields the shots in order, those of acts and of other files in their place; notes what is
    wrong with these."""
    for node in nodes:
        if child(node, "include") is not None:
            path, inner = _included(node, film, reader, within)
            there = replace(film, folder=path.parent)
            yield from written_shots(inner, there, reader, act, (*within, path))
        elif child(node, "act") is not None or child(node, "shots") is not None:
            yield from _shots_of_act(node, film, reader, act, within)
        else:
            yield WrittenShot(node, film, act)


def _shots_of_act(
    node: Node, film: FilmContext, reader: Reader, outer: Act | None, within: tuple[Path, ...]
) -> Iterator[WrittenShot]:
    """Yields the shots of an act, on top of its defaults."""
    if outer is not None:
        reader.problem(node, "an act stands within an act. Put it beside the other")
        return
    try:
        entries = ACT.entries(node, "an act", film, reader)
    except Mistake as mistake:
        reader.note(mistake)
        return
    checked = [entry for entry in entries if entry.row.key != "camera"]  # read with its duration
    given = read_entries(checked, ShotContext(film), reader)
    defaults = with_defaults(film.defaults, child(node, "defaults"), DEFAULTS)
    act = Act(given.get("act", "act"), child(node, "camera"))
    if act.camera is not None and child(child(node, "defaults"), "camera") is not None:
        message = f"act '{act.name}' has a camera, and another one in its defaults"
        reader.problem(act.camera, f"{message}. Keep one of them")
    if act.name in reader.acts:
        reader.problem(node, f"two acts are called '{act.name}'. Rename one")
    reader.acts.add(act.name)
    yield from written_shots(
        given.get("shots", ()), replace(film, defaults=defaults), reader, act, within
    )


def _included(
    node: Node, film: FilmContext, reader: Reader, within: tuple[Path, ...]
) -> tuple[Path, Nodes]:
    """The path and the shots of another file; none after noting its mistake."""
    nothing = film.folder / "none", ()
    reader.include_count += 1
    if reader.include_count > SHOT_LIMIT + 1:
        return nothing  # which is told
    try:
        given = read_entries(
            INCLUDE.entries(node, "an include", film, reader), ShotContext(film), reader
        )
        path: Path | None = given.get("include")
        if path is None:
            return nothing
        if path in within or len(within) >= INCLUDE_DEPTH:
            what = "takes in itself" if path in within else f"is {INCLUDE_DEPTH} files deep"
            raise Mistake(node, f"{quoted(path.name)} {what}. Write its shots out")
        if reader.include_count > SHOT_LIMIT:
            raise Mistake(node, f"more than {SHOT_LIMIT} includes. Put their shots into one file")
        if path not in reader.files:
            reader.files[path] = _shots_in(path, film, reader)
        return path, reader.files[path]
    except Mistake as mistake:
        reader.note(mistake)
    except OSError as error:
        reader.problem(node, f"{quoted(str(given['include']))} cannot be read: {error.strerror}")
    return nothing


def _shots_in(path: Path, film: FilmContext, reader: Reader) -> Nodes:
    """The shots of a file; notes what else is in it. Raises Mistake and OSError."""
    name = Path(os.path.relpath(path, film.root.resolve())).as_posix()
    with path.open("rb") as file:
        text = decode_text(file.read(SIZE_LIMIT + 1), name)
    mistakes: list[Problem] = []
    root = compose(text, mistakes, name)
    reader.problems.update(dict.fromkeys(mistakes))
    reader.included[name] = text
    if sum(map(len, reader.included.values())) > SIZE_LIMIT:
        message = f"the files that are taken in have over {SIZE_LIMIT:,} letters together. "
        raise Mistake(Scalar("", 1, 1), f"{message}Make two films")
    found = root.get("shots") if isinstance(root, Mapping) else root
    if isinstance(root, Mapping):
        for key, _ in root.entries:
            if key.text not in ("shots", "version") and not key.text.startswith("x-"):
                message = f"{quoted(key.text)} has no effect in a file that is included: only its "
                reader.problem(key, f"{message}shots count. Move it to the storyboard")
    if not isinstance(found, Sequence):
        if not mistakes:
            where = root or Scalar("", Line(1, name), 1)
            reader.problem(where, f"{name} holds no shots. Write a list of them, or 'shots:'")
        return ()
    return found.items


def check_count(shots: list[WrittenShot], reader: Reader) -> None:
    """Note too many shots."""
    if len(shots) > SHOT_LIMIT:
        message = f"there are more than {SHOT_LIMIT} shots. Make two films"
        reader.problem(shots[SHOT_LIMIT].own, message)


@dataclass(frozen=True)
class ShotTime:
    """When a shot is, in seconds; None where it cannot be known."""

    start: Fraction
    duration: Fraction | None


def shot_times(
    shots: list[WrittenShot], names: list[str], reader: Reader, sound_end: Fraction | None
) -> list[ShotTime]:
    """When each shot is: by its duration, or by where the next one begins; notes where both are
    written and do not agree.

    The last shot may last until the sound ends, `sound_end`, None if that is not known.
    """
    named = list(zip(shots, names, strict=True))
    begins = [_written_time(shot, "at", name, reader) for shot, name in named]
    times: list[ShotTime] = []
    start = Fraction(0)
    for index, (shot, name) in enumerate(named):
        at = begins[index]
        if at is not None and at != start and (index == 0 or times[-1].duration is not None):
            _note_gap(child(shot.own, "at") or shot.own, name, at, start, index, reader)
        start = max(start, at or start)
        following = begins[index + 1] if index + 1 < len(shots) else None
        duration = _duration(shot, name, start, following, reader)
        if duration is None and following is None and index + 1 == len(shots) and at is not None:
            duration = sound_end - start if sound_end is not None and sound_end > start else None
        times.append(ShotTime(start, duration))
        start += duration or 0
    return times


def _note_gap(
    node: Node, name: str, at: Fraction, start: Fraction, index: int, reader: Reader
) -> None:
    """Note a shot that is to begin at another time than the shots before it end."""
    if index == 0:
        message = f"shot '{name}' begins at {seconds_text(at)}, and it is the first. Write at: 0s"
        reader.problem(node, f"{message}, or put a shot before it")
        return
    message = f"shot '{name}' is to begin at {seconds_text(at)}, and the shots before it end at "
    reader.problem(node, f"{message}{seconds_text(start)}. Remove the duration before it, or at")


def _duration(
    shot: WrittenShot, name: str, start: Fraction, following: Fraction | None, reader: Reader
) -> Fraction | None:
    """The seconds that a shot lasts, by its own duration, else by where the next one begins, else
    by the defaults."""
    if child(shot.own, "duration") is None and following is not None:
        if following <= start:
            message = f"shot '{name}' begins at {seconds_text(start)}, and the next one at "
            reader.problem(shot.own, f"{message}{seconds_text(following)}. Put them in order")
            return None
        return following - start
    return _written_time(shot, "duration", name, reader)


def _written_time(shot: WrittenShot, key: str, name: str, reader: Reader) -> Fraction | None:
    """The time under a key of a shot, or of its defaults; None if none can be read."""
    node = child(shot.own, key)
    if node is None and key == "duration":
        node = child(shot.film.defaults, key)
    if node is None or not isinstance(shot.own, Mapping):
        return None
    context = ShotContext(shot.film, name)
    found: Fraction | None = reader.attempt(SHOT.row(key).kind, node, key, context)
    return found


def sound_end_of(audio: Any) -> Fraction | None:
    """The seconds into a film at which its sound ends; None if it does not, or nobody knows."""
    if audio is None or audio.loop:
        return None
    length = sound_length(audio.file)
    return None if length is None else length - audio.start
