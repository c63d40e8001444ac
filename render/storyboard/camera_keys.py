"""The camera as a storyboard writes it: its keys, borders and presets, and checks of the whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from render.curves.curve import Curve
from render.storyboard.animated import AnimatedNumber
from render.storyboard.context import ShotContext
from render.storyboard.model import BORDERS, FOV, Camera, Shake
from render.storyboard.reader import Reader, single_value
from render.storyboard.suggestions import suggestion
from render.storyboard.tables import Row, Table, short_for
from render.storyboard.values import COLOUR, Choice, colour_schemas, read_colour
from render.storyboard.yaml_nodes import Mapping, Mistake, Node, Scalar

ZOOM_LIMIT = 1000  # from one keyframe to the next, as a factor; more leaves nothing of a picture
TILT_LIMIT = 80  # degrees; at 90 the plane is seen from its edge

# Named moves, as the keys of a camera. `render check --expand` shows the keys they stand for.
PRESETS: dict[str, dict[str, Any]] = {
    "push-in": {"zoom": "1.08/s"},
    "pull-out": {"zoom": "0.93/s"},
    "crash-zoom": {"zoom": "1 + 1.2*smoothstep(0, 0.5, t)"},
    "drift": {"x": "3%/s", "zoom": "1.02/s", "shake": {"amplitude": "1%", "frequency": "0.2Hz"}},
    "rise": {"y": "-8%/s"},
    "orbit": {"tilt_y": "-16*sin(tau*t/8)", "x": "5*sin(tau*t/8)", "zoom": "1.02/s"},
    "spiral": {"angle": "8deg/s", "zoom": "1.06/s"},
    "fly-over": {"tilt_x": "55deg", "y": "-25%/s"},
    "dutch": {"angle": "12*smoothstep(0, 1.5, t)"},
    "sway": {"x": "3*sin(tau*t/5)", "angle": "1.5*sin(tau*t/5 + 1)"},
    "handheld": {"shake": {"amplitude": "1.2%", "frequency": "1.5Hz"}},
}


@dataclass(frozen=True)
class Border:
    """What appears beyond the picture: one of BORDERS, or a colour."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> str:
        """The name, or the colour as '#rrggbb'; raises Mistake."""
        known = f"one of {', '.join(BORDERS)}"
        if isinstance(node, Scalar) and node.null and not node.text:
            message = f"{key} has no value. If a colour was meant: # begins a comment in YAML, so "
            raise Mistake(node, f"{message}put it in quotes, as '#204060'. Or write {known}")
        text = single_value(node, key, f"{known}, or {COLOUR}").text.strip()
        if text in BORDERS:
            return text
        return read_colour(node, key, text, f"{suggestion(text, BORDERS)}, or write {COLOUR}")

    def schema(self) -> dict[str, Any]:
        """A name, the name of a colour, or a colour as text."""
        return {"anyOf": [{"enum": list(BORDERS)}, *colour_schemas(without=BORDERS)]}


PRESET_NAME = Choice(tuple(PRESETS))


@dataclass(frozen=True)
class Preset:
    """The name of a preset, whose keys join those written beside it before any of them is read."""

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> dict[str, Any]:
        """No field of its own; raises Mistake for an unknown name."""
        PRESET_NAME.read(node, key, context, reader)
        return {}

    def schema(self) -> dict[str, Any]:
        """An enumeration of the presets."""
        return PRESET_NAME.schema()


AMPLITUDE = AnimatedNumber(0, 50, "%", 100)
SHAKE = Table(
    (
        Row("amplitude", AMPLITUDE, "amplitude", "how far at most, of the picture's height"),
        Row(
            "frequency",
            AnimatedNumber(0, 30, "Hz"),
            "frequency",
            "changes of direction in a second",
        ),
    ),
    short=short_for("amplitude"),
    shorthand=AMPLITUDE.schema(),
)

ZOOM = AnimatedNumber(0.01, 100, rate=(0.1, 10), growth=True, rest=1.0)
PAN = AnimatedNumber(-1000, 1000, "%", 100, rate=(-1000, 1000), rest=0.0, verb="moving")
CENTRE = AnimatedNumber(-500, 500, "%", 100, rate=(-500, 500))
SHEAR = AnimatedNumber(-300, 300, "%", 100, rate=(-300, 300), rest=0.0, verb="leaning")
TILT = AnimatedNumber(-TILT_LIMIT, TILT_LIMIT, "deg", rate=(-360, 360))

