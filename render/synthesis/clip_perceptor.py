"""A frozen CLIP (Radford et al. 2021, arXiv 2103.00020), which embeds texts and cutouts as unit
vectors of one space.

Every one is a model of open_clip, the embedded starter too. Only tensors are read from a
weights file; the architecture comes from the file's header or from `weights/catalog.py`.
"""

from __future__ import annotations

import json
from typing import Any

import open_clip
import torch
from open_clip.transformer import VisionTransformer
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional as F

from render.synthesis.frozen_towers import speed_up_tower
from render.synthesis.perceptor import Perceptor, angular_distance
from render.weights.catalog import OPENAI_MEAN, OPENAI_STD, Model, ModelError
from render.weights.library import require_weights, weights_digest
from render.weights.open_clip_models import build_clip

MEAN, STD = tuple(OPENAI_MEAN), tuple(OPENAI_STD)

# For a perceptor that was trained on some tokens only: each token, and the trained one that it is
# read as, which is itself if it was trained. Other tokens have no meaning for the perceptor.
Readings = dict[int, int]


class ClipPerceptor(Perceptor):
    """A frozen CLIP: pictures in [0, 1] and texts to unit vectors of one space."""

    def __init__(
        self,
        clip: Any,  # open_clip.CLIP, or another of open_clip's models
        digest: str = "",
        mean: tuple[float, ...] = MEAN,
        std: tuple[float, ...] = STD,
    ) -> None:
        """As `Perceptor`."""
        super().__init__(clip.visual, digest, mean, std)
        self.clip = clip
        self.context = int(clip.context_length)
        self.tokenizer = open_clip.SimpleTokenizer(context_length=self.context)
        self.requires_grad_(False).eval()

    def on(
        self,
        device: torch.device,
        step_type: torch.dtype = torch.float32,
        at_once: int | None = None,
    ) -> ClipPerceptor:
        """As `Perceptor.on`; a transformer computes in `step_type`.

        The text tower stays in main memory, where only the used parts of a memory-mapped weights
        file take room: texts are embedded once per film. Image towers that are no transformers
        stay in float32: through a residual network like the starter's, the rounding of bfloat16
        grows to a sixth to a third of the gradient.
        """
        if isinstance(self.clip.visual, VisionTransformer):
            self.step_type = step_type
        self.at_once = at_once
        self.clip.visual.to(device, self.step_type)
        self.mean, self.std = self.mean.to(device), self.std.to(device)
        return self

    @torch.no_grad()
    def embed_texts(self, texts: list[str]) -> Tensor:
        """Returns the embeddings of n texts, (n, D), unit length. The tokenizer cuts a text that is
        longer than the context.

        The texts are embedded one by one: in a batch the last bits of an embedding depend on the
        other texts, and a keyframe's picture would depend on prompts that are not in its key.
        """
        tokens = self.tokenizer(texts)  # (n, context)
        embeddings = [self.clip.encode_text(row).float() for row in tokens.split(1)]
        return F.normalize(torch.cat(embeddings), dim=-1).to(self.mean.device)

    def embed_image(self, embeddings: Tensor) -> Tensor:
        """Returns the mean direction (D,), unit length, of the embeddings (n, D)."""
        return F.normalize(embeddings.mean(0), dim=0)

    def distance(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Returns half the squared angle between the two, from 0 to π²/2."""
        return angular_distance(embeddings, targets)

    def similarity(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Returns the cosine of the angle between the two, from -1 to 1."""
        return (embeddings * targets).sum(-1)

    @property
    def temperature(self) -> float:
        """1 / exp(logit scale), as it was trained; 0.01 for OpenAI's models."""
        return float(torch.exp(-self.clip.logit_scale.detach().float()))

    def difference(self, embeddings: Tensor, others: Tensor) -> Tensor:
        """Returns half the squared angle between the two, from 0 to π²/2."""
        return angular_distance(embeddings, others)

    def _embed(self, cutouts: Tensor) -> Tensor:
        """Returns the embeddings (n, D), unit length, of cutouts (n, 3, S, S) in [0, 1]."""
        return F.normalize(self.clip.encode_image(self.normalised(cutouts)).float(), dim=-1)


def load_clip(model: Model) -> ClipPerceptor:
    """Returns the named perceptor; raises ModelError when its weights are missing or do not fit."""
    perceptor = read_clip(model)
    speed_up_tower(perceptor.clip.visual)
    return perceptor


def read_clip(model: Model) -> ClipPerceptor:
    """Returns the named perceptor with open_clip's image tower as it is; raises ModelError when its
    weights are missing or do not fit."""
    path = require_weights(model)
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = {**model.config, **json.loads(metadata.get("config", "{}"))}
        mean, std = (
            tuple(json.loads(metadata[name]))
            if name in metadata
            else tuple(config.get(name, default))
            for name, default in (("mean", MEAN), ("std", STD))
        )
        architecture = {k: v for k, v in config.items() if k not in ("mean", "std", "pretrained")}
        clip = build_clip(architecture)
        clip.load_state_dict(whole_state(state, clip, readings_of(state)), assign=True)
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} does not hold the perceptor {model.name}: {error}") from error
    return ClipPerceptor(clip, weights_digest(model), mean, std)


def readings_of(state: dict[str, Tensor]) -> Readings | None:
    """Returns the readings of a perceptor that stores a part of the token table, else None.

    "token_embedding.ids" (k) are the tokens that it was trained on; "token_embedding.stand_ins"
    (k', 2) are pairs of another token and the trained one that is nearest to it in meaning.
    """
    if "token_embedding.ids" not in state:
        return None
    trained = state["token_embedding.ids"].tolist()
    stand_ins = state.get("token_embedding.stand_ins", torch.zeros(0, 2)).tolist()
    return dict(zip(trained, trained, strict=True)) | {int(a): int(b) for a, b in stand_ins}


def whole_state(
    state: dict[str, Tensor], clip: Any, readings: Readings | None
) -> dict[str, Tensor]:
    """Returns the tensors of a weights file in float32, with a whole token table.

    In a table that is stored in part, a token has the row that its reading names; tokens without a
    reading have the mean of all stored rows.
    """
    whole = {
        name: value.float() if value.is_floating_point() else value for name, value in state.items()
    }
    if readings is not None:
        rows, ids = whole.pop("token_embedding.rows"), whole.pop("token_embedding.ids").long()
        whole.pop("token_embedding.stand_ins", None)
        table = rows.mean(0).repeat(clip.token_embedding.weight.shape[0], 1)  # (vocabulary, width)
        table[ids] = rows
        table[list(readings)] = table[list(readings.values())]
        whole["token_embedding.weight"] = table
    return whole
