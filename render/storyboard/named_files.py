"""The files that a storyboard names, checked before anything is loaded: images and latents."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.media.pictures import (
    BROKEN,
    IMAGE_FORMATS,
    PictureError,
    has_all_rows,
    scaled_to_bytes,
)
from render.storyboard.context import FilmContext, ShotContext
from render.storyboard.reader import Reader, single_value
from render.storyboard.yaml_nodes import SIZE_LIMIT, Mistake, Node, Scalar, Sequence, compose
from render.storyboard.yaml_nodes import Mapping as YamlMapping
from render.text import is_printable, nearest, quoted
from render.weights.catalog import Model
from render.weights.kinds import is_shape_of

PIXEL_LIMIT = 64_000_000  # of an image; a larger one is a mistake or a decompression bomb
ASPECT_LIMIT = 40  # times the shorter side; scaled to cover a frame, a narrower one takes gigabytes
QUARTER_TURNS = (5, 6, 7, 8)  # the EXIF orientations that swap an image's sides
LATENT_SUFFIX = ".safetensors"
FOLDER_LIMIT = 10_000  # entries of a folder that are compared with a name
QUOTES = " \t'\""


@dataclass(frozen=True)
class ImageFile:
    """An image file, by its path from the storyboard's folder; only probed, not loaded."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Path:
        """The image's path; raises Mistake if it cannot be used."""

        def problem_of(path: Path) -> str | None:
            if path not in reader.pictures:
                reader.pictures[path] = probe_image(path)
            found = reader.pictures[path]
            if isinstance(found, str):
                return found
            if max(found) > ASPECT_LIMIT * min(found):
                return f"is {found[0]}x{found[1]} pixels, too narrow to fill a frame. Crop it"
            return None

        return named_file(node, key, context.film, "an image", problem_of)

    def schema(self) -> dict[str, Any]:
        """A string."""
        return {"type": "string"}


@dataclass(frozen=True)
class StoredLatent:
    """A latent that Render wrote with the film's own generator, by its path."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Path:
        """The latent's path; raises Mistake if it cannot be used."""
        film = context.film

        def problem_of(path: Path) -> str | None:
            return latent_problem(path, film.generator_model)

        what = "a latent that Render wrote (.safetensors)"
        return named_file(node, key, film, what, problem_of)

    def schema(self) -> dict[str, Any]:
        """A string."""
        return {"type": "string"}


@dataclass(frozen=True)
class Beginning:
    """What a shot begins with: an image, or a latent of the film's own generator."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Path:
        """The file's path; a latent's ends in .safetensors. Raises Mistake."""
        if isinstance(node, YamlMapping):
            latent = node.get("latent")
            if len(node.entries) != 1 or latent is None:
                raise Mistake(node, f"{key} is a mapping. Write a path, or {{latent: PATH}}")
            return StoredLatent().read(latent, f"{key}: latent", context, reader)
        if isinstance(node, Scalar) and node.text.strip().lower().endswith(LATENT_SUFFIX):
            return StoredLatent().read(node, key, context, reader)
        return ImageFile().read(node, key, context, reader)

    def schema(self) -> dict[str, Any]:
        """A string, or a mapping with a latent."""
        latent = {"type": "object", "properties": {"latent": {"type": "string"}}}
        return {"anyOf": [{"type": "string"}, {**latent, "additionalProperties": False}]}


@dataclass(frozen=True)
class ShotsFile:
    """A YAML file with more shots, by its path from the storyboard's folder."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Path:
        """The file's path; raises Mistake if there is none."""

        def problem_of(path: Path) -> str | None:
            return None if path.is_file() else "is not an ordinary file. Name one with shots"

        return named_file(node, key, context.film, "a file with shots", problem_of)

    def schema(self) -> dict[str, Any]:
        """A string."""
        return {"type": "string"}


