"""A shortage of memory or disk, reported as a sentence: what would fit, and what is kept."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from render.errors import FilmError
from render.media.atomic import FULL, FileError
from render.plan.memory import MemoryBudget, memory_advice
from render.plan.plan import Plan

OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")  # torch's words


def kept_message(folder: Path) -> str:
    """The sentence that says where the finished keyframes are."""
    return f"Finished keyframes are kept in {folder}; the same command goes on from there."


@contextmanager
def film_shortages(plan: Plan, folder: Path, budget: MemoryBudget) -> Iterator[None]:
    """Turn a shortage of memory, or of disk for the latents' folder, into a FilmError."""
    kept = kept_message(folder)
    with disk_shortage(folder, kept), memory_shortage(lambda: memory_advice(plan, budget), kept):
        yield


@contextmanager
def memory_shortage(advice: Callable[[], str], kept: str) -> Iterator[None]:
    """Turn running out of memory into a FilmError; `advice` says what would need less."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise FilmError(f"out of memory. {advice()} {kept}") from error
    except RuntimeError as error:
        if any(words in str(error) for words in OUT_OF_MEMORY):
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
