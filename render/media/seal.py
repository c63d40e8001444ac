"""The seal in a file's note, by which a file that was changed since Render wrote it is known.

Other programs copy the note along: a film that was mixed with a song by ffmpeg still has it. So the
note says a digest of the rest of the file: of a PNG its pixels, of others every other byte.
"""

from __future__ import annotations

import hashlib
import mmap
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from render.media.animation import ENDINGS, find_note
from render.media.pictures import BROKEN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FIELD = "seal"  # of a note
# Stands in a film for its seal while it is written, and while it is checked; as long as a seal.
UNSEALED = hashlib.sha256(b"Render: a film that is not sealed yet").hexdigest()


LARGEST_PICTURE = 64_000_000  # pixels: more than any that Render writes


def seal_of_picture(pixels: NDArray[np.uint8]) -> str:
    """Returns the seal of a picture (H, W, 3)."""
    return hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()


def seal_film(path: Path) -> None:
    """Puts the seal into a film, where UNSEALED stands in its note. A film without is left alone,
    and then counts as changed. Raises OSError."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        place = _only_place(content, UNSEALED)
        if place is not None:
            content[place : place + len(UNSEALED)] = _seal_of(content, place).encode()


def is_intact(path: Path, note: Mapping[str, Any]) -> bool:
    """Returns whether a file, PNG or film, is as Render wrote it with this note.

    A file without a seal is not: it may be any version's, and changed since. Raises OSError.
    """
    seal = note.get(FIELD)
    if not isinstance(seal, str) or len(seal) != len(UNSEALED) or not seal.isascii():
        return False
    if path.suffix.lower() == ".png":
        return _picture_is_intact(path, seal)
    if path.suffix.lower() in ENDINGS:
        whole = path.read_bytes()
        try:
            found = find_note(whole)
        except ValueError:  # it only has the name of one
            return False
        return found is not None and seal_of_rest(whole[: found[1]], whole[found[2] :]) == seal
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        place = _only_place(content, seal)
        return place is not None and _seal_of(content, place) == seal


def seal_of_rest(*parts: bytes) -> str:
    """Returns the seal of an animation from what it consists of beside its note."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _picture_is_intact(path: Path, seal: str) -> bool:
    """Returns whether a PNG has the pixels of its seal."""
    import numpy as np
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures
            with Image.open(path, formats=["PNG"]) as image:
                if image.width * image.height > LARGEST_PICTURE:
                    return False
                return image.mode == "RGB" and seal_of_picture(np.asarray(image)) == seal
    except (*BROKEN, Image.DecompressionBombError):
        return False


def _only_place(content: mmap.mmap, text: str) -> int | None:
    """Returns where a text stands, None if nowhere or at two places."""
    place = content.find(text.encode())
    if place < 0 or content.find(text.encode(), place + 1) >= 0:
        return None
    return place


def _seal_of(content: mmap.mmap, place: int) -> str:
    """Returns the digest of a film as it is with UNSEALED at `place`."""
    digest = hashlib.sha256()
    for start, end in _parts(0, place):
        digest.update(content[start:end])
    digest.update(UNSEALED.encode())
    for start, end in _parts(place + len(UNSEALED), len(content)):
        digest.update(content[start:end])
    return digest.hexdigest()


def _parts(start: int, end: int, size: int = 1 << 24) -> Iterator[tuple[int, int]]:
    """Yields consecutive ranges of at most `size` from start to end."""
    for first in range(start, end, size):
        yield first, min(first + size, end)
