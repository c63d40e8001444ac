"""Keys and what they hold, as tables: a `Group` of `Row`s, one per key.

The parser, the JSON Schema and the reference for people are all made from these tables. A new key
is a new row.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from render.storyboard import yaml_nodes
from render.storyboard.reader import Kind, Reader, suggestion
from render.storyboard.yaml_nodes import Mapping, Mistake, Node, Scalar
from render.text import quoted


@dataclass(frozen=True)
class Row:
    """A key of a storyboard: its name, what it may hold, the dataclass field that it fills."""

    key: str
    kind: Kind
    field: str  # "" where the kind is a Group whose fields are those of the group around it
    help: str
    required: bool = False
    nullable: bool = False  # may be written with nothing behind it, and then is None


def short_for(*keys: str) -> Callable[[str], dict[str, str]]:
    """One value for all of these keys: a short form of a Group."""
    return lambda text: dict.fromkeys(keys, text)


@dataclass(frozen=True)
class Table:
    """Keys and their values; to a dict of dataclass fields.

    `short` lets one text stand for the whole: it says for which keys, and which part of it. Where
    there are `presets`, the key `preset` names one of them, whose keys join those beside it.
    """

    rows: tuple[Row, ...]
    short: Callable[[str], dict[str, str]] | None = None
    shorthand: dict[str, Any] | None = None  # the schema of that one value
    presets: dict[str, dict[str, Any]] = field(default_factory=dict)

    def row(self, key: str) -> Row:
        """The row of a key; KeyError where there is none."""
        return {row.key: row for row in self.rows}[key]

    def long(self, node: Node) -> Node:
        """The mapping that a short form stands for; any other node as it is."""
        if self.short is None or not isinstance(node, Scalar):
            return node
        entries = tuple(
            (Scalar(key, node.line, node.column), replace(node, text=part))
            for key, part in self.short(node.text).items()
        )
        return Mapping(entries, node.line, node.column)

    def expanded(self, node: Node) -> Node:
        """The long form, with the keys of the preset that it names and does not write itself."""
        node = self.long(node)
        name = node.get("preset") if self.presets and isinstance(node, Mapping) else None
        if not isinstance(name, Scalar) or name.text not in self.presets:
            return node
        preset = yaml_nodes.nodes_of(self.presets[name.text], name)
        return _overlay(preset, node, self)

    def read(self, node: Node, key: str, reader: Reader) -> dict[str, Any]:
        names = [row.key for row in self.rows]
        node = self.expanded(node)
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
                    f"{quoted(name.text)} is written twice, first in line {first}. Keep one of them"
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
            if not value.text:
                message = f"nothing is written after {row.key}. Write null to say that there is "
                reader.warn(value, f"{message}none; what begins with a '#' needs quotes")
            return True
        result = reader.attempt(row.kind, value, key)
        if result is None:
            return False
        given.update({row.field: result} if row.field else result)
        return True

    def _unknown(self, word: str, value: Node, key: str, reader: Reader) -> str:
        place = reader.places.get(word)
        message = (
            f"{key} has no key {quoted(word)}. "
            if key
            else f"there is no key {quoted(word)} here. "
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


def with_defaults(default: Node | None, own: Node | None, kind: Kind) -> Node | None:
    """What a shot says on top of the defaults, key by key where both are groups.

    A preset that it names takes the place of theirs.
    """
    if default is None or own is None or not isinstance(kind, Table):
        return own if own is not None else default
    if isinstance(own, Scalar) and own.null:
        return own  # a short form stands for something
    below, above = kind.long(default), kind.long(own)
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return own
    if kind.presets and above.get("preset") is not None:
        rest = tuple((name, value) for name, value in below.entries if name.text != "preset")
        below = Mapping(rest, below.line, below.column)
    return _overlay(kind.expanded(below), kind.expanded(above), kind)


def _overlay(below: Node, above: Node, kind: Table) -> Node:
    """Two mappings of one group's keys as one; where both have a key, what is above counts."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    kinds = {row.key: row.kind for row in kind.rows}
    names = {name.text for name, _ in above.entries}
    entries = [
        (name, with_defaults(below.get(name.text), value, kinds[name.text]) or value)
        if name.text in kinds
        else (name, value)
        for name, value in above.entries
    ]
    entries += [(n, v) for n, v in below.entries if n.text in kinds and n.text not in names]
    return Mapping(tuple(entries), above.line, above.column)
