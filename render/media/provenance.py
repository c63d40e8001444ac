"""The note that Render writes into its files: one JSON object, enough to make the file again.

A PNG holds it in the iTXt chunk `render`, a safetensors file in its metadata under `render`, an SVG
in its element `metadata`, and a film in its comment, which every container has. A JSON object is a
note if it has the field `render`, the version that wrote it.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from render.errors import InputError
from render.media.animation import GIF, HEAD, find_note
from render.media.atomic import atomic_write, file_errors
from render.media.ffmpeg import VideoError
from render.media.note_text import LARGEST_NOTE, to_text
from render.media.safetensors_header import read_header, tensors_end
from render.media.seal import FIELD, is_intact, seal_of_picture
from render.media.stegano import find_hidden, hidden_in
from render.media.svg import read_svg
from render.media.video import read_metadata
from render.text import escape_unprintable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# Returns the note's text, of a file given by its path, opened, and its size in bytes.
Reader = Callable[[Path, IO[bytes], int], str | None]

NOTE_NAME = "render"  # of the PNG chunk, of the safetensors metadata, and of the version's field

# The fields in the order in which `format_note` shows them, with their labels. Unknown fields
# follow in alphabetical order, and then the storyboard.
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
    "steps": "steps",
    "key": "key",
}


HIDDEN = {"storyboard", "included", FIELD, "made_from"}  # fields that `format_note` does not list


class ProvenanceError(InputError):
    """A file has no note that can be read. Its text says why."""


class _TruncatedError(Exception):
    """A file is shorter than its own headers say."""


def write_png(
    path: Path,
    frame: NDArray[np.uint8],
    note: Mapping[str, Any] | None = None,
    stegano: bool = False,
    through_link: bool = True,
) -> None:
    """Writes a frame, (H, W, 3) uint8, as a PNG with a note, atomically; with `stegano` the note is
    also in the lowest bits of its pixels. `through_link` is that of `atomic_write`.

    The same frame and note give the same bytes. Raises FileError, and TooSmallError for a note that
    the pixels cannot hide.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    if note is not None and stegano:
        frame = hidden_in(frame, to_text(note))
    chunks = PngInfo()
    if note is not None:
        chunks.add_itxt(NOTE_NAME, to_text({**note, FIELD: seal_of_picture(frame)}))
    with file_errors(path), atomic_write(path, through_link) as partial:
        Image.fromarray(frame).save(partial, format="png", pnginfo=chunks)


def read_note(path: Path) -> dict[str, Any]:
    """Returns the note in a PNG, film or safetensors file.

    Raises ProvenanceError if the file cannot be read, is truncated, or has no note.
    """
    if not path.exists():
        raise ProvenanceError(f"{path}: there is no such file.")
    if path.is_dir():
        raise ProvenanceError(f"{path} is a folder. Name a file in it.")
    if not path.is_file():
        raise ProvenanceError(f"{path} is not a file but a device or a pipe.")
    try:
        with path.open("rb") as file:
            kind, text = _find_text(path, file)
    except OSError as error:
        raise ProvenanceError(f"{path} cannot be read: {error.strerror}.") from error
    if not text and kind == "PNG":
        text = find_hidden(path)
    try:
        note = json.loads(text) if text else None
    except (ValueError, RecursionError):
        note = None
    if not isinstance(note, dict) or NOTE_NAME not in note:
        raise ProvenanceError(
            f"{path}: this {kind} was not written by Render, or its note was removed since."
        )
    return note


def why_not_replaced(path: Path, kind: str, made_from: str | None, lesser: str = "") -> str | None:
    """Returns why a file may not be replaced by another of this kind, as the end of a sentence;
    None if it may: Render wrote it as it is now, from the same storyboard.

    `kind` and `made_from` are those of the new file's note; `lesser` is "a draft" or "a part".
    """
    try:
        note = read_note(path)
        intact = is_intact(path, note)
    except (ProvenanceError, OSError):
        return "exists and was not written by Render"
    if FIELD not in note:
        return "was written by a version of Render that does not tell whether it was changed since"
    if not intact:
        return "was changed since Render wrote it"
    if note.get("kind") != kind:
        there, new = _with_article(note.get("kind")), _with_article(kind)
        return f"is {there} that Render made, and not {new}"
    if note.get("made_from") != made_from:
        return f"is the {kind} of another storyboard, {note.get('storyboard_file')}"
    if lesser and not (note.get("draft") or note.get("frames")):
        return f"is the whole film, and {lesser} would take its place"
    return None


def _with_article(kind: object) -> str:
    """Returns the name of a kind of file with "a" or "an"."""
    return f"{'an' if str(kind)[:1] in tuple('aeiou') else 'a'} {kind}"


