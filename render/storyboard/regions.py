"""Parts of the picture that a prompt may be meant for: by name, or by a picture of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.storyboard.model import NAMES
from render.storyboard.named_files import ImageFile
from render.storyboard.reader import Reader, single_value, suggestion
from render.storyboard.tables import Row, Table, short_for
from render.storyboard.values import Switch
from render.storyboard.yaml_nodes import Mistake, Node
from render.text import quoted

SKEW = 0.02  # by how much a mask's shape may differ from the film's


@dataclass(frozen=True)
class Mask:
    """One of NAMES, or a picture of the film's shape."""

    def read(self, node: Node, key: str, reader: Reader) -> str | Path:
        text = single_value(
            node, key, f"one of {', '.join(NAMES)}, or the path of an image"
        ).text.strip()
        if text in NAMES:
            return text
        if "." not in text and "/" not in text:
            message = f"{key} {quoted(text)} is not known. {suggestion(text, NAMES)}"
            raise Mistake(node, f"{message}, or write the path of an image")
        path = ImageFile().read(node, key, reader)
        found = reader.pictures[path]
        if reader.size is not None and not isinstance(found, str):
            (width, height), (wide, high) = found, reader.size
            if abs(width * high / (height * wide) - 1) > SKEW:
                message = (
                    f"{key} {quoted(text)} is {width}x{height}, another shape than the film's "
                )
                raise Mistake(node, f"{message}{wide}x{high}. Draw it in that size")
        return path

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(NAMES)}, {"type": "string", "pattern": r"[./]"}]}


WHERE = Table(
    (
        Row("mask", Mask(), "name", "top, left-third, from-bottom, ... or an image", required=True),
        Row("moves", Switch(), "moves", "true: it moves with the camera as the shot goes on"),
    ),
    short=short_for("mask"),
    shorthand=Mask().schema(),
)
