"""Shots in a row: at their times, in acts, from other files, and by templates."""

from __future__ import annotations

import time
import wave
from fractions import Fraction
from pathlib import Path

import pytest
from plans import plan_for
from storyboard.samples import board

from render.plan import camera
from render.storyboard.model import Shot, Storyboard
from render.storyboard.parser import load, parse
from render.storyboard.problems import StoryboardError

HEAD = "version: 1\nfps: 24\n"


def made(text: str, folder: Path = Path()) -> Storyboard:
    return parse(HEAD + text, folder)


def refused(text: str, folder: Path = Path()) -> str:
    with pytest.raises(StoryboardError) as error:
        made(text, folder)
    return str(error.value)


def durations(text: str, folder: Path = Path()) -> list[float]:
    return [float(shot.duration) for shot in made(text, folder).shots]


# Shots that begin at a time.


def test_a_shot_lasts_until_the_next_one_begins() -> None:
    text = (
        "shots:\n- {prompts: a}\n- {at: '0:10', prompts: b}\n- {at: 12.5s, prompts: c}\n"
        "- {duration: 2s, prompts: d, at: 300f}\n"
    )
    with pytest.raises(StoryboardError, match=r"the next one at 12\.5 s\. Put them in order"):
        made(text)
    assert durations(text.replace("300f", "360f")) == [10, 2.5, 2.5, 2]


def test_times_and_durations_may_be_mixed_where_they_agree() -> None:
    text = (
        "shots:\n- {duration: 4s, prompts: a}\n- {duration: 3s, prompts: b, at: 4s}\n"
        "- {prompts: c}\n- {at: 10s, prompts: d, duration: 1s}\n"
    )
    assert durations(text) == [4, 3, 3, 1]
    wrong = refused(text.replace("at: 4s", "at: 5s"))
    assert "shot 'shot-2' is to begin at 5 s, and the shots before it end at 4 s" in wrong


def test_a_duration_of_the_defaults_counts_less_than_a_time() -> None:
    text = (
        "defaults: {duration: 4s}\nshots:\n- {prompts: a}\n- {at: 7s, prompts: b}\n- {prompts: c}"
    )
    assert durations(text) == [7, 4, 4]


def test_the_last_shot_lasts_until_the_sound_ends(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000 * 5))
    text = "audio: AUDIO\nshots:\n- {prompts: a}\n- {at: 2s, prompts: b}\n"
    assert durations(text.replace("AUDIO", "a.wav"), tmp_path) == [2, 3]
    later = text.replace("AUDIO", "{file: a.wav, start: -1s}")
    assert durations(later, tmp_path) == [2, 4]
    looped = text.replace("AUDIO", "{file: a.wav, loop: true}")
    assert "shot 'shot-2' has no 'duration'" in refused(looped, tmp_path)


@pytest.mark.parametrize(
    ("shots", "said"),
    [
        ("[{at: 1s, prompts: a, duration: 1s}]", "and it is the first. Write at: 0s"),
        ("[{prompts: a}, {at: 0s, prompts: b, duration: 1s}]", "Put them in order"),
        ("[{prompts: a}, {at: -1s, prompts: b, duration: 1s}]", "out of range"),
        ("[{prompts: a}, {at: soon, prompts: b, duration: 1s}]", "'soon' is not a time"),
        ("[{prompts: a}, {at: 4b, prompts: b, duration: 1s}]", "there is no bpm"),
        ("[{prompts: a}, {start: 4s, prompts: b, duration: 1s}]", "Here it is called 'at'"),
        ("[{prompts: a}]", "or when the next one begins, as in at: 1:12.5"),
    ],
)
def test_times_that_cannot_be_are_told(shots: str, said: str) -> None:
    assert said in refused(f"shots: {shots}")


def test_beats_count_from_the_first_beat() -> None:
    text = (
        "bpm: 120\nfirst_beat: 350ms\nshots:\n- {prompts: a}\n- {at: 8b, prompts: b, duration: 4b, "
        "camera: {zoom: (1 + 0.1*beat)/s}}\n"
    )
    first, second = made(text).shots
    assert first.duration == Fraction(435, 100)
    assert second.duration == 2  # a duration has no first beat
    assert second.camera.zoom.interpolated(0) == pytest.approx(1.8)


