"""The one way in for picture files: what they mean is what every viewer shows.

Upright as their EXIF says, in sRGB whatever profile they carry, with what is transparent apart.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from render.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")  # no decoder that runs other programs
DEEP = 65535  # the greatest value of a channel of 16 bits


class PictureError(InputError):
    """A picture whose values have no meaning as colours; the end of a sentence."""


def read_picture(path: Path) -> Image.Image:
    """Returns a picture file as RGBA in sRGB, 8 bits a channel, upright.

    Values of 16 bits and those of floats from 0 to 1 are scaled to 8 bits. Raises PictureError for
    other values, and what Pillow raises for a file that it cannot read.
    """
    from PIL import Image, ImageOps

    with Image.open(path, formats=IMAGE_FORMATS) as image:
        profile = image.info.get("icc_profile")
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith(("I", "F")):
            upright = scaled_to_bytes(upright)
        if upright.mode in ("P", "PA", "1", "La", "RGBa"):
            has_alpha = "A" in upright.mode or "a" in upright.mode or "transparency" in upright.info
            upright = upright.convert("RGBA" if has_alpha else "RGB")
        if isinstance(profile, bytes):
            upright = in_srgb(upright, profile)
        return upright.convert("RGBA")


def scaled_to_bytes(image: Image.Image) -> Image.Image:
    """Returns a picture of one deep channel in grey of 8 bits; raises PictureError."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise PictureError("holds values that are no numbers. Export it as a PNG")
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    most = 1.0 if image.mode.startswith("F") else float(DEEP)
    if low < 0 or high > most:
        meant = "0 to 1" if most == 1 else f"0 to {DEEP}"
        raise PictureError(
            f"holds values from {low:g} to {high:g}, and {meant} are colours. Export it as a PNG"
        )
    return Image.fromarray((values * (255 / most)).round().astype(np.uint8))


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
    except (OSError, SyntaxError, ValueError, PictureError):
        return False
    return max(int(high) for _, high in extrema) == 0  # type: ignore[misc]
