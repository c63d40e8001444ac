"""The plan: exact frame counts, stable keys, minimal re-rendering, and no dependence on fps."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import plan_for

from render.plan import key
from render.plan.active_prompts import active_prompts
from render.plan.camera import IDENTITY
from render.plan.key import derived_seed
from render.plan.plan import Plan
from render.plan.planner import draft, keyframe_times
from render.storyboard.model import OF_PALETTE, OF_PARENT, OVERLAPPING, Storyboard
from render.storyboard.parser import parse

HEAD = "version: 1\nsize: 64x48\nfps: 24\nseed: 3\ndefaults: {keyframes: {every: 0.5s}}\nshots:\n"
DAWN = "  - {name: dawn, duration: 2s, prompts: a red sea, camera: {zoom: 1.1/s}}\n"
STORM = "  - {name: storm, duration: 1.2s, prompts: a storm, transition: 0.5s}\n"
NIGHT = "  - {name: night, duration: 1s, prompts: night}\n"


def board(*shots: str, head: str = HEAD) -> Storyboard:
    return parse(head + "".join(shots), Path())


def plan(*shots: str, head: str = HEAD) -> Plan:
    return planned(board(*shots, head=head))


def planned(one: Storyboard) -> Plan:
    return plan_for(one, 4, lambda role, name: f"{role} {name}")


def keys(one: Plan, shot: int) -> list[str]:
    return [keyframe.key for keyframe in one.keyframes if keyframe.shot == shot]


def test_keyframes_stand_at_multiples_and_close_their_chain() -> None:
    one = board(DAWN, STORM, NIGHT)
    half = Fraction(1, 2)
    # The storm goes on from the dawn, so the dawn needs no keyframe at its end.
    assert keyframe_times(one, 0) == [0, half, 1, 3 * half]
    assert keyframe_times(one, 1) == [0, half, 1, 3 * half]
    assert keyframe_times(one, 2) == [0, half, 1]
    chains = planned(one).chains()
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
    one = plan(shots, head=head)
    exact = one.board.duration * one.board.fps
    assert one.frame_count == max(1, math.floor(exact + Fraction(1, 2)))
    numbers = [n for shot in range(len(durations)) for n in one.shot_frames(shot)]
    assert numbers == list(range(len(numbers)))  # no frame twice, none lost
    assert one.frame_count - len(numbers) in (0, 1)


@given(st.integers(0, 100))
def test_every_frame_lies_between_its_keyframes(number: int) -> None:
    one = plan(DAWN, STORM, NIGHT)
    moment = one.moment(min(number, one.frame_count - 1))
    left, right = one.keyframes[moment.left], one.keyframes[moment.right]
    assert right.index - left.index in (0, 1)
    assert 0 <= moment.fraction < 1
    same_chain = right.parent == left.index or left == right
    assert same_chain
    if moment.fraction == 0:
        assert moment.from_left == IDENTITY


def test_the_last_frame_has_a_keyframe_beyond_it() -> None:
    one = plan(NIGHT)
    last = one.moment(one.frame_count - 1)
    assert last.right == len(one.keyframes) - 1
    assert last.fraction > 0


def test_keys_do_not_depend_on_fps_codec_or_place() -> None:
    at_24 = plan(DAWN, STORM)
    at_60 = plan(DAWN, STORM, head=HEAD.replace("fps: 24", "fps: 60"))
    moved = plan(NIGHT, DAWN, STORM)
    assert [k.key for k in at_24.keyframes] == [k.key for k in at_60.keyframes]
    assert keys(at_24, 0) == keys(moved, 1)
    assert keys(at_24, 1) == keys(moved, 2)
    other = dataclasses.replace(at_24.board, codec="h265", quality=3)
    assert [k.key for k in planned(other).keyframes] == [k.key for k in at_24.keyframes]


def test_an_edit_touches_its_shot_and_what_continues_from_it() -> None:
    before = plan(NIGHT, DAWN, STORM)
    after = plan(NIGHT, DAWN.replace("red", "blue"), STORM)
    assert keys(before, 0) == keys(after, 0)
    assert not set(keys(before, 1)) & set(keys(after, 1))
    assert not set(keys(before, 2)) & set(keys(after, 2))
    edited = plan(NIGHT, DAWN, STORM.replace("a storm", "a gale"))
    assert keys(before, 1) == keys(edited, 1)


def test_a_longer_shot_keeps_its_first_keyframes() -> None:
    short, long = plan(NIGHT), plan(NIGHT.replace("1s", "2s"))
    assert keys(long, 0)[:3] == keys(short, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed: 3", "seed: 4"),
        ("size: 64x48", "size: 64x52"),
        ("every: 0.5s}", "every: 0.5s}, step: 0.2"),
        ("every: 0.5s}", "every: 0.5s}, cutouts: 3"),
        ("every: 0.5s}", "every: 0.5s}, smoothing: 0.5"),
        ("every: 0.5s}", "every: 0.5s}, iterations: 9"),
        ("every: 0.5s}", "every: 0.5s}, losses: {smoothness: 0.7}"),
    ],
)
def test_what_decides_the_picture_is_in_the_key(old: str, new: str) -> None:
    assert old in HEAD
    assert not set(keys(plan(NIGHT), 0)) & set(keys(plan(NIGHT, head=HEAD.replace(old, new)), 0))


@pytest.mark.parametrize("kind", OVERLAPPING)
def test_a_shot_goes_on_while_the_next_comes_out_of_it(kind: str) -> None:
    cut = plan(DAWN, NIGHT)
    one = plan(DAWN, NIGHT.replace("}", f", transition: {kind} 0.75s}}"))
    assert one.frame_count == cut.frame_count  # the film is as long as with a cut
    half = Fraction(1, 2)
    assert keyframe_times(one.board, 0) == [half * k for k in range(7)]  # up to 3 s
    assert keys(one, 1) == keys(cut, 1)
    assert keys(one, 0)[:5] == keys(cut, 0)
    assert one.moment(47) == cut.moment(47)
    assert one.moment(48 + 18).before is None  # 0.75 s later
    during = one.moment(48 + 9)
    assert (during.transition, during.share) == (kind, pytest.approx(0.5))
    before = during.before
    assert before is not None
    assert one.keyframes[before.left].time == 2
    assert before.fraction == pytest.approx(0.75)  # 2.375 s, between 2 and 2.5
    # The camera goes on at its pace: 1.1 times a second.
    assert before.from_left[0] == pytest.approx(1.1**0.375)
    assert during.keyframes == (before.left, before.right, during.left, during.right)


def test_a_transition_without_a_time_takes_a_second_if_there_is_one() -> None:
    assert board(DAWN, NIGHT.replace("}", ", transition: morph}")).shots[1].transition.duration == 1
    short = NIGHT.replace("1s", "0.8s").replace("}", ", transition: morph}")
    assert board(DAWN, short).shots[1].transition.duration == Fraction(4, 5)


def test_a_loop_goes_over_from_its_end_into_its_beginning() -> None:
    ends = plan(DAWN, NIGHT)
    loops = plan(DAWN, NIGHT, head=f"loop: true\n{HEAD}")
    assert loops.frame_count == ends.frame_count
    assert keys(loops, 0) == keys(ends, 0)
    first = loops.moment(0)
    assert (first.share, first.transition) == (0, "morph")
    assert first.before is not None
    # At its first frame it is where the last shot ends, one frame after the film's last.
    end = loops.keyframes[first.before.left]
    assert (end.shot, end.time + first.before.fraction / 2) == (1, 1)
    assert loops.moment(24).before is None
    assert loops.moment(loops.frame_count - 1) == ends.moment(ends.frame_count - 1)
    written = plan(DAWN.replace("}}", "}, transition: dissolve 0.5s}"), head=f"loop: 2s\n{HEAD}")
    assert written.moment(11).transition == "dissolve"
    assert written.moment(12).before is None


def test_a_region_decides_and_one_that_moves_goes_with_the_camera() -> None:
    def region(where: str) -> Plan:
        return plan(DAWN.replace("a red sea", f"[{{text: a red sea, where: {where}}}]"))

    top, moving = region("top"), region("{mask: top, moves: true}")
    assert {k.key for k in top.keyframes}.isdisjoint(k.key for k in plan(DAWN).keyframes)
    assert top.keyframes[0].key == moving.keyframes[0].key  # there it has not moved yet
    assert top.keyframes[2].prompts[0].moved == IDENTITY
    assert moving.keyframes[2].prompts[0].moved[0] == pytest.approx(1.1)  # after a second
    assert top.keyframes[2].key != moving.keyframes[2].key


def test_another_algorithm_makes_every_keyframe_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {keyframe.key for keyframe in plan(DAWN, STORM, NIGHT).keyframes}
    monkeypatch.setattr(key, "ALGORITHM", key.ALGORITHM + 1)
    assert before.isdisjoint(keyframe.key for keyframe in plan(DAWN, STORM, NIGHT).keyframes)


def test_a_crossfade_hands_over() -> None:
    one = board(DAWN, STORM)
    start, middle, end = (
        active_prompts(one, 1, Fraction(t)) for t in (0, Fraction(1, 4), Fraction(1, 2))
    )
    assert [(a.text, a.weight) for a in start] == [("a red sea", 1.0)]
    assert {a.text: a.weight for a in middle} == {"a red sea": 0.5, "a storm": 0.5}
    assert [(a.text, a.weight) for a in end] == [("a storm", 1.0)]


def test_a_prompt_of_both_shots_keeps_its_weight() -> None:
    one = board(DAWN, STORM.replace("a storm", "a red sea"))
    for time in (Fraction(0), Fraction(1, 8), Fraction(1, 3), Fraction(1)):
        assert [a.weight for a in active_prompts(one, 1, time)] == [pytest.approx(1.0)]


def test_the_camera_is_carried_over_a_continue() -> None:
    one = plan(DAWN, STORM)
    crossing = one.keyframes[4]
    assert crossing.shot == 1
    assert crossing.matrix[0] == pytest.approx(1.1**0.5)  # half a second of 1.1/s


def test_a_size_the_generator_cannot_make_is_cropped_from_the_next() -> None:
    one = plan(NIGHT, head=HEAD.replace("64x48", "66x50"))
    assert one.size == (68, 52)
    assert one.board.size == (66, 50)


def test_a_draft_keeps_the_plan() -> None:
    full = plan(DAWN, STORM, NIGHT, head=HEAD.replace("64x48", "640x384"))
    small = planned(draft(full.board, 4))
    assert small.size == (320, 192)
    assert [(k.shot, k.time) for k in small.keyframes] == [(k.shot, k.time) for k in full.keyframes]
    assert small.frame_count == full.frame_count
    assert sum(k.steps for k in small.keyframes) < sum(k.steps for k in full.keyframes) / 2


@pytest.mark.parametrize(
    ("size", "factor", "drafted"),
    [
        ((640, 384), 16, (320, 192)),
        ((300, 200), 16, (150, 100)),  # no multiple of the factor: the film's own way is to crop
        ((98, 66), 8, (48, 32)),  # the sides stay even, as most codecs want them
        ((64, 48), 4, (32, 24)),
        ((64, 48), 8, (64, 48)),  # 24 pixels would be 3 cells: too few to see what it will be
        ((16, 16), 4, (16, 16)),
        ((17, 31), 2, (17, 31)),
    ],
)
def test_a_draft_keeps_the_shape_and_is_never_larger(
    size: tuple[int, int], factor: int, drafted: tuple[int, int]
) -> None:
    full = dataclasses.replace(board(DAWN), size=size)
    assert draft(full, factor).size == drafted


@given(st.integers(16, 4096), st.integers(16, 4096), st.sampled_from([4, 8, 16]))
def test_every_draft_can_be_written_and_has_the_films_shape(w: int, h: int, factor: int) -> None:
    width, height = draft(dataclasses.replace(board(DAWN), size=(w, h)), factor).size
    assert (width, height) == (w, h) or (max(width / w, height / h) < 0.6 and width % 2 == 0)
    assert min(width, height) >= 16
    assert abs(width / w - height / h) < 0.06  # a pixel of 16 either way


def test_a_draft_takes_a_third_of_the_steps_and_never_more() -> None:
    def steps(first: int, then: int) -> tuple[int, int]:
        iterations = f"defaults: {{iterations: {{first: {first}, then: {then}}}, keyframes: 0.5s}}"
        head = f"version: 1\n{iterations}\nshots:\n"
        settings = draft(board(DAWN, head=head), 4).shots[0].settings
        return settings.first, settings.then

    assert steps(300, 90) == (100, 30)
    assert steps(12, 6) == (10, 5)
    assert steps(4, 1) == (4, 1)


def test_seeds_are_the_same_everywhere() -> None:
    assert derived_seed(1, "dawn", Fraction(1, 2)) == 2511143829239865421
    assert derived_seed(1, "a") != derived_seed(1, "b")
    assert 0 <= derived_seed("x") < 2**63


def test_a_weight_too_small_to_count_is_none() -> None:
    """It would be rounded to 0, and the weights' sum with it, by which the loss divides."""
    board = parse(
        "version: 1\nshots:\n- {duration: 4s, keyframes: 10ms, prompts: [{text: sea, weight: "
        "{0s: 0, 4s: {value: 0.000001, ease: smoother}}}]}\n",
        Path(),
    )
    assert active_prompts(board, 0, Fraction(1, 100)) == ()
    assert active_prompts(board, 0, Fraction(2)) != ()


