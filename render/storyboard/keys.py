"""The storyboard language as tables: every key, what it may hold, and what it means.

The parser reads by these tables, and the JSON Schema and the reference are printed from them. A row
names the dataclass field in `storyboard.py` that it fills; the field's default is the default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from render.media.codecs import CODECS, GREATEST_RATE, GREATEST_RATE_TERM, LEAST_SIDE
from render.storyboard.animated import AnimatedNumber
from render.storyboard.audio import AUDIO
from render.storyboard.camera_keys import CAMERA
from render.storyboard.model import BETWEEN
from render.storyboard.named_files import ImageFile
from render.storyboard.prompts import Prompts, Style
from render.storyboard.reader import Reader
from render.storyboard.tables import Row, Table, short_for
from render.storyboard.transitions import DURATION_LIMIT, TRANSITION, Loop
from render.storyboard.values import Choice, FrameRate, Number, Pair, Text, Time, WeightedNames
from render.storyboard.yaml_nodes import Mistake, Node, Scalar, Sequence
from render.text import quoted
from render.weights.library import known_models

LOSS_MEANINGS = {
    "prompts": "come near to the prompts",
    "smoothness": "let neighbouring pixels be alike",
    "commitment": "let the latent be near to codes that the generator knows",
    "decay": "let the latent be small, which is soft and pale",
    "hold": "stay near to the keyframe before, as the camera sees it now",
    "latent": "stay near to its latent: coarser than hold",
    "likeness": "stay what it was to the perceptors, whatever becomes of its pixels",
    "edges": "keep its outlines, whatever becomes of its colours",
    "colours": "keep the palette's colours, their mean and how far they spread; "
    "80 if nothing is said in a shot that begins anew and has a palette, or keeps its prompts and "
    "has no init; else 0",
    "brightness": "be as light, on the whole, as the palette; 80 or 0 as colours",
    "contrast": "be as rich in light and dark as the palette",
    "sharpness": "be no less sharp than the shot's first keyframe, however long the zoom",
}

SHOT_LIMIT = 1000
SIDE_LIMIT = 4096  # pixels


STEP = AnimatedNumber(0.0001, 10)
# What a shot may set, and `defaults` for every shot.
SETTINGS = (
    Row(
        "iterations",
        Table(
            (
                Row("first", Number(1, 10_000, whole=True), "first", "for a picture from nothing"),
                Row("then", Number(0, 10_000, whole=True), "then", "for every later keyframe"),
            ),
            short=short_for("first", "then"),
            shorthand=Number(1, 10_000, whole=True).schema(),
        ),
        "",
        "how many steps each keyframe is worked on",
    ),
    Row(
        "keyframes",
        Table(
            (
                Row(
                    "every",
                    Time(Fraction(1, 100), Fraction(60)),
                    "every",
                    "time between pictures that are worked on",
                ),
                Row(
                    "between",
                    Choice(BETWEEN),
                    "between",
                    "frames between them: latent melts, picture moves and fades, auto chooses",
                ),
            ),
            short=short_for("every"),
            shorthand=Time(Fraction(1, 100), Fraction(60)).schema(),
        ),
        "",
        "which frames are worked on, and how the others come from them",
    ),
    Row(
        "step",
        Table(
            (
                Row("first", STEP, "first_step", "for a picture from nothing"),
                Row("then", STEP, "then_step", "for later ones: less is calmer"),
            ),
            short=short_for("first", "then"),
            shorthand=STEP.schema(),
        ),
        "",
        "how far each step goes",
    ),
    Row(
        "cutouts",
        Table(
            (
                Row(
                    "count", Number(1, 1024, whole=True), "cutouts", "views of the picture per step"
                ),
                Row(
                    "size",
                    Pair(
                        Number(0.05, 1),
                        ("smallest view", "largest view"),
                        "[0.4, 1.0]",
                        ordered=True,
                    ),
                    "cutout_size",
                    "smallest and largest view, as parts of the shorter side",
                ),
            ),
            short=short_for("count"),
            shorthand=Number(1, 1024, whole=True).schema(),
        ),
        "",
        "the views by which a picture is compared with the prompts",
    ),
    Row(
        "smoothing",
        AnimatedNumber(0, 0.999),
        "smoothing",
        "how calm a picture is: an average of its steps",
    ),
    Row(
        "losses",
        Table(
            tuple(
                Row(name, AnimatedNumber(0, 10_000), name, meaning)
                for name, meaning in LOSS_MEANINGS.items()
            ),
        ),
        "losses",
        "what counts how much",
    ),
    Row(
        "palette",
        ImageFile(),
        "palette",
        "a picture that the losses colours, brightness and contrast keep to, instead of the shot's "
        "first keyframe",
        nullable=True,
    ),
)

DURATION = Row("duration", Time(Fraction(1, 1000), DURATION_LIMIT), "duration", "how long it lasts")
CAMERA_ROW = Row("camera", CAMERA, "camera", "how the view moves", nullable=True)
TRANSITION_ROW = Row("transition", TRANSITION, "transition", "how the shot begins")

DEFAULTS = Table((DURATION, CAMERA_ROW, TRANSITION_ROW, *SETTINGS))

NAME_HELP = "a shot with a name keeps its pictures when others are put before it; else shot-1, ..."
SHOT = Table(
    (
        Row("name", Text(100, "a name"), "name", NAME_HELP),
        DURATION,
        Row("prompts", Prompts(), "prompts", "what should be seen: 'text:weight | text'", True),
        Row("style", Style(), "style", "instead of the storyboard's style", nullable=True),
        Row("exclude", Prompts(away=True), "exclude", "instead of the storyboard's", nullable=True),
        Row("init", ImageFile(), "init", "path of a picture to begin with"),
        CAMERA_ROW,
        TRANSITION_ROW,
        *SETTINGS,
    )
)


@dataclass(frozen=True)
class Shots:
    """The list of shots, each left as its node until the defaults are known."""

    item: Table

    def read(self, node: Node, key: str, reader: Reader) -> tuple[Node, ...]:
        example = "Write at least one: '- {duration: 4s, prompts: a red sky}'"
        if isinstance(node, Scalar) and node.null:
            raise Mistake(node, f"there are no shots. {example}")
        if not isinstance(node, Sequence):
            raise Mistake(node, f"shots is not a list. Begin every shot with '- '. {example}")
        if not node.items:
            raise Mistake(node, f"there are no shots. {example}")
        if len(node.items) > SHOT_LIMIT:
            message = f"there are {len(node.items)} shots, more than {SHOT_LIMIT}. Make two films"
            raise Mistake(node, message)
        return node.items

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema(), "minItems": 1, "maxItems": SHOT_LIMIT}


SIDES = Pair(
    Number(LEAST_SIDE, SIDE_LIMIT, whole=True), ("width", "height"), "[320, 192] or 320x192"
)
SIZE_TEXT = r"^\s*([0-9]+)\s*[xX]\s*([0-9]+)\s*$"


@dataclass(frozen=True)
class Size:
    """Width and height, as a list or with an x between them."""

    def read(self, node: Node, key: str, reader: Reader) -> tuple[int, ...]:
        if isinstance(node, Scalar) and not node.null:
            match = re.fullmatch(SIZE_TEXT, node.text)
            if match is None:
                message = f"{key} {quoted(node.text)} is not two numbers. Write "
                raise Mistake(node, message + _meant_size(node.text))
            sides = (Scalar(side, node.line, node.column) for side in match.groups())
            node = Sequence(tuple(sides), node.line, node.column)
        return SIDES.read(node, key, reader)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [SIDES.schema(), {"type": "string", "pattern": SIZE_TEXT}]}


def _meant_size(text: str) -> str:
    """What to write instead of 1080p or 640*480; examples where it cannot be told."""
    if tall := re.fullmatch(r"\s*([0-9]{3,4})p\s*", text):
        height = int(tall[1])
        return f"{2 * round(height * 8 / 9)}x{height}"  # 16:9, and even
    if pair := re.fullmatch(r"\D*([0-9]{2,4})\D+([0-9]{2,4})\D*", text):
        return f"{pair[1]}x{pair[2]}"
    return "two such as 320x192"


@dataclass(frozen=True)
class Version:
    """The version of the storyboard language, of which there is one."""

    def read(self, node: Node, key: str, reader: Reader) -> int:
        if not isinstance(node, Scalar) or node.text != "1":
            said = quoted(node.text) if isinstance(node, Scalar) else "as a list or mapping"
            raise Mistake(node, f"version {said} is not one that this Render reads. Write 1")
        return 1

    def schema(self) -> dict[str, Any]:
        return {"const": 1}


@dataclass(frozen=True)
class ModelNames:
    """The names of the models there are, looked up each time: the user's own come and go."""

    role: str

    def __iter__(self) -> Iterator[str]:
        return iter(known_models(self.role))


