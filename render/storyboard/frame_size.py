"""The size of the film's frames as a storyboard writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from render.media.codecs import LEAST_SIDE
from render.storyboard.context import ShotContext
from render.storyboard.reader import Reader
from render.storyboard.values import Number, Pair
from render.storyboard.yaml_nodes import Mistake, Node, Scalar, Sequence
from render.text import quoted

SIDE_LIMIT = 4096  # pixels
SIDES = Pair(
    Number(LEAST_SIDE, SIDE_LIMIT, whole=True), ("width", "height"), "[320, 192] or 320x192"
)
SIZE_TEXT = r"^\s*([0-9]+)\s*[xX]\s*([0-9]+)\s*$"


@dataclass(frozen=True)
class FrameSize:
    """Width and height, as a list or with an x between them."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> tuple[int, ...]:
        """(width, height) in pixels; raises Mistake, or AlreadyReported for a wrong side."""
        if isinstance(node, Scalar) and not node.null:
            match = re.fullmatch(SIZE_TEXT, node.text)
            if match is None:
                message = f"{key} {quoted(node.text)} is not two numbers. Write "
                raise Mistake(node, message + _meant_size(node.text))
            sides = (Scalar(side, node.line, node.column) for side in match.groups())
            node = Sequence(tuple(sides), node.line, node.column)
        return SIDES.read(node, key, context, reader)

    def schema(self) -> dict[str, Any]:
        """An array of two whole numbers, or a text such as 320x192."""
        return {"anyOf": [SIDES.schema(), {"type": "string", "pattern": SIZE_TEXT}]}


def _meant_size(text: str) -> str:
    """The size that 1080p or 640*480 stands for; an example where that cannot be told."""
    if tall := re.fullmatch(r"\s*([0-9]{3,4})p\s*", text):
        height = int(tall[1])
        return f"{2 * round(height * 8 / 9)}x{height}"  # 16:9, and even
    if pair := re.fullmatch(r"\D*([0-9]{2,4})\D+([0-9]{2,4})\D*", text):
        return f"{pair[1]}x{pair[2]}"
    return "two such as 320x192"
