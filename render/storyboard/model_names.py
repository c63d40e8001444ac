"""The models as a storyboard writes them: a generator with its parameters, and perceptors with
weights.

The user's own models come and go with their files, so the names that are allowed stand in the
context of a film and not in the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from render.storyboard.context import ShotContext
from render.storyboard.reader import AlreadyReported, Reader
from render.storyboard.tables import Row, Table, read_entries, short_for
from render.storyboard.values import Choice, Colour, Number
from render.storyboard.yaml_nodes import Mapping, Mistake, Node, Scalar, Sequence
from render.weights.catalog import GeneratorChoice, Model, Usual
from render.weights.kinds import BASES, KINDS, STROKE_LIMIT, WIDTH_LIMITS, kind_of
from render.weights.library import known_models
from render.weights.selection import leading


@dataclass(frozen=True)
class ModelName:
    """The name of a model of that role."""

    role: str

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> str:
        """The name; raises Mistake with the nearest one, or with where this one belongs."""
        own = context.film.models[self.role]
        for role, place in (("generator", "generator"), ("perceptor", "perceptors")):
            others = context.film.models[role]
            if isinstance(node, Scalar) and node.text in others and node.text not in own:
                raise Mistake(node, f"{node.text} is a {role}. Write it at '{place}'")
        return Choice(tuple(own)).read(node, key, context, reader)

    def schema(self) -> dict[str, Any]:
        """An enumeration of the models there are now."""
        return Choice(tuple(known_models(self.role))).schema()


@dataclass(frozen=True)
class GeneratorTable(Table):
    """A generator's name, or a mapping of its name and its parameters."""

    def replaces(self, own: Node) -> bool:
        """Whether it names a generator: the parameters of another one are not its own."""
        long = self.long(own)
        return isinstance(long, Mapping) and long.get("name") is not None

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> dict[str, Any]:
        """The choice as the field `generator`; raises Mistake, or AlreadyReported for a wrong part
        of it."""
        entries = self.entries(node, key, context.film, reader)
        given = read_entries(entries, context, reader)
        name = given.pop("name", None)
        if name is None or len(given) + 1 < len(entries):
            raise AlreadyReported
        model = context.film.models["generator"][name]
        for entry in entries:
            if entry.row.field not in ("name", *kind_of(model).parameters):
                owner = next(k for k, kind in KINDS.items() if entry.row.field in kind.parameters)
                message = f"{name} has no {entry.row.key}. It belongs to the generator {owner}"
                raise Mistake(entry.value, message)
        # What is as usual is not told apart from what is not written.
        own = {key: value for key, value in given.items() if model.config[key] != value}
        return {"generator": GeneratorChoice(name, tuple(sorted(own.items())))}


GENERATOR = GeneratorTable(
    (
        Row("name", ModelName("generator"), "name", "which one; or only this", required=True),
        Row("count", Number(1, STROKE_LIMIT, whole=True), "count", "of strokes: how many"),
        Row(
            "width",
            Number(*WIDTH_LIMITS),
            "width",
            "of strokes: how wide they begin at most, as a part of the picture's height",
        ),
        Row("paper", Colour(), "paper", "of strokes: the colour behind them"),
        Row(
            "basis",
            Choice(BASES),
            "basis",
            "of pixels: what a step moves, waves (spectrum) or squares of every size (pyramid)",
        ),
    ),
    short=short_for("name"),
    shorthand=ModelName("generator").schema(),
)
GENERATOR_HELP = "draws the pictures: a network, or pixels, strokes or color, which need no file"


@dataclass(frozen=True)
class WeightedModelNames:
    """One name, a list of names, or names with their weights; to (name, weight) pairs."""

    role: str
    weight: Number

    def read(
        self, node: Node, key: str, context: ShotContext, reader: Reader
    ) -> tuple[tuple[str, float], ...]:
        """The pairs in the order written; raises Mistake, or AlreadyReported for a wrong one."""
        pairs = _pairs(node)
        if not pairs:
            known = ", ".join(context.film.models[self.role])
            raise Mistake(node, f"{key} is empty. Name at least one of {known}")
        found: dict[str, float | None] = {}
        for name_node, weight_node in pairs:
            name = reader.attempt(ModelName(self.role), name_node, key, context)
            weight = 1.0
            if weight_node is not None:
                weight = reader.attempt(self.weight, weight_node, f"{key}: the weight", context)
            if name in found:
                reader.problem(name_node, f"{key} names {name} twice. Keep one of them")
            elif name is not None:
                found[name] = weight
        weighted = tuple((name, weight) for name, weight in found.items() if weight is not None)
        if not weighted or len(weighted) < len(found):
            raise AlreadyReported
        return weighted

    def schema(self) -> dict[str, Any]:
        """A name, an array of names, or an object of weights."""
        name = ModelName(self.role).schema()
        weights = dict.fromkeys(name["enum"], self.weight.schema())
        return {
            "anyOf": [
                name,
                {"type": "array", "items": name, "minItems": 1, "uniqueItems": True},
                {
                    "type": "object",
                    "properties": weights,
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            ]
        }


def _pairs(node: Node) -> list[tuple[Node, Node | None]]:
    """The nodes of names, each with the node of its weight if there is one."""
    if isinstance(node, Mapping):
        return list(node.entries)
    if isinstance(node, Sequence):
        return [(item, None) for item in node.items]
    return [(node, None)]


def usual_with(
    perceptors: tuple[tuple[str, float], ...], models: dict[str, dict[str, Model]]
) -> Usual | None:
    """The settings that come with the leading perceptor of a film; None for the program's own."""
    row = models["perceptor"].get(leading(perceptors))
    return row.usual if row else None


MODELS = Table(
    (
        Row("generator", GENERATOR, "", GENERATOR_HELP + "; starter if nothing is said"),
        Row(
            "perceptors",
            WeightedModelNames("perceptor", Number(0.001, 1000)),
            "perceptors",
            "compare them with the prompts: a name, a list, or {name: weight}",
        ),
    )
)
