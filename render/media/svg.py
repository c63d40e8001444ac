"""Drawings as SVG files: strokes on paper, with Render's note in the element `metadata`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import escape, unescape

from render.media.atomic import atomic_write, file_errors
from render.media.note_text import LARGEST_NOTE
from render.media.seal import FIELD, UNSEALED, seal_film

START = '<svg xmlns="http://www.w3.org/2000/svg"'  # of every SVG that Render writes
NOTE = '<metadata id="render">'


@dataclass(frozen=True)
class Stroke:
    """A cubic Bezier curve in pixels from the top left, with round ends."""

    points: Sequence[float]  # x and y of its four points
    width: float
    colour: str  # as '#rrggbb'
    opacity: float


@dataclass(frozen=True)
class Layer:
    """Strokes from the lowest to the topmost, on paper; in a dissolve above another layer."""

    paper: str  # a colour as '#rrggbb'
    strokes: Sequence[Stroke]
    opacity: float = 1.0


def write_svg(
    path: Path, size: tuple[int, int], layers: Iterable[Layer], note: Mapping[str, Any]
) -> None:
    """Writes a drawing of (width, height) in pixels with a note, atomically; raises FileError.

    The same drawing and note give the same bytes.
    """
    width, height = size
    # In ASCII: XML has no place for some characters of other texts.
    text = json.dumps({**note, FIELD: UNSEALED}, sort_keys=True, default=str)
    lines = [
        f'{START} width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f'<metadata id="render">{escape(text)}</metadata>',
    ]
    for layer in layers:
        opacity = f' opacity="{layer.opacity:.4g}"' if layer.opacity < 1 else ""
        lines.append(f'<g fill="none" stroke-linecap="round" stroke-linejoin="round"{opacity}>')
        lines.append(f'<rect width="{width}" height="{height}" fill="{layer.paper}"/>')
        lines += map(_path, layer.strokes)
        lines.append("</g>")
    with file_errors(path), atomic_write(path) as partial:
        partial.write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")
        seal_film(partial)


def _path(stroke: Stroke) -> str:
    """Returns the element of a stroke."""
    x, y, *others = (f"{number:.2f}" for number in stroke.points)
    return (
        f'<path d="M{x} {y}C{" ".join(others)}" stroke="{stroke.colour}" '
        f'stroke-width="{stroke.width:.2f}" stroke-opacity="{stroke.opacity:.3f}"/>'
    )


def read_svg(path: Path, file: IO[bytes], size: int) -> str | None:
    """Returns the text of the note in an SVG; None if it has none."""
    text = file.read(LARGEST_NOTE).decode(errors="replace")
    # Not a pattern of both ends, which would take the square of a text that has only one of them.
    _, start, rest = text.partition(NOTE)
    found, end, _ = rest.partition("</metadata>")
    return unescape(found) if start and end else None
