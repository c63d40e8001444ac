"""The sound of a film: the sound file that the storyboard names, and ffmpeg's arguments for it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from render.errors import InputError
from render.media.ffmpeg import (
    VideoError,
    ffmpeg_path,
    first_complaint,
    input_arguments,
    run_ffmpeg,
)

# The sound encoder of each container. "-flags:a +bitexact" keeps their versions out of the film.
ENCODERS: dict[str, tuple[str, ...]] = {
    ".mp4": ("-c:a", "aac", "-b:a", "192k"),
    ".m4v": ("-c:a", "aac", "-b:a", "192k"),
    ".mov": ("-c:a", "pcm_s16le"),
    ".mkv": ("-c:a", "flac"),
    ".webm": ("-c:a", "libopus", "-b:a", "160k"),
}


# Layouts of loudspeakers that a sound is mixed to where an encoder cannot hold its own, with their
# channels.
MOST_CHANNELS = 8  # of the layouts that ffmpeg mixes without leaving one out
NAMED_LAYOUTS = {
    "mono": 1, "stereo": 2, "downmix": 2, "quad": 4, "hexagonal": 6, "octagonal": 8, "cube": 8,
    "hexadecagonal": 16,
}  # fmt: skip
LAYOUTS = {"7.1": 8, "5.1": 6, "stereo": 2, "mono": 1}


@dataclass(frozen=True)
class Audio:
    """A sound file that plays from the film's first frame on, followed by silence if it ends."""

    file: Path
    # Seconds at the beginning of the file that are skipped; below 0, of silence before it.
    start: Fraction = Fraction(0)
    loop: bool = False  # whether it repeats, from the file's own beginning, until the film ends
    volume: float = 1.0  # a factor
    fade_in: Fraction = Fraction(0)  # seconds, from where the sound begins
    fade_out: Fraction = Fraction(0)  # seconds, to the film's end


@dataclass(frozen=True)
class Soundtrack:
    """What is heard of an audio in a file."""

    audio: Audio
    length: Fraction  # seconds of the whole film
    parts: tuple[tuple[Fraction, Fraction], ...] = ()  # from second to second; () is all of it


class SoundError(InputError):
    """A sound that an encoder cannot hold in any layout."""


def sound_problem(path: Path) -> str | None:
    """Returns why ffmpeg cannot read a sound from a file, as the end of a sentence, or None."""
    if not path.exists():
        return f"is not there. Put the sound at {path}, or correct its name"
    if not path.is_file():
        return "is not an ordinary file. Name a sound"
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
    """Returns the length of a sound in seconds, without decoding it; None if ffmpeg cannot tell.

    Measured once: all packets of the file are read.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return _length_of_version(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _length_of_version(path: Path, size: int, modified: int) -> Fraction | None:
    """Returns `sound_length`, cached by the file's size and modification time."""
    copied = run_ffmpeg(
        *input_arguments(path),
        *("-map", "0:a:0", "-c", "copy", "-f", "null", "-progress", "pipe:1", "-"),
    )
    times = re.findall(rb"^out_time_us=([0-9]+)", copied.stdout, re.MULTILINE)
    return Fraction(int(times[-1]), 1_000_000) if times else None


@lru_cache(maxsize=64)
def fitting_layout(path: Path, extension: str) -> str | None:
    """Returns the layout that a sound is mixed to, because the encoder of a container refuses its
    own; None if it does not.

    A tenth of a second is really encoded. Raises SoundError if no layout of LAYOUTS can be.
    """
    complaint = _encoding_problem(path, extension, None)
    if complaint is None:
        return None
    layout = sound_layout(path)
    channels = channels_of(layout)
    if channels > MOST_CHANNELS:
        return "stereo"
    for name, count in LAYOUTS.items():
        if count <= channels and _encoding_problem(path, extension, name) is None:
            return name
    raise SoundError(
        f"{path.name} ({layout or 'of an unknown layout'}) cannot be encoded for {extension}: "
        f"{complaint}. Mix it to stereo in another program"
    )


def layout_remark(audio: Audio, extension: str) -> str | None:
    """Returns a sentence about a sound that is mixed to another layout; None if it is not.

    Raises SoundError as `fitting_layout`.
    """
    fitting = fitting_layout(audio.file, extension)
    if fitting is None:
        return None
    own = sound_layout(audio.file) or "an unknown layout"
    return f"{audio.file.name} is in {own}, which {extension} cannot hold; it is mixed to {fitting}"


def mix_filter(path: Path, fitting: str) -> str:
    """Returns ffmpeg's filter that mixes a sound to a layout.

    ffmpeg's own mix leaves out loudspeakers that it has no place for, so of more than eight
    channels every second one goes to the left, and the others to the right.
    """
    channels = channels_of(sound_layout(path))
    if channels <= MOST_CHANNELS:
        return f"aformat=channel_layouts={fitting}"
    left, right = ("+".join(f"c{n}" for n in range(first, channels, 2)) for first in (0, 1))
    return f"pan=stereo|FL<{left}|FR<{right}"


def channels_of(layout: str) -> int:
    """Returns how many channels a layout of ffmpeg's has; 2 for one that is not known."""
    if found := re.match(r"([0-9]+) channels", layout):
        return int(found[1])
    if layout[:1].isdigit():
        return sum(map(int, re.findall(r"[0-9]+", layout.partition("(")[0])))
    return NAMED_LAYOUTS.get(layout.partition("(")[0], 2)