# Of every kind that version 0.1.0 had, and nothing newer.
PINNED = """\
version: 1
size: 160x96
seed: 5
style: oil painting
exclude: text:0.3
defaults: {keyframes: 0.5s, iterations: {then: 25}}
shots:
- {name: dawn, duration: 2s, prompts: "a red sky | sea:0.5:0.8", camera: {zoom: 1.1/s, x: 5%/s}}
- name: storm
  duration: 1.7s
  transition: 1s
  prompts: {text: a storm, weight: {0s: 1, 1s: 0.2}}
  camera:
    angle: {0s: 0, 1.5s: {value: 20, ease: in-out}}
    zoom: {0s: 1, 0.7s: {value: 1.5, ease: out}, 1s: 1.5}
    y: 12%/s
    border: wrap
- {duration: 1s, prompts: night, losses: {hold: 2}, iterations: 9}
"""


def test_what_a_storyboard_does_not_use_leaves_its_keys_as_they_were() -> None:
    """Computed by 0.1.0: other keys here would paint films anew that are finished."""
    one = plan_for(parse(PINNED, Path()), 8, lambda role, name: f"{role} {name}")
    last = [chain[-1].key for chain in one.chains()]  # each digests its parent's
    assert last == ["b66206ad039445837bd1fb91b9a7a099", "790a4ccc708f8102c4b50628b03811f5"]


