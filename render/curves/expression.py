"""Arithmetic that a storyboard may write for a number: a tree of known parts, never run as code.

The text is read by Python's own grammar, and every node of its tree is one of a short list or is
refused: numbers, VARIABLES, CONSTANTS, FUNCTIONS, arithmetic, comparisons and conditionals. There
are no names that lead elsewhere, no attributes, no texts, no loops; every part is a float, so that
no number grows without bound; and the text's length bounds the work, as nothing is done twice.
"""

from __future__ import annotations

import ast
import difflib
import itertools
import keyword
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

LENGTH_LIMIT = 300  # characters
DEPTH_LIMIT = 30  # of parts within parts
EXAMPLE = "1 + 0.2*sin(tau*t)"

VARIABLES = {
    "t": "seconds since the shot began",
    "u": "0 to 1 over the shot",
    "f": "frames since the shot began, which ties the picture to fps",
    "n": "keyframes since the shot began",
    "beat": "beats since the film began, at its bpm",
}
CONSTANTS = {"pi": math.pi, "tau": math.tau, "e": math.e}


def _clamp(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


def _smoothstep(low: float, high: float, x: float) -> float:
    share = _clamp((x - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


# Each with how many arguments it takes; None for two or more.
FUNCTIONS: dict[str, tuple[Callable[..., float], int | None]] = {
    **{name: (getattr(math, name), 1) for name in ("sin", "cos", "tan", "asin", "acos", "atan")},
    **{name: (getattr(math, name), 1) for name in ("exp", "log", "sqrt", "floor", "ceil")},
    "atan2": (math.atan2, 2),
    "abs": (abs, 1),
    "round": (lambda x: math.floor(x + 0.5), 1),
    "sign": (lambda x: (x > 0) - (x < 0), 1),
    "fract": (lambda x: x - math.floor(x), 1),
    "min": (min, None),
    "max": (max, None),
    "clamp": (_clamp, 3),
    "mix": (lambda a, b, share: a + (b - a) * share, 3),
    "smoothstep": (_smoothstep, 3),
}
OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
NAMES = (*VARIABLES, *CONSTANTS, *FUNCTIONS)
# One of the names as a word of its own, in the grammar that JSON Schema shares with Python.
NAMED = rf"(?:^|[^A-Za-z_])(?:{'|'.join(NAMES)})(?![A-Za-z0-9_])"
UNREADABLE = (SyntaxError, ValueError, MemoryError, RecursionError)  # what Python's parser raises
Part = Callable[[Mapping[str, float]], float]


@dataclass(frozen=True)
class Expression:
    """A formula of VARIABLES, as `parse` returns it."""

    text: str

    @property
    def variables(self) -> frozenset[str]:
        """Those that it names."""
        return _compiled(self.text)[1]

    def at(self, values: Mapping[str, float]) -> float:
        """Its value, a finite number. Raises ValueError with the end of a sentence."""
        try:
            return _compiled(self.text)[0](values)
        except ZeroDivisionError as error:
            raise ValueError("divides by zero") from error
        except OverflowError as error:
            raise ValueError("grows beyond every number") from error


def parse(text: str) -> Expression:
    """Read a formula. Raises ValueError with the end of a sentence: "... is not a formula"."""
    text = " ".join(text.split())
    if len(text) > LENGTH_LIMIT:
        raise ValueError(f"is longer than {LENGTH_LIMIT} characters. Shorten it")
    if re.search(r"%\s*[-+)]", text):  # 5% + 3% would be a remainder, 5 % (+3)
        raise ValueError(
            "has a % within it. A unit stands once, behind the whole, as in (50 - 20*u)%; a "
            "remainder is written t % 2, or t % (-2)"
        )
    _compiled(text)
    return Expression(text)


def looks_like_formula(text: str) -> bool:
    """Whether a text that is no number was meant as a formula: it calculates, or names a part."""
    return bool(re.search(rf"[-+*/()<>]|%\s*\.?[0-9]|{NAMED}", text.strip()))


@lru_cache(maxsize=1024)
def _compiled(text: str) -> tuple[Part, frozenset[str]]:
    """A formula as a function, and the variables that it names; raises ValueError."""
    try:
        tree = _tree(text)
    except UNREADABLE as error:
        raise ValueError(_misread(text)) from error
    variables: set[str] = set()
    part = _Compiler(text, variables).part(tree, 0)
    return part, frozenset(variables)


def _tree(text: str) -> ast.expr:
    """A text as Python's grammar reads it; raises UNREADABLE."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's own, of code that it is not to become
        return ast.parse(text, mode="eval").body


def _misread(text: str) -> str:
    """What is wrong with a text that Python's grammar has no reading for."""
    if text.count("(") > text.count(")"):
        return "has a ( that is never closed. In { } put a formula that holds a comma in quotes"
    unit = re.fullmatch(r"(.*[\w.)])\s*?((?<![A-Za-z])[A-Za-z°]+|%)", text)
    if unit and unit[2] not in NAMES and not keyword.iskeyword(unit[2]):
        with suppress(*UNREADABLE):
            _Compiler(unit[1], set()).part(_tree(unit[1]), 0)
            return (
                f"ends in {unit[2]}, which is no unit here. Leave it out: angles are in degrees, "
                "places in percent of the frame, others plain numbers"
            )
    return f"is not a formula. Write one such as {EXAMPLE}, a unit behind its brackets"


@dataclass(frozen=True)
class _Compiler:
    """Nodes to functions of the variables' values; whatever is not listed here is refused."""

    text: str
    variables: set[str]  # filled with those that are met

    def part(self, node: ast.expr, depth: int) -> Part:
        if depth > DEPTH_LIMIT:
            raise ValueError(f"has more than {DEPTH_LIMIT} parts within parts. Simplify it")

        def inner(nodes: list[ast.expr]) -> list[Part]:
            return [self.part(each, depth + 1) for each in nodes]

        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return _number(number)
            case ast.Name(id=name) if name in VARIABLES:
                self.variables.add(name)
                return lambda values: values[name]
            case ast.Name(id=name) if name in CONSTANTS:
                return _number(CONSTANTS[name])
            case ast.UnaryOp(op=sign, operand=operand) if type(sign) in OPERATORS:
                return _applied(OPERATORS[type(sign)], inner([operand]))
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
                return _applied(OPERATORS[type(sign)], inner([left, right]))
            case ast.Compare(left=left, ops=signs, comparators=others) if all(
                type(sign) in OPERATORS for sign in signs
            ):
                return _compared([OPERATORS[type(sign)] for sign in signs], inner([left, *others]))
            case ast.BoolOp(op=ast.And(), values=nodes):
                parts = inner(nodes)
                return lambda values: float(all(each(values) for each in parts))
            case ast.BoolOp(op=ast.Or(), values=nodes):
                parts = inner(nodes)
                return lambda values: float(any(each(values) for each in parts))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                condition, if_true, if_not = inner([test, body, orelse])
                return lambda values: if_true(values) if condition(values) else if_not(values)
            case ast.Call(func=ast.Name(id=name), args=nodes, keywords=[]) if name in FUNCTIONS:
                function, wanted = FUNCTIONS[name]
                if len(nodes) != wanted and (wanted is not None or len(nodes) < 2):
                    count = f"{wanted}" if wanted else "two or more"
                    raise ValueError(f"gives {name} {len(nodes)} numbers, and it takes {count}")
                return _applied(function, inner(nodes))
        raise ValueError(self._refusal(node))

    def _refusal(self, node: ast.expr) -> str:
        """Why a part may not be in a formula, and what may."""
        if isinstance(node, ast.Call):
            node = node.func
            if isinstance(node, ast.Name) and node.id in VARIABLES:
                return f"calls {node.id}, which is a number. Write {node.id}*(...) to multiply"
            if isinstance(node, ast.Name) and node.id in FUNCTIONS:
                return f"gives {node.id} something that is no number. Write {node.id}(t)"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
            return "holds a ^, which no formula may. A power is written t**2"
        if isinstance(node, ast.Name) and node.id == "mod":
            return "holds mod, which no formula may. A remainder is written t % 2"
        source = ast.get_source_segment(self.text, node) or self.text
        source = source if len(source) <= 20 else f"{source[:17]}..."
        near = difflib.get_close_matches(source.lower(), NAMES, 1, 0.6)
        meant = f"Did you mean {near[0]}? " if near else ""
        known = (
            f"the variables {', '.join(VARIABLES)}, the constants {', '.join(CONSTANTS)} and the "
            f"functions {', '.join(FUNCTIONS)}"
        )
        return f"holds {source}, which no formula may. {meant}There are {known}"


def _number(number: float) -> Part:
    if not abs(number) < 1e300:
        raise ValueError("holds a number that is out of range. Write a smaller one")
    value = float(number)
    return lambda values: value


def _applied(function: Callable[..., float], parts: list[Part]) -> Part:
    """A function of parts; each value on the way is a finite float, or the formula has none."""

    def value(values: Mapping[str, float]) -> float:
        numbers = [part(values) for part in parts]
        try:
            result = float(function(*numbers))
        except ValueError as error:  # math's, of what lies outside a function's domain
            raise _undefined(function, numbers) from error
        if not math.isfinite(result):
            raise OverflowError
        return result

    return value


def _undefined(function: Callable[..., float], numbers: list[float]) -> Exception:
    if function is math.pow and numbers[0] == 0:
        return ZeroDivisionError()
    name = "a power" if function is math.pow else getattr(function, "__name__", "a function")
    return ValueError(f"takes {name} of {numbers[0]:g}, which has none")


def _compared(functions: list[Callable[..., float]], parts: list[Part]) -> Part:
    """0 < t < 1: whether each stands so to the next. Every part is worked out once: twice, in
    chains within chains, would be a billion times."""

    def value(values: Mapping[str, float]) -> float:
        numbers = [part(values) for part in parts]
        pairs = itertools.pairwise(numbers)
        return float(all(holds(a, b) for holds, (a, b) in zip(functions, pairs, strict=True)))

    return value
