"""What the two models can do, measured one by one on pictures that no training has seen."""

from __future__ import annotations

import functools
import itertools
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from starter.canvas import as_bytes, solid
from starter.data import HELD_OUT
from starter.drawings import Drawings
from starter.fills import COLOURS
from starter.scenes import scene
from starter.shapes import ELEVEN
from starter.studies import study
from starter.twelves import TWELVES
from starter.words import article
from torch import Tensor

from render.generators.vqgan import Generator
from render.synthesis.perceptor import Perceptor

Pairs = dict[str, Tensor]  # caption to its picture (3, SIZE, SIZE) in 0 to 1


def as_tensor(picture: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]) -> Tensor:
    """A picture in bytes (h, w, 3) as (3, h, w) in 0 to 1."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255


def scaled(pictures: Tensor, side: int) -> Tensor:
    """Pictures (n, 3, h, w) as (n, 3, side, side)."""
    return F.interpolate(pictures, size=side, mode="bicubic", antialias=True).clamp(0, 1)


def fresh_scenes(count: int) -> Tensor:
    """Scenes (count, 3, SIZE, SIZE) that no training has seen."""
    return torch.stack([as_tensor(scene(HELD_OUT + 10_000 + i).picture) for i in range(count)])


def held_out_drawings(drawings: Drawings, named: bool = False) -> dict[int, Tensor]:
    """Held-out drawings (3, 160, 160) on nearly white, by their numbers."""
    random, white = np.random.default_rng(HELD_OUT), np.full((160, 160, 3), 245, np.uint8)
    return {
        i: as_tensor(drawings.laid_on(white, i, random, (0.6, 1.0)))
        for i in drawings.held_out
        if drawings.names[i] or not named
    }


def held_out_pairs(drawings: Drawings) -> Pairs:
    """A hundred captions and their pictures: 40 scenes, 30 studies, 30 drawings."""
    pairs: Pairs = {}
    for number, (i, picture) in enumerate(held_out_drawings(drawings, named=True).items()):
        if len(pairs) < 30 and number % 2:  # every second, so that faces do not crowd in
            pairs.setdefault(article(drawings.names[i]), picture)
    paint_study = functools.partial(study, drawings=Drawings(Path()))  # its styles show scenes
    for paint, count in ((paint_study, 60), (scene, 100)):
        for seed in itertools.count(HELD_OUT + 20_000):
            if len(pairs) == count:
                break
            one = paint(seed)
            pairs.setdefault(one.captions[0], as_tensor(one.picture))
    return pairs


@torch.no_grad()
def psnr(generator: Generator, pictures: Tensor) -> float:
    """Mean over the pictures, in dB, at 256 px."""
    values = []
    for picture in pictures:
        wanted = scaled(picture[None], 256)
        made = generator.decode(generator.encode(wanted))
        values.append(float(-10 * torch.log10((made - wanted).square().mean())))
    return float(np.mean(values))


@torch.no_grad()
def codes_used(generator: Generator, pictures: Tensor) -> float:
    """The share of the codes that the pictures are made of."""
    used: set[int] = set()
    for picture in pictures:
        cells = generator.encode(picture[None])[0].flatten(1).T  # (h·w, C)
        used.update(torch.cdist(cells, generator.codebook).argmin(1).tolist())
    return len(used) / len(generator.codebook)


@torch.no_grad()
def swatch_errors(generator: Generator) -> dict[str, float]:
    """Per colour, how far its reconstruction is off on average: the worst channel, of 255."""
    found = {}
    for word in ELEVEN:
        wanted = torch.from_numpy(solid(COLOURS[word])).permute(2, 0, 1)
        made = generator.decode(generator.encode(wanted[None]))[0]
        found[word] = round(float((made - wanted).mean((1, 2)).abs().max()) * 255, 1)
    return found


@torch.no_grad()
def decoding_seconds(generator: Generator) -> float:
    """Of one picture of 256 px, the mean of three."""
    latent = generator.encode(torch.rand(1, 3, 256, 256))
    generator.decode(latent)
    begun = time.perf_counter()
    for _ in range(3):
        generator.decode(latent)
    return (time.perf_counter() - begun) / 3


@torch.no_grad()
def recognised(perceptor: Perceptor, kind: str, each: int) -> dict[str, float]:
    """Per name of the kind, how many of `each` fresh pictures are nearest to it of all twelve."""
    random = np.random.default_rng(HELD_OUT + 2)
    names = perceptor.embed_texts(list(TWELVES[kind]))
    found = {}
    for number, (name, paint) in enumerate(TWELVES[kind].items()):
        shown = torch.stack([as_tensor(as_bytes(paint(random))) for _ in range(each)])
        best = (perceptor.embed_cutouts(scaled(shown, perceptor.side)) @ names.T).argmax(1)
        found[name] = float((best == number).float().mean())
    return found


@torch.no_grad()
def captions_found(perceptor: Perceptor, pairs: Pairs) -> float:
    """The share of the pictures whose own caption is the nearest of all."""
    seen = perceptor.embed_cutouts(scaled(torch.stack(list(pairs.values())), perceptor.side))
    best = (seen @ perceptor.embed_texts(list(pairs)).T).argmax(1)
    return float((best == torch.arange(len(pairs))).float().mean())


def similarity_kept(perceptor: Perceptor, pairs: Pairs, reach: float = 1.0) -> float:
    """What is left, after one L2 step against it, of how much nearer pictures are to their own
    captions than to the others' on average.

    The step has length `reach` in values from 0 to 1.
    """
    texts = perceptor.embed_texts(list(pairs))
    others = (texts.sum(0) - texts) / (len(texts) - 1)
    views = scaled(torch.stack(list(pairs.values())), perceptor.side).requires_grad_()
    nearer = (perceptor.embed_cutouts(views) * (texts - others)).sum(1)
    (slope,) = torch.autograd.grad(nearer.sum(), views)
    push = F.normalize(slope.flatten(1), dim=1).view_as(slope) * reach
    with torch.no_grad():
        still = (perceptor.embed_cutouts((views - push).clamp(0, 1)) * (texts - others)).sum(1)
    return float(still.mean() / nearer.detach().mean())
