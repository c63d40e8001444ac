"""A frozen classifier of photographs as a perceptor: it draws the things whose classes a prompt
names, and leaves colour, light and style to the perceptor beside it.

The image tower is one of timm's in open_clip, with the classifier's own last layer as projection.
Its text side is a table of words (`starter/words.py`): a text becomes shares of the classes, scaled
by how sure the table is of them, and a text that names no class pulls nowhere.
"""

from __future__ import annotations

import json

import timm
import torch
from open_clip.timm_model import TimmModel
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional as F

from render.starter.words import CLASSES, WordTable
from render.synthesis.frozen_towers import fold_normalisations
from render.synthesis.perceptor import Perceptor, angular_distance
from render.weights.catalog import Model, ModelError
from render.weights.library import require_weights, weights_digest
from render.weights.vocabulary import word_table

TOWER = {"model_name", "embed_dim", "image_size", "proj"}  # the arguments of a tower
MARGIN = 16.0  # how far the logit of a class lies above the mean one in a picture that shows it


class Classifier(Perceptor):
    """A frozen classifier: cutouts to margins of K classes, texts and pictures to shares of them.

    The margin of a class is its logit minus the mean logit, in units of MARGIN: 0 for a picture
    that says nothing of the class, about 1 for one that shows it. Logits are not normalised to unit
    length, nor to probabilities: both were tried, and drew less, because their gradient fades where
    the picture already shows something of the class.
    """

    def __init__(
        self,
        visual: TimmModel,
        table: WordTable,
        digest: str = "",
        mean: tuple[float, ...] = (0.5,) * 3,
        std: tuple[float, ...] = (0.5,) * 3,
    ) -> None:
        """As `Perceptor`; `table` gives the classes that a text names."""
        super().__init__(visual, digest, mean, std)
        self.visual, self.table = visual, table
        self.requires_grad_(False).eval()

    def on(
        self,
        device: torch.device,
        step_type: torch.dtype = torch.float32,
        at_once: int | None = None,
    ) -> Classifier:
        """As `Perceptor.on`; computes in float32, whose gradient bfloat16 would roughen."""
        self.at_once = at_once
        self.to(device)
        return self

    def embed_texts(self, texts: list[str]) -> Tensor:
        """Returns the shares (n, K) of the classes that n texts name, each text's summing up to the
        table's confidence in it, 0 to 1."""
        shares = torch.zeros(len(texts), self.classes)
        for row, text in zip(shares, texts, strict=True):
            reading = self.table.read(text)
            for number, share in reading.shares:
                row[number] = share * reading.confidence
        return shares.to(self.mean.device)

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        count: int = self.visual.trunk.num_classes
        return count

    def embed_image(self, embeddings: Tensor) -> Tensor:
        """Returns the probabilities (K,) of the classes in a picture times the largest of them."""
        probabilities = (embeddings.mean(0) * MARGIN).softmax(0)
        return probabilities * probabilities.max()

    def distance(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Returns the sum over the classes of share · (1 - margin).

        That is the confidence in a text for a picture that shows nothing of it, about 0 for one
        that shows it, less for one that shows it very clearly, and always 0 for a text that names
        no class.
        """
        return targets.sum(-1) - (embeddings * targets).sum(-1)

    def similarity(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Returns the mean margin of the classes that a text names, about 1 where they are seen."""
        return (embeddings * targets).sum(-1) / targets.sum(-1).clamp_min(1e-6)

    @property
    def temperature(self) -> float:
        """1 / MARGIN: margins are logits in that unit."""
        return 1 / MARGIN

    def difference(self, embeddings: Tensor, others: Tensor) -> Tensor:
        """Returns half the squared angle between the margins, from 0 to π²/2."""
        return angular_distance(F.normalize(embeddings, dim=-1), F.normalize(others, dim=-1))

    def stops(self, targets: Tensor, weights: Tensor, stops: Tensor) -> Tensor:
        """Returns the stops (p,): none for what is wanted, because the storyboard's stops are
        distances of a CLIP; margin 0 for what is to be avoided, so that a picture which shows
        nothing of it is left alone."""
        return torch.where(weights < 0, -targets.sum(-1), torch.full_like(stops, -torch.inf))

    def _embed(self, cutouts: Tensor) -> Tensor:
        """Returns the margins (n, K) of cutouts (n, 3, S, S) in [0, 1]."""
        logits = self.visual(self.normalised(cutouts).contiguous(memory_format=torch.channels_last))
        margins: Tensor = (logits - logits.mean(1, keepdim=True)) / MARGIN
        return margins

    def reads(self, text: str) -> bool:
        """Returns whether a text names a class."""
        return bool(self.table.read(text).shares)


def load_classifier(model: Model) -> Classifier:
    """Returns the named classifier; raises ModelError when its weights are missing or do not fit.

    The file's header contains `config`, the arguments of open_clip's TimmModel; `mean` and `std`;
    and `words`, the table.
    """
    path = require_weights(model)
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        table = word_table(model)
        visual = build_tower(json.loads(metadata["config"]))
        if visual.trunk.num_classes < CLASSES:
            raise ValueError("its table of words names classes that it does not have")
        visual.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
        mean, std = (tuple(json.loads(metadata[name])) for name in ("mean", "std"))
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} does not hold the perceptor {model.name}: {error}") from error
    fold_normalisations(visual)
    return Classifier(visual, table, weights_digest(model), mean, std)


def build_tower(config: dict[str, object]) -> TimmModel:
    """Returns open_clip's TimmModel of these arguments, with random weights.

    Raises ValueError for other arguments than TOWER, or a name that timm does not have.
    """
    if set(config) != TOWER:
        raise ValueError(f"its config has other keys than {', '.join(sorted(TOWER))}")
    if config["model_name"] not in timm.list_models():  # timm might look for it on the network
        raise ValueError(f"timm knows no model {config['model_name']!r}")
    # The random weights are replaced at once, so they must not advance the global random state.
    with torch.random.fork_rng(devices=[]):
        return TimmModel(**config).eval()