def test_film_time_runs_on_over_shots() -> None:
    shot = "{duration: 3s, prompts: {text: a, weight: 1 + film_time}}"
    first, second = made(f"shots: [{shot}, {shot}]").shots
    assert first.prompts[0].weight.at(2) == 3
    assert second.prompts[0].weight.at(2) == 6


# Acts.


ACT = """\
shots:
- {name: before, duration: 1s, prompts: z}
- act: storm
  camera: CAMERA
  defaults: {duration: 2s, iterations: {then: 3}, transition: continue}
  shots:
  - {name: one, prompts: a}
  - {name: two, prompts: b, duration: 4s}
  - {name: own, prompts: c, camera: {angle: 5deg/s}}
- {name: after, duration: 1s, prompts: d}
"""


def shots_of_act(moves: str) -> dict[str, Shot]:
    return {shot.name: shot for shot in made(ACT.replace("CAMERA", moves)).shots}


def test_an_act_has_defaults_of_its_own() -> None:
    shots = shots_of_act("{x: 5%/s}")
    assert [float(shot.duration) for shot in shots.values()] == [1, 2, 4, 2, 1]
    assert [shot.settings.later_steps for shot in shots.values()] == [8, 3, 3, 3, 8]
    assert [shot.transition.kind for shot in shots.values()][2:] == ["continue", "continue", "cut"]


@pytest.mark.parametrize(
    ("moves", "at_one", "at_two"),
    [
        ("{angle: {0s: 0, 8s: 80}}", [0, 10, 20], [20, 40, 60]),
        ("{angle: 10*t}", [0, 10, 20], [20, 40, 60]),
        ("{angle: 5*film_time}", [5, 10, 15], [15, 25, 35]),
        ("{angle: {0s: 0, 2s: 0, 6s: {value: 8, ease: hold}}}", [0, 0, 0], [0, 0, 8]),
    ],
)
def test_one_camera_moves_on_over_the_shots_of_an_act(
    moves: str, at_one: list[float], at_two: list[float]
) -> None:
    shots = shots_of_act(moves)
    angles = [
        [shots[name].camera.angle.at(share * shots[name].duration) for share in (0, 0.5, 1)]
        for name in ("one", "two")
    ]
    assert angles == [pytest.approx(at_one), pytest.approx(at_two)]
    assert shots["own"].camera.angle.at(1) == 5
    assert shots["before"].camera.angle.constant
    assert shots["after"].camera.angle.constant


def test_a_rate_goes_on_from_where_it_was() -> None:
    shots = shots_of_act("{zoom: {0s: 1.0/s, 8s: 1.8/s}}")
    assert shots["two"].camera.zoom.interpolated(0) == pytest.approx(
        shots["one"].camera.zoom.interpolated(2)
    )
    whole = made("shots: [{duration: 8s, prompts: a, camera: {zoom: {0s: 1.0/s, 8s: 1.8/s}}}]")
    for name, start in (("one", 0), ("two", 2)):
        zoom = shots[name].camera.zoom
        assert zoom.at(2) == pytest.approx(whole.shots[0].camera.zoom.at(start + 2))


def test_a_hand_that_shakes_goes_on_shaking() -> None:
    shots = shots_of_act("{shake: 2%, x: 1%/s}")
    assert shots["one"].camera.shake.seed == shots["two"].camera.shake.seed
    assert shots["two"].camera.shake.seed.endswith("/storm")
    assert shots["own"].camera.shake.seed != shots["two"].camera.shake.seed


