"""The header of a safetensors file, and the file of a keyframe's latent, without torch.

The format is eight bytes of length, that many bytes of JSON, then the tensors
(github.com/huggingface/safetensors). Files may be damaged or come from anywhere, so nothing in them
is trusted.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

LARGEST_HEADER = 25_000_000  # bytes
# Bytes of a latent's file. That of 4096 px at f8 with 256 channels, a large one, has 2**28.
LARGEST_LATENT = 2**30


def read_header(path: Path) -> dict[str, Any]:
    """Returns the header: tensor names with their entries, and "__metadata__".

    Raises OSError as `open` does, and ValueError for a file without such a header.
    """
    if not path.is_file() and path.exists():  # to open a pipe would wait for ever
        raise ValueError("it is no ordinary file")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        size = file.seek(0, os.SEEK_END)
        if not 2 <= length <= min(LARGEST_HEADER, size - 8):
            raise ValueError("it is truncated or not a safetensors file")
        file.seek(8)
        try:
            header = json.loads(file.read(length))
        except RecursionError as error:
            raise ValueError("its header is nested too deeply") from error
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise ValueError("its header is not a safetensors header")
    return header


def tensors_end(header: dict[str, Any]) -> int:
    """Returns how many bytes of tensors follow the header.

    Raises KeyError, IndexError or TypeError if an entry of the header is malformed.
    """
    ends = [header[name]["data_offsets"][1] for name in header if name != "__metadata__"]
    if not all(type(end) is int for end in ends):
        raise TypeError("an offset in its header is not a whole number")
    return max(ends, default=0)


def is_whole(path: Path) -> bool:
    """Returns whether the file exists, has tensors, and is exactly as long as its header says."""
    try:
        header = read_header(path)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        end = tensors_end(header)
        return end > 0 and path.stat().st_size == 8 + length + end
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return False


def latent_path(folder: Path, key: str) -> Path:
    """Returns the file in which the latent of the keyframe with this key is stored."""
    return folder / f"{key}.safetensors"


def latent_damage(folder: Path, key: str) -> str | None:
    """Returns why the file under a key is not the latent that was saved there, as the end of a
    sentence; None if it is, or if there is no file. Its numbers are hashed, but not looked at."""
    path = latent_path(folder, key)
    if not os.path.lexists(path):
        return None
    if path.is_symlink() and not path.exists():
        return "is a link to nowhere, and its keyframe is made again"
    if not path.is_file():
        return "is no ordinary file; move it away"
    if not is_whole(path):
        return "is damaged, and its keyframe is made again"
    try:
        header = read_header(path)
        note = json.loads(header.get("__metadata__", {}).get("render", "{}"))
        with path.open("rb") as file:
            file.seek(-tensors_end(header), os.SEEK_END)
            digest = hashlib.sha256(file.read(LARGEST_LATENT)).hexdigest()
    except (OSError, ValueError, TypeError, RecursionError):
        return "is damaged, and its keyframe is made again"
    if not isinstance(note, dict) or note.get("sha256") != digest:
        return "was changed since Render wrote it, and its keyframe is made again"
    if note.get("key") != key:
        return "is the latent of another keyframe, and its own is made again"
    return None


def has_latent(folder: Path, key: str) -> bool:
    """Returns whether the folder has a complete latent for this key, without reading its numbers.

    A latent that was changed on disk still counts; loading it finds that out
    (`synthesis.latents.load_latent`).
    """
    return is_whole(latent_path(folder, key))
