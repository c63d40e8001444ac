"""The memory of a step is near its prediction, and does not grow with the film."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import open_clip
import pytest
import tiny
import torch

from render.generators.vqgan import VQGAN
from render.plan.arithmetic import Arithmetic
from render.synthesis.clip_perceptor import ClipPerceptor
from render.synthesis.cutouts import cut_out, sample_cutouts
from render.synthesis.frozen_towers import speed_up_tower
from render.synthesis.probe import has_bfloat16
from render.weights.library import known_models
from render.weights.open_clip_models import build_clip

SCRIPT = """
import resource, sys
from pathlib import Path
import torch
from render.plan.memory import ENCODER, step_memory
from render.synthesis.load import load_models
from render.film.film import make_film, missing_keyframes
from render.synthesis.latents import Store
from render.synthesis.device import choose_device
from render.cli.preflight import plan_film
from render.storyboard.parser import parse
def peak():
    if Path("/proc/self/status").exists():  # getrusage also counts the parent process before exec
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
imported = peak()
size, seconds, precision = sys.argv[1:]
board = parse(f"version: 1\\nsize: {size}\\nfps: 8\\ndefaults: {{cutouts: 4, iterations: 1, "
              f"keyframes: 1s}}\\nshots:\\n  - {{duration: {seconds}s, prompts: sea}}\\n", Path())
plan = plan_film(board, False)
machine = choose_device("cpu", precision, "channels-last")
models = load_models(plan.models, machine)
store = Store(Path("latents"))
todo = missing_keyframes(plan, store)
make_film(plan, models, store, todo, Path("film.mp4"), lambda report: None)
ffmpeg = int(ENCODER * plan.size[0] * plan.size[1] / 1e6)
print(peak(), step_memory(plan, machine.memory_budget()) - ffmpeg, imported)
"""
# A CPU that emulates bfloat16 takes five minutes for the large size.
IS_FAST = has_bfloat16(torch.device("cpu"))
LARGE_IN_BFLOAT16 = "512x384" if IS_FAST else "128x96"
IMPORTED = 770 * 2**20  # of the build of torch that the prediction was measured with


def measured(folder: Path, size: str, seconds: int, precision: str = "float32") -> tuple[int, int]:
    """Peak and predicted bytes of a film on the starter models, in a process of its own.

    ffmpeg is not counted; the prediction is corrected for the size of this build of torch.
    """
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, size, str(seconds), precision],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    peak, predicted, imported = map(int, done.stdout.split())
    return peak, predicted + imported - IMPORTED


@pytest.mark.parametrize(
    ("size", "precision"),
    [
        ("64x64", "float32"),
        ("256x256", "float32"),
        ("512x384", "float32"),
        (LARGE_IN_BFLOAT16, "bfloat16"),
    ],
)
def test_the_prediction_is_near_the_peak(tmp_path: Path, size: str, precision: str) -> None:
    peak, predicted = measured(tmp_path / "film", size, 1, precision)
    assert predicted == pytest.approx(peak, rel=0.15)


def test_a_film_ten_times_as_long_needs_no_more_memory(tmp_path: Path) -> None:
    short, _ = measured(tmp_path / "short", "64x64", 4)
    long, _ = measured(tmp_path / "long", "64x64", 40)
    assert long < short + 60 * 2**20


def test_512_pixels_in_bfloat16_need_less_than_two_gibibytes() -> None:
    """512x512, 32 cutouts, ViT-B/32: weights and what autograd keeps for the gradient. The meta
    device has shapes and no numbers, so the networks have their real sizes."""
    meta, size = torch.device("meta"), (512, 512)
    with meta:
        generator = VQGAN(known_models("generator")["vqgan-imagenet-f16-16384"].config)
        clip = build_clip(open_clip.get_model_config("ViT-B-32-quickgelu"))
        speed_up_tower(clip.visual)
        perceptor = ClipPerceptor(clip)
    needed = {}
    for step_type in (torch.float32, torch.bfloat16):
        generator.on(meta, Arithmetic(str(step_type).removeprefix("torch.")))
        perceptor.on(meta, step_type)
        latent = torch.empty(1, 256, 32, 32, device=meta, requires_grad=True)

        def step(latent: torch.Tensor = latent) -> torch.Tensor:
            picture = generator.paint(generator.quantise(latent), step=True)
            cutouts = sample_cutouts(32, size, (0.4, 1), 0).on(meta, 512, {224: 1.0})
            return perceptor.embed_cutouts(cut_out(picture, cutouts, 224))

        weights = [
            *generator.parameters(),
            *generator.buffers(),
            *perceptor.clip.visual.parameters(),
        ]
        weight_bytes = sum(weight.nbytes for weight in weights)
        needed[step_type] = (weight_bytes + tiny.kept_by(step, weights)[1]) / 2**30
    assert 2.5 < needed[torch.float32] < 3.5
    assert needed[torch.bfloat16] < 2
