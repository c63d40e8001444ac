"""How much of a text a CLIP reads: its tokens are counted without torch.

A CLIP reads as many tokens as its context has, with one at the start and one at the end, and cuts
the rest. The tokens are those of CLIP's byte pairs (Radford et al. 2021; Sennrich et al. 2016), by
the vocabulary that comes with open_clip.
"""

from __future__ import annotations

import gzip
import html
import importlib.util
import itertools
import json
from bisect import bisect_right
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from render.weights.catalog import Model
from render.weights.library import weights_metadata, weights_path

USUAL_CONTEXT = 77
MERGES = 49152 - 256 - 2  # lines of the vocabulary that are used
WORDS = r"<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def context_length(model: Model) -> int | None:
    """Returns how many tokens a perceptor reads; None if it reads a text to its end."""
    if model.is_classifier:
        return None
    path = weights_path(model)
    config = dict(model.config)
    if path is not None:
        config |= json.loads(weights_metadata(path).get("config", "{}"))
    if "open_clip" in config:
        config = _architecture(config["open_clip"])
    text: dict[str, Any] = config.get("text_cfg", {})
    return int(text.get("context_length", USUAL_CONTEXT))


def unread_words(text: str, context: int) -> str:
    """Returns the words at the end of a text that are beyond a context; "" if there are none."""
    words = text.split()

    def tokens(count: int) -> int:
        return count_tokens(" ".join(words[:count]))

    return " ".join(words[bisect_right(range(1, len(words) + 1), context, key=tokens) :])


@lru_cache(maxsize=4096)
def count_tokens(text: str) -> int:
    """Returns how many tokens a text takes, start and end included."""
    import ftfy
    import regex

    plain = html.unescape(html.unescape(ftfy.fix_text(text)))
    words = regex.findall(WORDS, " ".join(plain.split()).lower(), regex.IGNORECASE)
    return sum(map(_parts_of, words)) + 2


@lru_cache(maxsize=65536)
def _parts_of(word: str) -> int:
    """Returns how many tokens a word becomes, by merging its bytes in the order of the table."""
    if word in ("<start_of_text>", "<end_of_text>"):
        return 1
    letters = _letters_of_bytes()
    parts = [letters[byte] for byte in word.encode()]
    parts[-1] += "</w>"
    ranks = _ranks()
    while len(parts) > 1:
        pairs = list(itertools.pairwise(parts))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        merged: list[str] = []
        for part in parts:
            if merged and (merged[-1], part) == best:
                merged[-1] += part
            else:
                merged.append(part)
        parts = merged
    return len(parts)


@cache
def _ranks() -> dict[tuple[str, str], int]:
    """Returns the pairs that are merged, the earliest first."""
    with gzip.open(_open_clip_folder() / "bpe_simple_vocab_16e6.txt.gz") as file:
        lines = file.read().decode().split("\n")[1 : MERGES + 1]
    pairs = (line.split() for line in lines)
    return {(first, second): rank for rank, (first, second) in enumerate(pairs)}


@cache
def _letters_of_bytes() -> dict[int, str]:
    """Returns a printable letter for every byte, as GPT-2's vocabulary has them."""
    printable = [*range(ord("!"), ord("~") + 1), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + place) for place, byte in enumerate(others)}


def _architecture(name: str) -> dict[str, Any]:
    """Returns open_clip's config of an architecture; nothing if it has none."""
    path = _open_clip_folder() / "model_configs" / f"{name}.json"
    config: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return config


def _open_clip_folder() -> Path:
    """Returns where open_clip is installed; it is not imported, because it imports torch."""
    found = importlib.util.find_spec("open_clip")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0])
