"""Keys: everything that decides a picture, and nothing else."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import pytest
from plan.samples import DAWN, HEAD, NIGHT, STORM, keys, plan, plan_of
from plans import plan_for

from render.plan import key
from render.plan.camera import IDENTITY
from render.plan.key import derived_seed
from render.plan.plan import Plan
from render.storyboard.model import OF_PALETTE, OF_PARENT
from render.storyboard.parser import parse


def test_keys_do_not_depend_on_frame_rate_codec_or_position() -> None:
    at_24 = plan(DAWN, STORM)
    at_60 = plan(DAWN, STORM, head=HEAD.replace("fps: 24", "fps: 60"))
    moved = plan(NIGHT, DAWN, STORM)
    assert [k.key for k in at_24.keyframes] == [k.key for k in at_60.keyframes]
    assert keys(at_24, 0) == keys(moved, 1)
    assert keys(at_24, 1) == keys(moved, 2)
    other = dataclasses.replace(at_24.board, codec="h265", quality=3)
    assert [k.key for k in plan_of(other).keyframes] == [k.key for k in at_24.keyframes]


def test_an_edit_changes_the_keys_of_its_shot_and_of_shots_that_continue_from_it() -> None:
    before = plan(NIGHT, DAWN, STORM)
    after = plan(NIGHT, DAWN.replace("red", "blue"), STORM)
    assert keys(before, 0) == keys(after, 0)
    assert not set(keys(before, 1)) & set(keys(after, 1))
    assert not set(keys(before, 2)) & set(keys(after, 2))
    edited = plan(NIGHT, DAWN, STORM.replace("a storm", "a gale"))
    assert keys(before, 1) == keys(edited, 1)


def test_a_longer_shot_keeps_the_keys_of_its_first_keyframes() -> None:
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
def test_settings_that_change_the_picture_change_the_key(old: str, new: str) -> None:
    assert old in HEAD
    assert not set(keys(plan(NIGHT), 0)) & set(keys(plan(NIGHT, head=HEAD.replace(old, new)), 0))


def test_regions_are_in_the_key_and_moving_ones_with_the_camera() -> None:
    def with_region(where: str) -> Plan:
        return plan(DAWN.replace("a red sea", f"[{{text: a red sea, where: {where}}}]"))

    top, moving = with_region("top"), with_region("{mask: top, moves: true}")
    assert {k.key for k in top.keyframes}.isdisjoint(k.key for k in plan(DAWN).keyframes)
    assert top.keyframes[0].key == moving.keyframes[0].key  # the camera has not moved yet
    assert top.keyframes[2].prompts[0].moved == IDENTITY
    assert moving.keyframes[2].prompts[0].moved[0] == pytest.approx(1.1)  # after a second
    assert top.keyframes[2].key != moving.keyframes[2].key


def test_another_algorithm_changes_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {keyframe.key for keyframe in plan(DAWN, STORM, NIGHT).keyframes}
    monkeypatch.setattr(key, "ALGORITHM", key.ALGORITHM + 1)
    assert before.isdisjoint(keyframe.key for keyframe in plan(DAWN, STORM, NIGHT).keyframes)


def test_seeds_are_the_same_on_every_machine() -> None:
    assert derived_seed(1, "dawn", Fraction(1, 2)) == 2511143829239865421
    assert derived_seed(1, "a") != derived_seed(1, "b")
    assert 0 <= derived_seed("x") < 2**63


# Everything that version 0.1.0 could do, and nothing newer.
PINNED = """\
version: 1
size: 160x96
seed: 5
models: {perceptors: starter}
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


def test_the_keys_of_algorithm_6_are_unchanged() -> None:
    """Computed when it was new: with other keys, finished films would be made again."""
    film = plan_for(parse(PINNED, Path()), 8, lambda role, name: f"{role} {name}")
    last = [chain[-1].key for chain in film.chains()]  # each digests its parent's
    assert last == ["6a98acd21b3af73ef2925031b2205fdd", "b8942b2a56bf5241ec9576ca17c35cfd"]


def test_a_loss_with_nothing_to_compare_with_is_not_in_the_key() -> None:
    def keys(losses: str, init: str = "") -> list[str]:
        text = f"version: 1\nshots:\n- {{duration: 0.5s, prompts: a, losses: {losses}{init}}}\n"
        board = parse(text, Path(__file__).parent.parent.parent / "storyboards")
        return [k.key for k in plan_for(board, 8).keyframes]

    default = keys("{}")
    picture = ", init: images/hills.png"
    for name in (*OF_PARENT, *OF_PALETTE, "sharpness"):
        other = keys(f"{{{name}: 0.7}}")
        assert other[0] == default[0]
        assert other[1] != default[1]
        changes = keys(f"{{{name}: 0.7}}", picture)[0] != keys("{}", picture)[0]
        assert changes == (name in OF_PARENT)
    assert keys("{smoothness: 0.7}")[0] != default[0]
    palette = ", palette: images/hills.png"
    assert keys("{colours: 1}", palette)[0] != keys("{colours: 2}", palette)[0]
