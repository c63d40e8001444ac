"""Reading a storyboard: YAML to the dataclasses of `model`, and every mistake with its line."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from render.errors import InputError
from render.media.codecs import CODECS, chosen_codec
from render.storyboard.audio import check_audio, film_audio
from render.storyboard.context import FilmContext, ShotContext
from render.storyboard.keys import STORYBOARD, key_places
from render.storyboard.model import Shot, Storyboard
from render.storyboard.model_names import usual_with
from render.storyboard.named_files import similar_name
from render.storyboard.output import check_output
from render.storyboard.overrides import Override, overridden_film, read_override
from render.storyboard.problems import Problem, StoryboardError, first_problems
from render.storyboard.reader import Reader
from render.storyboard.sequence import sound_end_of
from render.storyboard.shots import read_shots
from render.storyboard.tables import read_entries, split_entries
from render.storyboard.transitions import DURATION_LIMIT
from render.storyboard.yaml_nodes import (
    SIZE_LIMIT,
    Mapping,
    Mistake,
    Node,
    Scalar,
    compose,
    decode_text,
)
from render.text import nearest, seconds_text
from render.weights.library import models_by_role

KEYFRAME_LIMIT = 100_000
# Keys that other values need, so they are read first: times may be written in frames and beats,
# and a latent belongs to its generator.
READ_FIRST = ("fps", "bpm", "first_beat", "models")


def load(path: Path, settings: tuple[str, ...] = (), allow_outside: bool = False) -> Storyboard:
    """The storyboard in a file, with `settings` such as `seed=5` for this run. With
    `allow_outside` it may name files that are not in its folder.

    Raises StoryboardError with every mistake in it, and InputError for a setting of another form.
    """
    path, overrides = Path(path), tuple(map(read_override, settings))
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
        message = f"there is no such file.{similar_name(path)} Check the name and the folder"
        raise StoryboardError((Problem(1, 1, message),), path) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"the file cannot be read: {reason}. Check its name and its rights"
        raise StoryboardError((Problem(1, 1, message),), path) from error
    board = parse(text, path.parent, path, overrides, allow_outside)
    return replace(board, settings=settings)


def parse(
    text: str,
    folder: Path,
    source: Path | None = None,
    overrides: tuple[Override, ...] = (),
    allow_outside: bool = False,
) -> Storyboard:
    """The storyboard in a text, in which file names are relative to `folder`, and of files in it
    unless `allow_outside`.

    Raises StoryboardError with every mistake in it.
    """
    mistakes: list[Problem] = []
    node = compose(text, mistakes)
    reader = Reader(problems=dict.fromkeys(mistakes))
    board = None
    if isinstance(node, Mapping):
        files = (source.resolve(),) if source else ()
        film = FilmContext(
            folder,
            folder,
            allow_outside,
            files,
            models_by_role(),
            key_places(),
            overrides=overrides,
        )
        board = _storyboard(overridden_film(node, overrides), film, reader)
    elif not mistakes:
        message = "this is not a storyboard. Begin with 'version: 1' and a list of 'shots'"
        reader.problem(node or Scalar("", 1, 1), message)
    if board is None or reader.problems:
        raise StoryboardError(first_problems(list(reader.problems)), source)
    return replace(
        board,
        source=source,
        text=text,
        included=tuple(reader.included.items()),
        warnings=tuple(sorted(reader.warnings, key=lambda warning: (warning.file, warning))),
    )


def _storyboard(node: Mapping, film: FilmContext, reader: Reader) -> Storyboard | None:
    """The storyboard in a mapping, None if it has mistakes; they are noted."""
    templates = tuple(entry for entry in node.entries if not entry[0].text.startswith("x-"))
    entries = STORYBOARD.entries(replace(node, entries=templates), "the storyboard", film, reader)
    first, others = split_entries(entries, READ_FIRST)
    given = read_entries(first, ShotContext(film), reader)
    names = ("fps", "bpm", "first_beat", "generator")
    known = {name: given[name] for name in names if name in given}
    film = replace(film, **known)
    if usual := usual_with(given.get("perceptors", Storyboard.perceptors), film.models):
        film = replace(film, usual=dict(usual.settings), holding=usual.holding)
    given.update(read_entries(others, ShotContext(film), reader))
    given["audio"] = film_audio(given.get("audio"))
    check_output(node, given, reader)
    given.pop("defaults", None)  # checked, and read again on top of it with every shot
    film = replace(
        film,
        size=given.get("size", Storyboard.size),
        seed=given.get("seed", film.seed),
        sound_end=sound_end_of(given["audio"]),
        loop=given.get("loop", film.loop),
        loop_node=node.get("loop"),
        defaults=node.get("defaults"),
        style=given.pop("style", None),
        exclude=node.get("exclude") if given.pop("exclude", None) else None,
    )
    shot_nodes = given.pop("shots", ())
    shots = read_shots(shot_nodes, film, reader)
    _check_length(shots, shot_nodes, reader)
    if given["audio"]:
        total = sum((shot.duration for shot in shots), Fraction(0))
        extension = CODECS[chosen_codec(given.get("codec", Storyboard.codec))].extensions[0]
        check_audio(given["audio"], total, extension, node.get("audio") or node, reader)
    if reader.problems or not shots:
        return None
    _check_names(shots, film.overrides)
    return Storyboard(shots=tuple(shots), **given)


def _check_names(shots: list[Shot], overrides: tuple[Override, ...]) -> None:
    """Raises InputError for a setting of a shot that there is not."""
    names = [shot.name for shot in shots]
    for override in overrides:
        if override.shot is not None and override.shot not in names and names:
            near = nearest(override.shot, names)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(names[:20])}"
            message = f"--set shots.{override.shot}.{'.'.join(override.path)}: there is no such "
            raise InputError(f"{message}shot; {hint}")


def _check_length(shots: list[Shot], nodes: tuple[Node, ...], reader: Reader) -> None:
    """Note a film that is too long, or has too many keyframes."""
    if not nodes:
        return
    total = sum((shot.duration for shot in shots), Fraction(0))
    if total > DURATION_LIMIT:
        message = f"the film lasts {seconds_text(total)}, longer than "
        reader.problem(nodes[0], f"{message}{seconds_text(DURATION_LIMIT)}. Make two films")
    # One more for each shot: a chain ends with a keyframe of its own.
    keyframes = sum(math.ceil(shot.duration / shot.settings.every) + 1 for shot in shots)
    if keyframes > KEYFRAME_LIMIT:
        message = f"the film has {keyframes:,} keyframes, more than {KEYFRAME_LIMIT:,}. "
        reader.problem(nodes[0], message + "Set keyframes further apart")
