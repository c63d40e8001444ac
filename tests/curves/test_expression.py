"""Expressions: what they may contain, their values, and that nothing else is ever run."""

from __future__ import annotations

import ast
import math
import pickle
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from render.curves.expression import (
    CONSTANTS,
    DEPTH_LIMIT,
    FUNCTIONS,
    LENGTH_LIMIT,
    NAMES,
    OPERATORS,
    VARIABLES,
    Expression,
    looks_like_formula,
    parse,
)

VALUES = {"t": 2.0, "u": 0.25, "f": 48.0, "n": 8.0, "beat": 4.0, "film_time": 5.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 0.1*sin(tau*u)", 1.1),
        ("-t**2", -4.0),
        ("7 // 2 + 7 % 4", 6.0),
        ("-1 % 3", 2.0),  # has the sign of the divisor, so it also cycles below 0
        ("t if u < 0.5 else -t", 2.0),
        ("1 if 0 < u < 0.2 or not t > 2 else 0", 1.0),
        ("1 if 0 < t and u > 1 else 0", 0.0),
        ("round(2.5) + round(-2.5)", 1.0),
        ("sign(-3) + sign(0) + sign(9)", 0.0),
        ("fract(-0.25)", 0.75),
        ("floor(2.7) + ceil(2.2)", 5.0),
        ("min(3, t, 5) + max(1, 2)", 4.0),
        ("clamp(9, 0, 1) + mix(10, 20, u)", 13.5),
        ("smoothstep(0, 4, t)", 0.5),
        ("atan2(1, 1) * 4 - pi + log(e)", 1.0),
        ("  1 +\n t ", 3.0),
        ("beat + f/24 - n", -2.0),
    ],
)
def test_the_value_of_an_expression(text: str, value: float) -> None:
    assert parse(text).at(VALUES) == pytest.approx(value)


def test_an_expression_has_variables_equals_itself_and_pickles() -> None:
    formula = parse("1 + u*sin( beat )")
    assert formula.variables == {"u", "beat"}
    assert formula == parse("1 + u*sin( beat )") != parse("2")
    assert pickle.loads(pickle.dumps(formula)).at(VALUES) == formula.at(VALUES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1/(t - 2)", "divides by zero"),
        ("5 % (t - 2)", "divides by zero"),
        ("0**-t", "divides by zero"),
        ("sqrt(1 - t)", "takes sqrt of -1, which has none"),
        ("log(t - 2)", "takes log of 0"),
        ("(-8)**(1/3)", "takes a power of -8"),
        ("exp(exp(t*10))", "too large to compute"),
        ("1e200 * 1e200 * t", "too large to compute"),
        # Of infinities, whose difference is a NaN, which the comparison would hide.
        ("1 if 1e200*1e200 - 1e200*1e200 < 1 else 2", "too large to compute"),
        ("smoothstep(2, t, 3)", "divides by zero"),
    ],
)
def test_an_expression_without_a_value_is_an_error(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text).at(VALUES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "__import__('os').system('x')",
            "holds __import__\\('os'\\)...., which is not allowed in a formula",
        ),
        ("().__class__", "not allowed in a formula"),
        ("t.real", "holds t.real"),
        ("t[0]", "not allowed in a formula"),
        ("'a' * 9", "holds 'a'"),
        ("f'{t}'", "not allowed in a formula"),
        ("[x for x in t]", "not allowed in a formula"),
        ("{t: t}", "not allowed in a formula"),
        ("(lambda: 1)()", "holds lambda"),
        ("(x := 1)", "not allowed in a formula"),
        ("max(*t, 1)", r"holds \*t"),
        ("max(1, 2, key=t)", "gives max something other than numbers"),
        ("True", "holds True"),
        ("2j", "holds 2j"),
        ("~t", "holds ~t"),
        ("t @ t", "not allowed in a formula"),
        ("t << 9", "not allowed in a formula"),
        ("t in t", "not allowed in a formula"),
        ("t is t", "not allowed in a formula"),
        ("...", "not allowed in a formula"),
        ("t^2", r"A power is written t\*\*2"),
        ("f(t)", r"calls f, which is a number. Write f\*"),
        ("50% - 20*u", "has a % within it. A unit stands once, behind the whole"),
        ("(5%) + 3", "has a % within it"),
        ("1 + foo*t", "the constants pi, tau, e and the functions"),
        ("mod(7, 3)", "holds mod, which is not allowed in a formula. A remainder is written t % 2"),
        ("(t)rad", "ends in rad, which is not a unit here. Leave it out: angles are in degrees,"),
        ("sin(t) turn", "ends in turn, which is not a unit here"),
        ("(1 + t)%", "ends in %, which is not a unit here"),
        ("t*1rad", "ends in rad"),
        ("5deg*sin(t)", "is not a formula. Write one such as"),
        ("2 t", "is not a formula"),
        ("t and", "is not a formula"),
        ("sinn(t)", "Did you mean sin?"),
        ("eval(t)", "holds eval"),
        ("sin(1, 2)", "gives sin 2 numbers, but it takes 1"),
        ("max(1)", "takes two or more"),
        ("1e999", "out of range"),
        ("1" + "0" * 299, "^$"),
        ("max(1, t", "never closed. In { } put a formula that holds a comma in quotes"),
        ("1 +", "is not a formula. Write one such as"),
        ("t = 1", "is not a formula"),
        ("import os", "is not a formula"),
        ("t; t", "is not a formula"),
        ("t\0", "is not a formula"),
        ("\ud800", "is not a formula"),
        ("", "is not a formula"),
        ("t" * (LENGTH_LIMIT + 1), "longer than 300 characters"),
        ("-" * 200 + "t", "nested more than 30 levels deep"),
        ("(" * 140 + "t" + ")" * 140, "^$"),
        ("foo(" + "-" * 280 + "1)", "holds foo"),
    ],
)
def test_other_texts_are_refused(text: str, says: str) -> None:
    if says == "^$":  # a large number, or many brackets: valid
        try:
            assert math.isfinite(parse(text).at(VALUES))
        except ValueError as error:
            assert "formula" in str(error) or "range" in str(error)  # noqa: PT017
        return
    with pytest.raises(ValueError, match=says):
        parse(text)