def named_file(
    node: Node, key: str, film: FilmContext, what: str, problem_of: Callable[[Path], str | None]
) -> Path:
    """The resolved path of a file that is named from the film's folder; raises Mistake if it is no
    use, or elsewhere: a storyboard from anywhere would otherwise open any file.

    `problem_of` returns what is wrong with the file as the end of a sentence, or None.
    """
    place = f"the path of {what}, from the storyboard's folder"
    name = single_value(node, key, place).text
    try:
        path = (film.folder / name).resolve()
        root = film.root.resolve()
        if not film.allow_outside and not path.is_relative_to(root) and is_printable(name):
            message = f"{key} {quoted(name)} is outside the storyboard's folder. Put the file into "
            raise Mistake(node, f"{message}it, or trust this storyboard: --allow-outside")
        if foreign := foreign_path(name, path):
            raise Mistake(node, f"{key} {quoted(name)} {foreign}")
        if is_printable(name) and not os.path.lexists(path):
            message = f"{key} {quoted(name)} is not there.{similar_name(path)} "
            raise Mistake(node, f"{message}Put the file at {path}, or correct its name")
        # The name of a link's target is checked too: sentences and tables show the resolved name.
        if is_printable(name + path.name):
            wrong = problem_of(path)
        else:
            wrong = "holds control characters. Rename the file"
    except (OSError, ValueError, RuntimeError):  # too long, holds a NUL, or links in a circle
        wrong = f"cannot be a file's name. Write {place}"
    if wrong:
        raise Mistake(node, f"{key} {quoted(name)} {wrong}")
    return path


def foreign_path(name: str, path: Path) -> str | None:
    """What is wrong with a name that is written for another system or program, as the end of a
    sentence; None where it may be a file's name, which may yet be absent."""
    if re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]+:/", name):
        return "is an address, and Render reads only files. Download it and name the file"
    if path.exists():
        return None
    if re.match(r"[A-Za-z]:[\\/]", name) and os.name != "nt":
        last = re.split(r"[\\/]", name)[-1]
        return (
            "is a path of a Windows machine. Put the file beside the storyboard and write "
            f"{quoted(last)}"
        )
    if "\\" in name and os.name != "nt":
        return f"has backslashes. Write folders with /: {quoted(name.replace(chr(92), '/'))}"
    if name.startswith("~") or re.match(r"\$\{?\w|%\w+%", name):
        return (
            f"is not there: {re.split(r'[/]', name)[0]} is not expanded here. Write the path from "
            "the storyboard's folder, or the whole path"
        )
    if name != name.strip() or (len(name) > 1 and name[0] == name[-1] and name[0] in "'\""):
        return f"is not there. Write it without what stands around it: {quoted(name.strip(QUOTES))}"
    return None


def similar_name(path: Path) -> str:
    """A sentence that names the file of the folder that was probably meant; "" if none is near."""
    try:
        entries = itertools.islice(os.scandir(path.parent), FOLDER_LIMIT)
        names = {Path(entry.name).stem: entry.name for entry in entries}
    except OSError:
        return ""
    near = nearest(path.stem, names, 0.75)
    return f" Did you mean {quoted(names[near])}?" if near else ""


def latent_problem(path: Path, generator: Model) -> str | None:
    """Why a file is no latent of that generator, as the end of a sentence; None if it is one."""
    from render.media.provenance import ProvenanceError, read_note
    from render.media.safetensors_header import (
        LARGEST_LATENT,
        is_whole,
        read_header,
        tensors_end,
    )

    if not path.exists():
        return f"is not there. Put the latent at {path}, or correct its name"
    try:
        note = read_note(path) if path.is_file() and is_whole(path) else {}
    except ProvenanceError:
        note = {}
    if note.get("kind") != "latent":
        return "is not a latent that Render wrote. Name one of a film's .latents folder"
    if path.stat().st_size > LARGEST_LATENT:
        return "holds no latent of a size that Render makes. Name another"
    header = read_header(path)
    if wrong := _wrong_shape(header.get("latent", {}), path, note, generator):
        return wrong
    with path.open("rb") as file:
        file.seek(-tensors_end(header), os.SEEK_END)
        written = hashlib.sha256(file.read()).hexdigest()
    if note.get("sha256", written) != written:
        return "was changed since Render wrote it. Put the right one back, or name another"
    return _other_generator(note, generator)


