"""What a plan costs, in arithmetic, seconds, memory and disk, before it starts. No torch."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.media.codecs import LEAST_SIDE, half_size
from render.plan.plan import Plan
from render.text import gibibytes_text
from render.weights.library import known_models

REFUSED = 1.5  # times the memory that is there; the prediction errs by less


@dataclass(frozen=True)
class MemoryBudget:
    """The memory that a step has, and what of the machine decides how much it takes."""

    available: int | None = None  # bytes; None where the machine does not tell
    is_gpu: bool = False  # it is a graphics card's own: Python and what is mapped lie elsewhere
    bytes_per_number: int = 4  # bytes of one, in the perceptors' transformers


HOST_MEMORY = MemoryBudget()  # main memory, however much, and everything in float32


def step_memory(
    plan: Plan,
    budget: MemoryBudget = HOST_MEMORY,
    cutouts: int | None = None,
    size: tuple[int, int] | None = None,
    at_once: int | None = None,
) -> int:
    """Bytes a step needs: Python and torch, weights, the activations kept for the gradient, and
    ffmpeg beside it.

    `cutouts` and `size` (width, height) take the place of the plan's; `at_once` views go through
    a perceptor together, all of them if nothing is said.
    """
    generator = known_models("generator")[plan.board.generator]
    views = cutouts or most_cutouts(plan)
    width, height = size or plan.size
    megapixels = width * height / 1e6
    perceptors = [known_models("perceptor")[name] for name, _ in plan.board.perceptors]
    weights = sum(model.size or 0 for model in (generator, *perceptors))
    # Measured, peak of a step: 12 GB a megapixel with taming's decoder of 3856 GFLOP, 3.3 with the
    # starter's of 228. What a decoder keeps goes with its channels, what it computes with their
    # square; the losses look at pictures, whoever painted them.
    # Steps in bfloat16 need no less of it: frames are painted in float32, in about as much.
    decoder = (0.5e9 + 11.5e9 * (generator.gflop_per_megapixel / 3856) ** 0.5) * megapixels
    # 25.5 MiB a view of ViT-B/32's 8.8 GFLOP, and every view's gradient in the picture's size.
    together = min(views, at_once or views)
    seen = 0.0
    for model in perceptors:
        number = budget.bytes_per_number if model.is_transformer else 4
        seen += 3.1e6 * model.gflop_per_view * together * number / 4 + 12e6 * megapixels * views
    if budget.is_gpu:
        return int(CARD_MEMORY + weights + decoder + seen)
    return int(BASE_MEMORY + ENCODER * megapixels + 2 * weights + decoder + seen)


ENCODER = 0.35e9  # bytes a megapixel of ffmpeg, which works beside the steps: the most of codecs
BASE_MEMORY = 870 * 2**20  # Python with torch (CUDA build), kornia and open_clip, measured
CARD_MEMORY = 600 * 2**20  # CUDA's context and the libraries' workspaces, as usual; not measured


def most_cutouts(plan: Plan) -> int:
    """Of any shot."""
    return max(shot.settings.cutouts for shot in plan.board.shots)


def cutouts_at_once(plan: Plan, budget: MemoryBudget) -> int | None:
    """How many views may go through a perceptor together in the memory there is; None is all.

    A power of two, whatever the film's shots have: parts of another size are other rounding.
    """
    there = budget.available
    if there is None or step_memory(plan, budget) <= there:
        return None
    powers = (2**power for power in range(10, 0, -1) if 2**power < most_cutouts(plan))
    return next((count for count in powers if step_memory(plan, budget, at_once=count) <= there), 1)


def memory_advice(plan: Plan, budget: MemoryBudget = HOST_MEMORY) -> str:
    """How much memory a step needs, with one view at a time, and what would need less."""
    cutouts, (width, height) = most_cutouts(plan), plan.board.size

    def least(**changed: Any) -> str:
        return gibibytes_text(step_memory(plan, budget, at_once=1, **changed))

    fewer, half = max(1, cutouts // 4), half_size(plan.board.size)
    less = []
    if fewer < cutouts:
        less.append(f"cutouts: {fewer} needs {least(cutouts=fewer)}")
    if min(half) >= LEAST_SIDE:
        less.append(f"size: [{half[0]}, {half[1]}] needs {least(size=half)}")
    needed = f"{width}x{height} with {cutouts} cutout{'s' if cutouts > 1 else ''} needs about"
    instead = " and ".join(less) or "smaller models need less, see `render models`"
    return f"{needed} {least()}; {instead}."


def in_parts_message(plan: Plan, budget: MemoryBudget) -> str | None:
    """A sentence where not all views go through a perceptor together, and the film is made."""
    together = cutouts_at_once(plan, budget)
    if together is None or shortfall(plan, budget):
        return None
    needed = gibibytes_text(step_memory(plan, budget))
    return (
        f"{most_cutouts(plan)} views at once would need {needed}; they are "
        f"looked at {together} at a time, which takes longer."
    )


# Where Linux's control groups, 2 and 1, keep how much memory a container may use.
LIMITS = ("memory.max", "memory/memory.limit_in_bytes")


def machine_memory(groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this machine has, or that its container may use; None where it does not tell."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return None
    for limit in LIMITS:
        with suppress(OSError, ValueError):  # no such group, or "max"
            there = min(there, int((groups / limit).read_text()))
    return there


@dataclass(frozen=True)
class Shortfall:
    """A step that needs more memory than there is."""

    message: str
    refused: bool  # so much more that the film is not begun unless it is asked for


def shortfall(plan: Plan, budget: MemoryBudget) -> Shortfall | None:
    """Whether a step needs more memory than there is, and how much more."""
    there, needed = (
        budget.available,
        step_memory(plan, budget, at_once=cutouts_at_once(plan, budget)),
    )
    if there is None or needed <= there:
        return None
    refused = needed > REFUSED * there
    end = ", so the film is refused without --force." if refused else "."
    has = f"{'The card' if budget.is_gpu else 'This machine'} has {gibibytes_text(there)}"
    return Shortfall(f"{memory_advice(plan, budget)} {has}{end}", refused)
