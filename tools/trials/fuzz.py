"""Fuzzing of every reader: whatever the bytes, it returns or raises an error that is documented.

A process for each reader (`fuzz_one`), in which atheris changes the bytes by what the code does
with them. Inputs that are worth keeping are collected in .fuzz/, from which the next run goes on.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import tiny
import torch
from checkpoint_files import YAML, checkpoint, taming_state

from render.media.provenance import write_png
from render.media.video import write_video
from render.plan.arithmetic import PLAIN
from render.synthesis.latents import Store
from render.synthesis.optimize import Unfinished
from trials.readers import READERS
from trials.tally import Tally

ROOT = Path(__file__).parent.parent.parent
CORPUS = ROOT / ".fuzz"
SLOWEST = 20  # seconds for one input
LARGEST = 20_000  # bytes of one input
MOST_MEMORY = 3000  # megabytes


def seeds(folder: Path) -> dict[str, list[bytes]]:
    """Returns what each reader's fuzzing begins with: small files as Render knows them."""
    boards = [path.read_bytes() for path in sorted(ROOT.glob("storyboards/**/*.yaml"))]
    lines = {line.split(":", 1)[-1].strip() for b in boards for line in b.decode().split("\n")}
    note = {"render": "1", "kind": "film", "seal": 64 * "0", "models": [{"name": "starter"}]}
    frame = np.zeros((16, 16, 3), np.uint8)
    pictures = [folder / "a.png", folder / "a.gif", folder / "a.mp4", folder / "a.mkv"]
    write_png(pictures[0], frame, note)
    for path, codec in zip(pictures[1:], ("gif", "h264", "h264"), strict=True):
        comment = {"comment": json.dumps(note)}
        write_video(path, [frame.tobytes()], (16, 16), Fraction(8), codec, 40, comment)
    store = Store(folder)
    store.save("key", torch.zeros(1, 1, 2, 2), note)
    store.save_unfinished("key", Unfinished(1, {"start": torch.zeros(1, 1, 2, 2)}), PLAIN)
    latents = [store.path("key").read_bytes(), store.unfinished_path("key").read_bytes()]
    state = {"quantize.embedding.weight": taming_state()["quantize.embedding.weight"][:2, :2]}
    packed = checkpoint(folder / "a.ckpt", {name: one.clone() for name, one in state.items()})
    with zipfile.ZipFile(io.BytesIO(packed.read_bytes())) as archive:
        pickles = [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
    return {
        "storyboard": boards,
        "shot": [line.encode() for line in sorted(lines)],
        "formula": [b"1 + 0.1*sin(tau*t)", b"1 if t < 2 else 0", b"clamp(noise(t), 0, 1)"],
        "words": [b"0.4,0,0.2,1", b"12 beats", b"1:02.5", b"losses.hold=0.8", b"30000/1001",
                  tiny.WORDS.encode()],
        "note": [path.read_bytes() for path in pictures] + latents[:1],
        "picture": [pictures[0].read_bytes()],
        "latent": latents,
        "pickle": pickles,
        "checkpoint": [packed.read_bytes(), *latents],
        "config": [YAML.format(target="VQModel").encode(), json.dumps(tiny.PERCEPTOR).encode()],
    }  # fmt: skip


def fuzz(work: Path, minutes: float, jobs: int, runs: int | None = None) -> Iterator[Tally]:
    """Fuzzes each reader for so many minutes, or by so many inputs; yields a row for each."""
    limit = f"-max_total_time={round(60 * minutes)}" if runs is None else f"-runs={runs}"
    (folder := work / "seeds").mkdir()
    beginnings, waiting = seeds(folder), list(READERS)
    running: dict[str, subprocess.Popen[bytes]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop(0)
            (corpus := CORPUS / name).mkdir(parents=True, exist_ok=True)
            for number, data in enumerate(beginnings[name]):
                (corpus / f"seed-{number}").write_bytes(data)
            running[name] = start(name, corpus, work, limit)
        for name in [name for name, process in running.items() if process.poll() is not None]:
            yield result(name, running.pop(name).returncode, work)
        time.sleep(0.2)


def start(name: str, corpus: Path, work: Path, limit: str) -> subprocess.Popen[bytes]:
    """Starts the fuzzing of a reader."""
    command = [
        *(sys.executable, "-m", "trials.fuzz_one", name, str(corpus)),
        *(limit, "-seed=1", f"-timeout={SLOWEST}"),
        *(f"-max_len={LARGEST}", f"-rss_limit_mb={MOST_MEMORY}", "-print_final_stats=1"),
        f"-artifact_prefix={work}/{name}-",
    ]
    with (work / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=Path(__file__).parent.parent, stdout=log, stderr=subprocess.STDOUT
        )


def result(name: str, code: int, work: Path) -> Tally:
    """Returns the row of a reader whose fuzzing has ended."""
    said = (work / f"{name}.log").read_text(errors="replace")
    found = re.search(r"stat::number_of_executed_units:\s*([0-9]+)", said)
    row = Tally(f"fuzzing, {name}", int(found[1]) if found else 0)
    if code:
        place = max(said.find("Uncaught Python exception"), said.find("ERROR: libFuzzer"), 0)
        row.failures.append(f"it ended with {code}: {said[place : place + 1500]}")
    if covered := re.findall(r"cov: ([0-9]+)", said):
        row.remark = f"{covered[-1]} places of the code"
    return row
