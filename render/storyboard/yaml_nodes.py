"""YAML as nodes with their places: bounded reading, and the literals for numbers and times.

PyYAML's own values are of no use here: it keeps no lines, takes the last of two equal keys, and
turns `1:30` into 90, `0:30` into text, `1e-3` into text and `off` into False. So nodes are built
from its events, and every scalar stays the text that was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from render.storyboard.problems import Problem
from render.text import quoted

SIZE_LIMIT = 1_000_000  # bytes of a file
DEPTH_LIMIT = 40
NODE_LIMIT = 20_000  # after aliases are expanded, so that aliases of aliases cannot explode
ALIAS_LIMIT = 100


@dataclass(frozen=True)
class Scalar:
    """A single value, as it was written (a quoted one without its quotes)."""

    text: str
    line: int
    column: int
    quoted: bool = False

    @property
    def null(self) -> bool:
        """Whether nothing was written, or one of YAML's words for nothing."""
        return not self.quoted and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]
    line: int
    column: int


@dataclass(frozen=True)
class Mapping:
    """Keys and their values in the order written; the same key may still be there twice."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int
    column: int

    def get(self, key: str) -> Node | None:
        """The value of the first `key`, None where there is none."""
        return next((value for name, value in self.entries if name.text == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


def nodes_of(value: object, place: Node) -> Node:
    """Python's dicts, lists and values as nodes, all at the place of another."""
    if isinstance(value, dict):
        entries = (
            (Scalar(str(k), place.line, place.column), nodes_of(v, place)) for k, v in value.items()
        )
        return Mapping(tuple(entries), place.line, place.column)
    if isinstance(value, list):
        return Sequence(tuple(nodes_of(v, place) for v in value), place.line, place.column)
    return Scalar(str(value), place.line, place.column)


class Mistake(Exception):
    """A value that cannot be used: where, and the sentence that says why."""

    def __init__(self, node: Node, message: str) -> None:
        self.problem = Problem(node.line, node.column, message)
        super().__init__(message)


