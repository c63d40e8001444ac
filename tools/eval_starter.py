"""Measure the starter models on pictures they have never seen.

    python tools/eval_starter.py [--target render/starter] [--work .training] [--no-guidance]

Prints one line per figure and writes evaluation.json and guided.png into the work folder.
Fresh procedural pictures have seeds that training never uses; drawings (where there are any) are
the fiftieth that training leaves out. The judge of guided pictures knows neither model: it
compares colour and texture statistics with those of fresh pictures of twelve scenes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from safetensors import safe_open
from starter import fills, grounds, skies
from starter.canvas import Array, Random, as_bytes
from starter.data import HELD_OUT, Prepared
from starter.models import Generator, new_perceptor, picture_features, text_features, tokens
from starter.scenes import scene
from starter.train_vqgan import SWATCHES, swatch_pictures
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
Paint = Callable[[Random], Array]


def over(ground: Any, sky: Any, *rest: Any) -> Paint:
    """A painter of that ground under that sky."""

    def paint(random: Random) -> Array:
        horizon = float(random.uniform(0.4, 0.65))
        picture: Array = ground(random, sky(random, horizon), horizon, *rest)[0]
        return picture

    return paint


def named(painter: Any, *words: str) -> Paint:
    """A painter whose picture bears one of these names."""

    def paint(random: Random) -> Array:
        while True:
            made = painter(random)
            picture, names = made if isinstance(made, tuple) else (made.picture, made.names)
            if any(word in name for name in names for word in words):
                return picture  # type: ignore[no-any-return]

    return paint


TWELVE: dict[str, Paint] = {
    "a blue sky with white clouds": named(lambda r: skies.day(r, 1.1), "white clouds"),
    "the blue sea": over(grounds.sea, skies.day),
    "an orange sunset": named(lambda r: skies.sunset(r, 1.0), "orange"),
    "a green forest": named(fills.inside_forest, "green"),
    "fire": named(fills.fire, "fire"),
    "a starry night sky": named(lambda r: skies.night(r, 1.1), "starry", "full of stars"),
    "snowy mountains": over(grounds.mountains, skies.day, True),
    "a golden desert": over(grounds.desert, skies.day),
    "northern lights": named(lambda r: skies.aurora(r, 1.1), "green"),
    "a city at night": over(grounds.city, skies.night),
    "underwater": named(fills.underwater, "underwater"),
    "autumn leaves": named(fills.leaves, "autumn"),
}


def load(target: Path) -> tuple[Generator, Any, dict[str, int]]:
    """Generator, perceptor and the sizes of their files in bytes, from the exported files."""
    with safe_open(target / "generator.safetensors", "pt") as file:
        generator = Generator(json.loads(file.metadata()["config"]))
        generator.load_state_dict({k: file.get_tensor(k) for k in file.keys()})  # noqa: SIM118
    with safe_open(target / "perceptor.safetensors", "pt") as file:
        state = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    rows, numbers = state.pop("token_embedding.rows").float(), state.pop("token_embedding.ids")
    perceptor = new_perceptor()
    table = rows.mean(0).repeat(perceptor.token_embedding.weight.shape[0], 1)
    table[numbers.long()] = rows
    perceptor.load_state_dict({**state, "token_embedding.weight": table})
    sizes = {
        name: (target / f"{name}.safetensors").stat().st_size for name in ("generator", "perceptor")
    }
    return generator.eval().requires_grad_(False), perceptor.eval().requires_grad_(False), sizes


def stacked(pictures: list[np.ndarray[Any, Any]]) -> Tensor:
    """Byte pictures as one tensor in 0 to 1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def reconstruction(generator: Generator, pictures: Tensor) -> tuple[float, Tensor]:
    """Mean PSNR in dB of the pictures at 256 px, and the codes used."""
    values, numbers = [], []
    for picture in pictures:
        wanted = F.interpolate(picture[None], size=256, mode="bicubic").clamp(0, 1)
        codes, used = generator.quantise(generator.encode(wanted * 2 - 1))
        made = (generator.decode(codes).clamp(-1, 1) + 1) / 2
        values.append(float(-10 * torch.log10((made - wanted).pow(2).mean())))
        numbers.append(used)
    return float(np.mean(values)), torch.cat(numbers)


