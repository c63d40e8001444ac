"""How a shot follows the one before it, and how a film's end turns into its beginning."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from render.storyboard.context import FilmContext, ShotContext
from render.storyboard.key_maps import Ease
from render.storyboard.model import OVERLAPPING, TRANSITIONS, Transition
from render.storyboard.reader import Reader
from render.storyboard.tables import Row, Table
from render.storyboard.values import Choice, Time, parse_switch
from render.storyboard.yaml_nodes import Mapping, Mistake, Node
from render.text import seconds_text

DURATION_LIMIT = Fraction(36_000)  # seconds, of a film

TRANSITION_TEXT = rf"\s*({'|'.join(TRANSITIONS)})\s+([0-9.].*)"


def _transition_parts(text: str) -> dict[str, str]:
    """The keys of a short form: `2s` is a duration, `cut` a kind, and `dissolve 2s` both."""
    if both := re.fullmatch(TRANSITION_TEXT, text):
        return {"kind": both[1], "duration": both[2]}
    return {"duration" if text.lstrip("+-.")[:1].isdigit() else "kind": text}


TRANSITION_WORD = Choice(TRANSITIONS)


@dataclass(frozen=True)
class TransitionKind:
    """How a shot begins, in a word; other words are taken for other programs' crossfades."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> str:
        """The word; raises Mistake with the ways to cross over."""
        try:
            return TRANSITION_WORD.read(node, key, context, reader)
        except Mistake as mistake:
            time = re.search(r"[0-9]+(?:\.[0-9]+)? *(?:ms|s|f|min|m)\b", getattr(node, "text", ""))
            taking = time[0] if time else "1.5s"
            message = f"{mistake}. To let the prompts cross over, write the time it takes: "
            ways = f"'transition: {taking}'; to let the pictures, 'transition: dissolve {taking}'"
            raise Mistake(node, message + ways) from mistake

    def schema(self) -> dict[str, Any]:
        """An enumeration of the words."""
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
    """How long the film's end takes to turn into its beginning; true is a second."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Fraction:
        """Seconds, 0 for false; raises Mistake."""
        if (on := parse_switch(node)) is not None:
            return Fraction(on)
        try:
            return LOOP_TIME.read(node, key, context, reader)
        except Mistake as mistake:
            raise Mistake(node, f"{mistake}; or true, which is 1s") from mistake

    def schema(self) -> dict[str, Any]:
        """A boolean or a time."""
        return {"anyOf": [{"type": "boolean"}, LOOP_TIME.schema()]}


def shot_transition(
    given: dict[str, Any], own: Mapping, node: Mapping, context: ShotContext, reader: Reader
) -> Transition:
    """How a shot begins; notes what does not fit the shot or its place in the film.

    `given` holds what was read of the transition, `own` is the shot as it was written and `node`
    the shot on top of the defaults.
    """
    film = context.film
    own_node = own.get("transition")
    kind = given.get("kind", "continue" if "duration" in given else "cut")
    if context.is_first and not _may_begin_film(kind, film):
        if own_node is None:  # the defaults are meant for shots that have one before them
            return _loop_transition(context, reader)
        reader.problem(own_node, _nothing_before(film))
    own_time = _own_time(own_node)
    if kind == "cut":
        _check_cut(given, own_time, reader)
        return Transition()
    if kind == "continue" and context.begins_with_image:
        message = f"shot '{context.name}' continues from the shot before, so it cannot begin with "
        reader.problem(own.get("init") or own, message + "init. Let it cut, or remove init")
    ease = given.get("ease", Transition.ease)
    if context.is_first and _loop_is_timed(film):
        if own_time is None:  # the defaults' duration is meant for the other shots
            return replace(_loop_transition(context, reader), kind=kind, ease=ease)
        _check_loop_time(given, film, reader)
    return Transition(kind, _duration(kind, given, own, node, context, reader), ease)


def _may_begin_film(kind: str, film: FilmContext) -> bool:
    """Whether the film's first shot may begin so: only a loop has a shot before it."""
    return kind in OVERLAPPING if film.loop else kind == "cut"


def _nothing_before(film: FilmContext) -> str:
    """The sentence about a first shot that begins with what needs a shot before it."""
    if film.loop:
        return "a film that loops goes over into its first shot. Write dissolve or morph"
    return "the first shot has nothing before it. Write 'cut', or let the film loop: true"


def _own_time(own_node: Node | None) -> Node | None:
    """The duration that the shot itself writes for its transition."""
    written = None if own_node is None else TRANSITION.long(own_node)
    return written.get("duration") if isinstance(written, Mapping) else None


def _check_cut(given: dict[str, Any], own_time: Node | None, reader: Reader) -> None:
    """Note a cut for which the shot itself writes a duration."""
    if own_time is not None and "duration" in given:  # else a mistake in it was noted
        message = "a cut has no duration. Remove it, or write 'continue' to fade the prompts"
        reader.problem(own_time, message)


def _loop_is_timed(film: FilmContext) -> bool:
    """Whether `loop` is written as a time, and not as true or false."""
    return film.loop_node is not None and parse_switch(film.loop_node) is None


def _check_loop_time(given: dict[str, Any], film: FilmContext, reader: Reader) -> None:
    """Warn if the first shot's transition takes another time than the loop."""
    if film.loop_node is not None and given.get("duration", film.loop) != film.loop:
        message = f"the loop is to take {seconds_text(film.loop)}, and the first shot's transition "
        reader.warn(film.loop_node, f"{message}takes another time, which counts. Remove one")


def _duration(
    kind: str,
    given: dict[str, Any],
    own: Mapping,
    node: Mapping,
    context: ShotContext,
    reader: Reader,
) -> Fraction:
    """The seconds that a transition takes.

    Notes one that takes longer than its shot; warns of an overlapping one that takes no time.
    """
    usual = Fraction(1) if kind in OVERLAPPING else Fraction(0)
    duration: Fraction = given.get("duration", min(usual, context.duration or usual))
    place = node.get("transition") or own
    if kind in OVERLAPPING and duration == 0:
        message = f"a {kind} that takes no time is a cut. Write how long it takes, as in "
        reader.warn(place, f"{message}'transition: {kind} 1s', or write cut")
    if context.duration is not None and duration > context.duration:
        message = f"the transition takes {seconds_text(duration)}, longer than shot "
        message += f"'{context.name}' with {seconds_text(context.duration)}. Shorten it"
        reader.problem(place, message)
    return duration


def _loop_transition(context: ShotContext, reader: Reader) -> Transition:
    """How a first shot begins that says nothing: morphing from the film's end, or with a cut."""
    film = context.film
    if not film.loop or film.loop_node is None:
        return Transition()
    if context.duration is not None and film.loop > context.duration:
        message = f"loop takes {seconds_text(film.loop)}, longer than shot '{context.name}' with "
        reader.problem(film.loop_node, f"{message}{seconds_text(context.duration)}. Shorten it")
    return Transition("morph", film.loop)
