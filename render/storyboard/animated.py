"""Numbers that may change over time: poses, rates, key maps and formulas, with their units."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from render.curves.curve import Curve, Key, Keys, Shifted, keyed
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
from render.storyboard.context import ShotContext
from render.storyboard.key_maps import key_map_schema, read_keys
from render.storyboard.reader import AlreadyReported, Reader, single_value
from render.storyboard.yaml_nodes import Mapping, Mistake, Node
from render.text import quoted, seconds_text

LONGEST = 2000  # characters of a number or formula, or of another program's schedule
HALVINGS_OF_FILM = 6_000  # of cells, for all formulas of speeds; a smooth one takes a few
# Characters of formulas, times the frames and keyframes at which they are tried: half a minute.
EVALUATED_OF_FILM = 60_000_000
GROWTH_LIMIT = 700.0  # natural logarithm of what a zoom may add up to in a shot
UNITS = {"%": ("%",), "deg": ("degrees", "deg", "°"), "Hz": ("Hz", "hz")}
# What each unit measures, and how a number in another unit, or a rate in it, converts to it.
MEASURES: dict[str, tuple[str, dict[str, Callable[[float], float]]]] = {
    "deg": ("an angle in degrees", {
        "rad": math.degrees, "turn": lambda turns: 360 * turns,
    }),
    # Pixels do not convert: they are another part of the frame at every size.
    "%": ("a part of the frame in percent", {}),
    "Hz": ("a number of times a second", {}),
    "": ("a number without a unit", {"%": lambda percent: percent / 100}),
    "growth": ("a factor", {
        "%": lambda percent: percent / 100, "%/s": lambda percent: 1 + percent / 100,
        "x": lambda factor: factor,
    }),
}  # fmt: skip
# A formula for the schema: it holds a name of the formula language and is no rate per frame.
FORMULA = rf"^(?!.*/\s*(?:f|frames?)\s*$)(?=.*{NAMED}).+$"


@dataclass(frozen=True)
class Amount:
    """A number or formula as written, in its unit."""

    value: Fraction | Expression
    is_rate: bool  # per second


@dataclass(frozen=True)
class AnimatedNumber:
    """A number that may change over time; to a Curve.

    A plain number is a pose (or a weight) from `low` to `high`. A number that ends in /s is a rate,
    which is allowed if `rate` gives bounds for it. A formula gives one of the two at every time, a
    key map at several times.
    """

    low: float
    high: float
    unit: str = ""  # one of UNITS, which may be written behind the number
    per: int = 1  # how many of the unit are 1.0 in the Curve
    rate: tuple[float, float] | None = None
    growth: bool = False  # rates multiply, and poses are interpolated geometrically
    rest: float | None = None  # the neutral pose: any other constant pose deserves a warning
    verb: str = ""  # what sentences say that a camera with a rate is doing
    growing: str = ""  # what sentences say that it does every second at 1.05/s

    def read(self, node: Node, key: str, context: ShotContext, reader: Reader) -> Curve:
        """The curve; raises Mistake, or AlreadyReported."""
        if isinstance(node, Mapping):
            curve = self._key_map(node, key, context, reader)
        else:
            amount = self._amount(node, key)
            if isinstance(amount.value, Expression):
                curve = self._formula(amount.value, amount.is_rate, node, key, context, reader)
            else:
                curve = self._curve([(Fraction(0), amount, "linear")])
        if curve.kind == "growth" and context.duration is not None:
            self._check_growth(curve, node, key, context.duration)
        if not context.begins_with_image:
            self._warn_of_fixed_pose(curve, node, key, reader)
        return curve

    def _warn_of_fixed_pose(self, curve: Curve, node: Node, key: str, reader: Reader) -> None:
        """Warn of a pose that never changes: in a shot without init it changes nothing."""
        if self.rest is None or curve.kind != "value" or not curve.constant:
            return
        value = curve.at(0)
        if value != self.rest:
            shown_value = f"{value * self.per:g}"
            message = f"{key} {shown_value}{self.unit} is a fixed pose, nothing moves; "
            rate = f"for a {self.verb} camera write {shown_value}{self.unit}/s"
            reader.warn(node, message + rate)

    def _kind(self, is_rate: bool) -> str:
        """The `kind` of the Curve."""
        return ("growth" if self.growth else "rate") if is_rate else "value"

    def _curve(self, keys: list[tuple[Fraction, Amount, str]]) -> Curve:
        """A curve through numbers, all of them poses or all of them rates."""
        kind = self._kind(keys[0][1].is_rate)
        values = (Key(time, self._number(amount), ease) for time, amount, ease in keys)
        return keyed(values, kind, self.growth and kind == "value")

    def _number(self, amount: Amount) -> float:
        """The value in the Curve of an amount that is a number."""
        assert isinstance(amount.value, Fraction)
        return float(amount.value / self.per)

    def _key_map(self, node: Mapping, key: str, context: ShotContext, reader: Reader) -> Curve:
        """The curve through a key map's numbers; raises Mistake or AlreadyReported."""
        rates: list[bool] = []  # whether each key is a rate; all must be as the first

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

        curve = self._curve(read_keys(node, key, context, reader, read_value))
        for reached in curve.extremes():
            low, high = self._bounds(curve.kind != "value")
            value = round(reached * self.per, 9)
            if not low <= value <= high:
                message = f"{key} swings to {value:.6g} between its keys, out of range. It goes "
                span = self._span(curve.kind != "value")
                raise Mistake(node, f"{message}{span}. Bring its bezier's y nearer to 0 and 1")
        return curve

    def _formula(
        self,
        expression: Expression,
        is_rate: bool,
        node: Node,
        key: str,
        context: ShotContext,
        reader: Reader,
    ) -> Curve:
        """The curve of a formula; raises Mistake if it has no value at a frame or keyframe."""
        text = f"{key} {quoted(expression.text)}"
        if "beat" in expression.variables and context.film.bpm is None:
            message = f"{text} counts beats, and there is no bpm. Add 'bpm: 120' at the top level"
            raise Mistake(node, message)
        if "f" in expression.variables:
            message = f"{text} counts frames, so another fps makes another film. Use t for seconds"
            reader.warn_once("formula of frames", node, message)
        if context.clock is None:
            raise AlreadyReported  # that the shot has no usable duration
        if reader.evaluated > EVALUATED_OF_FILM:
            raise AlreadyReported
        reader.evaluated += len(expression.text) * context.clock.moment_count
        if reader.evaluated > EVALUATED_OF_FILM:
            message = f"{text} and the formulas before it are too long for so many frames. Write "
            raise Mistake(node, message + "shorter ones, or key maps")
        low, high = self._bounds(is_rate)
        if wrong := Formula(expression, context.clock).mistake(low, high):
            ways = f"It goes {self._span(is_rate)}; clamp(..., {low:g}, {high:g}) keeps it there"
            if " is " not in wrong:  # the formula has no value there
                ways = "Keep what it works with in bounds, as in 1/max(t, 0.1)"
            raise Mistake(node, f"{text} {wrong}. {ways}")
        kind = self._kind(is_rate)
        formula = Formula(expression, context.clock, 1 / self.per)
        curve = Curve(formula, kind, self.growth and kind == "value")
        try:
            # A rate is also evaluated between the frames, to add it up, until it is too much.
            if self.rate is not None and reader.halvings <= HALVINGS_OF_FILM:
                curve.total(Fraction(0), context.clock.duration)
                reader.halvings += formula.halvings(curve.logarithmic)
        except FormulaError as error:
            raise Mistake(node, f"{key}: {error}") from error
        if reader.halvings > HALVINGS_OF_FILM:
            raise Mistake(
                node,
                f"{text} and the formulas before it jump too often to be added up. Write the poses "
                "instead of speeds, without /s, or fewer jumps",
            )
        return curve

    def _bounds(self, is_rate: bool) -> tuple[float, float]:
        """The least and the greatest number, in its unit."""
        return self.rate if is_rate and self.rate else (self.low, self.high)

    def _span(self, is_rate: bool) -> str:
        """The bounds as sentences show them."""
        low, high = self._bounds(is_rate)
        return f"from {low:g}{self.unit} to {high:g}{self.unit}{'/s' if is_rate else ''}"

    def _amount(self, node: Node, key: str) -> Amount:
        """The number or formula that is written; raises Mistake if a number is out of bounds."""
        moving = f", or {self._example}/s to move" if self.rate else ""
        expected = f"a number{moving}, or a key map such as {{0s: 1, 4s: 2}}"
        text = single_value(node, key, expected).text.strip()
        if len(text) > LONGEST:
            raise Mistake(node, f"{key} is {len(text)} characters long. Write {expected}")
        number, per = self._split(text)
        is_rate = bool(per)
        if is_rate and self.rate is None:
            message = f"{key} {quoted(text)} is a rate, but {key} has none. Write {expected}"
            raise Mistake(node, message)
        if per not in ("", "s"):
            frames = per in ("f", "frame", "frames")
            message = "would change with fps" if frames else "is not a rate"
            way = f"Write it per second, such as {self._example}/s"
            raise Mistake(node, f"{key} {quoted(text)} {message}. {way}")
        if foreign := re.fullmatch(rf"({literals.NUMBER})\s*([a-z%°]+)", number):
            raise self._foreign(float(foreign[1]), foreign[2], per, node, key, text)
        if schedule := _deforum_schedule(text):
            raise Mistake(node, f"{key} {quoted(text)} is a schedule of Deforum's. {schedule}")
        try:
            value = _number_or_formula(number, f"a number such as 2, 0.5 or 1e-3{moving}")
        except ValueError as error:
            raise Mistake(node, f"{key} {quoted(text)} {error}") from error
        low, high = self._bounds(is_rate)
        if isinstance(value, Fraction) and not low <= float(value) <= high:
            message = f"{key} {quoted(text)} is out of range. It goes {self._span(is_rate)}"
            if is_rate and self.growth:
                message += f"; 1.05/s {self.growing} every second"
            raise Mistake(node, message)
        return Amount(value, is_rate)

    def _split(self, text: str) -> tuple[str, str]:
        """A number or formula without its unit, and what it is per: "s" for a rate, else ""."""
        number, per = text, ""
        plain = rf"{literals.NUMBER}\s*[a-z%°]*"
        rate = re.fullmatch(r"(.*\S)\s*/\s*([A-Za-z]+)", text)
        # A variable behind the slash makes it a division, as in 1/t. But 2%/f was meant as a rate.
        if rate and (
            rate[2] not in (*VARIABLES, *CONSTANTS)
            or (rate[2] == "f" and re.fullmatch(plain, rate[1]))
        ):
            number, per = rate[1], rate[2]
        if self.unit == "Hz" and per == "s":
            per = ""  # a number per second is the unit itself
        for unit in UNITS.get(self.unit, ()):
            if number.endswith(unit):
                return number[: -len(unit)].strip(), per
        return number, per

    def _foreign(
        self, number: float, unit: str, per: str, node: Node, key: str, text: str
    ) -> Mistake:
        """The Mistake for a number in another unit; it shows the number converted where it can."""
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
        """A number such as sentences recommend, without /s."""
        return "1.05" if self.growth else f"5{self.unit}"

    def _check_growth(self, curve: Curve, node: Node, key: str, duration: Fraction) -> None:
        """Raise Mistake if the curve grows over the shot to more than a float holds."""
        if abs(curve.total(Fraction(0), duration)) > GROWTH_LIMIT:
            message = f"{key} adds up to a number beyond reach over {seconds_text(duration)}. "
            raise Mistake(node, message + "Slow it down, or split the shot and let it continue")

    def written(self, curve: Curve, fps: Fraction) -> Any:
        """What a storyboard may write for a curve, so that the same curve is read from it."""
        ending = self.unit + ("/s" if curve.kind != "value" else "")
        if isinstance(curve.course, Shifted):
            return f"that of its act, {float(curve.course.by):g}s on"
        if isinstance(curve.course, Formula):
            text = curve.course.expression.text
            return text if curve.kind == "value" else f"{text}/s"  # the unit may be left out
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
        """The shortest decimal that is read as that value of a curve."""
        texts = (f"{Decimal(f'{value * self.per:.{digits}g}'):f}" for digits in range(1, 18))
        return next((t for t in texts if float(Fraction(t) / self.per) == value), f"{value!r}")

    def schema(self) -> dict[str, Any]:
        """A number, a text with a unit, a formula, or a key map."""
        number = {"type": "number", "minimum": self.low, "maximum": self.high}
        units = "|".join(re.escape(unit) for unit in UNITS.get(self.unit, ()))
        unit = rf"\s*(?:{units})?" if units else ""
        rate = r"\s*(?:/\s*s)?" if self.rate else ""
        text = {"type": "string", "pattern": rf"^\s*{literals.NUMBER}{unit}{rate}\s*$"}
        formula = {"type": "string", "pattern": FORMULA}
        value = {"anyOf": [number, text]}
        return {"anyOf": [number, text, formula, key_map_schema(value)]}


