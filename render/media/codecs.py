"""The codecs and containers, and the checks of a film's path, size and rate before rendering."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from render.errors import InputError
from render.media.ffmpeg import VideoError, ffmpeg_path, first_complaint, run_ffmpeg


@dataclass(frozen=True)
class Codec:
    """A way of encoding a film with ffmpeg, and its limits."""

    encoder: str
    """ffmpeg's name of the encoder."""
    pixel_format: str
    """ffmpeg's name of the pixel format."""
    even: bool
    """Whether width and height must be even, because colour has half the resolution."""
    extensions: tuple[str, ...]
    """The file extensions that it may be written to; the first is the usual one."""
    quality: tuple[int, int] | None
    """The least and greatest quality number, both allowed; smaller is better. None if the codec has
    no such number, and ignores that of the storyboard."""
    lossless: bool
    """Whether decoding gives exactly the frames that were encoded."""
    arguments: tuple[str, ...]
    """The encoder's arguments; "{quality}" stands for the storyboard's quality number, "{opposite}"
    for one from 100 down to 2, of which more is better."""
    filters: str = ""
    """ffmpeg's filters before the pixel format, with a comma behind."""
    hardware: str = ""
    """What the machine needs for it, as the end of a sentence; "" is nothing."""
    tag: str = ""
    """What the codec is called in an MP4 or MOV, if players want another name than ffmpeg's."""
    best: int = 0
    """The quality number that is used for a smaller one, which would make a file that most players
    cannot play."""


# What several codecs share. With two frame threads x265 crashes on pictures lower than 32 pixels.
X265 = (
    *("-preset", "medium", "-crf", "{quality}"),
    *("-x265-params", "frame-threads=1:pools=4:log-level=error"),
)
SVT_AV1 = ("-preset", "6", "-crf", "{quality}", "-svtav1-params", "lp=2")
NVENC = ("-preset", "p5", "-rc", "vbr", "-cq", "{quality}", "-b:v", "0")
NVIDIA = "an NVIDIA GPU and its driver"
MAC = "a Mac, and an ffmpeg that was built there"
APPLE_TAG = "hvc1"  # what Apple's players call H.265

