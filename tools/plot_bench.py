"""What tools/bench.py measured, drawn: seconds of a step by stage, a bar for each variant.

    python tools/bench.py > starter.json
    python tools/bench.py --full --views 32 > full.json
    python tools/plot_bench.py starter.json full.json -o storyboards/images/speed.svg

Each file is a group with its own scale, for a full-size step takes twenty times as long.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from render.media.atomic import atomic_write

# Okabe and Ito's colours, which the colour-blind tell apart.
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
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}">{escape(words)}</text>'


def group(found: dict[str, Any], top: float) -> Iterator[str]:
    """One file's title and bars, as elements of SVG below `top`."""
    threads = f"{found['threads']} thread{'s' if found['threads'] > 1 else ''}"
    what = (found["models"], f"{found['size']} px", f"{found['views']} views", found["device"])
    yield text(0, top + 14, ", ".join((*what, threads)), "bold")
    stages: dict[str, dict[str, float]] = found["stages_seconds"]
    totals = {name: sum(seconds.values()) for name, seconds in stages.items()}
    scale = (WIDTH - LEFT - RIGHT) / max(totals.values())
    for number, (name, seconds) in enumerate(stages.items()):
        y, x = top + 24 + number * (BAR + GAP), float(LEFT)
        yield text(0, y + 15, name)
        for stage, took in seconds.items():
            shape = f'x="{x:.1f}" y="{y:.1f}" width="{took * scale:.1f}" height="{BAR}"'
            yield f'<rect {shape} fill="{COLOURS[stage]}"/>'
            x += took * scale
        faster = totals["reference"] / totals[name]
        more = "" if name == "reference" else f"  {faster:.1f}x"
        yield text(x + 6, y + 15, f"{totals[name]:.3g} s{more}")


def drawing(files: list[dict[str, Any]]) -> str:
    """A whole SVG."""
    elements: list[str] = []
    top = 0.0
    for found in files:
        elements += group(found, top)
        top += 24 + len(found["stages_seconds"]) * (BAR + GAP) + 14
    for number, (stage, colour) in enumerate(COLOURS.items()):
        x = LEFT + number * 100
        elements.append(f'<rect x="{x}" y="{top:.1f}" width="12" height="12" fill="{colour}"/>')
        elements.append(text(x + 17, top + 11, stage))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 {WIDTH + 16} {top + 24:.0f}"'
    ground = f'<rect x="-8" y="-4" width="{WIDTH + 16}" height="{top + 24:.0f}" fill="white"/>'
    lines = (f'{head} font-family="sans-serif" font-size="13">', ground, *elements, "</svg>")
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="BENCH.json")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="SPEED.svg")
    arguments = parser.parse_args()
    drawn = drawing([json.loads(file.read_text()) for file in arguments.files])
    with atomic_write(arguments.output) as partial:
        partial.write_text(drawn)


if __name__ == "__main__":
    main()
