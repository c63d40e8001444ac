"""The note of a file as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LARGEST_NOTE = 64_000_000  # bytes; what is larger in a file is no note of Render's


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
