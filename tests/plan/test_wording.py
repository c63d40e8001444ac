"""What no perceptor of a film knows of its prompts."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import plan_for

from render.plan.wording import word_warnings
from render.storyboard.parser import parse


def warnings_of(*prompts: str, models: str = "") -> list[str]:
    listed = ", ".join(f"'{prompt}'" for prompt in prompts)
    board = f"version: 1\n{models}shots:\n- {{duration: 1s, prompts: [{listed}]}}\n"
    return list(word_warnings(plan_for(parse(board, Path()), 8)))


def test_words_that_no_perceptor_knows_are_named_once() -> None:
    (warning,) = warnings_of("a red zeppelinesque sea", "the Zeppelinesque lighthouses, over there")
    assert warning.startswith("no perceptor of this film has learnt: zeppelinesque. ViT-B/32 ")
    assert warnings_of("two wolves and a red fox") == []
    assert warnings_of("a wolf", "a zeppelinesque fog:-1") == []  # will not be painted anyway


@pytest.mark.parametrize("prompt", ["!!!", "Cthulhu", "ночь", "夜の海 🦊", "and of the"])
def test_a_prompt_of_which_nothing_is_known_is_named(prompt: str) -> None:
    first, *others = warnings_of(prompt, "a wolf")
    assert first.startswith(f"no perceptor of this film has learnt a word of {prompt!r}, so it")
    assert others == []


def test_many_words_are_named_in_part() -> None:
    (warning,) = warnings_of(
        "sea " + " ".join(f"{letter}{letter}qz" for letter in "abcdefghijklmnop")
    )
    assert " llqz and 4 more. " in warning


def test_a_general_perceptor_knows_every_word() -> None:
    models = "models: {perceptors: [starter, ViT-B/32]}\n"
    assert warnings_of("zeppelinesque", models=models) == []
