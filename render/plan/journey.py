"""What `render interpolate` is asked for, checked before torch is loaded."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from render.curves.easing import easing
from render.errors import InputError
from render.media.codecs import LEAST_SIDE, check_frame, check_output, half_size
from render.media.provenance import ProvenanceError, generator_of
from render.media.provenance import read_note as read_note
from render.storyboard.keys import DURATION, SIDE_LIMIT, STORYBOARD
from render.storyboard.literals import BEATS, NUMBER
from render.storyboard.named_files import probe_image
from render.storyboard.reader import Kind, Reader
from render.storyboard.transitions import TRANSITION
from render.storyboard.yaml_nodes import Node, Scalar, Sequence
from render.text import quoted
from render.weights import library

MOST_FRAMES = 10_000_000


class JourneyError(InputError):
    """Inputs that cannot be travelled between; a sentence, or a line for each mistake."""


@dataclass(frozen=True)
class Stop:
    """One of the pictures passed through."""

    path: Path
    latent: bool  # else a picture, to be encoded


@dataclass(frozen=True)
class Journey:
    """A way through latent space, as asked for and found possible."""

    stops: tuple[Stop, ...]
    generator: str
    size: tuple[int, int]  # (width, height)
    fps: Fraction
    frames_per_leg: int
    ease: str
    blend: str
    loop: bool
    codec: str
    quality: int

    @property
    def frame_count(self) -> int:
        """Every leg's frames, and one more for the last picture unless it loops."""
        legs = len(self.stops) if self.loop else len(self.stops) - 1
        return legs * self.frames_per_leg + (0 if self.loop else 1)

    def place(self, frame: int) -> tuple[int, int, float]:
        """The stops on either side of a frame, and its eased way between them in 0..1."""
        leg, step = divmod(frame, self.frames_per_leg)
        share = easing(self.ease)(step / self.frames_per_leg)
        return leg % len(self.stops), (leg + 1) % len(self.stops), share


def plan_journey(
    inputs: tuple[Path, ...],
    output: Path,
    *,
    seconds: str,
    ease: str,
    blend: str,
    loop: bool,
    fps: str,
    size: str | None,
    model: str | None,
    codec: str,
    quality: int,
) -> Journey:
    """Everything checked; raises JourneyError with every mistake, or another InputError."""
    problems: list[str] = []
    try:
        check_output(output, codec)
    except InputError as error:
        problems.append(str(error))
    if len(inputs) < 2:
        problems.append("two or more pictures or latents are needed to travel between")
    # By the rules of a storyboard, where all four are written the same way.
    reader = Reader(Path())

    def read(kind: Kind, value: str, option: str) -> Any:
        return reader.attempt(kind, _as_scalar(value), option)

    rate = read(STORYBOARD.row("fps").kind, fps, "--fps")
    reader.fps = rate or reader.fps
    length = Fraction(1)
    if re.fullmatch(rf"\s*{NUMBER}\s*b\s*", seconds):
        message = f"--seconds {quoted(seconds)} counts beats, which only a storyboard has. Write "
        reader.problem(_as_scalar(seconds), message + "seconds, such as 2s")
    else:
        length = read(DURATION.kind, seconds, "--seconds") or length
    way = reader.attempt(TRANSITION.row("ease").kind, _handles(ease), "--ease")
    asked = None if size is None else read(STORYBOARD.row("size").kind, size, "--size")
    # Only a storyboard has a bpm.
    problems += [problem.message.replace(f", {BEATS}", "") for problem in reader.problems]
    frames_per_leg = max(1, math.floor(length * reader.fps + Fraction(1, 2)))
    if frames_per_leg * len(inputs) > MOST_FRAMES:
        problems.append(f"--seconds {seconds}: over {MOST_FRAMES:,} frames; ask for less")
    stops, notes = [], []
    for path in inputs:
        try:
            stop, note = _stop(path)
        except JourneyError as error:
            problems.append(str(error))
            continue
        stops.append(stop)
        if note is not None:
            notes.append((path, note))
    if problems:
        raise JourneyError("\n".join(problems))
    generator = _generator(model, notes)
    picture = _size(asked, stops, notes)
    check_frame(picture, rate, codec, quality)
    return Journey(
        tuple(stops), generator, picture, rate, frames_per_leg, way, blend, loop, codec, quality
    )


def _as_scalar(value: str) -> Scalar:
    """An option's value; as if in quotes, for it has no line to be removed where it is empty."""
    return Scalar(value, 1, 1, quoted=True)


