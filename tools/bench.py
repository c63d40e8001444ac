"""Seconds per optimisation step by stage, frames decoded and encoded per second, memory.

    python tools/bench.py                      the starter models, 256 px, 8 views
    python tools/bench.py --full --views 32    VQGAN f16 and ViT-B/32 in full size, random weights
    python tools/bench.py --device cuda

Variants take turns in one process, so that whatever else the machine does meets them all:

reference  taming's and open_clip's own modules, and kornia's augmentations one after another, as
           the field has it
float32    Render's, as it is on most CPUs
bfloat16   Render's, where the machine is fast in it

Prints one JSON object: for every variant medians and bests of `--repeats` rounds, how many times
faster than the reference, a step of the inner loop itself (on CUDA launched and recorded), and what
the machine can do at most (a convolution and a matrix product, by the same clock). A number taken
on a busy machine is worth nothing: `idle_share_before` says how idle this one was. Set
GOMP_SPINCOUNT=1000, as Render does for itself. tools/plot_bench.py draws it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from kornia import augmentation
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from render import __version__
from render.film.blends import lerp
from render.film.frames import to_frames
from render.film.interpolate import pictures_at_once
from render.generators import frozen_forward
from render.generators.vqgan import Generator, load_generator
from render.media.video import write_video
from render.synthesis.cuda_graph import RECORDED
from render.synthesis.cutouts import Cutouts, cut_out, sample_cutouts
from render.synthesis.device import choose_device, fast_step_type
from render.synthesis.frozen_towers import speed_up_tower
from render.synthesis.images import Frame, to_frame
from render.synthesis.losses import distance
from render.synthesis.optimize import ONE_BY_ONE, StepRunner, optimize
from render.synthesis.perceptor import Perceptor, build_clip, load_perceptor, read_perceptor
from render.weights.library import known_models

VARIANTS = ("reference", "float32", "bfloat16")
AUGMENTATIONS = nn.Sequential(
    augmentation.RandomAffine(15, (0.1, 0.1), shear=5, padding_mode="border", p=0.7),
    augmentation.RandomPerspective(0.7, p=0.7),
    augmentation.ColorJitter(hue=0.1, saturation=0.1, p=0.7),
    augmentation.RandomErasing((0.1, 0.4), (0.3, 1 / 0.3), p=0.7),
)
STAGES = ("quantise", "decode", "cutouts", "perceptor", "backward", "update")


def clock(device: torch.device) -> float:
    """Seconds, after everything queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def pooled(picture: Tensor, count: int, side: int) -> Tensor:
    """The same view `count` times, as some of the field's notebooks have it."""
    once = (F.adaptive_avg_pool2d(picture, side) + F.adaptive_max_pool2d(picture, side)) / 2
    return once.expand(count, -1, -1, -1)


def augmented(views: Tensor) -> Tensor:
    """Views (n, 3, S, S) as the field's notebooks change them: by one random operation of kornia
    after another, and noise."""
    views = AUGMENTATIONS(views)
    noise = views.new_empty(len(views), 1, 1, 1).uniform_(0, 0.1)
    changed: Tensor = views + noise * torch.randn_like(views)
    return changed


@dataclass(frozen=True)
class Networks:
    """One variant's."""

    generator: Generator
    perceptor: Perceptor


