"""The note of a file as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Bytes; what is larger in a file is no note of Render's, whose storyboards are up to a megabyte. As
# JSON, empty lists in so many bytes take twenty times as much memory.
LARGEST_NOTE = 3_000_000


def to_text(note: Mapping[str, Any]) -> str:
    """Returns the note as one line of JSON, the same for equal notes.

    Fractions, paths and other objects become strings.
    """
    text = json.dumps(note, ensure_ascii=False, sort_keys=True, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as in a file name that is not UTF-8
        text = json.dumps(note, sort_keys=True, default=str)
    return text
