"""Trains a robust student of the classifier: one whose gradients look like the things it sees.

Adversarial self-distillation: the student's features and logits of an attacked picture are to be
the teacher's of the clean one, so that a small change of a picture, which a person does not see,
does not change what the student sees. What then raises a logit must look like the class (Engstrom
et al. 2019, arXiv 1906.00945; the attack's gradient is shared with a clean step, Shafahi et al.
2019, arXiv 1904.12843). Pictures need no labels: photographs, scenes, studies and drawings.
"""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from starter.classifier import teacher as published
from starter.loop import Averages, Clock, MovingAverage, report, save
from starter.photographs import MixedPictures
from torch import Tensor, nn

from render.synthesis.classifier import Classifier

RATE = 3e-4
BATCH, SIDE, TEACHER_SIDE = 16, 96, 128
RADIUS = 2.5  # of an attack, L2 in 0 to 1


def wider_world(pictures: Tensor) -> Tensor:
    """Returns pictures (n, 3, h, w) in 0 to 1 mixed with one another by soft masks, with other
    colours and contrasts, and with noise of all scales."""
    n, _, high, wide = pictures.shape
    mask = F.interpolate(torch.randn(n, 1, 4, 4), size=(high, wide), mode="bicubic")
    mask = ((mask - 0.7 * torch.randn(n, 1, 1, 1)) * 4 + 0.5).clamp(0, 1)
    mask = torch.where(torch.rand(n, 1, 1, 1) < 0.5, mask, torch.ones_like(mask))
    pictures = mask * pictures + (1 - mask) * pictures.roll(1, 0)
    gain = 1 + 0.3 * torch.randn(n, 3, 1, 1) * torch.rand(n, 1, 1, 1)
    pictures = (pictures - 0.5) * gain + 0.5 + 0.1 * torch.randn(n, 1, 1, 1)
    for cells in (6, 12, 24, 48, 96):
        strength = 0.25 * torch.rand(n, 1, 1, 1) ** 3
        noise = torch.randn(n, 3, cells, cells)
        pictures = pictures + strength * F.interpolate(noise, size=(high, wide), mode="bilinear")
    return pictures.clamp(0, 1)


class Twin:
    """A tower with its last layer: features and logits of pictures in 0 to 1."""

    def __init__(self, classifier: Classifier, tower: Any) -> None:
        self.classifier, self.trunk = classifier, tower.trunk

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the features (n, 1280) and the logits (n, 1000)."""
        seen = self.classifier.normalised(pictures).contiguous(memory_format=torch.channels_last)
        maps = self.trunk.forward_features(seen)
        features = self.trunk.forward_head(maps, pre_logits=True)
        return features, self.trunk.classifier(features)


def train(work: Path, minutes: float, seed: int) -> None:
    """Trains until the budget of minutes is used, from the last checkpoint if there is one."""
    classifier = published()
    kinds = MixedPictures(work)
    path = work / "classifier.pt"
    tower = copy.deepcopy(classifier.visual)
    trained = [p for name, p in tower.named_parameters() if "classifier" not in name]
    for parameter in trained:
        parameter.requires_grad_(True)
    teacher, student = Twin(classifier, classifier.visual), Twin(classifier, tower)
    optimiser = torch.optim.AdamW(trained, RATE, betas=(0.9, 0.98), weight_decay=1e-4)
    average = MovingAverage(tower, 0.998)
    clock, step = Clock(minutes), 0
    if path.exists():
        kept = torch.load(path, weights_only=True)
        tower.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        average.state = kept["average"]
        clock, step = Clock(minutes, kept["elapsed"]), kept["step"]
    torch.manual_seed(seed * 1_000_003 + step)
    random = np.random.default_rng((seed, step, 1))

    def pictures() -> Tensor:
        return wider_world(kinds.batch(random, BATCH, SIDE))

    def taught(x: Tensor) -> tuple[Tensor, Tensor]:
        return teacher(F.interpolate(x, size=TEACHER_SIDE, mode="bilinear"))

    with torch.no_grad():
        sample = [taught(pictures()) for _ in range(8)]
        features, logits = (torch.cat(part) for part in zip(*sample, strict=True))
        mean, spread, unit = features.mean(0), features.std(0) + 0.05, logits.std()

    def apart(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> Tensor:
        """Returns how far the student is from the teacher in each picture, (n,)."""
        (f, z), (tf, tz) = found, wanted
        near = ((f - tf) / spread).square().mean(1)
        same = ((z - tz) / unit).square().mean(1)
        return 0.3 * near + same + 1 - F.cosine_similarity(f - mean, tf - mean, dim=1)

    def keep() -> None:
        state = {
            "model": tower.state_dict(),
            "average": average.state,
            "optimiser": optimiser.state_dict(),
            "step": step,
            "elapsed": clock.elapsed,
        }
        save(path, state)

    averages, saved = Averages(), time.monotonic()
    while clock.share < 1:
        optimiser.param_groups[0]["lr"] = RATE * clock.rate(step, 50)
        x = pictures()
        with torch.no_grad():
            wanted = taught(x)
        radius = RADIUS * (0.15 + 0.85 * torch.rand(BATCH, 1, 1, 1)) * min(1, (step + 20) / 200)
        seen = x.clone().requires_grad_(True)
        found = student(seen)
        clean = apart(found, wanted)
        # Half of the attacks lead to a random class, as guidance does, half away from the teacher.
        other = torch.randint(found[1].shape[1], (BATCH,))
        push = found[1].gather(1, other[:, None])[:, 0] - found[1].logsumexp(1)
        half = torch.arange(BATCH) < BATCH // 2
        aim = torch.where(half, push, clean * 5).sum()
        (slope,) = torch.autograd.grad(aim, seen, retain_graph=step % 4 == 0)
        if step % 4 == 0:
            clean.mean().backward()  # type: ignore[no-untyped-call]
        length = slope.flatten(1).norm(dim=1).clamp_min(1e-9).view(-1, 1, 1, 1)
        hard = apart(student((x + radius * slope / length).clamp(0, 1)), wanted).mean()
        hard.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        average.update(tower, step)
        averages.add(clean=clean.mean().detach(), attacked=hard.detach())
        if step % 50 == 0:
            report("classifier", step, clock, averages)
        if time.monotonic() - saved > 120:
            keep()
            saved = time.monotonic()
    keep()
    report("classifier", step, clock, averages)
