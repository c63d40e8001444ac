"""Trains the generator's decoder further, so that its pictures have edges and textures.

The losses of `train_vqgan` compare pixels, and a decoder that minimises them paints the mean of all
that a code may stand for: soft. Here a discriminator, which sees pictures through the features of
the published classifier (Sauer et al. 2021, Projected GANs, arXiv 2111.01007), compares what is
decoded with pictures, and the classifier's features measure how alike the two are. The encoder is
frozen and the codes are fixed at the beginning, so that only the decoder changes.

In every second step it also decodes a latent that is not of a picture: it began as a sketch of the
robust student, and is guided by it through the decoder as it is then, as Render's keyframes are.
Without them the discriminator would never see the combs and cells that guidance asks of a decoder.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from starter.classifier import teacher
from starter.loop import Averages, Clock, MovingAverage, report, save
from starter.models import GENERATOR, Generator
from starter.photographs import MixedPictures
from starter.sketches import Sketches
from starter.train_vqgan import difference, disturbed, means_of_latents, sheet
from torch import Tensor, nn

from render.synthesis.classifier import Classifier, load_classifier
from render.weights.catalog import PERCEPTORS

RATE, CRITIC_RATE = 2.5e-4, 5e-4
SIDE = 96  # pixels of the pictures
PICTURES = 4  # in a batch
GUIDED_SIDE = 128  # pixels of a guided picture
VIEWS = 4  # of a guided picture, in which the student looks for its class
GUIDED = 24  # latents that are guided, one in every second step
AGE = 28  # steps after which one is replaced: more than a keyframe takes after its sketch
STEP = 0.25  # the least and greatest change of a guided latent in a step
ADVERSARY = 1.0  # length of the discriminator's gradient in pictures, of that of the other losses
CODES_FROM = 160  # batches of 16 pictures whose latents the codes are made from


class Features:
    """The features of a classifier's tower at strides 2, 4 and 8, for pictures in -1 to 1."""

    CHANNELS = (32, 16, 24, 40)

    def __init__(self, classifier: Classifier) -> None:
        self.classifier, self.trunk = classifier, classifier.visual.trunk

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        """Returns the maps (n, c, h, w) after the stem and the first three stages."""
        x = self.classifier.normalised((pictures + 1) / 2)
        maps = [self.trunk.bn1(self.trunk.conv_stem(x))]
        for stage in self.trunk.blocks[:3]:
            maps.append(stage(maps[-1]))
        return maps


class Critic(nn.Module):
    """A discriminator: for each of the feature maps a small network that scores every place."""

    def __init__(self, spreads: list[Tensor]) -> None:
        super().__init__()
        normed = nn.utils.parametrizations.spectral_norm
        self.heads = nn.ModuleList()
        for number, channels in enumerate(Features.CHANNELS):
            self.register_buffer(f"spread{number}", spreads[number])
            self.heads.append(
                nn.Sequential(
                    normed(nn.Conv2d(channels, 64, 3, 1, 1)),
                    nn.LeakyReLU(0.2),
                    normed(nn.Conv2d(64, 64, 3, 1, 1)),
                    nn.LeakyReLU(0.2),
                    normed(nn.Conv2d(64, 1, 1)),
                )
            )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Returns for each map the scores (n, 1, h, w): above 0 for pictures."""
        return [
            head(one / getattr(self, f"spread{number}")) * 3
            for number, (head, one) in enumerate(zip(self.heads, maps, strict=True))
        ]


def alike(found: list[Tensor], wanted: list[Tensor], spreads: list[Tensor]) -> Tensor:
    """Returns how far the feature maps of decoded pictures are from those wanted, ()."""
    apart = [((f - w) / s).abs().mean() for f, w, s in zip(found, wanted, spreads, strict=True)]
    return torch.stack(apart).mean()


def seen_parts(pictures: Tensor, count: int) -> Tensor:
    """Returns views (count, 3, SIDE, SIDE) of a picture (1, 3, h, w), shifted, scaled, mirrored."""
    scale, shift = 0.6 + 0.45 * torch.rand(count), 0.3 * (torch.rand(count, 2) - 0.5)
    flip = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0], matrix[:, 1, 1], matrix[:, :, 2] = scale * flip, scale, shift
    grid = F.affine_grid(matrix, [count, 3, SIDE, SIDE], align_corners=False)
    many = pictures.expand(count, -1, -1, -1)
    return F.grid_sample(many, grid, padding_mode="reflection", align_corners=False)


class GuidedLatents:
    """Latents that are guided towards what the student sees in them, as keyframes are after their
    sketch."""

    def __init__(self, model: Generator) -> None:
        book = model.quantize.embedding.weight
        self.low, self.high = (bound.values[:, None, None] for bound in (book.min(0), book.max(0)))
        cells = GUIDED_SIDE // 8
        self.latents = torch.zeros(GUIDED, book.shape[1], cells, cells)
        self.ages = torch.full((GUIDED,), AGE)
        self.classes = torch.zeros(GUIDED, dtype=torch.long)

    def begin(self, number: int, latent: Tensor, kind: int) -> None:
        """Replaces a latent by that of a sketch (1, c, h, w), of a class."""
        self.latents[number] = latent[0]
        self.ages[number], self.classes[number] = int(torch.randint(AGE // 2, ())), kind

    def move(self, number: int, gradient: Tensor) -> None:
        """Moves a latent against a gradient (1, c, h, w), coarse parts of it as much as fine ones,
        as Render's pyramid of offsets does."""
        total = torch.zeros_like(gradient)
        for cells, share in ((1, 0.5), (2, 0.5), (4, 0.5)):
            part = F.avg_pool2d(gradient, cells) if cells > 1 else gradient
            part = part / part.square().mean().sqrt().clamp_min(1e-12)
            total += share * F.interpolate(part, size=gradient.shape[2:], mode="bilinear")
        moved = self.latents[number] - STEP * total[0].clamp(-1, 1)
        self.latents[number] = moved.maximum(self.low).minimum(self.high)
        self.ages[number] += 1

    def state(self) -> tuple[Tensor, ...]:
        """Returns what a checkpoint stores."""
        return self.latents, self.ages, self.classes


