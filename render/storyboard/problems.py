"""Mistakes in a storyboard, each with its place in the file."""

from __future__ import annotations

from dataclasses import dataclass
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
        return "\n".join(f"{name}:{p.line}:{p.column}: {p.message}" for p in self.problems)


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake or warning and its place in the file, line and column counted from 1."""

    line: int
    column: int
    message: str


def first_problems(problems: list[Problem]) -> tuple[Problem, ...]:
    """The mistakes in order of their place; if there are too many, the last says how many more."""
    problems = sorted(problems)
    if len(problems) <= PROBLEM_LIMIT:
        return tuple(problems)
    shown = problems[:PROBLEM_LIMIT]
    more = f"and {len(problems) - PROBLEM_LIMIT} more mistakes. Correct those above first"
    return (*shown, Problem(shown[-1].line, shown[-1].column, more))
