"""The models that a film names, looked up once and carried by its plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from render.weights.catalog import GeneratorChoice, Model
from render.weights.kinds import with_parameters
from render.weights.library import known_digest, models_by_role, require_weights, weights_path

T = TypeVar("T")


@dataclass(frozen=True)
class ChosenModel:
    """A row of the catalogue or of the user's own models, and the digest of its weights."""

    model: Model
    digest: str  # SHA-256; while the weights are absent, the published file's or a name
    weight: float = 1.0  # of a perceptor, beside the others


@dataclass(frozen=True)
class FilmModels:
    """The generators and the perceptors of one film."""

    generators: tuple[ChosenModel, ...]
    perceptors: tuple[ChosenModel, ...]

    @property
    def all(self) -> tuple[ChosenModel, ...]:
        """The generators, then the perceptors."""
        return (*self.generators, *self.perceptors)

    def absent(self) -> list[Model]:
        """The models whose weights are not on this machine."""
        return [
            chosen.model
            for chosen in self.all
            if chosen.model.has_weights and not weights_path(chosen.model)
        ]

    def require(self) -> None:
        """Raises ModelError, with the way to get them, unless all weights are on this machine."""
        for chosen in self.all:
            if chosen.model.has_weights:
                require_weights(chosen.model)


def leading(weighted: Iterable[tuple[T, float]]) -> T:
    """What has the greatest weight, the first of equal ones: of perceptors, the one whose usual
    settings a film has."""
    return max(weighted, key=lambda one: one[1])[0]


def choose_models(
    generators: Iterable[GeneratorChoice], perceptors: Iterable[tuple[str, float]]
) -> FilmModels:
    """The models of these names; `perceptors` are pairs of name and weight.

    Raises KeyError for an unknown name, and ModelError for weights that have changed since they
    were installed.
    """
    known = models_by_role()
    drawing = [with_parameters(known["generator"][one.name], one.parameters) for one in generators]
    rows = [(known["perceptor"][name], weight) for name, weight in perceptors]
    return FilmModels(
        tuple(ChosenModel(row, known_digest(row)) for row in drawing),
        tuple(ChosenModel(row, known_digest(row), weight) for row, weight in rows),
    )
