"""Frames to one finished video file, or an error; and back, to check what was written.

Everything goes through the ffmpeg binary that imageio-ffmpeg brings, in a process of our own:
`imageio_ffmpeg.write_frames` never looks at ffmpeg's exit status and rounds fps to two decimals.
The same frames give the same bytes, every time and whatever the number of cores.
"""

from __future__ import annotations

import errno
import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING

from render.media.atomic import (
    FULL,
    atomic_write,
    file_errors,
    keep_fresh,
    not_written,
    partial_path,
    remove_stale_partials,
)
from render.media.codecs import CODECS, CONTAINERS, check_frame, check_output
from render.media.ffmpeg import (
    VideoError,
    cannot_run_message,
    ffmpeg_environment,
    ffmpeg_path,
    file_url,
    first_complaint,
    input_arguments,
    metadata_file,
    read_metadata_file,
    run_ffmpeg,
)
from render.media.sound import Audio, sound_arguments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


@dataclass(frozen=True)
class Video:
    """A video file as it was found."""

    size: tuple[int, int]
    """(width, height)"""
    fps: Fraction
    frames: Iterator[NDArray[np.uint8]]
    """(H, W, 3) each, decoded as they are asked for, once."""


def write_video(
    path: Path,
    frames: Iterable[bytes | NDArray[np.uint8]],
    size: tuple[int, int],
    fps: Fraction,
    codec: str,
    quality: int,
    metadata: Mapping[str, str],
    sound: tuple[Audio, Fraction] | None = None,
) -> None:
    """Write `frames`, each (H, W, 3) uint8 or as many bytes, to `path`, and `metadata` into it.

    A frame may be read until a dozen later ones are asked for: its maker leaves it as it is.

    `sound` plays from the first frame on, for as many seconds as stand beside it.

    `size` is (width, height). Players show the metadata's `title` and `comment`; other names are
    not kept by every container. `path` is replaced only by a finished film: whatever goes wrong,
    ffmpeg is ended, what it wrote is removed and the error goes on. Raises VideoError, FileError,
    and InputError before anything is begun.
    """
    check_output(path, codec)
    check_frame(size, fps, codec, quality)
    # What `frames` raises is not ours to rename, so OSError is caught only where files are touched.
    remove_stale_partials(path.parent, path.name)
    with atomic_write(path) as partial:
        # Beside the film and not in a folder of its own: what a killed run leaves is swept with it.
        notes = partial_path(path)
        try:
            with file_errors(path):
                notes.write_bytes(metadata_file(metadata))
            suffix = path.suffix.lower()
            command = _write_command(notes, partial, suffix, size, fps, codec, quality, sound)
            _encode(command, frames, size, path, (partial, notes))
        finally:
            with suppress(OSError):
                notes.unlink(missing_ok=True)


def read_video(path: Path) -> Video:
    """The size, frame rate and frames of a video's first picture stream.

    The rate is exact for what write_video makes; above 60 frames per second ffmpeg may take a
    short film's for the round one beside it (120000/1001 for 120).
    """
    # ffmpeg's own checksums begin with a header made for programs, unlike what it says on stderr.
    shown = run_ffmpeg(
        *input_arguments(path), "-map", "0:v:0", "-frames:v", "1", "-f", "framecrc", "-"
    )
    header = dict(
        line[1:].split(" 0: ", 1)
        for line in shown.stdout.decode().splitlines()
        if line.startswith("#") and " 0: " in line
    )
    if shown.returncode or "tb" not in header or "dimensions" not in header:
        raise VideoError(f"{path} cannot be read as a video: {first_complaint(shown.stderr)}.")
    width, height = (int(side) for side in header["dimensions"].split("x"))
    return Video((width, height), 1 / Fraction(header["tb"]), _decode(path, width, height))


def read_metadata(path: Path) -> dict[str, str]:
    """What a video file says about itself as a whole (title, comment ...), keys in lower case."""
    shown = run_ffmpeg(*input_arguments(path), "-fflags", "+bitexact", "-f", "ffmetadata", "-")
    if shown.returncode:
        raise VideoError(f"{path} cannot be read as a video: {first_complaint(shown.stderr)}.")
    return read_metadata_file(shown.stdout.decode(errors="replace"))


