"""Shortages of memory and disk are reported as sentences."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from tiny_film import tiny_plan

from render.errors import FilmError
from render.media.atomic import FileError
from render.plan.memory import HOST_MEMORY
from render.synthesis.resource_errors import film_shortages


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk of .* is full"),
        (OSError(errno.EACCES, "Permission denied", "x"), "cannot be written"),
        (FileError(errno.EFBIG, "File too large", "x"), "x was not written: .* kept in"),
        (torch.OutOfMemoryError("CUDA out of memory"), "needs about .* GiB"),
        (MemoryError(), "cutouts: 1 needs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out of memory"),
    ],
)
def test_a_shortage_is_reported_in_a_sentence(
    tmp_path: Path, error: Exception, sentence: str
) -> None:
    with (
        pytest.raises(FilmError, match=sentence),
        film_shortages(tiny_plan(), tmp_path, HOST_MEMORY),
    ):
        raise error


def test_other_errors_are_raised_unchanged(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="a defect"),
        film_shortages(tiny_plan(), tmp_path, HOST_MEMORY),
    ):
        raise RuntimeError("a defect")
