"""The sound of a film as a storyboard names it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from render.media.sound import Audio, sound_length, sound_problem
from render.storyboard.context import ShotContext
from render.storyboard.named_files import named_file
from render.storyboard.reader import Reader
from render.storyboard.tables import Row, Table, short_for
from render.storyboard.values import Switch, Time
from render.storyboard.yaml_nodes import Node
from render.text import quoted, seconds_text


@dataclass(frozen=True)
class Sound:
    """A sound file, by its path from the storyboard's folder; only probed, not loaded."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Path:
        """The sound file's path; raises Mistake if ffmpeg cannot read it."""
        return named_file(node, key, context.film.folder, "a sound file", sound_problem)

    def schema(self) -> dict[str, Any]:
        """A string."""
        return {"type": "string"}


AUDIO = Table(
    (
        Row("file", Sound(), "file", "path of a sound file: WAV, MP3, ...", required=True),
        Row("start", Time(Fraction(0), Fraction(36_000)), "start", "begin so far into the sound"),
        Row("loop", Switch(), "loop", "true: the sound begins again until the film ends"),
    ),
    short=short_for("file"),
    shorthand=Sound().schema(),
)


def film_audio(given: dict[str, Any] | None, node: Node, reader: Reader) -> Audio | None:
    """The audio made of the values that were read; None if there is none, or no usable file."""
    if given is None or "file" not in given:
        return None
    audio = Audio(**given)
    check_audio(audio, node, reader)
    return audio


def check_audio(audio: Audio, node: Node, reader: Reader) -> None:
    """Warn if the film would be silent because its audio starts after the end of the sound."""
    if not audio.start or audio.loop:
        return
    length = sound_length(audio.file)
    if length is not None and audio.start >= length:
        message = (
            f"audio starts at {seconds_text(audio.start)}, and {quoted(audio.file.name)} ends at "
        )
        ways = "Let it start earlier, or write loop: true"
        reader.warn(node, f"{message}{seconds_text(length)}, so nothing is heard. {ways}")
