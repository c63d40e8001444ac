"""Other programs' notation in a prompt, and Render's form of the same.

To Render all of it is plain text, so nobody is refused; but a weight that is painted as a word is
seldom meant. A notation is a row in NOTATIONS, found in a prompt as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from render.storyboard import literals
from render.text import quoted

LONGEST = 1000  # characters of a prompt that are searched
FORM_LIMIT = 300  # characters of a form that a sentence shows
_NUMBER = literals.NUMBER
FULL_WIDTH = {"\uff1a": ":", "\uff5c": "|"}  # of Japanese and Chinese keyboards
# Words behind -- with what is written here instead; a word that is not listed is removed.
OPTIONS = {
    "neg": "exclude", "no": "exclude", "negative": "exclude", "negative_prompt": "exclude",
    "seed": "seed", "ar": "size", "aspect": "size", "w": "size", "h": "size", "width": "size",
    "height": "size", "steps": "iterations", "iw": "a prompt {image: ..., weight: ...}",
}  # fmt: skip
_WEIGHT_WITHIN = re.compile(rf"(?<=[^\s0-9:]):({_NUMBER})(?=\s*[,;]\s*[^\s\d]|\s+[^\W\d_])")
_PLAIN_NUMBER = r"\d+(?:\.\d+)?|\.\d+"


@dataclass(frozen=True)
class Notation:
    """A notation of other programs'."""

    pattern: re.Pattern[str]
    meaning: Callable[[re.Match[str]], str]  # the end of the sentence about what was found
    most: int = 1  # that are told of each prompt
    whole: bool = False  # looked for in the whole text, not in each prompt between '|'


def foreign_notation(written: str) -> Iterator[str]:
    """Yields a sentence for every notation of another program in a text of prompts, `a:1 | b`."""
    one_line = " ".join(written.split())
    for notation in NOTATIONS:
        for text in [one_line] if notation.whole else one_line.split("|"):
            if len(text) > LONGEST and not notation.whole:
                continue  # it is refused as a prompt
            for found in islice(notation.pattern.finditer(text.strip()), notation.most):
                yield f"{quoted(found[0])} {notation.meaning(found)}"
    lines = [line.strip() for line in written.splitlines() if line.strip()]
    if len(lines) > 1:
        form = _form(" | ".join(line.strip("| ") for line in lines))
        yield (
            f"the lines {quoted(lines[0])} and {quoted(lines[1])} are one text, because a line's "
            f"end is a space. Two prompts are {form}; one long text is folded with '>'"
        )


def _form(text: str) -> str:
    """Render's form as a sentence shows it."""
    return f"'{text}'" if len(text) <= FORM_LIMIT else "'a text:0.5 | another text:0.2'"


def _inner_weight(found: re.Match[str]) -> str:
    """What `portrait of a man:0.1, highly detailed` is called here."""
    text = found.string
    parts = re.sub(rf"(?<=[^\s0-9:])(:{_NUMBER})\s*[,;]?\s+(?=\S)", r"\1 | ", text)
    return (
        "is taken as text: a weight stands at the end of a prompt, and '|' begins the next one. "
        f"Write {_form(parts)}"
    )


def _emphasis(found: re.Match[str]) -> str:
    """What `(word:1.7)` is called here: the plain text, and the word with the extra weight."""
    word, extra = found[1].strip(), float(found[2]) - 1
    if found[0] == found.string:
        return (
            f"is taken as text: brackets weigh no words here. Write {_form(f'{word}:{found[2]}')}"
        )
    plain = f"{found.string[: found.start()]}{word}{found.string[found.end() :]}"
    form = _form(f"{plain} | {word}:{extra:.3g}")
    return (
        "is taken as text: brackets weigh no words here, a weight belongs to a whole prompt. "
        f"Write {form}"
    )


def _more_emphasis(found: re.Match[str]) -> str:
    """What `((word))`, `[[word]]` and `word++` are called here."""
    word = found[0].strip("()[]+ ")
    return (
        "is taken as text: brackets and plus signs weigh no words here. "
        f"Add the word as a prompt of its own: {_form(f'... | {word}:0.2')}"
    )


