"""The storyboard: what is read, and every mistake with its place and a way out."""

import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from render.curves.curve import Key, constant, keyed
from render.media.sound import Audio
from render.storyboard import model
from render.storyboard.model import (
    LOSS_WEIGHTS,
    STEADY,
    Camera,
    Prompt,
    Region,
    Settings,
    Storyboard,
)
from render.storyboard.parser import load, parse
from render.storyboard.problems import Problem, StoryboardError
from render.storyboard.prompts import split_weights

NOWHERE = Path("/nowhere")
HEAD = "version: 1\n"
SHOT = "shots:\n- duration: 4s\n  prompts: a red sky\n"
GROUND = HEAD + SHOT
BARE = HEAD + "shots:\n- duration: 4s\n"
PULSE = Path(__file__).resolve().parent.parent.parent / "storyboards" / "sounds" / "pulse.wav"


def board(text: str, folder: Path = NOWHERE) -> Storyboard:
    return parse(text, folder)


def problems(text: str, folder: Path = NOWHERE) -> tuple[Problem, ...]:
    with pytest.raises(StoryboardError) as caught:
        parse(text, folder)
    return caught.value.problems


def shot(more: str, folder: Path = NOWHERE) -> model.Shot:
    """The one shot of a storyboard, with more keys in it, each as `  key: value` lines."""
    return board(GROUND + more, folder).shots[0]


def test_defaults() -> None:
    film = board(GROUND)
    assert (film.version, film.size, film.fps, film.seed) == (1, (320, 192), 24, 0)
    assert (film.generator, film.perceptors) == ("starter", (("starter", 1.0),))
    assert (film.codec, film.quality, film.warnings) == ("h264", 17, ())
    assert film.text == GROUND
    assert film.duration == 4
    (only,) = film.shots
    assert only.name == "shot-1"
    assert only.prompts == (Prompt("a red sky", None, constant(1.0)),)
    assert only.settings == Settings(losses=tuple({**LOSS_WEIGHTS, **STEADY}.items()))
    assert only.camera == Camera()
    assert only.transition == model.Transition("cut", Fraction(0))
    assert only.init is None


@pytest.mark.parametrize(
    ("second", "steady"),
    [
        ("prompts: b", True),
        ("prompts: b, transition: dissolve", True),
        ("prompts: b, transition: continue", False),
        ("prompts: b, transition: 1s", False),
        ("prompts: b, transition: 1s, palette: images/hills.png", False),
        ("prompts: {text: {0s: b, 1s: c}}, palette: images/hills.png", True),
        ("prompts: b, init: images/hills.png", False),
        ("prompts: b, exclude: {text: c, weight: {0s: 0, 1s: 1}}", False),
        ("prompts: b, exclude: c", True),
        ("prompts: {text: {0s: b, 1s: c}}", False),
        ("prompts: {text: b, weight: {0s: 1, 1s: 0.5}}", False),
        ("prompts: {text: b, weight: 0.5, stop: 0.2 + 0.1*t}", False),
        ("prompts: {text: b, weight: 0.5, stop: 0.2}", True),
    ],
)
def test_a_shot_that_begins_anew_and_keeps_its_prompts_is_steady(second: str, steady: bool) -> None:
    text = f"version: 1\nshots:\n- {{duration: 2s, prompts: a}}\n- {{duration: 2s, {second}}}\n"
    folder = Path(__file__).parent.parent.parent / "storyboards"
    for usual, own in (("{}", 0.0), ("{brightness: 3}", 3.0)):
        losses = f"version: 1\ndefaults: {{losses: {usual}}}"
        shot = parse(text.replace("version: 1", losses), folder).shots[1]
        expected = {**LOSS_WEIGHTS, **(STEADY if steady else {})}
        expected["brightness"] = own or expected["brightness"]
        assert dict(shot.settings.losses) == expected


