"""Which words of a text a small perceptor knows."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from render.weights.catalog import PERCEPTORS, ModelError
from render.weights.vocabulary import content_words, names_things, vocabulary, word_table


def test_the_starter_knows_the_words_of_its_training() -> None:
    known = vocabulary(PERCEPTORS["starter"])
    assert known is not None
    assert known("A Red SEA, a red zeppelinesque sea of fire") == ("red", "sea", "fire")
    assert known("") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("She isn't in the king's castle, and he don\u2019t care", ("king", "castle", "care")),
        (unicodedata.normalize("NFD", "un ch\u00e2teau"), ("ch\u00e2teau",)),
        ("\u0928\u0926\u0940", ("\u0928\u0926\u0940",)),  # a vowel sign is part of the word
        ("a wave \U0001f44b\U0001f3fd, sun\u2600\ufe0f", ("wave", "\U0001f44b", "sun", "\u2600")),
        ("a 'red' castle, the king's", ("red", "castle", "king")),
        ("!!! ... a an of ' ''", ()),
    ],
)
def test_words_that_say_something(text: str, words: tuple[str, ...]) -> None:
    assert content_words(text) == words


def test_the_classifier_knows_things() -> None:
    known = vocabulary(PERCEPTORS["starter-objects"])
    assert known is not None
    assert known("a lighthouse at dusk, oil painting") == ("lighthouse",)
    assert known("northern lights") == ()
    assert names_things(PERCEPTORS["starter-objects"], "two wolves in the snow")


def test_a_perceptor_without_a_list_knows_any_word() -> None:
    assert vocabulary(PERCEPTORS["ViT-B/32"]) is None


def test_a_damaged_table_is_a_sentence(tmp_path: Path) -> None:
    for number, words in enumerate(("render.words.9", "render.words.1\nwolf\t95 1000:100\n")):
        path = tmp_path / f"{number}.safetensors"
        save_file({"x": torch.zeros(1)}, str(path), {"words": words})
        row = replace(PERCEPTORS["starter-objects"], embedded=str(path))
        with pytest.raises(ModelError, match="does not hold the perceptor starter-objects: line"):
            word_table(row)
    nothing = tmp_path / "nothing.safetensors"
    save_file({"x": torch.zeros(1)}, str(nothing), {"other": ""})
    with pytest.raises(ModelError, match="does not hold the perceptor starter-objects"):
        word_table(replace(PERCEPTORS["starter-objects"], embedded=str(nothing)))
