"""The storyboard language for editors (JSON Schema) and for people (Markdown), from its tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields
from fractions import Fraction
from typing import Any

from render.curves.curve import Curve
from render.media.sound import Audio
from render.storyboard.animated import AnimatedNumber
from render.storyboard.keys import STORYBOARD
from render.storyboard.model import (
    LOSS_WEIGHTS,
    STEADY,
    Camera,
    Settings,
    Shake,
    Storyboard,
    Transition,
)
from render.storyboard.tables import Row, Table
from render.storyboard.transitions import Loop
from render.storyboard.values import Time
from render.weights.catalog import GENERATORS

# The class whose fields the rows of a table fill; a table that is not here fills those of the table
# around it. What a loss weighs by default is no field.
FILLED = {
    "audio": Audio,
    "camera": Camera,
    "shake": Shake,
    "transition": Transition,
    "shots": Settings,
    "defaults": Settings,
}
PARAMETERS = {
    name: value
    for model in GENERATORS.values()
    for name, value in (() if model.has_weights else model.config.items())
}
WEIGHTS = {name: weight for name, weight in LOSS_WEIGHTS.items() if name not in STEADY}
Defaults = dict[str, Any]  # of fields, by their names


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a storyboard, for completion and checks in an editor."""
    schema = STORYBOARD.schema()
    _add_defaults(schema, STORYBOARD, _field_defaults(Storyboard))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Render storyboard, version 1",
        **schema,
        "patternProperties": {"^x-": {}},  # templates
    }


def reference() -> str:
    """A Markdown table of every key with its meaning and default."""
    lines = ["| key | meaning | default |", "| --- | --- | --- |"]
    for key, row, defaults in _rows(STORYBOARD, "", _field_defaults(Storyboard)):
        default = _default(row, defaults)
        shown = "" if default is None else f"`{_as_yaml(default)}`"
        lines.append(f"| `{key}` | {row.help.replace('|', chr(92) + '|')} | {shown} |")
    return "\n".join(lines) + "\n"


def _rows(table: Table, prefix: str, defaults: Defaults) -> Iterator[tuple[str, Row, Defaults]]:
    """Every row with its path, as `shots[].camera.zoom`, and its table's field defaults; a table
    comes before its rows."""
    for row in table.rows:
        yield prefix + row.key, row, defaults
        inner = getattr(row.kind, "item", row.kind)  # of a list, the table of its items
        # The keys of `defaults` are described as those of a shot.
        if isinstance(inner, Table) and row.key != "defaults":
            path = f"{prefix}{row.key}{'[]' if inner is not row.kind else ''}."
            yield from _rows(inner, path, _inner_defaults(row, defaults))


def _inner_defaults(row: Row, defaults: Defaults) -> Defaults:
    """The field defaults of the table that a row holds, in a table with these."""
    if row.key == "losses":
        return WEIGHTS
    if row.key == "generator":
        return PARAMETERS
    return _field_defaults(FILLED[row.key]) if row.key in FILLED else defaults


def _field_defaults(owner: type[Any]) -> Defaults:
    """Field to default of a dataclass."""
    found: Defaults = {}
    for field in fields(owner):
        if field.default is not MISSING:
            found[field.name] = field.default
        elif field.default_factory is not MISSING:
            found[field.name] = field.default_factory()
    return found


def _default(row: Row, defaults: Defaults) -> Any:
    """A row's default as a storyboard would write it; None if it has none."""
    if isinstance(row.kind, Table) or row.required or row.key == "duration":
        return None
    value = defaults.get(row.field)
    if isinstance(row.kind, Loop):
        return False  # as no loop is written; the model's is a time of 0, which is refused
    if isinstance(value, Curve):
        per = row.kind.per if isinstance(row.kind, AnimatedNumber) else 1
        return value.at(0) * per
    if isinstance(value, Fraction):
        return f"{float(value):g}s" if isinstance(row.kind, Time) else float(value)
    if isinstance(value, tuple):
        pairs = all(isinstance(item, tuple) for item in value)
        return dict(value) if pairs else list(value)
    return value


def _as_yaml(value: Any) -> str:
    """A value in YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_as_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_as_yaml(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _add_defaults(schema: dict[str, Any], table: Table, defaults: Defaults) -> None:
    """Write the default of every row into the schema of its table."""
    for row in table.rows:
        written = _mapping(schema)["properties"][row.key]
        inner = getattr(row.kind, "item", row.kind)
        if isinstance(inner, Table):
            inner_schema = written["items"] if inner is not row.kind else written
            _add_defaults(inner_schema, inner, _inner_defaults(row, defaults))
        elif (default := _default(row, defaults)) is not None:
            written["default"] = default


def _mapping(schema: dict[str, Any]) -> dict[str, Any]:
    """The part of a table's schema that describes a mapping: the last of its forms."""
    while "properties" not in schema:
        schema = schema["anyOf"][-1]
    return schema
