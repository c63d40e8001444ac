"""The storyboard language for editors (JSON Schema) and for people (Markdown), from its tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields
from fractions import Fraction
from typing import Any

from render.curves.curve import Curve
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
from render.storyboard.values import Time


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a storyboard, for completion and checks in an editor."""
    schema = STORYBOARD.schema()
    _add_defaults(schema, STORYBOARD)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Render storyboard, version 1",
        **schema,
    }


def reference() -> str:
    """A Markdown table of every key with its meaning and default."""
    lines = ["| key | meaning | default |", "| --- | --- | --- |"]
    for key, row in _rows(STORYBOARD, ""):
        default = _default(row)
        shown = "" if default is None else f"`{_as_yaml(default)}`"
        lines.append(f"| `{key}` | {row.help.replace('|', chr(92) + '|')} | {shown} |")
    return "\n".join(lines) + "\n"


def _rows(table: Table, prefix: str) -> Iterator[tuple[str, Row]]:
    """Every row with its path, as `shots[].camera.zoom`; a table comes before its rows."""
    for row in table.rows:
        yield prefix + row.key, row
        inner = getattr(row.kind, "item", row.kind)  # of a list, the table of its items
        # The keys of `defaults` are described as those of a shot.
        if isinstance(inner, Table) and row.key != "defaults":
            yield from _rows(inner, f"{prefix}{row.key}{'[]' if inner is not row.kind else ''}.")


def _field_defaults() -> dict[str, Any]:
    """Field to default, of the dataclasses that tables fill; an earlier class counts more."""
    found: dict[str, Any] = {}
    for owner in (Shake, Camera, Transition, Settings, Storyboard):
        for field in fields(owner):
            if field.default is not MISSING:
                found[field.name] = field.default
            elif field.default_factory is not MISSING:
                found[field.name] = field.default_factory()
    return {**found, **{n: w for n, w in LOSS_WEIGHTS.items() if n not in STEADY}}


def _default(row: Row) -> Any:
    """A row's default as a storyboard would write it; None if it has none."""
    if isinstance(row.kind, Table) or row.required or row.key == "duration":
        return None
    value = _field_defaults().get(row.field)
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
    return f"{value:g}" if isinstance(value, float) else str(value)


def _add_defaults(schema: dict[str, Any], table: Table) -> None:
    """Write the default of every row into the schema of its table."""
    for row in table.rows:
        written = _mapping(schema)["properties"][row.key]
        inner = getattr(row.kind, "item", row.kind)
        if isinstance(inner, Table):
            _add_defaults(written["items"] if inner is not row.kind else written, inner)
        elif (default := _default(row)) is not None:
            written["default"] = default


def _mapping(schema: dict[str, Any]) -> dict[str, Any]:
    """The part of a table's schema that describes a mapping: the last of its forms."""
    while "properties" not in schema:
        schema = schema["anyOf"][-1]
    return schema
