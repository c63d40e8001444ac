"""Keys and what they hold, as tables: a `Table` of `Row`s, one per key.

The parser, the JSON Schema and the reference for people are all made from these tables. A new key
is a new row with a field in `model.py`; if it changes a keyframe's picture, it also needs a part in
`plan.key.keyframe_key`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from render.storyboard import yaml_nodes
from render.storyboard.context import FilmContext, ShotContext
from render.storyboard.reader import Kind, Reader
from render.storyboard.suggestions import FAMILIAR, suggestion
from render.storyboard.yaml_nodes import Mapping, Mistake, Node, Scalar
from render.text import quoted


@dataclass(frozen=True)
class Row:
    """A key of a storyboard: its name, what it may hold, the dataclass field that it fills."""

    key: str
    kind: Kind
    field: str  # "" where the kind is a Table whose fields are those of the table around it
    help: str
    required: bool = False
    nullable: bool = False  # may be written with nothing behind it, and then is None


@dataclass(frozen=True)
class Entry:
    """A key that was written, with its row and its value."""

    row: Row
    value: Node
    name: str  # what sentences call it: its key, or its table's name in a short form
    short: bool  # the key itself was not written: it comes from a short form or a preset


def short_for(*keys: str) -> Callable[[str], dict[str, str]]:
    """A short form of a Table in which one value stands for all of these keys."""
    return lambda text: dict.fromkeys(keys, text)


@dataclass(frozen=True)
class Table:
    """Keys and their values, read to a dict of dataclass fields.

    `short` lets one text stand for the whole table: it returns the part of the text for each key.
    If there are `presets`, the key `preset` names one of them, and its keys join those beside it.
    """

    rows: tuple[Row, ...]
    short: Callable[[str], dict[str, str]] | None = None
    shorthand: dict[str, Any] | None = None  # the schema of the short form
    presets: dict[str, dict[str, Any]] = field(default_factory=dict)

    def replaces(self, own: Node) -> bool:
        """Whether a shot's value takes the place of the default, and is not merged with it."""
        return False

    def row(self, key: str) -> Row:
        """The row of a key; raises KeyError if there is none."""
        return {row.key: row for row in self.rows}[key]

    def long(self, node: Node) -> Node:
        """The mapping that a short form stands for; any other node unchanged."""
        if self.short is None or not isinstance(node, Scalar):
            return node
        entries = tuple(
            (Scalar(key, node.line, node.column), replace(node, text=part))
            for key, part in self.short(node.text).items()
        )
        return Mapping(entries, node.line, node.column)

    def expanded(self, node: Node) -> Node:
        """The long form, with those keys of its preset that it does not write itself."""
        node = self.long(node)
        name = node.get("preset") if self.presets and isinstance(node, Mapping) else None
        if not isinstance(name, Scalar) or name.text not in self.presets:
            return node
        preset = yaml_nodes.nodes_of(self.presets[name.text], name)
        return _overlay(preset, node, self)

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> dict[str, Any]:
        """The values by dataclass field; raises Mistake if the node is no mapping."""
        return read_entries(self.entries(node, key, context.film, reader), context, reader)

    def entries(self, node: Node, key: str, film: FilmContext, reader: Reader) -> list[Entry]:
        """The known keys in the order written; notes unknown, repeated and missing keys.

        Raises Mistake if the node is no mapping.
        """
        node = self.expanded(node)
        rows = {row.key: row for row in self.rows}
        if not isinstance(node, Mapping):
            raise Mistake(node, f"{key} is not a mapping. Write keys under it: {', '.join(rows)}")
        lines: dict[str, int] = {}
        found: list[Entry] = []
        for name, value in node.entries:
            row = rows.get(name.text)
            if row is None:
                reader.problem(name, self._unknown(name.text, value, key, film.places))
            elif name.text in lines:
                message = f"{quoted(name.text)} is written twice, first in line {lines[name.text]}"
                reader.problem(name, f"{message}. Keep one of them")
            else:
                lines[name.text] = name.line
                short = (name.line, name.column) == (value.line, value.column)
                found.append(Entry(row, value, key if short else row.key, short))
        for row in self.rows:
            if row.required and row.key not in lines:
                reader.problem(node, f"{key} has no '{row.key}'. Add it: {row.help}")
        return found

    def _unknown(self, word: str, value: Node, key: str, places: dict[str, str]) -> str:
        """The sentence about a key that the table does not have."""
        known = [row.key for row in self.rows]
        message = f"{key} has no key {quoted(word)}. "
        if word[:1].isdigit() and isinstance(value, Scalar) and value.null:
            return message + "In { } a comma ends a value: write numbers with a point, as in 0.5"
        if FAMILIAR.get(word.lower()) in known:
            return message + suggestion(word, known)
        if word in places and not difflib.get_close_matches(word, known, 1, 0.8):
            return message + f"It belongs in {places[word]}"
        return message + suggestion(word, known)

    def schema(self) -> dict[str, Any]:
        """An object with a property per row, or the short form."""
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


def split_entries(
    entries: Iterable[Entry], keys: Collection[str]
) -> tuple[list[Entry], list[Entry]]:
    """The entries of these keys, and the others."""
    chosen: list[Entry] = []
    others: list[Entry] = []
    for entry in entries:
        (chosen if entry.row.key in keys else others).append(entry)
    return chosen, others


def read_entries(entries: Iterable[Entry], context: ShotContext, reader: Reader) -> dict[str, Any]:
    """The values by dataclass field, without those whose mistakes were noted."""
    given: dict[str, Any] = {}
    for entry in entries:
        row, value = entry.row, entry.value
        if isinstance(value, Scalar) and value.null and row.nullable:
            given[row.field] = None
            if not value.text:
                message = f"nothing is written after {row.key}. Write null to say that there is "
                reader.warn(value, f"{message}none; what begins with a '#' needs quotes")
            continue
        result = reader.attempt(row.kind, value, entry.name, context)
        if result is not None:
            given.update({row.field: result} if row.field else result)
        elif entry.short:
            break  # the same value for another key is not another mistake
    return given


def with_defaults(default: Node | None, own: Node | None, kind: Kind) -> Node | None:
    """A shot's value on top of the default, merged key by key where both are tables.

    A preset that the shot names replaces the preset of the default.
    """
    if default is None or own is None or not isinstance(kind, Table):
        return own if own is not None else default
    if kind.replaces(own):
        return own
    if isinstance(own, Scalar) and own.null:
        return own  # not a short form
    below, above = kind.long(default), kind.long(own)
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return own
    if kind.presets and above.get("preset") is not None:
        rest = tuple((name, value) for name, value in below.entries if name.text != "preset")
        below = Mapping(rest, below.line, below.column)
    return _overlay(kind.expanded(below), kind.expanded(above), kind)


def _overlay(below: Node, above: Node, table: Table) -> Node:
    """Two mappings with keys of one table as one; of a key in both, `above` counts."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    kinds = {row.key: row.kind for row in table.rows}
    names = {name.text for name, _ in above.entries}
    entries = [
        (name, with_defaults(below.get(name.text), value, kinds[name.text]) or value)
        if name.text in kinds
        else (name, value)
        for name, value in above.entries
    ]
    entries += [(n, v) for n, v in below.entries if n.text in kinds and n.text not in names]
    return Mapping(tuple(entries), above.line, above.column)
