"""A part of a film has the frames and keyframes of the film, and the same latents."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from plans import plan_for

from render.errors import InputError
from render.plan.part import part_name, part_of
from render.plan.plan import Plan
from render.plan.schedule import MakeKeyframe, SendFrame, schedule
from render.plan.stored import latent_at
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
        ({"start": "9s"}, "--from 9s: no frame begins then; the film ends at 8 s"),
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


def test_acts_and_names_with_commas_may_be_named() -> None:
    board = (
        "version: 1\nfps: 12\nshots:\n- {name: 'a,b', duration: 1s, prompts: x}\n- act: storm\n"
        "  shots: [{name: c, duration: 1s, prompts: y}, {name: d, duration: 1s, prompts: z}]\n"
    )
    plan = plan_for(parse(board, Path()), 8)
    assert part_of(plan, shots="storm").part == (range(12, 36),)
    assert part_of(plan, shots="a,b").part == (range(12),)
    assert part_of(plan, shots="d,storm").part == (range(12, 36),)


def test_the_latent_of_a_time_is_of_the_shot_on_screen(tmp_path: Path) -> None:
    board = (
        "version: 1\nfps: 8\nshots:\n- {name: a, duration: 1.25s, prompts: x}\n"
        "- {name: b, duration: 1s, prompts: y, transition: continue}\n"
    )
    plan = plan_for(parse(board, Path()), 8)

    def found(time: str) -> tuple[str, float]:
        latent = latent_at(plan, tmp_path, Fraction(time))
        return latent.shot, float(latent.keyframe.time)

    assert [found(time) for time in ("0", "0.3", "1.24", "1.25", "1.3", "2.2", "2.25")] == [
        ("a", 0), ("a", 0.5), ("a", 1), ("b", 0), ("b", 0), ("b", 1), ("b", 1),
    ]  # fmt: skip
