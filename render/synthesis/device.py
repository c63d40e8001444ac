"""What computes: the device, the precision of its steps, its threads and its memory.

torch is imported by what needs it, so that a mistake is told of before it is loaded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from render.errors import InputError
from render.plan import memory

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Device:
    """A device, and in what the networks of a step compute on it.

    Latents, quantiser, losses and Adam are float32 everywhere, and so is every picture that is
    kept or shown.
    """

    device: torch.device
    step_type: torch.dtype  # of the generator's decoder and the perceptors' transformers
    asked: bool = False  # for that type, by name

    def budget(self) -> memory.MemoryBudget:
        """The memory that its steps have."""
        import torch

        is_gpu = self.device.type == "cuda"
        there = memory.machine_memory()
        if is_gpu:
            there = int(torch.cuda.get_device_properties(self.device).total_memory)
        return memory.MemoryBudget(there, is_gpu, self.step_type.itemsize)

    def __str__(self) -> str:
        return f"{self.device}, steps in {str(self.step_type).removeprefix('torch.')}"


def choose_device(device: str, precision: str) -> Device:
    """The device of a name and one of PRECISIONS; raises InputError where it is not there.

    Left to us, steps compute in bfloat16 where the device is fast in it. A transformer's gradient
    loses a hundredth by it and the decoder's a twentieth, which is little beside what one step's
    views make of it: films come as near to their prompts, of several prompts and seeds.
    """
    # Threads that wait spin for a little and then sleep. With ten times as long a small film's step
    # takes two thirds on a quiet machine, and beside another busy program three times as long.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    import torch

    # The same bytes every time: no kernel is chosen by a race.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        device = "cuda" if cuda else "mps" if mps else "cpu"
    if device.startswith("cuda"):
        count, number = torch.cuda.device_count() if cuda else 0, int(device.partition(":")[2] or 0)
        if number >= count:
            raise InputError(
                f"--device {device}: torch sees {count} CUDA devices; --device cpu works"
            )
        torch.cuda.set_device(number)  # of its streams and memory torch speaks where none is named
    if device == "mps" and not mps:
        raise InputError("--device mps: torch sees no Metal device; --device cpu works")
    chosen = torch.device(device)
    if precision == "auto":
        return Device(chosen, fast_step_type(chosen))
    return Device(chosen, getattr(torch, precision), asked=True)


def fast_step_type(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies two of its numbers in the time of one in float32,
    elsewhere float32. In float16 small gradients would vanish."""
    import torch

    able = False
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":  # AVX-512 with BF16 (Zen 4, Cooper Lake) or AMX (Sapphire Rapids)
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        able = any(getattr(torch.cpu, name, bool)() for name in names)
    return torch.bfloat16 if able else torch.float32
