"""Exit codes; errors, usage errors and interruptions as sentences and as JSON objects."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

import pytest
from cli.console import BOARD, JSON, Run, json_objects, raising

STILL_JSON = ("-o", "a.png", "--log-format", "json", "--device", "cpu")


def test_each_mistake_of_a_storyboard_is_one_json_object(run: Run) -> None:
    Path("bad.yaml").write_text(BOARD.replace("fps: 4", "fsp: 4").replace("1s", "long"))
    code, out, err = run("bad.yaml", *JSON)
    assert (code, out) == (2, "")
    errors = json_objects(err)
    assert [(event["event"], event["file"], event["line"]) for event in errors] == [
        ("error", "bad.yaml", 3),
        ("error", "bad.yaml", 7),
    ]
    assert all(event["column"] >= 1 and "bad.yaml" not in event["message"] for event in errors)
    code, out, err = run("bad.yaml", "-o", "film.mp4")
    assert err.splitlines()[0].startswith(
        f"bad.yaml:3:{errors[0]['column']}: {errors[0]['message']}"
    )
    assert err.splitlines()[-1] == "2 mistakes; nothing was written"


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_every_other_error_is_one_json_object(run: Run, quiet: tuple[str, ...]) -> None:
    code, _, err = run("film.yaml", *JSON, *quiet, "--device", "abacus")
    assert code == 2
    (error,) = json_objects(err)
    assert error["event"] == "error"
    assert error["message"].startswith("--device abacus: one of")
    Path("a.png").write_bytes(b"no picture")
    code, _, err = run("interpolate", "a.png", "b.png", *JSON, *quiet)
    assert code == 2
    assert "b.png is not there" in json_objects(err)[0]["message"]
    code, _, err = run("still", "film.yaml", "--at", "9s", *JSON, *quiet)
    assert code == 2
    assert json_objects(err)[0]["message"].startswith("--at 9s: the film runs from 0 to 1 s")


@pytest.mark.parametrize("verbose", [(), ("-v",)])
def test_an_unexpected_exception_is_reported_as_a_defect(
    run: Run, monkeypatch: pytest.MonkeyPatch, verbose: tuple[str, ...]
) -> None:
    monkeypatch.setattr("render.cli.rendering.plan_film", raising(KeyError("lost")))
    code, _, err = run("film.yaml", *JSON, *verbose)
    assert code == 1
    (error,) = json_objects(err)
    assert error["event"] == "error"
    assert "KeyError: 'lost'. This is a defect of Render" in error["message"]
    assert ("traceback" in error) == bool(verbose)


def test_an_interruption_is_a_sentence_or_a_json_object(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("render.cli.rendering.plan_film", raising(KeyboardInterrupt()))
        code, _, err = run("film.yaml", *JSON)
        assert code == 130
        assert json_objects(err) == [{"event": "interrupted", "message": "Interrupted."}]
        assert run("film.yaml", "-o", "film.mp4")[::2] == (130, "\nInterrupted.\n")
    monkeypatch.setattr("render.film.film.make_film", raising(KeyboardInterrupt()))
    code, _, err = run("film.yaml", *JSON, "-v")
    assert code == 130
    event = json_objects(err)[-1]
    assert event["event"] == "interrupted"
    assert event["message"] == "Interrupted. No keyframe was finished, so nothing is kept yet."
    monkeypatch.setattr("render.film.film.make_still", raising(KeyboardInterrupt()))
    arguments = ("still", "film.yaml", "--at", "0s", "-o", "a.png", "--device", "cpu")
    code, _, err = run(*arguments, "--log-format", "json")
    assert code == 130
    assert json_objects(err)[-1]["message"].endswith("nothing is kept yet.")
    assert run(*arguments)[2].endswith("nothing is kept yet.\n")


def send_sigterm(*arguments: object, **options: object) -> None:
    """Sends SIGTERM to this process; its handler runs before the next instruction."""
    os.kill(os.getpid(), signal.SIGTERM)
    pytest.fail("the signal was not handled")


MESSAGES = {  # by the function in which SIGTERM arrives
    "render.cli.rendering.plan_film": "Interrupted.",
    "render.film.film.make_film": "Interrupted. No keyframe was finished, so nothing is kept yet.",
}


@pytest.mark.parametrize("function", MESSAGES)
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_command_like_ctrl_c(
    run: Run, monkeypatch: pytest.MonkeyPatch, function: str, name: str
) -> None:
    number = getattr(signal, name)
    outside = signal.signal(number, signal.SIG_DFL)  # `nohup` ignores it for all that it starts
    before = signal.getsignal(number)

    def send(*arguments: object, **options: object) -> None:
        os.kill(os.getpid(), number)
        pytest.fail("the signal was not handled")

    monkeypatch.setattr(function, send)
    code, _, err = run("film.yaml", *JSON)
    assert code == 143
    assert json_objects(err)[-1] == {"event": "interrupted", "message": MESSAGES[function]}
    code, _, err = run("film.yaml", "-o", "film.mp4", "--device", "cpu")
    assert (code, err.splitlines()[-1]) == (143, MESSAGES[function])
    assert "Traceback" not in err
    assert not list(Path().glob("*.partial*"))
    assert signal.getsignal(number) is before
    signal.signal(number, outside)


def test_sigterm_during_a_question_moves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("film.yaml", "-o", "film.mp4", "--device", "cpu", "-q")[0] == 0
    stored = sorted(Path("film.latents").iterdir())
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("click.termui.visible_prompt_func", send_sigterm)
    assert run("film.yaml", "-o", "film.mp4", "--fresh", "--device", "cpu")[0] == 143
    assert sorted(Path("film.latents").iterdir()) == stored


def test_an_ignored_sigterm_stays_ignored(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "render.cli.rendering.plan_film", lambda *_: os.kill(os.getpid(), signal.SIGTERM)
    )
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert (
            run("film.yaml", *JSON)[0] == 1
        )  # it continues until it needs the plan, which is None
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_interruption_reports_how_many_keyframes_are_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("film.yaml", "-o", "film.mp4", "--device", "cpu", "-q")[0] == 0
    next(Path("film.latents").iterdir()).unlink()
    kept = "2 of 3 keyframes are kept in film.latents; run the same command again to go on."
    monkeypatch.setattr("render.film.film.make_film", raising(KeyboardInterrupt()))
    monkeypatch.setattr("render.film.film.make_still", raising(KeyboardInterrupt()))
    commands = ("film.yaml", *JSON), ("still", "film.yaml", "--at", "0s", *STILL_JSON)
    for arguments in commands:
        assert json_objects(run(*arguments)[2])[-1]["message"] == f"Interrupted. {kept}"
    monkeypatch.setattr("render.synthesis.load.load_models", raising(KeyboardInterrupt()))
    for arguments in commands:
        assert json_objects(run(*arguments)[2])[-1]["message"] == f"Interrupted. {kept}"


def test_only_options_of_similar_spelling_are_suggested(run: Run) -> None:
    assert "'--output'" in run("film.yaml", "--outptu", "film.mp4")[2]
    written = run("film.yaml", "--overwrite")[2]
    assert "No such option" in written
    assert "--verbose" not in written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("film.yaml", "--nonsense"), "No such option"),
        (("film.yaml", "other.yaml"), "unexpected extra argument"),
        (("chek", "film.yaml"), "did you mean check?"),
        (("-q", "film", "film.yaml"), "the command comes first"),
        (("interpolate", "a", "b", "--blend", "swirl"), "--blend"),
    ],
)
@pytest.mark.parametrize("log_format", [("--log-format", "json"), ("--log-format=json",)])
def test_a_wrong_command_line_is_one_json_object(
    run: Run, arguments: tuple[str, ...], message: str, log_format: tuple[str, ...]
) -> None:
    code, out, err = run(*arguments, *log_format)
    assert (code, out) == (2, "")
    (error,) = json_objects(err)
    assert error["event"] == "error"
    assert message in error["message"]
    assert "\n" not in error["message"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has other rights")
def test_a_file_that_may_not_be_looked_at_is_no_defect(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "locked/a.png")
    monkeypatch.setattr("render.cli.rendering.plan_film", raising(refused))
    code, _, err = run("film.yaml", "-o", "film.mp4")
    assert code == 2
    assert "locked/a.png cannot be reached: Permission denied. Change its rights" in err
    monkeypatch.setattr("render.cli.rendering.plan_film", raising(OSError("strange")))
    code, _, err = run("film.yaml", "-o", "film.mp4")
    assert (code, "This is a defect of Render" in err) == (1, True)
