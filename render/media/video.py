"""Frames to one finished video file or an error, and back again.

Everything goes through the ffmpeg binary that imageio-ffmpeg brings, in a process of our own:
`imageio_ffmpeg.write_frames` never looks at ffmpeg's exit status and rounds fps to two decimals.
The same frames give the same bytes, every time and whatever the number of cores.
"""

from __future__ import annotations

import errno
import filecmp
import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from render.media.animation import ENDINGS, insert_note
from render.media.atomic import (
    FULL,
    atomic_write,
    file_errors,
    file_state,
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
from render.media.seal import UNSEALED, seal_film, seal_of_rest
from render.media.sound import ENCODERS, Soundtrack, sound_arguments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# Players guess the colour matrix of untagged video. The pictures, which are sRGB, are converted to
# bt709 in the limited range and tagged twice: on the frames, which newer ffmpegs read, and by the
# encoder's options, which older ones read.
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


@contextmanager
def video_writer(
    path: Path,
    size: tuple[int, int],
    fps: Fraction,
    codec: str,
    quality: int,
    metadata: Mapping[str, str],
    sound: Soundtrack | None = None,
) -> Iterator[VideoWriter]:
    """A film that is written while the block runs: give every frame to the writer's `send`.

    `size` is (width, height). `sound` is played from the first frame on. Players show the
    metadata's `title` and `comment`; other names are not kept by every container.

    `path` is replaced when the block ends and ffmpeg has ended well. On any exception before that,
    ffmpeg is ended, its output is removed, and the exception is raised again. Raises VideoError,
    FileError, and InputError before anything is started.
    """
    check_output(path, codec)
    check_frame(size, fps, codec, quality)
    # OSError is caught only where files of ours are touched: the block may raise its own.
    remove_stale_partials(path.parent, path.name)
    before = file_state(path)
    with atomic_write(path) as partial:
        # Beside the film, where `remove_stale_partials` finds it after a kill.
        notes = partial_path(path)
        try:
            with file_errors(path):
                notes.write_bytes(metadata_file(metadata))
            suffix = path.suffix.lower()
            command = _write_command(notes, partial, suffix, size, fps, codec, quality, sound)
            with closing(VideoWriter(command, size, path, (partial, notes))) as writer:
                yield writer
                writer.finish()
            if not partial.exists() or not partial.stat().st_size:
                raise VideoError(not_written(path, "ffmpeg ended well, but wrote nothing"))
            with file_errors(path):
                if suffix in ENDINGS:
                    note = metadata.get("comment", "")
                    insert_note(partial, note.replace(UNSEALED, seal_of_rest(partial.read_bytes())))
                else:
                    seal_film(partial)
                # Two runs of one film write the same bytes, and neither takes anything away.
                if file_state(path) not in (None, before) and not filecmp.cmp(
                    partial, path, shallow=False
                ):
                    reason = "another run wrote it meanwhile; name another"
                    raise VideoError(not_written(path, reason))
        finally:
            with suppress(OSError):
                notes.unlink(missing_ok=True)


def write_video(
    path: Path,
    frames: Iterable[bytes | NDArray[np.uint8]],
    size: tuple[int, int],
    fps: Fraction,
    codec: str,
    quality: int,
    metadata: Mapping[str, str],
    sound: Soundtrack | None = None,
) -> None:
    """Write `frames`, each (H, W, 3) uint8 or as many bytes, to `path`: `video_writer` in one call.

    A frame is read later than it is yielded: do not modify the array afterwards.
    """
    with video_writer(path, size, fps, codec, quality, metadata, sound) as writer:
        for frame in frames:
            writer.send(frame)


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
    sound: Soundtrack | None,
) -> list[str]:
    row = CODECS[codec]
    yuv = row.pixel_format.startswith("yuv")
    convert = f"{YUV_FILTER}," if yuv else ""
    container = CONTAINERS[extension]
    if extension not in ENCODERS:
        sound = None  # a picture has none
    heard, encoded = sound_arguments(sound, 2, extension) if sound else ([], [])
    if "-movflags" in container:
        # Ticks a second: a whole number for every frame, and at least 1000.
        ticks = fps.numerator * max(1, -(-1000 // fps.numerator))
        container += ("-video_track_timescale", str(ticks))
        if row.tag:
            container += ("-tag:v", row.tag)
    return [
        ffmpeg_path(),
        *("-hide_banner", "-nostats", "-loglevel", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{size[0]}x{size[1]}"),
        *("-framerate", str(fps), "-i", "pipe:0"),
        *("-f", "ffmetadata", "-i", file_url(notes)),
        *heard,
        *("-map", "0:v", "-map_metadata", "1", "-fps_mode", "passthrough"),
        *encoded,
        *("-vf", f"{row.filters}{convert}format={row.pixel_format}"),
        *("-c:v", row.encoder),
        *(
            argument.format(quality=max(quality, row.best), opposite=100 - 2 * quality)
            for argument in row.arguments
        ),
        *(YUV_TAGS if yuv else ()),
        *("-fflags", "+bitexact", "-flags:v", "+bitexact"),
        *container,
        file_url(output),
    ]


AHEAD = 8  # frames that may wait for ffmpeg: more would only be memory
STALL = 300.0  # seconds in which ffmpeg takes no frame, after which it is ended
END_STALL = 1800.0  # seconds that it has for what it holds back after the last frame
GRACE = 10.0  # seconds to end after it has refused a frame
PULSE = 60.0  # seconds without a frame, after which the unfinished files are marked as in use


class VideoWriter:
    """One ffmpeg process, fed from a thread: the next frame is made while it takes the last.

    The thread updates the times of the unfinished files, however long the next frame takes and
    however many frames the encoder holds back: other runs delete partial files that are old.
    """

    def __init__(
        self, command: list[str], size: tuple[int, int], path: Path, unfinished: tuple[Path, ...]
    ) -> None:
        """`command` starts ffmpeg, which reads raw frames from stdin; `path` is for sentences."""
        self.size, self.path, self.unfinished = size, path, unfinished
        self.count = 0  # frames sent
        self.accepted = True  # whether ffmpeg has taken everything; if not, it has ended
        self.failure: Exception | None = None  # an error of the thread that is not ffmpeg's
        # Not a queue.Queue, which an interruption at the wrong instruction leaves waiting for ever.
        self.queue = queue.SimpleQueue[bytes | memoryview | None]()  # None is the end
        self.places = queue.SimpleQueue[None]()  # one for each frame that may still be queued
        for _ in range(AHEAD):
            self.places.put(None)
        self.said: deque[bytes] = deque(maxlen=50)  # the last lines of ffmpeg's stderr
        try:
            # In a session of its own, so that Ctrl-C reaches us alone and we decide what follows.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=ffmpeg_environment(),
            )
        except OSError as error:
            raise VideoError(cannot_run_message(command[0], error)) from error
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.stdin, self.stderr = self.process.stdin, self.process.stderr
        # Unread, a full pipe would stop ffmpeg, which would stop us.
        self.reader = threading.Thread(target=self.said.extend, args=(self.stderr,), daemon=True)
        self.feeder = threading.Thread(target=self._feed, daemon=True)
        try:
            self.reader.start()
            self.feeder.start()
        except BaseException:
            self.close()
            raise

    def send(self, frame: bytes | NDArray[np.uint8]) -> None:
        """Hand over the next frame, (H, W, 3) uint8 or as many bytes; waits while AHEAD wait.

        The frame is read later: do not modify the array afterwards. Raises VideoError where ffmpeg
        has ended or the frame has another shape.
        """
        data = _frame_bytes(frame, self.size)
        try:
            self.places.get(timeout=STALL)
        except queue.Empty:
            raise self._stalled("took no frame") from None
        self.queue.put(data)
        if not self.accepted:
            self.finish()  # which raises the reason
        self.count += 1

    def finish(self) -> None:
        """Wait until ffmpeg has written the last frame; raises VideoError where it did not."""
        if self.accepted and not self.count:
            raise VideoError(f"{self.path} was not written: there are no frames.")
        self._stop_feeding(STALL)
        if self.feeder.is_alive():
            raise self._stalled("took no frame")
        accepted = self.accepted and _accepted(self.stdin.close)
        if self.failure is not None:
            raise self.failure
        try:
            # One that took not everything has nothing to finish.
            status = self.process.wait(timeout=END_STALL if accepted else GRACE)
        except subprocess.TimeoutExpired:
            raise self._stalled("did not end") from None
        self.reader.join(timeout=GRACE)
        if status or not accepted:
            raise VideoError(not_written(self.path, _reason(status, b"".join(self.said))))

    def _stalled(self, what: str) -> VideoError:
        """The error of an ffmpeg that does nothing, after ending it."""
        self.process.kill()
        said = first_complaint(b"".join(self.said)) if self.said else "it gave no reason"
        return VideoError(not_written(self.path, f"ffmpeg {what} for minutes: {said}"))

    def close(self) -> None:
        """End ffmpeg and both threads, if they still run."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._stop_feeding()
        with suppress(OSError):
            self.stdin.close()
        if self.reader.ident is not None:
            self.reader.join()
        self.stderr.close()

    def _feed(self) -> None:
        """Run in a thread: write every queued frame to ffmpeg, until None comes."""
        while True:
            for file in self.unfinished:
                keep_fresh(file)
            try:
                frame = self.queue.get(timeout=PULSE)
            except queue.Empty:
                continue
            if frame is None:
                return
            try:
                self.accepted = self.accepted and _accepted(self.stdin.write, frame)
            except Exception as error:  # keep taking frames, or `send` would wait for ever
                self.accepted, self.failure = False, error
            self.places.put(None)

    def _stop_feeding(self, limit: float | None = None) -> None:
        """Wait until the thread has written what is queued, at most `limit` seconds."""
        if self.feeder.is_alive():
            self.queue.put(None)
            self.feeder.join(limit)


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


def _accepted(do: Callable[..., object], *arguments: object) -> bool:
    """Whether ffmpeg took all of it; it does not once it has ended, and says why on stderr."""
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
