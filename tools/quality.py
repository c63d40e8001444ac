"""Measures what each loss and setting is worth: flicker, drift, sharpness, distance to the prompt.

    python tools/quality.py                     every variant, about ten minutes on two cores
    python tools/quality.py --only plain render "edges 2"
    python tools/quality.py --judge ViT-B/32    a perceptor that does not guide, if it is installed
    python tools/quality.py --between           compares ways of making frames between keyframes
    python tools/quality.py --zoom              measures whether a long zoom stays sharp

Every variant renders one storyboard, a zoom and a pan over one prompt. `plain` is the plain loop of
the VQGAN+CLIP notebooks: it optimises every frame with a fresh optimiser and independent cutouts,
starts it from the frame before, resampled bilinearly and through 8 bits, and has no loss that
compares it with another picture. The table's columns are

flicker     mean difference, of 255, between a frame and the one before it as the camera sees it
            now, where both have a picture
drift       how far the mean colour went from the first second to the last (CIELAB, Delta E 1976)
sharpness   variance of the Laplacian in the last second, as a share of the first second's
distance    to the prompt, by the judge, mean over the last second; less is nearer
statistics  the same by colour and texture statistics of painted scenes of that name, in standard
            deviations; these statistics did not guide
seconds     of rendering

With --between, two cameras move, keyframes are every 2nd, 4th, 8th or 16th of 24 frames a second,
and every way of making frames is given the same latents. The columns after the flicker are

peak        the largest flicker, as a share of the mean
pop         flicker of the frames that are keyframes, as a share of the others'
rim peak, rim pop   the same in the outermost 5% of the picture, without newly exposed parts
pulse       sharpness half-way between two keyframes, as a share of the mean of theirs
least       the lowest sharpness of a frame, as a share of what a straight line between the
            sharpness of its two keyframes gives

With --zoom, the columns are the sharpness of the keyframes over five seconds each, as a share of
the first second's.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import torch
from kornia.color import rgb_to_lab
from kornia.filters import laplacian
from starter.canvas import SIZE
from starter.data import HELD_OUT
from starter.judges import StatisticsJudge
from starter.twelves import TWELVES
from torch import Tensor
from torch.nn import functional as F

from render.engines import SerialEngine
from render.film.blends import lerp
from render.film.film import missing_keyframes
from render.film.frames import blend_keyframes, frames, warp_with_coverage
from render.generators.vqgan import VQGAN
from render.generators.warp import coverage, newly_exposed_mask, resample, source_grid, warp
from render.media.digest import file_digest
from render.plan import camera
from render.plan.moments import Moment
from render.plan.plan import Plan
from render.plan.planner import make_plan
from render.plan.progress import Meter
from render.storyboard.parser import parse
from render.synthesis.device import choose_device
from render.synthesis.initial_picture import choose_initial_picture
from render.synthesis.latents import Store
from render.synthesis.load import load_models, load_perceptor
from render.synthesis.models import Models
from render.synthesis.perceptor import Perceptor
from render.synthesis.targets import embed_targets, make_prompt_targets
from render.weights.library import known_models
from render.weights.selection import choose_models

BOARD = """\
version: 1
size: {size}
fps: {fps}
seed: 4
models: {{perceptors: starter}}
defaults:
  iterations: {{first: 40, then: {then}}}
  cutouts: 8
  keyframes: {every}
{settings}
shots:
  - duration: {seconds}s
    prompts: {prompt}
    camera: {camera}
