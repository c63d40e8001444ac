"""Trains the generator: first an autoencoder, then its codes.

1. Encoder and decoder are trained alone, with noise on the latent, so that similar latents decode
   to similar pictures.
2. k-means of latents gives the codes, and from then on pictures are decoded from codes. Each code
   follows the latents nearest to it (a moving average); codes that no latent uses are replaced by
   latents.

With codes, part of each batch is decoded from noisy latents and from mixtures of two pictures'
latents, because Render's optimisation and interpolation give the decoder such latents.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from starter.data import Pictures
from starter.drawings import Drawings
from starter.loop import Averages, Clock, MovingAverage, Muon, report, save
from starter.models import GENERATOR, Generator
from torch import Tensor, nn

CODES_FROM = 0.22  # share of the budget after which there are codes
MUON_RATE, ADAM_RATE = 0.02, 1.2e-3
SWATCHES = {
    "red": (220, 30, 30),
    "orange": (245, 135, 25),
    "yellow": (250, 220, 40),
    "green": (40, 155, 55),
    "blue": (35, 75, 215),
    "purple": (125, 45, 165),
    "pink": (245, 135, 185),
    "brown": (120, 72, 38),
    "black": (8, 8, 8),
    "white": (250, 250, 250),
    "grey": (128, 128, 128),
}


def flats(random: np.random.Generator, size: int) -> np.ndarray[Any, Any]:
    """Returns a picture (size, size, 3) in bytes of random colours: one, a gradient, or patches."""
    kind = int(random.integers(4))
    edge = {0: 1, 1: 2, 2: 3, 3: 5}[kind]
    grid = random.random((edge, edge, 3), np.float32)
    if random.random() < 0.5:  # towards the corners of the cube
        grid = np.clip((grid - 0.5) * 2 + 0.5, 0, 1)
    sheet = Image.fromarray((grid * 255).astype(np.uint8))
    method = Image.Resampling.NEAREST if random.random() < 0.3 else Image.Resampling.BICUBIC
    return np.asarray(sheet.resize((size, size), method))


def batch(
    scenes: Pictures, drawings: Drawings, random: np.random.Generator, count: int, size: int
) -> Tensor:
    """Returns training pictures (count, 3, size, size) in -1 to 1."""
    pictures = []
    for _ in range(count):
        kind = random.random()
        if kind < 0.14:
            pictures.append(flats(random, size))
            continue
        picture = scenes[int(random.integers(len(scenes)))]
        if kind < 0.36 and drawings.trained:
            if random.random() < 0.5:
                picture = flats(random, picture.shape[0])
            drawing = drawings.trained[random.integers(len(drawings.trained))]
            picture = drawings.laid_on(picture, drawing, random)
        edge = picture.shape[0]
        if random.random() < 0.3 or size > edge:  # the whole scene or a large part, resized
            part = int(random.integers(min(size, edge), edge + 1))
        else:
            part = size
        top, left = random.integers(0, edge - part + 1, 2)
        picture = picture[top : top + part, left : left + part]
        if part != size:
            picture = np.asarray(Image.fromarray(picture).resize((size, size), 2, reducing_gap=2))
        if random.random() < 0.5:
            picture = picture[:, ::-1]
        pictures.append(picture)
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return stacked.contiguous(memory_format=torch.channels_last)


COLOUR_AXES = torch.tensor([[0.3, 0.59, 0.11], [0.5, -0.4, -0.1], [-0.17, -0.33, 0.5]])


def difference(decoded: Tensor, original: Tensor) -> Tensor:
    """Returns the reconstruction loss (): the error in lightness and, with twice the weight, in
    colour, at three scales, and the error of edges."""
    error = torch.einsum("kc,nchw->nkhw", COLOUR_AXES.to(decoded.device), decoded - original)
    weight = torch.tensor([1.0, 2.0, 2.0], device=decoded.device).view(3, 1, 1)
    total = torch.zeros((), device=decoded.device)
    for pool, share in ((1, 1.0), (4, 0.5), (16, 0.5)):
        part = F.avg_pool2d(error, pool) if pool > 1 else error
        total = total + share * (weight * (part.abs() + part.pow(2))).mean()
    for axis in (2, 3):  # keeps edges, and avoids edges between the latent's cells
        total = total + (weight * error.diff(dim=axis).abs()).mean()
    return total


@torch.no_grad()
def means_of_latents(flat: Tensor, count: int, rounds: int = 12) -> Tensor:
    """Returns `count` centres of the rows of `flat` (n, width), by k-means."""
    centres = flat[torch.randperm(len(flat))[:count]].clone()
    for _ in range(rounds):
        nearest = torch.cat(
            [
                (centres.pow(2).sum(1)[None] - 2 * part @ centres.t()).argmin(1)
                for part in flat.split(4096)  # type: ignore[no-untyped-call]
            ]
        )
        sums = torch.zeros_like(centres).index_add_(0, nearest, flat)
        counts = torch.bincount(nearest, minlength=count).float()[:, None]
        spare = flat[torch.randint(0, len(flat), (count,))]
        centres = torch.where(counts > 0, sums / counts.clamp_min(1), spare)
    return centres


class Codes:
    """Keeps every code at the moving average of the latents that are nearest to it."""

    def __init__(self, book: nn.Embedding, decay: float = 0.985) -> None:
        self.book, self.decay = book, decay
        self.counts = torch.ones(book.num_embeddings)
        self.sums = book.weight.detach().clone()

    def state(self) -> dict[str, Tensor]:
        """Returns what a checkpoint stores."""
        return {"counts": self.counts, "sums": self.sums}

    @torch.no_grad()
    def restart(self, centres: Tensor) -> None:
        """Replaces all codes."""
        self.book.weight.copy_(centres)
        self.counts = torch.full((len(centres),), 0.5)
        self.sums = centres * 0.5

    @torch.no_grad()
    def follow(self, flat: Tensor, numbers: Tensor) -> int:
        """Moves the codes `numbers` (n,) towards the latents `flat` (n, width) and replaces unused
        codes by latents; returns how many were replaced."""
        count = torch.bincount(numbers, minlength=len(self.counts)).float()
        sums = torch.zeros_like(self.sums).index_add_(0, numbers, flat)
        self.counts.mul_(self.decay).add_(count, alpha=1 - self.decay)
        self.sums.mul_(self.decay).add_(sums, alpha=1 - self.decay)
        self.book.weight.copy_(self.sums / (self.counts[:, None] + 1e-4))
        idle = (self.counts < 0.03).nonzero()[:, 0]
        if len(idle):
            new = flat[torch.randint(0, len(flat), (len(idle),))]
            new = new + 0.01 * torch.randn_like(new)
            self.book.weight[idle] = new
            self.counts[idle] = 0.3
            self.sums[idle] = new * 0.3
        return len(idle)


def disturbed(
    latent: Tensor, original: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Returns latents such as Render makes, noisy or mixed with another picture's, and the pictures
    that they should decode to."""
    count = len(latent)
    noisy = (torch.rand(count, 1, 1, 1) < 0.4) * torch.rand(count, 1, 1, 1) * 0.6
    latent = latent + noisy * torch.randn_like(latent)
    if random.random() < 0.5:
        kept = torch.rand(count, 1, 1, 1)
        kept = torch.where(torch.rand(count, 1, 1, 1) < 0.5, kept, torch.ones_like(kept))
        if random.random() < 0.5:  # a soft border between the two instead of a cross-fade
            coarse = F.interpolate(
                torch.rand(count, 1, 3, 3), size=latent.shape[2:], mode="bicubic"
            )
            border = ((coarse - 0.5) * 8 + 0.5).clamp(0, 1)
            kept = torch.where(kept < 1, border, torch.ones_like(border))
        other = torch.roll(torch.arange(count), 1)
        latent = kept * latent + (1 - kept) * latent[other]
        large = F.interpolate(
            kept.expand(-1, 1, *latent.shape[2:]), size=original.shape[2:], mode="bilinear"
        )
        original = large * original + (1 - large) * original[other]
    return latent, original


