"""How a shot comes out of the one before, and a film's beginning out of its end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from render.storyboard.key_maps import Ease
from render.storyboard.model import TRANSITIONS
from render.storyboard.reader import Reader
from render.storyboard.tables import Row, Table
from render.storyboard.values import Choice, Time, parse_switch
from render.storyboard.yaml_nodes import Mistake, Node

DURATION_LIMIT = Fraction(36_000)  # seconds, of a film

TRANSITION_TEXT = rf"\s*({'|'.join(TRANSITIONS)})\s+([0-9.].*)"


def _transition_parts(text: str) -> dict[str, str]:
    """`2s` says how long, `cut` says which, and `dissolve 2s` both."""
    if both := re.fullmatch(TRANSITION_TEXT, text):
        return {"kind": both[1], "duration": both[2]}
    return {"duration" if text.lstrip("+-.")[:1].isdigit() else "kind": text}


TRANSITION_WORD = Choice(TRANSITIONS)


@dataclass(frozen=True)
class TransitionKind:
    """How a shot begins, in a word; any other word is taken for a crossfade's name elsewhere."""

    def read(self, node: Node, key: str, reader: Reader) -> str:
        try:
            return TRANSITION_WORD.read(node, key, reader)
        except Mistake as mistake:
            time = re.search(r"[0-9]+(?:\.[0-9]+)? *(?:ms|s|f|min|m)\b", getattr(node, "text", ""))
            taking = time[0] if time else "1.5s"
            message = f"{mistake}. To let the prompts cross over, write the time it takes: "
            ways = f"'transition: {taking}'; to let the pictures, 'transition: dissolve {taking}'"
            raise Mistake(node, message + ways) from mistake

    def schema(self) -> dict[str, Any]:
        return TRANSITION_WORD.schema()


TRANSITION = Table(
    (
        Row(
            "kind",
            TransitionKind(),
            "kind",
            "cut starts anew; continue goes on from the last picture of the shot before; dissolve "
            "and morph start anew out of that shot, in pictures or through latent space",
        ),
        Row(
            "duration",
            Time(Fraction(0), DURATION_LIMIT),
            "duration",
            "how long the prompts, or the pictures, of the shot before cross over into this one's",
        ),
        Row("ease", Ease(swings=False), "ease", "how they fade"),
    ),
    short=_transition_parts,
    shorthand={
        "anyOf": [
            TransitionKind().schema(),
            Time(Fraction(0), DURATION_LIMIT).schema(),
            {"type": "string", "pattern": rf"^{TRANSITION_TEXT}$"},
        ]
    },
)


LOOP_TIME = Time(Fraction(1, 100), DURATION_LIMIT)


@dataclass(frozen=True)
class Loop:
    """Whether the film's end goes over into its beginning, and for how long; to seconds, 0 is not.

    `true` is a second.
    """

    def read(self, node: Node, key: str, reader: Reader) -> Fraction:
        if (on := parse_switch(node)) is not None:
            return Fraction(on)
        try:
            return LOOP_TIME.read(node, key, reader)
        except Mistake as mistake:
            raise Mistake(node, f"{mistake}; or true, which is 1s") from mistake

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "boolean"}, LOOP_TIME.schema()]}