"""
SLOW, FAST, ZOOM = "{zoom: 1.08/s, x: 4%/s}", "{zoom: 1.3/s, angle: 10deg/s}", "{zoom: 1.1/s}"
# Name to lines of the storyboard's `defaults`. Losses that are not named keep their weights.
VARIANTS = {
    "render": "",
    "free colours": "  losses: {colours: 0, brightness: 0}",
    "no hold": "  losses: {hold: 0}",
    "hold 2": "  losses: {hold: 2}",
    "latent 0.5": "  losses: {latent: 0.5}",
    "likeness 0.5": "  losses: {likeness: 0.5}",
    "edges 2": "  losses: {edges: 2}",
    "no smoothness": "  losses: {smoothness: 0}",
    "no sharpness": "  losses: {sharpness: 0}",
    "no average": "  smoothing: 0",
    "far steps": "  step: {first: 0.8, then: 0.4}",
    "near steps": "  step: {first: 0.8, then: 0.1}",
}
# For --zoom: name to the camera and to lines of `defaults`.
ZOOMS = {
    "plain": (ZOOM, ""),
    "render": (ZOOM, ""),
    "no sharpness": (ZOOM, "  losses: {sharpness: 0}"),
    "sharpness 0.1": (ZOOM, "  losses: {sharpness: 0.1}"),
    "sharpness 1": (ZOOM, "  losses: {sharpness: 1}"),
    "sharpen 0.5": ("{zoom: 1.1/s, sharpen: 0.5}", "  losses: {sharpness: 0}"),
    "far steps": (ZOOM, "  losses: {sharpness: 0}\n" + VARIANTS["far steps"]),
}
PLAIN_CUTOUTS, PLAIN_STEP_SIZE = 16, 0.1


@dataclass(frozen=True)
class Figures:
    """One row of the table of variants; the module's docstring explains the columns."""

    flicker: float
    drift: float
    sharpness: float
    distance: float
    statistics: float
    seconds: float


# Ways to make a frame between two keyframes from their codes and their pictures.
Both = tuple[Tensor, Tensor]
WAYS: dict[str, Callable[[VQGAN, Both, Both, Moment], Tensor]] = {
    "picture": lambda generator, codes, pictures, moment: blend_keyframes(*pictures, moment),
    "crossfade": lambda generator, codes, pictures, moment: crossfade(
        *pictures, moment, moment.fraction
    ),
    "smoothstep": lambda generator, codes, pictures, moment: crossfade(
        *pictures, moment, moment.fraction**2 * (3 - 2 * moment.fraction)
    ),
    "latent": lambda generator, codes, pictures, moment: generator.paint(
        lerp(*codes, moment.fraction)
    ),
    "codes moved": lambda generator, codes, pictures, moment: generator.paint(
        lerp(
            resample(codes[0], moment.from_left, moment.border),
            resample(codes[1], moment.from_right, moment.border),
            moment.fraction,
        )
    ),
}


def crossfade(left: Tensor, right: Tensor, moment: Moment, share: float) -> Tensor:
    """Returns both pictures warped to the frame's pose and cross-faded, without what
    `blend_keyframes` does for the rim and for detail."""
    first, first_coverage = warp_with_coverage(left, moment.from_left, moment.border)
    second, second_coverage = warp_with_coverage(right, moment.from_right, moment.border)
    first_weight = (1 - share) * first_coverage.clamp_min(1e-4)
    second_weight = share * second_coverage.clamp_min(1e-4)
    return (first * first_weight + second * second_weight) / (first_weight + second_weight)


def planned(text: str, device: str, precision: str = "auto") -> tuple[Plan, Models]:
    """Returns the plan and the models of a storyboard given as text."""
    board, machine = parse(text, Path()), choose_device(device, precision)
    chosen = choose_models(board.generators, board.perceptors)
    return make_plan(board, chosen, file_digest), load_models(chosen, machine)


def keyframed(plan: Plan, models: Models, folder: Path) -> Store:
    """Returns a store with every keyframe, after making those that are missing."""
    store = Store(folder)
    todo = missing_keyframes(plan, store)
    engine = SerialEngine(plan, models, store, todo, Meter(plan, todo, 0), lambda _: None)
    for keyframe in todo:
        engine.make(keyframe)
    return store


def rendered(plan: Plan, models: Models) -> Iterator[Tensor]:
    """Yields the frames that Render makes, (1, 3, H, W) in [0, 1]."""
    with tempfile.TemporaryDirectory() as folder:
        store = keyframed(plan, models, Path(folder))
        for frame in frames(plan, store, models.generators, range(plan.frame_count)):
            yield torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 255


