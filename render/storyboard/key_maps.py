"""Key maps as a storyboard writes them: values at times, and the ways between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from render.curves.easing import BEZIER_HEIGHT, EASINGS, easing, span
from render.storyboard import literals
from render.storyboard.reader import AlreadyReported, AnyNode, Reader, single_value, suggestion
from render.storyboard.tables import Row, Table
from render.storyboard.values import Time
from render.storyboard.yaml_nodes import Mapping, Mistake, Node, Sequence
from render.text import quoted, seconds_text

HANDLES = "[0.4, 0, 0.2, 1]"


@dataclass(frozen=True)
class Ease:
    """The name of an easing, or a Bezier by its handles: as CSS writes it, or as a list.

    Where one thing becomes another it may not swing: less than nothing of a prompt pushes away.
    """

    swings: bool = True  # whether it may go beyond its ends

    def read(self, node: Node, key: str, reader: Reader) -> str:
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
            message = f"{key} {quoted(text)} ends at its first comma, as all does in {{ }}. Write "
            raise Mistake(node, f"{message}its handles as a list: {HANDLES}")
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
        low, high = BEZIER_HEIGHT if self.swings else (0, 1)
        across = {"type": "number", "minimum": 0, "maximum": 1}
        height = {"type": "number", "minimum": low, "maximum": high}
        four = {"prefixItems": [across, height] * 2, "minItems": 4, "maxItems": 4}
        bezier = {"type": "string", "pattern": r"^\s*(?:cubic-)?bezier\s*\(.*\)\s*$"}
        return {"anyOf": [{"enum": list(EASINGS)}, bezier, {"type": "array", **four}]}


EASE = Ease()
KEY_TIME = Time(Fraction(0), Fraction(36_000))
# One key of a key map where its value is not all that is said.
KEY = Table(
    (
        Row("value", AnyNode(), "value", "the value at this time", required=True),
        Row("ease", EASE, "ease", "the way to this key from the one before"),
    )
)


Value = TypeVar("Value")


def read_keys(
    node: Mapping, key: str, reader: Reader, read_value: Callable[[Node], Value]
) -> list[tuple[Fraction, Value, str]]:
    """The times, values and easings of a key map, in order; raises Noted if none can be used."""
    if not node.entries:
        raise Mistake(node, f"{key} has no keys. Write some, such as {{0s: ..., 4s: ...}}")
    found: list[tuple[Fraction, Value, str]] = []
    for time_node, entry in node.entries:
        time = reader.attempt(KEY_TIME, time_node, f"{key}: the key time")
        parts: dict[str, Any] = {"value": entry}
        if isinstance(entry, Mapping):
            parts = KEY.read(entry, f"{key} at {quoted(time_node.text)}", reader)
            if "ease" in parts and entry is node.entries[0][1]:
                message = f"{key}: the ease of the first key shapes nothing. An ease belongs "
                reader.warn(entry, message + "to the key that it leads to")
        if "value" not in parts:
            continue  # noted
        try:
            value = read_value(parts["value"])
        except Mistake as mistake:
            reader.problems[mistake.problem] = None
            continue
        before = found[-1][0] if found else None
        if time is not None and _in_place(time, before, time_node, key, reader):
            found.append((time, value, parts.get("ease", "linear")))
    if not found:
        raise AlreadyReported
    return found


def _in_place(
    time: Fraction, before: Fraction | None, node: Node, key: str, reader: Reader
) -> bool:
    """Whether a key may stand at `time`, behind the one before; notes why not."""
    if reader.duration is not None and time > reader.duration:
        message = f"{key} has a key at {seconds_text(time)}, but shot '{reader.shot}' ends at "
        reader.problem(
            node, message + f"{seconds_text(reader.duration)}. Move the key into the shot"
        )
    elif time == before:
        reader.problem(node, f"{key} has two keys at {seconds_text(time)}. Keep one of them")
    elif before is not None and time < before:
        message = f"{key} has a key at {seconds_text(time)} behind one at {seconds_text(before)}"
        reader.problem(node, message + ". Put the keys in order of time")
    else:
        return True
    return False


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
