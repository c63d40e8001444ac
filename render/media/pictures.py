"""The one way in for picture files: what they mean is what every viewer shows.

Upright as their EXIF says, in sRGB whatever profile they carry, with what is transparent apart.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from render.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")  # no decoder that runs other programs
# What Pillow, zlib and `has_all_rows` raise for broken files, as fuzzing found.
BROKEN = (
    OSError, SyntaxError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError,
    OverflowError, struct.error, zlib.error,
)  # fmt: skip
DEEP = 65535  # the greatest value of a channel of 16 bits
LARGE = 16_000_000  # pixels
BAND = 256  # rows of a deep picture that are converted at a time
PIECE = 1 << 20  # bytes
# The passes of an interlaced PNG: first column and row, and the steps between them.
ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
    (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip


class PictureError(InputError):
    """A picture whose values have no meaning as colours; the end of a sentence."""


def read_picture(path: Path) -> Image.Image:
    """Returns a picture file as RGBA in sRGB, 8 bits a channel, upright.

    Values of 16 bits and those of floats from 0 to 1 are scaled to 8 bits. A picture of more than
    LARGE pixels is averaged over squares first, so that it takes less memory. Raises PictureError
    for other values, and what Pillow raises for a file that it cannot read.
    """
    from PIL import Image, ImageOps

    with Image.open(path, formats=IMAGE_FORMATS) as image:
        profile = image.info.get("icc_profile")
        smaller = math.isqrt(max(1, image.width * image.height // LARGE))
        upright = ImageOps.exif_transpose(_reduced(image, smaller))
        if upright.mode.startswith(("I", "F")):
            upright = scaled_to_bytes(upright)
        if upright.mode in ("P", "PA", "1", "La", "RGBa"):
            has_alpha = "A" in upright.mode or "a" in upright.mode or "transparency" in upright.info
            upright = upright.convert("RGBA" if has_alpha else "RGB")
        # Pillow could not average a palette or deep channels.
        if (factor := math.isqrt(upright.width * upright.height // LARGE)) > 1:
            upright = upright.reduce(factor)
        if isinstance(profile, bytes):
            upright = in_srgb(upright, profile)
        return upright.convert("RGBA")


def open_picture(path: Path) -> Image.Image:
    """Returns what `read_picture` gives; raises InputError, also for pixels that are damaged, which
    is only found when they are decoded."""
    try:
        return read_picture(path)
    except PictureError as error:
        raise InputError(f"{path} {error}") from error
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        raise InputError(f"{path} is damaged and cannot be read whole: {error}") from error


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Returns a picture that is not loaded yet, averaged over squares of `factor` pixels, if there
    are several in one and if Pillow can do that for what it holds."""
    from PIL import ExifTags

    if factor < 2:
        return image
    # A JPEG is decoded at a half, a quarter or an eighth of its size.
    width = image.width
    image.draft(image.mode, (image.width // factor, image.height // factor))
    factor = max(1, factor * image.width // width)
    if factor == 1 or image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB"):
        return image
    orientation = image.getexif().get(ExifTags.Base.Orientation)
    made = image.reduce(factor)
    if orientation:
        made.getexif()[ExifTags.Base.Orientation] = orientation
    return made


def has_all_rows(path: Path) -> bool:
    """Returns whether the pixels of a PNG are all there; Pillow leaves missing rows black. Decodes
    nothing but the compression, in small pieces, and knows only files whose chunks are right."""
    with path.open("rb") as file:
        file.seek(8)
        length, kind = struct.unpack(">I4s", file.read(8))
        width, height, bits, colours, _, _, interlaced = struct.unpack(">IIBBBBB", file.read(13))
        file.seek(8 + 12 + length)
        depth = bits * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
        passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
        missing = 0
        for x, y, across, down in passes:
            columns, rows = -(-(width - x) // across), -(-(height - y) // down)
            if columns > 0 and rows > 0:
                missing += rows * (1 + -(-columns * depth // 8))
        stream = zlib.decompressobj()
        while missing > 0 and kind != b"IEND":
            length, kind = struct.unpack(">I4s", file.read(8))
            end = file.tell() + length + 4
            while kind == b"IDAT" and missing > 0 and file.tell() < end - 4:
                waiting = file.read(min(PIECE, end - 4 - file.tell()))
                while waiting and missing > 0:
                    missing -= len(stream.decompress(waiting, PIECE))
                    waiting = stream.unconsumed_tail
            file.seek(end)
    return missing <= 0


def scaled_to_bytes(image: Image.Image) -> Image.Image:
    """Returns a picture of one deep channel in grey of 8 bits; raises PictureError."""
    import numpy as np
    from PIL import Image

    low, high = 0.0, 0.0
    most = 1.0 if image.mode.startswith("F") else float(DEEP)
    grey = np.empty((image.height, image.width), np.uint8)
    bands = range(0, image.height, BAND)  # in double precision the whole would take much memory
    for top in bands:
        box = (0, top, image.width, min(top + BAND, image.height))
        values = np.asarray(image.crop(box), dtype=np.float64)
        if not np.isfinite(values).all():
            raise PictureError("holds values that are no numbers. Export it as a PNG")
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        if low >= 0 and high <= most:
            grey[top : top + BAND] = (values * (255 / most)).round()
    if low < 0 or high > most:
        meant = "0 to 1" if most == 1 else f"0 to {DEEP}"
        raise PictureError(
            f"holds values from {low:g} to {high:g}, and {meant} are colours. Export it as a PNG"
        )
    return Image.fromarray(grey)


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Returns a picture converted from its colour profile to sRGB, its alpha unchanged.

    A profile that is damaged, or for another kind of colours than the picture has, is ignored, as
    viewers do.
    """
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}.get(
            str(source.profile.xcolor_space).strip()
        )
        alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
        colours = image.convert({"RGBA": "RGB", "LA": "L"}.get(image.mode, image.mode))
        if colours.mode == "L" and mode == "RGB":
            colours = colours.convert("RGB")
        if colours.mode != mode:
            return image
        converted = ImageCms.profileToProfile(
            colours,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    if converted is None:
        return image
    if alpha is not None:
        converted.putalpha(alpha)
    result: Image.Image = converted
    return result


def flattened(picture: Image.Image, background: str) -> Image.Image:
    """Returns an RGBA picture in RGB, with a colour behind what is transparent."""
    from PIL import Image

    behind = Image.new("RGBA", picture.size, background)
    return Image.alpha_composite(behind, picture).convert("RGB")


def is_dark(path: Path) -> bool:
    """Returns whether a mask is black or transparent everywhere; False if it cannot be read."""
    try:
        extrema = flattened(read_picture(path), "black").getextrema()
    except (*BROKEN, PictureError):
        return False
    return max(int(high) for _, high in extrema) == 0  # type: ignore[misc]