def plain(
    plan: Plan,
    models: Models,
    steps: int,
    cutouts: int = PLAIN_CUTOUTS,
    augment: Callable[[Tensor], Tensor] = lambda unchanged: unchanged,
) -> Iterator[Tensor]:
    """Yields the frames of the plain loop, (1, 3, H, W) in [0, 1].

    It is the loop of the notebooks with Render's models and initial picture. The first keyframe's
    steps are those of the plan, every later frame takes `steps`. `augment` changes the cutouts
    (n, 3, S, S).
    """
    generator = models.network
    first = plan.keyframes[0]
    prompt_targets = make_prompt_targets(plan, first, models, embed_targets(plan, models))
    random = torch.Generator().manual_seed(0)
    latent = generator.encode(choose_initial_picture(plan, first, generator.device, prompt_targets))
    for number in range(plan.frame_count):
        latent = latent.detach().requires_grad_()
        optimizer = torch.optim.Adam([latent], lr=PLAIN_STEP_SIZE)
        for _ in range(first.steps if number == 0 else steps):
            picture = generator.decode(latent)
            loss = picture.new_zeros(())
            for prompt_target in prompt_targets:
                perceptor = prompt_target.perceptor
                seen = augment(random_cutouts(picture, cutouts, perceptor.side, random))
                distances = perceptor.distance(
                    perceptor.embed_cutouts(seen)[:, None], prompt_target.embeddings[None]
                )
                weighted = (distances * prompt_target.weights).sum(1).mean()
                loss = loss + prompt_target.weight * weighted
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            picture = (generator.decode(latent) * 255).round() / 255  # as through a PNG
            yield picture
            warped = bilinear(picture, motion(plan, number))
            latent = generator.encode((warped * 255).round() / 255)


def film_of(name: str, plan: Plan, models: Models, plain_steps: int) -> Iterator[Tensor]:
    """Yields the frames of a variant: of the plain loop, or of Render with the plan's settings."""
    return plain(plan, models, plain_steps) if name == "plain" else rendered(plan, models)


def bilinear(picture: Tensor, matrix: camera.Matrix) -> Tensor:
    """Returns a picture (1, 3, H, W) warped by `matrix` and resampled as in the notebooks."""
    height, width = picture.shape[-2:]
    grid = source_grid(matrix, height, width, picture.device)
    return F.grid_sample(picture, grid, padding_mode="reflection", align_corners=False)


def random_cutouts(picture: Tensor, count: int, side: int, random: torch.Generator) -> Tensor:
    """Returns independent square cutouts (count, 3, side, side) of 40 to 100% of the shorter side,
    resized by averaging."""
    height, width = picture.shape[-2:]
    cutouts = []
    for size, down, across in torch.rand(count, 3, generator=random).tolist():
        edge = int(min(height, width) * (0.4 + 0.6 * size))
        top, left = int(down * (height - edge)), int(across * (width - edge))
        part_of_picture = picture[..., top : top + edge, left : left + edge]
        cutouts.append(F.adaptive_avg_pool2d(part_of_picture, side))
    return torch.cat(cutouts)


def motion(plan: Plan, number: int) -> camera.Matrix:
    """Returns the camera matrix from a frame to the next one, by the camera of the first's shot."""
    shot = plan.shot_of(number)
    start, end = (Fraction(n) / plan.board.fps - plan.starts[shot] for n in (number, number + 1))
    return camera.between(plan.board.shots[shot].camera, start, end, plan.frame_size)


def flickers(plan: Plan, pictures: list[Tensor], rim: bool = False) -> list[float]:
    """Returns the flicker of every frame but the first: its mean difference, of 255, from the frame
    before as the camera sees it now.

    Only pixels that both frames have count. With `rim` only the outermost 5% of the picture counts,
    without newly exposed parts.
    """
    changes = []
    for number, (before, after) in enumerate(itertools.pairwise(pictures)):
        matrix = motion(plan, number)
        height, width = after.shape[-2:]
        compared = coverage(matrix, height, width, after.device) > 0.999
        if rim:
            compared = newly_exposed_mask(matrix, height, width, after.device) == 0
            edge = round(0.05 * height)
            compared[..., edge:-edge, edge:-edge] = False
        change = (after - warp(before, matrix, "mirror")).abs().mean(1, keepdim=True)
        changes.append(float(change[compared].mean()) * 255)
    return changes


def sharpness_of(pictures: Tensor) -> float:
    """Returns the variance of the Laplacian of pictures (B, 3, H, W)."""
    return float(laplacian(pictures, 3).var())


@lru_cache
def scene_judge() -> StatisticsJudge:
    """Returns the judge that knows the statistics of painted scenes of twelve names."""
    return StatisticsJudge(TWELVES["scenes"], HELD_OUT + 1)


