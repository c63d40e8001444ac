"""A film's sound: a file that plays from the film's first sample on, and how ffmpeg is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from render.media.ffmpeg import first_complaint, input_arguments, run_ffmpeg

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


def sound_problem(path: Path) -> str | None:
    """The end of a sentence that says why ffmpeg hears nothing in a file; None when it does."""
    if not path.is_file():
        return f"is not there. Put the sound at {path}, or correct its name"
    heard = run_ffmpeg(
        *input_arguments(path), "-map", "0:a:0", "-frames:a", "1", "-f", "s16le", "-"
    )
    if heard.returncode:
        return (
            f"has no sound that ffmpeg can read: {first_complaint(heard.stderr)}. Use a WAV or MP3"
        )
    if not heard.stdout:  # which ffmpeg would begin again for ever
        return "is a sound of no length. Use another"
    return None


def sound_length(path: Path) -> Fraction | None:
    """How many seconds a sound lasts, read without decoding it; None where ffmpeg cannot tell."""
    told = run_ffmpeg(
        *input_arguments(path),
        *("-map", "0:a:0", "-c", "copy", "-f", "null", "-progress", "pipe:1", "-"),
    )
    times = re.findall(rb"^out_time_us=([0-9]+)", told.stdout, re.MULTILINE)
    return Fraction(int(times[-1]), 1_000_000) if times else None


def sound_arguments(audio: Audio, length: Fraction, extension: str) -> tuple[list[str], list[str]]:
    """What ffmpeg is told before its outputs, and of its output: `length` seconds of sound.

    It is cut by samples after decoding, where an encoder's delay has been taken off already.
    """
    again = ["-stream_loop", "-1"] if audio.loop else []
    begin, end = (f"{float(second):.9f}" for second in (audio.start, audio.start + length))
    cut = f"atrim=start={begin}:end={end},asetpts=PTS-STARTPTS"
    whole = f"apad=whole_dur={float(length):.9f},atrim=end={float(length):.9f}"
    output = ["-af", f"{cut},{whole}", *ENCODERS[extension], "-flags:a", "+bitexact"]
    return [*again, *input_arguments(audio.file)], output