@torch.no_grad()
def swatches(generator: Generator) -> dict[str, float]:
    """Per colour, how far its reconstruction is off on average (largest channel, 0 to 255)."""
    wanted = swatch_pictures(256)
    found = {}
    for name, picture in zip(SWATCHES, wanted, strict=True):
        made = generator.decode(generator.quantise(generator.encode(picture[None]))[0]).clamp(-1, 1)
        found[name] = round(float((made[0] - picture).mean((1, 2)).abs().max() * 127.5), 1)
    return found


def ranks(scores: Tensor) -> dict[str, float]:
    """How often the diagonal is first, and among the first five, of its row."""
    place = (scores > scores.diag()[:, None]).sum(1)
    return {
        "first": float((place == 0).float().mean()),
        "first five": float((place < 5).float().mean()),
    }


def statistics(picture: Array) -> Array:
    """Colour and texture of a picture (h, w, 3) in 0 to 1, whatever its layout: 40 numbers."""
    grey = picture.mean(2)
    upper, lower = picture[: len(picture) // 2], picture[len(picture) // 2 :]
    found = [*picture.mean((0, 1)), *picture.std((0, 1)), *upper.mean((0, 1)), *lower.mean((0, 1))]
    bright, least = picture.max(2), picture.min(2)
    colourful = bright - least
    hue = np.arctan2(
        np.sqrt(3) * (picture[..., 1] - picture[..., 2]),
        2 * picture[..., 0] - picture[..., 1] - picture[..., 2],
    )
    for centre in np.linspace(-np.pi, np.pi, 9)[:-1]:
        found.append(float((np.clip(np.cos(hue - centre), 0, 1) ** 4 * colourful).mean()))
    found += [float((grey < 0.15).mean()), float((grey > 0.8).mean()), float(colourful.std())]
    part = grey
    for _ in range(4):
        for axis in (0, 1):
            found.append(float(np.abs(np.diff(part, axis=axis)).mean()))
        high, wide = part.shape[0] // 2 * 2, part.shape[1] // 2 * 2
        part = part[:high, :wide].reshape(high // 2, 2, wide // 2, 2).mean((1, 3))
    return np.array(found, np.float32)


class Judge:
    """Names the scene whose mean statistics are nearest, in units of the scenes' own spread."""

    def __init__(self, each: int = 25) -> None:
        random = np.random.default_rng(HELD_OUT + 1)
        self.names = list(TWELVE)
        found = [
            [statistics(np.clip(paint(random), 0, 1)) for _ in range(each)]
            for paint in TWELVE.values()
        ]
        values = np.array(found)
        self.means = values.mean(1)
        self.spread = values.std(1).mean(0) + 0.02
        fresh = [
            [self(np.clip(paint(random), 0, 1)) for _ in range(10)] for paint in TWELVE.values()
        ]
        self.known = float(np.mean([[k == i for k in row] for i, row in enumerate(fresh)]))

    def __call__(self, picture: Array) -> int:
        """The number of the scene."""
        away = (statistics(picture)[None] - self.means) / self.spread
        return int(np.abs(away).mean(1).argmin())


def views(picture: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Square views (count, 3, 64, 64), 40 to 100% of the shorter side, half of them mirrored."""
    _, _, high, wide = picture.shape
    found = []
    for _ in range(count):
        side = int(min(high, wide) * (0.4 + 0.6 * torch.rand((), generator=random)))
        top = int(torch.randint(0, high - side + 1, (), generator=random))
        left = int(torch.randint(0, wide - side + 1, (), generator=random))
        part = picture[..., top : top + side, left : left + side]
        part = F.interpolate(part, size=64, mode="bilinear", antialias=True, align_corners=False)
        found.append(part.flip(-1) if torch.rand((), generator=random) < 0.5 else part)
    seen = torch.cat(found)
    return seen + 0.03 * torch.randn(seen.shape, generator=random)


@torch.no_grad()
def likeliest_ground(
    perceptor: Any, target: Tensor, random: torch.Generator, count: int = 160
) -> Tensor:
    """Of `count` soft colour grounds, the one (1, 3, 40, 64) whose views are most like the text.

    A start near the wanted colours: from grey, the way to fire leads past every other colour.
    """
    grounds = []
    for number in range(count):
        high, wide = ((1, 1), (2, 1), (3, 1), (3, 2), (4, 3))[number % 5]
        colours = torch.rand(1, 3, high, wide, generator=random)
        if number % 2:
            colours = ((colours - 0.5) * 1.6 + 0.5).clamp(0, 1)
        soft = F.interpolate(colours, size=(40, 64), mode="bicubic", align_corners=True)
        grounds.append(soft.clamp(0, 1))
    drawn = torch.cat(grounds)
    places = [(0, 0, 40), (0, 12, 40), (0, 24, 40), (0, 20, 20), (20, 0, 20), (20, 44, 20)]
    total = torch.zeros(count)
    for top, left, side in places:
        part = drawn[:, :, top : top + side, left : left + side]
        total += (
            picture_features(perceptor, F.interpolate(part, size=64, mode="bilinear")) @ target.T
        )[:, 0]
    return drawn[total.argmax()][None]


def guided(
    generator: Generator, perceptor: Any, text: str, seed: int, steps: int = 25, rate: float = 0.1
) -> Tensor:
    """A 256 x 160 picture (1, 3, 160, 256) in 0 to 1, drawn from a soft ground of its colours."""
    random = torch.Generator().manual_seed(seed)
    target = text_features(perceptor, tokens([text]))
    ground = likeliest_ground(perceptor, target, random)
    picture = F.interpolate(ground, size=(160, 256), mode="bicubic", align_corners=False)
    for cells, strength in ((4, 0.04), (16, 0.04), (32, 0.03)):
        spots = torch.randn(1, 1, cells, cells, generator=random)
        picture = picture + strength * F.interpolate(spots, size=(160, 256), mode="bicubic")
    codes = generator.quantize.embedding.weight
    low, high = codes.min(0).values[:, None, None], codes.max(0).values[:, None, None]
    latent = generator.encode(picture.clamp(0, 1) * 2 - 1).requires_grad_()
    optimiser = torch.optim.Adam([latent], lr=rate)
    average, share = torch.zeros_like(latent), 0.0
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * (1 - 0.8 * step / steps)
        through, _ = generator.quantise(latent)
        made = (generator.decode(through) + 1) / 2
        inside = made + (made.clamp(0, 1) - made).detach()
        seen = picture_features(perceptor, views(inside, 8, random))
        loss = (seen - target).norm(dim=-1).div(2).arcsin().pow(2).mul(2).mean()
        loss = (
            loss
            + 0.1 * F.mse_loss(latent, through.detach())
            + 0.1 * (made - inside.detach()).pow(2).mean()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            latent.copy_(latent.maximum(low).minimum(high))
            average, share = 0.9 * average + 0.1 * latent, 0.9 * share + 0.1
    with torch.no_grad():
        made = generator.decode(generator.quantise(average / share)[0])
    return ((made + 1) / 2).clamp(0, 1)


def draw_sheet(pictures: list[Tensor], labels: list[str], path: Path) -> None:
    """All pictures with what they were to be, in one."""
    columns = 4
    rows = math.ceil(len(pictures) / columns)
    page = Image.new("RGB", (columns * 260, rows * 178), "white")
    pen = ImageDraw.Draw(page)
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        x, y = i % columns * 260, i // columns * 178
        page.paste(Image.fromarray(as_bytes(picture[0].permute(1, 2, 0).numpy())), (x, y))
        pen.text((x + 2, y + 162), label, "black")
    page.save(path)


def evaluate(target: Path, work: Path, guidance: bool = True) -> dict[str, Any]:
    """Every figure, printed and written to evaluation.json."""
    generator, perceptor, sizes = load(target)
    found: dict[str, Any] = {}

    def note(name: str, value: Any) -> None:
        found[name] = value
        sys.stdout.write(f"{name}: {json.dumps(value)}\n")
        sys.stdout.flush()

    note("megabytes", {k: round(v / 1e6, 2) for k, v in sizes.items()})
    fresh = [scene(HELD_OUT + 10_000 + i) for i in range(100)]
    pictures = stacked([one.picture for one in fresh])
    psnr, numbers = reconstruction(generator, pictures[:60])
    note("psnr of held-out scenes at 256 px, dB", round(psnr, 2))
    used = torch.bincount(numbers, minlength=generator.quantize.embedding.num_embeddings).float()
    share = used / used.sum()
    perplexity = math.exp(-float((share * (share + 1e-12).log()).sum()))
    note("codes used by them", {"used": int((used > 0).sum()), "perplexity": round(perplexity)})
    if (work / "objects.npz").exists():
        data, random = Prepared(work), np.random.default_rng(HELD_OUT)
        white = np.full((160, 160, 3), 245, np.uint8)
        drawn = [data.with_object(random, white, int(i)) for i in data.held_out[:40]]
        note(
            "psnr of held-out drawings at 256 px, dB",
            round(reconstruction(generator, stacked(drawn))[0], 2),
        )
    note("swatches, largest error of a channel of 255", swatches(generator))
    with torch.no_grad():
        latent = generator.encode(pictures[:1, :, :128, :128].repeat(1, 1, 2, 2) * 2 - 1)
        generator.decode(latent)
        begun = time.perf_counter()
        for _ in range(3):
            generator.decode(latent)
        took = (time.perf_counter() - begun) / 3
        note(f"decode 256 px, seconds on {torch.get_num_threads()} threads", round(took, 3))

        seen, texts, first = [], [], set()
        for one in (scene(HELD_OUT + 20_000 + i) for i in range(400)):
            if one.captions[0] not in first and len(seen) < 100:
                first.add(one.captions[0])
                seen.append(one.picture)
                texts.append(one.captions[0])
        small = F.interpolate(stacked(seen), size=64, mode="bilinear", antialias=True)
        read = text_features(perceptor, tokens(texts))
        scores = picture_features(perceptor, small) @ read.t()
        note("caption found among 100 held-out, by the picture", ranks(scores))
        random = np.random.default_rng(HELD_OUT + 2)
        twelve = text_features(perceptor, tokens(list(TWELVE)))
        hits = []
        for number, paint in enumerate(TWELVE.values()):
            shown = stacked([as_bytes(paint(random)) for _ in range(20)])
            small = F.interpolate(shown, size=64, mode="bilinear", antialias=True)
            best = (picture_features(perceptor, small) @ twelve.t()).argmax(1)
            hits.append(float((best == number).float().mean()))
        note("scene found among 12, by the picture", round(float(np.mean(hits)), 3))
        note("... per scene", dict(zip(TWELVE, hits, strict=True)))
    if guidance:
        judge = Judge()
        note("judge: fresh pictures named rightly", round(judge.known, 3))
        made, labels, right = [], [], 0
        for number, text in enumerate(TWELVE):
            picture = guided(generator, perceptor, text, number)
            verdict = judge(picture[0].permute(1, 2, 0).numpy())
            right += verdict == number
            made.append(picture)
            labels.append(f"{text} -> {judge.names[verdict]}")
        note("judge: guided pictures named rightly, of 12", right)
        note("... verdicts", labels)
        draw_sheet(made, labels, work / "guided.png")
    (work / "evaluation.json").write_text(json.dumps(found, indent=1))
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--target", type=Path, default=ROOT / "render" / "starter", help="the exported files"
    )
    parser.add_argument(
        "--work", type=Path, default=ROOT / ".training", help="where the figures go"
    )
    parser.add_argument(
        "--no-guidance", action="store_true", help="leave the slow guided pictures out"
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    evaluate(options.target, options.work, not options.no_guidance)


if __name__ == "__main__":
    main()
