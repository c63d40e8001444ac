"""Small files of Render's own beside models: what was measured, chosen and checked."""

from __future__ import annotations

import errno
import os
from pathlib import Path

LARGEST_RECORD = 1_000_000  # bytes


def read_record_text(path: Path) -> str:
    """Returns the text of a small file; raises OSError, also for a file that is too large or no
    ordinary one (to open a pipe would wait for ever), and ValueError for one that is not UTF-8."""
    if not path.is_file() and path.exists():
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
    with path.open("rb") as file:
        data = file.read(LARGEST_RECORD + 1)
    if len(data) > LARGEST_RECORD:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return data.decode("utf-8")
