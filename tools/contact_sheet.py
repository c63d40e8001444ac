"""A film at a glance: frames, evenly spread, in one picture.

python tools/contact_sheet.py film.mp4 -o sheet.jpg --columns 3 --rows 2
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from render.media.video import read_video


def contact_sheet(film: Path, columns: int, rows: int, gap: int = 4) -> Image.Image:
    """`columns` x `rows` frames, the first and the last among them."""
    video = read_video(film)
    frames = list(video.frames)
    count = columns * rows
    width, height = video.size
    sheet = Image.new(
        "RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), (16, 16, 16)
    )
    for place in range(count):
        frame = frames[round(place * (len(frames) - 1) / max(1, count - 1))]
        position = (place % columns * (width + gap), place // columns * (height + gap))
        sheet.paste(Image.fromarray(frame), position)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2)
    arguments = parser.parse_args()
    sheet = contact_sheet(arguments.film, arguments.columns, arguments.rows)
    sheet.save(arguments.output, quality=88)


if __name__ == "__main__":
    main()