def test_a_whole_storyboard() -> None:
    film = board(
        """\
version: 1
size: 640x384
fps: 23.976
seed: 9223372036854775807
models: {generator: starter, perceptors: [starter]}
output: {codec: h264, quality: 20}
style: oil on canvas
exclude: "text:0.4:0.8"
defaults:
  iterations: 60
  keyframes: 500ms
  losses: {hold: 2}
  camera: {zoom: 1.05/s, border: wrap}
  transition: 1s
shots:
- name: dawn
  duration: 24f
  prompts: winter sunrise | icy lake:0.7:0.2
- name: storm
  duration: 0:03.5
  prompts: [{text: "at 10:30", weight: {0s: 0.5, 2s: {value: 1, ease: in-out}}}, waves:-0.5]
  style: null
  exclude: null
  camera: {angle: 6deg/s}
  iterations: {then: 10}
  losses: {smoothness: 0}
  step: 1e-2
  cutouts: {count: 8, size: [0.5, 0.9]}
  smoothing: 0
"""
    )
    assert (film.size, film.fps, film.seed) == ((640, 384), Fraction(24000, 1001), 2**63 - 1)
    dawn, storm = film.shots
    assert dawn.duration == Fraction(1001, 1000)
    assert [(p.text, p.weight.at(0), p.stop and p.stop.at(0)) for p in dawn.prompts] == [
        ("winter sunrise, oil on canvas", 1.0, None),
        ("icy lake, oil on canvas", 0.7, 0.2),
        ("text", -0.4, -0.8),
    ]
    assert dawn.transition.kind == "cut"  # nothing to continue from, whatever the defaults
    assert dawn.settings.losses == tuple({**LOSS_WEIGHTS, **STEADY, "hold": 2.0}.items())
    assert (dawn.settings.first, dawn.settings.then) == (60, 60)
    assert dawn.settings.every == Fraction(1, 2)
    assert storm.duration == Fraction(7, 2)
    assert [p.text for p in storm.prompts] == ["at 10:30", "waves"]
    assert storm.prompts[0].weight == keyed(
        (Key(Fraction(0), 0.5), Key(Fraction(2), 1.0, "in-out"))
    )
    assert storm.transition == model.Transition("continue", Fraction(1))
    assert (storm.settings.first, storm.settings.then) == (60, 10)
    assert storm.settings.losses == tuple({**LOSS_WEIGHTS, "hold": 2.0, "smoothness": 0.0}.items())
    assert (storm.settings.first_step, storm.settings.then_step) == (0.01, 0.01)
    assert storm.settings.smoothing == 0.0
    assert (storm.settings.cutouts, storm.settings.cutout_size) == (8, (0.5, 0.9))
    assert storm.camera.zoom.at(1) == pytest.approx(1.05)  # the defaults', beside its own angle
    assert storm.camera.angle.at(2) == 12.0
    assert storm.camera.border == "wrap"


def test_text_is_text_even_where_yaml_sees_something_else() -> None:
    assert shot("  name: off\n").name == "off"
    assert board(HEAD + "shots: [{duration: 1, prompts: no}]").shots[0].prompts[0].text == "no"


def test_camera_poses_rates_and_keys() -> None:
    camera = shot(
        """\
  camera:
    zoom: {0s: 1, 4s: {value: 4, ease: linear}}
    x: {0s: 0%, 2s: 10%}
    y: {0s: 0%/s, 4s: 10%/s}
    angle: -6°/s
"""
    ).camera
    assert camera.zoom.at(2) == pytest.approx(2.0)  # even to the eye
    assert camera.x.at(1) == pytest.approx(0.05)
    assert camera.y.at(4) == pytest.approx(0.2)
    assert camera.angle.at(4) == -24.0


@pytest.mark.parametrize(
    ("camera", "says"),
    [
        (
            "zoom: 1.05",
            "zoom 1.05 is a fixed pose, nothing moves; for a moving camera write 1.05/s",
        ),
        ("x: 5", "x 5% is a fixed pose, nothing moves; for a moving camera write 5%/s"),
        (
            "angle: 3",
            "angle 3deg is a fixed pose, nothing moves; for a turning camera write 3deg/s",
        ),
        ("y: {0s: {value: 0, ease: in}, 1s: 5}", "first key"),
    ],
)
def test_what_looks_unintended_is_a_warning(camera: str, says: str) -> None:
    (warning,) = board(GROUND + f"  camera:\n    {camera}\n").warnings
    assert says in warning.message
    assert warning.line == 6


@pytest.mark.parametrize(
    "prompts", ["sky:abc", "sea:50%", "a | sky:0.5x | b", "(sky:1.2)", "[sky:1, 5]"]
)
def test_what_may_be_meant_as_a_weight_is_a_warning(prompts: str) -> None:
    (warning,) = board(HEAD + f"shots:\n- duration: 1\n  prompts: {prompts}\n").warnings
    assert "sky:0.5" in warning.message
    assert warning.line == 4


@pytest.mark.parametrize(
    "prompts",
    [
        *("'Star Trek: Voyager'", "'a sign: open'", "rgb:red sky", "http://a.b/c", "a smile :)"),
        *("sky:abc:0.5", "[{text: sky:abc}]", "'1984'"),
    ],
)
def test_a_text_with_a_colon_is_no_warning(prompts: str) -> None:
    assert not board(HEAD + f"shots:\n- duration: 1\n  prompts: {prompts}\n").warnings


