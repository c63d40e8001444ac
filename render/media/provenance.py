"""What Render notes in the files it writes: one JSON object, enough to make the file again.

In a PNG it is the iTXt chunk `render`, in a safetensors file the metadata `render`, in a film the
comment, which every container has. An object is a note when it has a field `render`, the version.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from render.errors import InputError
from render.media.atomic import atomic_write, file_errors
from render.media.ffmpeg import VideoError
from render.media.safetensors_header import LARGEST_HEADER, read_header, tensors_end
from render.media.video import read_metadata
from render.text import escape_unprintable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


NAME = "render"
LARGEST_NOTE = 64_000_000  # bytes of a chunk of text

# In the order that a person asks for them; others follow, the storyboard ends.
LABELS = {
    "kind": "what",
    "render": "Render",
    "storyboard_file": "storyboard",
    "shot": "shot",
    "time": "time",
    "prompts": "prompts",
    "seed": "seed",
    "size": "size",
    "models": "models",
    "step": "step",
    "steps": "steps",
    "key": "key",
}


class ProvenanceError(InputError):
    """A file that has no note to show; its text is a sentence."""


def to_text(note: Mapping[str, Any]) -> str:
    """One line of JSON, the same for the same note; fractions and paths become strings."""
    text = json.dumps(note, ensure_ascii=False, sort_keys=True, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, as in a file name that is not UTF-8
        text = json.dumps(note, sort_keys=True, default=str)
    return text


def write_png(path: Path, frame: NDArray[np.uint8], note: Mapping[str, Any] | None = None) -> None:
    """Write (H, W, 3) uint8, complete or not at all; the same bytes for the same frame and note.

    Raises FileError.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    if note is not None:
        chunks.add_itxt(NAME, to_text(note))
    with file_errors(path), atomic_write(path) as partial:
        Image.fromarray(frame).save(partial, format="png", pnginfo=chunks)


def read_note(path: Path) -> dict[str, Any]:
    """The note in a PNG, film or safetensors file; raises ProvenanceError where there is none."""
    if not path.exists():
        raise ProvenanceError(f"{path}: there is no such file.")
    if path.is_dir():
        raise ProvenanceError(f"{path} is a folder. Name a file in it.")
    if not path.is_file():
        raise ProvenanceError(f"{path} is not a file but a device or a pipe.")
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            start = file.read(12)
            file.seek(0)
            if not size:
                raise ProvenanceError(f"{path} is empty.")
            kind, read = _reader(path, start)
            try:
                text = read(path, file, size)
            except (_CutShort, struct.error) as error:
                raise ProvenanceError(
                    f"{path} is cut short: the end of this {kind} is missing. Copy or write it "
                    "again."
                ) from error
    except OSError as error:
        raise ProvenanceError(f"{path} cannot be read: {error.strerror}.") from error
    return _note(path, kind, text)


def generator_of(note: Mapping[str, Any]) -> tuple[str, str]:
    """Name and digest of the generator that a note names; safe to tell, "None" where it does not.

    A stranger's file must not steer the terminal that it is told on.
    """
    listed = note.get("models")
    rows = listed if isinstance(listed, list) else []
    found = (row for row in rows if isinstance(row, dict) and row.get("role") == "generator")
    made_by: dict[str, Any] = next(found, {})
    return escape_unprintable(str(made_by.get("name"))), escape_unprintable(
        str(made_by.get("sha256"))
    )


def format_note(note: Mapping[str, Any]) -> str:
    """The note for a terminal: a line or block per field, then the storyboard as it was written."""
    order = [*LABELS, *sorted(set(note) - set(LABELS) - {"storyboard"})]
    labels = {field: LABELS.get(field, field.replace("_", " ")) for field in order}
    fields = [field for field in order if note.get(field) is not None]
    width = max((len(labels[field]) for field in fields), default=0)
    lines = []
    for field in fields:
        first, *rest = _lines(field, note[field])
        lines.append(f"{labels[field]:<{width}}  {first}")
        lines += [f"{'':<{width}}  {line}" for line in rest]
    storyboard = note.get("storyboard")
    if isinstance(storyboard, str) and storyboard.strip():
        lines += ["", *storyboard.rstrip().splitlines()]
    return "\n".join(escape_unprintable(line) for line in lines)


class _CutShort(Exception):
    """A file that ends before it says it does."""


def _reader(path: Path, start: bytes) -> tuple[str, Callable[[Path, IO[bytes], int], str | None]]:
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", _read_png
    if start[4:8] == b"ftyp":
        return "film", _read_mp4
    if start.startswith(b"\x1a\x45\xdf\xa3"):
        return "film", _read_matroska
    # safetensors has no mark of its own but a length and an opening brace.
    if start[8:9] == b"{":
        return "safetensors file", _read_safetensors
    extension = path.suffix.lower()
    if len(start) < 12 and extension in (".png", ".mp4", ".mov", ".mkv", ".webm", ".safetensors"):
        raise ProvenanceError(f"{path} is cut short: it has only {len(start)} bytes.")
    raise ProvenanceError(
        f"{path} is neither a PNG nor a film (MP4, MOV, MKV, WebM) nor a latent (safetensors), "
        "so it holds no note of Render's."
    )


