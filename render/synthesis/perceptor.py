"""The perceptor: a frozen CLIP (Radford et al. 2021, arXiv 2103.00020), text or views to vectors.

Every one is open_clip's own model, the embedded starter too. Only tensors are ever read from a
weights file; the architecture comes from the file's header or from our table.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP
from open_clip.transformer import VisionTransformer
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from render.synthesis.frozen_towers import speed_up_tower
from render.weights.catalog import Model, ModelError
from render.weights.library import require_weights, weights_digest

# What OpenAI's models were trained with; open_clip's laion models use the same.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


# Of a perceptor whose training saw some tokens only: what each is read as, itself if it was seen.
# One that is not here means nothing.
Readings = dict[int, int]


class Perceptor(nn.Module):
    """A frozen CLIP: pictures in [0, 1] and texts to unit vectors of one space."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        clip: Any,  # open_clip.CLIP, or another of open_clip's models
        digest: str = "",
        mean: tuple[float, ...] = MEAN,
        std: tuple[float, ...] = STD,
        readings: Readings | None = None,
        reference: bool = False,  # open_clip's own way through its modules, to compare with
    ) -> None:
        super().__init__()
        if not reference:
            speed_up_tower(clip.visual)
        self.clip, self.digest, self.readings = clip, digest, readings
        self.step_type = torch.float32  # what views are looked at in
        self.at_once: int | None = None  # views; None is all
        size = clip.visual.image_size
        self.side = int(size[0] if isinstance(size, tuple | list) else size)
        self.context = int(clip.context_length)
        self.tokenizer = open_clip.SimpleTokenizer(context_length=self.context)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))
        self.requires_grad_(False).eval()

    def on(
        self,
        device: torch.device,
        step_type: torch.dtype = torch.float32,
        at_once: int | None = None,
    ) -> Perceptor:
        """Itself, once, looking at views on a device: a transformer in `step_type`.

        More views than `at_once` are embedded in parts, twice, in less memory.

        Texts are read once a film: their half stays in main memory, where of a weights file only
        what is used takes room. Other towers stay float32: through a residual network like the
        starter's, bfloat16's rounding becomes a sixth to a third of the gradient.
        """
        if isinstance(self.clip.visual, VisionTransformer):
            self.step_type = step_type
        self.at_once = at_once
        self.clip.visual.to(device, self.step_type)
        self.mean, self.std = self.mean.to(device), self.std.to(device)
        return self

    @torch.no_grad()
    def embed_texts(self, texts: list[str]) -> Tensor:
        """(n, D), unit length. Longer texts than the context are cut by the tokenizer.

        One by one: in a batch a text's last bits depend on its neighbours, and a keyframe's picture
        would on prompts that are not in its key.
        """
        tokens = self.tokenizer(texts)  # (n, context)
        embeddings = [self.clip.encode_text(row).float() for row in tokens.split(1)]
        return F.normalize(torch.cat(embeddings), dim=-1).to(self.mean.device)

    def embed_cutouts(self, views: Tensor) -> Tensor:
        """(n, 3, S, S) in [0, 1] to (n, D), unit length."""
        if self.at_once is None or len(views) <= self.at_once:
            return self._embed(views)
        parts = torch.split(views, self.at_once)
        # What a part needs for its gradient is forgotten, and made again when its turn comes.
        # Nothing in it is random: no state is kept, which a recording could not do.
        again = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)
        return torch.cat([again(self._embed, part) for part in parts])

    def _embed(self, views: Tensor) -> Tensor:
        normal = ((views - self.mean) / self.std).to(self.step_type)
        return F.normalize(self.clip.encode_image(normal).float(), dim=-1)

    def tokens_of(self, text: str) -> int:
        """How many tokens the text takes, start and end included."""
        return len(self.tokenizer.encode(text)) + 2

    def unknown_words(self, text: str) -> dict[str, str | None]:
        """The words that it never saw, and the known word that each is read as, if there is one."""
        found: dict[str, str | None] = {}
        if self.readings is None:
            return found
        word: list[int] = []
        for token in self.tokenizer.encode(text):
            word.append(token)
            if not self.tokenizer.decoder[token].endswith("</w>"):
                continue
            written = self._words(word)
            short = len(written) <= 2 and written.isascii()
            telling = not short and any(map(str.isalnum, written))  # a dash is no word
            if telling and any(self.readings.get(part) != part for part in word):
                read_as = self.readings.get(word[0]) if len(word) == 1 else None
                found[written] = None if read_as is None else self._words([read_as])
            word = []
        return found

    def _words(self, tokens: list[int]) -> str:
        written: str = self.tokenizer.decode(tokens)
        return written.strip()


def build_clip(config: dict[str, Any]) -> Any:
    """open_clip's CLIP of an architecture: one that it names, or the arguments of its class."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), unlogged():
        # Building draws weights that are replaced at once: not from anybody's random state. And it
        # warns of the activation that a tag expects, and that the weights are random.
        warnings.simplefilter("ignore")
        if "open_clip" in config:
            if config["open_clip"] not in open_clip.list_models():  # else it might ask the network
                raise ValueError(f"open_clip knows no model {config['open_clip']!r}")
            clip = open_clip.create_model(config["open_clip"], pretrained=None)
        else:
            clip = CLIP(**{key: dict(v) if isinstance(v, dict) else v for key, v in config.items()})
    return clip


@contextmanager
def unlogged() -> Iterator[None]:
    """Nothing below an error is logged inside."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def load_perceptor(model: Model, *, reference: bool = False) -> Perceptor:
    """The named perceptor; raises ModelError when its weights are not there or do not fit."""
    path = require_weights(model)
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = {**model.config, **json.loads(metadata.get("config", "{}"))}
        mean, std = (
            tuple(json.loads(metadata[name]))
            if name in metadata
            else tuple(config.get(name, usual))
            for name, usual in (("mean", MEAN), ("std", STD))
        )
        shape = {k: v for k, v in config.items() if k not in ("mean", "std", "pretrained")}
        clip = build_clip(shape)
        readings = readings_of(state)
        clip.load_state_dict(whole_state(state, clip, readings), assign=True)
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} does not hold the perceptor {model.name}: {error}") from error
    return Perceptor(clip, weights_digest(model), mean, std, readings, reference)


def readings_of(state: dict[str, Tensor]) -> Readings | None:
    """What every token is read as by a perceptor that stores a part of the token table.

    "token_embedding.ids" (k) are the tokens that training saw; "token_embedding.stand_ins" (k', 2)
    are others, each with the known one that is nearest to it in meaning.
    """
    if "token_embedding.ids" not in state:
        return None
    known = state["token_embedding.ids"].tolist()
    stand_ins = state.get("token_embedding.stand_ins", torch.zeros(0, 2)).tolist()
    return dict(zip(known, known, strict=True)) | {int(a): int(b) for a, b in stand_ins}


def whole_state(
    state: dict[str, Tensor], clip: Any, readings: Readings | None
) -> dict[str, Tensor]:
    """The tensors in float32; a token table stored in part is filled as its readings say, and
    where they say nothing with the mean."""
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
