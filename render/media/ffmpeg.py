"""The ffmpeg binary: where it is, how it is asked, and its file format for metadata."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from render.errors import RenderError


class VideoError(RenderError):
    """A video could not be written or read; its text is a sentence with the next step in it."""


def ffmpeg_path() -> str:
    """Where ffmpeg is: $IMAGEIO_FFMPEG_EXE, or the one in the package, or one on the PATH."""
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise VideoError(
            "There is no ffmpeg here. Install it with `pip install imageio-ffmpeg`, or name yours "
            "in the environment variable IMAGEIO_FFMPEG_EXE."
        ) from error


def ffmpeg_environment() -> dict[str, str]:
    """What ffmpeg runs in."""
    # SVT-AV1 writes its settings to stderr at every start unless told to report errors only.
    return {**os.environ, "SVT_LOG": "1"}


def run_ffmpeg(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg to its end without input; what it says is in stdout and stderr."""
    command = [ffmpeg_path(), "-hide_banner", "-nostats", "-loglevel", "error", *arguments]
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise VideoError(cannot_run_message(command[0], error)) from error


def file_url(path: Path) -> str:
    """ffmpeg would take "-x.mp4" for an option and "a:b.mp4" for a protocol."""
    return f"file:{path}"


def input_arguments(path: Path) -> tuple[str, ...]:
    """A file from anywhere may name others, on disk or in the network: they are not opened."""
    return ("-protocol_whitelist", "file", "-i", file_url(path))


def cannot_run_message(executable: str, error: OSError) -> str:
    """The sentence for an ffmpeg that does not start."""
    return (
        f"ffmpeg cannot be run at {executable}: {error.strerror}. Install it with "
        "`pip install imageio-ffmpeg`, and see that IMAGEIO_FFMPEG_EXE is not set to another."
    )


def first_complaint(said: bytes) -> str:
    """The line of stderr that a person needs: the first, those after it are its consequences."""
    lines = (line.strip() for line in said.decode(errors="replace").splitlines())
    first = next(filter(None, lines), "it gave no reason")
    return re.sub(r"^(\[[^]]* @ 0x[0-9a-f]+\] )+", "", first).rstrip(".")


def metadata_file(metadata: Mapping[str, str]) -> bytes:
    """ffmpeg's metadata file (https://ffmpeg.org/ffmpeg-formats.html#Metadata-2).

    It has no way to hold a carriage return or a NUL: line ends become plain ones, NULs go.
    """
    text = ";FFMETADATA1\n"
    for name, value in metadata.items():
        text += f"{_escaped(name)}={_escaped(value)}"
        # ffmpeg takes a line end after a backslash for part of the line, though the backslash is
        # itself escaped; it takes a NUL there, too, and then for the end of the text.
        text += "\0\n" if value.endswith("\\") else "\n"
    return text.encode(errors="replace")


def read_metadata_file(text: str) -> dict[str, str]:
    """The inverse of `metadata_file`, for the part before the first [section]; names in lower case.

    A backslash takes whatever follows it, a line end too, as it is.
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
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return "".join(f"\\{character}" if character in "=;#\\\n" else character for character in plain)
