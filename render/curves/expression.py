"""Expressions: the arithmetic that a storyboard may write for a number, never run as code.

Python's own parser reads the text, and every node of the tree must be on a short list: numbers,
VARIABLES, CONSTANTS, FUNCTIONS, arithmetic, comparisons and conditionals. Other names, attributes,
strings and loops are refused. Every value is a float, so that no number grows without bound, and
every node is evaluated at most once, so that the length of the text bounds the work.
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
DEPTH_LIMIT = 30  # of nested nodes
EXAMPLE = "1 + 0.2*sin(tau*t)"

VARIABLES = {
    "t": "seconds since the shot began",
    "u": "0 to 1 over the shot",
    "f": "frames since the shot began, which ties the picture to fps",
    "n": "keyframes since the shot began",
    "beat": "beats since the film's first beat, at its bpm",
    "film_time": "seconds since the film began",
}
CONSTANTS = {"pi": math.pi, "tau": math.tau, "e": math.e}


def _clamp(x: float, low: float, high: float) -> float:
    """Returns the number in low..high nearest to x; `high` where they are in the wrong order."""
    return min(max(x, low), high)


def _smoothstep(low: float, high: float, x: float) -> float:
    """Returns 0 up to `low`, 1 from `high` on and a smooth cubic between them, as in GLSL."""
    share = _clamp((x - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


# Each function with its number of arguments; None means two or more.
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
BANDS = "Render does not follow the bands of a sound. Write keys at times, or use beat"
CHOICE = "A choice is written a if t < 2 else b"
# Names of other programs' formulas, and what to write instead.
FOREIGN = {
    "where": CHOICE, "iif": CHOICE,
    "max_f": "u goes from 0 to 1 over the shot", "frame_idx": "Frames are f, and seconds t",
    "mod": "A remainder is written t % 2", "fmod": "A remainder is written t % 2",
    "pow": "A power is written t**2", "s": "Seconds are t",
    "fLo": BANDS, "fMid": BANDS, "fHi": BANDS, "audio": BANDS, "kick": BANDS, "snare": BANDS,
    "bass": BANDS,
}  # fmt: skip
# A pattern for one of the names as a separate word, for JSON Schema and for Python.
NAMED = rf"(?:^|[^A-Za-z_])(?:{'|'.join(NAMES)})(?![A-Za-z0-9_])"
PARSE_ERRORS = (SyntaxError, ValueError, MemoryError, RecursionError)  # of Python's parser
Evaluator = Callable[[Mapping[str, float]], float]  # from the values of VARIABLES to a value


@dataclass(frozen=True)
class Expression:
    """An expression in VARIABLES that `parse` has accepted; it pickles and hashes as its text."""

    text: str

    @property
    def variables(self) -> frozenset[str]:
        """The names of VARIABLES that occur in it."""
        return _compiled(self.text)[1]

    def at(self, values: Mapping[str, float]) -> float:
        """Returns the value, a finite number, for these values of the variables.

        Raises ValueError where there is none; its text is the end of a sentence.
        """
        try:
            return _compiled(self.text)[0](values)
        except ZeroDivisionError as error:
            raise ValueError("divides by zero") from error
        except OverflowError as error:
            raise ValueError("becomes too large to compute") from error


def parse(text: str) -> Expression:
    """Returns the expression in a text; raises ValueError if the text is not a valid one.

    The error's text is the end of a sentence that begins with the text, such as "is not a formula".
    """
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
    """Returns whether a text that is not a number is meant as a formula.

    It is if it has an operator, or one of NAMES as a separate word.
    """
    return bool(re.search(rf"[-+*/()<>]|%\s*\.?[0-9]|{NAMED}", text.strip()))


@lru_cache(maxsize=1024)
def _compiled(text: str) -> tuple[Evaluator, frozenset[str]]:
    """Returns the function that evaluates a text, and its variables; raises ValueError."""
    try:
        tree = _syntax_tree(text)
    except PARSE_ERRORS as error:
        raise ValueError(_syntax_problem(text)) from error
    variables: set[str] = set()
    evaluate = _Compiler(text, variables).compiled(tree, 0)
    return evaluate, frozenset(variables)


def _syntax_tree(text: str) -> ast.expr:
    """Returns the text as Python parses it; raises one of PARSE_ERRORS."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SyntaxWarning, such as for "1()": it is refused later
        return ast.parse(text, mode="eval").body


def _syntax_problem(text: str) -> str:
    """Returns what is wrong with a text that Python cannot parse, as the end of a sentence."""
    if text.count("(") > text.count(")"):
        return "has a ( that is never closed. In { } put a formula that holds a comma in quotes"
    unit = re.fullmatch(r"(.*[\w.)])\s*?((?<![A-Za-z])[A-Za-z°]+|%)", text)
    if unit and unit[2] not in NAMES and not keyword.iskeyword(unit[2]):
        with suppress(*PARSE_ERRORS):  # the text before the unit may not be a formula either
            _Compiler(unit[1], set()).compiled(_syntax_tree(unit[1]), 0)
            return (
                f"ends in {unit[2]}, which is not a unit here. Leave it out: angles are in "
                "degrees, places in percent of the frame, others plain numbers"
            )
    return f"is not a formula. Write one such as {EXAMPLE}, a unit behind its brackets"