STORYBOARD = Table(
    (
        Row("version", Version(), "version", "'version: 1'", required=True),
        Row("size", Size(), "size", "width and height in pixels"),
        Row("fps", FrameRate(GREATEST_RATE, GREATEST_RATE_TERM), "fps", "frames per second"),
        Row("bpm", Number(1, 1000, exact=True), "bpm", "beats per minute, for times such as 8b"),
        Row(
            "seed",
            Number(0, 2**63 - 1, whole=True, example="such as 7: the same seed, the same film"),
            "seed",
            "another number, another film",
        ),
        Row(
            "models",
            Table(
                (
                    Row(
                        "generator",
                        Choice(ModelNames("generator")),
                        "generator",
                        "draws the pictures",
                    ),
                    Row(
                        "perceptors",
                        WeightedNames(ModelNames("perceptor"), Number(0.001, 1000)),
                        "perceptors",
                        "compare them with the prompts: a name, a list, or {name: weight}",
                    ),
                )
            ),
            "",
            "which networks make the film; `render models` lists them",
        ),
        Row(
            "output",
            Table(
                (
                    Row("codec", Choice(tuple(CODECS)), "codec", "how the film is encoded"),
                    Row("quality", Number(0, 63, whole=True), "quality", "less is better"),
                )
            ),
            "",
            "how the film is written",
        ),
        Row("loop", Loop(), "loop", "true or a time: the end goes over into the beginning"),
        Row("audio", AUDIO, "audio", "a sound file that plays under the film", nullable=True),
        Row("style", Style(), "style", "added to every text prompt", nullable=True),
        Row("exclude", Prompts(away=True), "exclude", "what should not be seen", nullable=True),
        Row("defaults", DEFAULTS, "defaults", "settings for every shot that does not set them"),
        Row("shots", Shots(SHOT), "shots", "a list of shots", required=True),
    )
)


def key_places() -> dict[str, str]:
    """Where each key belongs, for those who wrote it elsewhere."""
    places = {row.key: "the top level" for row in STORYBOARD.rows}
    for row in SHOT.rows:
        places.setdefault(row.key, "a shot")
    for row in DEFAULTS.rows:
        places[row.key] = f"'defaults' or {places[row.key]}"
    for row in (*STORYBOARD.rows, *SHOT.rows):
        if isinstance(row.kind, Table) and row.kind is not DEFAULTS:
            for inner in row.kind.rows:
                places.setdefault(inner.key, f"'{row.key}'")
    return places
