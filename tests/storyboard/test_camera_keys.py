"""The camera as a storyboard writes it: presets, borders, and what its mistakes say."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from storyboard import samples

from render.cli.commands import cli
from render.cli.describe import describe_cameras
from render.curves.curve import constant
from render.plan.camera import between, moves, pose_matrix
from render.storyboard.camera_keys import PRESETS, camera_as_written
from render.storyboard.model import Camera, Shake, Storyboard
from render.storyboard.parser import parse
from render.storyboard.problems import StoryboardError

WIDE = (16 / 9, 1.0)


def board(camera: Any, defaults: Any = None, duration: str = "4s", **keys: Any) -> Storyboard:
    shot = {"name": "a", "duration": duration, "prompts": "sea", "camera": camera, **keys}
    document: dict[str, Any] = {"version": 1, "seed": 3, "shots": [shot]}
    if defaults is not None:
        document["defaults"] = {"camera": defaults}
    return parse(yaml.safe_dump(document, sort_keys=False), Path("/nowhere"))


def camera_of(camera: Any, defaults: Any = None) -> Camera:
    return board(camera, defaults).shots[0].camera


def mistake(camera: Any) -> str:
    with pytest.raises(StoryboardError) as raised:
        board(camera)
    (problem,) = raised.value.problems
    return problem.message


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("duration", ["0.3s", "4s", "10min"])
def test_every_preset_moves_the_picture_in_a_shot_of_any_length(name: str, duration: str) -> None:
    one = board(name, duration=duration)
    assert one.warnings == ()
    assert moves(between(one.shots[0].camera, Fraction(0), one.shots[0].duration * 7 / 19, WIDE))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_what_its_keys_would_be(name: str) -> None:
    assert camera_of(name) == camera_of({"preset": name}) == camera_of(PRESETS[name])


def test_own_keys_replace_those_of_the_preset() -> None:
    one = camera_of({"preset": "drift", "x": "9%/s", "shake": "5%"})
    assert one.x == camera_of({"x": "9%/s"}).x
    assert one.zoom == camera_of("drift").zoom
    assert one.shake.amplitude == constant(0.05)
    assert one.shake.frequency == camera_of("drift").shake.frequency  # not written, so kept


def test_a_preset_takes_the_place_of_the_defaults_one() -> None:
    assert camera_of("push-in", "drift") == camera_of("push-in")
    assert camera_of("push-in", {"preset": "drift", "border": "wrap"}).border == "wrap"
    both = camera_of({"zoom": "1.3/s"}, "drift")
    assert both == camera_of({"preset": "drift", "zoom": "1.3/s"})
    assert camera_of("push-in", {"zoom": "1.3/s"}) == camera_of("push-in")


EXPANDED = [
    *PRESETS,
    {"preset": "orbit", "x": "2%/s", "border": "tomato", "sharpen": 0.2},
    {"zoom": {"0s": 1, "8f": {"value": 1.37, "ease": "in-out"}, "3s": 2}, "shake": "1%"},
    {"aspect": {"0s": "1.1/s", "3.1s": "0.93/s"}, "tilt_y": "0.123456789deg/s"},
    {"x": {"0s": 0, "1s": {"value": "0.1%", "ease": [0.4, 0, 0.2, 1]}}, "shake": {"frequency": 3}},
    {"angle": "2/(1 + t)", "y": "3*u%/s", "shear_x": "10*sin(t)%", "centre_x": "12.7%"},
    None,
]


@pytest.mark.parametrize("camera", EXPANDED, ids=str)
def test_what_a_camera_stands_for_is_the_same_camera(camera: Any) -> None:
    one = board(camera)
    (shot,) = yaml.safe_load("\n".join(describe_cameras(one)))["shots"]
    assert shot["name"] == "a"
    assert "preset" not in shot["camera"]
    assert camera_of(shot["camera"]) == one.shots[0].camera


def test_check_prints_what_a_camera_stands_for(tmp_path: Path) -> None:
    path = tmp_path / "film.yaml"
    path.write_text("version: 1\nshots: [{name: a, duration: 1s, prompts: sea, camera: rise}]\n")
    shown = CliRunner().invoke(cli, ["check", str(path), "--expand"])
    assert shown.output == "shots:\n- name: a\n  camera:\n    y: -8%/s\n"


@given(st.decimals(-900, 900, places=5), st.decimals("0.01", 100, places=6))
def test_a_number_is_written_as_it_was(x: Any, zoom: Any) -> None:
    one = camera_of({"x": f"{x}%/s", "zoom": float(zoom), "angle": f"{x}deg"})
    assert camera_of(camera_as_written(one, Fraction(24))) == one


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("#204060", "#204060"), ("#ABC", "#aabbcc"), ("tomato", "#ff6347"), ("wrap", "wrap"),
        ("rgb(1, 2, 3)", "#010203"), ("black", "black"), ("dream", "dream"),
    ],
)  # fmt: skip
def test_a_border_is_a_name_or_a_colour(written: str, read: str) -> None:
    assert camera_of({"border": written}).border == read


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ({"border": "mirorr"}, "border 'mirorr' is not known. Did you mean 'mirror'?"),
        ({"border": "#2040607f"}, "border '#2040607f' is transparent, and a film is not. Write"),
        ({"border": None}, "border has no value. Write one of mirror, wrap, smear, black, dream"),
        ("push_in", "camera 'push_in' is not known. Did you mean 'push-in'?"),
        ({"preset": ["orbit"]}, "preset holds a list. Write one of push-in"),
        ({"tilt_x": "25/s"}, "tilt_x of shot 'a' adds up to 100 degrees. Keep it within 80"),
        ({"tilt_x": 90}, "tilt_x '90' is out of range. It goes from -80deg to 80deg"),
        ({"aspect": 0}, "aspect '0' is out of range"),
        ({"aspect": "20/s"}, "to 10/s; 1.05/s stretches it by 5% every second"),
        ({"zoom": "20/s"}, "to 10/s; 1.05/s comes 5% closer every second"),
        ({"fov": "10/s"}, "fov '10/s' is a rate, but fov has none"),
        ({"shake": "1%/s"}, "shake '1%/s' is a rate, but shake has none"),
        ({"shake": {"amplitude": "1%", "frequency": "40/s"}}, "frequency '40/s' is out of range"),
        ({"sharpen": -1}, "sharpen '-1' is out of range"),
        ({"rotation_3d_x": 3}, "camera has no key 'rotation_3d_x'. Here it is called 'tilt_x'"),
    ],
)
def test_each_mistake_has_its_sentence(camera: Any, said: str) -> None:
    assert said in mistake(camera)


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ({"centre_x": "10%", "x": "5%/s"}, "centre_x of shot 'a' changes nothing while neither"),
        ({"fov": 90, "x": "5%/s"}, "fov of shot 'a' changes nothing while nothing is tilted"),
        ({"tilt_x": 30}, "a fixed tilt of shot 'a' changes nothing while nothing moves"),
        ({"shear_x": "10%"}, "shear_x 10% is a fixed pose, nothing moves"),
    ],
)
def test_a_key_without_effect_is_warned_of(camera: Any, said: str) -> None:
    (warning,) = board(camera).warnings
    assert said in warning.message


@pytest.mark.parametrize(
    ("shake", "said"),
    [
        ({"amplitude": "1%", "frequency": 0}, "shake of shot 'a' changes nothing while its freq"),
        ({"amplitude": "1%", "frequency": "0*t"}, "its frequency is 0. Write how often"),
        ({"amplitude": 0, "frequency": 3}, "its amplitude is 0. Write how far"),
        ({"amplitude": "0*t", "frequency": 3}, "its amplitude is 0"),
        ({"frequency": 3}, "its amplitude is 0"),
    ],
)
def test_a_shake_without_effect_is_warned_of(shake: Any, said: str) -> None:
    one = board({"shake": shake})
    assert not moves(between(one.shots[0].camera, Fraction(0), Fraction(7, 3), WIDE))
    (warning,) = one.warnings
    assert said in warning.message


@pytest.mark.parametrize(
    ("shake", "defaults"),
    [
        (0, None),
        ({"amplitude": 0}, None),
        (0, "handheld"),
        ({"amplitude": 0}, "handheld"),
        (0, {"shake": {"amplitude": "1%", "frequency": 3}}),
        ({"amplitude": 0}, {"shake": {"amplitude": "1%", "frequency": 3}}),
        ({"amplitude": "5*u%", "frequency": 0}, None),  # it goes out of place, once
    ],
)
def test_a_shake_may_be_switched_off(shake: Any, defaults: Any) -> None:
    text = yaml.safe_dump({"defaults": {"camera": defaults}} if defaults else {})
    text = text.replace("{}\n", "")
    shot = {"duration": "4s", "prompts": "sea", "camera": {"shake": shake}}
    assert parse(f"version: 1\n{text}{yaml.safe_dump({'shots': [shot]})}", Path("/")).warnings == ()


@pytest.mark.parametrize("camera", [{}, {"zoom": 1}, {"shake": 0}])
def test_a_dream_border_of_a_camera_at_rest_is_warned_of(camera: Any) -> None:
    (warning,) = board({"border": "dream", **camera}).warnings
    assert "border of shot 'a' changes nothing while the camera rests. Let it move" in (
        warning.message
    )
    for moving in ({"x": "1%/s"}, {"shake": "1%"}, {"aspect": "1.1/s"}, {"border": "wrap"}):
        assert not board({"border": "dream", **camera, **moving}).warnings


MOVING = {"aspect": "1.2/s", "tilt_x": "5/s", "shear_x": "9%/s", "fov": "60 + 9*t", "x": "5%/s"}


@pytest.mark.parametrize("key", MOVING)
def test_a_centre_matters_to_zoom_and_angle_alone(key: str) -> None:
    """As the warning has it: whatever else moves, it moves the same about any centre."""
    without = {"tilt_y": 20, key: MOVING[key]}
    one = board({**without, "centre_x": "30%", "centre_y": "10*t"})
    assert [warning.message.split()[0] for warning in one.warnings] == ["centre_x", "centre_y"]
    for start, end in ((0, 1), (1, 3), (4, 2)):
        times = Fraction(start), Fraction(end)
        assert between(one.shots[0].camera, *times, WIDE) == between(
            camera_of(without), *times, WIDE
        )


def test_a_colour_that_yaml_took_for_a_comment_is_explained() -> None:
    text = "version: 1\nshots:\n- duration: 1s\n  prompts: a\n  camera:\n    border: #204060\n"
    with pytest.raises(StoryboardError) as raised:
        parse(text, Path("/nowhere"))
    (problem,) = raised.value.problems
    assert problem.line == 6
    assert problem.message.startswith("border has no value. If a colour was meant: # begins a ")
    assert "comment in YAML, so put it in quotes, as '#204060'" in problem.message


def test_a_shake_is_seeded_by_film_and_shot_alone() -> None:
    one = camera_of({"shake": {"amplitude": "1%", "frequency": "2/s"}})
    assert one.shake == Shake(constant(0.01), constant(2.0), "3/a")
    longer = board("handheld", duration="9s", prompts="fire").shots[0].camera
    time = Fraction(7, 3)
    assert pose_matrix(longer, time, WIDE) == pose_matrix(camera_of("handheld"), time, WIDE)


MISTAKES = [
    (samples.GROUND + "  camera: {border: mirrored}", 5, "Did you mean 'mirror'?"),
    (samples.GROUND + "  camera: {rotate: 6/s}", 5, "Here it is called 'angle'"),
    (samples.GROUND + "  camera: fast", 5, "not known. There are push-in"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    samples.check_mistake(text, line, says)


def test_a_zoom_that_leaves_nothing_of_a_picture() -> None:
    (problem,) = samples.problems(
        samples.GROUND.replace("4s", "9s") + "  keyframes: 5s\n  camera: {zoom: 0.1/s}\n"
    )
    assert (problem.line, "keyframes" in problem.message) == (6, True)
