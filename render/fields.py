"""What a storyboard's keys may hold: each kind of value reads its node and states its JSON Schema.

A kind has `read(node, key, reader)`, which returns the value or raises Mistake, and `schema()`.
A `Group` is a table of `Row`s, one per key; the parser, the schema and the reference for people
are all made from these tables. A new key is a new row.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from render import yamlnodes
from render.yamlnodes import (
    Mapping,
    Mistake,
    Node,
    Problem,
    Scalar,
    Sequence,
    printable,
    seconds,
    shown,
)

# What other programs call our keys, so that an unknown key can name the right one.
FAMILIAR = {
    "scenes": "shots", "scene": "shots", "clips": "shots", "id": "name", "title": "name",
    "length": "duration", "seconds": "duration", "time": "duration", "frames": "duration",
    "prompt": "prompts", "text_prompts": "prompts", "scene_prefix": "style", "extras": "style",
    "suffix": "style", "scene_suffix": "style", "negative": "exclude", "init_image": "init",
    "negative_prompt": "exclude", "negative_prompts": "exclude", "rotate": "angle",
    "rotation": "angle", "rotation_z": "angle", "pan": "x", "translation_x": "x",
    "translation_y": "y", "scale": "zoom", "steps": "iterations", "steps_per_frame": "iterations",
    "cutn": "cutouts", "cut_size": "size", "lr": "step", "learning_rate": "step",
    "step_size": "step", "ema": "smoothing", "framerate": "fps", "frame_rate": "fps",
    "frames_per_second": "fps", "width": "size", "height": "size", "resolution": "size",
    "model": "models", "vqgan": "generator", "vqgan_model": "generator", "clip": "perceptors",
    "clip_models": "perceptors", "perceptor": "perceptors", "crf": "quality", "easing": "ease",
    "interpolation": "ease", "mode": "kind", "type": "kind", "interpolation_steps": "transition",
    "weights": "losses", "loss": "losses", "infill_mode": "border", "border_mode": "border",
}  # fmt: skip


class Noted(Exception):
    """A value that cannot be used, after its mistakes were noted."""


@dataclass
class Reader:
    """What reading needs to know, and what it finds wrong."""

    folder: Path  # images are named from here
    fps: Fraction = Fraction(24)  # for times written in frames
    duration: Fraction | None = None  # of the shot being read, for its key times
    shot: str = ""  # its name, for sentences
    places: dict[str, str] = field(default_factory=dict)  # key to the group it belongs in
    problems: dict[Problem, None] = field(default_factory=dict)  # each once
    warnings: dict[Problem, None] = field(default_factory=dict)
    begins_with_image: bool = False  # then even a camera that never moves does something
    pictures: dict[Path, str | None] = field(default_factory=dict)  # looked at: what is wrong

    def problem(self, node: Node, message: str) -> None:
        """Note a mistake and go on."""
        self.problems[Problem(node.line, node.column, message)] = None

    def warn(self, node: Node, message: str) -> None:
        """Note what can be rendered but looks unintended."""
        self.warnings[Problem(node.line, node.column, message)] = None

    def attempt(self, kind: Kind, node: Node, key: str) -> Any:
        """The value, or None after noting the mistake."""
        try:
            return kind.read(node, key, self)
        except Mistake as mistake:
            self.problems[mistake.problem] = None
        except Noted:
            pass
        return None


class Kind(Protocol):
    """A kind of value."""

    def read(self, node: Node, key: str, reader: Reader) -> Any:
        """The value of `key` as the dataclasses hold it; raises Mistake or Noted."""

    def schema(self) -> dict[str, Any]:
        """The same rule in JSON Schema, as far as that can say it."""


@dataclass(frozen=True)
class AnyNode:
    """A value left as its node, for whoever reads it next."""

    def read(self, node: Node, key: str, reader: Reader) -> Node:
        return node

    def schema(self) -> dict[str, Any]:
        return {}


def written(node: Node, key: str, wanted: str) -> Scalar:
    """The node if it is a single value; `wanted` says what to write instead."""
    if isinstance(node, Scalar):
        if node.null:
            raise Mistake(node, f"{key} has no value. Write {wanted}, or remove the line")
        return node
    what = "a list" if isinstance(node, Sequence) else "a mapping"
    raise Mistake(node, f"{key} holds {what}. Write {wanted}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known word, or all of them; may be familiar elsewhere."""
    names = list(known)
    familiar = FAMILIAR.get(word.lower())
    if familiar in names:
        return f"Here it is called '{familiar}'"
    near = difflib.get_close_matches(word.lower(), names, 1, 0.6)
    every = f"There {'is' if len(names) == 1 else 'are'} {', '.join(names)}"
    return f"Did you mean '{near[0]}'? {every}" if near else every


