"""Numbers that change over time, as a storyboard writes them: poses, rates, keys and formulas."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from render.curves.curve import Curve, Key, Keys, keyed
from render.curves.expression import (
    CONSTANTS,
    NAMED,
    VARIABLES,
    Expression,
    looks_like_formula,
    parse,
)
from render.curves.formula import Formula, FormulaError
from render.storyboard import literals
from render.storyboard.key_maps import key_map_schema, read_keys
from render.storyboard.reader import AlreadyReported, Reader, single_value
from render.storyboard.yaml_nodes import Mapping, Mistake, Node
from render.text import quoted, seconds_text

GROWTH_LIMIT = 700.0  # natural logarithm of what a zoom may add up to in a shot
UNITS = {"%": ("%",), "deg": ("degrees", "deg", "°"), "Hz": ("Hz", "hz")}
# What a unit measures, and how other units, or rates in them, are written in it.
MEASURES: dict[str, tuple[str, dict[str, Callable[[float], float]]]] = {
    "deg": ("an angle in degrees", {
        "rad": math.degrees, "turn": lambda turns: 360 * turns,
    }),
    # Pixels are another part of the frame at another size.
    "%": ("a part of the frame in percent", {}),
    "Hz": ("a number of times a second", {}),
    "": ("a number without a unit", {"%": lambda percent: percent / 100}),
    "growth": ("a factor", {
        "%": lambda percent: percent / 100, "%/s": lambda percent: 1 + percent / 100,
        "x": lambda factor: factor,
    }),
}  # fmt: skip
# What a formula is written like, for the schema: a name of its language in it, and no rate a frame.
FORMULA = rf"^(?!.*/\s*(?:f|frames?)\s*$)(?=.*{NAMED}).+$"


@dataclass(frozen=True)
class Amount:
    """What was written for a number: of the unit, and whether it is one a second."""

    value: Fraction | Expression
    is_rate: bool


@dataclass(frozen=True)
class AnimatedNumber:
    """A number that may change over time; to a Curve.

    Plain, it is a pose (or a weight) from `low` to `high`. Ending in /s it is a rate, where
    `rate` gives the bounds of one. A formula is either at every time, a key map at several.
    """

    low: float
    high: float
    unit: str = ""  # that may be written behind the number
    per: int = 1  # how many of the unit are 1 in the Curve
    rate: tuple[float, float] | None = None
    growth: bool = False  # a rate multiplies, and poses are interpolated geometrically
    rest: float | None = None  # of a pose: any other one that never changes is worth a warning
    verb: str = ""  # what the camera does with a rate
    growing: str = ""  # what it does every second at 1.05/s

    def read(self, node: Node, key: str, reader: Reader) -> Curve:
        if isinstance(node, Mapping):
            curve = self._key_map(node, key, reader)
        else:
            amount = self._amount(node, key)
            if isinstance(amount.value, Expression):
                curve = self._formula(amount.value, amount.is_rate, node, key, reader)
            else:
                curve = self._curve([(Fraction(0), amount, "linear")])
        if curve.kind == "growth" and reader.duration is not None:
            self._check_growth(curve, node, key, reader.duration)
        resting = self.rest is not None and curve.kind == "value" and curve.constant
        if resting and not reader.begins_with_image:
            value = curve.at(0)
            if value != self.rest:
                shown_value = f"{value * self.per:g}"
                message = f"{key} {shown_value}{self.unit} is a fixed pose, nothing moves; "
                rate = f"for a {self.verb} camera write {shown_value}{self.unit}/s"
                reader.warn(node, message + rate)
        return curve

    def _kind(self, is_rate: bool) -> str:
        return ("growth" if self.growth else "rate") if is_rate else "value"

    def _curve(self, keys: list[tuple[Fraction, Amount, str]]) -> Curve:
        """A curve through numbers, all of them poses or all of them rates."""
        kind = self._kind(keys[0][1].is_rate)
        values = (Key(time, self._number(amount), ease) for time, amount, ease in keys)
        return keyed(values, kind, self.growth and kind == "value")

    def _number(self, amount: Amount) -> float:
        assert isinstance(amount.value, Fraction)
        return float(amount.value / self.per)

    def _key_map(self, node: Mapping, key: str, reader: Reader) -> Curve:
        rates: list[bool] = []  # of the first key, which the others have to follow

        def read_value(value: Node) -> Amount:
            amount = self._amount(value, key)
            if isinstance(amount.value, Expression):
                message = (
                    f"{key} {quoted(amount.value.text)} changes by itself, which a key cannot."
                )
                raise Mistake(value, f"{message} Write the formula alone, or a number in each key")
            rates.append(amount.is_rate)
            if amount.is_rate != rates[0]:
                message = f"{key} mixes rates (with /s) and poses (without). Write every key "
                raise Mistake(value, message + "the same way")
            return amount

        curve = self._curve(read_keys(node, key, reader, read_value))
        for reached in curve.extremes():
            low, high = self._bounds(curve.kind != "value")
            value = round(reached * self.per, 9)
            if not low <= value <= high:
                message = f"{key} swings to {value:.6g} between its keys, out of range. It goes "
                span = self._span(curve.kind != "value")
                raise Mistake(node, f"{message}{span}. Bring its bezier's y nearer to 0 and 1")
        return curve

    def _formula(
        self, expression: Expression, is_rate: bool, node: Node, key: str, reader: Reader
    ) -> Curve:
        """A curve by a formula that has a value at every frame and keyframe of the shot."""
        text = f"{key} {quoted(expression.text)}"
        if "beat" in expression.variables and reader.bpm is None:
            message = f"{text} counts beats, and there is no bpm. Add 'bpm: 120' at the top level"
            raise Mistake(node, message)
        if "f" in expression.variables and not reader.tied_to_fps:
            reader.tied_to_fps = True
            message = f"{text} counts frames, so another fps makes another film. Use t for seconds"
            reader.warn(node, message)
        if reader.clock is None:
            raise AlreadyReported  # the shot's duration is missing, and was told of
        low, high = self._bounds(is_rate)
        if wrong := Formula(expression, reader.clock).mistake(low, high):
            ways = f"It goes {self._span(is_rate)}; clamp(..., {low:g}, {high:g}) keeps it there"
            if " is " not in wrong:  # there is no value to be kept
                ways = "Keep what it works with in bounds, as in 1/max(t, 0.1)"
            raise Mistake(node, f"{text} {wrong}. {ways}")
        kind = self._kind(is_rate)
        formula = Formula(expression, reader.clock, 1 / self.per)
        curve = Curve(formula, kind, self.growth and kind == "value")
        try:
            if self.rate is not None:  # what it adds up to is asked for between the frames
                curve.total(Fraction(0), reader.clock.duration)
        except FormulaError as error:
            raise Mistake(node, f"{key}: {error}") from error
        return curve

    def _bounds(self, is_rate: bool) -> tuple[float, float]:
        return self.rate if is_rate and self.rate else (self.low, self.high)

    def _span(self, is_rate: bool) -> str:
        low, high = self._bounds(is_rate)
        return f"from {low:g}{self.unit} to {high:g}{self.unit}{'/s' if is_rate else ''}"

    def _amount(self, node: Node, key: str) -> Amount:
        """What is written, within its bounds where it is a number."""
        moving = f", or {self._example}/s to move" if self.rate else ""
        wanted = f"a number{moving}, or a key map such as {{0s: 1, 4s: 2}}"
        text = single_value(node, key, wanted).text.strip()
        number, per = self._split(text)
        if per and self.rate is None:
            message = f"{key} {quoted(text)} is a rate, but {key} has none. Write {wanted}"
            raise Mistake(node, message)
        if per in ("f", "frame", "frames"):
            message = f"{key} {quoted(text)} would change with fps. Write it per second, such as "
            raise Mistake(node, message + f"{self._example}/s")
        if per not in ("", "s"):
            message = f"{key} {quoted(text)} is not a rate. Write it per second, such as "
            raise Mistake(node, message + f"{self._example}/s")
        if foreign := re.fullmatch(rf"({literals.NUMBER})\s*([a-z%°]+)", number):
            raise self._foreign(float(foreign[1]), foreign[2], per, node, key, text)
        try:
            value: Fraction | Expression
            if looks_like_formula(number) and not literals.looks_like_number(number):
                value = parse(number)
                if value.variables:
                    return Amount(value, bool(per))
                value = Fraction(value.at({}))
            else:
                value = literals.number(number, f"a number such as 2, 0.5 or 1e-3{moving}")
        except ValueError as error:
            raise Mistake(node, f"{key} {quoted(text)} {error}") from error
        low, high = self._bounds(bool(per))
        if not low <= float(value) <= high:
            message = f"{key} {quoted(text)} is out of range. It goes {self._span(bool(per))}"
            if per and self.growth:
                message += f"; 1.05/s {self.growing} every second"
            raise Mistake(node, message)
        return Amount(value, bool(per))

    def _split(self, text: str) -> tuple[str, str]:
        """A number or formula without its unit, and per what it is: "s" of a rate."""
        number, per = text, ""
        plain = rf"{literals.NUMBER}\s*[a-z%°]*"
        rate = re.fullmatch(r"(.*\S)\s*/\s*([A-Za-z]+)", text)
        # Through a variable is divided: 1/t. But 2%/f was meant as a rate.
        if rate and (
            rate[2] not in (*VARIABLES, *CONSTANTS)
            or (rate[2] == "f" and re.fullmatch(plain, rate[1]))
        ):
            number, per = rate[1], rate[2]
        if self.unit == "Hz" and per == "s":
            per = ""  # which is what the unit means
        for unit in UNITS.get(self.unit, ()):
            if number.endswith(unit):
                return number[: -len(unit)].strip(), per
        return number, per

    def _foreign(
        self, number: float, unit: str, per: str, node: Node, key: str, text: str
    ) -> Mistake:
        """The mistake of a number in another unit, which says what it is in this one."""
        measure, conversions = MEASURES["growth" if self.growth else self.unit]
        slash = "/" if per else ""
        convert = conversions.get(unit + slash + per) or conversions.get(unit)
        value = convert(number) if convert else math.nan
        example = f"one such as {self._example}{'/s' if self.rate else ''}"
        low, high = self._bounds(bool(per))
        if low <= value <= high:
            example = f"{value:.4g}{self.unit}{slash}{per}"
        return Mistake(node, f"{key} {quoted(text)} is not {measure}. Write {example}")

    @property
    def _example(self) -> str:
        return "1.05" if self.growth else f"5{self.unit}"

    def _check_growth(self, curve: Curve, node: Node, key: str, duration: Fraction) -> None:
        if abs(curve.total(Fraction(0), duration)) > GROWTH_LIMIT:
            message = f"{key} adds up to a number beyond reach over {seconds_text(duration)}. "
            raise Mistake(node, message + "Slow it down, or split the shot and let it continue")

    def written(self, curve: Curve, fps: Fraction) -> Any:
        """What a storyboard may hold for a curve, so that the same curve is read."""
        ending = self.unit + ("/s" if curve.kind != "value" else "")
        if isinstance(curve.course, Formula):
            text = curve.course.expression.text
            return text if curve.kind == "value" else f"{text}/s"  # the unit is understood
        assert isinstance(curve.course, Keys)
        values = [self._decimal(key.value) for key in curve.course.keys]
        plain = [f"{value}{ending}" if ending else float(value) for value in values]
        if len(plain) == 1:
            return plain[0]
        return {
            literals.time_text(key.time, fps): value
            if key.ease == Key.ease
            else {"value": value, "ease": key.ease}
            for key, value in zip(curve.course.keys, plain, strict=True)
        }

    def _decimal(self, value: float) -> str:
        """The shortest decimal that is read as a value of a curve."""
        texts = (f"{Decimal(f'{value * self.per:.{digits}g}'):f}" for digits in range(1, 18))
        return next((t for t in texts if float(Fraction(t) / self.per) == value), f"{value!r}")

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": self.low, "maximum": self.high}
        units = "|".join(re.escape(unit) for unit in UNITS.get(self.unit, ()))
        unit = rf"\s*(?:{units})?" if units else ""
        rate = r"\s*(?:/\s*s)?" if self.rate else ""
        text = {"type": "string", "pattern": rf"^\s*{literals.NUMBER}{unit}{rate}\s*$"}
        formula = {"type": "string", "pattern": FORMULA}
        value = {"anyOf": [number, text]}
        return {"anyOf": [number, text, formula, key_map_schema(value)]}
