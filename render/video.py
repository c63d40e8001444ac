"""Frames to one finished video file, or an error; and back, to check what was written.

Everything goes through the ffmpeg binary that imageio-ffmpeg brings, in a process of our own:
`imageio_ffmpeg.write_frames` never looks at ffmpeg's exit status and rounds fps to two decimals.
The same frames give the same bytes, every time and whatever the number of cores.
"""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from render.ffmpeg import VideoError as VideoError  # what the callers of this module catch
from render.ffmpeg import (
    ask,
    cannot_run,
    complaint,
    environment,
    ffmpeg_path,
    input_of,
    metadata_file,
    read_metadata_file,
    url,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Codec:
    """One way of encoding: how ffmpeg is asked for it, and what it can take.

    In `arguments`, "{quality}" stands for the quality number that the storyboard chose.
    """

    encoder: str
    """ffmpeg's name for it."""
    pixel_format: str
    even: bool
    """Whether width and height have to be even (the format halves the colour's resolution)."""
    extensions: tuple[str, ...]
    """Of the files it may be written to; the first is the usual one."""
    quality: tuple[int, int] | None
    """Least and greatest quality number, both allowed; smaller is better. None: it has no such
    number, and the one that the storyboard gives is not used."""
    lossless: bool
    """Whether the frames come back exactly."""
    arguments: tuple[str, ...]


# Encoders cut their work by the number of threads, so what they write depends on it: the number is
# fixed here, and a film has the same bytes whatever machine encodes it.
CODECS: dict[str, Codec] = {
    "h264": Codec(
        encoder="libx264",
        pixel_format="yuv420p",
        even=True,
        extensions=(".mp4", ".mov", ".m4v", ".mkv"),
        quality=(0, 51),
        lossless=False,
        arguments=(
            *("-preset", "medium", "-crf", "{quality}", "-threads", "4"),
            *("-x264-params", "lookahead-threads=1:cpu-independent=1"),
        ),
    ),
    "h265": Codec(
        encoder="libx265",
        pixel_format="yuv420p",
        even=True,
        extensions=(".mp4", ".mov", ".mkv"),
        quality=(0, 51),
        lossless=False,
        arguments=(
            *("-preset", "medium", "-crf", "{quality}"),
            # With two frame threads x265 crashes on pictures lower than 32 pixels.
            *("-x265-params", "frame-threads=1:pools=4:log-level=error"),
        ),
    ),
    "vp9": Codec(
        encoder="libvpx-vp9",
        pixel_format="yuv420p",
        even=True,
        extensions=(".webm", ".mkv", ".mp4"),
        quality=(0, 63),
        lossless=False,
        arguments=(
            *("-crf", "{quality}", "-b:v", "0", "-deadline", "good", "-cpu-used", "3"),
            *("-threads", "4", "-row-mt", "1", "-tile-columns", "1"),
        ),
    ),
    "av1": Codec(
        encoder="libsvtav1",
        pixel_format="yuv420p",
        even=True,
        extensions=(".mp4", ".webm", ".mkv"),
        quality=(1, 63),
        lossless=False,
        arguments=("-preset", "6", "-crf", "{quality}", "-svtav1-params", "lp=2"),
    ),
    "prores": Codec(
        encoder="prores_ks",
        pixel_format="yuv422p10le",
        even=True,
        extensions=(".mov", ".mkv"),
        quality=None,
        lossless=False,
        arguments=("-profile:v", "hq", "-vendor", "apl0", "-threads", "4"),
    ),
    "ffv1": Codec(
        encoder="ffv1",
        pixel_format="bgr0",
        even=False,
        extensions=(".mkv",),
        quality=None,
        lossless=True,
        arguments=("-level", "3", "-g", "1", "-slices", "4", "-slicecrc", "1", "-threads", "4"),
    ),
}

# QuickTime's own comment field ends at 64 KiB, its key list does not; MP4's comment never does.
CONTAINERS: dict[str, tuple[str, ...]] = {
    ".mp4": ("-f", "mp4", "-movflags", "+faststart"),
    ".m4v": ("-f", "mp4", "-movflags", "+faststart"),
    ".mov": ("-f", "mov", "-movflags", "+faststart+use_metadata_tags"),
    ".mkv": ("-f", "matroska"),
    ".webm": ("-f", "webm"),
}

# The pictures are sRGB; every player takes untagged ones for bt601 or bt709 as it likes, so they
# are converted to bt709 in the limited range, and say so: the frames (which newer ffmpegs believe)
# and the encoder's options (which older ones do).
YUV_FILTER = (
    "scale=in_range=pc:out_range=tv:out_color_matrix=bt709"
    ":flags=bicubic+accurate_rnd+full_chroma_int+bitexact,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)
YUV_TAGS = (
    *("-colorspace", "bt709", "-color_primaries", "bt709"),
    *("-color_trc", "bt709", "-color_range", "tv"),
)

LEAST_SIDE = 16  # pixels; h265 refuses less and AV1 crashes
GREATEST_RATE = 240  # frames per second; AV1's bound
GREATEST_RATE_TERM = 1_001_000  # ffmpeg's bound on the two numbers of a frame rate


@dataclass(frozen=True)
class Video:
    """A video file as it was found."""

    size: tuple[int, int]
    """(width, height)"""
    fps: Fraction
    frames: Iterator[NDArray[np.uint8]]
    """(H, W, 3) each, decoded as they are asked for, once."""


def probe(codec: str) -> None:
    """Raise VideoError unless ffmpeg is there, runs, and has the encoder of `codec` (~30 ms)."""
    row = codec_named(codec)
    answer = ask("-h", f"encoder={row.encoder}").stdout.decode(errors="replace")
    if f"Encoder {row.encoder}" not in answer:
        raise VideoError(
            f"The ffmpeg at {ffmpeg_path()} cannot write {codec}: it was built without "
            f"{row.encoder}. Choose another codec, or unset IMAGEIO_FFMPEG_EXE and "
            "`pip install imageio-ffmpeg`."
        )


def codec_named(codec: str) -> Codec:
    """The row of CODECS, or VideoError with the names there are."""
    if codec not in CODECS:
        raise VideoError(f"There is no codec {codec!r}. There are {', '.join(CODECS)}.")
    return CODECS[codec]


def check_output(path: Path, codec: str) -> None:
    """Raise VideoError if a film in this codec cannot be written to `path`; writes nothing."""
    row = codec_named(codec)
    extension = path.suffix.lower()
    if len(os.fsencode(path.name)) > 240:  # of 255, for there is a partial one beside it
        raise VideoError(f"{path}: the name is too long. Choose one under 240 characters.")
    if path.is_dir():
        raise VideoError(f"{path} is a folder. Name a file in it, such as {path / 'film'}.mp4.")
    if extension not in row.extensions:
        others = [name for name, other in CODECS.items() if extension in other.extensions]
        instead = f", or set the codec to {_either(others)}" if others else ""
        ending = f"not {path.suffix}" if extension else "and the name has no ending"
        raise VideoError(
            f"{path}: {codec} is written to {_either(row.extensions)}, {ending}. "
            f"Name it {path.stem}{row.extensions[0]}{instead}."
        )
    if not path.parent.is_dir():
        raise VideoError(f"{path}: there is no folder {path.parent}. Make it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise VideoError(
            f"{path}: the folder {path.parent} cannot be written to. Change its permissions, or "
            "write somewhere else."
        )
    probe(codec)


def check_frame(size: tuple[int, int], fps: Fraction, codec: str, quality: int) -> None:
    """Raise VideoError if the codec cannot take this size, frame rate or quality number."""
    row = codec_named(codec)
    width, height = size
    if min(width, height) < LEAST_SIDE:
        raise VideoError(
            f"A film of {width} x {height} is too small: both sides need {LEAST_SIDE} pixels."
        )
    if row.even and (width % 2 or height % 2):
        raise VideoError(
            f"{codec} needs an even width and height, and {width} x {height} is not. Change the "
            "size by one pixel, or use ffv1, which takes any."
        )
    if not 0 < fps <= GREATEST_RATE or max(fps.numerator, fps.denominator) > GREATEST_RATE_TERM:
        raise VideoError(
            f"A film cannot have {fps} frames per second. Use a rate such as 24 or 24000/1001, "
            f"up to {GREATEST_RATE}."
        )
    if row.quality and not row.quality[0] <= quality <= row.quality[1]:
        raise VideoError(
            f"The quality of {codec} is a number from {row.quality[0]} (best) to "
            f"{row.quality[1]}, not {quality}."
        )


def partial_of(path: Path) -> Path:
    """What `path` is called while it is being written; the ending stays."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


@contextmanager
def finished(path: Path) -> Iterator[Path]:
    """Give the name to write to; afterwards `path` is complete and on disk, or as it was."""
    partial = partial_of(path)
    try:
        # A new file, not the old one emptied: a run that was killed may still have an ffmpeg that
        # finishes its own.
        with _named_after(path):
            partial.unlink(missing_ok=True)
        yield partial
        with _named_after(path):
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


@contextmanager
def _named_after(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise VideoError(_why(path, os.strerror(error.errno or 0))) from error


def write_video(
    path: Path,
    frames: Iterable[bytes | NDArray[np.uint8]],
    size: tuple[int, int],
    fps: Fraction,
    codec: str,
    quality: int,
    metadata: Mapping[str, str],
) -> None:
    """Write `frames`, each (H, W, 3) uint8 or as many bytes, to `path`, and `metadata` into it.

    `size` is (width, height). Players show the metadata's `title` and `comment`; other names are
    not kept by every container. `path` is replaced only by a finished film: whatever goes wrong,
    ffmpeg is ended, what it wrote is removed and the error goes on. Raises VideoError.
    """
    check_output(path, codec)
    check_frame(size, fps, codec, quality)
    # What `frames` raises is not ours to rename, so OSError is caught only where files are touched.
    with finished(path) as partial:
        # Beside the film and not in a folder of its own: what a killed run leaves, the next tidies.
        notes = partial.with_suffix(".ffmetadata")
        try:
            with _named_after(path):
                notes.write_bytes(metadata_file(metadata))
            arguments = _write_arguments(notes, partial, size, fps, codec, quality)
            _encode([ffmpeg_path(), *arguments], frames, size, path)
        finally:
            with suppress(OSError):
                notes.unlink(missing_ok=True)


def read_video(path: Path) -> Video:
    """The size, frame rate and frames of a video's first picture stream.

    The rate is exact for what write_video makes; above 60 frames per second ffmpeg may take a
    short film's for the round one beside it (120000/1001 for 120).
    """
    # ffmpeg's own checksums begin with a header made for programs, unlike what it says on stderr.
    shown = ask(*input_of(path), "-map", "0:v:0", "-frames:v", "1", "-f", "framecrc", "-")
    header = dict(
        line[1:].split(" 0: ", 1)
        for line in shown.stdout.decode().splitlines()
        if line.startswith("#") and " 0: " in line
    )
    if shown.returncode or "tb" not in header or "dimensions" not in header:
        raise VideoError(f"{path} cannot be read as a video: {complaint(shown.stderr)}.")
    width, height = (int(side) for side in header["dimensions"].split("x"))
    return Video((width, height), 1 / Fraction(header["tb"]), _decode(path, width, height))


def read_metadata(path: Path) -> dict[str, str]:
    """What a video file says about itself as a whole (title, comment ...), keys in lower case."""
    shown = ask(*input_of(path), "-fflags", "+bitexact", "-f", "ffmetadata", "-")
    if shown.returncode:
        raise VideoError(f"{path} cannot be read as a video: {complaint(shown.stderr)}.")
    return read_metadata_file(shown.stdout.decode(errors="replace"))


def _write_arguments(
    notes: Path, output: Path, size: tuple[int, int], fps: Fraction, codec: str, quality: int
) -> list[str]:
    row = CODECS[codec]
    extension = output.suffix.lower()
    yuv = row.pixel_format.startswith("yuv")
    convert = f"{YUV_FILTER}," if yuv else ""
    container = CONTAINERS[extension]
    if "-movflags" in container:
        # Ticks per second: a whole number of them per frame, and never so few that a player minds.
        ticks = fps.numerator * max(1, -(-1000 // fps.numerator))
        container += ("-video_track_timescale", str(ticks))
        if codec == "h265":
            container += ("-tag:v", "hvc1")  # what Apple's players call it
    return [
        *("-hide_banner", "-nostats", "-loglevel", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{size[0]}x{size[1]}"),
        *("-framerate", str(fps), "-i", "pipe:0"),
        *("-f", "ffmetadata", "-i", url(notes)),
        *("-map", "0:v", "-map_metadata", "1", "-fps_mode", "passthrough"),
        *("-vf", f"{convert}format={row.pixel_format}"),
        *("-c:v", row.encoder),
        *(argument.format(quality=quality) for argument in row.arguments),
        *(YUV_TAGS if yuv else ()),
        *("-fflags", "+bitexact", "-flags:v", "+bitexact"),
        *container,
        url(output),
    ]


def _encode(
    command: list[str],
    frames: Iterable[bytes | NDArray[np.uint8]],
    size: tuple[int, int],
    path: Path,
) -> None:
    try:
        # In a session of its own, so that Ctrl-C reaches us alone and we decide what becomes of it.
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=environment(),
        )
    except OSError as error:
        raise VideoError(cannot_run(command[0], error)) from error
    assert process.stdin is not None
    assert process.stderr is not None
    said: deque[bytes] = deque(maxlen=50)
    # Unread, a full pipe would stop ffmpeg, which would stop us.
    reader = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
    try:
        reader.start()
        count, taken = 0, True
        for frame in frames:
            data = _frame_bytes(frame, size)
            taken = _taken(process.stdin.write, data)
            if not taken:
                break
            count += 1
        if taken and not count:
            raise VideoError(f"{path} was not written: there are no frames.")
        taken = taken and _taken(process.stdin.close)
        status = process.wait()
        reader.join()
        if status or not taken:
            raise VideoError(_why(path, _reason(status, b"".join(said))))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        with suppress(OSError):
            process.stdin.close()
        reader.join()
        process.stderr.close()


def _frame_bytes(frame: bytes | NDArray[np.uint8], size: tuple[int, int]) -> bytes | memoryview:
    width, height = size
    if isinstance(frame, bytes):
        if len(frame) != width * height * 3:
            raise VideoError(f"A frame of {width} x {height} has not {len(frame)} bytes.")
        return frame
    import numpy as np

    if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
        raise VideoError(
            f"A frame of {width} x {height} is a uint8 array of shape ({height}, {width}, 3), "
            f"not {frame.dtype} of {frame.shape}."
        )
    return np.ascontiguousarray(frame).data.cast("B")


def _taken(do: Callable[..., object], *arguments: object) -> bool:
    """Whether ffmpeg took it all; it does not when it has ended, and says why on stderr."""
    try:
        do(*arguments)
    except OSError:
        return False
    return True


def _reason(status: int, said: bytes) -> str:
    for known in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(known).encode() in said:
            return os.strerror(known)
    return f"{complaint(said)} (ffmpeg ended with {status})"


def _why(path: Path, reason: str) -> str:
    if reason in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)):
        return (
            f"{path} was not written: the disk is full. Free some space and run the same command "
            "again."
        )
    return f"{path} was not written: {reason}."


def _decode(path: Path, width: int, height: int) -> Iterator[NDArray[np.uint8]]:
    import numpy as np

    flags = "bicubic+accurate_rnd+full_chroma_inp+full_chroma_int+bitexact"
    arguments = [
        *("-hide_banner", "-nostats", "-loglevel", "error", "-xerror", *input_of(path)),
        *("-map", "0:v:0", "-fps_mode", "passthrough", "-vf", f"scale=flags={flags},format=rgb24"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
    ]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [ffmpeg_path(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            while data := process.stdout.read(width * height * 3):
                if len(data) < width * height * 3:
                    break
                yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
            if process.wait():
                said.seek(0)
                raise VideoError(f"{path} cannot be read to its end: {complaint(said.read())}.")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()


def _either(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
