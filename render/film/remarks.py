"""Warnings about a film that only its loaded models can give."""

from __future__ import annotations

from collections.abc import Iterator

from render.plan.plan import Plan
from render.synthesis.models import Models

BETTER = "ViT-B/32"  # the smallest perceptor with a general vocabulary


def remarks(plan: Plan, models: Models) -> Iterator[str]:
    """Warnings about what loaded models cannot do: record their steps on this GPU, read a prompt to
    its end, or know its words."""
    if models.recording_failed:
        yield "steps cannot be recorded on this GPU; launched kernel by kernel they are slower"
    texts = dict.fromkeys(p.text for k in plan.keyframes for p in k.prompts if p.text)
    for (name, _), (perceptor, _) in zip(plan.board.perceptors, models.perceptors, strict=True):
        unknown: dict[str, str | None] = {}
        for text in texts:
            if unread := perceptor.unread_words(text):
                yield f"{text!r} is too long for {name}, which does not read {unread!r}"
            for word, known in perceptor.unknown_words(text).items():
                if not any(other.reads(text, word) for other, _ in models.perceptors):
                    unknown[word] = known
        if unknown:
            words = (
                f"{word} (read as {known})" if known else word for word, known in unknown.items()
            )
            yield (
                f"{name} does not know these words: {', '.join(words)}. {BETTER} may: "
                f"`render models get {BETTER}`"
            )
