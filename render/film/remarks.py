"""Warnings about a film that only its loaded models can give."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from render.plan.plan import Plan
from render.synthesis.models import Models
from render.synthesis.perceptor import Perceptor

BETTER = "ViT-B/32"  # the smallest perceptor that knows the words of the open world


def remarks(plan: Plan, models: Models) -> Iterator[str]:
    """What the perceptors do not take in, the ends of long texts and words they never saw; and
    where a GPU is slower than it could be."""
    if models.recorded is False:
        yield "steps cannot be recorded on this GPU; launched kernel by kernel they are slower"
    texts = dict.fromkeys(a.text for k in plan.keyframes for a in k.prompts if a.text)
    for (name, _), (perceptor, _) in zip(plan.board.perceptors, models.perceptors, strict=True):
        unknown: dict[str, str | None] = {}
        for text in texts:
            if lost := unseen(text, perceptor):
                yield f"{text!r} is too long for {name}, which never sees {lost!r}"
            unknown |= perceptor.unknown_words(text)
        if unknown:
            read = (
                f"{word} (read as {instead})" if instead else word
                for word, instead in unknown.items()
            )
            yield (
                f"{name} does not know these words: {', '.join(read)}. {BETTER} may: "
                f"`render models get {BETTER}`"
            )


def unseen(text: str, perceptor: Perceptor) -> str:
    """The words at the end of a text that do not fit into what the perceptor reads."""
    words = text.split()

    def tokens(count: int) -> int:
        return perceptor.tokens_of(" ".join(words[:count]))

    seen = bisect_right(range(1, len(words) + 1), perceptor.context, key=tokens)
    return " ".join(words[seen:])