def swatch_pictures(size: int) -> Tensor:
    """Returns the eleven plain colours as pictures (11, 3, size, size) in -1 to 1."""
    colours = torch.tensor(list(SWATCHES.values())).float() / 127.5 - 1
    return colours[:, :, None, None].expand(-1, -1, size, size).contiguous()


@torch.no_grad()
def sheet(model: Generator, pictures: Tensor, path: Path, codes: bool) -> float:
    """Writes a sheet of pictures above their reconstructions; returns the largest error of a plain
    colour, of 255."""
    model.eval()
    rows = []
    for part in (pictures, swatch_pictures(pictures.shape[2])):
        latent = model.encode(part)
        decoded = model.decode(model.quantise(latent)[0] if codes else latent).clamp(-1, 1)
        rows += [part, decoded]
        error = float((decoded - part).mean((2, 3)).abs().max() * 127.5)
    width = max(len(row) for row in rows)
    lines = [torch.cat(list(F.pad(r, (0, 0, 0, 0, 0, 0, 0, width - len(r)))), 2) for r in rows]
    image = ((torch.cat(lines, 1).permute(1, 2, 0) + 1) * 127.5).byte().numpy()
    temporary = path.with_suffix(".partial")
    Image.fromarray(image).save(temporary, "png")
    temporary.replace(path)
    model.train()
    return error


