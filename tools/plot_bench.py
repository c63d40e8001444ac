"""Draws what tools/bench.py measured: seconds of a step by stage, a bar for each variant.

    python tools/bench.py > starter.json
    python tools/bench.py --full --cutouts 32 > full.json
    python tools/plot_bench.py starter.json full.json -o storyboards/images/speed.svg

Each file is a group with a scale of its own, because a full-size step takes twenty times as long as
one of the starter models.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from render.media.atomic import atomic_write

# Okabe and Ito's colours, which colour-blind people can tell apart.
COLOURS = {
    "quantise": "#999999",
    "decode": "#0072b2",
    "cutouts": "#f0e442",
    "perceptor": "#e69f00",
    "backward": "#56b4e9",
    "update": "#000000",
}
WIDTH, LEFT, RIGHT, BAR, GAP = 760, 110, 90, 22, 6


def text(x: float, y: float, words: str, weight: str = "normal") -> str:
    """Returns an SVG element with words that begin at (x, y)."""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}">{escape(words)}</text>'


def group(measured: dict[str, Any], top: float) -> Iterator[str]:
    """Yields one file's title and bars as SVG elements below `top`."""
    title = (
        measured["models"],
        f"{measured['size']} px",
        f"{measured['cutouts']} cutouts",
        measured["device"],
        f"{measured['threads']} thread{'s' if measured['threads'] > 1 else ''}",
    )
    yield text(0, top + 14, ", ".join(title), "bold")
    stages: dict[str, dict[str, float]] = measured["stages_seconds"]
    totals = {name: sum(seconds.values()) for name, seconds in stages.items()}
    scale = (WIDTH - LEFT - RIGHT) / max(totals.values())
    for number, (name, seconds) in enumerate(stages.items()):
        y, x = top + 24 + number * (BAR + GAP), float(LEFT)
        yield text(0, y + 15, name)
        for stage, stage_seconds in seconds.items():
            width = stage_seconds * scale
            place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR}"'
            yield f'<rect {place} fill="{COLOURS[stage]}"/>'
            x += width
        times_faster = totals["reference"] / totals[name]
        suffix = "" if name == "reference" else f"  {times_faster:.1f}x"
        yield text(x + 6, y + 15, f"{totals[name]:.3g} s{suffix}")


def drawing(files: list[dict[str, Any]]) -> str:
    """Returns the whole SVG file for the measurements of several files."""
    elements: list[str] = []
    top = 0.0
    for measured in files:
        elements += group(measured, top)
        top += 24 + len(measured["stages_seconds"]) * (BAR + GAP) + 14
    for number, (stage, colour) in enumerate(COLOURS.items()):
        x = LEFT + number * 100
        elements.append(f'<rect x="{x}" y="{top:.1f}" width="12" height="12" fill="{colour}"/>')
        elements.append(text(x + 17, top + 11, stage))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 {WIDTH + 16} {top + 24:.0f}"'
    background = f'<rect x="-8" y="-4" width="{WIDTH + 16}" height="{top + 24:.0f}" fill="white"/>'
    lines = (f'{head} font-family="sans-serif" font-size="13">', background, *elements, "</svg>")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Reads the command line and writes the SVG file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="BENCH.json", help="what tools/bench.py printed"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="SPEED.svg")
    arguments = parser.parse_args()
    drawn = drawing([json.loads(file.read_text()) for file in arguments.files])
    with atomic_write(arguments.output) as partial:
        partial.write_text(drawn)


if __name__ == "__main__":
    main()