def test_settings_that_move_are_those_of_the_keyframe_s_time() -> None:
    moving = NIGHT.replace(
        "prompts: night",
        "prompts: night, smoothing: 0.9*u, losses: {hold: {0s: 1, 1s: 3}}, "
        "step: {then: 0.2 + 0.1*t}",
    )
    first, middle, last = plan(moving).keyframes
    assert [k.settings.smoothing for k in (first, middle, last)] == [0.0, 0.45, 0.9]
    assert [dict(k.settings.losses)["hold"] for k in (first, middle, last)] == [1.0, 2.0, 3.0]
    assert [k.step_size for k in (first, middle, last)] == [0.8, 0.25, 0.3]
    still = NIGHT.replace("prompts: night", "prompts: night, smoothing: 0.45, losses: {hold: 2}, "
                          "step: {then: 0.25}")  # fmt: skip
    assert plan(still).keyframes[1].settings == middle.settings


def test_a_crossfade_of_texts_that_cross_over_keeps_the_weight() -> None:
    texts = "[{text: {0s: a storm, 1s: rain}, weight: 3}]"
    one = board(DAWN, STORM.replace("a storm", texts))
    for tenth in range(13):
        time = Fraction(tenth, 10)
        share = min(1.0, tenth / 5)
        eased = share * share * (3 - 2 * share)
        total = sum(prompt.weight for prompt in active_prompts(one, 1, time))
        assert total == pytest.approx(3 * eased + (1 - eased), abs=1e-11)


