"""Seconds per optimisation step by stage, frames per second decoded and encoded, peak memory.

    python tools/bench.py                      the starter models, 256 px, 8 views
    python tools/bench.py --full               VQGAN f16 and ViT-B/32 in full size, random weights
    python tools/bench.py --device cuda --views 32

Prints one JSON line: medians of `--repeats` rounds, with the machine's idle share before it
started, because a number taken on a busy machine is worth nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import torch

from render import __version__
from render.cutouts import cut, sample_views
from render.frames import Frame, to_frame
from render.generator import Generator, load_generator
from render.losses import distance
from render.models import known
from render.perceptor import Perceptor, build_clip, load_perceptor
from render.video import write_video


def clock(device: torch.device) -> float:
    """Seconds, after everything queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def one_step(
    latent: torch.Tensor,
    generator: Generator,
    perceptor: Perceptor,
    target: torch.Tensor,
    optimizer: torch.optim.Optimizer,
    views: int,
    seed: int,
) -> dict[str, float]:
    """One step of the inner loop, taken apart; stage to seconds."""
    device = latent.device
    marks = [clock(device)]
    codes = generator.quantise(latent)
    marks.append(clock(device))
    picture = generator.paint(codes)
    marks.append(clock(device))
    size = (picture.shape[-1], picture.shape[-2])
    cuts = cut(picture, sample_views(views, size, (0.4, 1.0), seed), perceptor.side)
    marks.append(clock(device))
    value = distance(perceptor.embed_views(cuts)[:, None], target[None]).mean()
    marks.append(clock(device))
    optimizer.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    marks.append(clock(device))
    optimizer.step()
    with torch.no_grad():
        latent.copy_(latent.maximum(generator.low).minimum(generator.high))
    marks.append(clock(device))
    names = ("quantise", "decode", "cutouts", "perceptor", "backward", "update")
    return {name: b - a for name, a, b in zip(names, marks, marks[1:], strict=False)}


def decoding(generator: Generator, latent: torch.Tensor, count: int) -> float:
    """Frames per second from latents to pixels."""
    with torch.no_grad():
        to_frame(generator.decode(latent), (16, 16))
        start = clock(latent.device)
        for _ in range(count):
            to_frame(generator.decode(latent), (16, 16))
    return count / (clock(latent.device) - start)


def encoding(size: int, count: int) -> float:
    """Frames per second from pixels to a finished file, on pictures that move like ours."""
    base = torch.rand(3, size // 8, size // 8, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(base[None], size=size, mode="bicubic").clamp(0, 1)

    def frames() -> Iterator[Frame]:
        for number in range(count):
            yield to_frame(smooth.roll(number, -1), (size, size))

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_video(
            Path(folder) / "bench.mp4", frames(), (size, size), Fraction(24), "h264", 17, {}
        )
        return count / (time.perf_counter() - start)


def models(full: bool, device: torch.device) -> tuple[Generator, Perceptor]:
    """The embedded pair, or the field's usual pair in full size with random weights."""
    if not full:
        starter = load_generator(known("generator")["starter"])
        return starter.to(device), load_perceptor(known("perceptor")["starter"]).to(device)
    torch.manual_seed(0)
    generator = Generator(known("generator")["vqgan-imagenet-f16-16384"].config)
    for parameter in generator.parameters():
        if parameter.ndim > 1:
            torch.nn.init.kaiming_uniform_(parameter, a=5**0.5)
    generator.codebook.normal_()
    generator.low.fill_(-3)
    generator.high.fill_(3)
    perceptor = Perceptor(build_clip({"open_clip": "ViT-B-32-quickgelu"}))
    return generator.to(device), perceptor.to(device)


def idle_share(seconds: float = 1.0) -> float | None:
    """How idle the machine is before the bench begins, 0..1; None where it cannot be read."""

    def read() -> tuple[int, int]:
        fields = [int(value) for value in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        return fields[3] + fields[4], sum(fields)

    try:
        idle, total = read()
        time.sleep(seconds)
        idle_then, total_then = read()
    except (OSError, ValueError, IndexError):
        return None
    return round((idle_then - idle) / max(1, total_then - total), 3)


def median(measure: Callable[[], float], repeats: int) -> float:
    return statistics.median(measure() for _ in range(repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=256, help="pixels along each side")
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--full", action="store_true", help="full-size architectures")
    arguments = parser.parse_args()

    idle = idle_share()
    device = torch.device(arguments.device)
    generator, perceptor = models(arguments.full, device)
    target = perceptor.embed_texts(["a calm sea at dawn"])
    side = arguments.size // generator.factor
    rows = torch.randint(
        len(generator.codebook), (1, side, side), generator=torch.Generator().manual_seed(0)
    )
    latent = generator.codebook[rows.to(device)].permute(0, 3, 1, 2).contiguous().requires_grad_()
    optimizer = torch.optim.Adam([latent], lr=0.1)

    def step(number: int) -> dict[str, float]:
        views = arguments.views
        return one_step(latent, generator, perceptor, target, optimizer, views, number)

    step(0)  # the first touches everything once
    rounds = [step(number) for number in range(1, arguments.repeats + 1)]
    stages = {name: round(statistics.median(r[name] for r in rounds), 5) for name in rounds[0]}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    result = {
        "models": "full size, random" if arguments.full else "starter",
        "size": arguments.size,
        "views": arguments.views,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "threads": torch.get_num_threads(),
        "step_seconds": round(statistics.median(sum(r.values()) for r in rounds), 5),
        "stages_seconds": stages,
        "decode_frames_per_second": round(median(lambda: decoding(generator, latent, 3), 3), 2),
        "encode_frames_per_second": round(median(lambda: encoding(arguments.size, 48), 3), 2),
        "peak_memory_mib": round(peak / 2**20),
        "peak_device_memory_mib": round(torch.cuda.max_memory_allocated(device) / 2**20)
        if device.type == "cuda"
        else None,
        "idle_share_before": idle,
        "versions": {
            "render": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
