"""The words that a small perceptor knows, read from the header of its weights file, without torch.

A CLIP trained on few words lists them under `known`; a classifier has a table of words under
`words`. Perceptors with a general vocabulary have neither.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path

from render.starter.words import FUNCTION_WORDS, WordTable
from render.weights.catalog import Model, ModelError
from render.weights.library import require_weights, weights_metadata, weights_path

Vocabulary = Callable[[str], tuple[str, ...]]  # a text to the parts of it that are known


def word_table(model: Model) -> WordTable:
    """Returns the table of words of a classifier; raises ModelError if its file has none."""
    path = require_weights(model)
    try:
        return _table_in(path)
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path} does not hold the perceptor {model.name}: {error}") from error


@cache
def _table_in(path: Path) -> WordTable:
    """Returns the table in the header of a file, which is read once."""
    return WordTable.parse(weights_metadata(path)["words"])


@cache
def _known_in(path: Path) -> frozenset[str]:
    """Returns the words in the header of a file, which is read once; none if it lists none."""
    return frozenset(weights_metadata(path).get("known", "").split())


def names_things(model: Model, text: str) -> bool:
    """Returns whether a classifier knows a thing that a text names; raises ModelError."""
    return _names_things(require_weights(model), text)


@lru_cache(maxsize=4096)
def _names_things(path: Path, text: str) -> bool:
    """Returns what `names_things` does: a plan asks for the same texts many times."""
    return bool(_table_in(path).read(text).shares)


def vocabulary(model: Model) -> Vocabulary | None:
    """Returns what finds the words of a text that a perceptor knows; None if it knows any word, or
    if its weights are absent. Raises ModelError for a damaged file."""
    path = weights_path(model)
    if path is None:
        return None
    if model.is_classifier:
        table = word_table(model)
        return lambda text: table.read(text).words
    known = _known_in(path)
    if not known:
        return None
    return lambda text: tuple(word for word in content_words(text) if word in known)


def content_words(text: str) -> tuple[str, ...]:
    """Returns the words of a text in lower case, each once, and its emoji, without articles,
    prepositions, contractions and the like, and without words of one or two letters."""
    plain = unicodedata.normalize("NFC", text.lower()).replace("\u2019", "'")
    words = "".join(map(_apart, plain)).split()
    found = dict.fromkeys(word.strip("'").removesuffix("'s") for word in words)
    return tuple(
        word
        for word in found
        if word not in FUNCTION_WORDS
        and "'" not in word  # "isn't"
        and not (word.isascii() and len(word) < 3)
    )


def _apart(character: str) -> str:
    """Returns a character of a word as it is, an emoji between spaces, and a space for others."""
    category = unicodedata.category(character)
    if character == "'" or category[0] in "LN" or (category[0] == "M" and character != "\ufe0f"):
        return character
    return f" {character} " if category == "So" else " "


def unknown_words(readers: Sequence[Vocabulary], text: str) -> tuple[str, ...]:
    """Returns the words of a text that none of these perceptors knows, alone or in a phrase."""
    known = {part for reader in readers for phrase in reader(text) for part in phrase.split()}
    return tuple(
        word
        for word in content_words(text)
        if word not in known and not any(reader(word) for reader in readers)
    )
