"""What `render interpolate` is to make, checked before torch is loaded."""

from __future__ import annotations

import bisect
import itertools
import json
import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from render.curves.easing import easing
from render.errors import InputError
from render.media.codecs import LEAST_SIDE, check_frame, check_output, chosen_codec, half_size
from render.media.provenance import ProvenanceError, generator_of, generator_row
from render.media.provenance import read_note as read_note
from render.media.safetensors_header import read_header
from render.media.sequence import check_sequence, is_sequence
from render.media.sound import ENCODERS, Audio, fitting_layout, sound_problem
from render.plan.notes import generator_note
from render.storyboard.context import FilmContext, ShotContext
from render.storyboard.frame_size import SIDE_LIMIT
from render.storyboard.keys import DURATION, STORYBOARD
from render.storyboard.literals import BEATS, NUMBER
from render.storyboard.named_files import LATENT_SUFFIX, probe_image, similar_name
from render.storyboard.reader import Reader
from render.storyboard.tables import Row
from render.storyboard.transitions import TRANSITION
from render.storyboard.yaml_nodes import Node, Scalar, Sequence
from render.text import gibibytes_text, quoted
from render.weights import library
from render.weights.catalog import Model
from render.weights.kinds import is_shape_of, kind_of, parameters_in, with_parameters

MOST_FRAMES, MOST_STOPS = 10_000_000, 10_000
LARGEST_SIDE = 100_000  # pixels, of a latent that a note describes
MOST_CELL = 64  # pixels along one side of a cell
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")  # of a folder's pictures
DECODING = 3000  # bytes per pixel: five of the widest tensors of taming's decoder, and some more


class JourneyError(InputError):
    """Inputs that cannot be interpolated between; a sentence, or a line for each mistake."""


@dataclass(frozen=True)
class Stop:
    """One of the pictures that the film passes through."""

    path: Path
    generator: Model | None = None  # of a stored latent; None is an image, to be encoded

    @property
    def latent(self) -> bool:
        """Whether it is stored as a latent."""
        return self.generator is not None


@dataclass(frozen=True)
class Journey:
    """A film through latent space from stop to stop; everything that decides it."""

    stops: tuple[Stop, ...]
    generator: Model  # whose latents it travels through
    size: tuple[int, int]  # (width, height)
    fps: Fraction
    legs: tuple[int, ...]  # frames from each stop to the next
    ease: str
    blend: str
    loop: bool
    codec: str
    quality: int
    audio: Audio | None = None

    @property
    def frame_count(self) -> int:
        """The frames of all legs, and one more for the last stop unless the film loops."""
        return sum(self.legs) + (0 if self.loop else 1)

    @property
    def made_size(self) -> tuple[int, int]:
        """The (width, height) that is painted: whole cells of the generator that cover the size."""
        factor = self.generator.factor
        width, height = (math.ceil(side / factor) * factor for side in self.size)
        return width, height

    @cached_property
    def _starts(self) -> list[int]:
        """The first frame of each leg, and of what follows the last one."""
        return [0, *itertools.accumulate(self.legs)]

    def place(self, frame: int) -> tuple[int, int, float]:
        """The indices of the stops before and after a frame, and its eased way between, 0..1."""
        leg = bisect.bisect_right(self._starts, frame) - 1
        if leg == len(self.legs):  # the last stop of a film that does not loop
            return leg % len(self.stops), (leg + 1) % len(self.stops), 0.0
        share = easing(self.ease)((frame - self._starts[leg]) / self.legs[leg])
        return leg % len(self.stops), (leg + 1) % len(self.stops), share


