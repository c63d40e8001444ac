"""The note in an animated GIF or PNG, for which ffmpeg has no place: put in when the file is whole.

In a GIF it is a comment extension before the first picture (GIF89a, 24), in a PNG an iTXt chunk
behind the first one (PNG specification, 3rd ed., 11.3.3.3).
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

ENDINGS = (".gif", ".apng")
GIF, PNG = b"GIF8", b"\x89PNG\r\n\x1a\n"
KEYWORD = b"render"
HEAD = 2**22  # bytes at the beginning of a file, among which the note is


def insert_note(path: Path, text: str) -> None:
    """Puts a note into a GIF or PNG that has none, in place; raises OSError, and ValueError for
    others."""
    content = path.read_bytes()
    place = _first_place(content)
    path.write_bytes(content[:place] + _block(content, text.encode()) + content[place:])


def find_note(content: bytes) -> tuple[str, int, int] | None:
    """Returns the note of a GIF or PNG and where its block begins and ends; None if it has none.

    `content` is the file's beginning. Raises ValueError where it ends within a block.
    """
    try:
        place = _first_place(content)
        return _find_in_png(content, place) if content.startswith(PNG) else _find(content, place)
    except (IndexError, struct.error) as error:
        raise ValueError("the file is cut short") from error


def _first_place(content: bytes) -> int:
    """Returns where a note is put: behind a GIF's colour table, or behind a PNG's first chunk."""
    if content.startswith(GIF):
        flags = content[10]
        return 13 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)
    if content.startswith(PNG):
        (length,) = struct.unpack(">I", content[8:12])
        return 8 + 12 + int(length)
    raise ValueError("neither a GIF nor a PNG")


def _block(content: bytes, text: bytes) -> bytes:
    """Returns a note as a block of a file that begins with `content`."""
    if content.startswith(GIF):
        parts = (text[place : place + 255] for place in range(0, len(text), 255))
        return b"!\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"
    data = b"iTXt" + KEYWORD + bytes(5) + text
    return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def _find(content: bytes, place: int) -> tuple[str, int, int] | None:
    """Returns the first comment of a GIF's extensions that is a JSON object, from `place` on."""
    while content[place] == 0x21:
        start, label, text = place, content[place + 1], bytearray()
        place += 2
        while size := content[place]:
            text += content[place + 1 : place + 1 + size]
            place += 1 + size
        place += 1
        if label == 0xFE and text.startswith(b"{"):
            return text.decode(errors="replace"), start, place
    return None


def _find_in_png(content: bytes, place: int) -> tuple[str, int, int] | None:
    """Returns the first iTXt chunk `render` of a PNG before its pixels, from `place` on."""
    while True:
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        data = content[place + 8 : place + 8 + length]
        if kind in (b"IDAT", b"IEND"):
            return None
        if kind == b"iTXt" and data.startswith(KEYWORD + bytes(5)):
            text = data[len(KEYWORD) + 5 :].decode(errors="replace")
            return text, place, place + 12 + length
        place += 12 + length