def _write_command(
    notes: Path,
    output: Path,
    extension: str,
    size: tuple[int, int],
    fps: Fraction,
    codec: str,
    quality: int,
    sound: tuple[Audio, Fraction] | None,
) -> list[str]:
    row = CODECS[codec]
    yuv = row.pixel_format.startswith("yuv")
    convert = f"{YUV_FILTER}," if yuv else ""
    container = CONTAINERS[extension]
    heard, encoded = sound_arguments(*sound, extension) if sound else ([], [])
    if "-movflags" in container:
        # Ticks per second: a whole number of them per frame, and never so few that a player minds.
        ticks = fps.numerator * max(1, -(-1000 // fps.numerator))
        container += ("-video_track_timescale", str(ticks))
        if codec == "h265":
            container += ("-tag:v", "hvc1")  # what Apple's players call it
    return [
        ffmpeg_path(),
        *("-hide_banner", "-nostats", "-loglevel", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{size[0]}x{size[1]}"),
        *("-framerate", str(fps), "-i", "pipe:0"),
        *("-f", "ffmetadata", "-i", file_url(notes)),
        *heard,
        *("-map", "0:v", "-map_metadata", "1", "-fps_mode", "passthrough"),
        *(("-map", "2:a:0", *encoded) if sound else ()),
        *("-vf", f"{convert}format={row.pixel_format}"),
        *("-c:v", row.encoder),
        *(argument.format(quality=quality) for argument in row.arguments),
        *(YUV_TAGS if yuv else ()),
        *("-fflags", "+bitexact", "-flags:v", "+bitexact"),
        *container,
        file_url(output),
    ]


def _encode(
    command: list[str],
    frames: Iterable[bytes | NDArray[np.uint8]],
    size: tuple[int, int],
    path: Path,
    unfinished: tuple[Path, ...],
) -> None:
    try:
        # In a session of its own, so that Ctrl-C reaches us alone and we decide what becomes of it.
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=ffmpeg_environment(),
        )
    except OSError as error:
        raise VideoError(cannot_run_message(command[0], error)) from error
    assert process.stdin is not None
    assert process.stderr is not None
    said: deque[bytes] = deque(maxlen=50)
    # Unread, a full pipe would stop ffmpeg, which would stop us.
    reader = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
    writer = _Writer(process.stdin, unfinished)
    try:
        reader.start()
        writer.thread.start()
        count = 0
        for frame in frames:
            writer.waiting.put(_frame_bytes(frame, size))
            if not writer.taken:
                break
            count += 1
        if writer.taken and not count:
            raise VideoError(f"{path} was not written: there are no frames.")
        taken = writer.finish() and _taken(process.stdin.close)
        if writer.failure is not None:
            raise writer.failure
        status = process.wait()
        reader.join()
        if status or not taken:
            raise VideoError(not_written(path, _reason(status, b"".join(said))))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        writer.finish()
        with suppress(OSError):
            process.stdin.close()
        if reader.ident is not None:
            reader.join()
        process.stderr.close()


AHEAD = 8  # frames that may wait for ffmpeg: more would only be memory
PULSE = 60.0  # seconds without a frame, after which it is said that work goes on


class _Writer:
    """Hands frames to ffmpeg beside us, so that the next is painted while it takes the last.

    It keeps what is unfinished young, however long the next frame takes and however many of them
    the encoder holds before it writes another byte: who sweeps takes an old file for left behind.
    """

    def __init__(self, pipe: IO[bytes], unfinished: tuple[Path, ...]) -> None:
        self.pipe, self.unfinished = pipe, unfinished
        self.taken = True  # ffmpeg has taken all so far; once it does not, it has ended
        self.failure: Exception | None = None  # what is not ffmpeg's
        self.waiting = queue.Queue[bytes | memoryview | None](AHEAD)
        self.thread = threading.Thread(target=self._write, daemon=True)

    def _write(self) -> None:
        while True:
            for file in self.unfinished:
                keep_fresh(file)
            try:
                if (frame := self.waiting.get(timeout=PULSE)) is None:
                    return
                self.taken = self.taken and _taken(self.pipe.write, frame)
            except queue.Empty:
                continue
            except Exception as error:  # and goes on taking frames, or who makes them would wait
                self.taken, self.failure = False, error

    def finish(self) -> bool:
        """Whether ffmpeg took every frame, after it has."""
        if self.thread.is_alive():
            self.waiting.put(None)
            self.thread.join()
        return self.taken


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
    for known in FULL:
        if os.strerror(known).encode() in said:
            return os.strerror(known)
    if -status == getattr(signal, "SIGXFSZ", None):  # `ulimit -f`
        return os.strerror(errno.EFBIG)
    if status < 0:
        return f"ffmpeg was ended by signal {-status}"
    return f"{first_complaint(said)} (ffmpeg ended with {status})"


def _decode(path: Path, width: int, height: int) -> Iterator[NDArray[np.uint8]]:
    import numpy as np

    flags = "bicubic+accurate_rnd+full_chroma_inp+full_chroma_int+bitexact"
    arguments = [
        *("-hide_banner", "-nostats", "-loglevel", "error", "-xerror", *input_arguments(path)),
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
                raise VideoError(
                    f"{path} cannot be read to its end: {first_complaint(said.read())}."
                )
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()
