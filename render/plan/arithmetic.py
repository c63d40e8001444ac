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
from render.media.records import read_record_text

PRECISIONS = ("float32", "bfloat16", "float16")
# How a generator's convolutions are computed: by the library of the device with the channels of a
# pixel side by side, or plane by plane, or by NNPACK's Winograd transform where it can be.
CONVOLUTIONS = ("channels-last", "plain", "winograd")
_FLAGS = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU part")


@dataclass(frozen=True)
class Arithmetic:
    """A way to compute; each is one of the tables above."""

    precision: str = "float32"  # of a step's decoder and transformers
    convolutions: str = "plain"  # of the generator
    device: str = "cpu"  # torch's name of the kind

    def __str__(self) -> str:
        return f"{self.device}, {self.precision}, {self.convolutions} convolutions"


PLAIN = Arithmetic()


def parse_arithmetic(text: object) -> Arithmetic | None:
    """Returns the arithmetic that a note names; None for anything else."""
    if not isinstance(text, str):
        return None
    found = re.fullmatch(r"(\w+), (\w+), ([\w-]+) convolutions", text)
    if found and found[2] in PRECISIONS and found[3] in CONVOLUTIONS:
        return Arithmetic(found[2], found[3], found[1])
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


def known_choice(
    models_folder: Path, machine: str, subject: str, among: tuple[str, ...]
) -> str | None:
    """Returns which `among` these a probe on this machine chose for a subject; None if there was no
    probe."""
    choice = _known_choices(choices_file(models_folder)).get(machine, {}).get(subject)
    return choice if choice in among else None


def remember_choice(models_folder: Path, machine: str, subject: str, choice: str) -> None:
    """Keeps a choice. Nothing fails if it cannot be written: then the next render probes again."""
    path = choices_file(models_folder)
    choices = _known_choices(path)
    choices[machine] = {**choices.get(machine, {}), subject: choice}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, through_link=False) as partial:
            partial.write_text(json.dumps(choices, indent=1))


def _known_choices(path: Path) -> dict[str, dict[str, str]]:
    """Returns the choices that a file holds, by machine and subject; what is no choice is left
    out."""
    try:
        found = json.loads(read_record_text(path))
    except (OSError, ValueError, RecursionError):  # missing or damaged
        return {}
    machines = found.items() if isinstance(found, dict) else ()
    return {
        machine: {subject: choice for subject, choice in own.items() if isinstance(choice, str)}
        for machine, own in machines
        if isinstance(own, dict)
    }


def choices_file(models_folder: Path) -> Path:
    """Returns where choices are kept: beside the folder of models."""
    return models_folder.parent / "arithmetic.json"
