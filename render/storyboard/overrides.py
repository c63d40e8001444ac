"""Settings of the command line, which count more than what the storyboard says, for one run.

`losses.hold=0.8` is a setting of every shot, `shots.storm.losses.hold=0.8` one of the shot of that
name, and `seed=5` one of the film. A setting is laid over the nodes of the storyboard, so that it
is read, and found wrong, as if it were written there.
"""

from __future__ import annotations

from dataclasses import dataclass

from render.errors import InputError
from render.storyboard.keys import SHOT, STORYBOARD
from render.storyboard.problems import Line, Problem
from render.storyboard.tables import Table, with_defaults
from render.storyboard.yaml_nodes import Mapping, Node, Scalar, child, compose
from render.text import nearest, quoted

KEY_COLUMN = 0  # of a key: another than its value's, which would mean a short form


@dataclass(frozen=True)
class Override:
    """A setting: its path through the keys of a storyboard, and its value."""

    path: tuple[str, ...]
    value: Node
    shot: str | None = None  # the name of the one shot that it is for; None is all of them

    @property
    def is_of_film(self) -> bool:
        """Whether it stands at the top level of a storyboard."""
        return self.path[0] in {row.key for row in STORYBOARD.rows}


def read_override(text: str) -> Override:
    """The setting in a text such as `losses.hold=0.8`; raises InputError."""
    name, equals, written = text.partition("=")
    parts = tuple(part.strip() for part in name.split("."))
    option = f"--set {name.strip()}"
    if not equals or not all(parts):
        raise InputError(f"--set {quoted(text)} sets nothing; write it as in losses.hold=0.8")
    mistakes: list[Problem] = []
    value = compose(written, mistakes, option)
    if mistakes:
        raise InputError(f"{option}: {mistakes[0].message}")
    value = value if value is not None else Scalar("", Line(1, option), 1)
    shot = None
    if parts[0] == "shots":
        keys = {row.key for row in SHOT.rows}
        first = next((n for n, part in enumerate(parts) if n > 1 and part in keys), len(parts))
        shot, parts = ".".join(parts[1:first]), parts[first:]
        if not parts:
            raise InputError(f"{option}: write the shot and its key, as in shots.storm.step=0.5")
    known = [row.key for table in (STORYBOARD, SHOT) for row in table.rows]
    if parts[0] in ("shots", "defaults", "version", "name"):
        raise InputError(f"{option}: this is not for one run; change it in the storyboard")
    if parts[0] not in known:
        near = nearest(parts[0], known)
        hint = f"did you mean {near}?" if near else "`render schema` lists the keys"
        raise InputError(f"{option}: a storyboard has no key {quoted(parts[0])} to set; {hint}")
    return Override(parts, value, shot)


def overridden_film(node: Mapping, overrides: tuple[Override, ...]) -> Mapping:
    """The storyboard with the film's settings laid over it."""
    for override in overrides:
        if override.is_of_film and override.shot is None:
            node = _laid_over(node, override, STORYBOARD)
    return node


def overridden_shot(node: Mapping, name: str, overrides: tuple[Override, ...]) -> Mapping:
    """A shot with the settings of all shots, and its own, laid over it."""
    for override in overrides:
        if override.shot == name or (override.shot is None and not override.is_of_film):
            node = _laid_over(node, override, SHOT)
    return node


def _laid_over(below: Mapping, override: Override, table: Table) -> Mapping:
    """The mapping with one value replaced; unknown keys stay, to be found."""
    first, *rest = override.path
    value = override.value
    for key in reversed(rest):
        entry = (Scalar(key, value.line, KEY_COLUMN), value)
        value = Mapping((entry,), value.line, value.column)
    kinds = {row.key: row.kind for row in table.rows}
    own = child(below, first)
    merged = with_defaults(own, value, kinds[first]) if first in kinds else value
    entries = [entry for entry in below.entries if entry[0].text != first]
    entries.append((Scalar(first, value.line, KEY_COLUMN), merged or value))
    return Mapping(tuple(entries), below.line, below.column)