# An encoder's output depends on its number of threads, by which it divides its work. The number is
# fixed here, so that a film has the same bytes whatever machine encodes it.
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
        best=1,  # 0 is lossless in a profile of its own, High 4:4:4 Predictive
    ),
    "h265": Codec(
        encoder="libx265",
        tag=APPLE_TAG,
        pixel_format="yuv420p",
        even=True,
        extensions=(".mp4", ".mov", ".mkv"),
        quality=(0, 51),
        lossless=False,
        arguments=X265,
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
        arguments=SVT_AV1,
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
    "prores_4444": Codec(
        encoder="prores_ks",
        pixel_format="yuv444p10le",
        even=False,
        extensions=(".mov", ".mkv"),
        quality=None,
        lossless=False,
        arguments=("-profile:v", "4444", "-vendor", "apl0", "-threads", "4"),
    ),
    "h265_10bit": Codec(
        encoder="libx265",
        tag=APPLE_TAG,
        pixel_format="yuv420p10le",
        even=True,
        extensions=(".mp4", ".mov", ".mkv"),
        quality=(0, 51),
        lossless=False,
        arguments=X265,
    ),
    "av1_10bit": Codec(
        encoder="libsvtav1",
        pixel_format="yuv420p10le",
        even=True,
        extensions=(".mp4", ".webm", ".mkv"),
        quality=(1, 63),
        lossless=False,
        arguments=SVT_AV1,
    ),
    "gif": Codec(
        encoder="gif",
        pixel_format="pal8",
        even=False,
        extensions=(".gif",),
        quality=None,
        lossless=False,
        arguments=(),
        # A palette for each frame: one for all would keep every frame in memory until the end.
        filters="split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1,",
    ),
    "apng": Codec(
        encoder="apng",
        pixel_format="rgb24",
        even=False,
        extensions=(".apng",),
        quality=None,
        lossless=True,
        arguments=("-pred", "mixed"),
    ),
    "h264_nvenc": Codec(
        encoder="h264_nvenc",
        pixel_format="yuv420p",
        even=True,
        extensions=(".mp4", ".mov", ".m4v", ".mkv"),
        quality=(1, 51),
        lossless=False,
        arguments=NVENC,
        hardware=NVIDIA,
    ),
    "h265_nvenc": Codec(
        encoder="hevc_nvenc",
        tag=APPLE_TAG,
        pixel_format="yuv420p",
        even=True,
        extensions=(".mp4", ".mov", ".mkv"),
        quality=(1, 51),
        lossless=False,
        arguments=NVENC,
        hardware=NVIDIA,
    ),
    "h264_videotoolbox": Codec(
        encoder="h264_videotoolbox",
        pixel_format="yuv420p",
        even=True,
        extensions=(".mp4", ".mov", ".m4v", ".mkv"),
        quality=(0, 49),
        lossless=False,
        arguments=("-q:v", "{opposite}"),
        hardware=MAC,
    ),
    "h265_videotoolbox": Codec(
        encoder="hevc_videotoolbox",
        tag=APPLE_TAG,
        pixel_format="yuv420p",
        even=True,
        extensions=(".mp4", ".mov", ".mkv"),
        quality=(0, 49),
        lossless=False,
        arguments=("-q:v", "{opposite}"),
        hardware=MAC,
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

# ffmpeg's arguments for each file extension. QuickTime's comment field is limited to 64 KiB, so MOV
# keeps the metadata in its list of keys, which is not; MP4's comment has no limit.
CONTAINERS: dict[str, tuple[str, ...]] = {
    ".mp4": ("-f", "mp4", "-movflags", "+faststart"),
    ".m4v": ("-f", "mp4", "-movflags", "+faststart"),
    ".mov": ("-f", "mov", "-movflags", "+faststart+use_metadata_tags"),
    ".mkv": ("-f", "matroska", "-write_crc32", "0"),  # the seal is put in later
    ".webm": ("-f", "webm", "-write_crc32", "0"),
    ".gif": ("-f", "gif", "-loop", "0"),
    ".apng": ("-f", "apng", "-plays", "0"),
}

# Bytes of a file's name, of 255 that disks allow: previews and partial files have longer ones.
LONGEST_NAME = 210
# What `auto` is for a file's ending; for others, and for a storyboard alone, h264.
AUTO = {".webm": "vp9", ".gif": "gif", ".apng": "apng"}
GIF_RATE = 50  # frames per second, above which players slow a GIF down
LEAST_SIDE = 16  # pixels; h265 refuses less and AV1 crashes
GREATEST_RATE = 240  # frames per second; AV1's limit
GREATEST_RATE_TERM = 1_001_000  # ffmpeg's limit for numerator and denominator of a frame rate


def chosen_codec(codec: str, path: Path | None = None) -> str:
    """Returns the codec that `auto` means for a file, or the one that is named."""
    if codec != "auto":
        return codec
    return AUTO.get(path.suffix.lower(), "h264") if path else "h264"


def codec_named(codec: str) -> Codec:
    """Returns the codec of this name; raises InputError with the known names for another."""
    if codec not in CODECS:
        raise InputError(f"There is no codec {codec!r}. There are {', '.join(CODECS)}.")
    return CODECS[codec]


def half_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns half of (width, height), rounded to even numbers, which every codec accepts."""
    return round(size[0] / 4) * 2, round(size[1] / 4) * 2


def probe(codec: str) -> None:
    """Raises InputError unless ffmpeg runs and has the encoder of `codec`; takes about 30 ms."""
    row = codec_named(codec)
    try:
        answer = run_ffmpeg("-h", f"encoder={row.encoder}").stdout.decode(errors="replace")
    except VideoError as error:
        raise InputError(str(error)) from error
    if f"Encoder {row.encoder}" not in answer and not row.hardware:
        raise InputError(
            f"The ffmpeg at {ffmpeg_path()} cannot write {codec}: it was built without "
            f"{row.encoder}. Choose another codec, or unset IMAGEIO_FFMPEG_EXE and "
            "`pip install imageio-ffmpeg`."
        )
    if row.hardware:
        _try_hardware(codec, row)


def _try_hardware(name: str, row: Codec) -> None:
    """Raises InputError unless an encoder that needs hardware really encodes two frames."""
    done = run_ffmpeg(
        *("-f", "lavfi", "-i", "color=gray:size=256x256:rate=24", "-frames:v", "2"),
        *("-pix_fmt", row.pixel_format, "-c:v", row.encoder, "-f", "null", "-"),
    )
    if done.returncode:
        usual = name.partition("_")[0]
        raise InputError(
            f"{name} needs {row.hardware}: {first_complaint(done.stderr)}. "
            f"{usual} gives the same on the processor."
        )


def check_output(path: Path, codec: str) -> None:
    """Raises InputError if a film of this codec cannot be written to `path`; writes nothing."""
    row = codec_named(codec)
    check_place(path, "film.mp4")
    extension = path.suffix.lower()
    if extension not in row.extensions:
        others = [name for name, other in CODECS.items() if extension in other.extensions]
        instead = f", or set the codec to {_either(others)}" if others else ""
        ending = f"not {path.suffix}" if extension else "and the name has no ending"
        raise InputError(
            f"{path}: {codec} is written to {_either(row.extensions)}, {ending}. "
            f"Name it {path.stem}{row.extensions[0]}{instead}."
        )
    probe(codec)


def check_place(path: Path, example: str) -> None:
    """Raises InputError if no file can be written to `path`; `example` is a name to suggest."""
    size = len(os.fsencode(path.name))
    if size > LONGEST_NAME:
        raise InputError(
            f"{path}: the name takes {size} bytes, and at most {LONGEST_NAME} are possible; a "
            "letter beyond a to z takes up to 4. Choose a shorter one."
        )
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:  # a link to itself
        raise InputError(f"{path} cannot be written: {error.strerror}. Name another.") from error
    if path.is_dir():
        raise InputError(f"{path} is a folder. Name a file in it, such as {path / example}.")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}. Make it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(
            f"{path}: the folder {path.parent} cannot be written to. Change its permissions, or "
            "write somewhere else."
        )


def check_frame(size: tuple[int, int], fps: Fraction, codec: str, quality: int) -> None:
    """Raises InputError if the codec cannot encode this size, frame rate or quality number.

    `size` is (width, height) in pixels, `fps` frames per second.
    """
    row = codec_named(codec)
    width, height = size
    if min(width, height) < LEAST_SIDE:
        raise InputError(
            f"A film of {width} x {height} is too small: both sides need {LEAST_SIDE} pixels."
        )
    if row.even and (width % 2 or height % 2):
        raise InputError(
            f"{codec} needs an even width and height, and {width} x {height} is not. Change the "
            "size by one pixel, or use ffv1, which takes any."
        )
    if not 0 < fps <= GREATEST_RATE or max(fps.numerator, fps.denominator) > GREATEST_RATE_TERM:
        raise InputError(
            f"A film cannot have {fps} frames per second. Use a rate such as 24 or 24000/1001, "
            f"up to {GREATEST_RATE}."
        )
    if codec == "gif" and fps > GIF_RATE:
        raise InputError(
            f"Players show at most {GIF_RATE} frames per second of a GIF, and the film has "
            f"{float(fps):g}. Write it with --fps 25, or as .apng."
        )
    if row.quality and not row.quality[0] <= quality <= row.quality[1]:
        raise InputError(
            f"The quality of {codec} is a number from {row.quality[0]} (best) to "
            f"{row.quality[1]}, not {quality}."
        )


def _either(names: Iterable[str]) -> str:
    """Returns the names joined as "a, b or c"."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
