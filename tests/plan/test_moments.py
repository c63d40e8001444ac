"""What each frame is made of: its neighbouring keyframes and its transition."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan.samples import DAWN, HEAD, NIGHT, STORM, board, keys, plan

from render.plan.camera import IDENTITY
from render.plan.planner import keyframe_times
from render.storyboard.model import OVERLAPPING


@given(st.integers(0, 100))
def test_every_frame_lies_between_two_neighbouring_keyframes_of_a_chain(number: int) -> None:
    film = plan(DAWN, STORM, NIGHT)
    moment = film.moment(min(number, film.frame_count - 1))
    left, right = film.keyframes[moment.left], film.keyframes[moment.right]
    assert right.index - left.index in (0, 1)
    assert 0 <= moment.fraction < 1
    same_chain = right.parent == left.index or left == right
    assert same_chain
    if moment.fraction == 0:
        assert moment.from_left == IDENTITY


def test_the_last_frame_has_a_keyframe_after_it() -> None:
    film = plan(NIGHT)
    last = film.moment(film.frame_count - 1)
    assert last.right == len(film.keyframes) - 1
    assert last.fraction > 0


@pytest.mark.parametrize("kind", OVERLAPPING)
def test_during_a_transition_both_shots_continue(kind: str) -> None:
    cut = plan(DAWN, NIGHT)
    film = plan(DAWN, NIGHT.replace("}", f", transition: {kind} 0.75s}}"))
    assert film.frame_count == cut.frame_count  # the film is as long as with a cut
    half = Fraction(1, 2)
    assert keyframe_times(film.board, 0) == [half * k for k in range(7)]  # up to 3 s
    assert keys(film, 1) == keys(cut, 1)
    assert keys(film, 0)[:5] == keys(cut, 0)
    assert film.moment(47) == cut.moment(47)
    assert film.moment(48 + 18).before is None  # 0.75 s later
    during = film.moment(48 + 9)
    assert (during.transition, during.share) == (kind, pytest.approx(0.5))
    before = during.before
    assert before is not None
    assert film.keyframes[before.left].time == 2
    assert before.fraction == pytest.approx(0.75)  # 2.375 s, between 2 and 2.5
    # The camera continues at its rate, 1.1 per second.
    assert before.from_left[0] == pytest.approx(1.1**0.375)
    assert during.keyframes == (before.left, before.right, during.left, during.right)


def test_a_transition_without_a_duration_takes_a_second_or_a_shorter_shot() -> None:
    assert board(DAWN, NIGHT.replace("}", ", transition: morph}")).shots[1].transition.duration == 1
    short = NIGHT.replace("1s", "0.8s").replace("}", ", transition: morph}")
    assert board(DAWN, short).shots[1].transition.duration == Fraction(4, 5)


def test_a_looping_film_starts_with_a_transition_from_its_last_shot() -> None:
    ending = plan(DAWN, NIGHT)
    looping = plan(DAWN, NIGHT, head=f"loop: true\n{HEAD}")
    assert looping.frame_count == ending.frame_count
    assert keys(looping, 0) == keys(ending, 0)
    first = looping.moment(0)
    assert (first.share, first.transition) == (0, "morph")
    assert first.before is not None
    # The first frame starts where the last shot ends, film frame after the film's last film.
    end = looping.keyframes[first.before.left]
    assert (end.shot, end.time + first.before.fraction / 2) == (1, 1)
    assert looping.moment(24).before is None
    assert looping.moment(looping.frame_count - 1) == ending.moment(ending.frame_count - 1)
    dissolving = plan(DAWN.replace("}}", "}, transition: dissolve 0.5s}"), head=f"loop: 2s\n{HEAD}")
    assert dissolving.moment(11).transition == "dissolve"
    assert dissolving.moment(12).before is None
