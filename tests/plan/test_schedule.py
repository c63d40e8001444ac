"""The order of the work: keyframes before the frames that need them, frames as soon as allowed."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from plan.samples import plan

from render.plan.plan import Keyframe, Plan
from render.plan.schedule import MakeKeyframe, SendFrame, schedule
from render.storyboard.model import OVERLAPPING

HEAD = "version: 1\nsize: 64x48\nfps: {fps}\n{loop}defaults: {{keyframes: 0.5s}}\nshots:\n"
TRANSITIONS = ("", *(f", transition: {kind} 0.3s" for kind in ("continue", *OVERLAPPING)))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans of one to four short shots, with every transition, some of them looping."""
    count = draw(st.integers(1, 4))
    shots = []
    for number in range(count):
        transition = draw(st.sampled_from(TRANSITIONS)) if number else ""
        tenths = draw(st.integers(4, 17))
        shots.append(
            f"  - {{name: s{number}, duration: {tenths / 10}s, prompts: sea{transition}}}\n"
        )
    fps, loop = draw(st.sampled_from((3, 5, 24))), draw(st.sampled_from(("", "loop: 0.3s\n")))
    return plan(*shots, head=HEAD.format(fps=fps, loop=loop))


@st.composite
def plans_with_work(draw: st.DrawFn) -> tuple[Plan, list[Keyframe]]:
    """Plans, each with any of its keyframes still to be made."""
    drawn = draw(plans())
    missing = draw(st.sets(st.integers(0, len(drawn.keyframes) - 1)))
    return drawn, [drawn.keyframes[index] for index in sorted(missing)]


@given(plans_with_work())
@settings(max_examples=60, deadline=None)
def test_everything_comes_once_and_after_what_it_needs(work: tuple[Plan, list[Keyframe]]) -> None:
    film, todo = work
    order = list(schedule(film, todo))
    assert [item.keyframe for item in order if isinstance(item, MakeKeyframe)] == todo
    sent = [item.number for item in order if isinstance(item, SendFrame)]
    assert sent == list(range(film.frame_count))
    missing = {keyframe.index for keyframe in todo}
    made = frames = 0
    for item in order:
        if isinstance(item, MakeKeyframe):
            parents = {item.keyframe.parent, item.keyframe.reference}
            assert not parents & missing, "a keyframe comes before its parent"
            missing.remove(item.keyframe.index)
            made += 1
        else:
            assert not set(film.moment(item.number).keyframes) & missing
            frames += 1
        # Integers, so that nothing is rounded: frames / frame_count <= made / len(todo).
        assert frames * len(todo) <= made * film.frame_count or not todo


@given(plans())
@settings(max_examples=20, deadline=None)
def test_a_film_of_stored_keyframes_only_sends_its_frames(film: Plan) -> None:
    assert list(schedule(film, ())) == [SendFrame(number) for number in range(film.frame_count)]


@given(plans_with_work())
@settings(max_examples=20, deadline=None)
def test_a_keyframe_is_made_no_earlier_than_the_next_frame_demands(
    work: tuple[Plan, list[Keyframe]],
) -> None:
    film, todo = work
    made = 0
    for item, following in pairwise(schedule(film, todo)):
        if isinstance(item, MakeKeyframe):
            if isinstance(following, SendFrame):
                last_needed = max(film.moment(following.number).keyframes)
                would_be_ahead = (following.number + 1) * len(todo) >= made * film.frame_count
                assert item.keyframe.index <= last_needed or would_be_ahead
            made += 1


def test_an_edit_near_the_end_does_not_wait_for_the_frames_before_it() -> None:
    film = plan(*(f"  - {{name: s{number}, duration: 5s, prompts: sea}}\n" for number in range(4)))
    todo = [keyframe for keyframe in film.keyframes if keyframe.shot == 3]
    order = list(schedule(film, todo))
    half = order.index(MakeKeyframe(todo[len(todo) // 2]))
    assert order[0] == MakeKeyframe(todo[0])
    assert sum(isinstance(item, SendFrame) for item in order[:half]) <= film.frame_count / 2
