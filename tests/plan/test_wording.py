"""What no perceptor of a film knows of its prompts."""

from __future__ import annotations

from pathlib import Path

import pytest
from plan.samples import two_shot_plan
from plans import plan_for

from render.plan.plan import Plan
from render.plan.wording import length_warnings, size_warnings, usual_settings, word_warnings
from render.storyboard.model import LOSS_WEIGHTS, STEADY, Settings
from render.storyboard.parser import parse
from render.weights.catalog import Model
from render.weights.library import known_models


def warnings_of(*prompts: str, models: str = "") -> list[str]:
    listed = ", ".join(f"'{prompt}'" for prompt in prompts)
    board = f"version: 1\n{models}shots:\n- {{duration: 1s, prompts: [{listed}]}}\n"
    return list(word_warnings(plan_for(parse(board, Path()), 8)))


def test_the_unread_end_of_a_long_prompt_is_named() -> None:
    words = " ".join(f"wave{n}" for n in range(60))
    board = f"version: 1\nstyle: in oil\nshots:\n- {{duration: 1s, prompts: '{words}'}}\n"
    (warning,) = length_warnings(plan_for(parse(board, Path()), 8))  # a classifier reads all of it
    assert "is too long for starter, which does not read its end: 'wave" in warning
    assert warning.endswith("wave59, in oil'")
    short = board.replace(words, "a sea")
    assert list(length_warnings(plan_for(parse(short, Path()), 8))) == []


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


def of_models(size: str, models: str) -> Plan:
    """The plan of a film of that size with those models."""
    text = f"version: 1\nsize: {size}\nmodels: {models}\nshots:\n"
    return plan_for(parse(text + "  - {duration: 1s, prompts: sea}\n", Path()), 16)


def test_a_film_of_few_cells_is_remarked_on() -> None:
    (said,) = size_warnings(of_models("320x192", "{generator: vqgan-coco}"))
    assert said.startswith("320x192 is only 20x12 cells of vqgan-coco")
    assert said.endswith("size: [432, 256]")
    assert not list(size_warnings(of_models("432x256", "{generator: vqgan-coco}")))
    assert not list(size_warnings(two_shot_plan()))  # 8 pixels a cell


def test_the_settings_that_a_perceptor_brings_are_said() -> None:
    both = of_models("64x48", "{perceptors: {starter: 1, ViT-B/32: 2}}")
    said = usual_settings(both)
    assert said is not None
    assert said.startswith("ViT-B/32 brings, where nothing else is written: cutouts 32, noise 0.1")
    assert usual_settings(of_models("64x48", "{perceptors: [starter, ViT-B/32]}")) is None


def test_what_a_perceptor_brings_applies_where_nothing_is_written() -> None:
    head = "version: 1\nmodels: {perceptors: ViT-B/32}\nshots:\n  - {duration: 1s, prompts: sea"

    def settings(written: str, head: str = head) -> Settings:
        return parse(f"{head}{written}}}\n", Path()).shots[0].settings

    brought = settings("")
    assert (brought.cutouts, brought.noise, brought.distortion) == (32, 0.1, 1.5)
    losses = dict(brought.losses)
    assert (losses["hold"], losses["colours"], losses["smoothness"]) == (0.35, 56, 0.1)
    own = settings(", cutouts: {count: 5, distortion: 0}, losses: {hold: 1}")
    assert (own.cutouts, own.noise, own.distortion) == (5, 0.1, 0)
    assert dict(own.losses)["hold"] == 1
    assert settings("", head.replace("ViT-B/32", "starter")) == Settings(
        losses=tuple({**LOSS_WEIGHTS, **STEADY}.items())
    )


@pytest.mark.parametrize("row", known_models("perceptor").values(), ids=lambda row: row.name)
def test_usual_settings_are_settings(row: Model) -> None:
    for name, value in row.usual.settings if row.usual else ():
        assert type(value) is type(getattr(Settings(), name))
        assert value != getattr(Settings(), name)