def new_codes(model: Generator, pictures: MixedPictures, count: int) -> Tensor:
    """Returns codes (count, c) that latents of pictures have as their means."""
    random, rows = np.random.default_rng(1), []
    with torch.no_grad():
        for _ in range(CODES_FROM):
            latent = model.encode(pictures.batch(random, 16, SIDE) * 2 - 1)
            rows.append(latent.permute(0, 2, 3, 1).reshape(-1, latent.shape[1]))
        return means_of_latents(torch.cat(rows), count, 8)


def train(work: Path, minutes: float, seed: int, target: Path) -> None:
    """Trains until the budget of minutes is used, from the last checkpoint if there is one.

    `target` has the exported generator that the training begins with, and the student that guides.
    """
    row = replace(
        PERCEPTORS["starter-objects"], embedded=str(target.resolve() / "objects.safetensors")
    )
    student = load_classifier(row)
    kinds, sketches = MixedPictures(work), Sketches(work)
    path = work / "decoder.pt"
    torch.manual_seed(seed)
    model = Generator(GENERATOR)
    begun = {
        name: value.float()
        for name, value in load_file(str(target / "generator.safetensors")).items()
    }
    whole = work / "vqgan.pt"  # a newer one has another encoder than the checkpoint
    if path.exists() and whole.exists() and path.stat().st_mtime < whole.stat().st_mtime:
        raise SystemExit(f"{whole} is newer than {path}. Move that away to begin anew")
    kept = torch.load(path, weights_only=True) if path.exists() else None
    if kept is None and len(begun["quantize.embedding.weight"]) != GENERATOR["n_embed"]:
        begun["quantize.embedding.weight"] = model.quantize.embedding.weight.data
        model.load_state_dict(begun)
        begun["quantize.embedding.weight"] = new_codes(model, kinds, GENERATOR["n_embed"])
    model.load_state_dict(kept["model"] if kept else begun)
    model.requires_grad_(False)
    trained = [*model.decoder.parameters(), *model.post_quant_conv.parameters()]
    for parameter in trained:
        parameter.requires_grad_(True)
    guided, features = GuidedLatents(model), Features(teacher())
    with torch.no_grad():
        sample = features(kinds.batch(np.random.default_rng(2), 64, SIDE) * 2 - 1)
        spreads = [f.std((0, 2, 3), keepdim=True) + 1e-3 for f in sample]
    critic = Critic(spreads)
    optimiser = torch.optim.AdamW(trained, RATE, betas=(0.5, 0.99), weight_decay=0)
    against = torch.optim.AdamW(critic.parameters(), CRITIC_RATE, betas=(0.0, 0.99), weight_decay=0)
    average = MovingAverage(model, 0.998)
    clock, step = Clock(minutes), 0
    if kept:
        critic.load_state_dict(kept["critic"])
        optimiser.load_state_dict(kept["optimiser"])
        against.load_state_dict(kept["against"])
        average.state = kept["average"]
        guided.latents, guided.ages, guided.classes = kept["guided"]
        clock, step = Clock(minutes, kept["elapsed"]), kept["step"]
    torch.manual_seed(seed * 1_000_003 + step)
    random = np.random.default_rng((seed, step))
    shown = kinds.batch(np.random.default_rng(seed + 1), 12, SIDE) * 2 - 1
    averages, saved = Averages(), time.monotonic()

    def keep() -> None:
        state = {
            "model": model.state_dict(),
            "critic": critic.state_dict(),
            "optimiser": optimiser.state_dict(),
            "against": against.state_dict(),
            "average": average.state,
            "guided": guided.state(),
            "step": step,
            "elapsed": clock.elapsed,
            "coded": True,
            "config": GENERATOR,
        }
        save(path, state)
        averaged = Generator(GENERATOR)
        averaged.load_state_dict(average.state)
        averages.values["swatch"] = sheet(averaged, shown, work / "decoder.png", True)
        with torch.no_grad():
            drawn = averaged.decode(averaged.quantise(guided.latents[:10])[0]).clamp(-1, 1)
        rows = [torch.cat(list(part), 2) for part in torch.split(drawn, 5)]
        grid = ((torch.cat(rows, 1).permute(1, 2, 0) + 1) * 127.5).byte().numpy()
        Image.fromarray(grid).save(work / "decoder-guided.png")

    def pick() -> int:
        """Returns the number of a guided latent, which may be a new one."""
        number = int(torch.randint(GUIDED, ()))
        if guided.ages[number] >= AGE:
            one = sketches.picture(random)
            with torch.no_grad():
                kind = int(student.embed_cutouts(F.interpolate(one, size=SIDE)).argmax())
                guided.begin(number, model.encode(one * 2 - 1), kind)
        return number

    def guide(number: int, drawn: Tensor, latent: Tensor) -> Tensor:
        """Returns the gradient in a guided latent: what Render minimises after a sketch."""
        margins = student.embed_cutouts(seen_parts((drawn.clamp(-1.1, 1.1) + 1) / 2, VIEWS))
        wanted = -margins[:, guided.classes[number]].mean()
        (gradient,) = torch.autograd.grad(wanted, latent, retain_graph=True)
        return gradient

    while clock.share < 1:
        optimiser.param_groups[0]["lr"] = RATE * clock.rate(step, 100)
        against.param_groups[0]["lr"] = CRITIC_RATE * clock.rate(step, 20, 0.1)
        original = kinds.batch(random, PICTURES, SIDE) * 2 - 1
        with torch.no_grad():
            changed, wanted = disturbed(model.encode(original), original, random)
            codes = model.quantise(changed)[0]
        decoded = model.decode(codes)
        if step % 2:
            number = pick()
            latent = guided.latents[number : number + 1].clone().requires_grad_(True)
            drawn = model.decode(model.quantise(latent)[0])
            guided.move(number, guide(number, drawn, latent))

        # The gradient in the decoded pictures: of what they should be, and of the discriminator's.
        leaf = decoded.detach().requires_grad_(True)
        found = features(leaf)
        with torch.no_grad():
            known = features(wanted)
            real = features(original)
        off, near = difference(leaf, wanted), alike(found, known, spreads)
        beyond = (leaf.abs() - 1).clamp_min(0).mean()
        (slope,) = torch.autograd.grad(off + 0.1 * beyond + 0.35 * near, leaf, retain_graph=True)
        critic.requires_grad_(False)
        fooled = -torch.stack([s.mean() for s in critic(found)]).sum()
        (push,) = torch.autograd.grad(fooled, leaf)
        scale = ADVERSARY * min(1.0, step / 200) * slope.norm() / push.norm().clamp_min(1e-9)
        ends, slopes = [decoded], [slope + scale * push]
        false = [f.detach() for f in found]
        if step % 2:
            leaf = drawn.detach().requires_grad_(True)
            found = features(leaf)
            fooled = -torch.stack([s.mean() for s in critic(found)]).sum()
            over = (leaf.abs() - 1).clamp_min(0).mean() * 0.1
            (push,) = torch.autograd.grad(fooled * scale * 0.5 + over, leaf)
            ends.append(drawn)
            slopes.append(push)
            false_drawn = [f.detach() for f in found]
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(ends, slopes)
        norm = nn.utils.clip_grad_norm_(trained, 0.5)
        optimiser.step()

        critic.requires_grad_(True)
        against.zero_grad(set_to_none=True)
        scores_real, scores = critic(real), critic(false)
        hinge = torch.stack(
            [
                F.relu(1 - a).mean() + F.relu(1 + b).mean()
                for a, b in zip(scores_real, scores, strict=True)
            ]
        ).sum()
        if step % 2:
            scores_drawn = critic(false_drawn)
            hinge = hinge + 0.5 * torch.stack([F.relu(1 + b).mean() for b in scores_drawn]).sum()
            averages.add(drawn=torch.stack([s.mean() for s in scores_drawn]).mean().detach())
        hinge.backward()  # type: ignore[no-untyped-call]
        against.step()

        step += 1
        average.update(model, step)
        with torch.no_grad():
            error = (decoded.clamp(-1, 1) - wanted).pow(2).mean() / 4
            averages.add(
                off=off,
                psnr=-10 * torch.log10(error),
                near=near,
                real=torch.stack([s.mean() for s in scores_real]).mean(),
                false=torch.stack([s.mean() for s in scores]).mean(),
                scale=scale,
                norm=norm,
            )
        if step % 25 == 0:
            report("decoder", step, clock, averages)
        if time.monotonic() - saved > 120:
            keep()
            saved = time.monotonic()
    keep()
    report("decoder", step, clock, averages)
