"""The ffmpeg binary: its path, how it is run, and its file format for metadata."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from render.errors import RenderError

# ffmpeg's names of the formats of sounds and films that are read.
FORMATS = (
    "wav", "w64", "mp3", "flac", "ogg", "aac", "mov", "mp4", "m4a", "matroska", "webm", "aiff",
    "caf", "au", "ac3", "eac3", "dts", "truehd", "wv", "ape", "tak", "tta", "amr", "asf", "xwma",
    "mpeg", "mpegts", "avi", "flv", "mpc", "mpc8", "dsf", "voc", "gif", "apng",
)  # fmt: skip
MOST_OUTPUT = 4_000_000  # bytes of ffmpeg's answer that are read
TIME_LIMIT = 120.0  # seconds: what is only looked at takes one


class VideoError(RenderError):
    """A video could not be written or read. Its text says why and what to do."""


def ffmpeg_path() -> str:
    """Returns the path of ffmpeg; raises VideoError if there is none.

    It is that of $IMAGEIO_FFMPEG_EXE, else that of the package imageio-ffmpeg, else that on PATH.
    """
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise VideoError(
            "There is no ffmpeg here. Install it with `pip install imageio-ffmpeg`, or name yours "
            "in the environment variable IMAGEIO_FFMPEG_EXE."
        ) from error


def ffmpeg_environment() -> dict[str, str]:
    """Returns the environment that ffmpeg runs in: ours, with SVT-AV1 limited to errors."""
    # Otherwise SVT-AV1 writes its settings to stderr at every start.
    return {**os.environ, "SVT_LOG": "1"}


def run_ffmpeg(*arguments: str, limit: float = TIME_LIMIT) -> subprocess.CompletedProcess[bytes]:
    """Runs ffmpeg to its end without input, and returns its status, and the first MOST_OUTPUT bytes
    of its stdout and of its stderr, which follow from a file of unknown origin.

    Raises VideoError if ffmpeg cannot be started, or takes longer than `limit` seconds, but not if
    it fails.
    """
    command = [ffmpeg_path(), "-hide_banner", "-nostats", "-loglevel", "error", *arguments]
    try:
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=complaints,
                check=False,
                timeout=limit,
            )
            for file in (output, complaints):
                file.seek(0)
            parts = output.read(MOST_OUTPUT), complaints.read(MOST_OUTPUT)
            return subprocess.CompletedProcess(command, done.returncode, *parts)
    except subprocess.TimeoutExpired as error:
        raise VideoError(
            f"ffmpeg did not end within {limit:g} seconds, and was stopped."
        ) from error
    except OSError as error:
        raise VideoError(cannot_run_message(command[0], error)) from error


def file_url(path: Path) -> str:
    """Returns the path with "file:" before it.

    Without it ffmpeg takes "-x.mp4" for an option and "a:b.mp4" for a protocol.
    """
    return f"file:{path}"


def input_arguments(path: Path) -> tuple[str, ...]:
    """Returns ffmpeg's arguments for an input file of unknown origin.

    ffmpeg may open files on disk only, in formats that hold all of their own content: a playlist or
    a list of parts would make it play other files of this machine.
    """
    formats = ("-format_whitelist", ",".join(FORMATS))
    return ("-protocol_whitelist", "file", *formats, "-i", file_url(path))


def cannot_run_message(executable: str, error: OSError) -> str:
    """Returns the sentence for an ffmpeg that cannot be started."""
    return (
        f"ffmpeg cannot be run at {executable}: {error.strerror}. Install it with "
        "`pip install imageio-ffmpeg`, and see that IMAGEIO_FFMPEG_EXE is not set to another."
    )


def first_complaint(error_output: bytes) -> str:
    """Returns the first line of ffmpeg's stderr, without the address of the part that wrote it.

    The first line is the cause; those after it are its consequences.
    """
    lines = (line.strip() for line in error_output.decode(errors="replace").splitlines())
    first = next(filter(None, lines), "it gave no reason")
    return re.sub(r"^(\[[^]]* @ 0x[0-9a-f]+\] )+", "", first).rstrip(".")


def metadata_file(metadata: Mapping[str, str]) -> bytes:
    """Returns metadata in ffmpeg's format (https://ffmpeg.org/ffmpeg-formats.html#Metadata-2).

    The format cannot hold a carriage return or a NUL: every line end becomes a line feed, and NULs
    are left out.
    """
    text = ";FFMETADATA1\n"
    for name, value in metadata.items():
        text += f"{_escaped(name)}={_escaped(value)}"
        # After a backslash, even one that is itself escaped, ffmpeg reads a line end as part of the
        # value. It does the same with a NUL, which then ends the value as it should.
        text += "\0\n" if value.endswith("\\") else "\n"
    return text.encode(errors="replace")


def read_metadata_file(text: str) -> dict[str, str]:
    """Returns the metadata in a text of ffmpeg's format, up to its first [section].

    It is the inverse of `metadata_file`, but names are in lower case. A backslash escapes any
    character that follows it, a line end too.
    """
    found: dict[str, str] = {}
    name: str | None = None
    current: list[str] = []
    characters = iter(text + "\n")
    for character in characters:
        if character == "\\":
            current.append(next(characters, ""))
        elif character == "=" and name is None:
            name, current = "".join(current).lower(), []
        elif character != "\n":
            current.append(character)
        else:
            if name is not None:
                found[name] = "".join(current)
            elif current[:1] == ["["]:
                break
            name, current = None, []
    return found


def _escaped(text: str) -> str:
    """Returns a name or value as the metadata format holds it."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return "".join(f"\\{character}" if character in "=;#\\\n" else character for character in plain)