@dataclass(frozen=True)
class Number:
    """A number from low to high, both allowed; a whole one where `whole`.

    `example` takes the place of the bounds in sentences where those would help nobody.
    """

    low: float
    high: float
    whole: bool = False
    example: str = ""

    def read(self, node: Node, key: str, reader: Reader) -> float:
        span = f"from {self.low} to {self.high}"
        wanted = f"{'a whole number' if self.whole else 'a number'} {self.example or span}"
        scalar = written(node, key, wanted)
        try:
            value = yamlnodes.number(scalar.text, wanted)
        except ValueError as error:
            raise Mistake(node, f"{key} {shown(scalar.text)} {error}") from error
        if self.whole and value.denominator != 1:
            raise Mistake(node, f"{key} {shown(scalar.text)} is not whole. Write {wanted}")
        exact = int(value) if self.whole else float(value)  # the bounds are floats: 0.05 is 0.05
        if not self.low <= exact <= self.high:
            raise Mistake(node, f"{key} {shown(scalar.text)} is out of range. It goes {span}")
        return exact

    def schema(self) -> dict[str, Any]:
        kind = "integer" if self.whole else "number"
        return {"type": kind, "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Time:
    """A time from low to high in seconds, both allowed."""

    low: Fraction
    high: Fraction

    def read(self, node: Node, key: str, reader: Reader) -> Fraction:
        scalar = written(node, key, f"a time: {yamlnodes.TIME_FORMS}")
        try:
            value = yamlnodes.time(scalar.text, reader.fps)
        except ValueError as error:
            raise Mistake(node, f"{key} {shown(scalar.text)} {error}") from error
        if not self.low <= value <= self.high:
            span = f"from {seconds(self.low)} to {seconds(self.high)}"
            raise Mistake(node, f"{key} {shown(scalar.text)} is out of range. It goes {span}")
        return value

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": float(self.low), "maximum": float(self.high)}
        return {"anyOf": [number, {"type": "string", "pattern": yamlnodes.TIME}]}


@dataclass(frozen=True)
class FrameRate:
    """Frames per second, exactly, from 1 to `high`, as a ratio of numbers up to `term`."""

    high: int
    term: int

    def read(self, node: Node, key: str, reader: Reader) -> Fraction:
        scalar = written(node, key, "24, 23.976 or 30000/1001")
        try:
            value = yamlnodes.frame_rate(scalar.text)
        except ValueError as error:
            raise Mistake(node, f"{key} {shown(scalar.text)} {error}") from error
        if not 1 <= value <= self.high:
            message = f"{key} {shown(scalar.text)} is out of range. It goes from 1 to {self.high}"
            raise Mistake(node, message)
        if max(value.numerator, value.denominator) > self.term:
            message = f"{key} {shown(scalar.text)} is too fine for video files. Round it"
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
        scalar = written(node, key, f"one of {', '.join(self.names)}")
        if scalar.text not in self.names:
            message = f"{key} {shown(scalar.text)} is not known. "
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
        text = " ".join(written(node, key, self.wanted).text.split())
        if not text:
            raise Mistake(node, f"{key} is empty. Write {self.wanted}, or remove the line")
        if len(text) > self.longest:
            message = f"{key} is {len(text)} characters long. Shorten it to {self.longest}"
            raise Mistake(node, message)
        if not printable(text):
            raise Mistake(node, f"{key} {shown(text)} holds control characters. Remove them")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]}


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
            raise Mistake(written(node, key, wanted), f"{key} is one value. Write {wanted}")
        if len(node.items) != 2:
            raise Mistake(node, f"{key} is a list of {len(node.items)}. Write {wanted}")
        low, high = (
            reader.attempt(self.number, item, f"{key}: the {name}")
            for item, name in zip(node.items, self.names, strict=True)
        )
        if low is None or high is None:
            raise Noted
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
            raise Noted
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