def _wrong_shape(
    entry: dict[str, Any], path: Path, note: dict[str, Any], generator: Model
) -> str | None:
    """Why a safetensors header's entry is no float32 latent (1, C, h, w) of a possible size, as the
    end of a sentence; None if it is one."""
    from render.media.provenance import generator_of

    if generator_of(note)[0] != generator.name:
        return None  # which is told
    shape = entry.get("shape")
    if (
        entry.get("dtype") != "F32"
        or not isinstance(shape, list)
        or not is_shape_of(generator, shape)
    ):
        return "holds no latent of a size that Render makes. Name another"
    count = None if generator.has_weights else generator.config.get("count")
    if count is not None and shape[2] != count:
        return f"has {shape[2]} strokes, and the film's drawings have {count}. Name another"
    return None


def _other_generator(note: dict[str, Any], generator: Model) -> str | None:
    """Why a latent cannot be decoded by that generator, by its note; None if it can."""
    from render.media.provenance import generator_of
    from render.weights.library import decodes_latents_of, weights_path

    maker, digest = generator_of(note)
    instead = "Only its own generator can read a latent: name a still of it instead"
    if maker != generator.name:
        return f"was made by the generator {maker}, and the film's is {generator.name}. {instead}"
    # Weights that are not here are downloaded before the film is made, and compared then.
    is_here = weights_path(generator) or not generator.has_weights
    if is_here and not decodes_latents_of(generator, digest):
        return f"was made by another version of the generator {generator.name}. {instead}"
    return None


def probe_image(path: Path) -> tuple[int, int] | str:
    """An image's (width, height) as it is loaded, upright; or why it is unusable.

    The reason is the end of a sentence.
    """
    if path.is_dir():
        return "is a folder. Name an image in it"
    if not path.exists():
        return f"is not there. Put the image at {path}, or correct its name"
    if not path.is_file():
        return "is not an ordinary file. Name an image"
    # Imported only for storyboards that name images: it takes as long as all other imports.
    from PIL import ExifTags, Image

    too_large = f"Scale it to {PIXEL_LIMIT // 1_000_000} million pixels or fewer"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images; they are refused below
            with Image.open(path, formats=IMAGE_FORMATS) as image:
                width, height = image.size
                if width * height > PIXEL_LIMIT:
                    return f"is {width}x{height} pixels. {too_large}"
                # Not PngImageFile.getexif, which decodes the image to find what follows its pixels.
                turned = Image.Image.getexif(image).get(ExifTags.Base.Orientation) in QUARTER_TURNS
                if turned and image.format != "TIFF":  # Pillow turns the size of a TIFF itself
                    width, height = height, width
                if image.format == "PNG":
                    image.verify()  # every chunk's checksum, without decoding
                    if not has_all_rows(path):
                        return "is cut short: the end of its pixels is missing. Export it again"
                else:
                    image.draft("L", (1, 1))  # a JPEG is decoded at an eighth of its size
                    image.load()
                if image.mode.startswith(("I", "F")) and image.mode != "I;16":
                    with Image.open(path, formats=IMAGE_FORMATS) as deep:
                        scaled_to_bytes(deep)
    except PictureError as error:
        return str(error)
    except Image.DecompressionBombError:
        return f"is far too large. {too_large}"
    except PermissionError:
        return "may not be read. Give yourself the right to read it"
    except BROKEN:
        known = ", ".join(IMAGE_FORMATS)
        return f"is not an image that can be read, or is damaged. Use one of {known}"
    return width, height


def files_named_in(storyboard: str) -> list[str]:
    """The relative paths of images and latents in the text of a storyboard, right or wrong."""
    if len(storyboard) > SIZE_LIMIT:
        return []
    names = dict.fromkeys(_files_named(compose(storyboard, [])))
    return [name for name in names if not Path(name).is_absolute()]


def _files_named(node: Node | None) -> Iterator[str]:
    """The values under a node whose keys name files."""
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _files_named(item)
    elif isinstance(node, YamlMapping):
        for key, value in node.entries:
            if key.text == "losses":  # one of the losses is called latent too
                continue
            if (
                key.text in ("init", "image", "latent", "mask", "palette", "where", "include")
                and isinstance(value, Scalar)
                and not value.null
                and (
                    key.text != "where" or re.search(r"[./]", value.text)
                )  # else it is a region's name
            ):
                yield value.text
            else:
                yield from _files_named(value)