def plan_journey(
    inputs: tuple[Path, ...],
    output: Path,
    *,
    seconds: str | None,
    ease: str,
    blend: str,
    loop: bool,
    fps: str,
    size: str | None,
    model: str | None,
    codec: str,
    quality: int,
    total: str | None = None,
    audio: Path | None = None,
) -> Journey:
    """The journey through `inputs` by the options as they were written, completely checked.

    Raises JourneyError with every mistake, or another InputError.
    """
    problems: list[str] = []
    inputs = tuple(file for path in inputs for file in _files_in(path))
    try:
        codec = chosen_codec(codec, output)
        if is_sequence(output):
            check_sequence(output)
        else:
            check_output(output, codec)
    except InputError as error:
        problems.append(str(error))
    if len(inputs) > MOST_STOPS:
        raise JourneyError(f"more than {MOST_STOPS:,} pictures or latents; name fewer")
    if len(inputs) < 2:
        problems.append("two or more pictures or latents are needed to travel between")
    ways = max(1, len(inputs) if loop else len(inputs) - 1)
    options = _read_options(seconds, total, ways, loop, ease, fps, size, problems)
    if sum(options.legs) > MOST_FRAMES:
        asked = f"--total {total}" if total else f"--seconds {seconds}"
        problems.append(f"{asked}: over {MOST_FRAMES:,} frames; ask for less")
    sound = _read_sound(audio, output, problems)
    stops, notes = _read_stops(inputs, problems)
    if problems:
        raise JourneyError("\n".join(problems))
    stops, generator = _generators(model, stops, dict(notes))
    frame_size = _size(options.size, stops, dict(notes), generator)
    if blend == "slerp" and generator.kind == "strokes":
        raise JourneyError("--blend slerp is for grids of cells; strokes travel with --blend lerp")
    if not is_sequence(output):
        check_frame(frame_size, options.fps, codec, quality)
    return Journey(
        tuple(stops),
        generator,
        frame_size,
        options.fps,
        options.legs,
        options.ease,
        blend,
        loop,
        codec,
        quality,
        sound,
    )


def _files_in(path: Path) -> list[Path]:
    """The latents in a folder by their names, or its pictures if it has none; what is no folder, or
    has neither, as it is."""
    if not path.is_dir():
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if file.is_file())
    except OSError:
        return [path]
    latents = [file for file in files if file.suffix.lower() == LATENT_SUFFIX]
    pictures = [file for file in files if file.suffix.lower() in PICTURE_SUFFIXES]
    found = latents or [file for file in pictures if file.stem != "sheet"]
    return found[: MOST_STOPS + 1] or [path]


def _read_sound(path: Path | None, output: Path, problems: list[str]) -> Audio | None:
    """The sound of a file; adds what is wrong with it to `problems`."""
    if path is None:
        return None
    if wrong := sound_problem(path):
        problems.append(f"--audio {path} {wrong}")
        return None
    if output.suffix.lower() not in ENCODERS:
        problems.append(f"--audio {path}: {output.name} holds no sound; name it .mp4")
        return None
    try:
        fitting_layout(path, output.suffix.lower())
    except InputError as error:
        problems.append(f"--audio {error}")
    return Audio(path)


@dataclass(frozen=True)
class _Options:
    """The values of those options that a storyboard writes the same way."""

    fps: Fraction
    legs: tuple[int, ...]
    ease: str
    size: tuple[int, int] | None


def _read_options(
    seconds: str | None,
    total: str | None,
    ways: int,
    loop: bool,
    ease: str,
    fps: str,
    size: str | None,
    problems: list[str],
) -> _Options:
    """The options, read by the rules of a storyboard; adds every mistake to `problems`."""
    reader = Reader()

    def read(row: Row, value: Node, option: str, film: FilmContext) -> Any:
        return reader.attempt(row.kind, value, option, ShotContext(film))

    film = FilmContext()
    rate = read(STORYBOARD.row("fps"), _as_scalar(fps), "--fps", film)
    film = replace(film, fps=rate or film.fps)

    def read_time(text: str, option: str) -> Fraction:
        if re.fullmatch(rf"\s*{NUMBER}\s*b\s*", text):
            message = f"{option} {quoted(text)} counts beats, which only a storyboard has. Write "
            reader.problem(_as_scalar(text), message + "seconds, such as 2s")
            return Fraction(1)
        found: Fraction | None = read(DURATION, _as_scalar(text), option, film)
        return found or Fraction(1)

    if total is not None and seconds is not None:
        message = "--total and --seconds are two ways to say the same. Write one of them"
        reader.problem(_as_scalar(total), message)
    elif seconds is not None and "," in seconds and seconds.count(",") + 1 != ways:
        message = f"--seconds {quoted(seconds)} has {seconds.count(',') + 1} times, and there are "
        reader.problem(_as_scalar(seconds), f"{message}{ways} to go. Write as many")
    lengths = [
        read_time(part, "--seconds") for part in ("2" if seconds is None else seconds).split(",")
    ]
    if len(lengths) != ways:
        lengths = lengths[:1] * ways
    legs = tuple(max(1, math.floor(one * film.fps + Fraction(1, 2))) for one in lengths)
    if total is not None:
        count = math.floor(read_time(total, "--total") * film.fps + Fraction(1, 2))
        legs = _shared(count - (0 if loop else 1), ways)
        if min(legs) < 1:
            message = f"--total {quoted(total)} is too short for {ways} to go. Write a longer time"
            reader.problem(_as_scalar(total), message)
    easing_name = read(TRANSITION.row("ease"), _handles(ease), "--ease", film)
    asked_size = None
    if size is not None:
        asked_size = read(STORYBOARD.row("size"), _as_scalar(size), "--size", film)
    # Only a storyboard has a bpm, so the sentences do not recommend beats here.
    problems += [problem.message.replace(f", {BEATS}", "") for problem in reader.problems]
    return _Options(film.fps, legs, easing_name, asked_size)


