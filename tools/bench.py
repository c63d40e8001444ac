"""Measures seconds per optimisation step by stage, frames decoded and encoded per second, memory.

    python tools/bench.py                      the starter models, 256 px, 8 cutouts
    python tools/bench.py --full --cutouts 32  VQGAN f16 and ViT-B/32 in full size, random weights
    python tools/bench.py --device cuda

The variants take turns in one process, so that other load on the machine slows all of them alike:

reference  taming's and open_clip's own modules, and kornia's augmentations one after another, as
           in the VQGAN+CLIP notebooks
float32    Render's modules, as on most CPUs
half       the same, looking at a picture of half the size, read from the decoder's features
quarter    the same, at a quarter
bfloat16   Render's modules, on a device that is fast in bfloat16

Prints one JSON object: for every variant the median and the best of `--repeats` rounds and how many
times faster than the reference it is; seconds per step of the inner loop itself (on CUDA launched
one by one, and recorded as a graph); and the device's highest speed (a convolution and a matrix
product, by the same clock). A number taken on a busy machine is worth nothing: `idle_share_before`
says how idle this one was. Set GOMP_SPINCOUNT=3000, as Render does for itself. tools/plot_bench.py
draws the result.
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
from render.generators.readout import LEVELS, Readout
from render.generators.vqgan import VQGAN, load_vqgan
from render.media.video import write_video
from render.plan.arithmetic import Arithmetic
from render.synthesis.clip_perceptor import ClipPerceptor, load_clip, read_clip
from render.synthesis.cuda_graph import RecordedSteps
from render.synthesis.cutouts import Cutouts, cut_out, sample_cutouts
from render.synthesis.device import choose_device
from render.synthesis.frozen_towers import speed_up_tower
from render.synthesis.images import Frame, to_frame
from render.synthesis.optimize import ONE_BY_ONE, StepRunner, optimize
from render.synthesis.probe import choose_arithmetic, has_bfloat16
from render.weights.library import known_models
from render.weights.open_clip_models import build_clip

# The level of the picture that a step of each variant looks at.
VARIANTS = {"reference": 0, "float32": 0, "half": 1, "quarter": 2, "bfloat16": 0}
AUGMENTATIONS = nn.Sequential(
    augmentation.RandomAffine(15, (0.1, 0.1), shear=5, padding_mode="border", p=0.7),
    augmentation.RandomPerspective(0.7, p=0.7),
    augmentation.ColorJitter(hue=0.1, saturation=0.1, p=0.7),
    augmentation.RandomErasing((0.1, 0.4), (0.3, 1 / 0.3), p=0.7),
)
STAGES = ("quantise", "decode", "cutouts", "perceptor", "backward", "update")


def clock(device: torch.device) -> float:
    """Returns the time in seconds, after everything queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def pooled(picture: Tensor, count: int, side: int) -> Tensor:
    """Returns the pooled picture `count` times, (count, 3, side, side), as some notebooks do."""
    pooled_once = (F.adaptive_avg_pool2d(picture, side) + F.adaptive_max_pool2d(picture, side)) / 2
    return pooled_once.expand(count, -1, -1, -1)


def augmented(cutouts: Tensor) -> Tensor:
    """Returns cutouts (n, 3, S, S) augmented as in the notebooks: by one random operation of kornia
    after another, and noise."""
    cutouts = AUGMENTATIONS(cutouts)
    noise = cutouts.new_empty(len(cutouts), 1, 1, 1).uniform_(0, 0.1)
    noisy: Tensor = cutouts + noise * torch.randn_like(cutouts)
    return noisy


@dataclass(frozen=True)
class Networks:
    """The models of one variant."""

    generator: VQGAN
    perceptor: ClipPerceptor
    arithmetic: Arithmetic
    level: int