def test_a_fixed_pose_of_an_image_is_intended(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    film = board(GROUND + "  init: a.png\n  camera: {zoom: 1.5}\n", tmp_path)
    assert film.warnings == ()
    assert film.shots[0].init == (tmp_path / "a.png").resolve()


def test_a_weight_left_in_a_text_is_a_warning() -> None:
    film = board(HEAD + "shots: [{duration: 1, prompts: [{text: 'sky:0.5'}]}]")
    assert film.shots[0].prompts[0].text == "sky:0.5"
    assert "taken as written" in film.warnings[0].message


# One mistake each: where it stands and what the sentence has to hold.
MISTAKES = [
    ("shots: []\n", 1, "no 'version'"),
    ("version: 2\n" + SHOT, 1, "version '2'"),
    (HEAD, 1, "no 'shots'"),
    (HEAD + "shots: []", 2, "no shots"),
    (HEAD + "shots:", 2, "no shots"),
    (HEAD + "shots: {a: 1}", 2, "not a list"),
    (HEAD + "shots: [sky]", 2, "shot-1 is not a mapping"),
    (HEAD + "shots: [{prompts: a}]", 2, "no 'duration'"),
    (HEAD + "shots: [{duration: 1}]", 2, "no 'prompts'"),
    ("just words", 1, "not a storyboard"),
    ("- a\n- b", 1, "not a storyboard"),
    (GROUND + "scenes: 1", 5, "Here it is called 'shots'"),
    (GROUND + "sed: 1", 5, "Did you mean 'seed'?"),
    (GROUND + "codec: h264", 5, "belongs in 'output'"),
    (GROUND + "  prompt: a", 5, "Here it is called 'prompts'"),
    (GROUND + "defaults: {prompts: a}", 5, "belongs in a shot"),
    (GROUND + "iterations: 9", 5, "belongs in 'defaults' or a shot"),
    (GROUND + "seed: 1\nseed: 2", 6, "written twice, first in line 5"),
    (GROUND + "seed: -1", 5, "out of range"),
    (GROUND + "seed: 9223372036854775808", 5, "out of range"),
    (GROUND + "seed: 1.5", 5, "not whole"),
    (GROUND + "seed:", 5, "no value"),
    (GROUND + "seed: random", 5, "a whole number such as 7: the same seed, the same film"),
    (GROUND + "size: 641x360", 5, "h264 needs even sides; 642x360 would work"),
    (GROUND + "size: [640]", 5, "two numbers"),
    (GROUND + "size: 640", 5, "two numbers"),
    (GROUND + "size: 1080p", 5, "Write 1920x1080"),
    (GROUND + "size: 480p", 5, "Write 854x480"),
    (GROUND + "size: 160*96", 5, "Write 160x96"),
    (GROUND + "size: 64×64", 5, "Write 64x64"),  # noqa: RUF001
    (GROUND + "size: 640 480", 5, "Write 640x480"),
    (GROUND + "size: [9999, 96]", 5, "the width '9999' is out of range. It goes from 16 to 4096"),
    (GROUND + "size: 96x9999", 5, "the height '9999' is out of range. It goes from 16 to 4096"),
    (GROUND + "size: {w: 1}", 5, "a mapping"),
    (GROUND + "size: [0, 64]", 5, "out of range"),
    (GROUND + "size: [-64, 64]", 5, "out of range"),
    (GROUND + "size: [.nan, 64]", 5, "finite"),
    (GROUND + "size: [.inf, 64]", 5, "finite"),
    (GROUND + "size: [9999, 64]", 5, "from 16 to 4096"),
    (GROUND + "fps: 0", 5, "from 1 to 240"),
    (GROUND + "fps: -24", 5, "from 1 to 240"),
    (GROUND + "fps: 1000", 5, "from 1 to 240"),
    (GROUND + "fps: .nan", 5, "finite"),
    (GROUND + "fps: 1/0", 5, "zero"),
    (GROUND + "fps: 24.123456789", 5, "too fine"),
    (GROUND + "output: {codec: h246}", 5, "Did you mean 'h26"),
    (GROUND + "output: {quality: 60}", 5, "from 0 to 51"),
    (GROUND + "models: {generator: startr}", 5, "Did you mean 'starter'?"),
    (GROUND + "models: {perceptors: [starter, starter]}", 5, "twice"),
    (GROUND + "models: {perceptors: {starter: 0}}", 5, "perceptors: the weight '0'"),
    (GROUND + "models: {perceptors: []}", 5, "empty"),
    (GROUND + "style: 'oil:0.5'", 5, "no weights"),
    (GROUND + "style: 'a | b'", 5, "no weights"),
    (GROUND + "exclude: 'text:-0.5'", 5, "has a minus"),
    (GROUND + "exclude: [{text: a, stop: -1}]", 5, "has a minus"),
    (GROUND + "  init: [a]", 5, "a list"),
    (GROUND + '  name: "\\e[31m"', 5, "control characters"),
    (GROUND + "  init: https://a.b/c.png", 5, "Download the picture first and name its file"),
    (GROUND + "  step: off", 5, "step 'off' is not a number"),
    (GROUND + "  step: 0,5", 5, "with a point: 0.5"),
    (GROUND + "  step: 0", 5, "out of range"),
    (GROUND + "  smoothing: 1", 5, "out of range"),
    (GROUND + "  iterations: 0", 5, "iterations '0' is out of range"),
    (GROUND + "  iterations: few", 5, "iterations 'few' is not a number"),
    (GROUND + "  cutouts: {size: [0.9, 0.5]}", 5, "greater number"),
    (GROUND + "  cutouts: {size: [0.4, 2]}", 5, "the largest view '2'"),
    (GROUND + "  cutouts: 0", 5, "cutouts '0'"),
    (GROUND + "  keyframes: 0s", 5, "keyframes '0s' is out of range"),
    (
        GROUND + "  losses: {prompts: 0, smoothness: 0, commitment: 0, hold: 0, sharpness: 0}",
        5,
        "is 0",
    ),
    (
        GROUND + "  losses: {prompts: 0*t, smoothness: 0, commitment: 0, hold: 0*u, sharpness: 0}",
        5,
        "is 0",
    ),
    (GROUND + "  losses: {smoothnes: 1}", 5, "Did you mean 'smoothness'?"),
    (GROUND + "  transition: continue", 5, "nothing before it"),
    (GROUND + "  transition: crossfade", 5, "cross over, write the time it takes: 'transition: "),
    (GROUND + "  transition: fade 1s", 5, "'transition: 1s'; to let the pictures, 'transition: d"),
    (GROUND + "  transition: dissolve 1s", 5, "nothing before it"),
    (GROUND + SHOT[7:] + "  transition: morph 2h", 7, "transition '2h' is not a time"),
    (GROUND + SHOT[7:] + "  transition: dissolve 5s", 7, "longer than shot"),
    ("audio: none.wav\n" + GROUND, 1, "audio 'none.wav' is not there. Put the sound at "),
    ("audio: {loop: true}\n" + GROUND, 1, "has no 'file'"),
    (f"audio: {{file: {PULSE}, loop: maybe}}\n" + GROUND, 1, "loop 'maybe' is neither true"),
    (f"audio: {{file: {PULSE}, start: -1s}}\n" + GROUND, 1, "out of range"),
    (BARE + "  prompts: {text: a, where: tpo}", 4, "Did you mean 'top'?"),
    (
        BARE + "  prompts: {text: a, where: no.png}",
        4,
        "no.png' is not there",
    ),
    (BARE + "  prompts: {text: a, where: {moves: true}}", 4, "has no 'mask'"),
    ("loop: often\n" + GROUND, 1, "is not a time. Write 3.5s"),
    ("loop: true\n" + GROUND + "  transition: cut", 6, "goes over into its first shot"),
    ("loop: 5s\n" + GROUND, 1, "loop takes 5 s, longer than shot 'shot-1' with 4 s"),
    (GROUND + "  camera: {zoom: 1/t}", 5, "as in 1/max(t, 0.1)"),
    (GROUND + "  camera: {zoom: 200*t}", 5, "clamp(..., 0.01, 100) keeps it there"),
    ("loop: -1s\n" + GROUND, 1, "out of range"),
    ("loop: true\n" + GROUND + "  transition: continue", 6, "its first shot. Write dissolve"),
    (GROUND + SHOT[7:] + "  transition: {kind: fade, duration: 1}", 7, "kind 'fade'"),
    (GROUND + "  transition: {duration: soon}", 5, "duration 'soon' is not a time"),
    (GROUND + "  transition: -1s", 5, "out of range"),
    (GROUND + "- duration: 1s\n  prompts: a\n  transition: 2s", 7, "longer than shot 'shot-2'"),
    (GROUND + "- duration: 1s\n  prompts: a\n  transition: {kind: cut, duration: 1s}", 7, "a cut"),
    (GROUND + "- duration: 1s\n  prompts: a\n  transition: {ease: fast, kind: cut}", 7, "ease"),
    (GROUND + "- {duration: 1s, prompts: a, name: shot-1}", 5, "two shots are called 'shot-1'"),
    (GROUND + "  camera: {zoom: 0}", 5, "out of range"),
    (GROUND + "  camera: {zoom: -1}", 5, "out of range"),
    (GROUND + "  camera: {zoom: .nan}", 5, "finite"),
    (GROUND + "  camera: {zoom: .inf/s}", 5, "finite"),
    (GROUND + "  camera: {zoom: 0.05/s}", 5, "5% closer every second"),
    (GROUND + "  camera: {zoom: 1.1/frame}", 5, "change with fps"),
    (GROUND + "  camera: {zoom: 1.1/min}", 5, "per second"),
    (GROUND + "  camera: {zoom: {}}", 5, "no keys"),
    (GROUND + "  camera: {zoom: {0s: 1, 5s: 2}}", 5, "'shot-1' ends at 4 s"),
    (GROUND + "  camera: {zoom: {-1s: 1}}", 5, "out of range"),
    (GROUND + "  camera: {zoom: {2s: 1, 1s: 2}}", 5, "order of time"),
    (GROUND + "  camera: {zoom: {1s: 1, 1000ms: 2}}", 5, "two keys at 1 s"),
    (GROUND + "  camera: {zoom: {0s: 1, 1s: 1.1/s}}", 5, "mixes rates"),
    (GROUND + "  camera: {zoom: {0s: 1, 1s: {ease: in}}}", 5, "no 'value'"),
    (GROUND + "  camera: {zoom: {0s: 1, 1s: {value: 2, ease: bounce}}}", 5, "not known"),
    (GROUND + "  camera: {border: mirrored}", 5, "Did you mean 'mirror'?"),
    (GROUND + "  camera: {rotate: 6/s}", 5, "Here it is called 'angle'"),
    (GROUND + "  camera: {angle: 12rad/s}", 5, "in degrees. Write 687.5deg/s"),
    (GROUND + "  camera: {angle: 0.25turn}", 5, "Write 90deg"),
    (GROUND + "  camera: {angle: 700rad/s}", 5, "Write one such as 5deg/s"),
    (GROUND + "  camera: {x: 10px}", 5, "a part of the frame in percent. Write one such as 5%/s"),
    (GROUND + "  camera: {x: 10px/frame}", 5, "change with fps"),
    (GROUND + "  camera: {zoom: 10%/s}", 5, "Write 1.1/s"),
    (GROUND + "  camera: {zoom: {0s: 150%}}", 5, "Write 1.5"),
    (GROUND + "  camera: {zoom: 1.1, 5/s}", 5, "write numbers with a point"),
    (GROUND + "  camera: fast", 5, "not known. There are push-in"),
    (HEAD + "shots: [{duration: 10h, prompts: a}]", 2, "not a time"),
    (HEAD + "shots: [{duration: 0, prompts: a}]", 2, "out of range"),
    (HEAD + "shots: [{duration: -1s, prompts: a}]", 2, "not a time|out of range"),
    (HEAD + "shots: [{duration: .inf, prompts: a}]", 2, "finite"),
    (HEAD + "shots: [{duration: nan, prompts: a}]", 2, "finite"),
    (HEAD + "shots: [{duration: 10ms, prompts: a}]", 2, "less than one frame"),
    (HEAD + "shots: [{duration: 9:59:59, prompts: a}, {duration: 9, prompts: a}]", 2, "film lasts"),
    (HEAD + "shots: [{duration: 9:0:0, prompts: a, keyframes: 10ms}]", 2, "keyframes, more than"),
    (
        HEAD + "shots: [{duration: 1:0:0, prompts: a, camera: {zoom: 2/s}}]",
        2,
        "beyond reach",
    ),
    (HEAD + "shots: [{duration: 1, prompts: ''}]", 2, "no text"),
    (HEAD + "shots: [{duration: 1, prompts: 'a | '}]", 2, "no text"),
    (HEAD + "shots: [{duration: 1, prompts: ':2'}]", 2, "no text"),
    (HEAD + "shots: [{duration: 1, prompts: []}]", 2, "empty list"),
    (HEAD + "shots: [{duration: 1, prompts: [[a]]}]", 2, "a list"),
    (HEAD + "shots: [{duration: 1, prompts: [{weight: 1}]}]", 2, "neither text nor image"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:0 | b:0'}]", 2, "every weight is 0"),
    (HEAD + "shots: [{duration: 1, prompts: at 10:30}]", 2, "digit before the colon"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:nan'}]", 2, "finite"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:1e9'}]", 2, "the weight 1e+09 of 'a' is out of"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:1e400'}]", 2, "'1e400' is out of range"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:1:9'}]", 2, "the stop 9 of 'a' is out of range"),
    (HEAD + "shots: [{duration: 1, prompts: [{text: a, weight: 50%}]}]", 2, "Write 0.5"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:0,5'}]", 2, "comma in its weight. Write 0.5"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:0,5:1'}]", 2, "comma in its weight. Write 0.5"),
    (HEAD + "shots: [{duration: 1, prompts: 'a:'}]", 2, "nothing behind it"),
    (HEAD + f"shots: [{{duration: 1, prompts: {'x' * 1001}}}]", 2, "Shorten it"),
    (HEAD + f"shots: [{{duration: 1, prompts: '{'a|' * 100}a'}}]", 2, "at most 100"),
    (HEAD + "shots: [" + "{duration: 1, prompts: a}, " * 1001 + "]", 2, "more than 1000"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    found = problems(text)
    matching = [p for p in found if any(part in p.message for part in says.split("|"))]
    assert matching, found
    assert matching[0].line == line
    assert all(p.column >= 1 for p in found)
    if "version" in text and "shots" in text:
        assert len(found) == 1, found


def test_every_mistake_is_reported_at_once_in_order() -> None:
    found = problems(
        "version: 1\nfps: nan\nsed: 1\nshots:\n- {duration: -1, prompts: a}\n"
        "- {duration: 1, prompts: 'b:0', camera: {zoom: 0}}\n"
    )
    assert [p.line for p in found] == [2, 3, 5, 6, 6]
    with pytest.raises(StoryboardError) as caught:
        parse("version: 1\nfps: nan\nshots: 1", NOWHERE, Path("film.yaml"))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("film.yaml:2:6: fps 'nan'")
    assert len(lines) == 2


def test_a_flood_of_mistakes_is_cut() -> None:
    found = problems(HEAD + "shots: [" + "{a: 1}, " * 300 + "]")
    assert len(found) == 101
    assert "more mistakes" in found[-1].message


def test_a_default_that_does_not_fit_a_shot_names_the_shot() -> None:
    (only,) = problems(
        HEAD + "defaults: {camera: {zoom: {0s: 1, 3s: 2}}}\n"
        "shots:\n- {duration: 4, prompts: a}\n- {duration: 2, prompts: a, name: short}\n"
    )
    assert only.line == 2
    assert "shot 'short' ends at 2 s" in only.message


def test_a_defaults_key_map_that_a_shot_replaces_is_not_held_against_it() -> None:
    film = board(
        HEAD + "defaults: {camera: {zoom: {0s: 1, 3s: 2}}}\n"
        "shots:\n- {duration: 2, prompts: a, camera: {zoom: 1.1/s}}\n"
        "- {duration: 2, prompts: b, camera: null}\n"
    )
    assert film.shots[0].camera.zoom.kind == "growth"
    assert film.shots[1].camera == Camera()


@pytest.mark.parametrize("kind", ["dissolve", "morph"])
def test_a_transition_that_takes_no_time_is_told_of(kind: str) -> None:
    film = board(GROUND + SHOT[7:] + f"  transition: {kind} 0s\n")
    (warning,) = film.warnings
    assert warning.line == 7
    assert warning.message.startswith(f"a {kind} that takes no time is a cut. Write how long")
    assert not board(GROUND + SHOT[7:] + "  transition: 0s\n").warnings  # which continues


def test_a_sound_that_is_over_before_it_starts_is_told_of() -> None:
    (warning,) = board(f"audio: {{file: {PULSE}, start: 100s}}\n" + GROUND).warnings
    assert (warning.line, "so nothing is heard" in warning.message) == (1, True)
    assert not board(f"audio: {{file: {PULSE}, start: 100s, loop: true}}\n" + GROUND).warnings


def test_signed_weights_may_cancel() -> None:
    assert [
        p.weight.at(0)
        for p in board(HEAD + "shots: [{duration: 1, prompts: 'a:1 | b:-1'}]").shots[0].prompts
    ] == [1.0, -1.0]


@pytest.mark.parametrize("codec", ["ffv1"])
def test_codecs_that_take_odd_sides(codec: str) -> None:
    assert board(f"size: 641x361\noutput: {{codec: {codec}}}\n" + GROUND).size == (641, 361)


# Prompts


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("sky", ("sky", None, None)),
        ("sky:0.5", ("sky", 0.5, None)),
        ("sky : 0.5 : -1", ("sky", 0.5, -1.0)),
        ("storm: oil on canvas", ("storm: oil on canvas", None, None)),
        ("storm: oil on canvas:2", ("storm: oil on canvas", 2.0, None)),
        ("http://a.b/c", ("http://a.b/c", None, None)),
        ("studio 54 :2", ("studio 54", 2.0, None)),
        ("сон 🌊:.7", ("сон 🌊", 0.7, None)),
        ("夜の海:1e-1", ("夜の海", 0.1, None)),
        ("infinity", ("infinity", None, None)),
    ],
)
def test_shorthand(written: str, parts: tuple[str, float | None, float | None]) -> None:
    assert split_weights(written) == parts


