"""Whole storyboards: what is read, and all mistakes at once."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storyboard.samples import GROUND, HEAD, NOWHERE, board, check_mistake, problems

from render.curves.curve import Key, constant, keyed
from render.storyboard import model, parser
from render.storyboard.context import ShotContext
from render.storyboard.model import LOSS_WEIGHTS, STARTERS, STEADY, Camera, Prompt, Settings
from render.storyboard.parser import load, parse
from render.storyboard.problems import StoryboardError
from render.storyboard.reader import Kind, Reader
from render.storyboard.yaml_nodes import Node
from render.weights.catalog import Model

MISTAKES = [
    ("just words", 1, "not a storyboard"),
    ("- a\n- b", 1, "not a storyboard"),
    (HEAD + "shots: [{duration: 9:59:59, prompts: a}, {duration: 9, prompts: a}]", 2, "film lasts"),
    (HEAD + "shots: [{duration: 9:0:0, prompts: a, keyframes: 10ms}]", 2, "keyframes, more than"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)


def test_defaults() -> None:
    film = board(GROUND)
    assert (film.version, film.size, film.fps, film.seed) == (1, (320, 192), 24, 0)
    assert (film.generator.name, film.perceptors) == ("starter", STARTERS)
    assert (film.codec, film.quality, film.warnings) == ("auto", 17, ())
    assert film.text == GROUND
    assert film.duration == 4
    (only,) = film.shots
    assert only.name == "shot-1"
    assert only.prompts == (Prompt("a red sky", None, constant(1.0)),)
    assert only.settings == Settings(losses=tuple({**LOSS_WEIGHTS, **STEADY}.items()))
    assert only.camera == Camera()
    assert only.transition == model.Transition("cut", Fraction(0))
    assert only.init is None


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
    assert (dawn.settings.first_steps, dawn.settings.later_steps) == (60, 60)
    assert dawn.settings.every == Fraction(1, 2)
    assert storm.duration == Fraction(7, 2)
    assert [p.text for p in storm.prompts] == ["at 10:30", "waves"]
    assert storm.prompts[0].weight == keyed(
        (Key(Fraction(0), 0.5), Key(Fraction(2), 1.0, "in-out"))
    )
    assert storm.transition == model.Transition("continue", Fraction(1))
    assert (storm.settings.first_steps, storm.settings.later_steps) == (60, 10)
    assert storm.settings.losses == tuple({**LOSS_WEIGHTS, "hold": 2.0, "smoothness": 0.0}.items())
    assert (storm.settings.first_step_size, storm.settings.later_step_size) == (0.01, 0.01)
    assert storm.settings.smoothing == 0.0
    assert (storm.settings.cutouts, storm.settings.cutout_size) == (8, (0.5, 0.9))
    assert storm.camera.zoom.at(1) == pytest.approx(1.05)  # the defaults', beside its own angle
    assert storm.camera.angle.at(2) == 12.0
    assert storm.camera.border == "wrap"


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


def test_only_the_first_mistakes_are_shown() -> None:
    found = problems(HEAD + "shots: [" + "{a: 1}, " * 300 + "]")
    assert len(found) == 101
    assert "more mistakes" in found[-1].message


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


def test_the_models_are_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scans: list[dict[str, dict[str, Model]]] = []
    models_by_role = parser.models_by_role

    def counted() -> dict[str, dict[str, Model]]:
        scans.append(models_by_role())
        return scans[-1]

    monkeypatch.setattr(parser, "models_by_role", counted)
    board("models: {generator: starter, perceptors: {starter: 2}}\n" + GROUND)
    assert len(scans) == 1


def test_each_value_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, int, int]] = []
    attempt = Reader.attempt

    def counted(self: Reader, kind: Kind, node: Node, key: str, context: ShotContext) -> object:
        read.append((key, node.line, node.column))
        return attempt(self, kind, node, key, context)

    monkeypatch.setattr(Reader, "attempt", counted)
    top = "fps: 12\nbpm: 90\nmodels: {generator: starter, perceptors: [starter]}\n"
    board(top + GROUND + "  keyframes: {every: 1b, between: latent}\n  camera: {zoom: 1 + u}\n")
    read = [one for one in read if one[0] != "generator"]  # a short form: the name is its only key
    assert len(read) == len(set(read))
    keys = {key for key, _, _ in read}
    assert {"fps", "bpm", "models", "duration", "keyframes", "every", "zoom"} <= keys


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        ("perceptors: ViT-B-32", "perceptors 'ViT-B-32' is not known. Did you mean 'ViT-B/32'?"),
        ("perceptors: {vit-b/32: 1}", "Did you mean 'ViT-B/32'?"),
        ("generator: ViT-B/32", "ViT-B/32 is a perceptor. Write it at 'perceptors'"),
        ("perceptors: [vqgan-coco]", "vqgan-coco is a generator. Write it at 'generator'"),
    ],
)
def test_a_misplaced_or_misspelt_model_is_put_right(models: str, sentence: str) -> None:
    text = f"version: 1\nmodels: {{{models}}}\nshots:\n  - {{duration: 1s, prompts: sea}}\n"
    with pytest.raises(StoryboardError) as caught:
        parse(text, Path())
    assert sentence in caught.value.problems[0].message
