"""Warnings about a film that only its loaded models can give."""

from __future__ import annotations

from collections.abc import Iterator

from render.plan.plan import Plan
from render.plan.wording import film_texts
from render.synthesis.models import Models


def remarks(plan: Plan, models: Models) -> Iterator[str]:
    """Warnings about what loaded models cannot do: record their steps on this GPU, or read a prompt
    to its end."""
    if models.recording_failed:
        yield "steps cannot be recorded on this GPU; launched kernel by kernel they are slower"
    for (name, _), (perceptor, _) in zip(plan.board.perceptors, models.perceptors, strict=True):
        for text in film_texts(plan):
            if unread := perceptor.unread_words(text):
                yield f"{text!r} is too long for {name}, which does not read {unread!r}"
