"""What reading a storyboard collects, and what every kind of value provides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from render.storyboard.context import ShotContext
from render.storyboard.problems import Problem
from render.storyboard.yaml_nodes import Mistake, Node, Scalar, Sequence


class AlreadyReported(Exception):
    """Raised for a value that cannot be used after its mistakes were noted."""


@dataclass
class Reader:
    """The mistakes and warnings found so far, each once, and a cache of the images probed."""

    problems: dict[Problem, None] = field(default_factory=dict)
    warnings: dict[Problem, None] = field(default_factory=dict)
    # What `named_files.probe_image` found: the size of each, or what is wrong with it.
    pictures: dict[Path, tuple[int, int] | str] = field(default_factory=dict)
    halvings: int = 0  # of the formulas that were added up
    evaluated: int = 0  # characters of formulas, times the frames and keyframes of their shots
    acts: set[str] = field(default_factory=set)  # their names
    masks: dict[Path, bool] = field(default_factory=dict)  # whether each is dark everywhere
    # The shots of files that are included, each read once, and how many includes there are.
    files: dict[Path, tuple[Node, ...]] = field(default_factory=dict)
    include_count: int = 0
    included: dict[str, str] = field(default_factory=dict)  # texts of other files, by name
    warned_of: set[str] = field(default_factory=set)  # subjects of `warn_once`

    def problem(self, node: Node, message: str) -> None:
        """Note a mistake and go on."""
        self.problems[Problem(node.line, node.column, message)] = None

    def note(self, mistake: Mistake) -> None:
        """Note a mistake that was raised."""
        self.problems[mistake.problem] = None

    def warn(self, node: Node, message: str) -> None:
        """Note what can be rendered but looks unintended."""
        self.warnings[Problem(node.line, node.column, message)] = None

    def warn_once(self, subject: str, node: Node, message: str) -> None:
        """Warn at the first of all places in the storyboard that deserve the same warning."""
        if subject not in self.warned_of:
            self.warned_of.add(subject)
            self.warn(node, message)

    def attempt(self, kind: Kind, node: Node, key: str, context: ShotContext) -> Any:
        """The value that a node holds; None after noting its mistake."""
        try:
            return kind.read(node, key, context, self)
        except Mistake as mistake:
            self.note(mistake)
        except AlreadyReported:
            pass
        return None


class Kind(Protocol):
    """A kind of value: how it is read, and its rule for editors."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Any:
        """The value of `key` as the dataclasses of `model` hold it.

        `key` is what sentences call the value. Raises Mistake, or AlreadyReported if `reader` has
        noted the mistakes.
        """

    def schema(self) -> dict[str, Any]:
        """The rule in JSON Schema, as far as JSON Schema can state it."""


@dataclass(frozen=True)
class AnyNode:
    """A value left as its node, to be read later."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Node:
        """The node itself."""
        return node

    def schema(self) -> dict[str, Any]:
        """The schema that allows everything."""
        return {}


def single_value(node: Node, key: str, expected: str) -> Scalar:
    """The node if it is a single value; else raises Mistake, with `expected` as what to write."""
    if isinstance(node, Scalar):
        if node.null:
            raise Mistake(node, f"{key} has no value. Write {expected}, or remove the line")
        return node
    what = "a list" if isinstance(node, Sequence) else "a mapping"
    raise Mistake(node, f"{key} holds {what}. Write {expected}")
