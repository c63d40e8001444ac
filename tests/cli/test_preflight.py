"""What is checked before anything is loaded, moved or made."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from cli.console import BOARD, JSON, Run, json_objects, raising

from render.cli import preflight
from render.errors import InputError, RenderError
from render.plan.memory import step_memory

BOARD_WITH_WARNING = BOARD.replace("prompts: sea", "prompts: sea, camera: {x: 0.2}")


def test_warnings_are_lines_or_json_objects_and_quiet_omits_them(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("film.yaml").write_text(BOARD_WITH_WARNING)
    text = run("check", "film.yaml")[2]
    assert "film.yaml:7:" in text
    assert ": warning: " in text
    monkeypatch.setattr(
        "render.weights.selection.FilmModels.require", raising(InputError("no weights"))
    )
    warning, error = json_objects(run("film.yaml", *JSON)[2])
    assert (warning["event"], warning["file"], warning["line"]) == ("warning", "film.yaml", 7)
    assert text == "film.yaml:7:{column}: warning: {message}\n".format(**warning)
    assert error == {"event": "error", "message": "no weights"}
    assert json_objects(run("film.yaml", *JSON, "-q")[2]) == [error]
    assert run("film.yaml", "-o", "film.mp4", "-q")[2] == "render: no weights\n"


def test_an_unknown_device_is_reported_before_anything_is_loaded(run: Run) -> None:
    assert "loading" not in run("film.yaml", "-o", "film.mp4", "--device", "abacus")[2]


def test_a_time_beyond_the_end_is_refused_and_the_last_frame_is_named(run: Run) -> None:
    err = run("still", "film.yaml", "--at", "1s", "-o", "a.png", "--device", "cpu", "-q")[2]
    last = "its last frame is at 0.75 s: --at 3f"
    assert err == f"render: --at 1s: the film runs from 0 to 1 s, and {last}\n"
    assert run("still", "film.yaml", "--at", "3f", "-o", "a.png", "--device", "cpu", "-q")[0] == 0


@pytest.mark.parametrize("ci", [None, "true"])
def test_fresh_without_a_terminal_needs_yes(
    run: Run, stored_latents: Path, monkeypatch: pytest.MonkeyPatch, ci: str | None
) -> None:
    if ci:
        monkeypatch.setenv("CI", ci)
    code, _, err = run("film.yaml", "--fresh", *JSON)
    assert code == 2
    assert "add --yes" in json_objects(err)[-1]["message"]
    assert [path.name for path in stored_latents.iterdir()] == ["key.safetensors"]
    assert not stored_latents.with_name("film.latents.1").exists()


def test_fresh_asks_on_a_terminal(stored_latents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    questions = []

    def answer(question: str, **options: object) -> bool:
        questions.append(question)
        if options.get("abort") and len(questions) == 1:
            raise click.Abort
        return len(questions) > 1

    monkeypatch.setattr(click, "confirm", answer)
    with pytest.raises(RenderError, match="nothing was moved") as caught:
        preflight.set_aside(stored_latents, False)
    assert caught.value.exit_code == 1
    assert stored_latents.is_dir()
    preflight.set_aside(stored_latents, False)
    assert not stored_latents.exists()
    assert stored_latents.with_name("film.latents.1").is_dir()


def test_latents_that_cannot_be_moved_aside_are_an_error(
    stored_latents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", raising(OSError(errno.EBUSY, "Device or resource busy")))
        with pytest.raises(InputError) as caught:
            preflight.set_aside(stored_latents, True)
    reason = "cannot be moved aside (Device or resource busy); name another with --latents"
    assert str(caught.value) == f"{stored_latents} {reason}"
    monkeypatch.chdir(stored_latents)
    for folder in (Path(), Path("..")):
        with pytest.raises(InputError, match=r"cannot be moved aside \(this command runs in it"):
            preflight.set_aside(folder, True)
    assert stored_latents.is_dir()


def test_latents_that_the_film_needs_are_not_moved_aside(stored_latents: Path) -> None:
    prompt = stored_latents / "kept.safetensors"
    with pytest.raises(InputError, match=r"the film is made from kept\.safetensors in it. Keep"):
        preflight.set_aside(stored_latents, True, [stored_latents.with_name("film.yaml"), prompt])
    assert stored_latents.is_dir()
    preflight.set_aside(stored_latents, True, [stored_latents.with_name("film.yaml")])
    assert not stored_latents.exists()


def test_of_a_symbolic_link_only_the_link_is_moved_aside(stored_latents: Path) -> None:
    link = stored_latents.with_name("linked.latents")
    link.symlink_to(stored_latents)
    preflight.set_aside(link, True)
    assert stored_latents.is_dir()
    assert not link.exists()
    assert link.with_name("linked.latents.1").samefile(stored_latents)


def test_fresh_without_latents_or_with_yes_asks_nothing(stored_latents: Path) -> None:
    preflight.set_aside(stored_latents.with_name("none"), False)
    preflight.set_aside(stored_latents, True)
    assert stored_latents.with_name("film.latents.1").is_dir()


def test_a_folder_that_cannot_be_used_for_latents_is_reported(run: Run) -> None:
    name = "n" * 300  # longer than a file's name may be
    message = f"{name} cannot be used (File name too long); keep the latents elsewhere"
    code, out, err = run("check", "film.yaml", "--latents", name)
    assert (code, message in err, "to do: " in out) == (2, True, True)  # the plan is shown first
    code, _, err = run("film", "film.yaml", "-o", "a.mp4", "--latents", name)
    assert (code, message in err) == (2, True)


def memory_needed() -> int:
    """The predicted bytes of a step of film.yaml."""
    return step_memory(preflight.plan_film(preflight.load_storyboard(Path("film.yaml")), False))


@pytest.mark.parametrize("command", ["film", "still"])
@pytest.mark.parametrize("refused", [False, True])
def test_a_shortage_of_memory_is_reported_before_rendering(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str, refused: bool
) -> None:
    available = int(memory_needed() / (1.51 if refused else 1.49))
    monkeypatch.setattr("render.plan.memory.machine_memory", lambda: available)
    monkeypatch.setattr("render.cli.describe.machine_memory", lambda: available)
    advice, end = "32x32 with 2 cutouts needs about", "so the film is refused without --force."
    code, out, _ = run("check", "film.yaml")
    warning = f"warning: on a CPU in float32: {advice}"
    assert (code, warning in out, end in out) == (0, True, refused)
    arguments = {"film": ("-o", "a.mp4"), "still": ("--at", "0", "-o", "a.png")}[command]
    common = (command, "film.yaml", *arguments, "--device", "cpu")
    code, _, err = run(*common)
    assert (code, advice in err, end in err) == (2 if refused else 0, True, refused)
    code, _, err = run(*common, "--force", "--latents", "forced.latents")
    assert (code, f"warning: {advice}" in err) == (0, True)
    code, _, err = run(*common, "--latents", "forced.latents")
    assert (code, advice in err) == (0, False)  # every keyframe is stored


def test_cutouts_that_do_not_fit_together_are_embedded_in_parts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    available = memory_needed() - 1
    monkeypatch.setattr("render.plan.memory.machine_memory", lambda: available)
    monkeypatch.setattr("render.cli.describe.machine_memory", lambda: available)
    message = "2 cutouts at once would need"
    assert f"warning: on a CPU in float32: {message}" in run("check", "film.yaml")[1]
    parts = []

    def count(embed: Callable[..., object], part: object, **options: object) -> object:
        parts.append(len(part))
        return embed(part)

    monkeypatch.setattr("render.synthesis.perceptor.checkpoint", count)
    code, _, err = run("still", "film.yaml", "--at", "0", "-o", "a.png", "--device", "cpu")
    assert (code, message in err, set(parts)) == (0, True, {1})


WITH_PICTURE = {
    "init": "prompts: sea, init: NAME",
    "image": "prompts: {image: NAME}",
    "exclude": "prompts: sea, exclude: {image: NAME}",
}


@pytest.mark.parametrize("key", WITH_PICTURE)
def test_an_output_never_overwrites_a_file_that_it_is_made_from(run: Run, key: str) -> None:
    still = ("still", "film.yaml", "--at", "0s", "--device", "cpu", "-q", "-o")
    names = ("s.png", "film.preview.png")
    for name in names:
        assert run(*still, name)[0] == 0
    before = {name: Path(name).read_bytes() for name in names}

    def board_with(name: str) -> str:
        return BOARD.replace("prompts: sea", WITH_PICTURE[key].replace("NAME", name))

    Path("link.png").symlink_to("s.png")
    for name, output in (("link.png", "s.png"), ("s.png", "./link.png")):
        Path("film.yaml").write_text(board_with(name))
        for force in ((), ("--force",)):
            code, _, err = run(*still, output, *force)
            assert (code, "is one of the files that it would be made from" in err) == (2, True)
    Path("film.yaml").write_text(board_with("film.preview.png"))
    code, _, err = run("film.yaml", "-o", "film.mp4", "--device", "cpu", "--force")
    assert (code, "film.preview.png is one of the files" in err) == (2, True)
    assert {name: Path(name).read_bytes() for name in names} == before


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("a" * 245 + ".png", "and at most 210 are possible"),
        ("stills", "stills is a folder. Name a file in it, such as stills/frame.png"),
        ("absent/a.png", "there is no folder absent. Make it first"),
        ("a.jpg", "a still is written as PNG; name it a.png"),
    ],
)
def test_a_still_that_cannot_be_written_is_reported_first(
    run: Run, output: str, sentence: str
) -> None:
    Path("stills").mkdir()
    code, _, err = run("still", "film.yaml", "--at", "0s", "-o", output)
    assert (code, sentence in err) == (2, True)
    assert "loading" not in err