def test_frames_of_an_act_move_as_those_of_one_shot() -> None:
    move = "{zoom: {0s: 1, 4s: 2}, x: 3*t, angle: 10deg/s}"
    one = made(f"shots: [{{name: a, duration: 4s, prompts: p, camera: {move}}}]")
    two = made(
        f"shots: [{{act: whole, camera: {move}, shots: [{{duration: 1.5s, prompts: p}}, "
        "{duration: 2.5s, prompts: p, transition: continue}]}]"
    )
    whole = camera.between(one.shots[0].camera, Fraction(2), Fraction(3), (1.5, 1.0))
    part = camera.between(two.shots[1].camera, Fraction(1, 2), Fraction(3, 2), (1.5, 1.0))
    assert part == pytest.approx(whole)
    assert len(plan_for(two, 8).keyframes) > 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shots: [{act: a, shots: []}]", "there are no shots"),
        ("shots: [{act: a}]", "an act has no 'shots'"),
        ("shots: [{shots: [{duration: 1s, prompts: a}]}]", "an act has no 'act'"),
        ("shots: [{act: a, colour: 1, shots: [{duration: 1s, prompts: b}]}]", "no key 'colour'"),
        (
            "shots: [{act: a, shots: [{act: b, shots: [{duration: 1s, prompts: c}]}]}]",
            "stands within an act",
        ),
        (
            "shots: [{act: a, camera: drift, defaults: {camera: sway}, "
            "shots: [{duration: 1s, prompts: b}]}]",
            "act 'a' has a camera, and another one in its defaults",
        ),
        (
            "shots: [{act: a, shots: [{duration: 1s, prompts: b}]}, "
            "{act: a, shots: [{duration: 1s, prompts: c}]}]",
            "two acts are called 'a'",
        ),
        ("shots: [{act: a, camera: {zoom: 900}, shots: [{duration: 1s, prompts: b}]}]", "range"),
    ],
)
def test_acts_that_cannot_be_are_told(text: str, said: str) -> None:
    assert said in refused(text)


# Other files.


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_shots_of_other_files_take_their_place(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    write(
        tmp_path,
        film=HEAD + "shots:\n- {name: a, duration: 1s, prompts: a}\n- include: more.yaml\n"
        "- {act: x, shots: [include: two/list.yaml], defaults: {duration: 3s}}\n",
        more="x-note: 1\nversion: 1\nshots:\n- {name: b, duration: 2s, prompts: b}\n",
    )
    (tmp_path / "two" / "list.yaml").write_text(
        "- {name: c, prompts: c}\n- {name: d, prompts: d}\n"
    )
    film = load(tmp_path / "film.yaml")
    assert [(shot.name, float(shot.duration)) for shot in film.shots] == [
        ("a", 1), ("b", 2), ("c", 3), ("d", 3),
    ]  # fmt: skip
    assert dict(film.included).keys() == {"more.yaml", "two/list.yaml"}


def test_mistakes_of_other_files_have_their_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        film=HEAD
        + "shots:\n- {duration: 1x, prompts: a}\n- include: more.yaml\n- include: bad.yaml\n",
        more="shots:\n- {duration: 1s, prompts: a, camra: {}}\n\n- {duration: 9, prompts: 'a:'}\n",
        bad="shots: [\n",
    )
    with pytest.raises(StoryboardError) as error:
        load(tmp_path / "film.yaml")
    lines = str(error.value).splitlines()
    film = tmp_path / "film.yaml"
    assert [line.split(": ")[0] for line in lines] == [
        f"{film}:4:14", "bad.yaml:2:1", "more.yaml:2:30", "more.yaml:4:26",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "the file is empty"),
        ("version: 1", "more.yaml holds no shots"),
        ("fps: 12\nshots: [{duration: 1s, prompts: a}]", "'fps' has no effect in a file"),
        ("- include: more.yaml", "'more.yaml' takes in itself"),
        ("- include: absent.yaml", "'absent.yaml' is not there"),
        ("word", "more.yaml holds no shots"),
    ],
)
def test_files_that_cannot_be_included_are_told(tmp_path: Path, more: str, said: str) -> None:
    write(tmp_path, more=more)
    assert said in refused("shots: [include: more.yaml]", tmp_path)


