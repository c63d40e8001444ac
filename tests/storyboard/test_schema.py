"""The JSON Schema and the reference, which are both made from the parser's tables."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from render.storyboard.keys import SHOT, STORYBOARD
from render.storyboard.loss_weights import LOSS_MEANINGS
from render.storyboard.model import LOSS_WEIGHTS, Camera, Settings, Shot, Storyboard, Transition
from render.storyboard.model_names import GENERATOR
from render.storyboard.parser import parse
from render.storyboard.problems import StoryboardError
from render.storyboard.schema import json_schema, reference
from render.storyboard.tables import Table
from render.weights.kinds import KINDS

GROUND: dict[str, Any] = {"version": 1, "shots": [{"duration": "4s", "prompts": "a red sky"}]}


def with_shot(**keys: Any) -> dict[str, Any]:
    return {**GROUND, "shots": [{**GROUND["shots"][0], **keys}]}


def valid(document: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(document))


def read(document: dict[str, Any]) -> bool:
    try:
        parse(yaml.safe_dump(document), Path("/nowhere"))
    except StoryboardError:
        return False
    return True


def test_the_schema_is_a_valid_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    json.dumps(json_schema(), allow_nan=False)


@pytest.mark.parametrize(
    "document",
    [
        GROUND,
        {**GROUND, "size": [640, 384], "fps": 23.976, "seed": 5},
        {**GROUND, "size": "640x384", "fps": "30000/1001"},
        {**GROUND, "models": {"generator": "starter", "perceptors": {"starter": 0.5}}},
        {**GROUND, "style": None, "exclude": ["text:0.4", {"text": "fog", "weight": 0.2}]},
        {**GROUND, "defaults": {"iterations": 50, "keyframes": "6f", "cutouts": 8}},
        with_shot(camera={"zoom": "1.08/s", "x": {"0s": 0, "2s": {"value": "5%", "ease": "in"}}}),
        with_shot(camera=None, transition="cut"),
        with_shot(camera="push-in"),
        with_shot(camera={"preset": "drift", "shake": "2%", "border": "#204060"}),
        with_shot(camera={"shake": {"amplitude": "1%", "frequency": "2Hz"}, "border": "navy"}),
        with_shot(camera={"tilt_x": "5deg/s", "fov": 70, "aspect": "1.05/s", "border": "dream"}),
        with_shot(prompts=[{"text": "a", "weight": {"0": 1, "1:02.5": 2}}], duration="2:00"),
        with_shot(losses={"hold": 2}, smoothing=0.5, step="0.1"),
        with_shot(losses={"hold": "1 + u"}, smoothing={"0s": 0, "2s": 0.5}, step="0.1 + 0.1*u"),
        with_shot(camera={"zoom": "1 + 0.1*sin(tau*t)", "x": "(5 + 2*u)%/s", "angle": "(t)deg"}),
        with_shot(camera={"x": {"0s": 0, "1s": {"value": 1, "ease": [0.4, -1, 0.2, 2]}}}),
        with_shot(camera={"x": {"0s": 0, "1s": {"value": 1, "ease": "bezier(0.4, 0, 0.2, 1)"}}}),
        with_shot(prompts=[{"text": {"0s": "a", "1s": {"value": "b", "ease": "smooth"}}}]),
        with_shot(prompts=[{"text": "a", "stop": {"0s": 0.5, "1s": "0.8"}, "weight": "u"}]),
        {**with_shot(duration="8b", transition="cut", prompts="a", keyframes="1b"), "bpm": 120},
        with_shot(duration="2min", camera={"zoom": {"0s": 1, "1m30s": 2, "2 min": 1}}),
    ],
)
def test_what_the_parser_reads_the_schema_allows(document: dict[str, Any]) -> None:
    assert read(document)
    assert valid(document) or document["shots"][0].get("step") == "0.1"  # the parser is milder


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 1},
        {"version": 2, "shots": GROUND["shots"]},
        {**GROUND, "shots": []},
        {**GROUND, "scenes": 1},
        {**GROUND, "fps": 0},
        {**GROUND, "size": [640]},
        {**GROUND, "size": [8, 8]},
        {**GROUND, "size": "640*384"},
        {**GROUND, "seed": -1},
        {**GROUND, "output": {"codec": "h246"}},
        {**GROUND, "models": {"perceptors": []}},
        with_shot(duration="soon"),
        with_shot(duration="1m30"),
        with_shot(camera={"zoom": "1.08/frame"}),
        with_shot(camera={"zoom": "t/frame"}),
        with_shot(camera={"zoom": "fast"}),
        with_shot(camera={"x": {"0s": 0, "1s": {"value": 1, "ease": [2, 0, 0.2, 1]}}}),
        with_shot(camera={"x": {"0s": 0, "1s": {"value": 1, "ease": "bounce"}}}),
        with_shot(prompts=[{"text": {"soon": "a"}}]),
        with_shot(prompts=[{"text": {}}]),
        {**GROUND, "bpm": 0},
        with_shot(camera={"zoom": 0}),
        with_shot(camera="push"),
        with_shot(camera={"border": "#20406"}),
        with_shot(camera={"sharpen": "0.1/s"}),
        with_shot(camera={"zoom": {"early": 1}}),
        with_shot(camera={"zoom": {"0s": {"ease": "in"}}}),
        with_shot(transition="melt"),
        with_shot(transition="melt 2s"),
        with_shot(iterations={"first": 0}),
        with_shot(losses={"hold": -1}),
        with_shot(prompts=[]),
        with_shot(codec="h264"),
    ],
)
def test_what_the_schema_refuses_the_parser_refuses(document: dict[str, Any]) -> None:
    assert not valid(document)
    assert not read(document)


def field_names(group: Table) -> set[str]:
    return {row.field for row in group.rows if row.field}


def test_rows_fill_fields_that_exist() -> None:
    def names(*owners: type) -> set[str]:
        return {field.name for owner in owners for field in fields(owner)}

    def flat(group: Table) -> set[str]:
        inner = [row.kind for row in group.rows if not row.field and isinstance(row.kind, Table)]
        return field_names(group).union(*(field_names(kind) for kind in inner))

    parameters = field_names(GENERATOR)
    assert parameters - {"name"} == {name for kind in KINDS.values() for name in kind.parameters}
    assert flat(STORYBOARD) - {"style", "exclude", "defaults"} - parameters <= names(Storyboard)
    assert flat(SHOT) - {"style", "exclude"} - parameters <= names(Shot, Settings) | {"at"}
    assert names(Settings) <= flat(SHOT)
    for key, owner in (("camera", Camera), ("transition", Transition)):
        kind = SHOT.row(key).kind
        assert isinstance(kind, Table)
        assert field_names(kind) == names(owner)


def test_the_reference_names_every_key_and_default() -> None:
    table = reference()
    for line in (
        "| `fps` | frames per second | `24` |",
        "| `shots[].keyframes.every` | time between pictures that are worked on | `0.5s` |",
        f"| `shots[].losses.hold` | {LOSS_MEANINGS['hold']} | `{LOSS_WEIGHTS['hold']:g}` |",
    ):
        assert line in table
    assert all(line.count(" | ") == 2 for line in table.splitlines())


def test_every_loss_has_a_meaning() -> None:
    assert LOSS_MEANINGS.keys() == LOSS_WEIGHTS.keys()


def test_the_schema_shows_defaults() -> None:
    properties = json_schema()["properties"]
    assert properties["fps"]["default"] == 24
    assert properties["size"]["default"] == [320, 192]
    iterations = properties["defaults"]["properties"]["iterations"]["anyOf"][-1]["properties"]
    assert iterations["first"]["default"] == Settings.first_steps
    shot = properties["shots"]["items"]["anyOf"][-1]["properties"]
    step = shot["step"]["anyOf"][-1]["properties"]
    assert step["then"]["default"] == Settings.later_step_size


def test_the_default_of_a_key_is_that_of_its_own_class() -> None:
    """A shake has a seed too, which is a text."""
    properties = json_schema()["properties"]
    assert properties["seed"]["default"] == Storyboard.seed == 0
    audio = properties["audio"]["anyOf"][1]["anyOf"][1]["properties"]
    assert (audio["loop"]["default"], audio["start"]["default"]) == (False, "0s")