class Step:
    """One step of the inner loop in every variant, timed stage by stage."""

    def __init__(self, variants: dict[str, Networks], size: int, cutouts: int) -> None:
        self.variants, self.cutouts = variants, cutouts
        first = next(iter(variants.values()))
        generator = first.generator
        self.target = first.perceptor.embed_texts(["a calm sea at dawn"])
        side = size // generator.factor
        random = torch.Generator().manual_seed(0)
        rows = torch.randint(len(generator.codebook), (1, side, side), generator=random)
        codes = generator.codebook[rows.to(generator.device)]
        self.latent = codes.permute(0, 3, 1, 2).contiguous().requires_grad_()
        self.optimizer = torch.optim.Adam([self.latent], lr=0.1)

    def __call__(self, variant: str, seed: int) -> dict[str, float]:
        """Runs one step of the variant and returns its seconds by stage, see STAGES."""
        networks = self.variants[variant]
        generator, perceptor = networks.generator, networks.perceptor
        device = self.latent.device
        marks = [clock(device)]
        codes = generator.quantise(self.latent)
        marks.append(clock(device))
        picture = generator.paint(codes, step=True, level=networks.level)
        marks.append(clock(device))
        if variant == "reference":
            cutouts = augmented(pooled(picture, self.cutouts, perceptor.side))
        else:
            size = (picture.shape[-1], picture.shape[-2])
            draw, side = sample_cutouts(self.cutouts, size, (0.4, 1.0), seed), perceptor.side
            cutouts = cut_out(picture, draw.on(device, min(size), {side: 1.0}), side)
        marks.append(clock(device))
        loss = perceptor.distance(
            perceptor.embed_cutouts(cutouts)[:, None], self.target[None]
        ).mean()
        marks.append(clock(device))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        marks.append(clock(device))
        self.optimizer.step()
        with torch.no_grad():
            self.latent.copy_(self.latent.maximum(generator.low).minimum(generator.high))
        marks.append(clock(device))
        return {name: b - a for name, a, b in zip(STAGES, marks, marks[1:], strict=False)}

    def bytes_saved(self, variant: str) -> int:
        """Returns the bytes that decoding saves for the backward pass, without the weights."""
        generator = self.variants[variant].generator
        weights = {p.untyped_storage().data_ptr() for p in generator.parameters()}
        storages: dict[int, int] = {}

        def save(tensor: Tensor) -> Tensor:
            if tensor.untyped_storage().data_ptr() not in weights:
                storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            codes, level = generator.quantise(self.latent), self.variants[variant].level
            picture = generator.paint(codes, step=True, level=level)
        assert picture.requires_grad
        return sum(storages.values())

    def gigaflop(self) -> float:
        """Returns the GFLOP of a step of the reference, forward and backward.

        They are counted from the operations' definitions, so an algorithm that needs fewer, such as
        Winograd's, does not change them.
        """
        with FlopCounterMode(display=False) as counter:
            self("reference", 0)
        return float(counter.get_total_flops()) / 1e9

    def loop(self, variant: str, runner: StepRunner) -> float:
        """Returns the seconds per step of Render's inner loop, whose steps `runner` runs."""
        networks, steps = self.variants[variant], 12
        side = networks.perceptor.side
        device = self.latent.device
        pixels = self.latent.shape[-1] * networks.generator.factor

        def cutouts_at(step: int) -> Cutouts:
            draw = sample_cutouts(self.cutouts, (pixels, pixels), (0.4, 1.0), step)
            return draw.on(device, pixels, {side: 1.0})

        def loss(
            latent: Tensor, codes: Tensor, picture: Tensor, cutouts: Cutouts, constants: object
        ) -> Tensor:
            embeddings = networks.perceptor.embed_cutouts(cut_out(picture, cutouts, side))
            return networks.perceptor.distance(embeddings[:, None], self.target[None]).mean()

        start = self.latent.detach()
        marks = []
        for _ in optimize(
            start,
            networks.generator,
            cutouts_at,
            loss,
            steps=steps,
            step_size=0.1,
            smoothing=0.5,
            level_at=lambda step: networks.level,
            runner=runner,
        ):
            marks.append(clock(device))
        return statistics.median(b - a for a, b in itertools.pairwise(marks[2:]))

    def decode(self, variant: str) -> float:
        """Returns the seconds from the latent to a frame's pixels."""
        generator = self.variants[variant].generator
        start = clock(self.latent.device)
        with torch.no_grad():
            picture = generator.decode(self.latent)
            to_frame(picture, (picture.shape[-1], picture.shape[-2]))
        return clock(self.latent.device) - start

    def journey(self, size: int, count: int) -> float:
        """Returns the seconds per frame of a film of `count` frames that interpolates between two
        latents, from the latents to a finished file."""
        generator = self.variants["float32"].generator
        batch_size = pictures_at_once(self.latent.device, size**2)
        start = self.latent.detach()
        end = start.flip(-1)

        def pictures() -> Iterator[Tensor]:
            for first in range(0, count, batch_size):
                numbers = range(first, min(first + batch_size, count))
                yield generator.paint(torch.cat([lerp(start, end, n / count) for n in numbers]))

        with torch.no_grad():
            return encoded(to_frames(pictures(), (size, size)), size) / count


