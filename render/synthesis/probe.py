"""The probe: which precision and which convolutions are fastest on this machine.

Flags of a processor and numbers of threads do not tell: of two machines with AVX-512 and bfloat16,
one is faster in it and the other is not, and NNPACK's Winograd transform is three times as fast as
oneDNN on one processor and a third as fast on the next. So both are tried, once for each machine,
version of torch and generator, and the choice is kept in the user's cache folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from render.errors import InputError
from render.generators.frozen_forward import has_winograd
from render.generators.generator import Generator
from render.generators.readout import study_pictures
from render.generators.vqgan import VQGAN
from render.plan.arithmetic import (
    CONVOLUTIONS,
    PLAIN,
    Arithmetic,
    known_choice,
    machine_name,
    remember_choice,
)
from render.weights.library import models_folder

if TYPE_CHECKING:
    from render.synthesis.device import Device

SIDE = 128  # pixels along each side of the picture that a generator is timed with
ROUNDS = 3  # of which the fastest counts, after one to warm up
GAIN = 1.2  # how many times faster bfloat16 must be, because its gradients are coarser


def choose_arithmetic(
    device: Device, generator: Generator, say: Callable[[str], None] = lambda sentence: None
) -> Arithmetic:
    """Returns how to compute with a generator, whose weights are on the CPU, on a device: as its
    user named, else the fastest. `say` is told before a probe.

    Raises InputError for convolutions that this machine does not have.
    """
    kind, convolutions = device.device.type, device.convolutions
    if kind != "cpu" or not isinstance(generator, VQGAN):
        convolutions = "plain"
    if convolutions == "winograd" and not has_winograd():
        raise InputError(
            "--convolutions winograd: this torch and processor have none for "
            f"{torch.get_num_threads()} threads (up to 3 with NNPACK); channels-last works"
        )
    if convolutions is None and isinstance(generator, VQGAN):
        convolutions = fastest_convolutions(generator, say)
    convolutions = convolutions or "plain"
    precision = device.step_precision()
    if precision == "float16" and isinstance(generator, VQGAN) and not fits_float16(generator):
        if device.precision is not None:
            raise InputError(
                "--precision float16: this generator's numbers are too large for it, up to 65504; "
                "float32 works, and bfloat16 where there is one"
            )
        precision = "float32"
    return Arithmetic(precision, convolutions, kind)


@torch.no_grad()
def fits_float16(generator: VQGAN) -> bool:
    """Returns whether a generator, whose weights are on the CPU in float32, makes finite pictures
    in float16: the embedded one's features reach 280,000, and float16 ends at 65,504."""
    picture = next(study_pictures(side=8 * generator.factor))
    codes = generator.quantise(generator.encode(picture))
    cpu = torch.device("cpu")
    picture = generator.on(cpu, Arithmetic("float16")).paint(codes, step=True)
    generator.on(cpu, PLAIN)
    return bool(torch.isfinite(picture).all())


def has_bfloat16(device: torch.device) -> bool:
    """Returns whether a device has instructions for bfloat16. Where they are emulated, they are a
    hundred times slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # AVX-512 with BF16 (Zen 4, Cooper Lake) or AMX (Sapphire Rapids).
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in names)


def has_precision(device: torch.device, precision: str) -> bool:
    """Returns whether a device has instructions for a precision."""
    if precision == "float16":  # from Volta on (V100, T4, RTX 20); before, it is no faster
        return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0)
    return precision == "float32" or has_bfloat16(device)


def fastest_precision(device: torch.device) -> str:
    """Returns a precision of 16 bits where the device multiplies its numbers faster, else float32:
    float16 only on a GPU that has no bfloat16, because it takes a scale of the gradient."""
    if device.type == "cuda":  # twice as fast by the processor's design
        return next(p for p in ("bfloat16", "float16", "float32") if has_precision(device, p))
    if not has_bfloat16(device):
        return "float32"
    return _remembered("precision", ("float32", "bfloat16"), _measure_precision)


def fastest_convolutions(
    generator: VQGAN, say: Callable[[str], None] = lambda sentence: None
) -> str:
    """Returns which of CONVOLUTIONS are fastest in this generator's decoder on the CPU."""
    subject = f"convolutions of {generator.digest or 'a generator'}"
    return _remembered(subject, CONVOLUTIONS, lambda: _measure_convolutions(generator, say))


def _remembered(subject: str, among: tuple[str, ...], measure: Callable[[], str]) -> str:
    """Returns the known choice for a subject on this machine, or measures and keeps it."""
    machine = machine_name(torch.__version__, torch.get_num_threads())
    choice = known_choice(models_folder(), machine, subject, among)
    if choice is None:
        choice = measure()
        remember_choice(models_folder(), machine, subject, choice)
    return choice


@cache
def _measure_precision() -> str:
    """Returns the faster precision of a transformer's and a decoder's typical layers."""
    rows, matrix = torch.randn(1024, 768), torch.randn(768, 768)
    picture, kernel = torch.randn(1, 128, 64, 64), torch.randn(128, 128, 3, 3)
    last = torch.channels_last

    def layers(kind: torch.dtype) -> Callable[[], object]:
        a, b = rows.to(kind), matrix.to(kind)
        x, weight = (t.to(kind, memory_format=last) for t in (picture, kernel))
        return lambda: (F.linear(a, b), F.conv2d(x, weight, padding=1))

    with torch.no_grad():
        seconds = {kind: seconds_of(layers(kind)) for kind in (torch.float32, torch.bfloat16)}
    is_faster = seconds[torch.bfloat16] * GAIN < seconds[torch.float32]
    return "bfloat16" if is_faster else "float32"


def _measure_convolutions(generator: VQGAN, say: Callable[[str], None]) -> str:
    """Returns the convolutions with which the decoder and its gradient take the least time."""
    say("trying which convolutions are fastest here, once: a second, or ten for a large generator")
    cells = max(1, SIDE // generator.factor)
    latent = torch.zeros(1, len(generator.low), cells, cells, requires_grad=True)
    seconds = {}
    for way in CONVOLUTIONS:
        if way != "winograd" or has_winograd():
            generator.on(torch.device("cpu"), Arithmetic(convolutions=way))
            seconds[way] = seconds_of(
                lambda: torch.autograd.grad(generator.paint(latent).sum(), latent)
            )
    generator.on(torch.device("cpu"), PLAIN)
    return min(seconds, key=seconds.__getitem__)


def seconds_of(run: Callable[[], object]) -> float:
    """Returns the seconds of the fastest of some rounds."""
    seconds = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])
