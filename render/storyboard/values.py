"""The plain kinds of values: each reads its node and states its JSON Schema.

A kind has `read(node, key, reader)`, which returns the value or raises Mistake, and `schema()`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from render.storyboard import literals
from render.storyboard.reader import AlreadyReported, Reader, single_value, suggestion
from render.storyboard.yaml_nodes import Mapping, Mistake, Node, Scalar, Sequence
from render.text import is_printable, quoted, seconds_text


@dataclass(frozen=True)
class Number:
    """A number from low to high, both allowed; a whole one where `whole`.

    `example` takes the place of the bounds in sentences where those would help nobody.
    """

    low: float
    high: float
    whole: bool = False
    example: str = ""
    exact: bool = False  # to a Fraction

    def read(self, node: Node, key: str, reader: Reader) -> float | Fraction:
        span = f"from {self.low} to {self.high}"
        wanted = f"{'a whole number' if self.whole else 'a number'} {self.example or span}"
        scalar = single_value(node, key, wanted)
        try:
            value = literals.number(scalar.text, wanted)
        except ValueError as error:
            raise Mistake(node, f"{key} {quoted(scalar.text)} {error}") from error
        if self.whole and value.denominator != 1:
            raise Mistake(node, f"{key} {quoted(scalar.text)} is not whole. Write {wanted}")
        exact = int(value) if self.whole else float(value)  # the bounds are floats: 0.05 is 0.05
        if not self.low <= exact <= self.high:
            raise Mistake(node, f"{key} {quoted(scalar.text)} is out of range. It goes {span}")
        return value if self.exact else exact

    def schema(self) -> dict[str, Any]:
        kind = "integer" if self.whole else "number"
        return {"type": kind, "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Time:
    """A time from low to high in seconds, both allowed."""

    low: Fraction
    high: Fraction

    def read(self, node: Node, key: str, reader: Reader) -> Fraction:
        scalar = single_value(node, key, f"a time: {literals.TIME_FORMS}")
        try:
            value = literals.time(scalar.text, reader.fps, reader.bpm)
        except ValueError as error:
            raise Mistake(node, f"{key} {quoted(scalar.text)} {error}") from error
        if not self.low <= value <= self.high:
            span = f"from {seconds_text(self.low)} to {seconds_text(self.high)}"
            raise Mistake(node, f"{key} {quoted(scalar.text)} is out of range. It goes {span}")
        return value

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": float(self.low), "maximum": float(self.high)}
        return {"anyOf": [number, {"type": "string", "pattern": literals.TIME}]}


@dataclass(frozen=True)
class FrameRate:
    """Frames per second, exactly, from 1 to `high`, as a ratio of numbers up to `term`."""

    high: int
    term: int

    def read(self, node: Node, key: str, reader: Reader) -> Fraction:
        scalar = single_value(node, key, "24, 23.976 or 30000/1001")
        try:
            value = literals.frame_rate(scalar.text)
        except ValueError as error:
            raise Mistake(node, f"{key} {quoted(scalar.text)} {error}") from error
        if not 1 <= value <= self.high:
            message = f"{key} {quoted(scalar.text)} is out of range. It goes from 1 to {self.high}"
            raise Mistake(node, message)
        if max(value.numerator, value.denominator) > self.term:
            message = f"{key} {quoted(scalar.text)} is too fine for video files. Round it"
            raise Mistake(node, message)
        return value

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": 1, "maximum": self.high}
        return {"anyOf": [number, {"type": "string", "pattern": "^[0-9]+ */ *[0-9]+$"}]}


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    names: Iterable[str]  # read anew each time

    def read(self, node: Node, key: str, reader: Reader) -> str:
        scalar = single_value(node, key, f"one of {', '.join(self.names)}")
        if scalar.text not in self.names:
            message = f"{key} {quoted(scalar.text)} is not known. "
            raise Mistake(node, message + suggestion(scalar.text, self.names))
        return scalar.text

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.names)}


@dataclass(frozen=True)
class Text:
    """Words, on one line whatever the line breaks in the file; not empty."""

    longest: int
    wanted: str = "a text"

    def read(self, node: Node, key: str, reader: Reader) -> str:
        text = " ".join(single_value(node, key, self.wanted).text.split())
        if not text:
            raise Mistake(node, f"{key} is empty. Write {self.wanted}, or remove the line")
        if len(text) > self.longest:
            message = f"{key} is {len(text)} characters long. Shorten it to {self.longest}"
            raise Mistake(node, message)
        if not is_printable(text):
            raise Mistake(node, f"{key} {quoted(text)} holds control characters. Remove them")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]}


def parse_switch(node: Node) -> bool | None:
    """What true or false says, in any of YAML's spellings; None of anything else, as in quotes."""
    word = node.text.strip().lower() if isinstance(node, Scalar) and not node.quoted else ""
    return {"true": True, "false": False}.get(word)


@dataclass(frozen=True)
class Switch:
    """true or false."""

    def read(self, node: Node, key: str, reader: Reader) -> bool:
        scalar = single_value(node, key, "true or false")
        if (on := parse_switch(scalar)) is None:
            raise Mistake(node, f"{key} {quoted(scalar.text)} is neither true nor false. Write one")
        return on

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Pair:
    """Two numbers as a list; `names` are what sentences call them."""

    number: Number
    names: tuple[str, str]
    example: str
    ordered: bool = False

    def read(self, node: Node, key: str, reader: Reader) -> tuple[Any, ...]:
        wanted = f"two numbers, such as {self.example}"
        if not isinstance(node, Sequence):
            raise Mistake(single_value(node, key, wanted), f"{key} is one value. Write {wanted}")
        if len(node.items) != 2:
            raise Mistake(node, f"{key} is a list of {len(node.items)}. Write {wanted}")
        low, high = (
            reader.attempt(self.number, item, f"{key}: the {name}")
            for item, name in zip(node.items, self.names, strict=True)
        )
        if low is None or high is None:
            raise AlreadyReported
        if self.ordered and low > high:
            raise Mistake(node, f"{key} begins with the greater number. Write {wanted}")
        return low, high

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.number.schema(), "minItems": 2, "maxItems": 2}


@dataclass(frozen=True)
class WeightedNames:
    """One name, a list of names, or names with their weights; to (name, weight) pairs."""

    names: Iterable[str]
    weight: Number

    def read(self, node: Node, key: str, reader: Reader) -> tuple[tuple[str, float], ...]:
        pairs: list[tuple[Node, Node | None]]
        if isinstance(node, Mapping):
            pairs = list(node.entries)
        elif isinstance(node, Sequence):
            pairs = [(item, None) for item in node.items]
        else:
            pairs = [(node, None)]
        if not pairs:
            raise Mistake(node, f"{key} is empty. Name at least one of {', '.join(self.names)}")
        found: dict[str, float] = {}
        for name_node, weight_node in pairs:
            name = reader.attempt(Choice(self.names), name_node, key)
            weight = 1.0
            if weight_node is not None:
                weight = reader.attempt(self.weight, weight_node, f"{key}: the weight")
            if name in found:
                reader.problem(name_node, f"{key} names {name} twice. Keep one of them")
            elif name is not None:
                found[name] = weight
        if not found or None in found.values():
            raise AlreadyReported
        return tuple(found.items())

    def schema(self) -> dict[str, Any]:
        name = {"enum": list(self.names)}
        weights = dict.fromkeys(self.names, self.weight.schema())
        return {
            "anyOf": [
                name,
                {"type": "array", "items": name, "minItems": 1, "uniqueItems": True},
                {
                    "type": "object",
                    "properties": weights,
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            ]
        }
