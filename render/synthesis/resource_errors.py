"""What a machine runs out of, as a sentence that says what would fit and what is kept."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from render.errors import FilmError
from render.media.atomic import FULL, FileError


@contextmanager
def memory_shortage(advice: Callable[[], str], kept: str) -> Iterator[None]:
    """Turn running out of memory into a FilmError; `advice` says what would need less."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise FilmError(f"out of memory. {advice()} {kept}") from error
    except RuntimeError as error:
        said = ("can't allocate memory", "not enough memory", "out of memory")
        if any(words in str(error) for words in said):
            raise FilmError(f"out of memory. {advice()} {kept}") from error
        raise


@contextmanager
def disk_shortage(folder: Path, kept: str) -> Iterator[None]:
    """Turn a disk that does not take the latents of `folder` into a FilmError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise FilmError(f"the disk of {folder} is full. {kept}") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise FilmError(
                f"{error.filename or folder} cannot be written ({error.strerror}); "
                "choose another folder with --latents"
            ) from error
        if isinstance(error, FileError):  # a limit of the file system or of the account
            raise FilmError(f"{error} {kept}") from error
        raise