LEAVES = st.sampled_from([*VARIABLES, *CONSTANTS]) | st.floats(0, 1e6).map(repr)
SIGNS = ["+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!=", " and ", " or "]
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(SIGNS), inner).map(lambda p: f"({p[0]}{p[1]}{p[2]})"),
        st.tuples(st.sampled_from(["-", "+", "not "]), inner).map(lambda p: f"({p[0]}{p[1]})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), st.lists(inner, min_size=1, max_size=3)).map(
            lambda p: f"{p[0]}({', '.join(p[1])})"
        ),
    ),
    max_leaves=12,
)


def reference(text: str) -> float:
    """The obvious version, which only a test may use: Python evaluates it, with floats."""
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value = float(node.value)
    names = {**VALUES, **CONSTANTS, **{name: each for name, (each, _) in FUNCTIONS.items()}}
    return float(eval(compile(tree, "formula", "eval"), {"__builtins__": {}}, names))


@given(TREES)
@example("(1 < t < 3)")
def test_an_expression_has_the_value_that_python_gives(text: str) -> None:
    try:
        value = parse(text).at(VALUES)
    except ValueError:
        return
    try:
        expected = reference(text)
    except (ArithmeticError, ValueError, TypeError):
        return
    # Python's ** of a negative base is complex, its `and` a number: neither is compared here.
    if " and " not in text and " or " not in text:
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)


WORDS = ["if ", " else ", " lambda:", "__class__", "import ", " for ", " in ", "🌊", "\0"]
ALPHABET = st.sampled_from([*NAMES, *WORDS, *"0123456789.()[]{}+-*/%<>=!,:'\"_^~@& \\"])


@given(st.lists(ALPHABET, max_size=60).map("".join) | st.text(max_size=LENGTH_LIMIT + 9))
def test_any_text_gives_a_finite_number_or_an_error(text: str) -> None:
    looks_like_formula(text)
    try:
        value = parse(text).at(VALUES)
    except ValueError as error:
        assert str(error)  # noqa: PT017
        return
    assert isinstance(value, float)
    assert math.isfinite(value)
    allowed = (ast.Name, ast.Constant, ast.UnaryOp, ast.BinOp, ast.Compare, ast.BoolOp, ast.IfExp,
               ast.Call, ast.Expression, ast.Load, ast.And, ast.Or, *OPERATORS)  # fmt: skip
    for node in ast.walk(ast.parse(" ".join(text.split()), mode="eval")):
        assert isinstance(node, allowed)
        assert not isinstance(node, ast.Name) or node.id in NAMES


@pytest.mark.parametrize(
    "text",
    [
        "1<(" * (DEPTH_LIMIT - 1) + "t" + ")<1" * (DEPTH_LIMIT - 1),
        "(" * 20 + "t" + "**9.9)" * 20,
        "*".join(["floor(1e99)"] * 25),
        "max(" + ",".join(["t"] * 140) + ")",
    ],
)
def test_evaluating_any_text_is_fast(text: str) -> None:
    start = time.perf_counter()
    try:
        parse(text).at(VALUES)
    except ValueError as error:
        assert str(error)  # noqa: PT017
    assert time.perf_counter() - start < 0.2


def test_a_text_with_an_operator_or_a_name_looks_like_a_formula() -> None:
    formulas = ["1+1", "sin(t)", "beat", "2*u", "t", "fast(t)", "-", "7 % 3", "7%.5"]
    assert all(map(looks_like_formula, formulas))
    plain = ["fast", "1,5", "0.5", "off", "10px", "", "few", "5%", "50 % more"]
    assert not any(map(looks_like_formula, plain))


def test_every_function_takes_as_many_arguments_as_its_row_says() -> None:
    for name, (_, wanted) in FUNCTIONS.items():
        numbers = ", ".join(["0.5", "0.7", "0.9"][: wanted or 2])
        assert math.isfinite(Expression(f"{name}({numbers})").at({}))