def sound_layout(path: Path) -> str:
    """Returns ffmpeg's name of a sound's layout, such as "stereo"; "" if it cannot tell."""
    shown = run_ffmpeg(
        *input_arguments(path), "-map", "0:a:0", "-t", "0.1", "-f", "framecrc", "-"
    ).stdout.decode(errors="replace")
    found = re.search(r"^#channel_layout_name 0: (.+)$", shown, re.MULTILINE)
    return found[1].strip() if found else ""


def _encoding_problem(path: Path, extension: str, layout: str | None) -> str | None:
    """Returns why a tenth of a second of a sound cannot be encoded in a layout, or None."""
    mixed = ("-af", f"aformat=channel_layouts={layout}") if layout else ()
    done = run_ffmpeg(
        *input_arguments(path),
        *("-map", "0:a:0", "-t", "0.1", *mixed, *ENCODERS[extension], "-f", "null", "-"),
    )
    return first_complaint(done.stderr) if done.returncode else None


def sound_arguments(
    soundtrack: Soundtrack, number: int, extension: str
) -> tuple[list[str], list[str]]:
    """Returns ffmpeg's arguments for the sound's input, which is its input of that number, and
    those for its output.

    `extension` is a key of ENCODERS. The sound is cut by samples after decoding, which has already
    removed the delay that an encoder adds at the beginning.
    """
    audio = soundtrack.audio
    repeat = ["-stream_loop", "-1"] if audio.loop else []
    chain, parts = sound_filters(audio, soundtrack.length), soundtrack.parts
    cuts = [
        f"atrim=start={float(start):.9f}:end={float(end):.9f},asetpts=PTS-STARTPTS"
        for start, end in parts
    ]
    fitting = fitting_layout(audio.file, extension)
    layout = [mix_filter(audio.file, fitting)] if fitting else []
    encoding = [*ENCODERS[extension], "-flags:a", "+bitexact"]
    if len(cuts) < 2:
        filters = ["-map", f"{number}:a:0", "-af", ",".join([*chain, *cuts, *layout])]
    else:
        count, graph = len(cuts), [f"[{number}:a:0]{','.join(chain)},asplit={len(cuts)}"]
        graph[0] += "".join(f"[in{place}]" for place in range(count))
        graph += [f"[in{place}]{cut}[cut{place}]" for place, cut in enumerate(cuts)]
        joined = "".join(f"[cut{place}]" for place in range(count))
        ending = "".join(f",{filter_}" for filter_ in layout)
        graph.append(f"{joined}concat=n={count}:v=0:a=1{ending}[heard]")
        filters = ["-filter_complex", ";".join(graph), "-map", "[heard]"]
    return [*repeat, *input_arguments(audio.file)], [*filters, *encoding]


RATE = 8000  # samples a second that a waveform is measured from


def waveform(soundtrack: Soundtrack, count: int) -> list[float]:
    """Returns how loud a film's sound is in each of `count` equal parts of the whole film: the
    greatest sample, from 0 to 1. Decodes it in small pieces; raises VideoError."""
    import numpy as np

    filters = sound_filters(soundtrack.audio, soundtrack.length)
    command = [
        *(ffmpeg_path(), "-hide_banner", "-nostats", "-loglevel", "error"),
        *(("-stream_loop", "-1") if soundtrack.audio.loop else ()),
        *input_arguments(soundtrack.audio.file),
        *("-map", "0:a:0", "-af", ",".join(filters), "-ac", "1", "-ar", str(RATE)),
        *("-f", "s16le", "-"),
    ]
    total = max(1, round(soundtrack.length * RATE))
    peaks = np.zeros(count)
    done = 0  # samples
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints
        ) as process:
            assert process.stdout is not None
            try:
                while data := process.stdout.read(1 << 20):
                    samples = np.abs(np.frombuffer(data[: len(data) // 2 * 2], np.int16) / 32768)
                    places = (done + np.arange(len(samples))) * count // total
                    np.maximum.at(peaks, np.minimum(places, count - 1), samples)
                    done += len(samples)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            complaints.seek(0)
            complaint = first_complaint(complaints.read())
            raise VideoError(f"{soundtrack.audio.file} cannot be decoded: {complaint}.")
    return [float(peak) for peak in peaks]


def sound_filters(audio: Audio, length: Fraction) -> list[str]:
    """Returns ffmpeg's filters that make the sound of a film of `length` seconds."""
    skipped, silence = max(audio.start, Fraction(0)), max(-audio.start, Fraction(0))
    begin, end = (f"{float(second):.9f}" for second in (skipped, audio.start + length))
    filters = [f"atrim=start={begin}:end={end},asetpts=PTS-STARTPTS"]
    if audio.start + length <= 0:  # the film ends before the sound begins
        filters = ["volume=0", f"atrim=end={float(length):.9f},asetpts=PTS-STARTPTS"]
    elif silence:
        filters.append(f"adelay=delays={float(1000 * silence):.3f}:all=1")
    if audio.volume != 1:
        filters.append(f"volume={audio.volume:.6g}")
    if audio.fade_in:
        filters.append(f"afade=t=in:st={float(silence):.9f}:d={float(audio.fade_in):.9f}")
    if audio.fade_out:
        fade = min(audio.fade_out, length)
        filters.append(f"afade=t=out:st={float(length - fade):.9f}:d={float(fade):.9f}")
    filters.append(f"apad=whole_dur={float(length):.9f},atrim=end={float(length):.9f}")
    return filters
