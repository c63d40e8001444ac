"""What the perceptors of a film do not know of its prompts. No torch."""

from __future__ import annotations

from collections.abc import Iterator

from render.plan.plan import Plan
from render.text import quoted
from render.weights.vocabulary import Vocabulary, unknown_words, vocabulary

BETTER = "ViT-B/32"  # the smallest perceptor with a general vocabulary
LISTED = 12  # words or prompts that a warning names


def film_vocabularies(plan: Plan) -> dict[str, Vocabulary | None]:
    """What finds the known words of a text, for each perceptor by name; None if it knows any."""
    return {chosen.model.name: vocabulary(chosen.model) for chosen in plan.models.perceptors}


def film_texts(plan: Plan) -> list[str]:
    """The texts of all prompts, each once."""
    prompts = (prompt for shot in plan.board.shots for prompt in shot.prompts)
    return list(dict.fromkeys(prompt.text for prompt in prompts if prompt.text))


def word_warnings(plan: Plan) -> Iterator[str]:
    """Warnings about prompts of which no perceptor knows anything, and about unknown words."""
    readers = [reader for reader in film_vocabularies(plan).values() if reader is not None]
    if not readers or len(readers) < len(plan.models.perceptors):
        return
    empty, unknown = [], dict[str, None]()
    for text in film_texts(plan):
        words = unknown_words(readers, text)
        if any(reader(text) for reader in readers):
            unknown.update(dict.fromkeys(words))
        else:
            empty.append(quoted(text))
    more = f"{BETTER} knows more: `render models get {BETTER}`"
    if empty:
        yield (
            f"no perceptor of this film knows a word of {_listed(empty)}, which will look like "
            f"nothing in particular. Use other words; {more}"
        )
    if unknown:
        yield f"no perceptor of this film knows {_listed(list(unknown))}. {more}"


def _listed(parts: list[str]) -> str:
    """The first of these with commas between them, and how many more there are."""
    more = f" and {len(parts) - LISTED} more" if len(parts) > LISTED else ""
    return ", ".join(parts[:LISTED]) + more
