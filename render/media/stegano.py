"""A text in the lowest bits of a picture's pixels, where it outlives the removal of metadata.

It is no secret, and any change of the pixels ends it. From the first pixel on, red before green
before blue, each byte's highest bit first: MARK, four bytes of length, four of checksum, and the
text, compressed by zlib.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from render.errors import InputError
from render.media.pictures import BROKEN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MARK = b"RENDER1\0"
HEADER = struct.Struct(">8sII")
LARGEST_TEXT = 8_000_000  # bytes
LARGEST_PICTURE = 64_000_000  # pixels


class TooSmallError(InputError):
    """A picture with too few pixels for a text."""


def hidden_in(frame: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """Returns a frame (H, W, 3) with a text in its lowest bits; raises TooSmallError."""
    import numpy as np

    height, width = frame.shape[:2]
    content = check_room((width, height), text)
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    flat = frame.flatten()
    flat[: len(bits)] = (flat[: len(bits)] & 0xFE) | bits
    return flat.reshape(frame.shape)


def check_room(size: tuple[int, int], text: str) -> bytes:
    """Returns what is hidden of a text in a picture of (width, height); raises TooSmallError."""
    packed = zlib.compress(text.encode(errors="surrogateescape"), 9)
    content = HEADER.pack(MARK, len(packed), zlib.crc32(packed)) + packed
    room = 3 * size[0] * size[1] // 8
    if len(content) > room:
        raise TooSmallError(
            f"{size[0]}x{size[1]} pixels hide {room:,} bytes, and the note takes {len(content):,}; "
            "leave --stegano out"
        )
    return content


def find_hidden(path: Path) -> str | None:
    """Returns the text in the lowest bits of a PNG's pixels; None if there is none."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.mode not in ("RGB", "RGBA") or image.width * image.height > LARGEST_PICTURE:
                return None
            flat = np.asarray(image)[..., :3].reshape(-1)
    except (*BROKEN, Image.DecompressionBombError):
        return None

    def read(first: int, count: int) -> bytes:
        return np.packbits(flat[8 * first : 8 * (first + count)] & 1).tobytes()

    if len(flat) < 8 * HEADER.size:
        return None
    mark, length, checksum = HEADER.unpack(read(0, HEADER.size))
    packed = read(HEADER.size, length) if mark == MARK and 8 * length <= len(flat) else b""
    if not packed or zlib.crc32(packed) != checksum:
        return None
    try:
        text = zlib.decompressobj().decompress(packed, LARGEST_TEXT)
    except zlib.error:
        return None
    return text.decode(errors="replace")