def summary(seconds: list[float]) -> dict[str, float]:
    """Returns the median and the smallest of several times."""
    return {"median": round(statistics.median(seconds), 5), "best": round(min(seconds), 5)}


def ratios(times: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Returns how many times faster than the reference every other variant is, from summaries."""
    reference = times["reference"]
    return {
        variant: {name: round(reference[name] / seconds[name], 3) for name in seconds}
        for variant, seconds in times.items()
        if variant != "reference"
    }


def encoded(frames: Iterator[Frame], size: int) -> float:
    """Writes frames of `size` x `size` pixels as a video and returns the seconds that making and
    encoding them took."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        path = Path(folder) / "bench.mp4"
        write_video(path, frames, (size, size), Fraction(24), "h264", 17, {})
        return time.perf_counter() - start


def encoding(size: int, count: int) -> float:
    """Returns the frames encoded per second, for `count` smooth pictures that move slowly."""
    base = torch.rand(3, size // 8, size // 8, generator=torch.Generator().manual_seed(0))
    smooth = F.interpolate(base[None], size=size, mode="bicubic").clamp(0, 1)
    moving = (smooth.roll(number, -1) for number in range(count))
    return count / encoded(to_frames(moving, (size, size)), size)


def peaks(device: torch.device, kind: torch.dtype) -> dict[str, float]:
    """Returns the highest GFLOP/s of the device, of a large direct convolution and a large matrix
    product in `kind`."""
    x, kernel = torch.rand(1, 256, 64, 64), torch.rand(256, 256, 3, 3)
    x, kernel = (t.to(device, kind, memory_format=torch.channels_last) for t in (x, kernel))
    matrix = torch.rand(2048, 2048).to(device, kind)

    def best(compute: Callable[[], Tensor], gigaflop: float) -> float:
        seconds = []
        for _ in range(8):
            start = clock(device)
            compute()
            seconds.append(clock(device) - start)
        return round(gigaflop / min(seconds), 1)

    return {
        "convolution": best(lambda: F.conv2d(x, kernel, padding=1), 2 * 256**2 * 9 * 64**2 / 1e9),
        "product": best(lambda: matrix @ matrix, 2 * 2048**3 / 1e9),
    }


def with_taming_forward(generator: VQGAN) -> VQGAN:
    """Returns a generator with the same weights that runs taming's own modules, as the tests do."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from reference_models import reference_generator

    reference: VQGAN = reference_generator(generator)
    return reference


def networks(variant: str, full: bool, device: str) -> Networks:
    """Returns the models of a variant: the starter pair, or with `full` VQGAN f16 and ViT-B/32 in
    full size with random weights."""
    reference = variant == "reference"
    if full:
        torch.manual_seed(0)
        generator = VQGAN(known_models("generator")["vqgan-imagenet-f16-16384"].config)
        for parameter in generator.parameters():
            if parameter.ndim > 1:
                torch.nn.init.kaiming_uniform_(parameter, a=5**0.5)
        generator.codebook.normal_()
        generator.low.fill_(-3)
        generator.high.fill_(3)
        clip = build_clip({"open_clip": "ViT-B-32-quickgelu"})
        if not reference:
            speed_up_tower(clip.visual)
        perceptor = ClipPerceptor(clip)
    else:
        generator = load_vqgan(known_models("generator")["starter"])
        load = read_clip if reference else load_clip  # with or without speed-ups
        perceptor = load(known_models("perceptor")["starter"])
    if reference:
        generator = with_taming_forward(generator)
    level = VARIANTS[variant]
    generator.readouts = {
        level: Readout(generator.decoder.up[level].block[-1].out_channels)  # only timed
        for level in LEVELS
    }
    precision = "bfloat16" if variant == "bfloat16" else "float32"
    machine = choose_device(device, precision, "plain" if reference else "auto")
    arithmetic = choose_arithmetic(machine, generator)
    return Networks(
        generator.on(machine.device, arithmetic),
        perceptor.on(machine.device, getattr(torch, arithmetic.precision)),
        arithmetic,
        level,
    )


def idle_share(seconds: float = 1.0) -> float | None:
    """Returns the share of idle CPU time over the next `seconds`, 0 to 1; None where the system
    does not say it."""

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
    """Measures all variants and returns everything that is printed."""
    idle = idle_share()
    device = torch.device(arguments.device)
    names = [n for n in VARIANTS if n != "bfloat16" or has_bfloat16(device)]
    variants = {name: networks(name, arguments.full, arguments.device) for name in names}
    step = Step(variants, arguments.size, arguments.cutouts)
    gigaflop = step.gigaflop()
    saved = {variant: round(step.bytes_saved(variant) / 2**20, 1) for variant in names}
    rounds: dict[str, list[dict[str, float]]] = {variant: [] for variant in names}
    decoding_names = names[:2]  # frames are decoded whole and in float32 on every device
    decodes: dict[str, list[float]] = {variant: [] for variant in decoding_names}
    for number in range(arguments.repeats + 1):
        for variant in names:
            stage_seconds = step(variant, number)
            if number:  # the first round warms up
                rounds[variant].append(stage_seconds)
        for variant in decoding_names:
            seconds = step.decode(variant)
            if number:
                decodes[variant].append(seconds)
    steps = {name: summary([sum(r.values()) for r in taken]) for name, taken in rounds.items()}
    decoding = {name: summary(taken) for name, taken in decodes.items()}
    types = [name for name in names if name in ("float32", "bfloat16")]
    peak = {name: peaks(device, getattr(torch, name)) for name in types}
    frame = statistics.median(step.journey(arguments.size, 16) for _ in range(3))
    return {
        "models": "full size, random" if arguments.full else "starter",
        "size": arguments.size,
        "cutouts": arguments.cutouts,
        "repeats": arguments.repeats,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "threads": torch.get_num_threads(),
        "spin_count": os.environ.get("GOMP_SPINCOUNT"),
        "processor": platform.processor() or platform.machine(),
        "arithmetic": {name: str(variants[name].arithmetic) for name in names},
        "step_seconds": steps,
        "step_times_faster": ratios(steps),
        "stages_seconds": {
            variant: {
                stage: round(statistics.median(r[stage] for r in taken), 5) for stage in STAGES
            }
            for variant, taken in rounds.items()
        },
        "step_gigaflop": round(gigaflop, 1),
        "step_of_convolution_peak": {
            name: round(gigaflop / seconds_of["median"] / peak["float32"]["convolution"], 3)
            for name, seconds_of in steps.items()
        },
        "loop_seconds_a_step": {
            "launched": round(step.loop(names[-1], ONE_BY_ONE), 5),
            "recorded": round(step.loop(names[-1], RecordedSteps()), 5)
            if device.type == "cuda"
            else None,
        },
        "decode_seconds": decoding,
        "decode_times_faster": ratios(decoding),
        "decoder_keeps_mib": saved,
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
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256, help="pixels along each side")
    parser.add_argument("--cutouts", type=int, default=8, help="cutouts in each step")
    parser.add_argument("--repeats", type=int, default=5, help="measured rounds of every variant")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--full", action="store_true", help="VQGAN f16 and ViT-B/32 with random weights"
    )
    arguments = parser.parse_args()
    print(json.dumps(measured(arguments), indent=1))


if __name__ == "__main__":
    main()