def train(work: Path, minutes: float, seed: int, device: str, pictures: int = 8) -> None:
    """Trains until the budget of minutes is used, from the last checkpoint if there is one.

    `pictures` is the batch size at 96 pixels.
    """
    scenes, drawings = Pictures(work / "scenes"), Drawings(work)
    path = work / "vqgan.pt"
    torch.manual_seed(seed)
    model = Generator(GENERATOR).to(device, memory_format=torch.channels_last).train()  # type: ignore
    for module in model.modules():  # residual branches start at zero
        if type(module).__name__ == "ResnetBlock":
            nn.init.zeros_(module.conv2.weight)
        if type(module).__name__ == "AttnBlock":
            nn.init.zeros_(module.proj_out.weight)
    edges = ("encoder.conv_in.weight", "decoder.conv_out.weight")
    named = dict(model.named_parameters())
    inner = [p for n, p in named.items() if p.ndim == 4 and n not in edges]
    rest = [p for n, p in named.items() if (p.ndim != 4 or n in edges) and "quantize" not in n]
    optimisers: list[torch.optim.Optimizer] = [
        Muon(inner, MUON_RATE),
        torch.optim.AdamW(rest, ADAM_RATE, betas=(0.9, 0.95), weight_decay=0),
    ]
    codes = Codes(model.quantize.embedding)
    average = MovingAverage(model, 0.995)
    clock, step, coded = Clock(minutes), 0, False
    if path.exists():
        kept = torch.load(path, weights_only=True)
        model.load_state_dict(kept["model"])
        average.state = kept["average"]
        for optimiser, state in zip(optimisers, kept["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        codes.counts, codes.sums = kept["codes"]["counts"], kept["codes"]["sums"]
        clock, step, coded = Clock(minutes, kept["elapsed"]), kept["step"], kept["coded"]
    random = np.random.default_rng((seed, step))
    shown = batch(scenes, drawings, np.random.default_rng(seed + 1), 11, 96)
    averages, saved = Averages(), time.monotonic()
    precise = torch.autocast(device if device == "cuda" else "cpu", torch.bfloat16)

    def keep() -> None:
        state = {
            "model": model.state_dict(),
            "average": average.state,
            "optimisers": [o.state_dict() for o in optimisers],
            "codes": codes.state(),
            "step": step,
            "elapsed": clock.elapsed,
            "coded": coded,
            "config": GENERATOR,
        }
        save(path, state)
        averaged = Generator(GENERATOR)
        averaged.load_state_dict(average.state)
        averages.values["swatch"] = sheet(averaged, shown, work / "vqgan.png", coded)

    while clock.share < 1:
        if not coded and clock.share >= CODES_FROM:
            with torch.no_grad():
                latents = [
                    model.encode(batch(scenes, drawings, random, 16, 96).to(device))
                    for _ in range(40)
                ]
                flat = torch.cat([z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]) for z in latents])
                codes.restart(means_of_latents(flat.float(), GENERATOR["n_embed"]))
            coded = True
        factor = clock.rate(step, 50)
        for optimiser, rate in zip(optimisers, (MUON_RATE, ADAM_RATE), strict=True):
            optimiser.param_groups[0]["lr"] = rate * factor
        size = (64, 96, 96, 96, 160)[int(random.integers(5))]
        count = max(2, round(pictures * (96 / size) ** 2))
        original = batch(scenes, drawings, random, count, size).to(device)
        with precise:
            latent = model.encode(original).float()
            held = torch.zeros((), device=device)
            idle = 0
            if coded:
                flat = latent.detach().permute(0, 2, 3, 1).reshape(-1, latent.shape[1])
                idle = codes.follow(flat, model.quantize.nearest(flat))
                held = F.mse_loss(latent, model.quantise(latent)[0].detach())
                # the straight-through latent of `quantise` equals the codes in value
                changed, original = disturbed(latent, original, random)
                passed, _ = model.quantise(changed)
            else:
                passed = latent + 0.4 * min(1.0, step / 200) * torch.randn_like(latent)
                held = (latent.pow(2).mean() - 1).clamp_min(0) * 0.1 + 0.1 * latent.mean(
                    (0, 2, 3)
                ).pow(2).mean()
            decoded = model.decode(passed)
        decoded = decoded.float()
        off = difference(decoded, original)
        beyond = (decoded.abs() - 1).clamp_min(0).mean()
        loss = off + 0.25 * held + 0.1 * beyond
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(rest, 1.0)
        for optimiser in optimisers:
            optimiser.step()
        step += 1
        average.update(model, step, ("quantize",))
        error = (decoded.detach().clamp(-1, 1) - original).pow(2).mean() / 4
        averages.add(
            off=off.detach(),
            psnr=-10 * torch.log10(error),
            held=held.detach(),
            idle=idle,
        )
        if step % 50 == 0:
            report("vqgan", step, clock, averages)
        if time.monotonic() - saved > 180:
            keep()
            saved = time.monotonic()
    keep()
    report("vqgan", step, clock, averages)
