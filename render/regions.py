"""Parts of the picture that a prompt may be meant for: by name, or by a picture of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.fields import Switch
from render.groups import Group, Row, standing_for
from render.pictures import Picture
from render.reading import Reader, suggestion, written
from render.yamlnodes import Mistake, Node, shown

# Left, top, right and bottom, as shares of the frame.
BOXES: dict[str, tuple[float, float, float, float]] = {
    "top": (0, 0, 1, 1 / 2),
    "bottom": (0, 1 / 2, 1, 1),
    "left": (0, 0, 1 / 2, 1),
    "right": (1 / 2, 0, 1, 1),
    "top-third": (0, 0, 1, 1 / 3),
    "middle-third": (0, 1 / 3, 1, 2 / 3),
    "bottom-third": (0, 2 / 3, 1, 1),
    "left-third": (0, 0, 1 / 3, 1),
    "centre-third": (1 / 3, 0, 2 / 3, 1),
    "right-third": (2 / 3, 0, 1, 1),
}
# All of it at that edge, less and less of it towards the other: (across, down), where it is all.
FADES: dict[str, tuple[int, int]] = {
    "from-top": (0, -1),
    "from-bottom": (0, 1),
    "from-left": (-1, 0),
    "from-right": (1, 0),
}
NAMES = (*BOXES, *FADES)
SKEW = 0.02  # by how much a mask's shape may differ from the film's


@dataclass(frozen=True)
class Region:
    """A part of the picture."""

    name: str | Path  # one of NAMES, or a picture that is light where the prompt is meant
    moves: bool = False  # with the camera, from where it is when the shot begins

    @property
    def picture(self) -> Path | None:
        return self.name if isinstance(self.name, Path) else None


@dataclass(frozen=True)
class Mask:
    """One of NAMES, or a picture of the film's shape."""

    def read(self, node: Node, key: str, reader: Reader) -> str | Path:
        text = written(
            node, key, f"one of {', '.join(NAMES)}, or the path of an image"
        ).text.strip()
        if text in NAMES:
            return text
        if "." not in text and "/" not in text:
            message = f"{key} {shown(text)} is not known. {suggestion(text, NAMES)}"
            raise Mistake(node, f"{message}, or write the path of an image")
        path = Picture().read(node, key, reader)
        found = reader.pictures[path]
        if reader.size is not None and not isinstance(found, str):
            (width, height), (wide, high) = found, reader.size
            if abs(width * high / (height * wide) - 1) > SKEW:
                message = f"{key} {shown(text)} is {width}x{height}, another shape than the film's "
                raise Mistake(node, f"{message}{wide}x{high}. Draw it in that size")
        return path

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(NAMES)}, {"type": "string", "pattern": r"[./]"}]}


WHERE = Group(
    (
        Row("mask", Mask(), "name", "top, left-third, from-bottom, ... or an image", required=True),
        Row("moves", Switch(), "moves", "true: it moves with the camera as the shot goes on"),
    ),
    short=standing_for("mask"),
    shorthand=Mask().schema(),
)
