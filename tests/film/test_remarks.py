"""Warnings that only loaded models can give: unread ends of prompts and unknown words."""

from __future__ import annotations

from pathlib import Path

import open_clip
import tiny
from plans import plan_for
from tiny_film import MODELS, tiny_plan

from render.film.remarks import remarks
from render.storyboard.parser import parse
from render.synthesis.models import Models


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


def test_unknown_words_are_named_once() -> None:
    token = open_clip.SimpleTokenizer().encoder
    sea, fire = token["sea</w>"], token["fire</w>"]
    limited = tiny.perceptor()
    limited.readings = {sea: sea, fire: fire, token["red</w>"]: fire}
    other = MODELS.perceptors[1]
    # What the classifier reads is not unknown to the film.
    reading = tiny_plan("  - {duration: 1s, prompts: a red lighthouse}\n")
    models = Models(MODELS.generator, ((limited, 1.0), (tiny.classifier(), 1.0)))
    assert not any("lighthouse" in remark for remark in remarks(reading, models))
    plan = tiny_plan("  - {duration: 1s, prompts: a red zeppelinesque sea}\n")
    assert list(remarks(plan, Models(MODELS.generator, ((limited, 1.0), other)))) == [
        "starter does not know these words: red (read as fire), zeppelinesque. ViT-B/32 may: "
        "`render models get ViT-B/32`"
    ]