@dataclass(frozen=True)
class Row:
    """A key of a storyboard: its name, what it may hold, the dataclass field that it fills."""

    key: str
    kind: Kind
    field: str  # "" where the kind is a Group whose fields are those of the group around it
    help: str
    required: bool = False
    nullable: bool = False  # may be written with nothing behind it, and then is None


@dataclass(frozen=True)
class Group:
    """Keys and their values; to a dict of dataclass fields.

    `short` lets one value stand for the whole: it says for which keys.
    """

    rows: tuple[Row, ...]
    short: Callable[[Scalar], tuple[str, ...]] | None = None
    shorthand: dict[str, Any] | None = None  # the schema of that one value

    def row(self, key: str) -> Row:
        """The row of a key; KeyError where there is none."""
        return {row.key: row for row in self.rows}[key]

    def long(self, node: Node) -> Node:
        """The mapping that a short form stands for; any other node as it is."""
        if self.short is None or not isinstance(node, Scalar):
            return node
        entries = tuple((Scalar(k, node.line, node.column), node) for k in self.short(node))
        return Mapping(entries, node.line, node.column)

    def read(self, node: Node, key: str, reader: Reader) -> dict[str, Any]:
        names = [row.key for row in self.rows]
        node = self.long(node)
        if not isinstance(node, Mapping):
            raise Mistake(node, f"{key} is not a mapping. Write keys under it: {', '.join(names)}")
        rows = {row.key: row for row in self.rows}
        found: dict[str, Scalar] = {}
        given: dict[str, Any] = {}
        for name, value in node.entries:
            row = rows.get(name.text)
            if row is None:
                reader.problem(name, self._unknown(name.text, value, key, reader))
            elif name.text in found:
                first = found[name.text].line
                message = (
                    f"{shown(name.text)} is written twice, first in line {first}. Keep one of them"
                )
                reader.problem(name, message)
            else:
                found[name.text] = name
                # A short form's keys stand where its value does: it is known by the group's name.
                short = (name.line, name.column) == (value.line, value.column)
                right = self._read_row(row, value, key if short else row.key, reader, given)
                if short and not right:
                    break  # the same value for another key is not another mistake
        for row in self.rows:
            if row.required and row.key not in found:
                reader.problem(node, f"{key} has no '{row.key}'. Add it: {row.help}")
        return given

    def _read_row(
        self, row: Row, value: Node, key: str, reader: Reader, given: dict[str, Any]
    ) -> bool:
        """Whether the value could be used."""
        if isinstance(value, Scalar) and value.null and row.nullable:
            given[row.field] = None
            return True
        result = reader.attempt(row.kind, value, key)
        if result is None:
            return False
        given.update({row.field: result} if row.field else result)
        return True

    def _unknown(self, word: str, value: Node, key: str, reader: Reader) -> str:
        place = reader.places.get(word)
        message = (
            f"{key} has no key {shown(word)}. " if key else f"there is no key {shown(word)} here. "
        )
        if word[:1].isdigit() and isinstance(value, Scalar) and value.null:
            return message + "In { } a comma ends a value: write numbers with a point, as in 0.5"
        if place and not difflib.get_close_matches(word, [row.key for row in self.rows], 1, 0.8):
            return message + f"It belongs in {place}"
        return message + suggestion(word, [row.key for row in self.rows])

    def schema(self) -> dict[str, Any]:
        properties = {}
        for row in self.rows:
            schema = row.kind.schema()
            if row.nullable:
                schema = {"anyOf": [{"type": "null"}, schema]}
            properties[row.key] = {"description": row.help, **schema}
        mapping: dict[str, Any] = {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
        }
        if required := [row.key for row in self.rows if row.required]:
            mapping["required"] = required
        return {"anyOf": [self.shorthand, mapping]} if self.shorthand else mapping


def merged(default: Node | None, own: Node | None, kind: Kind) -> Node | None:
    """What a shot says on top of the defaults, key by key where both are groups."""
    if default is None or own is None or not isinstance(kind, Group):
        return own if own is not None else default
    below, above = kind.long(default), kind.long(own)
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return own
    kinds = {row.key: row.kind for row in kind.rows}
    names = {name.text for name, _ in above.entries}
    entries = [
        (name, merged(below.get(name.text), value, kinds[name.text]) or value)
        if name.text in kinds
        else (name, value)
        for name, value in above.entries
    ]
    entries += [(n, v) for n, v in below.entries if n.text in kinds and n.text not in names]
    return Mapping(tuple(entries), above.line, above.column)
