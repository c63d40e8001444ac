"""Image files that a storyboard names: looked at before anything is loaded."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.reading import Reader, file_named
from render.yamlnodes import Mistake, Node, Scalar, shown

PICTURE_PIXELS = 64_000_000  # of an image that is named; more is a mistake or a bomb
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")  # no decoder that runs other programs


@dataclass(frozen=True)
class Picture:
    """An image file, named from the storyboard's folder; looked at, not kept."""

    def read(self, node: Node, key: str, reader: Reader) -> Path:
        if isinstance(node, Scalar) and re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]*://", node.text):
            message = f"{key} {shown(node.text)} is an address, and Render reads only files. "
            raise Mistake(node, message + "Download the picture first and name its file")

        def look(path: Path) -> str | None:
            if path not in reader.pictures:
                reader.pictures[path] = look_at(path)
            return reader.pictures[path]

        return file_named(node, key, reader, "an image", look)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


def look_at(path: Path) -> str | None:
    """The end of a sentence that says why this is no usable image; None when it is one."""
    if path.is_dir():
        return "is a folder. Name an image in it"
    if not path.exists():
        return f"is not there. Put the image at {path}, or correct its name"
    if not path.is_file():
        return "is not an ordinary file. Name an image"
    from PIL import Image  # only where an image is named: its import costs as much as all else

    too_large = f"Scale it to {PICTURE_PIXELS // 1_000_000} million pixels or fewer"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images; we refuse them below
            with Image.open(path, formats=PICTURE_FORMATS) as image:
                width, height = image.size
                if width * height > PICTURE_PIXELS:
                    return f"is {width}x{height} pixels. {too_large}"
                if image.format == "PNG":
                    image.verify()  # every chunk's checksum, without decoding
                else:
                    image.draft("L", (width // 8, height // 8))  # JPEG decodes 8 times smaller
                    image.load()
    except Image.DecompressionBombError:
        return f"is far too large. {too_large}"
    except PermissionError:
        return "may not be read. Give yourself the right to read it"
    except (OSError, SyntaxError, ValueError):  # Pillow's words for broken files
        return f"is not an image that can be read. Use one of {', '.join(PICTURE_FORMATS)}"
    return None
