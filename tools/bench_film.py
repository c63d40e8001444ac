"""Measures how long a film takes and how good it becomes: by the plain loop, and by Render.

    python tools/bench_film.py                             the plain loop and Render's defaults
    python tools/bench_film.py --only render "half the steps"            what one change is worth
    python tools/bench_film.py --only "8 cutouts + stopping early"       two changes at once
    python tools/bench_film.py --only "independent cutouts"

The plain loop is that of the VQGAN+CLIP notebooks. It optimises every frame with a fresh optimiser
and a constant step size, with 32 independent cutouts that kornia's augmentations change one after
another, on taming's and open_clip's own modules in float32. `plain 10` takes 10 steps a frame, the
least that the notebooks take (10 to 50). The other names are those of LEVERS: Render with one thing
changed.

The columns are the optimisation steps in all, the figures of tools/quality.py (flicker, drift,
sharpness, distance by the judge, statistics that did not guide), and seconds of wall time; each is
a mean over `--prompts`. Beside Render it needs what tools/quality.py needs. Set
GOMP_SPINCOUNT=3000, as Render does for itself.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar
from unittest.mock import patch

import torch
from bench import augmented, idle_share, with_taming_forward
from quality import Figures, measured, plain, planned, rendered
from torch import Tensor

from render.film import frames
from render.generators.vqgan import VQGAN
from render.plan.plan import Keyframe, Plan
from render.synthesis import cutouts, initial_picture, keyframe, optimize
from render.synthesis.clip_perceptor import load_clip, read_clip
from render.synthesis.perceptor import Perceptor
from render.weights.library import known_models

BOARD = """\
version: 1
size: {size}
fps: {fps}
seed: {seed}
models: {{perceptors: starter}}
defaults: {{{settings}}}
shots:
  - duration: {seconds}s
    prompts: {prompt}
    camera: {{zoom: 1.08/s, x: 4%/s}}
"""
PLAIN_CUTOUTS = 32  # in each step of the plain loop
PLAIN = re.compile(r"plain (\d+)")  # the plain loop and its steps on each frame


def independent(
    count: int, picture: tuple[int, int], sizes: tuple[float, float], seed: int, **rest: Any
) -> cutouts.CutoutDraw:
    """Returns `count` cutouts that are drawn independently: each is the only one of its own draw.

    Render's own draw spreads the sizes and places of a step's cutouts evenly.
    """
    draws = [cutouts.sample_cutouts(1, picture, sizes, seed + n, **rest) for n in range(count)]
    noise = [draw.noise for draw in draws if draw.noise is not None]
    return cutouts.CutoutDraw(
        torch.cat([draw.homographies for draw in draws]),
        torch.cat([draw.extents for draw in draws]),
        torch.cat([draw.gains for draw in draws]),
        torch.cat(noise) if noise else None,
        seed,
    )


def one_level(generator: VQGAN, latent: Tensor) -> list[Tensor]:
    """Returns only the finest of the offsets that are optimised: one for every cell."""
    return [torch.zeros_like(latent)]


class Remembering(torch.optim.Adam):
    """Adam that starts every keyframe with the second moments of the keyframe before, as they were
    after its last step."""

    second_moments: ClassVar[list[Tensor]] = []

    def __init__(self, groups: Any, **settings: Any) -> None:
        super().__init__(groups, **settings)
        offsets = [offset for group in self.param_groups for offset in group["params"]]
        before = type(self).second_moments
        if [moment.shape for moment in before] == [offset.shape for offset in offsets]:
            for offset, moment in zip(offsets, before, strict=True):
                self.state[offset] = {
                    "step": torch.tensor(25.0),
                    "exp_avg": torch.zeros_like(moment),
                    "exp_avg_sq": moment.clone(),
                }
        self.offsets = offsets

    def step(self, *given: Any) -> None:  # type: ignore[override]
        """Takes a step and remembers the second moments."""
        super().step(*given)
        type(self).second_moments = [self.state[offset]["exp_avg_sq"] for offset in self.offsets]


def stopping(*given: Any, **settings: Any) -> Iterator[optimize.Step]:
    """Yields the inner loop's steps until the mean loss of six steps is less than half a percent
    below that of the six before. The last step is marked as the final one."""
    losses: list[float] = []
    for step in optimize.optimize(*given, **settings):
        losses.append(float(step.loss))
        now, before = losses[-6:], losses[-12:-6]
        if len(before) == 6 and statistics.fmean(now) > 0.995 * statistics.fmean(before):
            COUNTED.append(step.index)
            yield replace(step, index=step.steps)
            return
        yield step
    COUNTED.append(len(losses))


COUNTED: list[int] = []  # steps of each keyframe that `stopping` optimised


def from_grey(plan: Plan, frame: Keyframe, device: torch.device, prompt_targets: object) -> Tensor:
    """Returns the grey picture that a chain starts from without a choice among candidates."""
    return initial_picture.grey_clouds(plan.size, frame.seed).to(device)


@dataclass(frozen=True)
class Lever:
    """One change of Render."""

    settings: str = ""  # of the storyboard's `defaults`
    patches: tuple[tuple[object, str, object], ...] = ()  # (owner, attribute, replacement)
    reference: bool = False  # whether the generator runs taming's own modules
    precision: str = "auto"


LEVERS = {
    "render": Lever(),
    "every frame": Lever("keyframes: 1f"),
    "keyframes 0.25s": Lever("keyframes: 0.25s"),
    "keyframes 1s": Lever("keyframes: 1s"),
    "half the steps": Lever("iterations: {then: 12}"),
    "twice the steps": Lever("iterations: {then: 50}"),
    "12 cutouts": Lever("cutouts: 12"),
    "8 cutouts": Lever("cutouts: 8"),
    "32 cutouts": Lever("cutouts: 32"),
    "independent cutouts": Lever(patches=((keyframe, "sample_cutouts", independent),)),
    "fine steps only": Lever(
        patches=((VQGAN, "zero_offsets", one_level), (VQGAN, "step_shares", (1.0,)))
    ),
    "constant step size": Lever(patches=((optimize, "step_size_at", lambda size, *_: size),)),
    "decoded anew": Lever(patches=((frames, "lru_cache", lambda maxsize: lambda made: made),)),
    "stopping early": Lever(patches=((keyframe, "optimize", stopping),)),
    "Adam's memory": Lever(patches=((torch.optim, "Adam", Remembering),)),
    "from grey": Lever(patches=((keyframe, "choose_initial_picture", from_grey),)),
    "float32": Lever(precision="float32"),
    "taming's modules": Lever(reference=True, precision="float32"),
}


def lever_of(name: str) -> Lever:
    """Returns one of LEVERS, or several joined by " + " as one; raises KeyError.

    The plain loop is no change of Render: only its precision is set.
    """
    if PLAIN.fullmatch(name):
        return Lever(precision="float32")
    levers = [LEVERS[part] for part in name.split(" + ")]
    return Lever(
        ", ".join(lever.settings for lever in levers if lever.settings),
        tuple(change for lever in levers for change in lever.patches),
        any(lever.reference for lever in levers),
        next((lever.precision for lever in levers if lever.precision != "auto"), "auto"),
    )


@contextmanager
def changed(lever: Lever) -> Iterator[None]:
    """Applies the lever's patches within the `with` block."""
    with ExitStack() as stack:
        for owner, name, value in lever.patches:
            stack.enter_context(patch.object(owner, name, value))
        yield