def test_a_stop_may_move() -> None:
    one = board(NIGHT.replace("night}", "[{text: night, stop: 0.4 + 0.4*u}, {text: sea}]}"))
    for time, stop in ((0, 0.4), (Fraction(1, 2), 0.6), (2, 0.8)):
        night, sea = active_prompts(one, 0, Fraction(time))
        assert night.stop == pytest.approx(stop, abs=1e-12)
        assert sea.stop == -math.inf


@pytest.mark.parametrize(
    ("transition", "firsts"),
    [
        ("cut", [None, 0, 0, None, 3, 3, 3, 3]),
        ("continue", [None, 0, None, 2, 2, 2, 2]),
        ("0.6s", [None, 0, None, None, None, 4, 4]),  # until the prompts have crossed over
        ("1s", [None, 0, None, None, None, 4, 4]),
        ("dissolve 1s", [None, 0, 0, 0, 0, None, 5, 5, 5, 5]),
    ],
)
def test_a_shot_keeps_to_its_first_keyframe(transition: str, firsts: list[int | None]) -> None:
    text = (
        "version: 1\ndefaults: {keyframes: 0.5s}\nshots:\n- {duration: 1s, prompts: a}\n"
        f"- {{duration: 2s, prompts: b, transition: {transition}}}\n"
    )

    def made(text: str) -> Plan:
        return plan_for(parse(text, Path()), 8)

    assert [keyframe.first for keyframe in made(text).keyframes] == firsts
    free = made(text.replace("0.5s}", "0.5s, losses: {sharpness: 0, colours: 0, brightness: 0}}"))
    assert {keyframe.first for keyframe in free.keyframes} == {None}
    held = made(text.replace("0.5s}", "0.5s, losses: {sharpness: 0, brightness: 0, colours: 1}}"))
    assert [keyframe.first for keyframe in held.keyframes] == firsts


def test_a_loss_without_anything_to_compare_with_decides_nothing() -> None:
    def keys(losses: str, init: str = "") -> list[str]:
        text = f"version: 1\nshots:\n- {{duration: 0.5s, prompts: a, losses: {losses}{init}}}\n"
        board = parse(text, Path(__file__).parent.parent.parent / "storyboards")
        return [k.key for k in plan_for(board, 8).keyframes]

    usual = keys("{}")
    picture = ", init: images/hills.png"
    for name in (*OF_PARENT, *OF_PALETTE, "sharpness"):
        other = keys(f"{{{name}: 0.7}}")
        assert other[0] == usual[0]
        assert other[1] != usual[1]
        begun = keys(f"{{{name}: 0.7}}", picture)[0] != keys("{}", picture)[0]
        assert begun == (name in OF_PARENT)
    assert keys("{smoothness: 0.7}")[0] != usual[0]
    red = ", palette: images/hills.png"
    assert keys("{colours: 1}", red)[0] != keys("{colours: 2}", red)[0]
