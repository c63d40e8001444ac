"""Key maps as a storyboard writes them: values at times, and the easings between them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from render.curves.easing import BEZIER_HEIGHT, EASINGS, easing, span
from render.storyboard import literals
from render.storyboard.context import ShotContext
from render.storyboard.reader import AlreadyReported, AnyNode, Reader, single_value
from render.storyboard.suggestions import suggestion
from render.storyboard.tables import Row, Table
from render.storyboard.values import Time
from render.storyboard.yaml_nodes import Mapping, Mistake, Node, Sequence
from render.text import quoted, seconds_text

HANDLES = "[0.4, 0, 0.2, 1]"


@dataclass(frozen=True)
class Ease:
    """The name of an easing, or a Bezier by its handles: as CSS writes it, or as a list."""

    swings: bool = True  # whether it may leave 0..1; a share of a prompt below 0 would push away

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> str:
        """The name, or `bezier(...)`; raises Mistake."""
        if isinstance(node, Sequence):
            numbers = [
                single_value(item, key, f"four numbers, such as {HANDLES}") for item in node.items
            ]
            text = f"bezier({', '.join(number.text for number in numbers)})"
        else:
            text = single_value(
                node, key, f"one of {', '.join(EASINGS)}, or handles: {HANDLES}"
            ).text
        if "(" in text and ")" not in text:
            message = f"{key} {quoted(text)} ends at its first comma, as any value in {{ }} does. "
            raise Mistake(node, f"{message}Write its handles as a list: {HANDLES}")
        try:
            low, high = span(easing(text))
            if not self.swings and (low < 0.0 or high > 1.0):
                message = f"{key} {quoted(text)} swings beyond its ends. Keep its y within 0 to 1"
                raise Mistake(node, message)
        except KeyError as error:
            message = f"{key} {quoted(text)} is not known. {suggestion(text, EASINGS)}"
            raise Mistake(node, f"{message}, and the handles of a Bezier: {HANDLES}") from error
        except ValueError as error:
            raise Mistake(node, f"{key} {quoted(text)} {error}") from error
        return text

    def schema(self) -> dict[str, Any]:
        """A name, a Bezier as text, or four numbers."""
        low, high = BEZIER_HEIGHT if self.swings else (0, 1)
        across = {"type": "number", "minimum": 0, "maximum": 1}
        height = {"type": "number", "minimum": low, "maximum": high}
        four = {"prefixItems": [across, height] * 2, "minItems": 4, "maxItems": 4}
        bezier = {"type": "string", "pattern": r"^\s*(?:cubic-)?bezier\s*\(.*\)\s*$"}
        return {"anyOf": [{"enum": list(EASINGS)}, bezier, {"type": "array", **four}]}


EASE = Ease()
KEY_TIME = Time(Fraction(0), Fraction(36_000))
# The long form of one key in a key map.
KEY = Table(
    (
        Row("value", AnyNode(), "value", "the value at this time", required=True),
        Row("ease", EASE, "ease", "the way to this key from the one before"),
    )
)


Value = TypeVar("Value")


def read_keys(
    node: Mapping,
    key: str,
    context: ShotContext,
    reader: Reader,
    read_value: Callable[[Node], Value],
) -> list[tuple[Fraction, Value, str]]:
    """The times, values and easings of a key map, in order.

    Raises AlreadyReported if no key can be used.
    """
    if not node.entries:
        raise Mistake(node, f"{key} has no keys. Write some, such as {{0s: ..., 4s: ...}}")
    found: list[tuple[Fraction, Value, str]] = []
    for time_node, entry in node.entries:
        if time_node.quoted and re.fullmatch(r"0*[1-9][0-9]*", time_node.text):
            message = f"{key}: the key {quoted(time_node.text)} means seconds. Frames, which "
            frames = f"Deforum writes so, are {time_node.text}f"
            reader.warn_once("keys in quotes", time_node, message + frames)
        if "max_f" in time_node.text:
            message = f"{key}: the key {quoted(time_node.text)} is a formula of Deforum's. Write a "
            reader.problem(time_node, message + "time, such as 2s or 48f")
            continue
        time = reader.attempt(KEY_TIME, time_node, f"{key}: the key time", context)
        parts: dict[str, Any] = {"value": entry}
        if isinstance(entry, Mapping):
            parts = KEY.read(entry, f"{key} at {quoted(time_node.text)}", context, reader)
            if "ease" in parts and entry is node.entries[0][1]:
                message = f"{key}: the ease of the first key shapes nothing. An ease belongs "
                reader.warn(entry, message + "to the key that it leads to")
        if "value" not in parts:
            continue  # noted
        try:
            value = read_value(parts["value"])
        except Mistake as mistake:
            reader.note(mistake)
            continue
        if time is None:
            continue  # noted
        before = found[-1][0] if found else None
        if problem := _misplaced(time, before, key, context):
            if re.fullmatch(r"[0-9]+", time_node.text):
                problem += f". If {time_node.text} frames are meant, write {time_node.text}f"
            reader.problem(time_node, problem)
        else:
            found.append((time, value, parts.get("ease", "linear")))
    if not found:
        raise AlreadyReported
    return found


def _misplaced(
    time: Fraction, before: Fraction | None, key: str, context: ShotContext
) -> str | None:
    """Why no key may be at `time`, after one at `before`; None if it may."""
    if context.duration is not None and time > context.duration:
        message = f"{key} has a key at {seconds_text(time)}, but shot '{context.name}' ends at "
        return f"{message}{seconds_text(context.duration)}. Move the key into the shot"
    if time == before:
        return f"{key} has two keys at {seconds_text(time)}. Keep one of them"
    if before is not None and time < before:
        message = f"{key} has a key at {seconds_text(time)} behind one at {seconds_text(before)}"
        return f"{message}. Put the keys in order of time"
    return None


def key_map_schema(value: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a key map of such values."""
    key = {
        "type": "object",
        "properties": {"value": value, "ease": EASE.schema()},
        "required": ["value"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "patternProperties": {literals.TIME: {"anyOf": [value, key]}},
        "additionalProperties": False,
        "minProperties": 1,
    }
