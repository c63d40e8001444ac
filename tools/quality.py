"""What each way of holding a picture still is worth: flicker, drift, sharpness, likeness.

    python tools/quality.py                     every variant, about ten minutes on two cores
    python tools/quality.py --only plain render edges
    python tools/quality.py --judge ViT-B/32    a perceptor that does not guide, if it is there

One storyboard (a zoom and a pan over one prompt) is rendered by each variant and by the plain loop
of the field's notebooks: every frame optimised, through 8 bits, from a fresh optimiser, with random
views and nothing that holds. Printed as a table:

flicker     mean difference (of 255) between a frame and the one before as the camera sees it now,
            where both have a picture
drift       how far the mean colour went from the first second to the last (CIELAB, Delta E 1976)
sharpness   variance of the Laplacian in the last second, as a share of the first
distance    to the prompt by the judge, mean over the last second; less is nearer
seconds     of rendering
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from kornia.color import rgb_to_lab
from kornia.filters import laplacian
from torch import Tensor
from torch.nn import functional as F

from render import camera
from render.estimate import Meter
from render.film import load_models, make_keyframes
from render.frames import frames
from render.keyframe import Models, embed_targets, likely_start, wishes_of
from render.latents import Store
from render.losses import distance
from render.models import digest_named, known
from render.perceptor import Perceptor, load_perceptor
from render.storyboard import parse
from render.timeline import Plan, make_plan
from render.warp import coverage, warp

BOARD = """\
version: 1
size: {size}
fps: {fps}
seed: 4
defaults:
  iterations: {{first: 40, then: 8}}
  cutouts: 8
  keyframes: 0.25s
{settings}
shots:
  - duration: {seconds}s
    prompts: {prompt}
    camera: {{zoom: 1.08/s, x: 4%/s}}
"""
# Name to what stands under `defaults`. Losses that are not named keep their weights.
VARIANTS = {
    "render": "",
    "no hold": "  losses: {hold: 0}",
    "hold 2": "  losses: {hold: 2}",
    "latent 0.5": "  losses: {latent: 0.5}",
    "likeness 0.5": "  losses: {likeness: 0.5}",
    "edges 2": "  losses: {edges: 2}",
    "no smoothness": "  losses: {smoothness: 0}",
    "no average": "  smoothing: 0",
    "far steps": "  step: {first: 0.8, then: 0.4}",
    "near steps": "  step: {first: 0.8, then: 0.1}",
}
PLAIN_VIEWS, PLAIN_STEPS, PLAIN_STEP_SIZE = 16, 4, 0.1


@dataclass(frozen=True)
class Figures:
    """One row of the table."""

    flicker: float
    drift: float
    sharpness: float
    distance: float
    seconds: float


def rendered(plan: Plan, models: Models) -> Iterator[Tensor]:
    """Render's own frames, (1, 3, H, W) in [0, 1]."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        todo = list(plan.keyframes)
        make_keyframes(plan, models, store, todo, Meter(plan, todo, 0), lambda report: None)
        for frame in frames(plan, store, models.generator, range(plan.frame_count)):
            yield torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 255


def plain(plan: Plan, models: Models) -> Iterator[Tensor]:
    """The plain loop: what the notebooks do, with Render's models and from Render's start."""
    generator = models.generator
    first = plan.keyframes[0]
    wishes = wishes_of(plan, first.aims, models, embed_targets(plan, models))
    random = torch.Generator().manual_seed(0)
    latent = likely_start(plan, first, generator, wishes)
    for number in range(plan.frame_count):
        latent = latent.detach().requires_grad_()
        optimizer = torch.optim.Adam([latent], lr=PLAIN_STEP_SIZE)
        for _ in range(first.steps if number == 0 else PLAIN_STEPS):
            picture = generator.decode(latent)
            loss = picture.new_zeros(())
            for wish in wishes:
                views = random_views(picture, PLAIN_VIEWS, wish.perceptor.side, random)
                far = distance(wish.perceptor.embed_views(views)[:, None], wish.targets[None])
                loss = loss + wish.weight * (far * wish.weights).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            picture = (generator.decode(latent) * 255).round() / 255  # as through a PNG
            yield picture
            moved = warp(picture, motion(plan, number), "mirror")
            latent = generator.encode((moved * 255).round() / 255)