CAMERA = Table(
    (
        Row("preset", Preset(), "", "a whole move by its name; keys beside it replace its own"),
        Row(
            "zoom",
            replace(ZOOM, verb="moving", growing="comes 5% closer"),
            "zoom",
            "1.08/s comes 8% closer every second; without /s a pose, 2 is twice as close",
        ),
        Row(
            "x",
            PAN,
            "x",
            "5%/s moves right by 5% of what is seen every second, at any zoom; without /s a pose",
        ),
        Row(
            "y",
            PAN,
            "y",
            "5%/s moves down by 5% of what is seen every second, at any zoom; without /s a pose",
        ),
        Row(
            "angle",
            AnimatedNumber(-36_000, 36_000, "deg", rate=(-3600, 3600), rest=0.0, verb="turning"),
            "angle",
            "6deg/s turns the picture counter-clockwise; without /s a pose",
        ),
        Row(
            "centre_x",
            CENTRE,
            "centre_x",
            "about what the camera zooms and turns: 0 is the middle, 50% the right edge",
        ),
        Row("centre_y", CENTRE, "centre_y", "the same up and down: 50% is the lower edge"),
        Row(
            "aspect",
            replace(ZOOM, low=0.05, high=20, verb="stretching", growing="stretches it by 5%"),
            "aspect",
            "1.05/s stretches the picture to the sides by 5% every second; without /s a pose",
        ),
        Row(
            "shear_x",
            SHEAR,
            "shear_x",
            "10%/s leans the picture to the right, by a tenth of its height; without /s a pose",
        ),
        Row(
            "shear_y",
            SHEAR,
            "shear_y",
            "10%/s lifts its right side, by a tenth of its width; without /s a pose",
        ),
        Row(
            "tilt_x",
            TILT,
            "tilt_x",
            "60deg turns the upper side away, so that moves go over a floor; with /s ever further",
        ),
        Row("tilt_y", TILT, "tilt_y", "30deg turns the right side away; with /s ever further"),
        Row(
            "fov",
            AnimatedNumber(5, 150, "deg"),
            "fov",
            "degrees from the upper edge to the lower that a tilted picture is seen under",
        ),
        Row("shake", SHAKE, "shake", "a camera held by hand: 1%, or how far and how often"),
        Row(
            "border",
            Border(),
            "border",
            "what comes in from outside: a colour, or dream, which is painted anew, or a name",
        ),
        Row(
            "sharpen",
            AnimatedNumber(0, 2),
            "sharpen",
            "how much of its finest detail a keyframe gets back after it was moved: 0.05 is some",
        ),
    ),
    short=short_for("preset"),
    shorthand=PRESET_NAME.schema(),
    presets=PRESETS,
)


def camera_as_written(camera: Camera, fps: Fraction) -> dict[str, Any]:
    """The keys that a storyboard would write for a camera, presets and short forms expanded."""
    return _as_written(CAMERA, camera, Camera(), fps)


def _as_written(table: Table, owner: Any, usual: Any, fps: Fraction) -> dict[str, Any]:
    """The keys of those fields of `owner` that are not as in `usual`, which has the defaults."""
    keys: dict[str, Any] = {}
    for row in table.rows:
        if not row.field or (value := getattr(owner, row.field)) == getattr(usual, row.field):
            continue
        if isinstance(row.kind, Table):
            value = _as_written(row.kind, value, getattr(usual, row.field), fps)
        elif isinstance(row.kind, AnimatedNumber):
            value = row.kind.written(value, fps)
        keys[row.key] = value
    return keys


def shot_camera(given: dict[str, Any], context: ShotContext) -> Camera:
    """The camera of a shot; the seed of its shake differs in every shot and film."""
    own = {"seed": f"{context.film.seed}/{context.name}"}  # of an act's camera, the act's
    shake = Shake(**(own | (given.get("shake") or {})))
    return Camera(**{**given, "shake": shake if "shake" in given else Shake()})