WORDS = st.text(
    st.characters(exclude_categories=("C", "Z", "N"), exclude_characters=":|"),
    min_size=1,
    max_size=30,
)  # fmt: skip
NUMBERS = st.floats(-100, 100).map(lambda value: round(value, 4))


@given(WORDS, st.none() | NUMBERS, st.none() | NUMBERS)
@example("夜 🌊", 0.5, None)
def test_shorthand_round_trips(text: str, weight: float | None, stop: float | None) -> None:
    text = text.strip()
    if not text:
        return
    stop = None if weight is None else stop
    written = ":".join([text, *(repr(n) for n in (weight, stop) if n is not None)])
    assert split_weights(written) == (text, weight, stop)


@given(st.text(max_size=60))
def test_no_weight_is_left_in_a_text(written: str) -> None:
    try:
        text, _, _ = split_weights(written)
    except ValueError as error:
        assert str(error)  # noqa: PT017
        return
    assert text == text.strip() != ""
    # Three numbers are one too many, and then what is left ends in a digit: refused above.
    head, _, tail = text.rpartition(":")
    assert not (head and tail.strip().replace(".", "").isdecimal() and tail.isascii())


# Images


def test_images_are_looked_at(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "red").save(tmp_path / "fine.jpg")
    Image.new("RGB", (64, 48), "red").save(tmp_path / "fine.png")
    Image.new("RGB", (200, 200), "red").save(tmp_path / "whole.jpg")
    (tmp_path / "cut.png").write_bytes((tmp_path / "fine.png").read_bytes()[:-30])
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-300])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    Image.new("1", (9000, 9000)).save(tmp_path / "huge.png")
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")

    def prompt(name: str) -> str:
        return HEAD + f"shots:\n- duration: 1\n  prompts: [{{image: {name}}}]\n"

    for name in ("fine.jpg", "fine.png", "./fine.png"):
        (only,) = board(prompt(name), tmp_path).shots[0].prompts
        assert only.image == (tmp_path / name).resolve()
        assert only.text is None
    for name, says in {
        "missing.png": "is not there",
        "cut.png": "cannot be read|not an image",
        "cut.jpg": "not an image",
        "text.png": "not an image",
        "empty.png": "not an image",
        "folder.png": "is a folder",
        "huge.png": "9000x9000",
        "bomb.png": "far too large",
        '"a\\0b"': "cannot be a file's name",
        "x" * 5000: "cannot be a file's name|not there",
    }.items():
        (problem,) = problems(prompt(name), tmp_path)
        assert any(part in problem.message for part in says.split("|")), problem
        assert problem.line == 4