class Step:
    """The inner loop's one step, in every variant, taken apart."""

    def __init__(self, variants: dict[str, Networks], size: int, views: int) -> None:
        self.variants, self.views = variants, views
        first = next(iter(variants.values()))
        generator = first.generator
        self.target = first.perceptor.embed_texts(["a calm sea at dawn"])
        side = size // generator.factor
        random = torch.Generator().manual_seed(0)
        rows = torch.randint(len(generator.codebook), (1, side, side), generator=random)
        codes = generator.codebook[rows.to(generator.low.device)]
        self.latent = codes.permute(0, 3, 1, 2).contiguous().requires_grad_()
        self.optimizer = torch.optim.Adam([self.latent], lr=0.1)

    def __call__(self, variant: str, seed: int) -> dict[str, float]:
        """Seconds by stage."""
        networks = self.variants[variant]
        generator, perceptor = networks.generator, networks.perceptor
        device = self.latent.device
        marks = [clock(device)]
        codes = generator.quantise(self.latent)
        marks.append(clock(device))
        picture = generator.paint(codes, step=True)
        marks.append(clock(device))
        if variant == "reference":
            seen = augmented(pooled(picture, self.views, perceptor.side))
        else:
            size = (picture.shape[-1], picture.shape[-2])
            views, side = sample_cutouts(self.views, size, (0.4, 1.0), seed), perceptor.side
            seen = cut_out(picture, views.on(device, min(size), (side,)), side)
        marks.append(clock(device))
        far = distance(perceptor.embed_cutouts(seen)[:, None], self.target[None]).mean()
        marks.append(clock(device))
        self.optimizer.zero_grad(set_to_none=True)
        far.backward()  # type: ignore[no-untyped-call]
        marks.append(clock(device))
        self.optimizer.step()
        with torch.no_grad():
            self.latent.copy_(self.latent.maximum(generator.low).minimum(generator.high))
        marks.append(clock(device))
        return {name: b - a for name, a, b in zip(STAGES, marks, marks[1:], strict=False)}

    def kept(self, variant: str) -> int:
        """Bytes that painting the picture keeps for the way back, weights left out."""
        generator = self.variants[variant].generator
        weights = {p.untyped_storage().data_ptr() for p in generator.parameters()}
        storages: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            if tensor.untyped_storage().data_ptr() not in weights:
                storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            picture = generator.paint(generator.quantise(self.latent), step=True)
        assert picture.requires_grad
        return sum(storages.values())

    def gigaflop(self) -> float:
        """What a step computes by definition, there and back, without anybody's tricks."""
        with FlopCounterMode(display=False) as counter:
            self("reference", 0)
        return float(counter.get_total_flops()) / 1e9

    def loop(self, variant: str, runner: StepRunner) -> float:
        """Seconds a step of the inner loop itself, its steps run by `runner`."""
        networks, count = self.variants[variant], 12
        side = networks.perceptor.side
        device = self.latent.device
        pixels = self.latent.shape[-1] * networks.generator.factor

        def look(step: int) -> Cutouts:
            return sample_cutouts(self.views, (pixels, pixels), (0.4, 1.0), step).on(
                device, pixels, (side,)
            )

        def loss(latent: Tensor, codes: Tensor, picture: Tensor, looks: Cutouts) -> Tensor:
            seen = networks.perceptor.embed_cutouts(cut_out(picture, looks, side))
            return distance(seen[:, None], self.target[None]).mean()

        start = self.latent.detach()
        marks = []
        for _ in optimize(
            start,
            networks.generator,
            look,
            loss,
            steps=count,
            step_size=0.1,
            smoothing=0.5,
            runner=runner,
        ):
            marks.append(clock(device))
        return statistics.median(b - a for a, b in itertools.pairwise(marks[2:]))

    def decode(self, variant: str) -> float:
        """Seconds from a latent to pixels."""
        generator = self.variants[variant].generator
        begun = clock(self.latent.device)
        with torch.no_grad():
            picture = generator.decode(self.latent)
            to_frame(picture, (picture.shape[-1], picture.shape[-2]))
        return clock(self.latent.device) - begun

    def journey(self, size: int, count: int) -> float:
        """Seconds a frame of a film through latent space, from latents to a finished file."""
        generator = self.variants["float32"].generator
        together = pictures_at_once(self.latent.device, size**2)
        turned = self.latent.detach().flip(-1)

        def pictures() -> Iterator[Tensor]:
            for first in range(0, count, together):
                numbers = range(first, min(first + together, count))
                mixed = [lerp(self.latent.detach(), turned, number / count) for number in numbers]
                yield generator.paint(torch.cat(mixed))

        with torch.no_grad():
            return encoded(to_frames(pictures(), (size, size)), size) / count


def summary(seconds: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(seconds), 5), "best": round(min(seconds), 5)}