def place_of(storyboard: Path | None, output: Path) -> str | None:
    """Returns the field `made_from` of a note: a digest of the way from a file's folder to its
    storyboard, so that the names of folders are not published with a film."""
    if storyboard is None:
        return None
    way = os.path.abspath(storyboard)
    with suppress(ValueError):  # on Windows there is no way from disk to disk
        way = os.path.relpath(way, os.path.abspath(output.parent))
    return hashlib.sha256(Path(way).as_posix().encode(errors="surrogateescape")).hexdigest()[:16]


def _find_text(path: Path, file: IO[bytes]) -> tuple[str, str | None]:
    """Returns what kind of file it is, and the text that stands where such a file has its note."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(12)
    file.seek(0)
    if not size:
        raise ProvenanceError(f"{path} is empty.")
    kind, read = _reader(path, start)
    try:
        return kind, read(path, file, size)
    except (_TruncatedError, struct.error) as error:
        raise ProvenanceError(
            f"{path} is cut short: the end of this {kind} is missing. Copy or write it again."
        ) from error


def _reader(path: Path, start: bytes) -> tuple[str, Reader]:
    """Returns the kind of file that begins with these 12 bytes, and the function that reads it."""
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", _read_png
    if start.startswith(b"<svg"):
        return "SVG", read_svg
    if start.startswith(GIF):
        return "GIF", _read_gif
    if start[4:8] == b"ftyp":
        return "film", _read_mp4
    if start.startswith(b"\x1a\x45\xdf\xa3"):
        return "film", _read_matroska
    # safetensors has no signature, only a length and the opening brace of its JSON.
    if start[8:9] == b"{":
        return "safetensors file", _read_safetensors
    extension = path.suffix.lower()
    if len(start) < 12 and extension in (
        ".png",
        ".apng",
        ".gif",
        ".mp4",
        ".mov",
        ".mkv",
        ".webm",
        ".svg",
        ".safetensors",
    ):
        raise ProvenanceError(f"{path} is cut short: it has only {len(start)} bytes.")
    raise ProvenanceError(
        f"{path} is neither a picture (PNG, GIF, SVG) nor a film (MP4, MOV, MKV, WebM) nor a "
        "latent (safetensors), so it holds no note of Render's."
    )


def _read_png(path: Path, file: IO[bytes], size: int) -> str | None:
    """Returns the text of the iTXt chunk `render` (PNG specification, 3rd ed., 11.3.3.3)."""
    found = None
    position = 8
    while True:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        position += 12 + length  # a chunk has 12 bytes of length, kind and checksum
        if position > size:
            raise _TruncatedError
        if kind == b"IEND":
            return found
        if kind == b"iTXt" and length <= LARGEST_NOTE:
            keyword, _, rest = file.read(length).partition(b"\0")
            # Compression flag and method, language and translated keyword: all zero or empty.
            if keyword == NOTE_NAME.encode() and rest[:4] == b"\0\0\0\0":
                found = rest[4:].decode(errors="replace")


def _read_gif(path: Path, file: IO[bytes], size: int) -> str | None:
    """Returns the note of an animated GIF, which is before its first picture."""
    try:
        found = find_note(file.read(HEAD))
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b";":  # a GIF's last byte
            raise _TruncatedError
    except ValueError as error:
        raise _TruncatedError from error
    return found[0] if found else None


def _read_mp4(path: Path, file: IO[bytes], size: int) -> str | None:
    """Returns the comment of an MP4 or MOV that is complete.

    ffmpeg alone would not do: it reads the comment of a truncated film as well.
    """
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
            raise _TruncatedError
        kinds.add(kind)
        position += length
    if b"moov" not in kinds:  # the list of its frames, which is written last
        raise _TruncatedError
    return _read_comment(path)


def _read_matroska(path: Path, file: IO[bytes], size: int) -> str | None:
    """Returns the comment of an MKV or WebM whose segment is complete (RFC 8794, RFC 9559)."""
    _read_ebml_number(file, keep_marker=True)
    file.seek(_read_ebml_number(file), os.SEEK_CUR)  # past the EBML header
    _read_ebml_number(file, keep_marker=True)
    length = _read_ebml_number(file)
    # All bits set, in any number of bytes, is an unknown length, as in a live stream.
    unknown = length in {2 ** (7 * count) - 1 for count in range(1, 9)}
    if not unknown and file.tell() + length > size:
        raise _TruncatedError
    return _read_comment(path)


def _read_ebml_number(file: IO[bytes], keep_marker: bool = False) -> int:
    """Returns the next number of variable length.

    The leading zero bits of its first byte count the bytes that follow; the marker is the one bit
    behind them, which belongs to an element's ID but not to a length.
    """
    first = file.read(1)
    if not first or not first[0]:
        raise _TruncatedError
    following = 8 - first[0].bit_length()
    value = first[0] if keep_marker else first[0] & (0x7F >> following)
    rest = file.read(following)
    if len(rest) < following:
        raise _TruncatedError
    return int.from_bytes(bytes([value]) + rest, "big")


def _read_comment(path: Path) -> str | None:
    """Returns the comment of a film, read by ffmpeg; None if it has none."""
    try:
        return read_metadata(path).get("comment")
    except VideoError as error:
        raise ProvenanceError(str(error)) from error


def _read_safetensors(path: Path, file: IO[bytes], size: int) -> str | None:
    """Returns the metadata `render` of a safetensors file that is complete."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > LARGEST_NOTE:
        raise ProvenanceError(f"{path} is not a safetensors file that Render reads.")
    if 8 + length > size:
        raise _TruncatedError
    try:
        header = read_header(path)
        text = header.get("__metadata__", {}).get(NOTE_NAME)
        truncated = 8 + length + tensors_end(header) > size
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ProvenanceError(f"{path} is not a safetensors file: its header is broken.") from error
    if truncated:
        raise _TruncatedError
    return text if isinstance(text, str) else None


