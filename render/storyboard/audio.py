"""The sound of a film as a storyboard names it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from render.media.sound import Audio, sound_length, sound_problem
from render.storyboard.reader import Reader, named_file
from render.storyboard.tables import Row, Table, short_for
from render.storyboard.values import Switch, Time
from render.storyboard.yaml_nodes import Node
from render.text import quoted, seconds_text


@dataclass(frozen=True)
class Sound:
    """A sound file, named from the storyboard's folder; heard for a moment, not kept."""

    def read(self, node: Node, key: str, reader: Reader) -> Path:
        return named_file(node, key, reader, "a sound file", sound_problem)

    def schema(self) -> dict[str, Any]:
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


def check_audio(audio: Audio, node: Node, reader: Reader) -> None:
    """Warn of a film that is silent because its sound is over before it starts."""
    if not audio.start or audio.loop:
        return
    length = sound_length(audio.file)
    if length is not None and audio.start >= length:
        message = (
            f"audio starts at {seconds_text(audio.start)}, and {quoted(audio.file.name)} ends at "
        )
        ways = "Let it start earlier, or write loop: true"
        reader.warn(node, f"{message}{seconds_text(length)}, so nothing is heard. {ways}")
