"""Pictures mean what every viewer shows: profiles, depths and transparency."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from render.media.pictures import PictureError, flattened, has_all_rows, read_picture
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


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("side", [1, 7, 61])
def test_a_png_without_all_of_its_rows_is_refused(tmp_path: Path, mode: str, side: int) -> None:
    whole = tmp_path / "whole.png"
    Image.new("L", (side + 2, side), 99).convert(mode).save(whole)
    assert has_all_rows(whole)
    assert probe_image(whole) == (side + 2, side)
    data = whole.read_bytes()
    start = data.index(b"IDAT") - 4
    (length,) = struct.unpack(">I", data[start : start + 4])
    pixels = zlib.decompress(data[start + 8 : start + 8 + length])
    body = b"IDAT" + zlib.compress(pixels[: len(pixels) - 1])
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "cut.png").write_bytes(data[:start] + chunk + data[start + 12 + length :])
    assert "is cut short" in str(probe_image(tmp_path / "cut.png"))


def test_an_interlaced_png_is_whole(tmp_path: Path) -> None:
    """One that a program wrote in seven passes, of 3 x 5 pixels in grey."""
    sizes = [
        (1, 1),
        (1, 0),
        (1, 1),
        (1, 2),
        (2, 1),
        (1, 3),
        (3, 2),
    ]  # columns and rows of each pass
    rows = b"".join(bytes(1 + columns) * count for columns, count in sizes)

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    for name, data in (("whole.png", rows), ("cut.png", rows[:-1])):
        head = struct.pack(">IIBBBBB", 3, 5, 8, 0, 0, 0, 1)
        parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
        assert has_all_rows(tmp_path / name) == (name == "whole.png")


@pytest.mark.parametrize(("form", "mode", "most"), [("jpg", "RGB", 500), ("png", "P", 700)])
def test_a_huge_photograph_takes_little_memory(
    tmp_path: Path, form: str, mode: str, most: int
) -> None:
    """64 million pixels, turned by its EXIF, in so many MB beside what Python and torch take."""
    path = tmp_path / f"a.{form}"
    script = (
        "import resource, sys, torch; from pathlib import Path\n"
        "from render.synthesis.images import load_image\n"
        "import PIL.Image, kornia\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        f"one = load_image(Path({str(path)!r}), torch.device('cpu'), (96, 128))\n"
        "print(peak() - before, one[0, :, 32, 48].tolist(), one[0, :, 120, 48].tolist())"
    )
    picture = Image.new("RGB", (8000, 8000), (255, 0, 0))
    picture.paste((0, 0, 255), (0, 0, 4000, 8000))  # blue on the left,
    exif = Image.Exif()
    exif[0x0112] = 6  # which is up after a turn to the right
    picture.convert(mode).save(path, exif=exif)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    taken, colours = done.stdout.split(" ", 1)
    assert float(taken) < most
    up, down = (numbers_of(part) for part in colours.strip()[1:-1].split("] ["))
    assert up[2] > 0.9 > 0.1 > up[0]
    assert down[0] > 0.9 > 0.1 > down[2]


def numbers_of(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]
