"""The storyboard language as tables: every key, what it may hold, and what it means.

The parser reads by these tables, and the JSON Schema and the reference are printed from them. A row
names the dataclass field in `model.py` that it fills; the field's default is the default.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from render.media.codecs import GREATEST_RATE, GREATEST_RATE_TERM
from render.storyboard.animated import AnimatedNumber
from render.storyboard.audio import AUDIO
from render.storyboard.camera_keys import CAMERA
from render.storyboard.context import ShotContext
from render.storyboard.frame_size import FrameSize
from render.storyboard.loss_weights import LOSSES
from render.storyboard.model import BETWEEN, OPTIMIZERS, PADDINGS
from render.storyboard.model_names import GENERATOR, GENERATOR_HELP, MODELS
from render.storyboard.named_files import Beginning, ImageFile, ShotsFile
from render.storyboard.output import OUTPUT
from render.storyboard.prompts import Prompts, Style
from render.storyboard.reader import Reader
from render.storyboard.tables import Row, Table, short_for
from render.storyboard.transitions import DURATION_LIMIT, TRANSITION, Loop
from render.storyboard.values import Choice, FilmTime, FrameRate, Number, Pair, Text, Time
from render.storyboard.yaml_nodes import Mistake, Node, Scalar, Sequence
from render.text import quoted

SHOT_LIMIT = 1000

STEP = AnimatedNumber(0.0001, 10)
# What a shot may set, and `defaults` for all shots.
SETTINGS = (
    Row(
        "iterations",
        Table(
            (
                Row(
                    "first",
                    Number(1, 10_000, whole=True),
                    "first_steps",
                    "for a keyframe that starts a chain",
                ),
                Row(
                    "then",
                    Number(0, 10_000, whole=True),
                    "later_steps",
                    "for every later keyframe",
                ),
                Row(
                    "change",
                    Number(0, 10_000, whole=True),
                    "changing_steps",
                    "for a later keyframe whose prompts are others than before; four times `then` "
                    "if nothing is said",
                ),
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
                    "frames between them: latent blends codes, picture warps and fades; auto is "
                    "picture while the camera moves",
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
                Row("first", STEP, "first_step_size", "for a keyframe that starts a chain"),
                Row("then", STEP, "later_step_size", "for later ones: less is calmer"),
                Row(
                    "change",
                    STEP,
                    "changing_step_size",
                    "for one whose prompts are others; four times `then` if nothing is said",
                ),
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
                    "count",
                    Number(1, 1024, whole=True),
                    "cutouts",
                    "cutouts of the picture in each step",
                ),
                Row(
                    "size",
                    Pair(
                        Number(0.05, 2),
                        ("smallest cutout", "largest cutout"),
                        "[0.4, 1.0]",
                        ordered=True,
                    ),
                    "cutout_size",
                    "smallest and largest cutout, as parts of the shorter side; above 1 they see "
                    "what is beyond the picture's edges",
                ),
                Row(
                    "padding",
                    Choice(PADDINGS),
                    "padding",
                    "what they see beyond the edges: the picture mirrored, or black",
                ),
                Row(
                    "noise",
                    Number(0, 1),
                    "noise",
                    "the strongest grain added to a cutout",
                ),
                Row(
                    "distortion",
                    Number(0, 4),
                    "distortion",
                    "how far cutouts are turned, sheared, tilted and tinted: 1 is 8 degrees",
                ),
            ),
            short=short_for("count"),
            shorthand=Number(1, 1024, whole=True).schema(),
        ),
        "",
        "the cutouts in which a picture is compared with the prompts",
    ),
    Row(
        "smoothing",
        AnimatedNumber(0, 0.999),
        "smoothing",
        "how calm a picture is: an average of its steps",
    ),
    Row(
        "optimizer",
        Table(
            (
                Row("name", Choice(OPTIMIZERS), "optimizer", "adam, or adamw, which has a decay"),
                Row(
                    "weight_decay",
                    Number(0, 1),
                    "weight_decay",
                    "of adamw: the share of the latent that a step of size 1 takes away",
                ),
            ),
            short=short_for("name"),
            shorthand=Choice(OPTIMIZERS).schema(),
        ),
        "",
        "how steps follow from gradients",
    ),
    Row("losses", LOSSES, "losses", "what counts how much"),
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
AT = Row(
    "at",
    FilmTime(Fraction(0), DURATION_LIMIT),
    "at",
    "when it begins in the film, instead of a duration of the shot before it",
)
CAMERA_ROW = Row("camera", CAMERA, "camera", "how the view moves", nullable=True)
TRANSITION_ROW = Row("transition", TRANSITION, "transition", "how the shot begins")

DEFAULTS = Table((DURATION, CAMERA_ROW, TRANSITION_ROW, *SETTINGS))

NAME_HELP = "a shot with a name keeps its pictures when others are put before it; else shot-1, ..."
SHOT = Table(
    (
        Row("name", Text(100, "a name"), "name", NAME_HELP),
        DURATION,
        AT,
        Row("prompts", Prompts(), "prompts", "what should be seen: 'text:weight | text'", True),
        Row("style", Style(), "style", "instead of the storyboard's style", nullable=True),
        Row("exclude", Prompts(away=True), "exclude", "instead of the storyboard's", nullable=True),
        Row("init", Beginning(), "init", "path of a picture, or of a latent, to begin with"),
        Row("generator", GENERATOR, "", f"{GENERATOR_HELP}; instead of the film's"),
        CAMERA_ROW,
        TRANSITION_ROW,
        *SETTINGS,
    )
)


@dataclass(frozen=True)
class Shots:
    """The list of shots, each left as its node to be read on top of the defaults."""

    item: Table
    within_act: bool = False

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> tuple[Node, ...]:
        """The nodes of the shots; raises Mistake."""
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
        """An array of shots, of acts and of files with shots."""
        within: list[dict[str, Any]] = [] if self.within_act else [ACT.schema()]
        items = {"anyOf": [*within, INCLUDE.schema(), self.item.schema()]}
        return {"type": "array", "items": items, "minItems": 1, "maxItems": SHOT_LIMIT}


INCLUDE = Table(
    (Row("include", ShotsFile(), "include", "path of a file with more shots", required=True),)
)
ACT = Table(
    (
        Row("act", Text(100, "a name"), "act", "a name of the group", required=True),
        Row("camera", CAMERA, "camera", "one camera that moves on through all of its shots"),
        Row("defaults", DEFAULTS, "defaults", "settings for its shots, on top of the film's"),
        Row("shots", Shots(SHOT, within_act=True), "shots", "its shots", required=True),
    )
)


@dataclass(frozen=True)
class Version:
    """The version of the storyboard language; there is only version 1."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> int:
        """1; raises Mistake."""
        if not isinstance(node, Scalar) or node.text != "1":
            said = quoted(node.text) if isinstance(node, Scalar) else "as a list or mapping"
            raise Mistake(node, f"version {said} is not one that this Render reads. Write 1")
        return 1

    def schema(self) -> dict[str, Any]:
        """The constant 1."""
        return {"const": 1}


