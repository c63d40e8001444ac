"""The plain kinds of values: numbers, times, words and pairs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from render.storyboard import literals
from render.storyboard.context import ShotContext
from render.storyboard.reader import AlreadyReported, Reader, single_value
from render.storyboard.suggestions import suggestion
from render.storyboard.yaml_nodes import Mistake, Node, Scalar, Sequence
from render.text import is_printable, quoted, seconds_text

COLOUR = "a colour in quotes, as '#204060' or 'navy'"


@dataclass(frozen=True)
class Number:
    """A number from low to high, both allowed.

    `example` replaces the bounds in sentences where the bounds would not help.
    """

    low: float
    high: float
    whole: bool = False
    example: str = ""
    exact: bool = False  # read to a Fraction, not to a float

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> float | Fraction:
        """The number, as int, float or Fraction; raises Mistake."""
        span = f"from {self.low} to {self.high}"
        expected = f"{'a whole number' if self.whole else 'a number'} {self.example or span}"
        scalar = single_value(node, key, expected)
        try:
            value = literals.number(scalar.text, expected)
        except ValueError as error:
            raise Mistake(node, f"{key} {quoted(scalar.text)} {error}") from error
        if self.whole and value.denominator != 1:
            raise Mistake(node, f"{key} {quoted(scalar.text)} is not whole. Write {expected}")
        exact = int(value) if self.whole else float(value)  # the bounds are floats: 0.05 is 0.05
        if not self.low <= exact <= self.high:
            raise Mistake(node, f"{key} {quoted(scalar.text)} is out of range. It goes {span}")
        return value if self.exact else exact

    def schema(self) -> dict[str, Any]:
        """A number or integer within the bounds."""
        kind = "integer" if self.whole else "number"
        return {"type": kind, "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Time:
    """A time from low to high in seconds, both allowed."""

    low: Fraction
    high: Fraction

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Fraction:
        """The time in seconds; raises Mistake."""
        scalar = single_value(node, key, f"a time: {literals.TIME_FORMS}")
        try:
            value = literals.time(scalar.text, context.film.fps, context.film.bpm)
        except ValueError as error:
            raise Mistake(node, f"{key} {quoted(scalar.text)} {error}") from error
        if not self.low <= value <= self.high:
            span = f"from {seconds_text(self.low)} to {seconds_text(self.high)}"
            raise Mistake(node, f"{key} {quoted(scalar.text)} is out of range. It goes {span}")
        return value

    def schema(self) -> dict[str, Any]:
        """A number of seconds, or a text such as 3.5s."""
        number = {"type": "number", "minimum": float(self.low), "maximum": float(self.high)}
        pattern = literals.TIME.replace(r"\+?", "[+-]?") if self.low < 0 else literals.TIME
        return {"anyOf": [number, {"type": "string", "pattern": pattern}]}


@dataclass(frozen=True)
class FilmTime(Time):
    """A time from the film's beginning; in beats from its first beat."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Fraction:
        """The time in seconds; raises Mistake."""
        time = super().read(node, key, context, reader)
        in_beats = isinstance(node, Scalar) and node.text.strip().endswith("b")
        return time + context.film.first_beat if in_beats else time


@dataclass(frozen=True)
class FrameRate:
    """Frames per second, exactly, from 1 to `high`, as a ratio of numbers up to `term`."""

    high: int
    term: int

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Fraction:
        """Frames per second; raises Mistake."""
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
        """A number, or a ratio as text."""
        number = {"type": "number", "minimum": 1, "maximum": self.high}
        return {"anyOf": [number, {"type": "string", "pattern": "^[0-9]+ */ *[0-9]+$"}]}


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    names: tuple[str, ...]

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> str:
        """The word; raises Mistake with the nearest one."""
        scalar = single_value(node, key, f"one of {', '.join(self.names)}")
        if scalar.text not in self.names:
            message = f"{key} {quoted(scalar.text)} is not known. "
            raise Mistake(node, message + suggestion(scalar.text, self.names))
        return scalar.text

    def schema(self) -> dict[str, Any]:
        """An enumeration of the words."""
        return {"enum": list(self.names)}