def generator_row(note: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a note says of its generator, as it is; nothing if it says nothing."""
    models = note.get("models")
    rows = models if isinstance(models, list) else []
    found = (row for row in rows if isinstance(row, dict) and row.get("role") == "generator")
    return next(found, {})


def generator_of(note: Mapping[str, Any]) -> tuple[str, str]:
    """Returns the name and the SHA-256 of a note's generator, "None" for what the note lacks.

    Both are escaped for the terminal, as the note may come from a file of unknown origin.
    """
    generator = generator_row(note)
    name, digest = (escape_unprintable(str(generator.get(key))) for key in ("name", "sha256"))
    return name, digest


def format_note(note: Mapping[str, Any]) -> str:
    """Returns the note as text for a terminal: its fields, then the storyboard as written."""
    order = [*LABELS, *sorted(set(note) - set(LABELS) - HIDDEN)]
    labels = {field: LABELS.get(field, field.replace("_", " ")) for field in order}
    fields = [field for field in order if note.get(field) is not None]
    width = max((len(labels[field]) for field in fields), default=0)
    lines = []
    for field in fields:
        first, *rest = _field_lines(field, note[field])
        lines.append(f"{labels[field]:<{width}}  {first}")
        lines += [f"{'':<{width}}  {line}" for line in rest]
    storyboard = note.get("storyboard")
    if isinstance(storyboard, str) and storyboard.strip():
        lines += ["", *storyboard.rstrip().splitlines()]
    return "\n".join(escape_unprintable(line) for line in lines)


def _field_lines(field: str, value: object) -> Iterator[str]:
    """Yields a field's value as one line or more."""
    if field == "models" and isinstance(value, list) and value:
        for model in value:
            yield _model_line(model)
    elif field == "prompts" and isinstance(value, list) and value:
        for prompt in value:
            yield _prompt_line(prompt)
    elif field == "size" and isinstance(value, list):
        yield " x ".join(str(side) for side in value)
    elif field == "time" and isinstance(value, int | float):
        yield f"{_number_text(value, 6)} s"
    elif isinstance(value, list | dict):
        yield json.dumps(value, ensure_ascii=False)
    else:
        yield from str(value).splitlines() or [""]


def _model_line(model: object) -> str:
    """Returns a model's role, name and digest."""
    if not isinstance(model, dict):
        return str(model)
    digest = f"  sha256 {model['sha256']}" if model.get("sha256") else ""
    parameters = model.get("parameters")
    given = f"  {json.dumps(parameters, sort_keys=True)}" if parameters else ""
    return f"{model.get('role', 'model')} {model.get('name', '?')}{digest}{given}"


def _prompt_line(prompt: object) -> str:
    """Returns a prompt as "weight x text"."""
    if not isinstance(prompt, dict):
        return str(prompt)
    text = next((str(prompt[name]) for name in ("prompt", "text", "image") if prompt.get(name)), "")
    weight = prompt.get("weight")
    return f"{_number_text(weight, 3)} x {text}" if isinstance(weight, int | float) else text


def _number_text(value: float, digits: int) -> str:
    """Returns a number with this many digits."""
    try:
        return f"{value:.{digits}g}"
    except OverflowError:  # an integer too large for a float, in a file of unknown origin
        return str(value)
