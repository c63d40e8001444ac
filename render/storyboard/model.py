"""The storyboard as dataclasses: what was written, with every default of the language.

A shot's seeds come from the storyboard's seed, the shot's name and the time within the shot.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from render.curves.curve import Curve, constant
from render.media.sound import Audio
from render.storyboard.problems import Problem
from render.weights.catalog import STARTER, GeneratorChoice

REST, SAME = constant(0.0), constant(1.0)  # neutral values of what is added and multiplied
TWICE = constant(2.0)  # per second
FOV = constant(60.0)  # degrees, the default of PyTTI
BORDERS = ("mirror", "wrap", "smear", "black", "dream")


@dataclass(frozen=True)
class Shake:
    """The movement of a hand-held camera.

    The camera moves by at most `amplitude` of the picture's height and changes direction
    `frequency` times a second. `seed` is the storyboard's seed and the shot's name.
    """

    amplitude: Curve = REST
    frequency: Curve = TWICE
    seed: str = ""


@dataclass(frozen=True)
class Camera:
    """The camera's pose over the time of a shot, each part as a curve of poses or of rates.

    zoom > 1 is closer. x and y are in frame widths and heights, positive values move the camera
    right and down: a pose is a place in the scene as it is seen at zoom 1, a rate is a speed across
    the picture as it is seen. angle is in degrees, positive values turn the picture
    counter-clockwise. zoom and angle act about the centre, in frame widths and heights from the
    middle; a centre that moves does not move the picture by itself.

    The other parts say how the plane of the scene is seen; a rate has the effect of the pose that
    it adds up to. aspect > 1 stretches the picture horizontally. shear_x leans it to the right and
    shear_y lifts its right side, as shares of its height or width. tilt_x and tilt_y, in degrees,
    turn its upper or its right side away from an eye that sees `fov` degrees from the upper edge to
    the lower.

    `border` is what appears beyond the picture: one of BORDERS, or a colour as '#rrggbb'.
    `sharpen` is how much of its finest detail a keyframe gets back after it was warped.
    """

    zoom: Curve = SAME
    x: Curve = REST
    y: Curve = REST
    angle: Curve = REST
    centre_x: Curve = REST
    centre_y: Curve = REST
    aspect: Curve = SAME
    shear_x: Curve = REST
    shear_y: Curve = REST
    tilt_x: Curve = REST
    tilt_y: Curve = REST
    fov: Curve = FOV
    shake: Shake = Shake()
    border: str = "mirror"
    sharpen: Curve = REST


# Left, top, right and bottom, as shares of the frame.
BOXES: dict[str, tuple[float, float, float, float]] = {
    "top": (0, 0, 1, 1 / 2),
    "bottom": (0, 1 / 2, 1, 1),
    "left": (0, 0, 1 / 2, 1),
    "right": (1 / 2, 0, 1, 1),
    "top-third": (0, 0, 1, 1 / 3),
    "middle-third": (0, 1 / 3, 1, 2 / 3),
    "bottom-third": (0, 2 / 3, 1, 1),
    "left-third": (0, 0, 1 / 3, 1),
    "centre-third": (1 / 3, 0, 2 / 3, 1),
    "right-third": (2 / 3, 0, 1, 1),
}
# Regions that fade from 1 at one edge to 0 at the opposite one: the (across, down) direction of
# the edge where they are 1.
FADES: dict[str, tuple[int, int]] = {
    "from-top": (0, -1),
    "from-bottom": (0, 1),
    "from-left": (-1, 0),
    "from-right": (1, 0),
}
NAMES = (*BOXES, *FADES)


@dataclass(frozen=True)
class Region:
    """A part of the picture."""

    name: str | Path  # one of NAMES, or an image that is bright where the prompt applies
    moves: bool = False  # with the camera, from its place at the beginning of the shot

    @property
    def picture(self) -> Path | None:
        """The image of the region; None if the region is one of NAMES."""
        return self.name if isinstance(self.name, Path) else None


FULL_SHARE = constant(1.0)


@dataclass(frozen=True)
class Prompt:
    """A text, an image or a latent to approach (weight > 0) or to move away from (weight < 0)."""

    text: str | None
    image: Path | None
    weight: Curve
    stop: Curve | None = None  # the distance at which it stops pulling; None is never
    share: Curve = FULL_SHARE  # of the weight, where texts cross over into one another
    where: Region | None = None  # the part of the picture that it applies to; None is all of it
    latent: Path | None = None  # a latent to approach cell by cell, instead of a text or an image

    @property
    def still(self) -> bool:
        """Whether weight, share and stop are the same at all times."""
        curves = [self.weight, self.share, *([self.stop] if self.stop else [])]
        spans = (curve.extremes() for curve in curves)
        return all(high - low < 1e-9 for low, high in spans)


OVERLAPPING = ("dissolve", "morph")  # in which the shot before goes on beyond its end
TRANSITIONS = ("cut", "continue", *OVERLAPPING)


@dataclass(frozen=True)
class Transition:
    """How a shot begins.

    "cut" starts anew. "continue" goes on from the last picture of the shot before while the prompts
    cross over. "dissolve" and "morph" start anew too, while the shot before goes on beyond its end
    and becomes this one, in pictures or through latent space. Each takes the first `duration`
    seconds of the shot, so the film is as long as with cuts.
    """

    kind: str = "cut"
    duration: Fraction = Fraction(0)
    ease: str = "in-out"


# The losses that a picture is optimised for, and the weight of each if the storyboard sets none.
LOSS_WEIGHTS: dict[str, float] = {
    "prompts": 1.0,
    "smoothness": 0.1,
    "commitment": 0.1,
    "decay": 0.0,
    "hold": 0.5,
    "latent": 0.0,
    "likeness": 0.0,
    "edges": 0.0,
    "colours": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "sharpness": 0.3,
}
# Weights that replace those above in a shot that starts anew and either names a palette, or keeps
# its prompts and has no init: a drift of its colours is not intended. In other shots colours may
# change, as when day becomes night.
STEADY = {"colours": 80.0, "brightness": 80.0}
OF_PARENT = ("hold", "latent", "likeness", "edges")  # losses that compare with the keyframe before
OF_PALETTE = ("colours", "brightness", "contrast")  # losses that compare with the palette
HOLDING = (*OF_PARENT, *OF_PALETTE, "sharpness")  # losses that hold a film together

BETWEEN = ("auto", "latent", "picture")
PADDINGS = ("mirror", "black")
OPTIMIZERS = ("adam", "adamw")


@dataclass(frozen=True)
class Settings:
    """How a shot's keyframes are made. The defaults here are the program's defaults.

    Settings that change over the shot have their value at its beginning here.
    """

    first_steps: int = 100  # optimisation steps of a keyframe that starts a chain
    later_steps: int = 8  # optimisation steps of every later keyframe
    # Of a later keyframe with other prompts than the one before it; None is four times as many.
    changing_steps: int | None = None
    every: Fraction = Fraction(1, 2)  # seconds between keyframes
    between: str = "auto"  # how frames between keyframes are made: one of BETWEEN
    first_step_size: float = 0.8  # of a keyframe that starts a chain
    later_step_size: float = 0.2  # of every later keyframe, where large steps would flicker
    changing_step_size: float | None = None  # where prompts change; None is four times as far
    cutouts: int = 16  # per step
    cutout_size: tuple[float, float] = (0.4, 1.0)  # smallest and largest, of the shorter side
    noise: float = 0.06  # the largest standard deviation of the cutouts' grain
    distortion: float = 1.0  # the factor of how far cutouts are turned, sheared, tilted and tinted
    smoothing: float = 0.9  # decay of the running average of the latent
    padding: str = "mirror"  # what cutouts see beyond the picture's edges: one of PADDINGS
    optimizer: str = "adam"  # one of OPTIMIZERS
    weight_decay: float = 0.1  # of adamw: the share of a latent that a step of size 1 takes away
    losses: tuple[tuple[str, float], ...] = tuple(LOSS_WEIGHTS.items())  # (name, weight)
    palette: Path | None = None  # None is the shot's first keyframe

    @property
    def decay(self) -> float:
        """The weight decay of the optimiser; 0 for adam, which has none."""
        return self.weight_decay if self.optimizer == "adamw" else 0.0

    @property
    def keeps_palette(self) -> bool:
        """Whether any loss compares with the palette."""
        return any(weight for name, weight in self.losses if name in OF_PALETTE)

    @property
    def keeps_to_first(self) -> bool:
        """Whether any loss compares with the shot's first keyframe."""
        return bool(dict(self.losses).get("sharpness")) or (
            self.keeps_palette and self.palette is None
        )


