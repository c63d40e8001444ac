"""Reading a storyboard: what a reader knows and finds wrong, and what every kind of value needs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from render.curves.formula import Clock
from render.storyboard.problems import Problem
from render.storyboard.yaml_nodes import Mistake, Node, Scalar, Sequence
from render.text import is_printable, quoted

# What other programs call our keys, so that an unknown key can name the right one.
FAMILIAR = {
    "scenes": "shots", "scene": "shots", "clips": "shots", "id": "name", "title": "name",
    "length": "duration", "seconds": "duration", "time": "duration", "frames": "duration",
    "prompt": "prompts", "text_prompts": "prompts", "scene_prefix": "style", "extras": "style",
    "suffix": "style", "scene_suffix": "style", "negative": "exclude", "init_image": "init",
    "negative_prompt": "exclude", "negative_prompts": "exclude", "rotate": "angle",
    "rotation": "angle", "rotation_z": "angle", "pan": "x", "translation_x": "x",
    "translation_y": "y", "scale": "zoom", "steps": "iterations", "steps_per_frame": "iterations",
    "cutn": "cutouts", "cut_size": "size", "lr": "step", "learning_rate": "step",
    "step_size": "step", "ema": "smoothing", "framerate": "fps", "frame_rate": "fps",
    "frames_per_second": "fps", "width": "size", "height": "size", "resolution": "size",
    "model": "models", "vqgan": "generator", "vqgan_model": "generator", "clip": "perceptors",
    "clip_models": "perceptors", "perceptor": "perceptors", "crf": "quality", "easing": "ease",
    "interpolation": "ease", "mode": "kind", "type": "kind", "interpolation_steps": "transition",
    "weights": "losses", "loss": "losses", "infill_mode": "border", "border_mode": "border",
    "shear": "shear_x", "skew": "shear_x", "tilt": "tilt_x", "rotation_3d_x": "tilt_x",
    "rotation_3d_y": "tilt_y", "center_x": "centre_x", "center_y": "centre_y",
    "center": "centre_x", "centre": "centre_x", "stretch": "aspect", "perspective": "tilt_x",
    "jitter": "shake", "motion": "preset", "move": "preset", "colour": "border",
    "tempo": "bpm",
}  # fmt: skip


class AlreadyReported(Exception):
    """A value that cannot be used, after its mistakes were noted."""


@dataclass
class Reader:
    """What reading needs to know, and what it finds wrong."""

    folder: Path  # images are named from here
    fps: Fraction = Fraction(24)  # for times written in frames
    bpm: Fraction | None = None  # for times written in beats
    duration: Fraction | None = None  # of the shot being read, for its key times
    size: tuple[int, int] | None = None  # of the film in pixels, for the shape of masks
    generator: str = "starter"  # the film's, for latents
    shot: str = ""  # its name, for sentences
    start: Fraction = Fraction(0)  # of the shot being read, in the film
    clock: Clock | None = None  # of the shot being read, for formulas
    tied_to_fps: bool = False  # whether it has been told of
    seed: int = 0  # the storyboard's, for what a shot leaves to chance
    loop: Fraction = Fraction(0)  # for how long the film's end goes over into its beginning
    loop_node: Node | None = None  # which says so
    places: dict[str, str] = field(default_factory=dict)  # key to the group it belongs in
    problems: dict[Problem, None] = field(default_factory=dict)  # each once
    warnings: dict[Problem, None] = field(default_factory=dict)
    begins_with_image: bool = False  # then even a camera that never moves does something
    # What `pictures.look_at` found: the size of each, or what is wrong with it.
    pictures: dict[Path, tuple[int, int] | str] = field(default_factory=dict)

    def problem(self, node: Node, message: str) -> None:
        """Note a mistake and go on."""
        self.problems[Problem(node.line, node.column, message)] = None

    def warn(self, node: Node, message: str) -> None:
        """Note what can be rendered but looks unintended."""
        self.warnings[Problem(node.line, node.column, message)] = None

    def attempt(self, kind: Kind, node: Node, key: str) -> Any:
        """The value, or None after noting the mistake."""
        try:
            return kind.read(node, key, self)
        except Mistake as mistake:
            self.problems[mistake.problem] = None
        except AlreadyReported:
            pass
        return None


class Kind(Protocol):
    """A kind of value."""

    def read(self, node: Node, key: str, reader: Reader) -> Any:
        """The value of `key` as the dataclasses hold it; raises Mistake or Noted."""

    def schema(self) -> dict[str, Any]:
        """The same rule in JSON Schema, as far as that can say it."""


@dataclass(frozen=True)
class AnyNode:
    """A value left as its node, for whoever reads it next."""

    def read(self, node: Node, key: str, reader: Reader) -> Node:
        return node

    def schema(self) -> dict[str, Any]:
        return {}


def single_value(node: Node, key: str, wanted: str) -> Scalar:
    """The node if it is a single value; `wanted` says what to write instead."""
    if isinstance(node, Scalar):
        if node.null:
            raise Mistake(node, f"{key} has no value. Write {wanted}, or remove the line")
        return node
    what = "a list" if isinstance(node, Sequence) else "a mapping"
    raise Mistake(node, f"{key} holds {what}. Write {wanted}")


def named_file(
    node: Node, key: str, reader: Reader, what: str, wrong_with: Callable[[Path], str | None]
) -> Path:
    """A file by its name from the storyboard's folder; `wrong_with` says why it is of no use.

    It says so with the end of a sentence, or None where it finds nothing.
    """
    place = f"the path of {what}, from the storyboard's folder"
    name = single_value(node, key, place).text
    try:
        path = (reader.folder / name).resolve()
        # Also of what it links to: sentences and tables name the file that is read.
        if is_printable(name + path.name):
            wrong = wrong_with(path)
        else:
            wrong = "holds control characters. Rename the file"
    except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, links in a circle
        wrong = f"cannot be a file's name. Write {place}"
    if wrong:
        raise Mistake(node, f"{key} {quoted(name)} {wrong}")
    return path


def suggestion(word: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known word, or all of them; may be familiar elsewhere."""
    names = list(known)
    familiar = FAMILIAR.get(word.lower())
    if familiar in names:
        return f"Here it is called '{familiar}'"
    near = difflib.get_close_matches(word.lower(), names, 1, 0.6)
    every = f"There {'is' if len(names) == 1 else 'are'} {', '.join(names)}"
    return f"Did you mean '{near[0]}'? {every}" if near else every
