"""Measures what each kind of generator costs: seconds and memory of a decode with its gradient.

    python tools/bench_generators.py                # a table for 256, 512 and 1024 pixels
    python tools/bench_generators.py --sides 128    # for others

Each row runs in a process of its own, so that its peak of memory is its own; the ratios are those
to the embedded network at the same size in the same run. It ends with what `plan.memory` and
`plan.cost` predict, which are made from this table.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import torch

from render.generators.load import load_generator
from render.synthesis.initial_picture import grey_clouds
from render.weights.catalog import GENERATORS
from render.weights.kinds import kind_of

ROUNDS = 4  # of which the fastest counts, after one to warm up
# Each generator with parameters in place of its own.
ROWS: list[tuple[str, dict[str, Any]]] = [
    ("starter", {}),
    ("pixels", {"basis": "pyramid"}),
    ("pixels", {"basis": "spectrum"}),
    ("color", {}),
    ("strokes", {"count": 64}),
    ("strokes", {"count": 256}),
    ("strokes", {"count": 1024}),
]


def measured(name: str, parameters: dict[str, Any], side: int) -> dict[str, float]:
    """Returns the seconds of a decode and of its gradient, and the bytes that they take at most."""
    model = GENERATORS[name]
    model = model if model.has_weights else replace(model, config={**model.config, **parameters})
    generator = load_generator(model, (side, side))
    with torch.no_grad():
        start = generator.begin(grey_clouds((side, side), 1), seed=1)
    offsets = [offset.requires_grad_() for offset in generator.zero_offsets(start)]
    before = peak()
    forward, backward = [], []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        picture = generator.decode(generator.add_offsets(start, offsets))
        decoded = time.perf_counter()
        picture.square().sum().backward()  # type: ignore[no-untyped-call]
        forward.append(decoded - began)
        backward.append(time.perf_counter() - decoded)
    megapixels = side * side / 1e6
    return {
        "forward": min(forward[1:]),
        "backward": min(backward[1:]),
        "memory": peak() - before,
        "predicted_memory": kind_of(model).memory(model, megapixels),
        "predicted_gflop": kind_of(model).gflop(model, megapixels),
    }


def peak() -> int:
    """Returns the most bytes of memory that this process has had."""
    factor = 1 if sys.platform == "darwin" else 1024
    return factor * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Measures every row at every size, and prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a row as JSON, in its own process
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(*json.loads(options.one))))
        return
    print("| generator | pixels | decode | gradient | to the network | memory | predicted |")
    print("|---|---|---|---|---|---|---|")
    for side in options.sides:
        whole = None
        for name, parameters in ROWS:
            command = [sys.executable, __file__, "--one", json.dumps([name, parameters, side])]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            seconds = found["forward"] + found["backward"]
            whole = whole or seconds
            what = ", ".join(f"{value} {key}" for key, value in parameters.items())
            print(
                f"| {name}{' (' + what + ')' if what else ''} | {side} x {side} "
                f"| {1000 * found['forward']:.0f} ms | {1000 * found['backward']:.0f} ms "
                f"| {seconds / whole:.3g} x | {found['memory'] / 2**20:.0f} MiB "
                f"| {found['predicted_memory'] / 2**20:.0f} MiB, "
                f"{found['predicted_gflop']:.3g} GFLOP |",
                flush=True,
            )


if __name__ == "__main__":
    main()