def _deforum_schedule(text: str) -> str | None:
    """How a schedule such as `0:(1.02), 30:(1.5)` is written here; None of anything else."""
    found = re.findall(r"([0-9]+)\s*:\s*\(([^:]*)\)\s*(?:,|$)", text)
    if not found or not re.match(r"\s*[0-9]+\s*:\s*\(", text):
        return None
    if all(literals.looks_like_number(value) for _, value in found):
        keys = ", ".join(f"{frame}f: {value.strip()}" for frame, value in found)
        return f"Write {{{keys}}}; what it changes by at every frame is a rate here, as in 5%/s"
    formula = re.sub(r"\bt\b", "f", found[0][1])
    return f"Write the formula alone, f for frames: {quoted(formula)}; a rate per second ends in /s"


def _number_or_formula(text: str, expected: str) -> Fraction | Expression:
    """A number, or a formula with variables; one without variables is the number that it gives.

    Raises ValueError with the end of a sentence.
    """
    if literals.looks_like_number(text) or not looks_like_formula(text):
        return literals.number(text, expected)
    formula = parse(text)
    return formula if formula.variables else Fraction(formula.at({}))


def split_moving(
    values: dict[str, Any],
) -> tuple[dict[str, Any], tuple[tuple[str, Curve], ...]]:
    """The values with a number for every curve, its first, and those curves that are not constant.

    Values that are no curves are unchanged.
    """
    curves = {name: value for name, value in values.items() if isinstance(value, Curve)}
    numbers = {name: curve.at(0) for name, curve in curves.items()}
    moving = tuple((name, curve) for name, curve in curves.items() if not curve.constant)
    return {**values, **numbers}, moving