def decode_text(data: bytes) -> str:
    """A storyboard's bytes as text. Raises Mistake with the reason when they are none."""
    start = Scalar("", 1, 1)
    if len(data) > SIZE_LIMIT:
        raise Mistake(start, f"larger than {SIZE_LIMIT // 1000} kB. A storyboard is a short text")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Mistake(start, "this is UTF-16 text. Save the file as UTF-8")
    if b"\0" in data:
        raise Mistake(start, "this is a binary file. A storyboard is YAML, a text in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        place = Scalar("", line, error.start - before.rfind(b"\n"))
        message = "this is not text in UTF-8. Save the file as UTF-8"
        raise Mistake(place, message) from error
    if not text.strip():
        raise Mistake(start, "the file is empty. Begin with 'version: 1' and a list of 'shots'")
    return text


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    start: yaml.CollectionStartEvent
    children: list[Node]
    anchor: str | None
    size: int = 1  # nodes, expanded
    height: int = 1


def compose(text: str, problems: list[Problem]) -> Node | None:
    """The text's one node, built event by event within the limits.

    What is wrong goes to `problems`; None where there is nothing to go on with.
    """
    try:
        return _compose(text, problems)
    except Mistake as mistake:
        problems.append(mistake.problem)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if "end of stream" in (error.problem or ""):
            mark = error.context_mark or mark  # where the quotation begins, not the file's end
        line, column = (mark.line, mark.column) if mark else (0, 0)
        lines = text.splitlines()
        opened = error.context_mark.line if error.context_mark else line
        problem = Problem(line + 1, column + 1, _explain(error, "".join(lines[line : line + 1])))
        problems.append(_bare_colour(lines, opened, line) or problem)
    except yaml.reader.ReaderError as error:
        before, letter = text[: error.position], text[error.position : error.position + 1]
        sentence = f"a control character ({letter!a}) that YAML does not allow. Delete it"
        column = error.position - before.rfind("\n")
        problems.append(Problem(before.count("\n") + 1, column, sentence))
    return None


_BARE_COLOUR = re.compile(r"(?:[{,:-]\s+|\[\s*)(#[0-9a-fA-F]{3,8})\b")


def _bare_colour(lines: list[str], opened: int, line: int) -> Problem | None:
    """A colour without quotes from the line that opened what is broken on, if there is one: its
    '#' began a comment, which took the closing bracket with it."""
    opened = max(0, min(opened, len(lines) - 1))  # it may be the end of the file
    for number, text in enumerate(lines[opened : line + 1], start=opened + 1):
        if colour := _BARE_COLOUR.search(text):
            sentence = f"a '#' begins a comment. Put the colour in quotes: '{colour[1]}'"
            return Problem(number, colour.start(1) + 1, sentence)
    return None


def _explain(error: yaml.MarkedYAMLError, line: str) -> str:
    said = error.problem or error.context or "it cannot be read"
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in said:
        return "a tab. YAML is indented with spaces only: replace the tab by spaces"
    if "mapping values are not allowed" in said:
        return (
            "a colon followed by a space where no key can be. Put a text that holds ': ' in "
            "quotes, or check the indentation of this line"
        )
    if "found unexpected end of stream" in said:
        return "a quotation mark is opened and never closed. Close it with the same mark"
    return f"this is not YAML: {said}. Check the indentation, the quotes and the brackets here"


def _compose(text: str, problems: list[Problem]) -> Node | None:
    anchors: dict[str, tuple[Node, int, int]] = {}  # node, size, height
    stack: list[_Open] = []
    root: Node | None = None
    count = aliases = documents = 0

    def add(node: Node, size: int, height: int) -> None:
        nonlocal root
        if not stack:
            root = node
            return
        stack[-1].children.append(node)
        stack[-1].size += size
        stack[-1].height = max(stack[-1].height, height + 1)

    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        here = _place(event)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise Mistake(here, "a second document. A storyboard is one: remove the '---'")
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > ALIAS_LIMIT:
                raise Mistake(here, f"more than {ALIAS_LIMIT} aliases. Write some of them out")
            if event.anchor not in anchors:
                inside = any(event.anchor == outer.anchor for outer in stack)
                reason = "stands inside what it refers to" if inside else "refers to nothing"
                raise Mistake(
                    here, f"the alias {quoted(str(event.anchor))} {reason}. Write the value out"
                )
            node, size, height = anchors[event.anchor]
            count += size
            _check_limits(here, count, len(stack) + height)
            add(node, size, height)
        elif isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            if event.tag is not None:
                message = f"the tag {quoted(event.tag)} has no meaning in a storyboard. Remove it"
                problems.append(Problem(here.line, here.column, message))
            count += 1
            _check_limits(here, count, len(stack) + 1)
            if isinstance(event, yaml.CollectionStartEvent):
                stack.append(_Open(event, [], event.anchor))
                continue
            scalar = Scalar(event.value, here.line, here.column, event.style is not None)
            if event.anchor:
                anchors[event.anchor] = (scalar, 1, 1)
            add(scalar, 1, 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop()
            node = _close(done, problems)
            if done.anchor:
                anchors[done.anchor] = (node, done.size, done.height)
            add(node, done.size, done.height)
    return root


def _place(event: yaml.Event) -> Scalar:
    mark = event.start_mark
    return Scalar("", mark.line + 1, mark.column + 1) if mark else Scalar("", 1, 1)


def _check_limits(here: Scalar, count: int, depth: int) -> None:
    if count > NODE_LIMIT:
        raise Mistake(here, f"more than {NODE_LIMIT} values, aliases expanded. Shorten it")
    if depth > DEPTH_LIMIT:
        raise Mistake(here, f"nested more than {DEPTH_LIMIT} levels deep. Flatten it")


def _close(done: _Open, problems: list[Problem]) -> Node:
    line, column = _place(done.start).line, _place(done.start).column
    if isinstance(done.start, yaml.SequenceStartEvent):
        return Sequence(tuple(done.children), line, column)
    entries: list[tuple[Scalar, Node]] = []
    merged: list[tuple[Scalar, Node]] = []
    for key, value in zip(done.children[::2], done.children[1::2], strict=True):
        if not isinstance(key, Scalar):
            message = "a key must be a single word or time, not a list or mapping"
            problems.append(Problem(key.line, key.column, message))
        elif key.text == "<<" and not key.quoted:
            sources = value.items if isinstance(value, Sequence) else (value,)
            for source in sources:
                if isinstance(source, Mapping):
                    merged += source.entries
                else:
                    message = "'<<' takes in the keys of a mapping, such as '<<: *name'"
                    problems.append(Problem(source.line, source.column, message))
        else:
            entries.append((key, value))
    names = {key.text for key, _ in entries}
    for key, value in merged:  # what is written here wins, then what was merged first
        if key.text not in names:
            names.add(key.text)
            entries.append((key, value))
    return Mapping(tuple(entries), line, column)