def _read_png(path: Path, file: IO[bytes], size: int) -> str | None:
    """The text of the chunk `render` (PNG specification, third edition, 11.3.3.3)."""
    found = None
    position = 8
    while True:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        position += 12 + length  # with its length, kind and checksum
        if position > size:
            raise _CutShort
        if kind == b"IEND":
            return found
        if kind == b"iTXt" and length <= LARGEST_NOTE:
            keyword, _, rest = file.read(length).partition(b"\0")
            # Compression flag and method, then a language and the keyword in it: all empty.
            if keyword == NAME.encode() and rest[:4] == b"\0\0\0\0":
                found = rest[4:].decode(errors="replace")


def _read_mp4(path: Path, file: IO[bytes], size: int) -> str | None:
    """The comment; ffmpeg would read it from a film that has lost its end, too."""
    kinds = set()
    position = 0
    while position < size:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
        elif length == 0:  # to the end of the file
            length = size - position
        if length < 8 or position + length > size:
            raise _CutShort
        kinds.add(kind)
        position += length
    if b"moov" not in kinds:  # the list of its frames, which is written last
        raise _CutShort
    return _comment(path)


def _read_matroska(path: Path, file: IO[bytes], size: int) -> str | None:
    """The comment, after looking whether the segment is complete (RFC 8794, RFC 9559)."""
    _element_number(file, keep_mark=True)
    file.seek(_element_number(file), os.SEEK_CUR)  # past the EBML header
    _element_number(file, keep_mark=True)
    length = _element_number(file)
    unknown = length in {2 ** (7 * bytes_) - 1 for bytes_ in range(1, 9)}  # as in a live stream
    if not unknown and file.tell() + length > size:
        raise _CutShort
    return _comment(path)


def _element_number(file: IO[bytes], keep_mark: bool = False) -> int:
    """A number whose leading zero bits say how many bytes follow the first."""
    first = file.read(1)
    if not first or not first[0]:
        raise _CutShort
    more = 8 - first[0].bit_length()
    value = first[0] if keep_mark else first[0] & (0x7F >> more)
    rest = file.read(more)
    if len(rest) < more:
        raise _CutShort
    return int.from_bytes(bytes([value]) + rest, "big")


def _comment(path: Path) -> str | None:
    try:
        return read_metadata(path).get("comment")
    except VideoError as error:
        raise ProvenanceError(str(error)) from error


def _read_safetensors(path: Path, file: IO[bytes], size: int) -> str | None:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > LARGEST_HEADER:
        raise ProvenanceError(f"{path} is not a safetensors file that Render reads.")
    if 8 + length > size:
        raise _CutShort
    try:
        header = read_header(path)
        text = header.get("__metadata__", {}).get(NAME)
        cut = 8 + length + tensors_end(header) > size
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ProvenanceError(f"{path} is not a safetensors file: its header is broken.") from error
    if cut:
        raise _CutShort
    return text if isinstance(text, str) else None


def _note(path: Path, kind: str, text: str | None) -> dict[str, Any]:
    try:
        note = json.loads(text) if text else None
    except (ValueError, RecursionError):
        note = None
    if not isinstance(note, dict) or NAME not in note:
        raise ProvenanceError(
            f"{path}: this {kind} was not written by Render, or its note was removed since."
        )
    return note


def _number(value: float, digits: int) -> str:
    try:
        return f"{value:.{digits}g}"
    except OverflowError:  # a whole number of hundreds of digits, in a stranger's note
        return str(value)


def _lines(field: str, value: object) -> Iterator[str]:
    """One field's value, at least one line of it."""
    if field == "models" and isinstance(value, list) and value:
        for model in value:
            yield _model(model)
    elif field == "prompts" and isinstance(value, list) and value:
        for prompt in value:
            yield _prompt(prompt)
    elif field == "size" and isinstance(value, list):
        yield " x ".join(str(side) for side in value)
    elif field == "time" and isinstance(value, int | float):
        yield f"{_number(value, 6)} s"
    elif isinstance(value, list | dict):
        yield json.dumps(value, ensure_ascii=False)
    else:
        yield from str(value).splitlines() or [""]


def _model(model: object) -> str:
    if not isinstance(model, dict):
        return str(model)
    digest = f"  sha256 {model['sha256']}" if model.get("sha256") else ""
    return f"{model.get('role', 'model')} {model.get('name', '?')}{digest}"


def _prompt(prompt: object) -> str:
    if not isinstance(prompt, dict):
        return str(prompt)
    text = next((str(prompt[name]) for name in ("prompt", "text", "image") if prompt.get(name)), "")
    weight = prompt.get("weight")
    return f"{_number(weight, 3)} x {text}" if isinstance(weight, int | float) else text