STORYBOARD = Table(
    (
        Row("version", Version(), "version", "'version: 1'", required=True),
        Row("size", FrameSize(), "size", "width and height in pixels"),
        Row("fps", FrameRate(GREATEST_RATE, GREATEST_RATE_TERM), "fps", "frames per second"),
        Row("bpm", Number(1, 1000, exact=True), "bpm", "beats per minute, for times such as 8b"),
        Row(
            "first_beat",
            Time(Fraction(-3600), Fraction(3600)),
            "first_beat",
            "when beat 0 is, for `at` in beats and the variable beat",
        ),
        Row(
            "seed",
            Number(0, 2**63 - 1, whole=True, example="such as 7: the same seed, the same film"),
            "seed",
            "another number, another film",
        ),
        Row("models", MODELS, "", "which networks make the film; `render models` lists them"),
        Row("output", OUTPUT, "", "how the film is written"),
        Row("loop", Loop(), "loop", "true or a time: the end goes over into the beginning"),
        Row("audio", AUDIO, "audio", "a sound file that plays under the film", nullable=True),
        Row(
            "style",
            Style(),
            "style",
            "added to every text prompt; with weights or a |, prompts beside those of every shot",
            nullable=True,
        ),
        Row("exclude", Prompts(away=True), "exclude", "what should not be seen", nullable=True),
        Row("defaults", DEFAULTS, "defaults", "settings for every shot that does not set them"),
        Row("shots", Shots(SHOT), "shots", "a list of shots", required=True),
    )
)


def key_places() -> dict[str, str]:
    """Each key with the place where it belongs, for the sentence about a misplaced key."""
    places = {row.key: "the top level" for row in STORYBOARD.rows}
    for row in SHOT.rows:
        places.setdefault(row.key, "a shot")
    for row in DEFAULTS.rows:
        places[row.key] = f"'defaults' or {places[row.key]}"
    places["generator"] = "'models' at the top level, or in a shot"
    places["models"] = "the top level; a shot has 'generator'"
    for row in (*STORYBOARD.rows, *SHOT.rows):
        if isinstance(row.kind, Table) and row.kind is not DEFAULTS:
            for inner in row.kind.rows:
                places.setdefault(inner.key, f"'{row.key}'")
    return places
