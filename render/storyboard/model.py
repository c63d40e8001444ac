"""The storyboard as dataclasses: what was written, with every default of the language."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from render.curves.curve import Curve, constant
from render.media.sound import Audio
from render.storyboard.problems import Problem

BORDERS = ("mirror", "wrap", "smear", "black", "dream")

REST, SAME = constant(0.0), constant(1.0)  # what adds nothing, and what multiplies by 1
TWICE = constant(2.0)  # a second
FOV = constant(60.0)  # degrees, as PyTTI has it


@dataclass(frozen=True)
class Shake:
    """A camera held by hand. It moves by no more than `amplitude` of the picture's height, and
    changes its mind `frequency` times a second; `seed` is the storyboard's and the shot's name."""

    amplitude: Curve = REST
    frequency: Curve = TWICE
    seed: str = ""


@dataclass(frozen=True)
class Camera:
    """The pose over the shot's time. zoom > 1 is closer; x, y in frame widths and heights,
    positive moves the camera right and down: a pose is a place in the scene as zoom 1 shows it, a
    rate is a speed across the picture as it is seen; angle in degrees, positive turns the picture
    counter-clockwise. Zoom and angle are about the centre, in frame widths and heights from the
    middle; one that wanders moves nothing by itself.

    The rest is how the scene's plane is seen, and what a rate adds up to is the same as that pose.
    aspect > 1 stretches to the sides; shear_x leans the picture to the right, shear_y lifts its
    right side, as parts of the height or width; tilt_x and tilt_y in degrees turn its upper or its
    right side away from an eye that sees `fov` degrees from the upper edge to the lower.

    `border` says what comes in from outside the picture: one of BORDERS, or '#rrggbb'; `sharpen`
    how much of its finest detail a keyframe gets back after it was moved."""

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


BETWEEN = ("auto", "latent", "picture")
# What a picture is judged by, and how much each counts where the storyboard says nothing.
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
# What else counts in a shot that begins anew and names a palette, or keeps its prompts and begins
# with no picture: there a drift of colour is nobody's wish. Elsewhere a day may become night.
STEADY = {"colours": 80.0, "brightness": 80.0}
# Those that compare a picture with the keyframe before, and those that do with the palette.
OF_PARENT = ("hold", "latent", "likeness", "edges")
OF_PALETTE = ("colours", "brightness", "contrast")


FULL_SHARE = constant(1.0)


@dataclass(frozen=True)
class Prompt:
    """A text or an image to climb towards (weight > 0) or away from (weight < 0)."""

    text: str | None
    image: Path | None
    weight: Curve
    stop: Curve | None = None  # the distance at which it stops pulling; None is never
    share: Curve = FULL_SHARE  # of the weight, where texts cross over into one another
    where: Region | None = None  # the part of the picture that is meant; None is all of it
    latent: Path | None = None  # what to become, cell by cell, instead of a text or an image

    @property
    def still(self) -> bool:
        """Whether it asks for the same all the time."""
        curves = [self.weight, self.share, *([self.stop] if self.stop else [])]
        spans = (curve.extremes() for curve in curves)
        return all(high - low < 1e-9 for low, high in spans)


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
# All of it at that edge, less and less of it towards the other: (across, down), where it is all.
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

    name: str | Path  # one of NAMES, or a picture that is light where the prompt is meant
    moves: bool = False  # with the camera, from where it is when the shot begins

    @property
    def picture(self) -> Path | None:
        return self.name if isinstance(self.name, Path) else None


@dataclass(frozen=True)
class Transition:
    """How a shot begins: "cut" starts anew, "continue" goes on from the last picture while the
    prompts cross over. "dissolve" and "morph" start anew too, and the shot before, which goes on
    beyond its end, becomes this one in pictures or through latent space. Whichever, it takes the
    first `duration` seconds of this shot, and the film is as long as with cuts."""

    kind: str = "cut"
    duration: Fraction = Fraction(0)
    ease: str = "in-out"


@dataclass(frozen=True)
class Settings:
    """How a shot's keyframes are made. The defaults here are the program's defaults.

    Those that move over a shot are here as they are at its beginning.
    """

    first: int = 100  # optimisation steps of a keyframe that starts a chain
    then: int = 15  # optimisation steps of every later keyframe
    every: Fraction = Fraction(1, 2)  # seconds between keyframes
    between: str = "auto"  # frames between keyframes: one of BETWEEN
    first_step: float = 0.8  # how far a step goes, where a chain starts
    then_step: float = 0.2  # and at every later keyframe, where far steps would flicker
    cutouts: int = 16  # views of the picture per step
    cutout_size: tuple[float, float] = (0.4, 1.0)  # of the shorter side
    smoothing: float = 0.9  # decay of the running average of the latent
    losses: tuple[tuple[str, float], ...] = tuple(
        LOSS_WEIGHTS.items()
    )  # weights; a shot's also STEADY
    palette: Path | None = None  # None is the shot's first keyframe

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
    """One shot. Its prompts already carry style (in the text) and exclude (negative weights)."""

    name: str
    duration: Fraction
    prompts: tuple[Prompt, ...]
    camera: Camera = field(default_factory=Camera)
    transition: Transition = Transition()
    init: Path | None = None
    settings: Settings = Settings()
    moving: tuple[tuple[str, Curve], ...] = ()  # settings, and losses' weights, by name

    def settings_at(self, time: Fraction) -> Settings:
        """The settings of a keyframe at `time`, seconds into the shot."""
        now = {name: round(curve.at(time), 12) for name, curve in self.moving}
        losses = tuple((name, now.pop(name, weight)) for name, weight in self.settings.losses)
        return replace(self.settings, losses=losses, **now)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Storyboard:
    """A film as written: everything that decides it but the algorithm."""

    version: int
    shots: tuple[Shot, ...]
    size: tuple[int, int] = (320, 192)  # (width, height) in pixels
    fps: Fraction = Fraction(24)
    bpm: Fraction | None = None  # beats per minute
    seed: int = 0
    generator: str = "starter"
    perceptors: tuple[tuple[str, float], ...] = (("starter", 1.0),)  # (name, weight)
    codec: str = "h264"
    quality: int = 17  # constant rate factor: less is better
    audio: Audio | None = None
    loop: Fraction = Fraction(0)  # seconds in which the end goes over into the beginning, or 0
    source: Path | None = None
    text: str = ""  # the YAML as written
    draft: bool = False  # made smaller and with fewer steps than written
    warnings: tuple[Problem, ...] = ()  # what looks unintended but can be rendered

    @property
    def duration(self) -> Fraction:
        """Seconds."""
        return sum((shot.duration for shot in self.shots), Fraction(0))


TRANSITIONS = ("cut", "continue", "dissolve", "morph")
OVERLAPPING = ("dissolve", "morph")  # in which the shot before goes on beyond its end
