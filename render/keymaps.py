"""Numbers that change over time, as a storyboard writes them: poses, rates and key maps."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from render import yamlnodes
from render.curves import EASINGS, Curve, Key
from render.fields import AnyNode, Choice, Group, Noted, Reader, Row, Time, written
from render.yamlnodes import Mapping, Mistake, Node, seconds, shown

GROWTH_LIMIT = 700.0  # natural logarithm of what a zoom may add up to in a shot
UNITS = {"%": ("%",), "deg": ("degrees", "deg", "°")}
# What a unit measures, and how other units, or rates in them, are written in it.
MEASURES: dict[str, tuple[str, dict[str, Callable[[float], float]]]] = {
    "deg": ("an angle in degrees", {
        "rad": math.degrees, "turn": lambda turns: 360 * turns,
    }),
    # Pixels are another part of the frame at another size.
    "%": ("a part of the frame in percent", {}),
    "": ("a number without a unit", {"%": lambda percent: percent / 100}),
    "growth": ("a factor", {
        "%": lambda percent: percent / 100, "%/s": lambda percent: 1 + percent / 100,
        "x": lambda factor: factor,
    }),
}  # fmt: skip
KEY_TIME = Time(Fraction(0), Fraction(36_000))
# One key of a key map where its value is not all that is said.
KEY = Group(
    (
        Row("value", AnyNode(), "value", "the value at this time", required=True),
        Row("ease", Choice(tuple(EASINGS)), "ease", "the way to this key from the one before"),
    )
)


@dataclass(frozen=True)
class Moving:
    """A number that may change over time; to a Curve.

    Plain, it is a pose (or a weight) from `low` to `high`. Ending in /s it is a rate, where
    `rate` gives the bounds of one. As a key map it is either at several times.
    """

    low: float
    high: float
    unit: str = ""  # that may be written behind the number
    per: int = 1  # how many of the unit are 1 in the Curve
    rate: tuple[float, float] | None = None
    growth: bool = False  # a rate multiplies, and poses are interpolated geometrically
    rest: float | None = None  # of a pose: any other one that never changes is worth a warning
    verb: str = ""  # what the camera does with a rate

    def read(self, node: Node, key: str, reader: Reader) -> Curve:
        if not isinstance(node, Mapping):
            value, kind = self._value(node, key)
            curve = Curve((Key(Fraction(0), value),), kind, self.growth and kind == "value")
        else:
            curve = self._key_map(node, key, reader)
        if curve.kind == "growth" and reader.duration is not None:
            self._check_growth(curve, node, key, reader.duration)
        resting = self.rest is not None and curve.kind == "value" and curve.constant
        if resting and not reader.begins_with_image:
            value = curve.keys[0].value
            if value != self.rest:
                shown_value = f"{value * self.per:g}"
                message = f"{key} {shown_value}{self.unit} is a fixed pose, nothing moves; "
                rate = f"for a {self.verb} camera write {shown_value}{self.unit}/s"
                reader.warn(node, message + rate)
        return curve

    def _key_map(self, node: Mapping, key: str, reader: Reader) -> Curve:
        if not node.entries:
            raise Mistake(node, f"{key} has no keys. Write some, such as {{0s: 1, 4s: 2}}")
        keys: list[Key] = []
        kind = ""
        for time_node, entry in node.entries:
            time = reader.attempt(KEY_TIME, time_node, f"{key}: the key time")
            parts: dict[str, Any] = {"value": entry}
            if isinstance(entry, Mapping):
                parts = KEY.read(entry, f"{key} at {shown(time_node.text)}", reader)
                if "ease" in parts and entry is node.entries[0][1]:
                    message = f"{key}: the ease of the first key shapes nothing. An ease belongs "
                    reader.warn(entry, message + "to the key that it leads to")
            if "value" not in parts:
                continue  # noted
            try:
                value, this_kind = self._value(parts["value"], key)
            except Mistake as mistake:
                reader.problems[mistake.problem] = None
                continue
            kind = kind or this_kind
            if kind != this_kind:
                message = f"{key} mixes rates (with /s) and poses (without). Write every key "
                reader.problem(parts["value"], message + "the same way")
            elif time is not None and self._in_place(time, keys, time_node, key, reader):
                keys.append(Key(time, value, parts.get("ease", "linear")))
        if not keys:
            raise Noted
        return Curve(tuple(keys), kind, self.growth and kind == "value")

    def _in_place(
        self, time: Fraction, keys: list[Key], node: Node, key: str, reader: Reader
    ) -> bool:
        """Whether a key may stand at `time` behind those there are; notes why not."""
        if reader.duration is not None and time > reader.duration:
            message = f"{key} has a key at {seconds(time)}, but shot '{reader.shot}' ends at "
            reader.problem(
                node, message + f"{seconds(reader.duration)}. Move the key into the shot"
            )
        elif keys and time == keys[-1].time:
            reader.problem(node, f"{key} has two keys at {seconds(time)}. Keep one of them")
        elif keys and time < keys[-1].time:
            message = f"{key} has a key at {seconds(time)} behind one at {seconds(keys[-1].time)}"
            reader.problem(node, message + ". Put the keys in order of time")
        else:
            return True
        return False

    def _value(self, node: Node, key: str) -> tuple[float, str]:
        """The number as Curve holds it, and the kind of Curve that it makes."""
        moving = f", or {self._example}/s to move" if self.rate else ""
        wanted = f"a number{moving}, or a key map such as {{0s: 1, 4s: 2}}"
        text = written(node, key, wanted).text.strip()
        number, slash, per = (part.strip() for part in text.partition("/"))
        for unit in UNITS.get(self.unit, ()):
            if number.endswith(unit):
                number = number[: -len(unit)].strip()
                break
        if slash and self.rate is None:
            message = f"{key} {shown(text)} is a rate, but {key} has none. Write {wanted}"
            raise Mistake(node, message)
        if slash and per in ("f", "frame", "frames"):
            message = f"{key} {shown(text)} would change with fps. Write it per second, such as "
            raise Mistake(node, message + f"{self._example}/s")
        if slash and per != "s":
            message = f"{key} {shown(text)} is not a rate. Write it per second, such as "
            raise Mistake(node, message + f"{self._example}/s")
        low, high = self.rate if slash and self.rate else (self.low, self.high)
        if foreign := re.fullmatch(rf"({yamlnodes.NUMBER})\s*([a-z%°]+)", number):
            measure, conversions = MEASURES["growth" if self.growth else self.unit]
            convert = conversions.get(foreign[2] + slash + per) or conversions.get(foreign[2])
            value = convert(float(foreign[1])) if convert else math.nan
            example = f"one such as {self._example}{'/s' if self.rate else ''}"
            if low <= value <= high:
                example = f"{value:.4g}{self.unit}{slash}{per}"
            raise Mistake(node, f"{key} {shown(text)} is not {measure}. Write {example}")
        try:
            exact = yamlnodes.number(number, f"a number such as 2, 0.5 or 1e-3{moving}")
        except ValueError as error:
            raise Mistake(node, f"{key} {shown(text)} {error}") from error
        if not low <= float(exact) <= high:
            span = f"from {low:g}{self.unit} to {high:g}{self.unit}{'/s' if slash else ''}"
            message = f"{key} {shown(text)} is out of range. It goes {span}"
            if slash and self.growth:
                message += "; 1.05/s comes 5% closer every second"
            raise Mistake(node, message)
        kind = ("growth" if self.growth else "rate") if slash else "value"
        return float(exact / self.per), kind

    @property
    def _example(self) -> str:
        return "1.05" if self.growth else f"5{self.unit}"

    def _check_growth(self, curve: Curve, node: Node, key: str, duration: Fraction) -> None:
        logs = tuple(Key(k.time, math.log(k.value), k.ease) for k in curve.keys)
        if abs(Curve(logs, "rate").at(duration)) > GROWTH_LIMIT:
            message = f"{key} adds up to a number beyond reach over {seconds(duration)}. "
            raise Mistake(node, message + "Slow it down, or split the shot and let it continue")

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": self.low, "maximum": self.high}
        units = "|".join(re.escape(unit) for unit in UNITS.get(self.unit, ()))
        unit = rf"\s*(?:{units})?" if units else ""
        rate = r"\s*(?:/\s*s)?" if self.rate else ""
        text = {"type": "string", "pattern": rf"^\s*{yamlnodes.NUMBER}{unit}{rate}\s*$"}
        value = {"anyOf": [number, text]}
        key = {
            "type": "object",
            "properties": {"value": value, "ease": Choice(tuple(EASINGS)).schema()},
            "required": ["value"],
            "additionalProperties": False,
        }
        keys = {
            "type": "object",
            "patternProperties": {yamlnodes.TIME: {"anyOf": [number, text, key]}},
            "additionalProperties": False,
            "minProperties": 1,
        }
        return {"anyOf": [number, text, keys]}
