"""Trains the perceptor on pictures and captions, robustly against small changes of a picture.

The weights are updated twice on each batch: on the pictures as they are, and after an attack, one
L2 step of a length up to ATTACK along the gradient that raises the loss most. The gradients of a
perceptor trained this way follow shapes and colours instead of speckle, as guidance needs.

Targets are soft: a text belongs to every picture with a caption of the same meaning, by the
sentence encoder. Texts without pictures (words.py, the drawings' names) are used the same way.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from PIL import Image
from starter.data import HELD_OUT, Pictures
from starter.drawings import Drawings, captions_of
from starter.loop import Averages, Clock, MovingAverage, Muon, report, save
from starter.models import (
    PERCEPTOR,
    Generator,
    new_perceptor,
    picture_features,
    text_features,
    tokens,
)
from starter.scenes import scene
from starter.teacher import SentenceEncoder
from starter.train_vqgan import flats
from starter.words import extra_texts
from torch import Tensor, nn

BATCH = 56  # pictures with captions; eight more that no caption describes are added
ATTACK = 1.5  # length of the attack in the picture's space (64 x 64 x 3 values in 0 to 1)
SHARPNESS = 20.0  # a text's target falls with its distance: exp(-SHARPNESS * (1 - cosine))
OBJECTS, STUDIES = 0.35, 0.4  # shares of drawings and studies in a batch; the rest are scenes
STUDIED = {"colour": 0.1, "shape": 0.4, "texture": 0.1, "style": 0.4}  # shares of the batches
EXTRAS = 24  # texts without pictures in a batch
MUON_RATE, ADAM_RATE = 0.02, 1e-3
TABLE = "token_embedding.weight"
SIDE = PERCEPTOR["vision_cfg"]["image_size"]


class Data:
    """The pictures and drawings that batches are made of."""

    def __init__(self, work: Path) -> None:
        self.scenes, self.studies = Pictures(work / "scenes"), Pictures(work / "studies")
        self.drawings = Drawings(work)


class Texts:
    """Every text of the data, numbered, with its tokens and its sentence vector.

    The vectors are stored in texts.pt and computed only for new texts.
    """

    def __init__(self, data: Data, work: Path) -> None:
        names = [name for name in data.drawings.names if name]
        self.extras = list(dict.fromkeys([*extra_texts(), *names]))
        records = [*data.scenes.captions, *data.studies.captions, *map(captions_of, names)]
        self.all = sorted({text for record in records for text in record} | {*self.extras})
        self.number = {text: i for i, text in enumerate(self.all)}
        kept = work / "texts.pt"
        found = torch.load(kept, weights_only=True) if kept.exists() else {"texts": []}
        if found["texts"] != self.all:
            known = dict(zip(found["texts"], found.get("vectors", ()), strict=True))
            new = [text for text in self.all if text not in known]
            known.update(zip(new, SentenceEncoder()(new), strict=True))
            vectors = torch.stack([known[text] for text in self.all])
            found = {"texts": self.all, "vectors": vectors, "tokens": tokens(self.all)}
            save(kept, found)
        self.vectors: Tensor = found["vectors"]
        # The token table is trained only for tokens that occur. They are renumbered in order, so
        # that the end of a text keeps the largest number, as the text tower needs.
        self.used, numbers = torch.unique(found["tokens"], return_inverse=True)
        self.tokens: Tensor = numbers.view(found["tokens"].shape)

    def numbered(self, texts: list[str]) -> Tensor:
        """Returns the tokens of any texts as rows of the table (n, 32), without unknown tokens."""
        rows = []
        for row in tokens(texts):
            known = row[torch.isin(row, self.used)]
            rows.append(F.pad(torch.searchsorted(self.used, known), (0, len(row) - len(known))))
        return torch.stack(rows)


def random_cutout(
    random: np.random.Generator, picture: np.ndarray[Any, Any], least: float
) -> np.ndarray[Any, Any]:
    """Returns a square cutout (SIDE, SIDE, 3); its side is `least` to all of the picture's."""
    edge = picture.shape[0]
    part = int(edge * random.uniform(least, 1.0))
    top, left = random.integers(0, edge - part + 1, 2)
    cutout = Image.fromarray(picture[top : top + part, left : left + part])
    return np.asarray(cutout.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def background(random: np.random.Generator, scenes: Pictures) -> np.ndarray[Any, Any]:
    """Returns the background of a drawing (SIDE, SIDE, 3): plain colours and gradients, a blurred
    scene, or a scene."""
    kind = random.random()
    if kind < 0.5:
        return flats(random, SIDE)
    picture = Image.fromarray(scenes[int(random.integers(len(scenes)))])
    if kind < 0.75:
        picture = picture.resize((5, 5), Image.Resampling.BOX)
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def example(
    data: Data, random: np.random.Generator, studied: list[int]
) -> tuple[np.ndarray[Any, Any], Sequence[str]]:
    """Returns a picture (SIDE, SIDE, 3) in bytes and its six captions.

    `studied` are the indices of the studies to choose from.
    """
    kind = random.random()
    if kind < OBJECTS and data.drawings.named:
        drawing = data.drawings.random_named(random)
        under = background(random, data.scenes)
        picture = data.drawings.laid_on(under, drawing, random, (0.6, 1.15))
        return picture, captions_of(data.drawings.names[drawing])
    if kind > 1 - STUDIES:
        pictures, index = data.studies, studied[random.integers(len(studied))]
    else:
        pictures, index = data.scenes, int(random.integers(len(data.scenes)))
    # A shape must be whole and a style needs room; other captions are true of every part.
    least = 0.75 if pictures.kinds[index] in ("shape", "style") else 0.4
    return random_cutout(random, pictures[index], least), pictures.captions[index]


def batch(
    data: Data, texts: Texts, random: np.random.Generator, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns pictures (count, 3, SIDE, SIDE) in 0 to 1, a text's number for each (count,), and the
    numbers of all their texts (count, 6)."""
    # All studies of a batch are of one kind, so that shapes are told apart by outline, not colour.
    kind = random.choice(list(STUDIED), p=list(STUDIED.values()))
    studied = [i for i, own in enumerate(data.studies.kinds) if own == kind]
    examples = [example(data, random, studied) for _ in range(count)]
    every = torch.tensor([[texts.number[text] for text in captions] for _, captions in examples])
    chosen = torch.from_numpy(random.integers(every.shape[1], size=count))
    stacked = torch.from_numpy(np.stack([picture for picture, _ in examples]))
    return stacked.permute(0, 3, 1, 2).float() / 255, every[torch.arange(count), chosen], every


def disturbed(pictures: Tensor, random: np.random.Generator, generator: Generator | None) -> Tensor:
    """Returns pictures changed as cutouts are: decoded by the VQGAN, turned, blurred, noisy."""
    count = len(pictures)
    if generator is not None and random.random() < 0.4:
        some = slice(0, 16)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=not pictures.is_cuda):
            latent = generator.encode(pictures[some] * 2 - 1).float()
            latent = latent + float(random.uniform(0, 0.6)) * torch.randn_like(latent)
            decoded = generator.decode(generator.quantise(latent)[0]).float()
        pictures = torch.cat([(decoded.clamp(-1, 1) + 1) / 2, pictures[16:]])
    if random.random() < 0.7:
        change = torch.randn(count, 2, 2) * 0.06
        change[:, 0, 0] += 1
        change[:, 1, 1] += 1
        flip = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
        change[:, :, 0] *= flip[:, None]
        matrix = torch.cat([change, torch.randn(count, 2, 1) * 0.05], 2)
        grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
        pictures = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    if random.random() < 0.25:
        soft = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
        pictures = torch.where(torch.rand(count, 1, 1, 1) < 0.5, soft, pictures)
    gain = 1 + 0.04 * torch.randn(count, 3, 1, 1)
    noise = torch.rand(count, 1, 1, 1).pow(2) * 0.08
    return (pictures * gain + noise * torch.randn_like(pictures)).clamp(0, 1)


def recoloured(pictures: Tensor, count: int) -> Tensor:
    """Returns the `count` most colourful pictures with their channels exchanged, which no caption
    describes."""
    turned = pictures[:, torch.tensor([[1, 2, 0], [2, 0, 1]])[int(torch.randint(2, ()))]]
    change = (turned - pictures).abs().mean((1, 2, 3))
    scores = change + 0.1 * torch.rand(len(change))
    return turned[scores.topk(count).indices]


def blobs(count: int) -> Tensor:
    """Returns soft spots of random colours, (count, 3, SIDE, SIDE). Guidance begins with such
    pictures, and no caption describes them."""
    pictures = []
    for _ in range(count):
        high, wide = (int(v) for v in torch.randint(2, 6, (2,)))
        grid = ((torch.rand(1, 3, high, wide) - 0.5) * float(1 + torch.rand(())) + 0.5).clamp(0, 1)
        pictures.append(F.interpolate(grid, size=SIDE, mode="bicubic", align_corners=True))
    return torch.cat(pictures).clamp(0, 1)


def checkered(pictures: Tensor, count: int) -> Tensor:
    """Returns `count` pictures with patches of checkerboard, which codes that do not fit together
    decode to."""
    shown = pictures[torch.randperm(len(pictures))[:count]]
    rows = torch.arange(SIDE)
    period = int(torch.randint(2, 7, ()))
    board = ((rows[:, None] // period + rows[None] // period) % 2).float()
    colours = torch.rand(count, 3, 1, 1) * board + torch.rand(count, 3, 1, 1) * (1 - board)
    patch = F.interpolate(torch.randn(count, 1, 3, 3), size=SIDE, mode="bicubic")
    cover = ((patch + 0.5) * 4).clamp(0, 1) * (0.3 + 0.5 * torch.rand(count, 1, 1, 1))
    return shown * (1 - cover) + colours * cover


def joined(pictures: Tensor, targets: Tensor, fit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the pictures with half of them blended into another, and `targets` and `fit` mixed by
    the same shares.

    Without this a picture's similarity to a text is high when only a part of it matches, and
    guidance leaves the rest as it was.
    """
    count = len(pictures)
    coarse = F.interpolate(torch.randn(count, 1, 4, 4), size=pictures.shape[2:], mode="bicubic")
    edge = torch.randn(count, 1, 1, 1) * 0.7
    own = ((coarse - edge) * 4 + 0.5).clamp(0, 1)
    own = torch.where(torch.rand(count, 1, 1, 1) < 0.5, own, torch.ones_like(own))
    other = torch.roll(torch.arange(count), 1)
    pictures = own * pictures + (1 - own) * pictures[other]
    share = own.mean((1, 2, 3))[:, None]
    targets = share * targets + (1 - share) * targets[other]
    fit = share * fit + (1 - share) * fit[other]
    return pictures, targets, fit


def contrast(
    pictures: Tensor,
    captions: Tensor,
    extras: Tensor,
    targets: Tensor,
    extra_fit: Tensor,
    scale: Tensor,
) -> tuple[Tensor, Tensor]:
    """Returns CLIP's loss with soft targets, and the share of pictures nearest to their own text.

    `pictures`, `captions` and `extras` are embeddings. `targets` (pictures, captions) need not sum
    to one; pictures beyond its rows are described by no text. `extra_fit` (pictures, extras) is the
    similarity in meaning of the texts without pictures.
    """
    count = len(targets)
    logits = scale * pictures @ captions.t()
    rows, columns = targets / targets.sum(1, keepdim=True), targets / targets.sum(0, keepdim=True)
    loss = -(rows * F.log_softmax(logits[:count], 1)).sum(1).mean() / 2
    loss = loss - (columns * F.log_softmax(logits, 0)[:count]).sum(0).mean() / 2
    best = extra_fit.max(0, keepdim=True).values
    target = F.softmax(SHARPNESS * extra_fit, 0)
    trusted = ((best - 0.3) / 0.4).clamp(0, 1)
    other = F.log_softmax(scale * pictures @ extras.t(), 0)[:count]
    loss = loss - 0.3 * (trusted * target * other).sum(0).mean()
    hit = logits[:count].argmax(1) == torch.arange(count, device=logits.device)
    return loss, hit.float().mean()


@torch.no_grad()
def recall(model: CLIP, held: list[Any], read: Tensor) -> float:
    """Returns the share of held-out scenes that are nearest to their own caption, of all of theirs.

    `read` are the tokens of the captions.
    """
    model.eval()
    pictures = torch.stack([torch.from_numpy(one.picture.copy()) for one in held])
    pictures = pictures.permute(0, 3, 1, 2).float() / 255
    small = F.interpolate(pictures, size=SIDE, mode="bilinear", antialias=True)
    seen, read = picture_features(model, small), text_features(model, read)
    model.train()
    return float(((seen @ read.t()).argmax(1) == torch.arange(len(held))).float().mean())


def distinct_scenes(count: int, seed: int = HELD_OUT) -> list[Any]:
    """Returns held-out scenes with different first captions."""
    found: dict[str, Any] = {}
    while len(found) < count:
        one = scene(seed)
        seed += 1
        found.setdefault(one.captions[0], one)
    return list(found.values())


def carried_over(table: Tensor, before: Tensor, now: Tensor) -> Tensor:
    """Returns the token table (n, width) of the tokens `before` for the tokens `now`; a new token's
    row is the table's mean."""
    place = torch.searchsorted(before, now).clamp(max=len(before) - 1)
    return torch.where((before[place] == now)[:, None], table[place], table.mean(0))


def train(work: Path, minutes: float, seed: int, device: str) -> None:
    """Trains until the budget of minutes is used, from the last checkpoint if there is one."""
    data = Data(work)
    texts = Texts(data, work)
    path = work / "clip.pt"
    torch.manual_seed(seed + 1)
    model = new_perceptor(len(texts.used)).to(device).train()
    for module in model.visual.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    head = nn.Linear(PERCEPTOR["embed_dim"], 384).to(device)
    inner = [p for p in model.visual.parameters() if p.ndim == 4]
    chosen = {id(p) for p in inner}
    rest = [p for p in [*model.parameters(), *head.parameters()] if id(p) not in chosen]
    optimisers: list[torch.optim.Optimizer] = [
        Muon(inner, MUON_RATE, 0.9),
        torch.optim.AdamW(rest, ADAM_RATE, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01),
    ]
    average = MovingAverage(model, 0.998)
    clock, step = Clock(minutes), 0
    if path.exists():
        kept = torch.load(path, weights_only=True)
        for state in (kept["model"], kept["average"]):
            state[TABLE] = carried_over(state[TABLE], kept["used"], texts.used)
        model.load_state_dict(kept["model"])
        head.load_state_dict(kept["head"])
        average.state = kept["average"]
        if torch.equal(kept["used"], texts.used):  # other texts begin another training
            for optimiser, state in zip(optimisers, kept["optimisers"], strict=True):
                optimiser.load_state_dict(state)
            clock, step = Clock(minutes, kept["elapsed"]), kept["step"]
    random = np.random.default_rng((seed + 1, step))
    held = distinct_scenes(100)
    held_texts = texts.numbered([one.captions[0] for one in held])
    extra_numbers = torch.tensor([texts.number[text] for text in texts.extras])
    generator: Generator | None = None
    averages, saved = Averages(), -1e9
    precise = torch.autocast(device if device == "cuda" else "cpu", torch.bfloat16)

    def keep() -> None:
        state = {
            "model": model.state_dict(),
            "head": head.state_dict(),
            "average": average.state,
            "optimisers": [o.state_dict() for o in optimisers],
            "step": step,
            "elapsed": clock.elapsed,
            "config": PERCEPTOR,
            "used": texts.used,
        }
        save(path, state)
        averaged = new_perceptor(len(texts.used))
        averaged.load_state_dict(average.state)
        averages.values["recall"] = recall(averaged, held, held_texts)

    while clock.share < 1:
        if time.monotonic() - saved > 180:
            if step:
                keep()
            saved = time.monotonic()
            if (work / "vqgan.pt").exists():  # decode with its latest weights
                latest = torch.load(work / "vqgan.pt", weights_only=True)
                if latest["coded"]:
                    generator = Generator(latest["config"]).to(device).eval().requires_grad_(False)
                    generator.load_state_dict(latest["average"])
        factor = clock.rate(step, 100)
        for optimiser, rate in zip(optimisers, (MUON_RATE, ADAM_RATE), strict=True):
            optimiser.param_groups[0]["lr"] = rate * factor
        pictures, numbers, every = batch(data, texts, random, BATCH)
        extra = extra_numbers[torch.randint(0, len(extra_numbers), (EXTRAS,))]
        meanings = texts.vectors[every]  # (n, 6, 384)
        fit = torch.einsum("nkd,md->nkm", meanings, texts.vectors[numbers]).amax(1)
        extra_fit = torch.einsum("nkd,md->nkm", meanings, texts.vectors[extra]).amax(1)
        both = torch.cat([numbers, extra])
        tokenised, sentence = texts.tokens[both].to(device), texts.vectors[both].to(device)
        targets = torch.exp(SHARPNESS * (fit - 1))
        undescribed = [recoloured(pictures, 3), blobs(2), checkered(pictures, 3)]
        if random.random() < 0.6:
            pictures, targets, extra_fit = joined(pictures, targets, extra_fit)
        targets, extra_fit = targets.to(device), extra_fit.to(device)
        pictures = disturbed(torch.cat([pictures, *undescribed]), random, generator).to(device)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        reach = ATTACK * min(1.0, clock.share / 0.25)
        push = torch.zeros_like(pictures)
        for attacked in (False, True):
            shown = (pictures + push).clamp(0, 1).detach().requires_grad_(not attacked)
            read = text_features(model, tokenised)
            with precise:
                seen = picture_features(model, shown)
            scale = model.logit_scale.exp().clamp(max=50)
            loss, hit = contrast(seen, read[:BATCH], read[BATCH:], targets, extra_fit, scale)
            spoken = 1 - F.cosine_similarity(head(read), sentence).mean()
            (loss + 0.3 * spoken).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(rest, 1.0)
            for optimiser in optimisers:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            if attacked:
                averages.add(attacked=loss.detach(), hit_attacked=hit)
            else:
                slope = shown.grad
                assert slope is not None
                length = slope.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
                strength = reach * (0.3 + 0.7 * torch.rand(len(slope), 1, 1, 1, device=device))
                push = slope / length * strength
                averages.add(loss=loss.detach(), hit=hit, words=spoken.detach())
        step += 1
        average.update(model, step, (TABLE,))
        if step % 50 == 0:
            report("clip", step, clock, averages)
    keep()
    report("clip", step, clock, averages)
