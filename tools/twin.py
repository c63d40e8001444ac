"""Measures guidance on models that have the statistics of the real ones, which are not at hand.

    python tools/twin.py                       every twin, about ten minutes on two cores
    python tools/twin.py --only starter "other units"

A twin is the embedded pair, changed so that it computes the same in other numbers:

other units   the codes a fifth as large (imagenet's and Gumbel's are about that), and the networks
              around them scaled to fit
dead codes    besides that, 16 times as many codes, all of them near zero but for the old ones, as
              in imagenet-16384
clip          besides that, a perceptor whose distance from a prompt falls from about 0.95 to 0.7,
              as OpenAI's do, and not from 0.55 to 0.2

`before` is each of them as Render guided it when step sizes and losses had no units, dead codes
counted, and the losses that hold a film together had one weight for every perceptor. The columns
are the spread of the codes (what 1 means to a latent prompt, in units), and, as means over two
prompts, the distance of the first and of the last keyframe by the embedded perceptor itself, and
the flicker.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from quality import flickers, planned, random_cutouts, rendered
from torch import Tensor

from render.generators.vqgan import VQGAN, code_statistics
from render.synthesis.perceptor import Perceptor, angular_distance

SCALE = 0.2  # of the codes
DEAD = 15  # times as many codes as there are, near zero
# A real CLIP's cosines, from distances of 0.95 and 0.7, are these shares of the embedded one's.
GAIN, GAP = 0.584, -0.093
BOARD = """\
version: 1
size: 160x96
fps: 12
seed: {seed}
models: {{perceptors: starter}}
defaults: {{iterations: {{first: 60}}{settings}}}
shots:
  - {{duration: 2s, prompts: {prompt}, camera: {{zoom: 1.08/s, x: 4%/s}}}}
"""
PROMPTS = ("an orange sunset", "a green forest")
HELD = ", losses: {hold: 0.35, colours: 56, brightness: 56, sharpness: 0.21}"  # 0.7 of the usual


class Gap(Perceptor):
    """A perceptor whose cosines are GAIN times those of another plus GAP."""

    def __init__(self, inner: Perceptor) -> None:
        torch.nn.Module.__init__(self)
        self.inner, self.digest, self.side = inner, inner.digest, inner.side
        self.mean, self.std = inner.mean, inner.std

    def embed_cutouts(self, cutouts: Tensor) -> Tensor:
        """Returns unit vectors with one more number."""
        return widened(self.inner.embed_cutouts(cutouts), (1 - GAIN) ** 0.5, 0.0)

    def embed_texts(self, texts: list[str]) -> Tensor:
        """Returns unit vectors, of which the last two numbers make the gap."""
        share = GAP / (1 - GAIN) ** 0.5
        return widened(self.inner.embed_texts(texts), share, (1 - GAIN - share**2) ** 0.5)

    def distance(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Returns half the squared angle, as a CLIP's."""
        return angular_distance(embeddings, targets)


def widened(embeddings: Tensor, *numbers: float) -> Tensor:
    """Returns unit vectors (n, D), shortened to sqrt(GAIN), with more numbers (n, D + k)."""
    more = embeddings.new_tensor(numbers).expand(len(embeddings), -1)
    return torch.cat([GAIN**0.5 * embeddings, more], dim=1)


def scaled(generator: VQGAN, dead: int) -> VQGAN:
    """Returns the same function in other units, with `dead` times as many codes near zero."""
    other = copy.deepcopy(generator)
    with torch.no_grad():
        for parameter in other.quant_conv.parameters():
            parameter.mul_(SCALE)
        other.post_quant_conv.weight.div_(SCALE)
        codes = SCALE * generator.codebook
        random = torch.Generator().manual_seed(0)
        near_zero = 1e-4 * torch.randn(dead * len(codes), codes.shape[1], generator=random)
        other.codebook = torch.cat([codes, near_zero]) if dead else codes
        other.low, other.high = SCALE * generator.low, SCALE * generator.high
    other.spread, other.unit = code_statistics(other.codebook)
    return other


def without_units(generator: VQGAN) -> VQGAN:
    """Returns a generator as it was guided before: steps of one size, and every code counts."""
    other = copy.deepcopy(generator)
    other.unit = 1.0
    other.spread = 2 * float(generator.codebook.double().var(0, correction=0).mean())
    return other


@dataclass(frozen=True)
class Twin:
    """A way to change the models, and the storyboard's losses."""

    generator: Callable[[VQGAN], VQGAN] = lambda generator: generator
    perceptor: Callable[[Perceptor], Perceptor] = lambda perceptor: perceptor
    settings: str = ""


TWINS = {
    "starter": Twin(),
    "other units, before": Twin(lambda g: without_units(scaled(g, 0))),
    "other units": Twin(lambda g: scaled(g, 0)),
    "dead codes, before": Twin(lambda g: without_units(scaled(g, DEAD))),
    "dead codes": Twin(lambda g: scaled(g, DEAD)),
    "clip, before": Twin(lambda g: scaled(g, DEAD), Gap),
    "clip": Twin(lambda g: scaled(g, DEAD), Gap, HELD),
}


def distance(picture: Tensor, prompt: str, judge: Perceptor) -> float:
    """Returns how far a picture (1, 3, H, W) is from a prompt, over 64 cutouts."""
    cutouts = random_cutouts(picture, 64, judge.side, torch.Generator().manual_seed(5))
    with torch.no_grad():
        distances = judge.distance(judge.embed_cutouts(cutouts), judge.embed_texts([prompt]))
    return float(distances.mean())


def measured(twin: Twin, prompt: str, seed: int) -> tuple[float, ...]:
    """Returns the columns of one film."""
    text = BOARD.format(seed=seed, settings=twin.settings, prompt=prompt)
    plan, models = planned(text, "cpu")
    judge = models.perceptors[0][0]
    changed = replace(
        models,
        generators=(twin.generator(models.network),),
        perceptors=((twin.perceptor(judge), 1.0),),
    )
    pictures = list(rendered(plan, changed))
    return (
        changed.network.spread / changed.network.unit**2,
        distance(pictures[0], prompt, judge),
        distance(pictures[-1], prompt, judge),
        statistics.fmean(flickers(plan, pictures)),
    )


def main() -> None:
    """Reads the command line, measures and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=TWINS, default=list(TWINS), metavar="TWIN")
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args()
    print("| | spread | first | last | flicker |\n| --- | --- | --- | --- | --- |")
    for name in options.only:
        rows = [measured(TWINS[name], prompt, options.seed) for prompt in PROMPTS]
        spread, first, last, flicker = map(statistics.fmean, zip(*rows, strict=True))
        print(f"| {name} | {spread:.2f} | {first:.3f} | {last:.3f} | {flicker:.2f} |", flush=True)


if __name__ == "__main__":
    main()