def _handles(ease: str) -> Node:
    """Numbers with commas between them as a storyboard's list of handles; else the word."""
    parts = ease.strip().removeprefix("[").removesuffix("]").split(",")
    if len(parts) == 1 or "(" in ease:
        return _as_scalar(ease)
    return Sequence(tuple(_as_scalar(part.strip()) for part in parts), 1, 1)


def _stop(path: Path) -> tuple[Stop, dict[str, Any] | None]:
    if path.is_dir():
        raise JourneyError(f"{path} is a folder; name a picture or a latent in it")
    if not path.is_file():
        raise JourneyError(f"{path} is not there")
    if path.suffix.lower() == ".safetensors":
        try:
            note = read_note(path)
        except ProvenanceError as error:
            raise JourneyError(str(error)) from error
        size, made_with = note.get("size"), note.get("models")
        if (
            note.get("kind") != "latent"
            or not (isinstance(size, list) and [type(side) for side in size] == [int, int])
            or not (isinstance(made_with, list) and all(isinstance(m, dict) for m in made_with))
        ):
            raise JourneyError(f"{path} is not a latent that Render wrote")
        return Stop(path, True), note
    if isinstance(found := probe_image(path), str):
        raise JourneyError(f"{path} {found}")
    return Stop(path, False), None


def _generator(asked: str | None, notes: list[tuple[Path, dict[str, Any]]]) -> str:
    """The one generator of all latents; raises JourneyError when they differ."""
    known = library.known_models("generator")
    if asked is not None and asked not in known:
        raise JourneyError(f"--model {asked}: `render models` lists the generators there are")
    name = asked
    for path, note in notes:
        maker, digest = generator_of(note)
        name = name or maker
        if name not in known:
            raise JourneyError(
                f"{path} was made by the generator {name}, which is not here; "
                "`render models` lists what is"
            )
        here = library.named_digest("generator", name)
        if digest != here:
            raise JourneyError(
                f"{path} is a latent of another model: {maker} ({digest[:12]}), not {name} "
                f"({here[:12]}). A latent only means something to the generator that made it; "
                "use its frame as a PNG instead"
            )
    return name or "starter"


def _size(
    asked: tuple[int, int] | None, stops: list[Stop], notes: list[tuple[Path, dict[str, Any]]]
) -> tuple[int, int]:
    """The film's size: --size, else the latents', else the first picture's, made even."""
    wanted, said = asked, "--size"
    for path, note in notes:
        size = tuple(note["size"])
        if wanted is not None and size != wanted:
            raise JourneyError(
                f"{path} is a latent of {size[0]}x{size[1]}, not {wanted[0]}x{wanted[1]}; "
                "all latents must be of one size, and --size cannot change them"
            )
        wanted, said = (size[0], size[1]), f"{path} is a latent of {size[0]}x{size[1]}"
    if wanted is None:
        # Only where a picture says the size: its import costs most of all.
        from PIL import Image, ImageOps

        with Image.open(stops[0].path) as image:
            width, height = ImageOps.exif_transpose(image).size
        scale = min(1.0, SIDE_LIMIT / max(width, height))
        wanted = (round(width * scale) // 2 * 2, round(height * scale) // 2 * 2)
        said = f"{stops[0].path} is {width}x{height} pixels"
    if not all(LEAST_SIDE <= side <= SIDE_LIMIT for side in wanted):
        raise JourneyError(
            f"{said}, and a film's sides are {LEAST_SIDE} to {SIDE_LIMIT} pixels; choose them with "
            "--size, such as 256x256"
        )
    return wanted


def smaller_size_advice(journey: Journey) -> str:
    """What would need less memory: a picture's share of it goes with its pixels."""
    (width, height), half = journey.size, "x".join(map(str, half_size(journey.size)))
    advice = f"{width}x{height} is too large for this machine; --size {half} needs about a quarter"
    if any(stop.latent for stop in journey.stops):
        return f"{advice}, and takes pictures: use the latents' frames as PNGs."
    return f"{advice}."


def journey_note(journey: Journey, version: str) -> dict[str, Any]:
    """What is written into the film."""
    settings = {
        "ease": journey.ease,
        "blend": journey.blend,
        "loop": journey.loop,
        "fps": str(journey.fps),
        "frames_per_leg": journey.frames_per_leg,
    }
    digest = library.named_digest("generator", journey.generator)
    return {
        "render": version,
        "kind": "journey",
        "inputs": [stop.path.name for stop in journey.stops],
        "size": list(journey.size),
        "models": [{"role": "generator", "name": journey.generator, "sha256": digest}],
        "settings": json.dumps(settings, sort_keys=True),
    }
