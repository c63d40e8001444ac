"""Warnings that only loaded models can give: unread ends of prompts."""

from __future__ import annotations

from pathlib import Path

from plans import plan_for
from tiny_film import MODELS, tiny_plan

from render.film.remarks import remarks
from render.storyboard.parser import parse


def test_the_unread_end_of_a_long_prompt_is_named() -> None:
    plan = tiny_plan()
    words = " ".join(f"wave{n}" for n in range(30))
    long = parse(plan.board.text.replace("a red sea |", f"{words} |"), Path())
    sentences = list(remarks(plan_for(long, 4), MODELS))
    assert len(sentences) == 2  # one for each perceptor
    for name, sentence in zip(("starter", "ViT-B/32"), sentences, strict=True):
        assert sentence.startswith(f"{words!r} is too long for {name}, which does not read 'wave")
        assert sentence.endswith("wave29'")
    assert list(remarks(plan, MODELS)) == []