def ratios(found: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """How many times faster than the reference."""
    reference = found["reference"]
    return {
        variant: {name: round(reference[name] / seconds[name], 3) for name in seconds}
        for variant, seconds in found.items()
        if variant != "reference"
    }


def encoded(frames: Iterator[Frame], size: int) -> float:
    """Seconds from the first frame asked for to a finished file."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        path = Path(folder) / "bench.mp4"
        write_video(path, frames, (size, size), Fraction(24), "h264", 17, {})
        return time.perf_counter() - begun


def encoding(size: int, count: int) -> float:
    """Frames per second from pixels to a finished file, on pictures that move like ours."""
    base = torch.rand(3, size // 8, size // 8, generator=torch.Generator().manual_seed(0))
    smooth = F.interpolate(base[None], size=size, mode="bicubic").clamp(0, 1)
    rolled = (smooth.roll(number, -1) for number in range(count))
    return count / encoded(to_frames(rolled, (size, size)), size)


def peaks(device: torch.device, kind: torch.dtype) -> dict[str, float]:
    """GFLOP/s of what this machine does best: a large direct convolution, a large product."""
    x, kernel = torch.rand(1, 256, 64, 64), torch.rand(256, 256, 3, 3)
    x, kernel = (t.to(device, kind, memory_format=torch.channels_last) for t in (x, kernel))
    matrix = torch.rand(2048, 2048).to(device, kind)

    def best(work: Callable[[], Tensor], gigaflop: float) -> float:
        seconds = []
        for _ in range(8):
            begun = clock(device)
            work()
            seconds.append(clock(device) - begun)
        return round(gigaflop / min(seconds), 1)

    return {
        "convolution": best(lambda: F.conv2d(x, kernel, padding=1), 2 * 256**2 * 9 * 64**2 / 1e9),
        "product": best(lambda: matrix @ matrix, 2 * 2048**3 / 1e9),
    }


def with_taming_forward(generator: Generator) -> Generator:
    """Returns the generator that the tests compare with, on the same weights."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from reference_models import reference_generator

    reference: Generator = reference_generator(generator)
    return reference


def networks(variant: str, full: bool, device: str) -> Networks:
    """The embedded pair, or the field's usual pair in full size with random weights."""
    reference = variant == "reference"
    if full:
        torch.manual_seed(0)
        generator = Generator(known_models("generator")["vqgan-imagenet-f16-16384"].config)
        for parameter in generator.parameters():
            if parameter.ndim > 1:
                torch.nn.init.kaiming_uniform_(parameter, a=5**0.5)
        generator.codebook.normal_()
        generator.low.fill_(-3)
        generator.high.fill_(3)
        clip = build_clip({"open_clip": "ViT-B-32-quickgelu"})
        if not reference:
            speed_up_tower(clip.visual)
        perceptor = Perceptor(clip)
    else:
        generator = load_generator(known_models("generator")["starter"])
        load = read_perceptor if reference else load_perceptor  # as it is, or sped up
        perceptor = load(known_models("perceptor")["starter"])
    if reference:
        generator = with_taming_forward(generator)
    machine = choose_device(device, "float32" if reference else variant)
    return Networks(
        generator.on(machine.device, machine.step_type),
        perceptor.on(machine.device, machine.step_type),
    )


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


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything that is printed."""
    idle = idle_share()
    device = torch.device(arguments.device)
    names = [n for n in VARIANTS if n != "bfloat16" or fast_step_type(device) == torch.bfloat16]
    variants = {name: networks(name, arguments.full, arguments.device) for name in names}
    step = Step(variants, arguments.size, arguments.views)
    gigaflop = step.gigaflop()
    kept = {variant: round(step.kept(variant) / 2**20, 1) for variant in names}
    rounds: dict[str, list[dict[str, float]]] = {variant: [] for variant in names}
    painted = names[:2]  # what is shown is float32 everywhere
    decodes: dict[str, list[float]] = {variant: [] for variant in painted}
    for number in range(arguments.repeats + 1):
        for variant in names:
            once = step(variant, number)
            if number:  # the first touches everything once
                rounds[variant].append(once)
        for variant in painted:
            decoded = step.decode(variant)
            if number:
                decodes[variant].append(decoded)
    steps = {name: summary([sum(r.values()) for r in found]) for name, found in rounds.items()}
    decoding = {name: summary(found) for name, found in decodes.items()}
    peak = {name: peaks(device, getattr(torch, name)) for name in names[1:]}
    frame = statistics.median(step.journey(arguments.size, 16) for _ in range(3))
    return {
        "models": "full size, random" if arguments.full else "starter",
        "size": arguments.size,
        "views": arguments.views,
        "repeats": arguments.repeats,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "threads": torch.get_num_threads(),
        "spin_count": os.environ.get("GOMP_SPINCOUNT"),
        "winograd": frozen_forward.winograd_works(),
        "step_seconds": steps,
        "step_times_faster": ratios(steps),
        "stages_seconds": {
            variant: {
                stage: round(statistics.median(r[stage] for r in found), 5) for stage in STAGES
            }
            for variant, found in rounds.items()
        },
        "step_gigaflop": round(gigaflop, 1),
        "step_of_convolution_peak": {
            name: round(gigaflop / took["median"] / peak["float32"]["convolution"], 3)
            for name, took in steps.items()
        },
        "loop_seconds_a_step": {
            "launched": round(step.loop(names[-1], ONE_BY_ONE), 5),
            "recorded": round(step.loop(names[-1], RECORDED), 5) if device.type == "cuda" else None,
        },
        "decode_seconds": decoding,
        "decode_times_faster": ratios(decoding),
        "decoder_keeps_mib": kept,
        "journey_seconds_a_frame": round(frame, 5),
        "journey_of_decoding_speed": round(decoding["float32"]["median"] / frame, 3),
        "encode_frames_per_second": round(
            statistics.median(encoding(arguments.size, 48) for _ in range(3)), 2
        ),
        "peak_gigaflop_per_second": peak,
        "peak_memory_of_all_mib": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            * (1 if sys.platform == "darwin" else 1024)
            / 2**20
        ),
        "peak_device_memory_of_all_mib": round(torch.cuda.max_memory_allocated(device) / 2**20)
        if device.type == "cuda"
        else None,
        "idle_share_before": idle,
        "versions": {
            "render": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256, help="pixels along each side")
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--full", action="store_true", help="full-size architectures")
    arguments = parser.parse_args()
    print(json.dumps(measured(arguments), indent=1))


if __name__ == "__main__":
    main()
