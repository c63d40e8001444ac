"""The sound of a film as a storyboard names it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from render.media.sound import (
    ENCODERS,
    Audio,
    SoundError,
    layout_remark,
    sound_length,
    sound_problem,
)
from render.storyboard.context import ShotContext
from render.storyboard.named_files import named_file
from render.storyboard.reader import Reader
from render.storyboard.tables import Row, Table, short_for
from render.storyboard.values import Number, Switch, Time
from render.storyboard.yaml_nodes import Node
from render.text import quoted, seconds_text

SILENCE = Fraction(1, 2)  # seconds at a film's end, from which it is warned of


@dataclass(frozen=True)
class Sound:
    """A sound file, by its path from the storyboard's folder; only probed, not loaded."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Path:
        """The sound file's path; raises Mistake if ffmpeg cannot read it."""
        return named_file(node, key, context.film, "a sound file", sound_problem)

    def schema(self) -> dict[str, Any]:
        """A string."""
        return {"type": "string"}


AUDIO = Table(
    (
        Row("file", Sound(), "file", "path of a sound file: WAV, MP3, ...", required=True),
        Row(
            "start",
            Time(Fraction(-36_000), Fraction(36_000)),
            "start",
            "begin so far into the sound; -2s is two seconds of silence before it",
        ),
        Row("loop", Switch(), "loop", "true: the sound begins again until the film ends"),
        Row("volume", Number(0, 10), "volume", "a factor: 0.5 is half as loud"),
        Row(
            "fade_in",
            Time(Fraction(0), Fraction(36_000)),
            "fade_in",
            "how long it takes to come to full volume",
        ),
        Row(
            "fade_out",
            Time(Fraction(0), Fraction(36_000)),
            "fade_out",
            "how long it fades, to the film's end",
        ),
    ),
    short=short_for("file"),
    shorthand=Sound().schema(),
)


def film_audio(given: dict[str, Any] | None) -> Audio | None:
    """The audio made of the values that were read; None if there is none, or no usable file."""
    return Audio(**given) if given and "file" in given else None


def check_audio(audio: Audio, length: Fraction, extension: str, node: Node, reader: Reader) -> None:
    """Warn of what is not heard in a film of `length` seconds, and of a sound that is mixed to
    another layout for `extension`; note one that cannot be encoded."""
    if extension not in ENCODERS:
        reader.warn(node, f"a {extension} holds no sound. Choose another codec, or remove it")
        return
    try:
        if remark := layout_remark(audio, extension):
            reader.warn(node, remark)
    except SoundError as error:
        reader.problem(node, str(error))
        return
    sound = sound_length(audio.file)
    if audio.loop or sound is None:
        return
    name, ways = quoted(audio.file.name), "Let it start earlier, or write loop: true"
    if audio.start and audio.start >= sound:
        message = f"audio starts at {seconds_text(audio.start)}, and {name} ends at "
        reader.warn(node, f"{message}{seconds_text(sound)}, so nothing is heard. {ways}")
    elif (silence := length - (sound - audio.start)) > SILENCE:
        message = f"{name} ends after {seconds_text(sound - audio.start)}, and "
        reader.warn(
            node,
            f"{message}{seconds_text(silence)} of silence follow until the film ends. Write "
            "loop: true to let it begin again",
        )