def test_continue_and_init_exclude_each_other(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    text = GROUND + "- {duration: 1, prompts: a, transition: continue, init: a.png}\n"
    (only,) = problems(text, tmp_path)
    assert "cannot begin with init" in only.message


# Files


def test_files_that_are_no_storyboard(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "huge.yaml").write_bytes(b"#" * 1_000_001)
    for name, says in {
        "missing.yaml": "no such file",
        "empty.yaml": "empty",
        "binary.yaml": "binary",
        "huge.yaml": "larger",
        ".": "a folder",
        "a\0b": "cannot be read|no such file",
    }.items():
        with pytest.raises(StoryboardError) as caught:
            load(tmp_path / name)
        (only,) = caught.value.problems
        assert any(part in only.message for part in says.split("|")), only
        assert str(caught.value).startswith(f"{tmp_path / name}:1:1: ")


def test_loading_needs_neither_torch_nor_numpy(tmp_path: Path) -> None:
    path = tmp_path / "film.yaml"
    path.write_text(HEAD + "shots:\n" + "- {duration: 4s, prompts: sky | sea:0.5}\n" * 30)
    program = (
        "import sys; from pathlib import Path; from render.storyboard.parser import load;"
        f"load(Path({str(path)!r}));"
        "print([name for name in ('torch', 'numpy', 'PIL') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


WHOLE = """\
version: 1
size: 320x192
fps: 23.976
bpm: 90
style: oil
exclude: [text:0.4:0.8]
defaults: {iterations: {first: 60}, camera: {zoom: 1.05/s}, transition: {duration: 1s}}
shots:
- {name: dawn, duration: 4s, prompts: "winter | lake:0.7:0.2"}
- duration: 0:03.5
  prompts: [{text: a, weight: {0s: 0.5, 2s: {value: 1, ease: in-out}}}]
  camera: {angle: 6deg/s, x: {0s: 0, 2s: 10%}}
- duration: 4b
  prompts: [{text: {0b: a, 2b: b}, weight: 1 + sin(beat)/2}, {text: c, stop: 0.8 - u}]
  camera: {zoom: 1 + 0.1*sin(tau*t), x: {0b: 0, 1b: {value: 5, ease: [0.4, 0, 0.2, 1.5]}}}
"""


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150, deadline=None)
@given(
    st.integers(0, len(WHOLE) - 1),
    st.integers(0, 12),
    st.sampled_from(
        ["", ":", "-1", "{", "]", "\t", "null", "1e99", "nan", "*a", "x: ", "\n", "🌊"]
    ),
)
def test_a_damaged_storyboard_loads_or_says_why(at: int, length: int, put: str) -> None:
    try:
        parse(WHOLE[:at] + put + WHOLE[at + length :], NOWHERE)
    except StoryboardError as error:
        assert error.problems  # noqa: PT017


def test_a_bound_itself_is_allowed() -> None:
    assert shot("  camera: {zoom: 0.1/s}\n").camera.zoom == keyed((Key(0, 0.1),), "growth")
    assert shot("  cutouts: {size: [0.05, 1]}\n").settings.cutout_size == (0.05, 1.0)
    assert board(GROUND + "seed: 9223372036854775807\n").seed == 2**63 - 1
    (high,) = problems(GROUND + "seed: 9223372036854775808\n")
    assert "out of range" in high.message


def test_a_name_does_not_steer_the_terminal() -> None:
    text = 'shots:\n- name: "\\e]0;x\\a\\e[31mred"\n  duration: 4s\n  prompts: a\n  oops: 1\n'
    assert all(p.message.isprintable() for p in problems(HEAD + text + text[7:]))


def test_a_zoom_that_leaves_nothing_of_a_picture() -> None:
    (problem,) = problems(GROUND.replace("4s", "9s") + "  keyframes: 5s\n  camera: {zoom: 0.1/s}\n")
    assert (problem.line, "keyframes" in problem.message) == (6, True)


@pytest.mark.parametrize(
    ("written", "kind", "duration"),
    [
        ("dissolve", "dissolve", 1),
        ("morph 0.5s", "morph", Fraction(1, 2)),
        (" continue  12f ", "continue", Fraction(1, 2)),
        ("{kind: dissolve, duration: 2s}", "dissolve", 2),
        ("2s", "continue", 2),
    ],
)
def test_ways_to_write_a_transition(written: str, kind: str, duration: Fraction) -> None:
    shot = f"- {{duration: 4s, prompts: a, transition: {written}}}\n"
    second = parse(GROUND + shot, Path()).shots[1]
    assert second.transition == model.Transition(kind, Fraction(duration))


def test_a_loop_takes_its_own_time_whatever_the_defaults() -> None:
    def first(top: str, own: str = "", duration: str = "4s") -> model.Transition:
        text = f"{top}\n{GROUND}".replace("4s", duration) + own
        return parse(text, Path()).shots[0].transition

    dissolve = "defaults: {transition: dissolve 0.8s}\n"
    assert first("loop: 0.5s\n" + dissolve) == model.Transition("dissolve", Fraction(1, 2))
    assert first("loop: true\n" + dissolve, "", "0.9s").duration == Fraction(4, 5)
    assert first("loop: true\n", "  transition: dissolve\n", "0.5s").duration == Fraction(1, 2)
    with pytest.raises(StoryboardError, match="1:7: loop takes 2 s, longer than shot 'shot-1'"):
        first("loop: 2s\n" + dissolve, "", "1.5s")
    text = f"loop: 2s\n{GROUND}  transition: dissolve 0.3s\n"
    (warning,) = parse(text, Path()).warnings
    assert warning.message.startswith("the loop is to take 2 s, and the first shot's transition")


@pytest.mark.parametrize(("written", "loop"), [("true", 1), ("false", 0), ("0.5s", Fraction(1, 2))])
def test_a_film_that_loops(written: str, loop: Fraction) -> None:
    board = parse(f"loop: {written}\n{GROUND}", Path())
    assert board.loop == loop
    kind = "morph" if loop else "cut"
    assert board.shots[0].transition == model.Transition(kind, min(loop, Fraction(1)))


def test_a_film_s_sound(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(800))
    path = (tmp_path / "a.wav").resolve()
    assert board(f"audio: a.wav\n{GROUND}", tmp_path).audio == Audio(path)
    long = f"audio: {{file: a.wav, start: 1m, loop: true}}\n{GROUND}"
    assert board(long, tmp_path).audio == Audio(path, Fraction(60), True)
    assert board(f"audio:\n{GROUND}", tmp_path).audio is None


def test_a_mask_has_the_film_s_shape(tmp_path: Path) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "square.png")
    Image.new("L", (64, 32)).save(tmp_path / "wide.png")
    text = HEAD + "size: 128x64\nshots:\n- duration: 1s\n  prompts: {text: a, where: FILE}\n"
    with pytest.raises(StoryboardError, match="64x64, another shape than the film's 128x64"):
        board(text.replace("FILE", "square.png"), tmp_path)
    where = board(text.replace("FILE", "wide.png"), tmp_path).shots[0].prompts[0].where
    assert where == Region((tmp_path / "wide.png").resolve())
    moving = board(text.replace("FILE", "{mask: from-left, moves: true}")).shots[0].prompts[0]
    assert moving.where == Region("from-left", moves=True)


def test_what_a_comment_took_is_warned_of() -> None:
    (warning,) = board(GROUND + "  palette: #ff0000\n").warnings
    assert warning.message.startswith("nothing is written after palette. Write null")
    assert not board("style: null\n" + GROUND).warnings
