"""Puts frames of a film, evenly spread, into one picture.

python tools/contact_sheet.py film.mp4 -o sheet.jpg --columns 3 --rows 2
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from render.media.video import read_video


def contact_sheet(film: Path, columns: int, rows: int, gap: int = 4) -> Image.Image:
    """Returns a sheet of `columns` x `rows` frames, the first and the last among them, `gap` pixels
    apart."""
    video = read_video(film)
    frames = list(video.frames)
    count = columns * rows
    width, height = video.size
    sheet = Image.new(
        "RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), (16, 16, 16)
    )
    for cell in range(count):
        frame = frames[round(cell * (len(frames) - 1) / max(1, count - 1))]
        position = (cell % columns * (width + gap), cell // columns * (height + gap))
        sheet.paste(Image.fromarray(frame), position)
    return sheet


def main() -> None:
    """Reads the command line and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the picture to write")
    parser.add_argument("--columns", type=int, default=3, help="frames in a row")
    parser.add_argument("--rows", type=int, default=2, help="rows of frames")
    arguments = parser.parse_args()
    sheet = contact_sheet(arguments.film, arguments.columns, arguments.rows)
    sheet.save(arguments.output, quality=88)


if __name__ == "__main__":
    main()
