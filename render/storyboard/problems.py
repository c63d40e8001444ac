"""Mistakes in a storyboard, each with its place in the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from render.errors import InputError

PROBLEM_LIMIT = 100  # shown at once


class StoryboardError(InputError):
    """A storyboard that cannot be rendered: every mistake in `problems`, a line each in str()."""

    def __init__(self, problems: tuple[Problem, ...], source: Path | None = None) -> None:
        self.problems = problems
        self.source = source
        super().__init__(problems, source)

    def __str__(self) -> str:
        name = self.source if self.source is not None else "storyboard"
        return "\n".join(f"{p.place(name)}: {p.message}" for p in self.problems)


class Line(int):
    """A line's number, counted from 1, which knows its file: that of an include, or the option of
    the command line that stands for a line; "" is the storyboard.

    A number, because places are copied from node to node as numbers.
    """

    file: str

    def __new__(cls, number: int, file: str = "") -> Line:
        """A line of a file."""
        line = super().__new__(cls, number)
        line.file = file
        return line


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake or warning and its place in the file, line and column counted from 1."""

    line: int
    column: int
    message: str

    file: str = field(init=False)  # it is in; "" is the storyboard

    def __post_init__(self) -> None:
        file = self.line.file if isinstance(self.line, Line) else ""
        object.__setattr__(self, "file", file)

    def place(self, storyboard: object) -> str:
        """Where it is, as sentences begin: "film.yaml:3:7", or an option of the command line."""
        if self.file.startswith("--"):
            return self.file
        return f"{self.file or storyboard}:{self.line}:{self.column}"


def first_problems(problems: list[Problem]) -> tuple[Problem, ...]:
    """The mistakes in order of their place; if there are too many, the last says how many more."""
    problems = sorted(problems, key=lambda problem: (problem.file, problem))
    if len(problems) <= PROBLEM_LIMIT:
        return tuple(problems)
    shown = problems[:PROBLEM_LIMIT]
    more = f"and {len(problems) - PROBLEM_LIMIT} more mistakes. Correct those above first"
    return (*shown, Problem(shown[-1].line, shown[-1].column, more))