def statistical_distance(pictures: Tensor, text: str) -> float:
    """Returns the mean distance of pictures (n, 3, h, w) in [0, 1] from painted scenes of the name
    `text`, in standard deviations; NaN where no painted scene has that name."""
    if text not in TWELVES["scenes"]:
        return math.nan
    side = min(pictures.shape[-2:])
    top, left = ((length - side) // 2 for length in pictures.shape[-2:])
    middle = pictures[..., top : top + side, left : left + side]
    resized = F.interpolate(middle, size=(SIZE, SIZE), mode="bicubic", antialias=True).clamp(0, 1)
    return statistics.fmean(
        scene_judge().distance(picture.permute(1, 2, 0).numpy(), text) for picture in resized.cpu()
    )


def measured(plan: Plan, pictures: list[Tensor], judge: Perceptor, seconds: float) -> Figures:
    """Returns the figures of a film's frames (1, 3, H, W)."""
    flicker = flickers(plan, pictures)
    second = max(1, round(plan.board.fps))
    first, last = torch.cat(pictures[:second]), torch.cat(pictures[-second:])
    colours = [rgb_to_lab(part).mean((0, 2, 3)) for part in (first, last)]
    sharpness = [sharpness_of(part) for part in (first, last)]
    text = plan.board.shots[0].prompts[0].text or ""
    side = judge.side
    embeddings = judge.embed_cutouts(F.interpolate(last, size=(side, side), mode="area"))
    return Figures(
        flicker=sum(flicker) / len(flicker),
        drift=float((colours[1] - colours[0]).norm()),
        sharpness=sharpness[1] / sharpness[0],
        distance=float(judge.distance(embeddings, judge.embed_texts([text])).mean()),
        statistics=statistical_distance(last, text),
        seconds=seconds,
    )


@torch.no_grad()
def frames_made_by(way: str, plan: Plan, models: Models, store: Store) -> list[Tensor]:
    """Returns a film's frames (1, 3, H, W); those between keyframes are made in one of WAYS."""
    generator = models.network

    @lru_cache(maxsize=2)
    def codes(index: int) -> Tensor:
        return generator.quantise(store.load(plan.keyframes[index].key).to(models.device))

    @lru_cache(maxsize=2)
    def picture(index: int) -> Tensor:
        return generator.paint(codes(index))

    made = []
    for number in range(plan.frame_count):
        moment = plan.moment(number)
        left, right = moment.left, moment.right
        if moment.fraction == 0.0:
            made.append(picture(left))
        else:
            both = (codes(left), codes(right)), (picture(left), picture(right))
            made.append(WAYS[way](generator, *both, moment))
    return made


def steadiness(plan: Plan, pictures: list[Tensor], every: int) -> tuple[float, ...]:
    """Returns the columns of --between, for a keyframe on each `every`-th frame."""
    row: list[float] = []
    for rim in (False, True):
        flicker = flickers(plan, pictures, rim)
        keyframes = flicker[every - 1 :: every]
        others = [value for n, value in enumerate(flicker, 1) if n % every]
        mean = statistics.mean(flicker)
        pop = statistics.mean(keyframes) / statistics.mean(others)
        row += [max(flicker) / mean, pop] if rim else [mean, max(flicker) / mean, pop]
    sharp = [sharpness_of(picture) for picture in pictures]
    halfway, all_shares = [], []
    for number in range(len(pictures) // every * every - every):
        left, within = number // every * every, number % every / every
        share = sharp[number] / (sharp[left] * (1 - within) + sharp[left + every] * within)
        all_shares.append(share)
        if within == 0.5:
            halfway.append(share)
    return (*row, statistics.mean(halfway), min(all_shares))


def print_between(options: argparse.Namespace) -> None:
    """Prints the table of --between, row by row."""
    row = "{:12}{:>5}" + "{:>10}" * 7
    columns = ("flicker", "peak", "pop", "rim peak", "rim pop", "pulse", "least")
    for lens in (SLOW, FAST):
        print(f"camera: {lens}\n" + row.format("way", "every", *columns))
        for every in (2, 4, 8, 16):
            figures: dict[str, list[tuple[float, ...]]] = {name: [] for name in WAYS}
            for prompt in options.prompts:
                text = BOARD.format(
                    size=options.size,
                    fps=24,
                    seconds=options.seconds or 2,
                    then=8,
                    every=f"{every}f",
                    settings="",
                    prompt=prompt,
                    camera=lens,
                )
                plan, models = planned(text, options.device)
                with tempfile.TemporaryDirectory() as folder:
                    store = keyframed(plan, models, options.latents or Path(folder))
                    for name in WAYS:
                        pictures = frames_made_by(name, plan, models, store)
                        figures[name].append(steadiness(plan, pictures, every))
            for name, rows in figures.items():
                means = [statistics.mean(values) for values in zip(*rows, strict=True)]
                print(row.format(name, f"{every}f", *(f"{mean:.3g}" for mean in means)), flush=True)


def print_zoom(options: argparse.Namespace) -> None:
    """Prints the table of --zoom. At 2 frames a second every frame is a keyframe."""
    seconds = options.seconds or 30
    starts = range(0, math.ceil(seconds), 5)
    row = "{:16}" + "{:>10}" * len(starts)
    print(row.format("variant", *(f"{start} s" for start in starts)))
    for name in options.only or ZOOMS:
        lens, settings = ZOOMS[name]
        rows = []
        for prompt in options.prompts:
            text = BOARD.format(
                size=options.size,
                fps=2,
                seconds=seconds,
                then=6,
                every="0.5s",
                settings=settings,
                prompt=prompt,
                camera=lens,
            )
            plan, models = planned(text, options.device)
            pictures = film_of(name, plan, models, options.plain_steps)
            sharp = [sharpness_of(picture) for picture in pictures]
            at_first = statistics.mean(sharp[:2])
            rows.append([statistics.mean(sharp[2 * s : 2 * s + 10]) / at_first for s in starts])
        means = [statistics.mean(values) for values in zip(*rows, strict=True)]
        print(row.format(name, *(f"{mean:.3g}" for mean in means)), flush=True)


def print_variants(options: argparse.Namespace) -> None:
    """Prints the table of variants, row by row."""
    judge = load_perceptor(known_models("perceptor")[options.judge]).on(
        torch.device(options.device)
    )
    names = [field.name for field in fields(Figures)]
    row = "{:16}" + "{:>11}" * len(names)
    print(row.format("variant", *names))
    for name in options.only or ["plain", *VARIANTS]:
        rows = []
        for prompt in options.prompts:
            text = BOARD.format(
                size=options.size,
                fps=options.fps,
                seconds=options.seconds or 4,
                then=8,
                every=options.every,
                settings=VARIANTS.get(name, ""),
                prompt=prompt,
                camera=SLOW,
            )
            plan, models = planned(text, options.device)
            start = time.monotonic()
            pictures = list(film_of(name, plan, models, options.plain_steps))
            rows.append(measured(plan, pictures, judge, time.monotonic() - start))
        means = [statistics.fmean(getattr(figures, field) for figures in rows) for field in names]
        print(row.format(name, *(f"{mean:.3g}" for mean in means)), flush=True)


def main() -> None:
    """Reads the command line, measures and prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--between",
        action="store_const",
        dest="table",
        const=print_between,
        help="the table of ways to make frames between keyframes",
    )
    mode.add_argument(
        "--zoom",
        action="store_const",
        dest="table",
        const=print_zoom,
        help="the table of a long zoom's sharpness",
    )
    parser.add_argument("--only", nargs="+", default=None, help="only these variants")
    parser.add_argument("--prompts", nargs="+", default=["an orange sunset", "a green forest"])
    parser.add_argument("--size", default="160x96")
    parser.add_argument("--fps", default="12", help="in the table of variants")
    parser.add_argument("--seconds", type=float, help="default: 4, --between 2, --zoom 30")
    parser.add_argument(
        "--every", default="0.5s", help="time between keyframes in the table of variants"
    )
    parser.add_argument(
        "--plain-steps", type=int, default=4, help="steps on each frame of the plain loop"
    )
    parser.add_argument(
        "--judge", default="starter", help="a perceptor (default: the one that guides)"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--latents", type=Path, help="folder in which --between keeps keyframes")
    options = parser.parse_args()
    if options.table is print_between and (options.seconds or 2) < 1.5:
        parser.error("--between takes 1.5 seconds or more: two keyframes 16 frames apart")
    known_names = ZOOMS if options.table is print_zoom else ["plain", *VARIANTS]
    for name in options.only or ():
        if name not in known_names:
            parser.error(f"there is no variant {name!r}; there are {', '.join(known_names)}")
    (options.table or print_variants)(options)


if __name__ == "__main__":
    main()
