"""Measurements of the two models on pictures that training has not seen."""

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

from render.generators.vqgan import VQGAN
from render.synthesis.perceptor import Perceptor

Pairs = dict[str, Tensor]  # caption to its picture (3, SIZE, SIZE) in 0 to 1


def as_tensor(picture: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]) -> Tensor:
    """Returns a picture in bytes (h, w, 3) as a tensor (3, h, w) in 0 to 1."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255


def scaled(pictures: Tensor, side: int) -> Tensor:
    """Returns pictures (n, 3, h, w) resized to (n, 3, side, side)."""
    return F.interpolate(pictures, size=side, mode="bicubic", antialias=True).clamp(0, 1)


def fresh_scenes(count: int) -> Tensor:
    """Returns scenes (count, 3, SIZE, SIZE) that training has not seen."""
    return torch.stack([as_tensor(scene(HELD_OUT + 10_000 + i).picture) for i in range(count)])


def held_out_drawings(drawings: Drawings, named: bool = False) -> dict[int, Tensor]:
    """Returns held-out drawings (3, 160, 160) on near-white by index, with `named` those with a
    name."""
    random, white = np.random.default_rng(HELD_OUT), np.full((160, 160, 3), 245, np.uint8)
    return {
        i: as_tensor(drawings.laid_on(white, i, random, (0.6, 1.0)))
        for i in drawings.held_out
        if drawings.names[i] or not named
    }


def held_out_pairs(drawings: Drawings) -> Pairs:
    """Returns a hundred captions and their pictures: 40 scenes, 30 studies, 30 drawings."""
    pairs: Pairs = {}
    for number, (i, picture) in enumerate(held_out_drawings(drawings, named=True).items()):
        if len(pairs) < 30 and number % 2:  # every second, so that faces do not predominate
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
def psnr(generator: VQGAN, pictures: Tensor) -> float:
    """Returns the mean PSNR of the pictures' reconstructions at 256 px, in dB."""
    values = []
    for picture in pictures:
        original = scaled(picture[None], 256)
        decoded = generator.decode(generator.encode(original))
        values.append(float(-10 * torch.log10((decoded - original).square().mean())))
    return float(np.mean(values))


@torch.no_grad()
def codes_used(generator: VQGAN, pictures: Tensor) -> float:
    """Returns the share of the codebook that the encoded pictures use."""
    used: set[int] = set()
    for picture in pictures:
        cells = generator.encode(picture[None])[0].flatten(1).T  # (h·w, C)
        used.update(torch.cdist(cells, generator.codebook).argmin(1).tolist())
    return len(used) / len(generator.codebook)


@torch.no_grad()
def swatch_errors(generator: VQGAN) -> dict[str, float]:
    """Returns for each of the eleven colours the mean error of its reconstruction, of 255, in the
    worst channel."""
    errors = {}
    for word in ELEVEN:
        original = torch.from_numpy(solid(COLOURS[word])).permute(2, 0, 1)
        decoded = generator.decode(generator.encode(original[None]))[0]
        errors[word] = round(float((decoded - original).mean((1, 2)).abs().max()) * 255, 1)
    return errors


@torch.no_grad()
def decoding_seconds(generator: VQGAN) -> float:
    """Returns the seconds that decoding one picture of 256 px takes, the mean of three."""
    latent = generator.encode(torch.rand(1, 3, 256, 256))
    generator.decode(latent)
    start = time.perf_counter()
    for _ in range(3):
        generator.decode(latent)
    return (time.perf_counter() - start) / 3


@torch.no_grad()
def recognised(perceptor: Perceptor, kind: str, each: int) -> dict[str, float]:
    """Returns for each of the kind's twelve names the share of `each` fresh pictures of it that are
    nearer to it than to the other names."""
    random = np.random.default_rng(HELD_OUT + 2)
    names = perceptor.embed_texts(list(TWELVES[kind]))
    shares = {}
    for number, (name, paint) in enumerate(TWELVES[kind].items()):
        pictures = torch.stack([as_tensor(as_bytes(paint(random))) for _ in range(each)])
        best = (perceptor.embed_cutouts(scaled(pictures, perceptor.side)) @ names.T).argmax(1)
        shares[name] = float((best == number).float().mean())
    return shares


@torch.no_grad()
def captions_found(perceptor: Perceptor, pairs: Pairs) -> float:
    """Returns the share of the pictures whose own caption is nearest of all captions."""
    pictures = scaled(torch.stack(list(pairs.values())), perceptor.side)
    best = (perceptor.embed_cutouts(pictures) @ perceptor.embed_texts(list(pairs)).T).argmax(1)
    return float((best == torch.arange(len(pairs))).float().mean())


def similarity_kept(perceptor: Perceptor, pairs: Pairs, reach: float = 1.0) -> float:
    """Returns the share of the pictures' advantage that is left after one L2 step against it.

    The advantage is how much more similar pictures are to their own captions than to the mean of
    the others. The step has length `reach`, for values from 0 to 1.
    """
    texts = perceptor.embed_texts(list(pairs))
    others = (texts.sum(0) - texts) / (len(texts) - 1)
    pictures = scaled(torch.stack(list(pairs.values())), perceptor.side).requires_grad_()
    before = (perceptor.embed_cutouts(pictures) * (texts - others)).sum(1)
    (gradient,) = torch.autograd.grad(before.sum(), pictures)
    attack = F.normalize(gradient.flatten(1), dim=1).view_as(gradient) * reach
    with torch.no_grad():
        attacked = (pictures - attack).clamp(0, 1)
        after = (perceptor.embed_cutouts(attacked) * (texts - others)).sum(1)
    return float(after.mean() / before.detach().mean())
