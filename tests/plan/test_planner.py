"""Which keyframes are made, with which settings and cameras; frame counts; drafts."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan.samples import DAWN, HEAD, NIGHT, STORM, board, plan, plan_of
from plans import plan_for

from render.plan.plan import Plan
from render.plan.planner import draft, keyframe_times
from render.storyboard.parser import parse


def test_keyframes_are_at_multiples_of_every_and_one_ends_each_chain() -> None:
    storyboard = board(DAWN, STORM, NIGHT)
    half = Fraction(1, 2)
    # The storm continues from the dawn, so the dawn needs no keyframe at its end.
    assert keyframe_times(storyboard, 0) == [0, half, 1, 3 * half]
    assert keyframe_times(storyboard, 1) == [0, half, 1, 3 * half]
    assert keyframe_times(storyboard, 2) == [0, half, 1]
    chains = plan_of(storyboard).chains()
    assert [[k.shot for k in chain] for chain in chains] == [[0] * 4 + [1] * 4, [2] * 3]


@given(
    st.lists(st.fractions(Fraction(1, 10), 20, max_denominator=1000), min_size=1, max_size=6),
    st.sampled_from(["12", "24", "23.976", "30000/1001", "60"]),
)
def test_n_seconds_are_round_n_fps_frames(durations: list[Fraction], fps: str) -> None:
    head = f"version: 1\nsize: 64x48\nfps: {fps}\nshots:\n"
    shots = "".join(
        f"  - {{name: s{i}, duration: {float(d):.6f}s, prompts: a sea}}\n"
        for i, d in enumerate(durations)
    )
    film = plan(shots, head=head)
    exact = film.board.duration * film.board.fps
    assert film.frame_count == max(1, math.floor(exact + Fraction(1, 2)))
    numbers = [n for shot in range(len(durations)) for n in film.shot_frames(shot)]
    assert numbers == list(range(len(numbers)))  # every frame once
    assert film.frame_count - len(numbers) in (0, 1)


def test_a_continuing_shot_starts_with_the_camera_of_the_shot_before() -> None:
    film = plan(DAWN, STORM)
    crossing = film.keyframes[4]
    assert crossing.shot == 1
    assert crossing.matrix[0] == pytest.approx(1.1**0.5)  # half a second of 1.1/s


def test_a_size_that_is_no_multiple_of_the_factor_is_made_larger() -> None:
    film = plan(NIGHT, head=HEAD.replace("64x48", "66x50"))
    assert film.size == (68, 52)
    assert film.board.size == (66, 50)


def test_a_draft_has_the_same_keyframes_with_fewer_steps() -> None:
    full = plan(DAWN, STORM, NIGHT, head=HEAD.replace("64x48", "640x384"))
    small = plan_of(draft(full.board, 4))
    assert small.size == (320, 192)
    assert [(k.shot, k.time) for k in small.keyframes] == [(k.shot, k.time) for k in full.keyframes]
    assert small.frame_count == full.frame_count
    assert sum(k.steps for k in small.keyframes) < sum(k.steps for k in full.keyframes) / 2


@pytest.mark.parametrize(
    ("size", "factor", "drafted"),
    [
        ((640, 384), 16, (320, 192)),
        ((300, 200), 16, (150, 100)),  # no multiple of the factor: the film is cropped
        ((98, 66), 8, (48, 32)),  # the sides stay even, as most codecs require
        ((64, 48), 4, (32, 24)),
        ((64, 48), 8, (64, 48)),  # 24 pixels would be 3 cells: too few to show the film
        ((16, 16), 4, (16, 16)),
        ((17, 31), 2, (17, 31)),
    ],
)
def test_a_draft_halves_the_size_where_enough_latent_cells_remain(
    size: tuple[int, int], factor: int, drafted: tuple[int, int]
) -> None:
    full = dataclasses.replace(board(DAWN), size=size)
    assert draft(full, factor).size == drafted


@given(st.integers(16, 4096), st.integers(16, 4096), st.sampled_from([4, 8, 16]))
def test_every_draft_has_even_sides_and_the_film_s_aspect_ratio(
    w: int, h: int, factor: int
) -> None:
    width, height = draft(dataclasses.replace(board(DAWN), size=(w, h)), factor).size
    assert (width, height) == (w, h) or (max(width / w, height / h) < 0.6 and width % 2 == 0)
    assert min(width, height) >= 16
    assert abs(width / w - height / h) < 0.06  # film pixel of 16


def test_a_draft_takes_a_third_of_the_steps() -> None:
    def steps(first: int, then: int) -> tuple[int, int]:
        iterations = f"defaults: {{iterations: {{first: {first}, then: {then}}}, keyframes: 0.5s}}"
        head = f"version: 1\n{iterations}\nshots:\n"
        settings = draft(board(DAWN, head=head), 4).shots[0].settings
        return settings.first_steps, settings.later_steps

    assert steps(300, 90) == (100, 30)
    assert steps(12, 6) == (10, 5)
    assert steps(4, 1) == (4, 1)


def test_animated_settings_have_the_values_of_the_keyframe_s_time() -> None:
    animated = NIGHT.replace(
        "prompts: night",
        "prompts: night, smoothing: 0.9*u, losses: {hold: {0s: 1, 1s: 3}}, "
        "step: {then: 0.2 + 0.1*t}",
    )
    first, middle, last = plan(animated).keyframes
    assert [k.settings.smoothing for k in (first, middle, last)] == [0.0, 0.45, 0.9]
    assert [dict(k.settings.losses)["hold"] for k in (first, middle, last)] == [1.0, 2.0, 3.0]
    assert [k.step_size for k in (first, middle, last)] == [0.8, 0.25, 0.3]
    settings = "smoothing: 0.45, losses: {hold: 2}, step: {then: 0.25}"
    constant = NIGHT.replace("prompts: night", f"prompts: night, {settings}")
    assert plan(constant).keyframes[1].settings == middle.settings


@pytest.mark.parametrize(
    ("transition", "firsts"),
    [
        ("cut", [None, 0, 0, None, 3, 3, 3, 3]),
        ("continue", [None, 0, None, 2, 2, 2, 2]),
        ("0.6s", [None, 0, None, None, None, 4, 4]),  # none until the prompts have crossed over
        ("1s", [None, 0, None, None, None, 4, 4]),
        ("dissolve 1s", [None, 0, 0, 0, 0, None, 5, 5, 5, 5]),
    ],
)
def test_keyframes_keep_the_statistics_of_their_shot_s_first_one(
    transition: str, firsts: list[int | None]
) -> None:
    text = (
        "version: 1\ndefaults: {keyframes: 0.5s}\nshots:\n- {duration: 1s, prompts: a}\n"
        f"- {{duration: 2s, prompts: b, transition: {transition}}}\n"
    )

    def plan_of_text(text: str) -> Plan:
        return plan_for(parse(text, Path()), 8)

    assert [keyframe.reference for keyframe in plan_of_text(text).keyframes] == firsts
    free = plan_of_text(
        text.replace("0.5s}", "0.5s, losses: {sharpness: 0, colours: 0, brightness: 0}}")
    )
    assert {keyframe.reference for keyframe in free.keyframes} == {None}
    kept = plan_of_text(
        text.replace("0.5s}", "0.5s, losses: {sharpness: 0, brightness: 0, colours: 1}}")
    )
    assert [keyframe.reference for keyframe in kept.keyframes] == firsts


def test_each_keyframe_has_its_steps_time_and_own_seed() -> None:
    iterations = "every: 0.5s}, iterations: {first: 4, then: 2}"
    keyframes = plan(NIGHT, head=HEAD.replace("every: 0.5s}", iterations)).keyframes
    assert [keyframe.steps for keyframe in keyframes] == [4, 2, 2]
    assert [keyframe.time for keyframe in keyframes] == [0, Fraction(1, 2), 1]
    assert len({keyframe.seed for keyframe in keyframes}) == 3


@pytest.mark.parametrize(
    ("iterations", "expected"),
    [
        ("{then: 4}", (4, 16)),
        ("{then: 4, change: 20}", (4, 20)),
        ("{then: 30, change: 10}", (30, 10)),
        ("{then: 0}", (0, 0)),
        ("6", (6, 24)),
    ],
)
def test_a_keyframe_whose_prompts_change_has_more_steps(
    iterations: str, expected: tuple[int, int]
) -> None:
    head = HEAD.replace("every: 0.5s}", f"every: 0.5s}}, iterations: {iterations}")
    storm = [one for one in plan(DAWN, STORM, head=head).keyframes if one.shot == 1]
    assert [keyframe.steps for keyframe in storm] == [expected[0], expected[1], *[expected[0]] * 2]
    assert [keyframe.step_size for keyframe in storm] == [0.2, 0.8, 0.2, 0.2]


def test_the_steps_follow_how_much_of_the_prompts_changes() -> None:
    slow = STORM.replace("0.5s", "{duration: 4s, ease: linear}").replace("1.2s", "4s")
    storm = [one for one in plan(DAWN, slow).keyframes if one.shot == 1]
    assert {(one.steps, one.step_size) for one in storm[1:-1]} == {(20, 0.5)}
    step = HEAD.replace("every: 0.5s}", "every: 0.5s}, step: {then: 0.1, change: 0.9}")
    keyframes = [one for one in plan(DAWN, STORM, head=step).keyframes if one.shot == 1]
    assert [keyframe.step_size for keyframe in keyframes] == [0.1, 0.9, 0.1, 0.1]