def random_views(picture: Tensor, count: int, side: int, random: torch.Generator) -> Tensor:
    """Independent square views of 40 to 100% of the shorter side, averaged to `side` pixels."""
    height, width = picture.shape[-2:]
    views = []
    for part, down, across in torch.rand(count, 3, generator=random).tolist():
        edge = int(min(height, width) * (0.4 + 0.6 * part))
        top, left = int(down * (height - edge)), int(across * (width - edge))
        views.append(
            F.adaptive_avg_pool2d(picture[..., top : top + edge, left : left + edge], side)
        )
    return torch.cat(views)


def motion(plan: Plan, number: int) -> camera.Matrix:
    """From a frame's picture to the next one's."""
    start, end = (Fraction(n) / plan.board.fps for n in (number, number + 1))
    return camera.between(plan.board.shots[0].camera, start, end, plan.frame)


def measured(plan: Plan, pictures: list[Tensor], judge: Perceptor, seconds: float) -> Figures:
    """The figures of a film's frames."""
    flicker = []
    for number, (before, after) in enumerate(itertools.pairwise(pictures)):
        matrix = motion(plan, number)
        height, width = after.shape[-2:]
        both = coverage(matrix, height, width, after.device) > 0.999
        change = (after - warp(before, matrix, "mirror")).abs().mean(1, keepdim=True)
        flicker.append(float(change[both].mean()) * 255)
    second = max(1, round(plan.board.fps))
    first, last = torch.cat(pictures[:second]), torch.cat(pictures[-second:])
    colours = [rgb_to_lab(part).mean((0, 2, 3)) for part in (first, last)]
    sharpness = [float(laplacian(part, 3).var()) for part in (first, last)]
    text = plan.board.shots[0].prompts[0].text or ""
    side = judge.side
    seen = judge.embed_views(F.interpolate(last, size=(side, side), mode="area"))
    return Figures(
        flicker=sum(flicker) / len(flicker),
        drift=float((colours[1] - colours[0]).norm()),
        sharpness=sharpness[1] / sharpness[0],
        distance=float(distance(seen, judge.embed_texts([text])).mean()),
        seconds=seconds,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=["plain", *VARIANTS], default=None)
    parser.add_argument("--prompts", nargs="+", default=["an orange sunset over the sea"])
    parser.add_argument("--size", default="160x96")
    parser.add_argument("--fps", default="12")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--judge", default="starter", help="a perceptor (default: the guide)")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    judge = load_perceptor(known("perceptor")[options.judge]).to(options.device)
    row = "{:16}" + "{:>10}" * 5
    print(row.format("variant", "flicker", "drift", "sharpness", "distance", "seconds"))
    for name in options.only or ["plain", *VARIANTS]:
        rows = []
        for prompt in options.prompts:
            settings = VARIANTS.get(name, "")
            text = BOARD.format(
                size=options.size,
                fps=options.fps,
                seconds=options.seconds,
                settings=settings,
                prompt=prompt,
            )
            board = parse(text, Path())
            models = load_models(board, torch.device(options.device))
            plan = make_plan(board, models.generator.factor, digest_named)
            begun = time.monotonic()
            made = list((plain if name == "plain" else rendered)(plan, models))
            rows.append(measured(plan, made, judge, time.monotonic() - begun))
        means = [
            sum(getattr(one, field) for one in rows) / len(rows)
            for field in ("flicker", "drift", "sharpness", "distance", "seconds")
        ]
        print(row.format(name, *(f"{mean:.3g}" for mean in means)), flush=True)


if __name__ == "__main__":
    main()
