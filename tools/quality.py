"""What each way of holding a picture still is worth: flicker, drift, sharpness, likeness.

    python tools/quality.py                     every variant, about ten minutes on two cores
    python tools/quality.py --only plain render edges
    python tools/quality.py --judge ViT-B/32    a perceptor that does not guide, if it is there
    python tools/quality.py --between           ways of making frames between keyframes
    python tools/quality.py --zoom              whether a long zoom stays sharp

One storyboard (a zoom and a pan over one prompt) is rendered by each variant and by the plain loop
of the field's notebooks: every frame optimised, resampled bilinearly and through 8 bits, from a
fresh optimiser, with random views and nothing that holds. Printed as a table:

flicker     mean difference (of 255) between a frame and the one before as the camera sees it now,
            where both have a picture
drift       how far the mean colour went from the first second to the last (CIELAB, Delta E 1976)
sharpness   variance of the Laplacian in the last second, as a share of the first
distance    to the prompt by the judge, mean over the last second; less is nearer
statistics  the same by colour and texture statistics of painted scenes of that name, in standard
            deviations: they did not guide
seconds     of rendering

--between: two moving cameras, a keyframe on every 2nd, 4th, 8th and 16th of 24 frames a second, and
the same latents for every way. After the flicker

peak        the largest flicker, as a share of the mean
pop         flicker of the frames that are keyframes, as a share of the others'
rim peak, rim pop   the same in the outermost 5% of the picture, without what is newly seen
pulse       sharpness half-way between two keyframes, as a share of the mean of theirs
least       the least such share of all frames, keyframes' sharpness taken along a line

--zoom: sharpness of the keyframes, five seconds at a time, as a share of the first second's.
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
from render.generators.vqgan import Generator
from render.media.digest import file_digest
from render.plan import camera
from render.plan.moments import Moment
from render.plan.plan import Plan
from render.plan.planner import make_plan
from render.plan.progress import Meter
from render.storyboard.parser import parse
from render.synthesis.device import choose_device
from render.synthesis.initial_latent import choose_initial_latent
from render.synthesis.latents import Store
from render.synthesis.load import load_models
from render.synthesis.losses import distance
from render.synthesis.models import Models
from render.synthesis.perceptor import Perceptor, load_perceptor
from render.synthesis.targets import embed_targets, make_prompt_targets
from render.synthesis.warp import coverage, newly_exposed_mask, resample, source_grid, warp
from render.weights.library import known_models
from render.weights.selection import choose_models

BOARD = """\
version: 1
size: {size}
fps: {fps}
seed: 4
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
# Name to what stands under `defaults`. Losses that are not named keep their weights.
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
# For --zoom, where a keyframe comes every half a second: name to the camera and `defaults`.
ZOOMS = {
    "plain": (ZOOM, ""),
    "render": (ZOOM, ""),
    "no sharpness": (ZOOM, "  losses: {sharpness: 0}"),
    "sharpness 0.1": (ZOOM, "  losses: {sharpness: 0.1}"),
    "sharpness 1": (ZOOM, "  losses: {sharpness: 1}"),
    "sharpen 0.5": ("{zoom: 1.1/s, sharpen: 0.5}", "  losses: {sharpness: 0}"),
    "far steps": (ZOOM, "  losses: {sharpness: 0}\n" + VARIANTS["far steps"]),
}
PLAIN_VIEWS, PLAIN_STEP_SIZE = 16, 0.1


@dataclass(frozen=True)
class Figures:
    """One row of the table."""

    flicker: float
    drift: float
    sharpness: float
    distance: float
    statistics: float
    seconds: float


