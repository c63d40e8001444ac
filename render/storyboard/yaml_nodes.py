"""YAML as nodes with their places, read within limits.

PyYAML's own values cannot be used: it keeps no lines, takes the last of two equal keys, and turns
`1:30` into 90, `0:30` into text, `1e-3` into text and `off` into False. So nodes are built from its
events, and every scalar stays the text that was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TypeAlias

import yaml

from render.storyboard.problems import Line, Problem
from render.text import quoted

SIZE_LIMIT = 1_000_000  # bytes of a file
DEPTH_LIMIT = 40
LINE_LIMIT = 400  # characters of a line that are searched for the reason of a mistake
WRITTEN_LIMIT = 50_000  # values as written, which PyYAML reads in a few seconds
NODE_LIMIT = 200_000  # after aliases are expanded, so that aliases of aliases cannot explode


@dataclass(frozen=True)
class Scalar:
    """A single value as it was written, without quotes around it."""

    text: str
    line: int
    column: int
    quoted: bool = False
    comment: str = ""  # behind it in its line, if no space follows its '#': perhaps it was meant

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
    """Keys and their values in the order written; a key may occur twice."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int
    column: int

    def get(self, key: str) -> Node | None:
        """The value of the first `key`; None if there is none."""
        return next((value for name, value in self.entries if name.text == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


def child(node: Node | None, key: str) -> Node | None:
    """The value of a key in a node; None if the node is no mapping, or has no such key."""
    return node.get(key) if isinstance(node, Mapping) else None


def nodes_of(value: object, place: Node) -> Node:
    """Python's dicts, lists and values as nodes, all at the line and column of `place`."""
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


def decode_text(data: bytes, file: str = "") -> str:
    """A storyboard's bytes as text; raises Mistake with the reason if they are no text."""
    start = Scalar("", Line(1, file), 1)
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
        place = Scalar("", Line(line, file), error.start - before.rfind(b"\n"))
        message = "this is not text in UTF-8. Save the file as UTF-8"
        raise Mistake(place, message) from error
    if not text.strip():
        raise Mistake(start, "the file is empty. Begin with 'version: 1' and a list of 'shots'")
    return text


def compose(text: str, problems: list[Problem], file: str = "") -> Node | None:
    """The one node of a text, within the limits of this module; `file` is for sentences.

    Mistakes are appended to `problems`; returns None if nothing is left to read.
    """
    try:
        return _Composer(problems, file).compose(text)
    except Mistake as mistake:
        problems.append(mistake.problem)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if "end of stream" in (error.problem or ""):
            mark = error.context_mark or mark  # where the quotation begins, not the end of the file
        line, column = (mark.line, mark.column) if mark else (0, 0)
        lines = text.splitlines()
        opened = error.context_mark.line if error.context_mark else line
        sentence = _explain(error, "".join(lines[line : line + 1])[:LINE_LIMIT])
        problem = _bare_colour(lines, opened, line) or Problem(line + 1, column + 1, sentence)
        problems.append(replace(problem, line=Line(problem.line, file)))
    except yaml.reader.ReaderError as error:
        before, letter = text[: error.position], text[error.position : error.position + 1]
        sentence = f"a control character ({letter!a}) that YAML does not allow. Delete it"
        column = error.position - before.rfind("\n")
        problems.append(Problem(Line(before.count("\n") + 1, file), column, sentence))
    return None


_BARE_COLOUR = re.compile(r"(?:[{,:-]\s+|\[\s*)(#[0-9a-fA-F]{3,8})\b")


def _bare_colour(lines: list[str], opened: int, line: int) -> Problem | None:
    """The mistake of a colour without quotes, if one stands between these lines (from 0).

    Its '#' began a comment, which hides the bracket that closes what line `opened` opens.
    """
    opened = max(0, min(opened, len(lines) - 1))  # it may be the end of the file
    for number, whole in enumerate(lines[opened : line + 1], start=opened + 1):
        text = whole[:LINE_LIMIT]
        if colour := _BARE_COLOUR.search(text):
            sentence = f"a '#' begins a comment. Put the colour in quotes: '{colour[1]}'"
            return Problem(number, colour.start(1) + 1, sentence)
        if word := re.search(r"[^\W\d].*?\s(#\w+)", text):
            sentence = "behind a space, '#' begins a comment. Put the text that holds it in quotes"
            return Problem(number, word.start(1) + 1, sentence)
    return None


def _explain(error: yaml.MarkedYAMLError, line: str) -> str:
    """The sentence about an error of PyYAML in that line of text."""
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
    if "escape" in said:
        return (
            "a backslash in double quotes begins an escape. Write folders with /, or put the text "
            "in single quotes"
        )
    if ended := re.search(r"'[^']*'(?=[^\W_])", line):
        whole = line[ended.start() + 1 :].rpartition("'")[0]
        return (
            f"the quotation ends at its apostrophe: {ended[0]}. Put the text in double quotes: "
            f'"{whole}"'
        )
    return f"this is not YAML: {said}. Check the indentation, the quotes and the brackets here"


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    start: yaml.CollectionStartEvent
    children: list[Node]
    anchor: str | None
    size: int = 1  # nodes, expanded
    height: int = 1


class _Composer:
    """Builds nodes from PyYAML's events, and stops at the first event beyond a limit."""

    def __init__(self, problems: list[Problem], file: str = "") -> None:
        self.problems, self.file = problems, file
        self.anchors: dict[str, tuple[Node, int, int]] = {}  # node, size, height
        self.stack: list[_Open] = []
        self.root: Node | None = None
        self.lines: list[str] = []
        self.node_count = self.document_count = self.written = 0

    def compose(self, text: str) -> Node | None:
        """The root node, None of an empty document; raises Mistake or yaml.YAMLError."""
        self.lines = text.splitlines()
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            place = _place(event, self.file)
            if isinstance(event, yaml.DocumentStartEvent):
                self._begin_document(place)
            elif isinstance(event, yaml.AliasEvent):
                self._add_alias(str(event.anchor), place)
            elif isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
                self._begin_node(event, place)
            elif isinstance(event, yaml.CollectionEndEvent):
                done = self.stack.pop()
                self._add(
                    _close(done, self.problems, self.file), done.size, done.height, done.anchor
                )
        return self.root

    def _begin_document(self, place: Scalar) -> None:
        """Count a document; raises Mistake at the second."""
        self.document_count += 1
        if self.document_count > 1:
            raise Mistake(place, "a second document. A storyboard is one: remove the '---'")

    def _add_alias(self, anchor: str, place: Scalar) -> None:
        """Add the node that an alias refers to; raises Mistake if there is none."""
        if anchor not in self.anchors:
            inside = any(anchor == outer.anchor for outer in self.stack)
            reason = "stands inside what it refers to" if inside else "refers to nothing"
            message = f"the alias {quoted(anchor)} {reason}. Write the value out"
            raise Mistake(place, message)
        node, size, height = self.anchors[anchor]
        self._count(place, size, height)
        self._add(node, size, height)

    def _begin_node(
        self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, place: Scalar
    ) -> None:
        """Add a scalar, or open a list or mapping."""
        if event.tag is not None:
            message = f"the tag {quoted(event.tag)} has no meaning in a storyboard. Remove it"
            self.problems.append(Problem(place.line, place.column, message))
        self.written += 1
        if self.written > WRITTEN_LIMIT:
            raise Mistake(place, f"more than {WRITTEN_LIMIT} values. Shorten it")
        self._count(place, 1, 1)
        if isinstance(event, yaml.CollectionStartEvent):
            self.stack.append(_Open(event, [], event.anchor))
            return
        comment = ""
        if event.style is None and event.value and (mark := event.end_mark):
            behind = "".join(self.lines[mark.line : mark.line + 1])[mark.column :]
            if found := re.match(r"\s+(#\w.*)", behind):
                comment = found[1].rstrip(" ,}]")
        in_quotes = event.style is not None
        scalar = Scalar(joined_pairs(event.value), place.line, place.column, in_quotes, comment)
        self._add(scalar, 1, 1, event.anchor)

    def _count(self, place: Scalar, size: int, height: int) -> None:
        """Count nodes; raises Mistake beyond a limit."""
        self.node_count += size
        if self.node_count > NODE_LIMIT:
            raise Mistake(place, f"more than {NODE_LIMIT} values, aliases expanded. Shorten it")
        if len(self.stack) + height > DEPTH_LIMIT:
            raise Mistake(place, f"nested more than {DEPTH_LIMIT} levels deep. Flatten it")

    def _add(self, node: Node, size: int, height: int, anchor: str | None = None) -> None:
        """Add a finished node to the list or mapping around it."""
        if anchor:
            self.anchors[anchor] = (node, size, height)
        if not self.stack:
            self.root = node
            return
        outer = self.stack[-1]
        outer.children.append(node)
        outer.size += size
        outer.height = max(outer.height, height + 1)


def joined_pairs(text: str) -> str:
    """A text with each escaped pair of surrogates, as `json.dumps` writes an emoji, as one letter.

    A half of a pair that is alone stays what it is, and no text has a use for it.
    """
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _place(event: yaml.Event, file: str) -> Scalar:
    """An empty scalar where the event begins."""
    mark = event.start_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    return Scalar("", Line(line + 1, file), column + 1)


def _close(done: _Open, problems: list[Problem], file: str) -> Node:
    """The finished list or mapping, merge keys resolved; notes keys that cannot be used."""
    place = _place(done.start, file)
    line, column = place.line, place.column
    if isinstance(done.start, yaml.SequenceStartEvent):
        return Sequence(tuple(done.children), line, column)
    entries: list[tuple[Scalar, Node]] = []
    merged: list[tuple[Scalar, Node]] = []
    for key, value in zip(done.children[::2], done.children[1::2], strict=True):
        if not isinstance(key, Scalar):
            message = "a key must be a single word or time, not a list or mapping"
            problems.append(Problem(key.line, key.column, message))
        elif key.text == "<<" and not key.quoted:
            merged += _merged(value, problems)
        else:
            entries.append((key, value))
    names = {key.text for key, _ in entries}
    for key, value in merged:  # keys written here count most, then those merged first
        if key.text not in names:
            names.add(key.text)
            entries.append((key, value))
    return Mapping(tuple(entries), line, column)


def _merged(value: Node, problems: list[Problem]) -> list[tuple[Scalar, Node]]:
    """The entries of the mappings behind a merge key."""
    entries: list[tuple[Scalar, Node]] = []
    for source in value.items if isinstance(value, Sequence) else (value,):
        if isinstance(source, Mapping):
            entries += source.entries
        else:
            message = "'<<' takes in the keys of a mapping, such as '<<: *name'"
            problems.append(Problem(source.line, source.column, message))
    return entries
