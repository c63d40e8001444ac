"""Which words of a text a small perceptor knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from render.weights.catalog import PERCEPTORS, ModelError
from render.weights.vocabulary import names_things, vocabulary, word_table


def test_the_starter_knows_the_words_of_its_training() -> None:
    known = vocabulary(PERCEPTORS["starter"])
    assert known is not None
    assert known("A Red SEA, a red zeppelinesque sea of fire") == ("red", "sea", "fire")
    assert known("") == ()


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
