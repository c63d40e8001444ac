"""The context in which a value is read: its film and its shot."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from render.curves.formula import Clock
from render.storyboard.model import Prompt, Storyboard
from render.storyboard.yaml_nodes import Node
from render.weights.catalog import STARTER, GeneratorChoice, Model
from render.weights.kinds import with_parameters


@dataclass(frozen=True)
class FilmContext:
    """The film: what its own values and those of all its shots are read with."""

    folder: Path = Path()  # file names are relative to it
    root: Path = Path()  # the storyboard's own folder; that of an include is another
    allow_outside: bool = False  # whether files may be named that are elsewhere
    files: tuple[Path, ...] = ()  # the storyboard's own file, which no include may name
    models: dict[str, dict[str, Model]] = field(default_factory=dict)  # by role, then by name
    places: dict[str, str] = field(default_factory=dict)  # each key's group, for misplaced keys
    fps: Fraction = Storyboard.fps  # for times in frames
    bpm: Fraction | None = Storyboard.bpm  # for times in beats
    first_beat: Fraction = Storyboard.first_beat  # seconds, of beat 0
    generator: GeneratorChoice = STARTER  # which latents must be of
    usual: dict[str, Any] = field(default_factory=dict)  # settings that come with its perceptor
    holding: float = 1.0  # the factor of unwritten losses of HOLDING, likewise
    size: tuple[int, int] | None = None  # for the shape of masks; None while it is not known
    seed: int = Storyboard.seed
    sound_end: Fraction | None = None  # when the film's sound ends, for a last shot without an end
    loop: Fraction = Storyboard.loop
    loop_node: Node | None = None  # where `loop` is written
    defaults: Node | None = None  # settings of every shot that does not set them
    overrides: tuple[Any, ...] = ()  # `overrides.Override`s of all shots and of some
    style: str | tuple[Prompt, ...] | None = None  # of every shot that has no own style
    exclude: Node | None = None  # for every shot that has no own `exclude`

    @property
    def generator_model(self) -> Model:
        """The generator with its parameters."""
        model = self.models["generator"][self.generator.name]
        return with_parameters(model, self.generator.parameters)


@dataclass(frozen=True)
class ShotContext:
    """The shot, and the film that it belongs to.

    For a value that belongs to the film and to no shot everything but `film` has its default.
    """

    film: FilmContext
    name: str = ""
    is_first: bool = False
    start: Fraction = Fraction(0)  # seconds from the beginning of the film
    duration: Fraction | None = None  # seconds; None while it is not known, or not usable
    clock: Clock | None = None  # for formulas; None without a duration
    begins_with_image: bool = False  # then even a camera that never moves changes the picture
