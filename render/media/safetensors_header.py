"""The header of a safetensors file, and where a latent lies, without torch and without trust.

Eight bytes of length, that many of JSON, then the tensors (github.com/huggingface/safetensors).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

LARGEST_HEADER = 25_000_000  # bytes
LARGEST_LATENT = 2**30  # bytes of a file; 4096 px at f8 and 256 channels, a large one, is 2**28


def read_header(path: Path) -> dict[str, Any]:
    """Tensor names to their entries, and "__metadata__"; raises OSError or ValueError."""
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
    """Bytes of tensors behind the header; KeyError, IndexError or TypeError if it is broken."""
    ends = (header[name]["data_offsets"][1] for name in header if name != "__metadata__")
    end: int = max(ends, default=0)
    return end


def is_whole(path: Path) -> bool:
    """Whether the file is there and as long as its header says."""
    try:
        header = read_header(path)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        end = tensors_end(header)
        return end > 0 and path.stat().st_size == 8 + length + end
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return False


def latent_path(folder: Path, key: str) -> Path:
    """Where the latent of a keyframe is kept."""
    return folder / f"{key}.safetensors"


def has_latent(folder: Path, key: str) -> bool:
    """Whether a whole latent lies there: a quick look, for its numbers are not read.

    A latent that was changed on disk counts; who is about to use it finds that out
    (`latents.load_latent`).
    """
    return is_whole(latent_path(folder, key))
