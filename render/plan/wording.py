"""Sentences about the models of a film: words and sizes they cannot paint, settings they bring.
No torch."""

from __future__ import annotations

import math
from collections.abc import Iterator

from render.plan.plan import Plan
from render.text import quoted
from render.weights.catalog import Model
from render.weights.kinds import latent_shape
from render.weights.selection import leading
from render.weights.tokens import context_length, unread_words
from render.weights.vocabulary import Vocabulary, unknown_words, vocabulary

BETTER = "ViT-B/32"  # the smallest perceptor with a general vocabulary
FEWEST_CELLS = 16  # along the shorter side; the generators with 16 pixels a cell learnt with 16
LISTED = 12  # words or prompts that a warning names


def film_vocabularies(plan: Plan) -> dict[str, Vocabulary | None]:
    """What finds the known words of a text, for each perceptor by name; None if it knows any."""
    return {chosen.model.name: vocabulary(chosen.model) for chosen in plan.models.perceptors}


def film_texts(plan: Plan, *, wanted: bool = False) -> list[str]:
    """The texts of all prompts, each once; with `wanted` only of those that pull at some time."""
    prompts = (prompt for shot in plan.board.shots for prompt in shot.prompts)
    return list(
        dict.fromkeys(
            prompt.text
            for prompt in prompts
            if prompt.text and (not wanted or prompt.weight.extremes()[1] > 0)
        )
    )


def plan_warnings(plan: Plan) -> Iterator[str]:
    """All warnings that a plan deserves, as `check` and the render give them."""
    yield from size_warnings(plan)
    yield from word_warnings(plan)
    yield from length_warnings(plan)


def length_warnings(plan: Plan) -> Iterator[str]:
    """Warnings about texts of which a perceptor does not read the end: their style comes last."""
    for chosen in plan.models.perceptors:
        context = context_length(chosen.model)
        unread: dict[str, list[str]] = {}  # texts by the end that is not read
        for text in film_texts(plan) if context else ():
            if end := unread_words(text, context or 0):
                unread.setdefault(end, []).append(text)
        for end, texts in unread.items():
            more = f", as are {len(texts) - 1} more" if len(texts) > 1 else ""
            yield (
                f"{quoted(texts[0])} is too long for {chosen.model.name}{more}, which does not "
                f"read its end: {end!r}"
            )


def word_warnings(plan: Plan) -> Iterator[str]:
    """Warnings about prompts of which no perceptor knows anything, and about unknown words.

    Prompts that only push away are left out: what they name will not be painted anyway.
    """
    readers = [reader for reader in film_vocabularies(plan).values() if reader is not None]
    if not readers or len(readers) < len(plan.models.perceptors):
        return
    empty, unknown = [], dict[str, None]()
    for text in film_texts(plan, wanted=True):
        if any(reader(text) for reader in readers):
            unknown.update(dict.fromkeys(unknown_words(readers, text)))
        else:
            empty.append(quoted(text))
    more = (
        f"{BETTER} knows more words: `render models get {BETTER}`, and name it in the storyboard "
        f"(models: {{perceptors: {BETTER}}})"
    )
    if empty:
        yield (
            f"no perceptor of this film has learnt a word of {_listed(empty)}, so it may look like "
            f"anything. Use other words; {more}"
        )
    if unknown:
        yield f"no perceptor of this film has learnt: {_listed(list(unknown))}. {more}"


def size_warnings(plan: Plan) -> Iterator[str]:
    """Warnings about a film of fewer latent cells than one of its generators has learnt to fill."""
    for chosen in plan.models.generators:
        if chosen.model.factor >= 16 and not plan.board.draft:
            yield from _size_warning(plan, chosen.model)


def _size_warning(plan: Plan, generator: Model) -> Iterator[str]:
    """The warning about one of its generators, if it deserves one."""
    factor, name = generator.factor, generator.name
    _, rows, columns = latent_shape(generator, plan.size)
    if min(rows, columns) >= FEWEST_CELLS:
        return
    larger = FEWEST_CELLS / min(rows, columns)
    width, height = (math.ceil(larger * side) * factor for side in (columns, rows))
    yield (
        f"{plan.board.size[0]}x{plan.board.size[1]} is only {columns}x{rows} cells of {name}, too "
        f"few for more than colours and light. It paints things from about {FEWEST_CELLS} cells a "
        f"side: size: [{width}, {height}]"
    )


def usual_settings(plan: Plan) -> str | None:
    """A sentence on the settings that come with the film's perceptor; None if it has none."""
    model = leading((chosen.model, chosen.weight) for chosen in plan.models.perceptors)
    if model.usual is None:
        return None
    settings = ", ".join(f"{name} {value}" for name, value in model.usual.settings)
    return (
        f"{model.name} brings, where nothing else is written: {settings}, and losses that hold a "
        f"film together x {model.usual.holding:g} ({model.usual.source})"
    )


def _listed(parts: list[str]) -> str:
    """The first of these with commas between them, and how many more there are."""
    more = f" and {len(parts) - LISTED} more" if len(parts) > LISTED else ""
    return ", ".join(parts[:LISTED]) + more
