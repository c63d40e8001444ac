"""Parts of the picture that a prompt may apply to: by name, or by an image as a mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.media.pictures import is_dark
from render.storyboard.context import ShotContext
from render.storyboard.model import NAMES
from render.storyboard.named_files import ImageFile
from render.storyboard.reader import Reader, single_value
from render.storyboard.suggestions import suggestion
from render.storyboard.tables import Row, Table, short_for
from render.storyboard.values import Switch
from render.storyboard.yaml_nodes import Mistake, Node
from render.text import quoted

SKEW = 0.02  # by how much a mask's aspect ratio may differ from the film's, as a share of it


@dataclass(frozen=True)
class Mask:
    """One of NAMES, or an image with the aspect ratio of the film."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> str | Path:
        """The name, or the image's path; raises Mistake."""
        text = single_value(
            node, key, f"one of {', '.join(NAMES)}, or the path of an image"
        ).text.strip()
        if text in NAMES:
            return text
        if "." not in text and "/" not in text:
            message = f"{key} {quoted(text)} is not known. {suggestion(text, NAMES)}"
            raise Mistake(node, f"{message}, or write the path of an image")
        path = ImageFile().read(node, key, context, reader)
        size, film_size = reader.pictures[path], context.film.size
        if film_size is not None and not isinstance(size, str):
            (width, height), (film_width, film_height) = size, film_size
            if abs(width * film_height / (height * film_width) - 1) > SKEW:
                shape = f"{key} {quoted(text)} is {width}x{height}, another shape than the film's "
                way = f"{film_width}x{film_height}. Draw it in that size"
                raise Mistake(node, shape + way)
        if path not in reader.masks:
            reader.masks[path] = is_dark(path)
        if reader.masks[path]:
            message = f"{key} {quoted(text)} is black or transparent everywhere, so the prompt is "
            reader.warn(node, f"{message}meant for nothing. Draw in white where it is meant")
        return path

    def schema(self) -> dict[str, Any]:
        """A name, or a text with a dot or a slash."""
        return {"anyOf": [{"enum": list(NAMES)}, {"type": "string", "pattern": r"[./]"}]}


WHERE = Table(
    (
        Row("mask", Mask(), "name", "top, left-third, from-bottom, ... or an image", required=True),
        Row("moves", Switch(), "moves", "true: it moves with the camera as the shot goes on"),
    ),
    short=short_for("mask"),
    shorthand=Mask().schema(),
)
