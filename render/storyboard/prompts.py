"""Prompts as a storyboard writes them: texts, images and latents, style and exclude."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from render.curves.curve import Curve, Key, constant, keyed
from render.curves.easing import easing, span
from render.curves.expression import looks_like_formula, parse
from render.storyboard import literals
from render.storyboard.animated import AnimatedNumber
from render.storyboard.context import ShotContext
from render.storyboard.key_maps import key_map_schema, read_keys
from render.storyboard.model import FULL_SHARE, Prompt, Region
from render.storyboard.named_files import ImageFile, StoredLatent
from render.storyboard.notation import foreign_notation
from render.storyboard.reader import AlreadyReported, Reader, single_value
from render.storyboard.regions import WHERE
from render.storyboard.tables import Row, Table
from render.storyboard.values import Text, warn_of_comment
from render.storyboard.yaml_nodes import Mapping, Mistake, Node, Scalar, Sequence
from render.text import is_printable, quoted

PROMPT_LIMIT = 100  # in one shot
TEXT_LIMIT = 1000  # characters; a perceptor reads about 77 words of it


StyleText = str | tuple[Prompt, ...]  # a style: words, or prompts of its own


def with_style(prompts: tuple[Prompt, ...], style: StyleText | None) -> tuple[Prompt, ...]:
    """The prompts with the words of a style appended to every text, or with its prompts added."""
    if style is None:
        return prompts
    if isinstance(style, tuple):
        return prompts + style
    return tuple(p if p.text is None else replace(p, text=f"{p.text}, {style}") for p in prompts)


def split_weights(written: str) -> tuple[str, float | None, float | None]:
    """Text, weight and stop of one prompt in shorthand, `text:weight:stop`.

    A colon belongs to the text unless a number follows it, to the end or to the next such colon.
    Raises ValueError with a sentence, also if the number could be part of the text (`at 10:30`).
    """
    text = written.strip()
    numbers: list[float] = []
    while len(numbers) < 2:
        head, colon, tail = text.rpartition(":")
        if not colon or not literals.looks_like_number(tail):
            break
        try:
            numbers.insert(0, float(literals.number(tail)))
        except ValueError as error:
            raise ValueError(
                f"in the prompt {quoted(written)}, '{tail.strip()}' {error}"
            ) from error
        text = head
    example = "the form {text: ..., weight: 1}"
    if comma := re.search(r":\s*([+-]?[0-9]*),([0-9]+)$", text):
        message = f"the prompt {quoted(written)} has a comma in its weight. Write "
        raise ValueError(message + f"{comma[1]}.{comma[2]}, or use {example}")
    if numbers and text[-1:].isdigit():
        raise ValueError(
            f"the prompt {quoted(written)} has a digit before the colon, which may be a time of "
            f"day or a weight. Write it in {example}"
        )
    text = text.strip()
    if text.endswith(":"):
        message = (
            f"the prompt {quoted(written)} has a colon with nothing behind it. Write a weight "
        )
        raise ValueError(message + f"there, as in 'sky:0.5', or use {example}")
    if not text:
        raise ValueError("a prompt has no text. Write some, as in 'a red sky:0.5'")
    weight, stop = (*numbers, None, None)[:2]
    return text, weight, stop


WEIGHT = AnimatedNumber(-1000, 1000)
# Distances of a CLIP lie in 0..pi^2/2; they are negated for excluded prompts. A classifier has its
# own stops.
STOP = AnimatedNumber(-5, 5)
PROMPT_TEXT = Text(TEXT_LIMIT, "what should be seen")


@dataclass(frozen=True)
class Texts:
    """A text, or texts at times that cross over into one another; to texts and their shares.

    The shares of all texts add up to 1 at any time.
    """

    def read(
        self, node: Node, key: str, context: ShotContext, reader: Reader
    ) -> tuple[tuple[str, Curve], ...]:
        """Each text with its share over time; raises Mistake."""
        if not isinstance(node, Mapping):
            return ((PROMPT_TEXT.read(node, key, context, reader), FULL_SHARE),)

        def read_text(text: Node) -> str:
            return PROMPT_TEXT.read(text, key, context, reader)

        keys = read_keys(node, key, context, reader, read_text)
        for _, text, ease in keys:
            if span(easing(ease)) != (0.0, 1.0):
                message = f"{key} swings beyond {quoted(text)}, and would push away from the text "
                raise Mistake(node, message + "before it. Keep its bezier's y within 0 to 1")
        places: dict[str, list[int]] = {}
        for place, (_, text, _) in enumerate(keys):
            places.setdefault(text, []).append(place)
        if len(places) > PROMPT_LIMIT:
            raise Mistake(node, f"{key} holds {len(places)} texts. Keep at most {PROMPT_LIMIT}")
        return tuple((text, _share(keys, places[text])) for text in places)

    def schema(self) -> dict[str, Any]:
        """A text, or a key map of texts."""
        text = PROMPT_TEXT.schema()
        return {"anyOf": [text, key_map_schema(text)]}


def _share(keys: list[tuple[Fraction, str, str]], places: list[int]) -> Curve:
    """The share over time of the text that stands at these places among keys.

    Keys far from the text itself, where its share stays 0, are left out: with a key at every place,
    many texts would take memory by the square of their number.
    """
    near = {place + by for place in places for by in (-2, -1, 0, 1, 2)} | {0, len(keys) - 1}
    own = set(places)
    return keyed(
        Key(keys[place][0], float(place in own), keys[place][2])
        for place in sorted(near)
        if 0 <= place < len(keys)
    )


PROMPT = Table(
    (
        Row(
            "text",
            Texts(),
            "texts",
            "what should be seen, taken exactly as written; at several times, it crosses over",
        ),
        Row("image", ImageFile(), "image", "path of a picture to come near to, instead of a text"),
        Row("latent", StoredLatent(), "latent", "path of a latent to become, cell by cell"),
        Row("weight", WEIGHT, "weight", "how strongly, beside the others; below 0 pushes away"),
        Row("stop", STOP, "stop", "the distance at which it stops pulling"),
        Row("where", WHERE, "where", "the part of the picture that is meant: top, from-left, ..."),
    )
)


@dataclass(frozen=True)
class Prompts:
    """Shorthand, a mapping, or a list of either; to a tuple of Prompt.

    With `away` it reads `exclude`: weights and stops are written without a minus and become
    negative.
    """

    away: bool = False

    def read(
        self, node: Node, key: str, context: ShotContext, reader: Reader
    ) -> tuple[Prompt, ...]:
        """The prompts; raises Mistake, or AlreadyReported for a wrong prompt."""
        items = node.items if isinstance(node, Sequence) else (node,)
        if isinstance(node, Mapping) and node.entries and _are_frames(node):
            texts = ", ".join(f"{name.text}f: ..." for name, _ in node.entries[:2])
            message = f"{key} has frames as keys, as Deforum writes them. Write {{text: {{{texts}}}"
            raise Mistake(node, message + "}, or a shot for each text")
        if not items:
            raise Mistake(node, f"{key} is an empty list. Write what should be seen")
        before = len(reader.problems)
        found: list[Prompt] = []
        for item in items:
            if isinstance(item, Mapping):
                found += self._mapping(item, key, context, reader)
            else:
                found += self._shorthand(single_value(item, key, "a text such as sky:0.5"), reader)
            if len(found) > PROMPT_LIMIT:
                break
        if len(found) > PROMPT_LIMIT:
            raise Mistake(node, f"{key} holds too many prompts. Keep at most {PROMPT_LIMIT}")
        if len(reader.problems) > before:
            raise AlreadyReported
        if all(prompt.weight.extremes() == (0, 0) for prompt in found):
            message = f"{key}: every weight is 0, so nothing pulls. Give at least one a weight"
            raise Mistake(node, message)
        if not self.away and all(prompt.weight.extremes()[1] <= 0 for prompt in found):
            message = f"{key} says only what should not be seen. Add what should, as in 'a red sky'"
            reader.warn(node, message)
        return tuple(self._directed(prompt) for prompt in found)

    def _shorthand(self, node: Scalar, reader: Reader) -> list[Prompt]:
        """The prompts of `text:weight:stop | ...`; notes their mistakes."""
        if "||" in node.text:
            message = "'||' begins a new scene in PyTTI. Here every scene is a shot of its own: "
            parts = [part.strip(" |") for part in node.text.split("||")]
            raise Mistake(node, f"{message}- prompts: {parts[0]}, and - prompts: {parts[-1]}")
        if len(node.text) > PROMPT_LIMIT * TEXT_LIMIT:
            raise Mistake(node, f"prompts of {len(node.text):,} characters. Shorten them")
        foreign = list(foreign_notation(node.text))
        for sentence in foreign:
            reader.warn(node, sentence)
        warn_of_comment(node, reader)
        found = []
        for piece in node.text.split("|"):
            try:
                text, weight, stop = split_weights(" ".join(piece.split()))
            except ValueError as error:
                reader.problem(node, foreign[0] if foreign else str(error))
                continue
            if len(text) > TEXT_LIMIT:
                reader.problem(node, f"a prompt is longer than {TEXT_LIMIT} characters. Shorten it")
            if not is_printable(text):
                reader.problem(node, f"{quoted(text)} holds control characters. Remove them")
            if weight is None and not foreign:
                _warn_of_lost_weight(text, node, reader)
            self._check(node, reader, weight, "weight", WEIGHT.low, WEIGHT.high, text)
            self._check(node, reader, stop, "stop", STOP.low, STOP.high, text)
            curve = constant(1.0 if weight is None else weight)
            found.append(Prompt(text, None, curve, None if stop is None else constant(stop)))
        return found

    def _mapping(
        self, node: Mapping, key: str, context: ShotContext, reader: Reader
    ) -> list[Prompt]:
        """The prompts of `{text: ..., weight: ...}`, one per text; notes their mistakes."""
        given = PROMPT.read(node, f"a prompt in {key}", context, reader)
        written = [name for name in ("text", "image", "latent") if node.get(name) is not None]
        if len(written) != 1:
            which = " and ".join(written) or "neither text nor image nor latent"
            reader.problem(node, f"a prompt in {key} has {which}. Write one of them")
        weight, stop = given.get("weight", FULL_SHARE), given.get("stop")
        for what, curve, kind in (("weight", weight, WEIGHT), ("stop", stop, STOP)):
            low = None if curve is None else curve.extremes()[0]
            self._check(node.get(what) or node, reader, low, what, kind.low, kind.high)
        where = Region(**given["where"]) if "name" in given.get("where", {}) else None
        texts: tuple[tuple[str, Curve], ...] = given.get("texts", ())
        _warn_of_weights_in(texts, node.get("text"), reader)
        if not texts:
            image, latent = given.get("image"), given.get("latent")
            return [Prompt(None, image, weight, stop, where=where, latent=latent)]
        return [Prompt(text, None, weight, stop, share, where) for text, share in texts]

    def _check(
        self,
        node: Node,
        reader: Reader,
        value: float | None,
        what: str,
        low: float,
        high: float,
        text: str = "",  # of the prompt, if its numbers have no node of their own
    ) -> None:
        """Note a number that is out of range, or that has a minus in `exclude`."""
        if value is None:
            return
        number = f"the {what} {value:g}{f' of {quoted(text)}' if text else ''}"
        if self.away and value < 0:
            message = f"{number} in exclude has a minus. Write it without: exclude "
            reader.problem(node, message + "pushes away already")
        elif not low <= value <= high:
            reader.problem(node, f"{number} is out of range. It goes from {low:g} to {high:g}")

    def _directed(self, prompt: Prompt) -> Prompt:
        """The prompt with a negative weight and stop if it is excluded."""
        if not self.away:
            return prompt
        stop = prompt.stop.scaled(-1) if prompt.stop else None
        return replace(prompt, weight=prompt.weight.scaled(-1), stop=stop)

    def schema(self) -> dict[str, Any]:
        """A text, a mapping, or an array of both."""
        item = {"anyOf": [PROMPT_TEXT.schema(), PROMPT.schema()]}
        return {"anyOf": [*item["anyOf"], {"type": "array", "items": item, "minItems": 1}]}


def _warn_of_lost_weight(text: str, node: Scalar, reader: Reader) -> None:
    """Warn of what may have been meant as a weight and is read as text: `sky:50%`, `[sea:0,5]`."""
    if found := re.search(rf":({literals.NUMBER})_({literals.NUMBER})$", text):
        weight, stop = float(found[1]), abs(float(found[2]))
        message = f"all of {quoted(text)} is taken as text. A weight and a stop are written "
        reader.warn(node, f"{message}'{text[: found.start()]}:{weight:g}:{stop:g}'")
    elif re.search(r":[\w.+(-]\S*$", text):
        message = f"all of {quoted(text)} is taken as text: behind its colon is no number. Write "
        reader.warn(node, message + "a weight as in sky:0.5, or {text: ...} for such a text")
    elif formula := _formula_behind(text):
        message = f"all of {quoted(text)} is taken as text. If a formula is its weight, write "
        reader.warn(node, message + f"{{text: ..., weight: {formula}}}")
    elif literals.looks_like_number(text) and not node.quoted:
        message = f"the prompt {quoted(text)} is nothing but a number. In a list, a comma "
        reader.warn(node, message + "begins the next prompt: write weights as in sky:0.5")


def _warn_of_weights_in(
    texts: tuple[tuple[str, Curve], ...], node: Node | None, reader: Reader
) -> None:
    """Warn of texts under the key `text` that end in what looks like a weight."""
    for text, _ in texts:
        for sentence in foreign_notation(text):
            reader.warn(node or Scalar("", 1, 1), sentence)
        if node is not None and _carries_weight(text):
            message = f"the text {quoted(text)} is taken as written, with its number. Write a "
            reader.warn(node, message + "weight in its own key: {text: ..., weight: 0.5}")


def _are_frames(node: Mapping) -> bool:
    """Whether every key is a number of frames, or Deforum's formula of one."""
    return all(re.fullmatch(r"[0-9]+|.*max_f.*", name.text.strip()) for name, _ in node.entries)


def _formula_behind(text: str) -> str | None:
    """The formula behind a text's last colon; None if words follow it."""
    _, colon, tail = text.rpartition(":")
    try:
        return parse(tail).text if colon and looks_like_formula(tail) else None
    except ValueError:
        return None


def _carries_weight(text: str) -> bool:
    """Whether a text ends in what looks like a weight."""
    head, colon, tail = text.rpartition(":")
    return bool(colon) and literals.looks_like_number(tail) and not head[-1:].isdigit()


@dataclass(frozen=True)
class Style:
    """Words that are appended to the texts of prompts; or, where it has weights or a '|', prompts
    of its own, which every shot has beside its own."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> StyleText:
        """The words or the prompts; raises Mistake."""
        text = PROMPT_TEXT.read(node, key, context, reader)
        if "|" in text or _carries_weight(text):
            return Prompts().read(node, key, context, reader)
        for sentence in foreign_notation(text):
            reader.warn(node, sentence)
        return text

    def schema(self) -> dict[str, Any]:
        """A text."""
        return PROMPT_TEXT.schema()
