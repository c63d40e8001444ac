"""Images and latents that a storyboard names: looked at before anything is loaded."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.storyboard.reader import Reader, named_file
from render.storyboard.yaml_nodes import SIZE_LIMIT, Mistake, Node, Scalar, Sequence, compose
from render.storyboard.yaml_nodes import Mapping as YamlMapping
from render.text import quoted

PIXEL_LIMIT = 64_000_000  # of an image that is named; more is a mistake or a bomb
LATENT_SIDE = 8192  # pixels of the picture it stands for; twice a film's longest side
QUARTER_TURNS = (5, 6, 7, 8)  # of EXIF's orientations: those that swap a picture's sides
IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")  # no decoder that runs other programs


@dataclass(frozen=True)
class ImageFile:
    """An image file, named from the storyboard's folder; looked at, not kept."""

    def read(self, node: Node, key: str, reader: Reader) -> Path:
        if isinstance(node, Scalar) and re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]*://", node.text):
            message = f"{key} {quoted(node.text)} is an address, and Render reads only files. "
            raise Mistake(node, message + "Download the picture first and name its file")

        def look(path: Path) -> str | None:
            if path not in reader.pictures:
                reader.pictures[path] = probe_image(path)
            found = reader.pictures[path]
            return found if isinstance(found, str) else None

        return named_file(node, key, reader, "an image", look)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


@dataclass(frozen=True)
class StoredLatent:
    """A latent that Render wrote by the film's own generator, named as a picture is."""

    def read(self, node: Node, key: str, reader: Reader) -> Path:
        def look(path: Path) -> str | None:
            return latent_problem(path, reader.generator)

        return named_file(node, key, reader, "a latent that Render wrote (.safetensors)", look)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


def latent_problem(path: Path, generator: str) -> str | None:
    """The end of a sentence that says why this is no latent for that generator; None if it is."""
    from render.media.provenance import ProvenanceError, generator_of, read_note
    from render.media.safetensors_header import LARGEST_LATENT, is_whole, read_header, tensors_end
    from render.weights import library

    if not path.exists():
        return f"is not there. Put the latent at {path}, or correct its name"
    try:
        note = read_note(path) if path.is_file() and is_whole(path) else {}
    except ProvenanceError:
        note = {}
    if note.get("kind") != "latent":
        return "is not a latent that Render wrote. Name one of a film's .latents folder"
    header = read_header(path)
    entry = header.get("latent", {})
    shape = entry.get("shape")
    if (
        path.stat().st_size > LARGEST_LATENT
        or entry.get("dtype") != "F32"
        or not isinstance(shape, list)
        or [type(side) for side in shape] != [int] * 4
        or shape[0] != 1
        or max(shape[2:]) * library.known_models("generator")[generator].factor > LATENT_SIDE
    ):
        return "holds no latent of a size that Render makes. Name another"
    with path.open("rb") as file:
        file.seek(-tensors_end(header), os.SEEK_END)
        written = hashlib.sha256(file.read()).hexdigest()
    if note.get("sha256", written) != written:
        return "was changed since Render wrote it. Put the right one back, or name another"
    maker, digest = generator_of(note)
    instead = "Only its own generator can read a latent: name a still of it under image"
    if maker != generator:
        return f"was made by the generator {maker}, and the film's is {generator}. {instead}"
    here = library.known_models("generator")[
        generator
    ]  # else it is fetched before the film is made
    if library.weights_path(here) and digest != library.weights_digest(here):
        return f"was made by another version of the generator {generator}. {instead}"
    return None


def probe_image(path: Path) -> tuple[int, int] | str:
    """An image's (width, height) when it is upright, as it is loaded; or why this is no usable one,
    as the end of a sentence."""
    if path.is_dir():
        return "is a folder. Name an image in it"
    if not path.exists():
        return f"is not there. Put the image at {path}, or correct its name"
    if not path.is_file():
        return "is not an ordinary file. Name an image"
    # Only where an image is named: its import costs as much as all else.
    from PIL import ExifTags, Image

    too_large = f"Scale it to {PIXEL_LIMIT // 1_000_000} million pixels or fewer"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images; we refuse them below
            with Image.open(path, formats=IMAGE_FORMATS) as image:
                width, height = image.size
                if width * height > PIXEL_LIMIT:
                    return f"is {width}x{height} pixels. {too_large}"
                # Not a PNG's own getexif, which decodes it to see what stands behind its pixels.
                turned = Image.Image.getexif(image).get(ExifTags.Base.Orientation) in QUARTER_TURNS
                if turned and image.format != "TIFF":  # whose size Pillow turns by itself
                    width, height = height, width
                if image.format == "PNG":
                    image.verify()  # every chunk's checksum, without decoding
                else:
                    image.draft("L", (1, 1))  # JPEG decodes 8 times smaller
                    image.load()
    except Image.DecompressionBombError:
        return f"is far too large. {too_large}"
    except PermissionError:
        return "may not be read. Give yourself the right to read it"
    except (OSError, SyntaxError, ValueError, struct.error):  # Pillow's words for broken files
        return f"is not an image that can be read. Use one of {', '.join(IMAGE_FORMATS)}"
    return width, height


def files_named_in(storyboard: str) -> list[str]:
    """The pictures and latents that a storyboard, right or wrong, names from its own folder."""
    if len(storyboard) > SIZE_LIMIT:
        return []
    names = dict.fromkeys(_files_named(compose(storyboard, [])))
    return [name for name in names if not Path(name).is_absolute()]


def _files_named(node: Node | None) -> Iterator[str]:
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _files_named(item)
    elif isinstance(node, YamlMapping):
        for key, value in node.entries:
            if key.text == "losses":  # one of which is called latent too
                continue
            if (
                key.text in ("init", "image", "latent", "mask", "palette", "where")
                and isinstance(value, Scalar)
                and not value.null
                and (key.text != "where" or re.search(r"[./]", value.text))  # else a region's name
            ):
                yield value.text
            else:
                yield from _files_named(value)
