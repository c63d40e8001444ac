"""The device that computes, its precision and its memory.

torch is imported inside the functions that need it, so that a mistake on the command line is
reported before torch is loaded.
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
    """A device, and the type in which the networks of a step compute on it.

    Latents, quantiser, losses and Adam are float32 everywhere, and so is every picture that is
    stored or shown.
    """

    device: torch.device
    step_type: torch.dtype  # of the generator's decoder and the perceptors' transformers
    precision_named: bool = False  # the user named the type, instead of leaving it to `auto`

    def memory_budget(self) -> memory.MemoryBudget:
        """The memory that steps may use on this device."""
        import torch

        is_gpu = self.device.type == "cuda"
        available = memory.machine_memory()
        if is_gpu:
            available = int(torch.cuda.get_device_properties(self.device).total_memory)
        return memory.MemoryBudget(available, is_gpu, self.step_type.itemsize)

    def __str__(self) -> str:
        return f"{self.device}, steps in {str(self.step_type).removeprefix('torch.')}"


def choose_device(device: str, precision: str) -> Device:
    """The device of a name (auto, cpu, cuda, cuda:1, mps); raises InputError where it is absent.

    `precision` is auto, float32 or bfloat16. auto is bfloat16 where it is faster.
    It changes a transformer's gradient by 1% and the decoder's by 5%, less than another draw of one
    step's cutouts does. Films of several prompts and seeds came as near to their prompts.
    """
    # Limits how long idle OpenMP threads spin. Ten times longer makes a small film's step a third
    # faster on a quiet machine, and three times slower beside another busy program.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    import torch

    # The same bytes every time: no kernel is chosen by measuring it.
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
        torch.cuda.set_device(number)  # torch's streams and memory calls default to it
    if device == "mps" and not mps:
        raise InputError("--device mps: torch sees no Metal device; --device cpu works")
    chosen = torch.device(device)
    if precision == "auto":
        return Device(chosen, fast_step_type(chosen))
    return Device(chosen, getattr(torch, precision), precision_named=True)


def fast_step_type(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies twice as many of its numbers as of float32 in the same
    time, elsewhere float32. In float16, small gradients would underflow."""
    import torch

    is_fast = False
    if device.type == "cuda":
        is_fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":  # AVX-512 with BF16 (Zen 4, Cooper Lake) or AMX (Sapphire Rapids)
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        is_fast = any(getattr(torch.cpu, name, bool)() for name in names)
    return torch.bfloat16 if is_fast else torch.float32
