"""The sound of a film: the sound file that the storyboard names, and ffmpeg's arguments for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from render.media.ffmpeg import first_complaint, input_arguments, run_ffmpeg

# The sound encoder of each container. "-flags:a +bitexact" keeps their versions out of the film.
ENCODERS: dict[str, tuple[str, ...]] = {
    ".mp4": ("-c:a", "aac", "-b:a", "192k"),
    ".m4v": ("-c:a", "aac", "-b:a", "192k"),
    ".mov": ("-c:a", "pcm_s16le"),
    ".mkv": ("-c:a", "flac"),
    ".webm": ("-c:a", "libopus", "-b:a", "160k"),
}


@dataclass(frozen=True)
class Audio:
    """A sound file that plays from the film's first frame on, followed by silence if it ends."""

    file: Path
    start: Fraction = Fraction(0)  # seconds at the beginning of the file that are skipped
    loop: bool = False  # whether it repeats, from the file's own beginning, until the film ends


def sound_problem(path: Path) -> str | None:
    """Returns why ffmpeg cannot read a sound from a file, as the end of a sentence, or None."""
    if not path.is_file():
        return f"is not there. Put the sound at {path}, or correct its name"
    decoded = run_ffmpeg(
        *input_arguments(path), "-map", "0:a:0", "-frames:a", "1", "-f", "s16le", "-"
    )
    if decoded.returncode:
        complaint = first_complaint(decoded.stderr)
        return f"has no sound that ffmpeg can read: {complaint}. Use a WAV or MP3"
    if not decoded.stdout:  # ffmpeg would loop it for ever
        return "is a sound of no length. Use another"
    return None


def sound_length(path: Path) -> Fraction | None:
    """Returns the length of a sound in seconds, without decoding it; None if ffmpeg cannot tell."""
    copied = run_ffmpeg(
        *input_arguments(path),
        *("-map", "0:a:0", "-c", "copy", "-f", "null", "-progress", "pipe:1", "-"),
    )
    times = re.findall(rb"^out_time_us=([0-9]+)", copied.stdout, re.MULTILINE)
    return Fraction(int(times[-1]), 1_000_000) if times else None


def sound_arguments(audio: Audio, length: Fraction, extension: str) -> tuple[list[str], list[str]]:
    """Returns ffmpeg's arguments for the input, and those for its output of `length` seconds.

    `extension` is a key of ENCODERS. The sound is cut by samples after decoding, which has already
    removed the delay that an encoder adds at the beginning.
    """
    repeat = ["-stream_loop", "-1"] if audio.loop else []
    begin, end = (f"{float(second):.9f}" for second in (audio.start, audio.start + length))
    cut = f"atrim=start={begin}:end={end},asetpts=PTS-STARTPTS"
    fill = f"apad=whole_dur={float(length):.9f},atrim=end={float(length):.9f}"
    output = ["-af", f"{cut},{fill}", *ENCODERS[extension], "-flags:a", "+bitexact"]
    return [*repeat, *input_arguments(audio.file)], output