@dataclass(frozen=True)
class Colour:
    """A colour, by its name or its numbers."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> str:
        """The colour as '#rrggbb'; raises Mistake."""
        if isinstance(node, Scalar) and node.null and not node.text:
            message = f"{key} has no value. # begins a comment in YAML, so put a colour in quotes, "
            raise Mistake(node, f"{message}as '#204060'")
        text = single_value(node, key, COLOUR).text.strip()
        return read_colour(node, key, text, f"Write {COLOUR}")

    def schema(self) -> dict[str, Any]:
        """The name of a colour, or a colour as text."""
        return {"anyOf": colour_schemas()}


def read_colour(node: Node, key: str, text: str, advice: str) -> str:
    """A text such as navy, #204060 or rgb(32, 64, 96) as '#rrggbb'; raises Mistake, whose sentence
    ends with the advice if it is no colour."""
    from PIL import ImageColor  # imported only here: it takes as long as all other imports

    try:
        red, green, blue, *alpha = ImageColor.getrgb(text)
    except ValueError as error:
        raise Mistake(node, f"{key} {quoted(text)} is not known. {advice}") from error
    if alpha:
        message = f"{key} {quoted(text)} is transparent, and a film is not. Write "
        raise Mistake(node, f"{message}'#{red:02x}{green:02x}{blue:02x}'")
    return f"#{red:02x}{green:02x}{blue:02x}"


def colour_schemas(without: Collection[str] = ()) -> list[dict[str, Any]]:
    """The names of colours, but these, and the pattern of a colour's text."""
    from PIL import ImageColor

    pattern = r"^\s*(?:#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})|(?:rgb|hs[lvb])\(.*\))\s*$"
    names = [name for name in ImageColor.colormap if name not in without]
    return [{"enum": names}, {"type": "string", "pattern": pattern}]


@dataclass(frozen=True)
class Text:
    """A text that is not empty; line breaks in the file become spaces."""

    longest: int
    expected: str = "a text"

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> str:
        """The text on one line; raises Mistake."""
        scalar = single_value(node, key, self.expected)
        text = " ".join(scalar.text.split())
        warn_of_comment(scalar, reader)
        if not text:
            raise Mistake(node, f"{key} is empty. Write {self.expected}, or remove the line")
        if len(text) > self.longest:
            message = f"{key} is {len(text)} characters long. Shorten it to {self.longest}"
            raise Mistake(node, message)
        if not is_printable(text):
            raise Mistake(node, f"{key} {quoted(text)} holds control characters. Remove them")
        return text

    def schema(self) -> dict[str, Any]:
        """A string, or what YAML takes for a number or boolean."""
        return {"type": ["string", "number", "boolean"]}


def warn_of_comment(node: Scalar, reader: Reader) -> None:
    """Warn of a text that ends where a word with a '#' begins: YAML takes it for a comment."""
    if node.comment:
        message = f"the text ends before {quoted(node.comment)}: behind a space, '#' begins a "
        reader.warn(node, f"{message}comment. Put the whole text in quotes if it belongs to it")


def parse_switch(node: Node) -> bool | None:
    """The value of true or false in any of YAML's spellings; None of anything else.

    A word in quotes is a text, and no switch.
    """
    word = node.text.strip().lower() if isinstance(node, Scalar) and not node.quoted else ""
    return {"true": True, "false": False}.get(word)


@dataclass(frozen=True)
class Switch:
    """true or false."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> bool:
        """True or False; raises Mistake."""
        scalar = single_value(node, key, "true or false")
        if (on := parse_switch(scalar)) is None:
            raise Mistake(node, f"{key} {quoted(scalar.text)} is neither true nor false. Write one")
        return on

    def schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Pair:
    """Two numbers as a list."""

    number: Number
    names: tuple[str, str]  # what sentences call the two
    example: str
    ordered: bool = False  # the first may not be greater than the second

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> tuple[Any, ...]:
        """The two numbers; raises Mistake, or AlreadyReported for a wrong number."""
        expected = f"two numbers, such as {self.example}"
        if not isinstance(node, Sequence):
            raise Mistake(
                single_value(node, key, expected), f"{key} is one value. Write {expected}"
            )
        if len(node.items) != 2:
            raise Mistake(node, f"{key} is a list of {len(node.items)}. Write {expected}")
        low, high = (
            reader.attempt(self.number, item, f"{key}: the {name}", context)
            for item, name in zip(node.items, self.names, strict=True)
        )
        if low is None or high is None:
            raise AlreadyReported
        if self.ordered and low > high:
            raise Mistake(node, f"{key} begins with the greater number. Write {expected}")
        return low, high

    def schema(self) -> dict[str, Any]:
        """An array of two numbers."""
        return {"type": "array", "items": self.number.schema(), "minItems": 2, "maxItems": 2}