# Ways to make a frame between keyframes, of their codes and pictures.
Both = tuple[Tensor, Tensor]
WAYS: dict[str, Callable[[Generator, Both, Both, Moment], Tensor]] = {
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
    """`frames.blend` without what it does for the rim and for detail."""
    first, first_seen = warp_with_coverage(left, moment.from_left, moment.border)
    second, second_seen = warp_with_coverage(right, moment.from_right, moment.border)
    first_weight = (1 - share) * first_seen.clamp_min(1e-4)
    second_weight = share * second_seen.clamp_min(1e-4)
    return (first * first_weight + second * second_weight) / (first_weight + second_weight)


def planned(text: str, device: str, precision: str = "auto") -> tuple[Plan, Models]:
    """A storyboard's plan and its models."""
    board, machine = parse(text, Path()), choose_device(device, precision)
    chosen = choose_models(board.generator, board.perceptors)
    return make_plan(board, chosen, file_digest), load_models(chosen, machine)


def keyframed(plan: Plan, models: Models, folder: Path) -> Store:
    """Every keyframe, made where it is not there."""
    store = Store(folder)
    todo = missing_keyframes(plan, store)
    engine = SerialEngine(plan, models, store, Meter(plan, todo, 0), lambda progress: None)
    for keyframe in todo:
        engine.make(keyframe)
    return store


def rendered(plan: Plan, models: Models) -> Iterator[Tensor]:
    """Render's own frames, (1, 3, H, W) in [0, 1]."""
    with tempfile.TemporaryDirectory() as folder:
        store = keyframed(plan, models, Path(folder))
        for frame in frames(plan, store, models.generator, range(plan.frame_count)):
            yield torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 255


def plain(
    plan: Plan,
    models: Models,
    steps: int,
    views: int = PLAIN_VIEWS,
    augment: Callable[[Tensor], Tensor] = lambda seen: seen,
) -> Iterator[Tensor]:
    """The plain loop: what the notebooks do, with Render's models and from Render's start; views
    are changed by `augment`."""
    generator = models.generator
    first = plan.keyframes[0]
    prompt_targets = make_prompt_targets(plan, first.prompts, models, embed_targets(plan, models))
    random = torch.Generator().manual_seed(0)
    latent = choose_initial_latent(plan, first, generator, prompt_targets)
    for number in range(plan.frame_count):
        latent = latent.detach().requires_grad_()
        optimizer = torch.optim.Adam([latent], lr=PLAIN_STEP_SIZE)
        for _ in range(first.steps if number == 0 else steps):
            picture = generator.decode(latent)
            loss = picture.new_zeros(())
            for prompt_target in prompt_targets:
                seen = augment(random_views(picture, views, prompt_target.perceptor.side, random))
                far = distance(
                    prompt_target.perceptor.embed_cutouts(seen)[:, None],
                    prompt_target.embeddings[None],
                )
                loss = loss + prompt_target.weight * (far * prompt_target.weights).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            picture = (generator.decode(latent) * 255).round() / 255  # as through a PNG
            yield picture
            moved = bilinear(picture, motion(plan, number))
            latent = generator.encode((moved * 255).round() / 255)


def film_of(name: str, plan: Plan, models: Models, plain_steps: int) -> Iterator[Tensor]:
    """The frames of a variant."""
    return plain(plan, models, plain_steps) if name == "plain" else rendered(plan, models)


def bilinear(picture: Tensor, matrix: camera.Matrix) -> Tensor:
    """A picture (1, 3, H, W) seen through `matrix`, as the notebooks resample it."""
    height, width = picture.shape[-2:]
    grid = source_grid(matrix, height, width, picture.device)
    return F.grid_sample(picture, grid, padding_mode="reflection", align_corners=False)


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


def flickers(plan: Plan, pictures: list[Tensor], rim: bool = False) -> list[float]:
    """Mean change (of 255) of each frame but the first from the one before, as the camera sees it.

    Where both have a picture; `rim` takes only the outermost 5%, as near to the edge as there is
    something to compare with.
    """
    changes = []
    for number, (before, after) in enumerate(itertools.pairwise(pictures)):
        matrix = motion(plan, number)
        height, width = after.shape[-2:]
        both = coverage(matrix, height, width, after.device) > 0.999
        if rim:
            both = newly_exposed_mask(matrix, height, width, after.device) == 0
            edge = round(0.05 * height)
            both[..., edge:-edge, edge:-edge] = False
        change = (after - warp(before, matrix, "mirror")).abs().mean(1, keepdim=True)
        changes.append(float(change[both].mean()) * 255)
    return changes


def sharpness_of(pictures: Tensor) -> float:
    """Variance of the Laplacian of pictures (B, 3, H, W)."""
    return float(laplacian(pictures, 3).var())


@lru_cache
def painted() -> StatisticsJudge:
    """Knows what painted scenes of twelve names have in common."""
    return StatisticsJudge(TWELVES["scenes"], HELD_OUT + 1)


def statistical_distance(pictures: Tensor, text: str) -> float:
    """Of pictures (n, 3, h, w) in [0, 1] from the painted scenes that the text names."""
    if text not in TWELVES["scenes"]:
        return math.nan
    side = min(pictures.shape[-2:])
    top, left = ((length - side) // 2 for length in pictures.shape[-2:])
    middle = pictures[..., top : top + side, left : left + side]
    whole = F.interpolate(middle, size=(SIZE, SIZE), mode="bicubic", antialias=True).clamp(0, 1)
    away = [painted().distance(one.permute(1, 2, 0).numpy(), text) for one in whole.cpu()]
    return statistics.fmean(away)


def measured(plan: Plan, pictures: list[Tensor], judge: Perceptor, seconds: float) -> Figures:
    """The figures of a film's frames."""
    flicker = flickers(plan, pictures)
    second = max(1, round(plan.board.fps))
    first, last = torch.cat(pictures[:second]), torch.cat(pictures[-second:])
    colours = [rgb_to_lab(part).mean((0, 2, 3)) for part in (first, last)]
    sharpness = [sharpness_of(part) for part in (first, last)]
    text = plan.board.shots[0].prompts[0].text or ""
    side = judge.side
    seen = judge.embed_cutouts(F.interpolate(last, size=(side, side), mode="area"))
    return Figures(
        flicker=sum(flicker) / len(flicker),
        drift=float((colours[1] - colours[0]).norm()),
        sharpness=sharpness[1] / sharpness[0],
        distance=float(distance(seen, judge.embed_texts([text])).mean()),
        statistics=statistical_distance(last, text),
        seconds=seconds,
    )


@torch.no_grad()
def way_through(plan: Plan, models: Models, store: Store, way: str) -> list[Tensor]:
    """A film's frames, those between keyframes made in one of WAYS."""
    generator = models.generator

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
    """The columns of --between."""
    row: list[float] = []
    for rim in (False, True):
        flicker = flickers(plan, pictures, rim)
        arriving = flicker[every - 1 :: every]
        others = [value for n, value in enumerate(flicker, 1) if n % every]
        mean = statistics.mean(flicker)
        pop = statistics.mean(arriving) / statistics.mean(others)
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
    """The table of --between."""
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
                        pictures = way_through(plan, models, store, name)
                        figures[name].append(steadiness(plan, pictures, every))
            for name, rows in figures.items():
                means = [statistics.mean(values) for values in zip(*rows, strict=True)]
                print(row.format(name, f"{every}f", *(f"{mean:.3g}" for mean in means)), flush=True)


def print_zoom(options: argparse.Namespace) -> None:
    """The table of --zoom. One frame a keyframe, so that every frame is one."""
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
            made = film_of(name, plan, models, options.plain_steps)
            sharp = [sharpness_of(picture) for picture in made]
            begun = statistics.mean(sharp[:2])
            rows.append([statistics.mean(sharp[2 * s : 2 * s + 10]) / begun for s in starts])
        means = [statistics.mean(values) for values in zip(*rows, strict=True)]
        print(row.format(name, *(f"{mean:.3g}" for mean in means)), flush=True)


def print_variants(options: argparse.Namespace) -> None:
    """The table of every variant."""
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
            begun = time.monotonic()
            made = list(film_of(name, plan, models, options.plain_steps))
            rows.append(measured(plan, made, judge, time.monotonic() - begun))
        means = [statistics.fmean(getattr(one, field) for one in rows) for field in names]
        print(row.format(name, *(f"{mean:.3g}" for mean in means)), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--between", action="store_const", dest="table", const=print_between)
    mode.add_argument("--zoom", action="store_const", dest="table", const=print_zoom)
    parser.add_argument("--only", nargs="+", default=None, help="some of the variants")
    parser.add_argument("--prompts", nargs="+", default=["an orange sunset", "a green forest"])
    parser.add_argument("--size", default="160x96")
    parser.add_argument("--fps", default="12", help="of the table of variants")
    parser.add_argument("--seconds", type=float, help="default: 4, --between 2, --zoom 30")
    parser.add_argument("--every", default="0.5s", help="a keyframe, in the table of variants")
    parser.add_argument(
        "--plain-steps", type=int, default=4, help="on each frame of the plain loop"
    )
    parser.add_argument("--judge", default="starter", help="a perceptor (default: the guide)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--latents", type=Path, help="where --between keeps its keyframes")
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
