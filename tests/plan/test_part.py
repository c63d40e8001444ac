"""A part of a film has the frames and keyframes of the film, and the same latents."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import plan_for

from render.errors import InputError
from render.plan.part import part_name, part_of
from render.plan.plan import Plan
from render.plan.schedule import MakeKeyframe, SendFrame, schedule
from render.storyboard.parser import parse

BOARD = """\
version: 1
fps: 12
bpm: 60
first_beat: 500ms
shots:
- {name: calm, duration: 2s, prompts: a sea}
- {name: storm, duration: 2s, prompts: waves, transition: continue}
- {name: night, duration: 2s, prompts: stars, transition: dissolve 1s}
- {name: dawn, duration: 2s, prompts: a sunrise}
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_for(parse(BOARD, Path()), 8)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"shots": "storm"}, [(24, 48)]),
        ({"shots": "night, calm"}, [(0, 24), (48, 72)]),
        ({"shots": "storm,night"}, [(24, 72)]),
        ({"start": "1s", "end": "2s"}, [(12, 24)]),
        ({"start": "6s"}, [(72, 96)]),
        ({"end": "10f"}, [(0, 10)]),
        ({"start": "0:01.05", "end": "99s"}, [(13, 96)]),
        ({"start": "2b", "end": "3b"}, [(30, 42)]),
    ],
)
def test_a_part_has_the_frames_that_begin_within_it(
    plan: Plan, options: dict[str, str], part: list[tuple[int, int]]
) -> None:
    made = part_of(plan, **options)
    assert [(frames.start, frames.stop) for frames in made.part] == part
    assert made.shown == tuple(number for first, stop in part for number in range(first, stop))
    assert made.keyframes == plan.keyframes


def test_a_part_needs_the_keyframes_that_lead_to_it_and_no_others(plan: Plan) -> None:
    def shots_needed(**options: str) -> set[int]:
        return {keyframe.shot for keyframe in part_of(plan, **options).needed_keyframes()}

    assert shots_needed(shots="calm") == {0, 1}  # whose first keyframe ends its chain
    assert shots_needed(shots="storm") == {0, 1}
    assert shots_needed(shots="night") == {0, 1, 2}  # out of which it dissolves
    assert shots_needed(shots="dawn") == {3}
    assert shots_needed(start="5.5s", end="6s") == {2}
    assert part_of(plan).needed_keyframes() == plan.keyframes


def test_a_part_is_scheduled_as_a_film_is(plan: Plan) -> None:
    part = part_of(plan, shots="calm,dawn")
    todo = list(part.needed_keyframes())
    work = list(schedule(part, todo))
    assert [one.number for one in work if isinstance(one, SendFrame)] == list(part.shown)
    assert [one.keyframe for one in work if isinstance(one, MakeKeyframe)] == todo


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shots": "strom"}, "there is no such shot; did you mean storm?"),
        ({"shots": "zzz"}, "there are calm, storm, night, dawn"),
        ({"shots": ""}, "there is no such shot"),
        ({"shots": "calm", "start": "1s"}, "use one of them"),
        ({"start": "9s"}, "--from 9s: the film ends at 8 s"),
        ({"start": "3s", "end": "3s"}, "not after --from 3s"),
        ({"end": "0s"}, "no frame is between"),
        ({"start": "soon"}, "--from 'soon' is not a time"),
    ],
)
def test_parts_that_cannot_be_are_told(plan: Plan, options: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as error:
        part_of(plan, **options)
    assert said in str(error.value)


def test_the_name_of_a_part_is_safe_in_a_path() -> None:
    assert part_name("storm, dawn", None, None) == ".storm-dawn"
    assert part_name("../a b", None, None) == "..._a_b"
    assert part_name(None, "12s", "1:20.5") == ".12s-1_20.5"
    assert part_name(None, None, "20s") == ".0s-20s"
    assert part_name(None, None, None) == ""