def _option(found: re.Match[str]) -> str:
    """What `--neg photo` is called here."""
    name, value = found[1].lower(), found[2].strip()
    place = OPTIONS.get(name)
    if place == "exclude":
        return f"is taken as text. Write what should not be seen under exclude: {_form(value)}"
    if place:
        return f"is taken as text. It is written at '{place}' here"
    return "is taken as text: it is an option of another program. Remove it"


def _following_texts(found: re.Match[str]) -> str:
    """What the `^` of a story is called here."""
    first, second = (re.sub(rf":{_NUMBER}$", "", part.strip()) for part in found.group(1, 2))
    return (
        "is taken as text. Texts that follow one another are "
        f"{{text: {{0s: {first}, 2s: {second}}}}}; two prompts at once have a '|' between them"
    )


def _double_colon(found: re.Match[str]) -> str:
    """What `cat::2 dog::1` is called here."""
    parts = re.sub(rf"::\s*({_NUMBER})?\s*", lambda m: f":{m[1] or 1} | ", found.string)
    return f"is taken as text. Write one colon, and '|' between prompts: {_form(parts.strip(' |'))}"


def _full_width(found: re.Match[str]) -> str:
    """What a full-width colon and bar are called here."""
    plain = "".join(FULL_WIDTH.get(letter, letter) for letter in found.string)
    return f"is a full-width letter, which is taken as text. Write {_form(plain)}"


def _alternatives(found: re.Match[str]) -> str:
    """What `{a|b}` is called here."""
    return "is no choice: '|' begins the next prompt. Write one of its words"


NOTATIONS = (
    Notation(re.compile(rf"\(([^():|]+):\s*({_PLAIN_NUMBER})\)"), _emphasis),
    Notation(
        re.compile(r"\(\([^()]+\)\)|\[\[[^\[\]]+\]\]|\([^()]+\)\++(?!\w)"),
        _more_emphasis,
    ),
    Notation(
        re.compile(rf"\[[^\[\]:]*:[^\[\]:]*:\s*(?:{_PLAIN_NUMBER})\]"),
        lambda found: (
            "is taken as text. A text that changes is {text: {0s: one, 2s: another}} here"
        ),
    ),
    Notation(
        re.compile(r"<(?:lora|lyco|hypernet|embedding):[^<>]*>"),
        lambda found: "is taken as text: it names a model of another program. Remove it",
    ),
    Notation(re.compile(r"(?:^|(?<=\s))--([A-Za-z][\w-]*)\s*([^-|]*)"), _option, most=5),
    Notation(
        re.compile(r"\[[^\[\]]+\.(?:png|jpe?g|mp4|webp)\]", re.IGNORECASE),
        lambda found: (
            "is taken as text. A mask is {text: ..., where: " + found[0].strip("[]") + "} here"
        ),
    ),
    Notation(
        re.compile(r":`([^`]+)`"),
        lambda found: (
            f"is taken as text. A weight that changes is {{text: ..., weight: {found[1]}}} here"
        ),
    ),
    Notation(
        re.compile(rf"\[[^\[\]:]+:\s*(?:{_PLAIN_NUMBER})\]"),
        lambda found: (
            "is taken as text. A text that comes or goes is {text: {0s: one, 2s: another}} here"
        ),
    ),
    Notation(_WEIGHT_WITHIN, _inner_weight),
    Notation(re.compile(r"([^^|]*[^\W_][^^|]*)\^\s*([^\W\d_][^^|]*)"), _following_texts),
    Notation(re.compile(rf"(?<![\[\w])[^\s:\[]+::\s*(?:{_NUMBER})?"), _double_colon),
    Notation(re.compile("[\uff1a](?=\\s*[-+]?[0-9.])|[\uff5c]"), _full_width, whole=True),
    Notation(re.compile(r"\{[^{}]*\|[^{}]*\}"), _alternatives, whole=True),
    Notation(
        re.compile(r"(?<=[a-z,]\s)(?:AND|BREAK)(?=[\s,])"),
        lambda found: f"is taken as text. Write {_form(found.string.replace(found[0], '|'))}",
    ),
    Notation(
        re.compile(r"(?<!\w)__[\w/*-]+__(?!\w)"),
        lambda found: "is taken as text: no list of words is read here. Write one of its words",
    ),
)
