"""A film's sound: a file that plays from the film's first sample on, and how ffmpeg is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from render.ffmpeg import ask, complaint, input_of
from render.fields import Switch, Time
from render.groups import Group, Row, standing_for
from render.reading import Reader, file_named
from render.yamlnodes import Node, seconds, shown

# How each kind of file keeps sound. Encoders are told to leave no mark of their version.
ENCODERS: dict[str, tuple[str, ...]] = {
    ".mp4": ("-c:a", "aac", "-b:a", "192k"),
    ".m4v": ("-c:a", "aac", "-b:a", "192k"),
    ".mov": ("-c:a", "pcm_s16le"),
    ".mkv": ("-c:a", "flac"),
    ".webm": ("-c:a", "libopus", "-b:a", "160k"),
}


@dataclass(frozen=True)
class Audio:
    """What plays under a film; where it ends before the film, silence follows."""

    file: Path
    start: Fraction = Fraction(0)  # seconds of the file that are left out at its beginning
    loop: bool = False  # it begins again, at its own beginning, for as long as the film lasts


def wrong_with(path: Path) -> str | None:
    """The end of a sentence that says why ffmpeg hears nothing in a file; None when it does."""
    if not path.is_file():
        return f"is not there. Put the sound at {path}, or correct its name"
    heard = ask(*input_of(path), "-map", "0:a:0", "-frames:a", "1", "-f", "s16le", "-")
    if heard.returncode:
        return f"has no sound that ffmpeg can read: {complaint(heard.stderr)}. Use a WAV or MP3"
    if not heard.stdout:  # which ffmpeg would begin again for ever
        return "is a sound of no length. Use another"
    return None


@dataclass(frozen=True)
class Sound:
    """A sound file, named from the storyboard's folder; heard for a moment, not kept."""

    def read(self, node: Node, key: str, reader: Reader) -> Path:
        return file_named(node, key, reader, "a sound file", wrong_with)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


AUDIO = Group(
    (
        Row("file", Sound(), "file", "path of a sound file: WAV, MP3, ...", required=True),
        Row("start", Time(Fraction(0), Fraction(36_000)), "start", "begin so far into the sound"),
        Row("loop", Switch(), "loop", "true: the sound begins again until the film ends"),
    ),
    short=standing_for("file"),
    shorthand=Sound().schema(),
)


def check_audio(audio: Audio, node: Node, reader: Reader) -> None:
    """Warn of a film that is silent because its sound is over before it starts."""
    if not audio.start or audio.loop:
        return
    length = length_of(audio.file)
    if length is not None and audio.start >= length:
        message = f"audio starts at {seconds(audio.start)}, and {shown(audio.file.name)} ends at "
        ways = "Let it start earlier, or write loop: true"
        reader.warn(node, f"{message}{seconds(length)}, so nothing is heard. {ways}")


def length_of(path: Path) -> Fraction | None:
    """How many seconds a sound lasts, read without decoding it; None where ffmpeg cannot tell."""
    told = ask(
        *input_of(path), *("-map", "0:a:0", "-c", "copy", "-f", "null", "-progress", "pipe:1", "-")
    )
    times = re.findall(rb"^out_time_us=([0-9]+)", told.stdout, re.MULTILINE)
    return Fraction(int(times[-1]), 1_000_000) if times else None


def arguments(audio: Audio, length: Fraction, extension: str) -> tuple[list[str], list[str]]:
    """What ffmpeg is told before its outputs, and of its output: `length` seconds of sound.

    It is cut by samples after decoding, where an encoder's delay has been taken off already.
    """
    again = ["-stream_loop", "-1"] if audio.loop else []
    begin, end = (f"{float(second):.9f}" for second in (audio.start, audio.start + length))
    cut = f"atrim=start={begin}:end={end},asetpts=PTS-STARTPTS"
    whole = f"apad=whole_dur={float(length):.9f},atrim=end={float(length):.9f}"
    output = ["-af", f"{cut},{whole}", *ENCODERS[extension], "-flags:a", "+bitexact"]
    return [*again, *input_of(audio.file)], output