def check_camera(
    camera: Camera, every: Fraction, node: Node, context: ShotContext, reader: Reader
) -> None:
    """Report what concerns several keys: moves too fast or too far, and keys without effect.

    `every` is the time from keyframe to keyframe in seconds.
    """
    shot, duration = f"shot '{context.name}'", context.duration or Fraction(0)
    for curve, verb in ((camera.zoom, "zooms"), (camera.aspect, "stretches")):
        if _growth(curve) * min(every, duration) > math.log(ZOOM_LIMIT):
            message = f"{shot} {verb} over {ZOOM_LIMIT} times from one keyframe to the next. "
            reader.problem(node, message + "Set 'keyframes' closer together")
    for key, curve in (("tilt_x", camera.tilt_x), ("tilt_y", camera.tilt_y)):
        if curve.kind == "value":
            continue  # its poses were checked when they were read
        farthest = max(abs(curve.at(duration * part / 100)) for part in range(101))
        if farthest > TILT_LIMIT:
            message = f"{key} of {shot} adds up to {farthest:.3g} degrees. Keep it within "
            reader.problem(node, message + f"{TILT_LIMIT}: at 90 the picture is seen from its edge")
    if not context.begins_with_image:
        for key, reason in (*_idle_pose(camera), *_idle_shake(camera, node)):
            reader.warn(node, f"{key} of {shot} changes nothing while {reason}")


def _growth(curve: Curve) -> float:
    """The natural logarithm of the largest factor per second; 0 for a curve of poses."""
    if curve.kind != "growth":
        return 0.0
    return max(abs(math.log(value)) for value in curve.extremes())


def _idle_pose(camera: Camera) -> Iterator[tuple[str, str]]:
    """Keys of the pose that have no effect, each with the reason and a way out."""
    if camera.zoom.constant and camera.angle.constant:
        for key, curve in (("centre_x", camera.centre_x), ("centre_y", camera.centre_y)):
            if not _is_zero(curve):
                yield key, "neither zoom nor angle does. Let one of them change"
    tilted = not (_is_zero(camera.tilt_x) and _is_zero(camera.tilt_y))
    if camera.fov != FOV and not tilted:
        yield "fov", "nothing is tilted. Write tilt_x or tilt_y too"
    if tilted and _is_still(camera):
        yield "a fixed tilt", "nothing moves. Move over the tilted plane, as with y: -20%/s"


def _is_still(camera: Camera) -> bool:
    """Whether the camera does not move, except for its shake."""
    curves = (
        camera.zoom, camera.angle, camera.x, camera.y, camera.aspect,
        camera.shear_x, camera.shear_y, camera.tilt_x, camera.tilt_y, camera.fov,
    )  # fmt: skip
    return all(curve.constant for curve in curves)


def _idle_shake(camera: Camera, node: Node) -> Iterator[tuple[str, str]]:
    """A shake, or a border that needs movement, without effect; with the reason and a way out."""
    amplitude, frequency = camera.shake.amplitude, camera.shake.frequency
    calm = _is_zero(amplitude) or (amplitude.constant and _is_zero(frequency))
    if _is_zero(amplitude) and _gives_frequency(node):
        yield "shake", "its amplitude is 0. Write how far it goes at most, as in amplitude: 1%"
    elif calm and not _is_zero(amplitude):
        yield "shake", "its frequency is 0. Write how often it changes, as in frequency: 2Hz"
    # Only dream: other borders are often set for a whole film in which some shots rest.
    if camera.border == "dream" and calm and _is_still(camera):
        yield "border", "the camera rests. Let it move, as with x: 5%/s, or remove the border"


def _gives_frequency(node: Node) -> bool:
    """Whether a shot writes a frequency in the long form of `shake`.

    A frequency that comes from the defaults or a preset stands at another place in the file: a shot
    that switches shaking off, as with `shake: 0`, may keep it.
    """
    shake = node.get("shake") if isinstance(node, Mapping) else None
    if not isinstance(shake, Mapping):
        return False
    return any(
        name.text == "frequency"
        and (name.line, name.column) != (value.line, value.column)
        and (name.line, name.column) >= (shake.line, shake.column)
        for name, value in shake.entries
    )


def _is_zero(curve: Curve) -> bool:
    """Whether the curve is 0 at all times."""
    return curve.extremes() == (0.0, 0.0)
