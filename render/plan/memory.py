"""How much memory a step needs, predicted before it starts, and what would need less."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.media.codecs import LEAST_SIDE, half_size
from render.plan.plan import Plan
from render.text import gibibytes_text
from render.weights.catalog import Model
from render.weights.kinds import kind_of

REFUSED = 1.5  # a film is refused whose step needs this many times the available memory
ENCODER = 0.35e9  # bytes a megapixel of ffmpeg beside the steps, for the most demanding codec
BASE_MEMORY = 870 * 2**20  # Python with torch (CUDA build), kornia and open_clip, measured
GPU_MEMORY = 600 * 2**20  # CUDA's context and its libraries' workspaces; usual, not measured
# Where Linux's control groups, version 2 and 1, keep how much memory a container may use.
LIMITS = ("memory.max", "memory/memory.limit_in_bytes")


@dataclass(frozen=True)
class MemoryBudget:
    """The memory that a step may use, and what decides how much it takes there."""

    available: int | None = None  # bytes; None if unknown
    is_gpu: bool = False  # Python and memory-mapped weights lie elsewhere
    bytes_per_number: int = 4  # in the perceptors' transformers


HOST_MEMORY = MemoryBudget()  # main memory of unknown size, everything in float32


@dataclass(frozen=True)
class Shortfall:
    """A step that needs more memory than is available."""

    message: str
    refused: bool  # so much more that the film does not start without --force


def machine_memory(groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this machine has, or that its container may use; None if unknown."""
    try:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return None
    for limit in LIMITS:
        with suppress(OSError, ValueError):  # no such group, or "max"
            available = min(available, int((groups / limit).read_text()))
    return available


def step_memory(
    plan: Plan,
    budget: MemoryBudget = HOST_MEMORY,
    cutouts: int | None = None,
    size: tuple[int, int] | None = None,
    at_once: int | None = None,
) -> int:
    """Bytes that a step needs: Python and torch, weights, the activations kept for the gradient,
    and ffmpeg beside it.

    `cutouts` and `size` (width, height) replace the plan's; `at_once` cutouts go through a
    perceptor together, all of them where it is None.
    """
    cutouts = cutouts or most_cutouts(plan)
    width, height = size or plan.size
    megapixels = width * height / 1e6
    weights = sum(weight_memory(chosen.model) for chosen in plan.models.all)
    decoder = max(
        kind_of(chosen.model).memory(chosen.model, megapixels) for chosen in plan.models.generators
    )
    # 25.5 MiB a cutout of ViT-B/32's 8.8 GFLOP, and each cutout's gradient in the picture's size.
    perceptors = 0.0
    for chosen in plan.models.perceptors:
        seen = math.ceil(chosen.model.cutout_share * cutouts)
        together = min(seen, at_once or seen)
        width_of_number = budget.bytes_per_number if chosen.model.is_transformer else 4
        own = chosen.model.memory_per_cutout
        own = own or 3.1e6 * chosen.model.gflop_per_cutout * width_of_number / 4
        activations = own * together
        perceptors += activations + 12e6 * megapixels * seen
    if budget.is_gpu:
        return int(GPU_MEMORY + weights + decoder + perceptors)
    return int(BASE_MEMORY + ENCODER * megapixels + weights + decoder + perceptors)


def peak_memory(plan: Plan, budget: MemoryBudget = HOST_MEMORY, at_once: int | None = None) -> int:
    """Bytes that a render needs at most: for a step, or in main memory before the first one, for
    the readouts of a generator that has none yet, and for loading, when the largest perceptor is
    there twice: with random weights and with its own."""
    step = step_memory(plan, budget, at_once=at_once)
    if budget.is_gpu:
        return step
    weights = [weight_memory(chosen.model) for chosen in plan.models.perceptors]
    generators = [chosen.model for chosen in plan.models.generators]
    loading = max(*map(readout_memory, generators), sum(weights) + max(weights))
    return max(step, BASE_MEMORY + sum(map(weight_memory, generators)) + loading)


def weight_memory(model: Model) -> int:
    """Bytes of a model's weights, which are float32 while they are used, whatever its file holds.

    Those of the embedded ones are part of BASE_MEMORY.
    """
    return 0 if model.embedded else 4 * model.parameters


def readout_memory(generator: Model) -> int:
    """Bytes that fitting a generator's readouts takes, once, before its first step: three matrices
    of 8 bytes, with a row for each number that a colour is a function of. Measured: 1.2 GB."""
    if generator.embedded or not generator.has_weights:
        return 0
    options = generator.config["ddconfig"]
    features = options["ch"] * options["ch_mult"][min(2, len(options["ch_mult"]) - 1)]
    rows = int(27 * features + 1)
    return 24 * rows**2


def most_cutouts(plan: Plan) -> int:
    """The greatest number of cutouts a step of any shot."""
    return max(shot.settings.cutouts for shot in plan.board.shots)


def cutouts_at_once(plan: Plan, budget: MemoryBudget) -> int | None:
    """How many cutouts may go through a perceptor together in this memory; None is all.

    Always a power of two: parts of another size would round differently.
    """
    available = budget.available
    if available is None or step_memory(plan, budget) <= available:
        return None
    powers = (2**power for power in range(10, 0, -1) if 2**power < most_cutouts(plan))
    fitting = (n for n in powers if step_memory(plan, budget, at_once=n) <= available)
    return next(fitting, 1)


def shortfall(plan: Plan, budget: MemoryBudget) -> Shortfall | None:
    """The shortage of memory of a step; None if it fits."""
    available = budget.available
    needed = step_memory(plan, budget, at_once=cutouts_at_once(plan, budget))
    if available is None or needed <= available:
        return None
    refused = needed > REFUSED * available
    end = ", so the film is refused without --force." if refused else "."
    has = f"{'The GPU' if budget.is_gpu else 'This machine'} has {gibibytes_text(available)}"
    return Shortfall(f"{memory_advice(plan, budget)} {has}{end}", refused)


def in_parts_message(plan: Plan, budget: MemoryBudget) -> str | None:
    """A sentence for a film whose cutouts go through a perceptor in parts; None for any other."""
    together = cutouts_at_once(plan, budget)
    if together is None or shortfall(plan, budget):
        return None
    needed = gibibytes_text(step_memory(plan, budget))
    return (
        f"{most_cutouts(plan)} cutouts at once would need {needed}; the perceptor takes them "
        f"{together} at a time, which is slower."
    )


def memory_advice(plan: Plan, budget: MemoryBudget = HOST_MEMORY) -> str:
    """How much memory a step needs with one cutout at a time, and what would need less."""
    cutouts, (width, height) = most_cutouts(plan), plan.board.size

    def least(**changed: Any) -> str:
        return gibibytes_text(step_memory(plan, budget, at_once=1, **changed))

    fewer, half = max(1, cutouts // 4), half_size(plan.board.size)
    cheaper = []
    if fewer < cutouts:
        cheaper.append(f"cutouts: {fewer} needs {least(cutouts=fewer)}")
    if min(half) >= LEAST_SIDE:
        cheaper.append(f"size: [{half[0]}, {half[1]}] needs {least(size=half)}")
    needed = f"{width}x{height} with {cutouts} cutout{'s' if cutouts > 1 else ''} needs about"
    instead = " and ".join(cheaper) or "smaller models need less, see `render models`"
    return f"{needed} {least()}; {instead}."
