"""Numbers over time: poses, rates, formulas, beats and easings, and their mistakes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image
from plans import plan_for
from storyboard import samples

from render.storyboard import animated, model
from render.storyboard.model import Storyboard
from render.storyboard.parser import parse
from render.storyboard.problems import StoryboardError

GROUND = "version: 1\nbpm: 120\nshots:\n- duration: 4s\n  prompts: a red sky\n"
FREE = GROUND.replace("bpm: 120\n", "fps: 24\n")  # without bpm


def board(text: str) -> Storyboard:
    return parse(text, Path("/nowhere"))


def shot(more: str, ground: str = GROUND) -> model.Shot:
    return board(f"{ground}  {more}\n").shots[0]


def mistake(text: str) -> tuple[int, int, str]:
    with pytest.raises(StoryboardError) as caught:
        board(text)
    (only,) = caught.value.problems
    return only.line, only.column, only.message


@pytest.mark.parametrize(
    ("camera", "field", "value"),
    [
        ("zoom: 1 + 0.1*t", "zoom", 1.1),
        ("zoom: 3 - 1/t if t > 0.5 else 1", "zoom", 2.0),
        ("zoom: exp(t/2)/s", "zoom", 2.718281828459045**0.25),
        ("angle: (5*t)deg", "angle", 5.0),
        ("angle: (5*t) ° ", "angle", 5.0),
        ("angle: 6*t", "angle", 6.0),
        ("angle: (6*t)deg/s", "angle", 3.0),
        ("x: (5 + 2*t)%/s", "x", 0.06),
        ("x: t % 2 * 50", "x", 0.5),
        ("x: t/4%", "x", 0.0025),
        ("y: beat%", "y", 0.02),
        ("y: u + n", "y", 0.0225),
        ('y: "max(3, t, 0)%"', "y", 0.03),
        ("zoom: 3/2", "zoom", 1.5),
        ("x: 5+5%/s", "x", 0.1),
        ("zoom: {0s: 1, 2s: 2*2}", "zoom", 2.0),
    ],
)
def test_a_formula_stands_for_a_number(camera: str, field: str, value: float) -> None:
    curve = getattr(shot(f"camera:\n    {camera}").camera, field)
    assert curve.at(1) == pytest.approx(value)


def test_beats_count_from_the_films_beginning() -> None:
    film = board(GROUND + "- {duration: 3s, prompts: [{text: a, weight: 1 + beat}]}\n")
    (prompt,) = film.shots[1].prompts
    assert prompt.weight.at(Fraction(1)) == 1 + (4 + 1) * 2


def test_a_formula_in_the_film_s_exclude_is_evaluated_in_each_shot() -> None:
    film = board(
        "version: 1\nexclude: [{text: fog, weight: u}]\nshots:\n"
        "- {duration: 4s, prompts: a}\n- {duration: 2s, prompts: a}\n"
    )
    assert [shot.prompts[1].weight.at(1) for shot in film.shots] == [-0.25, -0.5]


def test_times_in_beats() -> None:
    film = board(
        GROUND + "  camera: {zoom: {0b: 1, 2.5b: 2}}\n  keyframes: 1b\n"
        "- {duration: 8b, prompts: a, transition: 3b}\n"
    )
    assert film.bpm == 120
    assert film.shots[0].settings.every == Fraction(1, 2)
    assert film.shots[0].camera.zoom.at(Fraction(5, 4)) == 2.0
    assert (film.shots[1].duration, film.shots[1].transition.duration) == (4, Fraction(3, 2))
    exact = board(GROUND.replace("120", "97.3").replace("4s", "7b"))
    assert exact.duration == Fraction(7 * 600, 973)


def test_bpm_is_read_before_what_is_written_above_it() -> None:
    assert board("version: 1\nshots: [{duration: 2b, prompts: a}]\nbpm: 60\n").duration == 2


@pytest.mark.parametrize(
    ("ease", "middle"),
    [
        ("smooth", 0.5),
        ("[0.5, 0, 0.5, 1]", 0.5),
        ("'bezier(0, 1, 0, 1)'", 0.9912200),
        ("cubic-bezier(0 1 0 1)", 0.9912200),
    ],
)
def test_easings_of_a_key(ease: str, middle: float) -> None:
    camera = shot(f"camera: {{x: {{0s: 0, 2s: {{value: 100, ease: {ease}}}}}}}").camera
    assert camera.x.at(1) == pytest.approx(middle, abs=1e-6)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("zoom: 1/(f - 37)", "zoom '1/(f - 37)' at frame 0 (0 s) is -0.027027. It goes from 0.01"),
        ("x: 1/(f - 37)", "x '1/(f - 37)' at frame 37 (1.54167 s) divides by zero"),
        ("x: sqrt(2 - t)", "at frame 49 (2.04167 s) takes sqrt of -0.0416667, which has none"),
        (
            "zoom: 60*t + 0.1",
            "at frame 40 (1.66667 s) is 100.1. It goes from 0.01 to 100; clamp(...",
        ),
        ("zoom: 2 - t/s", "at frame 46 (1.91667 s) is 0.0833333. It goes from 0.1 to 10/s"),
        ("zoom: 1 + )", "is not a formula. Write one such as 1 + 0.2*sin(tau*t), a unit behind"),
        ("zoom: 5deg*sin(t)", "is not a formula"),
        ("zoom: sinn(t)", "Did you mean sin?"),
        ("zoom: {0s: 1, 2s: t}", "'t' changes by itself, which a key cannot. Write the formula"),
        ("zoom: 1/0", "zoom '1/0' divides by zero"),
        ("zoom: 50+51", "zoom '50+51' is out of range. It goes from 0.01 to 100"),
        ("zoom: fast", "zoom 'fast' is not a number"),
        ("zoom: 1.1/f", "would change with fps"),
        ("zoom: t/frame", "would change with fps"),
        ("zoom: t/min", "is not a rate. Write it per second"),
        ("zoom: 0.011*(t>3) + 0.1/s", None),
        ("x: {0s: 0, 1s: {value: 1000, ease: [0.5, 2, 0.5, 2]}}", "swings to 1"),
        ("x: {0s: 0, 1s: {value: 1, ease: [0.5, 3, 0.5, 2]}}", "the handle y 3. Write a y from -1"),
        ("x: {0s: 0, 1s: {value: 1, ease: [1.5, 0, 0.5, 2]}}", "time cannot run backwards"),
        ("x: {0s: 0, 1s: {value: 1, ease: [1, 0, 0.5]}}", "does not have four numbers"),
        ("x: {0s: 0, 1s: {value: 1, ease: bounce}}", "the handles of a Bezier: [0.4, 0, 0.2, 1]"),
    ],
)
def test_mistakes_say_where_and_what_instead(more: str, says: str | None) -> None:
    text = f"{GROUND}  camera:\n    {more}\n"
    if says is None:
        assert board(text)
        return
    line, column, message = mistake(text)
    assert says in message
    assert line == 7
    assert column > 5


def test_a_transition_does_not_swing_beyond_its_ends() -> None:
    second = "- {duration: 2s, prompts: a, transition: {duration: 1s, ease: [0.2, 0, 0.5, 1.0]}}\n"
    assert board(GROUND + second).shots[1].transition.ease == "bezier(0.2, 0, 0.5, 1.0)"
    line, _, message = mistake(GROUND + second.replace("1.0", "1.5"))
    assert (line, "swings beyond its ends. Keep its y within 0 to 1" in message) == (6, True)


def test_a_weight_in_exclude_by_a_formula_has_no_minus() -> None:
    line, _, message = mistake(GROUND + "  exclude: [{text: a, weight: t - 1}]\n")
    assert (line, "the weight -1 in exclude has a minus" in message) == (6, True)


def test_weights_that_a_formula_keeps_at_0() -> None:
    _, _, message = mistake(FREE.replace("a red sky", "[{text: a, weight: 0*t}]"))
    assert "every weight is 0" in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            FREE.replace("4s", "8b"),
            "duration '8b' counts beats, and there is no bpm. Add 'bpm: 120'",
        ),
        (FREE + "  camera: {x: beat}\n", "x 'beat' counts beats, and there is no bpm. Add 'bpm: "),
        (GROUND.replace("120", "0"), "bpm '0' is out of range. It goes from 1 to 1000"),
        (GROUND.replace("120", "1001"), "from 1 to 1000"),
        (GROUND.replace("120", "fast"), "bpm 'fast' is not a number"),
        (GROUND.replace("bpm", "tempo"), "Here it is called 'bpm'"),
    ],
)
def test_mistakes_of_tempo(text: str, says: str) -> None:
    assert says in mistake(text)[2]


def test_a_comma_in_braces_is_explained() -> None:
    with pytest.raises(StoryboardError, match="put a formula that holds a comma in quotes"):
        board(GROUND + "  camera: {zoom: max(1, t)}\n")
    with pytest.raises(StoryboardError, match=r"at its first comma, as any value in \{ \} does"):
        board(GROUND + "  camera: {x: {0s: 0, 1s: {value: 1, ease: bezier(0.1, 0, 1, 1)}}}\n")


def test_a_formula_of_frames_is_warned_of_once() -> None:
    warnings = board(
        GROUND + "  camera: {x: f%, y: f%}\n- {duration: 1s, prompts: a, camera: {x: f}}"
    ).warnings
    assert len(warnings) == 1
    assert "counts frames, so another fps makes another film. Use t" in warnings[0].message


@pytest.mark.parametrize("fps", ["12", "24", "23.976", "60"])
def test_a_film_by_formulas_does_not_depend_on_fps(fps: str) -> None:
    def keys(ground: str) -> list[str]:
        text = ground + "  camera: {zoom: 1 + 0.1*sin(tau*t), x: (5*cos(n))%/s, angle: 9*u}\n"
        plan = plan_for(board(text), 16)
        return [keyframe.key for keyframe in plan.keyframes]

    assert keys(FREE) == keys(FREE.replace("24", fps))


def test_a_formula_is_in_the_key_by_its_values_alone() -> None:
    def keys(weight: str) -> list[str]:
        text = GROUND.replace("a red sky", f"[{{text: a, weight: {weight}}}]")
        plan = plan_for(board(text), 16)
        return [keyframe.key for keyframe in plan.keyframes]

    assert keys("1 + t - t") == keys("1") != keys("1 + u")
    assert keys("t") == keys("{0s: 0, 4s: 4}")


MISTAKES = [
    (samples.GROUND + "  step: off", 5, "step 'off' is not a number"),
    (samples.GROUND + "  step: 0,5", 5, "with a point: 0.5"),
    (samples.GROUND + "  step: 0", 5, "out of range"),
    (samples.GROUND + "  smoothing: 1", 5, "out of range"),
    (samples.GROUND + "  camera: {zoom: 1/t}", 5, "as in 1/max(t, 0.1)"),
    (samples.GROUND + "  camera: {zoom: 200*t}", 5, "clamp(..., 0.01, 100) keeps it there"),
    (samples.GROUND + "  camera: {zoom: 0}", 5, "out of range"),
    (samples.GROUND + "  camera: {zoom: -1}", 5, "out of range"),
    (samples.GROUND + "  camera: {zoom: .nan}", 5, "finite"),
    (samples.GROUND + "  camera: {zoom: .inf/s}", 5, "finite"),
    (samples.GROUND + "  camera: {zoom: 0.05/s}", 5, "5% closer every second"),
    (samples.GROUND + "  camera: {zoom: 1.1/frame}", 5, "change with fps"),
    (samples.GROUND + "  camera: {zoom: 1.1/min}", 5, "per second"),
    (samples.GROUND + "  camera: {zoom: {0s: 1, 1s: 1.1/s}}", 5, "mixes rates"),
    (samples.GROUND + "  camera: {angle: 12rad/s}", 5, "in degrees. Write 687.5deg/s"),
    (samples.GROUND + "  camera: {angle: 0.25turn}", 5, "Write 90deg"),
    (samples.GROUND + "  camera: {angle: 700rad/s}", 5, "Write one such as 5deg/s"),
    (
        samples.GROUND + "  camera: {x: 10px}",
        5,
        "a part of the frame in percent. Write one such as 5%/s",
    ),
    (samples.GROUND + "  camera: {x: 10px/frame}", 5, "change with fps"),
    (samples.GROUND + "  camera: {zoom: 10%/s}", 5, "Write 1.1/s"),
    (samples.GROUND + "  camera: {zoom: {0s: 150%}}", 5, "Write 1.5"),
    (
        samples.HEAD + "shots: [{duration: 1:0:0, prompts: a, camera: {zoom: 2/s}}]",
        2,
        "beyond reach",
    ),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    samples.check_mistake(text, line, says)


def test_camera_poses_rates_and_keys() -> None:
    camera = samples.shot(
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
    (warning,) = samples.board(samples.GROUND + f"  camera:\n    {camera}\n").warnings
    assert says in warning.message
    assert warning.line == 6


def test_a_fixed_pose_of_an_image_is_intended(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    film = samples.board(samples.GROUND + "  init: a.png\n  camera: {zoom: 1.5}\n", tmp_path)
    assert film.warnings == ()
    assert film.shots[0].init == (tmp_path / "a.png").resolve()


def test_formulas_that_jump_too_often_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("render.storyboard.animated.HALVINGS_OF_FILM", 900)
    jumps = "- {duration: 1s, prompts: a, camera: {x: '(9*sign(sin(50*t)))%/s'}}\n"
    assert len(board("version: 1\nshots:\n" + jumps).shots) == 1
    with pytest.raises(StoryboardError, match="jump too often to be added up"):
        board("version: 1\nshots:\n" + jumps.replace("50*t", "51*t") + jumps * 3)
    moves = "{x: (5*sin(t))%/s, zoom: (1 + 0.1*abs(sin(t)))/s}"
    smooth = f"- {{duration: 4s, prompts: a, camera: {moves}}}\n"
    assert len(board("version: 1\nshots:\n" + smooth * 5).shots) == 5


def test_formulas_of_too_many_frames_are_refused_before_they_take_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(animated, "EVALUATED_OF_FILM", 30 * (240 + 20) * 3)
    formula = "0.1 + 0.01*sin(t) + 0.001*u**2"
    assert len(formula) == 30
    shot = "- {{duration: 10s, prompts: sky, losses: {{{}}}}}\n"
    rows = [f"{name}: {formula}" for name in ("latent", "hold", "smoothness", "contrast")]
    head = "version: 1\nfps: 24\ndefaults: {keyframes: 0.5s}\nshots:\n"
    parse(head + shot.format(", ".join(rows[:3])), Path())
    with pytest.raises(StoryboardError) as caught:
        parse(head + shot.format(", ".join(rows)), Path())
    (only,) = caught.value.problems
    assert "and the formulas before it are too long for so many frames" in only.message
