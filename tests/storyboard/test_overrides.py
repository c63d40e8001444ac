"""Settings of the command line count more than the storyboard, for one run."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from storyboard.samples import GROUND

from render.errors import InputError
from render.plan.notes import note_of
from render.storyboard.model import Storyboard
from render.storyboard.overrides import read_override
from render.storyboard.parser import load, parse
from render.storyboard.problems import StoryboardError
from render.weights.catalog import GeneratorChoice

BOARD = """\
version: 1
fps: 24
seed: 1
defaults: {duration: 2s, iterations: 20, losses: {hold: 0.2, smoothness: 1}}
shots:
- {name: calm, prompts: a sea}
- {name: storm, prompts: waves, losses: {hold: 0.7}, iterations: {then: 9}}
- {act: end, defaults: {iterations: {first: 50}}, shots: [{name: night, prompts: stars}]}
"""


@pytest.fixture
def film(tmp_path: Path) -> Path:
    (tmp_path / "film.yaml").write_text(BOARD)
    return tmp_path / "film.yaml"


def losses(board: Storyboard, name: str) -> list[float]:
    return [dict(shot.settings.losses)[name] for shot in board.shots]


def test_a_setting_of_shots_counts_in_all_of_them(film: Path) -> None:
    board = load(film, ("losses.hold=0.8", "iterations.then=5"))
    assert losses(board, "hold") == [0.8, 0.8, 0.8]
    assert losses(board, "smoothness") == [1, 1, 1]  # what stands beside it stays
    assert [shot.settings.later_steps for shot in board.shots] == [5, 5, 5]
    assert [shot.settings.first_steps for shot in board.shots] == [20, 20, 50]


def test_a_setting_of_one_shot_counts_there(film: Path) -> None:
    board = load(film, ("shots.storm.losses.hold=0.9", "shots.night.prompts=moon", "step=0.5"))
    assert losses(board, "hold") == [0.2, 0.9, 0.2]
    assert [shot.prompts[0].text for shot in board.shots] == ["a sea", "waves", "moon"]
    assert {shot.settings.later_step_size for shot in board.shots} == {0.5}


def test_settings_of_the_film(film: Path) -> None:
    board = load(film, ("seed=7", "fps=12", "size=64x48", "output.codec=vp9", "output.quality=30"))
    assert (board.seed, board.fps, board.size) == (7, 12, (64, 48))
    assert (board.codec, board.quality) == ("vp9", 30)
    assert board.shots[0].duration == Fraction(2)
    assert board.settings[0] == "seed=7"
    assert board.text == BOARD


def test_the_last_of_two_settings_counts_and_a_mapping_may_be_set(film: Path) -> None:
    board = load(film, ("seed=2", "seed=3", "camera={x: 5%/s, zoom: 1.1/s}", "losses={hold: 2}"))
    assert board.seed == 3
    assert not board.shots[2].camera.zoom.constant
    assert losses(board, "smoothness") == [1, 1, 1]


def test_the_note_tells_the_settings(film: Path) -> None:
    from plans import plan_for

    note = note_of(plan_for(load(film, ("seed=7",)), 8), "film")
    assert (note["settings"], note["seed"]) == (["seed=7"], 7)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("losses.hold=2x", "--set losses.hold: hold '2x' is not a number"),
        ("losses.hodl=2", "--set losses.hodl: losses has no key 'hodl'. Did you mean 'hold'"),
        ("size=97", "--set size: size '97' is not two numbers"),
        ("fps=x", "--set fps: fps 'x' is not a number"),
        ("seed=-1", "--set seed: seed '-1' is out of range"),
        ("losses.hold", "write it as in losses.hold=0.8"),
        ("=3", "write it as in losses.hold=0.8"),
        ("a..b=3", "write it as in losses.hold=0.8"),
        ("lossses.hold=3", "no key 'lossses' to set; did you mean losses?"),
        ("name=x", "--set name: this is not for one run"),
        ("shots=x", "write the shot and its key"),
        ("shots.calm.name=x", "--set shots.calm.name: this is not for one run"),
        ("version=2", "--set version: this is not for one run"),
        ("shots.calm.prompts=", "prompts has no value"),
        ("seed=[", "--set seed: this is not YAML"),
        ("shots.strom.step=1", "there is no such shot; did you mean storm?"),
        ("seed=", "--set seed: seed has no value"),
    ],
)
def test_wrong_settings_are_told_by_their_option(film: Path, setting: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        load(film, (setting,))
    assert said in str(error.value)
    if isinstance(error.value, StoryboardError):
        assert "film.yaml" not in str(error.value)


def test_times_and_the_camera_of_an_act_may_be_set(film: Path) -> None:
    assert [float(shot.duration) for shot in load(film, ("duration=3s",)).shots] == [3, 3, 3]
    board = load(film, ("shots.storm.at=5s", "shots.calm.duration=5s"))
    assert [float(shot.duration) for shot in board.shots] == [5, 2, 2]
    film.write_text(BOARD.replace("{act: end,", "{act: end, camera: {zoom: 1.05/s},"))
    night = load(film, ("camera.zoom=1.5/s",)).shots[2]
    assert night.camera.zoom.interpolated(0) == 1.5


def test_another_generator_has_none_of_the_first_one_s_parameters() -> None:
    text = GROUND + "models: {generator: {name: strokes, count: 9}}\n"

    def chosen(*settings: str) -> GeneratorChoice:
        overrides = tuple(map(read_override, settings))
        return parse(text, Path(), overrides=overrides).generator

    assert chosen("models.generator=pixels") == GeneratorChoice("pixels")
    assert chosen("models.generator={name: pixels}") == GeneratorChoice("pixels")
    assert chosen("models.generator.width=0.1").parameters == (("count", 9), ("width", 0.1))
    assert chosen("models.generator.name=pixels", "models.generator=color").name == "color"
