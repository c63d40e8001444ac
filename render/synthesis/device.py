"""The device that computes, its precision and its memory.

torch is imported inside the functions that need it, so that a mistake on the command line is
reported before torch is loaded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from render.errors import InputError
from render.plan import memory
from render.plan.arithmetic import Arithmetic
from render.text import plural

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Device:
    """A device, and how the networks of a step compute on it.

    Latents, quantiser, losses and Adam are float32 everywhere, and so is every picture that is
    stored or shown.
    """

    device: torch.device
    precision: str | None = None  # of PRECISIONS, as the user named it; None is the fastest
    convolutions: str | None = None  # of CONVOLUTIONS, likewise

    def memory_budget(self) -> memory.MemoryBudget:
        """The memory that steps may use on this device."""
        import torch

        is_gpu = self.device.type == "cuda"
        available = memory.machine_memory()
        if is_gpu:
            # What other programs took is not there; what this one holds for reuse is.
            free, _ = torch.cuda.mem_get_info(self.device)
            available = int(free + torch.cuda.memory_reserved(self.device))
        step_type: torch.dtype = getattr(torch, self.step_precision())
        return memory.MemoryBudget(available, is_gpu, step_type.itemsize)

    def step_precision(self) -> str:
        """The precision of the generator's decoder and the perceptors' transformers in a step: the
        named one, else the fastest."""
        from render.synthesis.probe import fastest_precision

        return self.precision or fastest_precision(self.device)

    def __str__(self) -> str:
        return f"{self.device}, steps in {self.step_precision()}"

    def differs_from(self, arithmetic: Arithmetic | None) -> bool:
        """Whether the user named another arithmetic than that of these latents."""
        named = self.precision, self.convolutions if self.device.type == "cpu" else None
        kept = (arithmetic.precision, arithmetic.convolutions) if arithmetic else (None, None)
        return any(own and own != other for own, other in zip(named, kept, strict=True))

    def like(self, arithmetic: Arithmetic | None) -> Device:
        """The device with the arithmetic of latents that a film goes on from, where the user named
        none, the latents come from a device of the same kind, and this one has it: bfloat16 that a
        processor only emulates would take hours."""
        from render.generators.frozen_forward import has_winograd
        from render.synthesis.probe import has_precision

        if arithmetic is None or arithmetic.device != self.device.type:
            return self
        precision, convolutions = self.precision, self.convolutions
        if has_precision(self.device, arithmetic.precision):
            precision = precision or arithmetic.precision
        if arithmetic.convolutions != "winograd" or has_winograd():
            convolutions = convolutions or arithmetic.convolutions
        return replace(self, precision=precision, convolutions=convolutions)


def made_on(device: torch.device) -> str:
    """What computes here, as far as it decides the last bits of a latent."""
    import torch

    version = f"torch {torch.__version__}"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {version}"
    if device.type != "cpu":
        return f"{device.type}, {version}"
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{plural(torch.get_num_threads(), 'thread')}, {capability}, {version}"


def choose_device(
    device: str, precision: str = "auto", convolutions: str = "auto", deterministic: bool = False
) -> Device:
    """The device of a name (auto, cpu, cuda, cuda:1, mps); raises InputError where it is absent.

    `precision` and `convolutions` are auto, which is what is fastest there, or one of the tables of
    plan/arithmetic.py; `deterministic` takes kernels that repeat to the last bit.
    bfloat16 changes a transformer's gradient by 1% and the decoder's by 5%, less than another draw
    of one step's cutouts does. Films of several prompts and seeds came as near to their prompts.
    """
    # Limits how long idle OpenMP threads spin. On a quiet machine a small film took 41 s with 1000,
    # and 29 s with 3000 and with 6000; beside a busy program 44 s with 1000 and 63 s with 6000.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    import torch

    # The same bytes every time: no kernel is chosen by measuring it.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    # Float32 is meant where it is promised: by default cuDNN rounds its factors to 10 bits.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    # Gradients through a perceptor's attention hold numbers so small that a CPU computes with them
    # a hundred times slower: a third of the embedded perceptor's time. Set before the first
    # computation, from which torch's other threads take it.
    torch.set_flush_denormal(True)
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
    if deterministic:
        choose_repeating_kernels(device)
    named = (None if value == "auto" else value for value in (precision, convolutions))
    return Device(torch.device(device), *named)


def choose_repeating_kernels(device: str) -> None:
    """Take only kernels whose results are the same bits in every run; raises InputError where torch
    has none. Those of a CPU are such with one number of threads, so nothing is changed there."""
    import torch

    if device == "mps":
        raise InputError(
            "--deterministic: torch does not say which of Metal's kernels repeat; "
            "--device cpu repeats"
        )
    if not device.startswith("cuda"):
        return
    # cuBLAS reads this when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Else torch writes NaN to all new memory. Here every value is written before it is read.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # The faster kernels of attention add their gradients in an order that varies.
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.backends.cuda.enable_cudnn_sdp(False)