def test_pictures_of_another_file_lie_beside_it(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "two").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "two" / "a.png")
    (tmp_path / "two" / "list.yaml").write_text("- {duration: 1s, prompts: c, init: a.png}\n")
    film = made("shots: [include: two/list.yaml]", tmp_path)
    assert film.shots[0].init == (tmp_path / "two" / "a.png").resolve()


# Templates and long films.


def test_templates_stand_under_keys_with_x() -> None:
    film = board(
        HEAD + "x-calm: &calm {camera: {x: 5%/s}, iterations: {then: 4}}\nx-other: [1, {a: b}]\n"
        "shots:\n- {<<: *calm, duration: 1s, prompts: a}\n- {duration: 1s, prompts: b}\n"
    )
    assert [shot.settings.later_steps for shot in film.shots] == [4, 8]
    assert "has no key 'y-calm'" in refused("y-calm: 1\nshots: [{duration: 1s, prompts: a}]")


@pytest.mark.parametrize("count", [40, 400, 1000])
def test_many_shots_may_share_templates(count: int) -> None:
    shot = "- {<<: *calm, duration: 100ms, prompts: sea}\n"
    text = (
        "x-calm: &calm {camera: {x: 5%/s, zoom: 1.05/s}, iterations: {first: 9, then: 4}, "
        "losses: {hold: 1, smoothness: 0.2}}\nshots:\n" + shot * count
    )
    assert len(made(text).shots) == count


def test_too_many_shots_are_refused_also_from_other_files(tmp_path: Path) -> None:
    write(tmp_path, more="- {duration: 100ms, prompts: a}\n" * 600)
    said = refused("shots: [include: more.yaml, {include: more.yaml}]", tmp_path)
    assert "there are more than 1000 shots" in said


def test_a_style_with_weights_is_prompts_of_every_shot() -> None:
    film = made(
        "style: 'by a painter:4 | 20megapixels'\nshots:\n- {duration: 1s, prompts: a sea}\n"
        "- {duration: 1s, prompts: 'a forest:2', style: in oil}\n- {duration: 1s, prompts: c, "
        "style: 'own:0.5'}\n"
    )
    said = [[(prompt.text, prompt.weight.at(0)) for prompt in shot.prompts] for shot in film.shots]
    assert said == [
        [("a sea", 1), ("by a painter", 4), ("20megapixels", 1)],
        [("a forest, in oil", 2)],
        [("c", 1), ("own", 0.5)],
    ]


def test_files_that_take_in_many_others_end_soon(tmp_path: Path) -> None:
    write(tmp_path, a="- include: b.yaml\n" * 200, b="- include: c.yaml\n" * 200, c="[]")
    began = time.monotonic()
    assert "more than 1000 includes" in refused("shots: [include: a.yaml]", tmp_path)
    assert time.monotonic() - began < 5


def test_files_of_one_name_in_two_folders_are_kept_apart(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, p=f"- {{duration: 1s, prompts: {folder}, step: }}\n")
    text = "shots: [include: x/p.yaml, include: y/p.yaml]"
    assert [line.split(": ")[0] for line in refused(text, tmp_path).splitlines()] == [
        "x/p.yaml:1:35", "y/p.yaml:1:35",
    ]  # fmt: skip
    for folder in ("x", "y"):
        write(tmp_path / folder, p=f"- {{duration: 1s, prompts: {folder}}}\n")
    film = made(text, tmp_path)
    assert dict(film.included) == {
        f"{folder}/p.yaml": f"- {{duration: 1s, prompts: {folder}}}\n" for folder in "xy"
    }


def test_a_camera_of_an_act_is_read_once_and_always(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ", ".join(f"{n}f: {1 + n / 1000}" for n in range(300))
    shots = "[" + "{duration: 100ms, prompts: a}, " * 200 + "]"
    began = time.monotonic()
    assert (
        len(made(f"shots: [{{act: a, camera: {{zoom: {{{keys}}}}}, shots: {shots}}}]").shots) == 200
    )
    assert time.monotonic() - began < 10
    own = "shots: [{act: a, camera: {zom: 5}, shots: [{duration: 1s, prompts: a, camera: drift}]}]"
    assert "camera has no key 'zom'" in refused(own)