@dataclass(frozen=True)
class _Compiler:
    """Turns nodes of a syntax tree into functions; refuses every node that is not listed here."""

    text: str
    variables: set[str]  # filled with the names that occur

    def compiled(self, node: ast.expr, depth: int) -> Evaluator:
        """Returns the function that evaluates a node `depth` levels deep; raises ValueError."""
        if depth > DEPTH_LIMIT:
            raise ValueError(f"is nested more than {DEPTH_LIMIT} levels deep. Simplify it")

        def inner(nodes: list[ast.expr]) -> list[Evaluator]:
            return [self.compiled(each, depth + 1) for each in nodes]

        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return _constant(number)
            case ast.Name(id=name) if name in VARIABLES:
                self.variables.add(name)
                return lambda values: values[name]
            case ast.Name(id=name) if name in CONSTANTS:
                return _constant(CONSTANTS[name])
            case ast.UnaryOp(op=sign, operand=operand) if type(sign) in OPERATORS:
                return _call(OPERATORS[type(sign)], inner([operand]))
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
                return _call(OPERATORS[type(sign)], inner([left, right]))
            case ast.Compare(left=left, ops=signs, comparators=others) if all(
                type(sign) in OPERATORS for sign in signs
            ):
                return _comparison(
                    [OPERATORS[type(sign)] for sign in signs], inner([left, *others])
                )
            case ast.BoolOp(op=ast.And(), values=nodes):
                operands = inner(nodes)
                return lambda values: float(all(each(values) for each in operands))
            case ast.BoolOp(op=ast.Or(), values=nodes):
                operands = inner(nodes)
                return lambda values: float(any(each(values) for each in operands))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                condition, if_true, if_not = inner([test, body, orelse])
                return lambda values: if_true(values) if condition(values) else if_not(values)
            case ast.Call(func=ast.Name(id=name), args=nodes, keywords=[]) if name in FUNCTIONS:
                function, wanted = FUNCTIONS[name]
                if len(nodes) != wanted and (wanted is not None or len(nodes) < 2):
                    count = f"{wanted}" if wanted else "two or more"
                    raise ValueError(f"gives {name} {len(nodes)} numbers, but it takes {count}")
                return _call(function, inner(nodes))
        raise ValueError(self._refusal(node))

    def _refusal(self, node: ast.expr) -> str:
        """Returns why a node may not be in a formula, and what may, as the end of a sentence."""
        if isinstance(node, ast.Call):
            node = node.func
            if isinstance(node, ast.Name) and node.id in VARIABLES:
                return f"calls {node.id}, which is a number. Write {node.id}*(...) to multiply"
            if isinstance(node, ast.Name) and node.id in FUNCTIONS:
                return f"gives {node.id} something other than numbers. Write {node.id}(t)"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
            return "holds a ^, which is not allowed in a formula. A power is written t**2"
        if isinstance(node, ast.Name) and node.id in FOREIGN:
            return f"holds {node.id}, which is not allowed in a formula. {FOREIGN[node.id]}"
        source = ast.get_source_segment(self.text, node) or self.text
        source = source if len(source) <= 20 else f"{source[:17]}..."
        near = difflib.get_close_matches(source.lower(), NAMES, 1, 0.6)
        meant = f"Did you mean {near[0]}? " if near else ""
        known = (
            f"the variables {', '.join(VARIABLES)}, the constants {', '.join(CONSTANTS)} and the "
            f"functions {', '.join(FUNCTIONS)}"
        )
        return f"holds {source}, which is not allowed in a formula. {meant}There are {known}"


def _constant(number: float) -> Evaluator:
    """Returns a function that is always `number`; raises ValueError if it is out of range."""
    if not abs(number) < 1e300:
        raise ValueError("holds a number that is out of range. Write a smaller one")
    value = float(number)
    return lambda values: value


def _call(function: Callable[..., float], arguments: list[Evaluator]) -> Evaluator:
    """Returns a call of `function`, which raises an error unless its value is a finite number."""

    def evaluate(values: Mapping[str, float]) -> float:
        numbers = [argument(values) for argument in arguments]
        try:
            result = float(function(*numbers))
        except ValueError as error:  # of `math`, for a number outside the function's domain
            raise _domain_error(function, numbers) from error
        if not math.isfinite(result):
            raise OverflowError
        return result

    return evaluate


def _domain_error(function: Callable[..., float], numbers: list[float]) -> Exception:
    """Returns the error for a function that has no value for these numbers."""
    if function is math.pow and numbers[0] == 0:
        return ZeroDivisionError()
    name = "a power" if function is math.pow else getattr(function, "__name__", "a function")
    return ValueError(f"takes {name} of {numbers[0]:g}, which has none")


def _comparison(operators: list[Callable[..., float]], operands: list[Evaluator]) -> Evaluator:
    """Returns a chained comparison such as 0 < t < 1, which is 1.0 or 0.0.

    Every operand is evaluated once: evaluating the inner ones twice would double the work at every
    level of chains within chains.
    """

    def evaluate(values: Mapping[str, float]) -> float:
        numbers = [operand(values) for operand in operands]
        pairs = itertools.pairwise(numbers)
        return float(all(holds(a, b) for holds, (a, b) in zip(operators, pairs, strict=True)))

    return evaluate