@dataclass(frozen=True)
class Shot:
    """One shot.

    Its prompts include the style (in their texts) and what is excluded (with negative weights).
    """

    name: str
    duration: Fraction  # seconds
    prompts: tuple[Prompt, ...]
    camera: Camera = field(default_factory=Camera)
    transition: Transition = Transition()
    init: Path | None = None  # a picture, or a latent
    generator: GeneratorChoice = STARTER
    settings: Settings = Settings()
    act: str = ""  # the group of shots that it is in
    moving: tuple[tuple[str, Curve], ...] = ()  # settings and loss weights that change, by name

    def settings_at(self, time: Fraction) -> Settings:
        """The settings of a keyframe at `time`, in seconds into the shot."""
        now = {name: round(curve.at(time), 12) for name, curve in self.moving}
        losses = tuple((name, now.pop(name, weight)) for name, weight in self.settings.losses)
        return replace(self.settings, losses=losses, **now)  # type: ignore[arg-type]


# The embedded perceptors: one for colour, light and style, and one for things.
STARTERS = (("starter", 1.0), ("starter-objects", 1.0))


@dataclass(frozen=True)
class Storyboard:
    """A film as written: everything that decides it except the algorithm."""

    version: int
    shots: tuple[Shot, ...]
    size: tuple[int, int] = (320, 192)  # (width, height) in pixels
    fps: Fraction = Fraction(24)
    bpm: Fraction | None = None  # beats per minute
    first_beat: Fraction = Fraction(0)  # seconds, when beat 0 is
    seed: int = 0
    generator: GeneratorChoice = STARTER  # of the shots that name none
    perceptors: tuple[tuple[str, float], ...] = STARTERS  # (name, weight)
    codec: str = "auto"
    quality: int = 17  # constant rate factor: less is better
    audio: Audio | None = None
    loop: Fraction = Fraction(0)  # seconds in which the end turns into the beginning; 0 is no loop
    source: Path | None = None
    text: str = ""  # the YAML as written
    included: tuple[tuple[str, str], ...] = ()  # names and texts of the files with more shots
    settings: tuple[str, ...] = ()  # options of the command line that count more than the text
    draft: bool = False  # smaller and with fewer steps than written
    warnings: tuple[Problem, ...] = ()  # what can be rendered but looks unintended

    @property
    def generators(self) -> tuple[GeneratorChoice, ...]:
        """The generators of its shots, each once."""
        return tuple(dict.fromkeys(shot.generator for shot in self.shots))

    @property
    def duration(self) -> Fraction:
        """The length of the film in seconds."""
        return sum((shot.duration for shot in self.shots), Fraction(0))
