"""SHA-256 digests of files."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

CHUNK = 1 << 20  # bytes read at once


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal; raises OSError as `open` does."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Returns `sha256_of`, cached until the file's size or modification time changes."""
    status = path.stat()
    return _digest_of_version(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _digest_of_version(path: Path, size: int, modified: int) -> str:
    """Returns `sha256_of`, cached by the file's size and modification time."""
    return sha256_of(path)
