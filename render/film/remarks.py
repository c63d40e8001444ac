"""Warnings about a film that only its loaded models can give."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from render.plan.plan import Plan
from render.synthesis.models import Models
from render.synthesis.perceptor import Perceptor

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
            if unread := unread_words(text, perceptor):
                yield f"{text!r} is too long for {name}, which does not read {unread!r}"
            unknown |= perceptor.unknown_words(text)
        if unknown:
            words = (
                f"{word} (read as {known})" if known else word for word, known in unknown.items()
            )
            yield (
                f"{name} does not know these words: {', '.join(words)}. {BETTER} may: "
                f"`render models get {BETTER}`"
            )


def unread_words(text: str, perceptor: Perceptor) -> str:
    """The words at the end of a text that are beyond the perceptor's context."""
    words = text.split()

    def tokens(count: int) -> int:
        return perceptor.tokens_of(" ".join(words[:count]))

    fitting = bisect_right(range(1, len(words) + 1), perceptor.context, key=tokens)
    return " ".join(words[fitting:])
