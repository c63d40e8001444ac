"""How networks compute on a machine, and what an earlier probe found to be fastest there.

The last bits of every picture depend on it, so each latent's note says it, and a film that is
resumed goes on with it. Keys do not depend on it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from render.media.atomic import atomic_write

PRECISIONS = ("float32", "bfloat16")
# How a generator's convolutions are computed: by the library of the device with the channels of a
# pixel side by side, or plane by plane, or by NNPACK's Winograd transform where it can be.
CONVOLUTIONS = ("channels-last", "plain", "winograd")
_FLAGS = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU part")


@dataclass(frozen=True)
class Arithmetic:
    """A way to compute; each is one of the tables above."""

    precision: str = "float32"  # of a step's decoder and transformers
    convolutions: str = "plain"  # of the generator

    def __str__(self) -> str:
        return f"{self.precision}, {self.convolutions} convolutions"


PLAIN = Arithmetic()


def parse_arithmetic(text: object) -> Arithmetic | None:
    """Returns the arithmetic that a note names; None for anything else."""
    found = re.fullmatch(r"(\w+), ([\w-]+) convolutions", text) if isinstance(text, str) else None
    if found and found[1] in PRECISIONS and found[2] in CONVOLUTIONS:
        return Arithmetic(found[1], found[2])
    return None


def machine_name(torch_version: str, threads: int) -> str:
    """Returns what tells this machine from another as far as its speed goes: processor, torch and
    threads."""
    kind = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
        kind += "".join(line for line in lines if line.partition("\t")[0].strip() in _FLAGS)
    processor = hashlib.sha256(kind.encode()).hexdigest()[:12]
    return f"{processor}, torch {torch_version}, {threads} threads"


def known_choice(models_folder: Path, machine: str, subject: str) -> str | None:
    """Returns what a probe on this machine chose for a subject; None if there was none."""
    try:
        choice = json.loads(choices_file(models_folder).read_text())[machine][subject]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return choice if choice in PRECISIONS + CONVOLUTIONS else None


def remember_choice(models_folder: Path, machine: str, subject: str, choice: str) -> None:
    """Keeps a choice. Nothing fails if it cannot be written: then the next render probes again."""
    path = choices_file(models_folder)
    choices: dict[str, dict[str, str]] = {}
    with suppress(OSError, ValueError, TypeError, RecursionError):  # missing or damaged
        choices = dict(json.loads(path.read_text()))
    try:
        choices[machine] = {**choices.get(machine, {}), subject: choice}
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(choices, indent=1))
    except (OSError, ValueError, TypeError, RecursionError):
        return


def choices_file(models_folder: Path) -> Path:
    """Returns where choices are kept: beside the folder of models."""
    return models_folder.parent / "arithmetic.json"