def row_of(name: str, prompt: str, judge: Perceptor, options: argparse.Namespace) -> list[float]:
    """Makes one film and returns its row: the steps in all, then the fields of Figures."""
    lever = lever_of(name)
    Remembering.second_moments = []
    text = BOARD.format(
        size=options.size,
        fps=options.fps,
        seed=options.seed,
        seconds=options.seconds,
        prompt=prompt,
        settings=lever.settings,
    )
    plan, models = planned(text, options.device, lever.precision)
    steps = sum(frame.steps for frame in plan.keyframes)
    plain_loop = PLAIN.fullmatch(name)
    if lever.reference or plain_loop:
        models = replace(models, generators=(with_taming_forward(models.network),))
    film: Callable[[], Iterator[Tensor]] = partial(rendered, plan, models)
    if plain_loop:
        steps_a_frame = int(plain_loop[1])
        steps = plan.keyframes[0].steps + (plan.frame_count - 1) * steps_a_frame
        unchanged = ((read_clip(known_models("perceptor")["starter"]), 1.0),)
        models = replace(models, perceptors=unchanged)
        film = partial(plain, plan, models, steps_a_frame, PLAIN_CUTOUTS, augmented)
    with changed(lever):
        start = time.perf_counter()
        pictures = list(film())
        seconds = time.perf_counter() - start
    if COUNTED:
        steps = sum(COUNTED)
        COUNTED.clear()
    figures = measured(plan, pictures, judge, seconds)
    return [float(steps), *(getattr(figures, field.name) for field in fields(Figures))]


def main() -> None:
    """Reads the command line, measures and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=["plain 10", "render"],
        help="the table's rows in order: plain N, or names of LEVERS, which + joins",
    )
    parser.add_argument("--prompts", nargs="+", default=["an orange sunset", "a green forest"])
    parser.add_argument("--size", default="160x96")
    parser.add_argument("--fps", default="24")
    parser.add_argument("--seconds", default="4")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument(
        "--judge", default="starter", help="a perceptor (default: the one that guides)"
    )
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    for name in options.only:
        if not (set(name.split(" + ")) <= set(LEVERS) or PLAIN.fullmatch(name)):
            parser.error(f"there is no {name!r}; there are plain N, {', '.join(LEVERS)}")
    judge = load_clip(known_models("perceptor")[options.judge]).on(torch.device(options.device))
    row = "{:18}" + "{:>11}" * (1 + len(fields(Figures)))
    print(f"idle before: {idle_share()}, threads: {torch.get_num_threads()}")
    print(row.format("", "steps", *(field.name for field in fields(Figures))))
    for name in options.only:
        rows = [row_of(name, prompt, judge, options) for prompt in options.prompts]
        means = [statistics.fmean(values) for values in zip(*rows, strict=True)]
        print(row.format(name, *(f"{mean:.3g}" for mean in means)), flush=True)


if __name__ == "__main__":
    main()
