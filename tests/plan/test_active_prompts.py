"""Which prompts pull at a time, and with which weights and stops."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from plan.samples import DAWN, NIGHT, STORM, board

from render.plan.active_prompts import active_prompts, prompt_change
from render.storyboard.parser import parse


def test_a_crossfade_moves_the_weight_to_the_next_shot() -> None:
    storyboard = board(DAWN, STORM)
    start, middle, end = (
        active_prompts(storyboard, 1, Fraction(t)) for t in (0, Fraction(1, 4), Fraction(1, 2))
    )
    assert [(a.text, a.weight) for a in start] == [("a red sea", 1.0)]
    assert {a.text: a.weight for a in middle} == {"a red sea": 0.5, "a storm": 0.5}
    assert [(a.text, a.weight) for a in end] == [("a storm", 1.0)]


def test_a_prompt_that_both_shots_have_keeps_its_weight() -> None:
    storyboard = board(DAWN, STORM.replace("a storm", "a red sea"))
    for time in (Fraction(0), Fraction(1, 8), Fraction(1, 3), Fraction(1)):
        assert [a.weight for a in active_prompts(storyboard, 1, time)] == [pytest.approx(1.0)]


def test_a_prompt_whose_weight_rounds_to_0_is_left_out() -> None:
    """The loss divides by the sum of the weights, which would be 0 here."""
    faint = parse(
        "version: 1\nshots:\n- {duration: 4s, keyframes: 10ms, prompts: [{text: sea, weight: "
        "{0s: 0, 4s: {value: 0.000001, ease: smoother}}}]}\n",
        Path(),
    )
    assert active_prompts(faint, 0, Fraction(1, 100)) == ()
    assert active_prompts(faint, 0, Fraction(2)) != ()


def test_a_crossfade_into_crossfading_texts_keeps_the_sum_of_weights() -> None:
    texts = "[{text: {0s: a storm, 1s: rain}, weight: 3}]"
    storyboard = board(DAWN, STORM.replace("a storm", texts))
    for tenth in range(13):
        time = Fraction(tenth, 10)
        share = min(1.0, tenth / 5)
        eased = share * share * (3 - 2 * share)
        total = sum(prompt.weight for prompt in active_prompts(storyboard, 1, time))
        assert total == pytest.approx(3 * eased + (1 - eased), abs=1e-11)


def test_a_stop_may_be_animated() -> None:
    storyboard = board(NIGHT.replace("night}", "[{text: night, stop: 0.4 + 0.4*u}, {text: sea}]}"))
    for time, stop in ((0, 0.4), (Fraction(1, 2), 0.6), (2, 0.8)):
        night, sea = active_prompts(storyboard, 0, Fraction(time))
        assert night.stop == pytest.approx(stop, abs=1e-12)
        assert sea.stop == -math.inf


def test_how_much_of_the_prompts_changes() -> None:
    storyboard = board(DAWN, STORM)
    start, quarter, end = (
        active_prompts(storyboard, 1, Fraction(t)) for t in (0, Fraction(1, 4), Fraction(1, 2))
    )
    assert prompt_change(start, start) == 0
    assert prompt_change(start, quarter) == 0.5
    assert prompt_change(start, end) == 1
    assert prompt_change((), ()) == 0
    twice = [replace(prompt, weight=2 * prompt.weight) for prompt in quarter]
    assert prompt_change(quarter, twice) == 0  # only shares count
