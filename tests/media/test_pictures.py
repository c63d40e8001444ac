"""Pictures mean what every viewer shows: profiles, depths and transparency."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from render.media.pictures import PictureError, flattened, read_picture
from render.storyboard.named_files import probe_image
from render.synthesis.images import load_image, load_mask

CPU = torch.device("cpu")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Of Display P3 and Adobe RGB, adapted to D50, as their specifications give them.
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))


def profile(colorants: tuple[tuple[float, float, float], ...]) -> bytes:
    """A profile with sRGB's curve and these colorants, red, green and blue in XYZ."""
    data = bytearray(SRGB)
    count = struct.unpack(">I", data[128:132])[0]
    places = {}
    for number in range(count):
        name, start, _ = struct.unpack(">4sII", data[132 + 12 * number : 144 + 12 * number])
        places[name] = start
    for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True):
        fixed = (round(value * 65536) for value in xyz)
        data[places[name] + 8 : places[name] + 20] = struct.pack(">3i", *fixed)
    return bytes(data)


def grey_profile() -> bytes:
    """A profile of grey whose curve is linear."""
    curve = b"curv" + bytes(8)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(78)
    tags, body, start = b"", b"", 128 + 4 + 3 * 12
    for name, part in ((b"desc", text), (b"wtpt", white), (b"kTRC", curve)):
        part += bytes(-len(part) % 4)
        tags += struct.pack(">4sII", name, start + len(body), len(part))
        body += part
    head = bytearray(SRGB[:128])
    head[16:20] = b"GRAY"
    data = head + struct.pack(">I", 3) + tags + body
    data[0:4] = struct.pack(">I", len(data))
    return bytes(data)


def colour(path: Path) -> tuple[int, ...]:
    return tuple(flattened(read_picture(path), "white").getpixel((1, 1)))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("colorants", [P3, ADOBE])
def test_colours_are_converted_through_the_profile(
    tmp_path: Path, form: str, colorants: tuple[tuple[float, float, float], ...]
) -> None:
    """A muted red of a wide space is a stronger red in sRGB."""
    path, icc = tmp_path / f"a.{form}", profile(colorants)
    options = {"quality": 100} if form in ("jpg", "webp") else {}
    Image.new("RGB", (16, 16), (180, 90, 80)).save(path, icc_profile=icc, **options)
    assert colour(path)[0] > 188
    Image.new("RGB", (16, 16), (180, 90, 80)).save(path, icc_profile=SRGB, **options)
    assert np.abs(np.subtract(colour(path), (180, 90, 80))).max() <= 2


def test_the_reference_value_of_display_p3(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (200, 100, 50)).save(tmp_path / "a.png", icc_profile=profile(P3))
    # By the matrices of CSS Color 4, worked out by hand: color(display-p3 0.784 0.392 0.196).
    assert np.abs(np.subtract(colour(tmp_path / "a.png"), (215, 93, 31))).max() <= 1


def test_alpha_survives_the_conversion(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (4, 4), (180, 90, 80, 0))
    clear.putpixel((1, 1), (180, 90, 80, 255))
    clear.save(tmp_path / "a.png", icc_profile=profile(P3))
    picture = read_picture(tmp_path / "a.png")
    assert picture.getpixel((0, 0))[3] == 0  # type: ignore[index]
    assert colour(tmp_path / "a.png")[0] > 188
    assert flattened(picture, "white").getpixel((0, 0)) == (255, 255, 255)


def test_a_grey_profile_and_a_cmyk_picture(tmp_path: Path) -> None:
    Image.new("L", (4, 4), 55).save(tmp_path / "grey.png", icc_profile=grey_profile())
    assert abs(colour(tmp_path / "grey.png")[0] - 128) < 3  # linear 0.216 is 128 in sRGB
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "ink.jpg", quality=100)
    red, green, _ = colour(tmp_path / "ink.jpg")
    assert red > 200 > 60 > green


@pytest.mark.parametrize("wrong", [b"", b"no profile", SRGB[:200], grey_profile()])
def test_a_profile_that_does_not_fit_is_ignored(tmp_path: Path, wrong: bytes) -> None:
    Image.new("RGB", (4, 4), (180, 90, 80)).save(tmp_path / "a.png", icc_profile=wrong)
    assert colour(tmp_path / "a.png") == (180, 90, 80)


@pytest.mark.parametrize(
    ("mode", "pixel"),
    [("RGBA", (255, 255, 255, 255)), ("LA", (255, 255)), ("PA", None), ("La", None)],
)
def test_outside_what_is_opaque_a_mask_is_empty(
    tmp_path: Path, mode: str, pixel: tuple[int, ...] | None
) -> None:
    mask = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    for x in range(4):
        for y in range(8):
            mask.putpixel((x, y), (255, 255, 255, 255))
    path = tmp_path / ("a.tif" if mode == "La" else "a.png")
    if mode == "PA":
        mask = mask.quantize(4)
    elif mode in ("LA", "La"):
        mask = mask.convert("LA")
    mask.save(path)
    loaded = load_mask(path, CPU, (8, 8))[0, 0]
    assert loaded[:, :3].min() > 0.9
    assert loaded[:, 5:].max() < 0.1


@pytest.mark.parametrize(
    ("values", "middle"),
    [
        (np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8), 0.5),
        (np.full((8, 8), 0.25, np.float32), 0.25),
        (np.full((8, 8), 32768, np.int32), 0.5),
        (np.full((8, 8), 32768, np.uint16), 0.5),
    ],
)
def test_deep_values_are_scaled(tmp_path: Path, values: np.ndarray, middle: float) -> None:
    path = tmp_path / "deep.tif"
    Image.fromarray(values).save(path)
    assert probe_image(path) == (8, 8)
    assert load_image(path, CPU).mean().item() == pytest.approx(middle, abs=0.01)


@pytest.mark.parametrize(
    "values",
    [
        np.full((8, 8), 37.5, np.float32),
        np.full((8, 8), -0.5, np.float32),
        np.full((8, 8), np.nan, np.float32),
        np.full((8, 8), 1_000_000, np.int32),
        np.full((8, 8), -1, np.int32),
    ],
)
def test_values_that_are_no_colours_are_refused_at_the_door(
    tmp_path: Path, values: np.ndarray
) -> None:
    path = tmp_path / "deep.tif"
    Image.fromarray(values).save(path)
    assert "Export it as a PNG" in str(probe_image(path))
    with pytest.raises(PictureError):
        read_picture(path)


def test_sixteen_bits_of_colour_are_scaled(tmp_path: Path) -> None:
    """Pillow writes no such PNG, so its chunks are written here."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + struct.pack(">12H", *([0x8000, 0x4000, 0xFFFF] * 4)) for _ in range(4))
    png = io.BytesIO()
    png.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", 4, 4, 16, 2, 0, 0, 0)))
    png.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    (tmp_path / "a.png").write_bytes(png.getvalue())
    assert np.abs(np.subtract(colour(tmp_path / "a.png"), (128, 64, 255))).max() <= 1