def _shared(count: int, ways: int) -> tuple[int, ...]:
    """So many frames, shared out among ways as evenly as can be."""
    ends = [count * place // ways for place in range(ways + 1)]
    return tuple(after - before for before, after in itertools.pairwise(ends))


def _read_stops(
    inputs: tuple[Path, ...], problems: list[str]
) -> tuple[list[Stop], list[tuple[Path, dict[str, Any]]]]:
    """The stops, and the notes of those that are latents; adds every mistake to `problems`."""
    stops, notes = [], []
    for path in inputs:
        try:
            stop, note = _stop(path)
        except JourneyError as error:
            if str(error) not in problems:  # a file may be named twice
                problems.append(str(error))
            continue
        stops.append(stop)
        if note is not None:
            notes.append((path, note))
    return stops, notes


def _as_scalar(value: str) -> Scalar:
    """An option's value as a quoted scalar: if it is empty, there is no line to remove."""
    return Scalar(value, 1, 1, quoted=True)


def _handles(ease: str) -> Node:
    """Numbers separated by commas as the list of handles of a storyboard; else the word."""
    parts = ease.strip().removeprefix("[").removesuffix("]").split(",")
    if len(parts) == 1 or "(" in ease:
        return _as_scalar(ease)
    return Sequence(tuple(_as_scalar(part.strip()) for part in parts), 1, 1)


def _stop(path: Path) -> tuple[Stop, dict[str, Any] | None]:
    """The stop at a file, and its note if it is a latent; raises JourneyError."""
    if path.is_dir():
        raise JourneyError(f"{path} is a folder; name a picture or a latent in it")
    if not path.is_file():
        raise JourneyError(f"{path} is not there.{similar_name(path)}")
    if path.suffix.lower() == ".safetensors":
        return Stop(path), _latent_note(path)
    if isinstance(found := probe_image(path), str):
        raise JourneyError(f"{path} {found}")
    return Stop(path), None


def _latent_note(path: Path) -> dict[str, Any]:
    """The note of a latent that Render wrote; raises JourneyError if the file is none."""
    try:
        note = read_note(path)
    except ProvenanceError as error:
        raise JourneyError(str(error)) from error
    size, models = note.get("size"), note.get("models")
    if (
        note.get("kind") != "latent"
        or not (isinstance(size, list) and [type(side) for side in size] == [int, int])
        or not all(0 < side <= LARGEST_SIDE for side in size)
        or not (isinstance(models, list) and all(isinstance(model, dict) for model in models))
    ):
        raise JourneyError(f"{path} is not a latent that Render wrote")
    return note


def _generators(
    asked: str | None, stops: list[Stop], notes: dict[Path, dict[str, Any]]
) -> tuple[list[Stop], Model]:
    """The stops with the generators of their latents, and the one to travel with: the one asked
    for, else the latents' own. Of latents of several it is the first network among them, and
    `starter` if there is none; the others then become pictures first. Raises JourneyError for a
    generator that is not here."""
    known = library.known_models("generator")
    if asked is not None and asked not in known:
        raise JourneyError(f"--model {asked}: `render models` lists the generators there are")
    stops = [
        replace(stop, generator=_generator(stop.path, notes[stop.path], known))
        if stop.path in notes
        else stop
        for stop in stops
    ]
    makers = [stop.generator for stop in stops if stop.generator is not None]
    if asked is not None:
        return stops, next((maker for maker in makers if maker.name == asked), known[asked])
    if makers and all(share_latents(maker, makers[0]) for maker in makers):
        return stops, makers[0]
    return stops, next((maker for maker in makers if maker.has_weights), known["starter"])


def _generator(path: Path, note: dict[str, Any], known: dict[str, Model]) -> Model:
    """The generator of a latent, with its parameters; raises JourneyError if it is not here."""
    name, digest = generator_of(note)
    if name not in known:
        raise JourneyError(
            f"{path} was made by the generator {name}, which is not here; "
            "`render models` lists what is"
        )
    if not library.decodes_latents_of(known[name], digest):
        here = library.known_digest(known[name])
        raise JourneyError(
            f"{path} was made by other weights of {name} ({digest[:12]}) than are here "
            f"({here[:12]}). A latent only means something to the generator that made it; use its "
            "frame as a PNG instead"
        )
    parameters = parameters_in(generator_row(note).get("parameters"), known[name])
    model = with_parameters(known[name], parameters.items())
    try:
        shape = read_header(path).get("latent", {}).get("shape")
    except (OSError, ValueError, AttributeError):
        shape = None
    if not is_shape_of(model, shape) or not _is_of_size(model, shape, note["size"]):
        raise JourneyError(f"{path} holds no latent of the generator {name}; name another")
    return model


def _is_of_size(model: Model, shape: list[int], size: list[int]) -> bool:
    """Whether a latent of this shape (1, C, h, w) is one of pictures of (width, height): with whole
    cells of its own generator, or of all generators of a film."""
    if kind_of(model).any_size:
        return True
    made = [side * model.factor for side in (shape[3], shape[2])]
    return all(side <= own < side + MOST_CELL for side, own in zip(size, made, strict=True))


def share_latents(one: Model, other: Model) -> bool:
    """Whether one can travel between the latents of two generators: between strokes on the same
    paper, however many they are."""
    paper = one.config.get("paper") if not one.has_weights else None
    return one.name == other.name and (one.has_weights or other.config.get("paper") == paper)


def _keeps_size(stop: Stop, generator: Model) -> bool:
    """Whether a stop is a latent that can be decoded at its own size only."""
    own = stop.generator is not None and share_latents(stop.generator, generator)
    return own and not kind_of(generator).any_size


def _size(
    asked: tuple[int, int] | None,
    stops: list[Stop],
    notes: dict[Path, dict[str, Any]],
    generator: Model,
) -> tuple[int, int]:
    """The film's (width, height): --size, else the latents', else the first one's, made even.

    Raises JourneyError if latents have another size, or if a side is too short or too long.
    """
    size, source = asked, "--size"
    for path in (stop.path for stop in stops if _keeps_size(stop, generator)):
        width, height = notes[path]["size"]
        if size is not None and (width, height) != size:
            raise JourneyError(
                f"{path} is a latent of {width}x{height}, not {size[0]}x{size[1]}; "
                "all latents must be of one size, and --size cannot change them"
            )
        size, source = (width, height), f"{path} is a latent of {width}x{height}"
    if size is None:
        first = stops[0].path
        width, height = notes[first]["size"] if first in notes else _upright_size(first)
        scale = min(1.0, SIDE_LIMIT / max(width, height))
        size = (round(width * scale) // 2 * 2, round(height * scale) // 2 * 2)
        source = f"{first} is {width}x{height} pixels"
    if not all(LEAST_SIDE <= side <= SIDE_LIMIT for side in size):
        raise JourneyError(
            f"{source}, and a film's sides are {LEAST_SIDE} to {SIDE_LIMIT} pixels; choose them "
            "with --size, such as 256x256"
        )
    return size


def _upright_size(path: Path) -> tuple[int, int]:
    """The (width, height) of an image turned as its EXIF orientation says."""
    # Imported only if an image decides the size: it is the slowest import.
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).size


def check_memory(journey: Journey, available: int | None) -> None:
    """Raises JourneyError if this machine has not the memory to decode a frame of the journey."""
    width, height = journey.size
    needed = DECODING * width * height
    if available is not None and needed > available:
        raise JourneyError(
            f"a frame takes about {gibibytes_text(needed)} of memory, and there are "
            f"{gibibytes_text(available)}: {smaller_size_advice(journey)}"
        )


def smaller_size_advice(journey: Journey) -> str:
    """The sentence on how to need less memory, which is proportional to a frame's pixels."""
    (width, height), half = journey.size, "x".join(map(str, half_size(journey.size)))
    advice = f"{width}x{height} is too large for this machine; --size {half} needs about a quarter"
    if any(stop.latent for stop in journey.stops):
        return f"{advice}, and takes pictures: use the latents' frames as PNGs."
    return f"{advice}."


def journey_note(journey: Journey, version: str) -> dict[str, Any]:
    """The note that is written into the film."""
    settings: dict[str, Any] = {
        "ease": journey.ease,
        "blend": journey.blend,
        "loop": journey.loop,
        "fps": str(journey.fps),
        "legs": journey.legs,
    }
    if journey.audio:
        settings["audio"] = journey.audio.file.name
    return {
        "render": version,
        "kind": "journey",
        "inputs": [stop.path.name for stop in journey.stops],
        "size": list(journey.size),
        "models": [generator_note(journey.generator, library.known_digest(journey.generator))],
        "settings": json.dumps(settings, sort_keys=True),
    }
