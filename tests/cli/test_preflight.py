"""What is checked before anything is loaded, moved or made."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import click
import pytest
from cli.console import BOARD, JSON, Run, json_objects, raising
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from render.cli import preflight
from render.cli.output import TEXT_LOG
from render.cli.request import RenderRequest
from render.errors import InputError, RenderError
from render.media.ffmpeg import run_ffmpeg
from render.media.video import write_video
from render.plan.memory import step_memory
from render.plan.plan import Plan

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


def stored_plan(folder: Path) -> Plan:
    """The plan of film.yaml, for each of whose keyframes the folder gets a file, and one more."""
    Path("film.yaml").write_text(BOARD)
    plan = preflight.plan_film(preflight.load_storyboard(RenderRequest(Path("film.yaml"))), False)
    folder.mkdir()
    for key in (*(keyframe.key for keyframe in plan.keyframes), "other"):
        (folder / f"{key}.safetensors").touch()
    return plan


LATENTS = Path("film.latents")


@pytest.mark.parametrize("ci", [None, "true"])
def test_fresh_without_a_terminal_needs_yes(
    run: Run, monkeypatch: pytest.MonkeyPatch, ci: str | None
) -> None:
    if ci:
        monkeypatch.setenv("CI", ci)
    stored_plan(LATENTS)
    before = sorted(LATENTS.iterdir())
    code, _, err = run("film.yaml", "--fresh", *JSON)
    assert code == 2
    assert "add --yes" in json_objects(err)[-1]["message"]
    assert sorted(LATENTS.iterdir()) == before


def test_fresh_asks_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = stored_plan(LATENTS)
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    questions = []

    def answer(question: str, **options: object) -> bool:
        questions.append(question)
        return len(questions) > 1

    monkeypatch.setattr(click, "confirm", answer)
    with pytest.raises(RenderError, match="nothing was moved") as caught:
        preflight.set_aside(plan, LATENTS, False, TEXT_LOG)
    assert caught.value.exit_code == 1
    assert len(list(LATENTS.iterdir())) == 4
    preflight.set_aside(plan, LATENTS, False, TEXT_LOG)
    assert [path.name for path in LATENTS.iterdir()] == ["other.safetensors"]
    assert questions[0].startswith("Move 3 latents of this film from ")


def test_fresh_moves_only_what_this_film_uses_and_says_so(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = stored_plan(LATENTS)
    smaller = preflight.plan_film(replace(plan.board, size=(64, 64)), is_draft=False)
    preflight.set_aside(smaller, LATENTS, True, TEXT_LOG)
    assert len(list(LATENTS.iterdir())) == 4
    for number in (1, 2):
        preflight.set_aside(plan, LATENTS, True, TEXT_LOG)
        moved = LATENTS.with_name(f"film.latents.{number}")
        assert {path.stem for path in moved.iterdir()} == {one.key for one in plan.keyframes}
        assert (
            f"moved 3 latents of this film from {LATENTS.resolve()} to " in capsys.readouterr()[1]
        )
        for path in moved.iterdir():
            (LATENTS / path.name).touch()
    preflight.set_aside(plan, Path("none"), False, TEXT_LOG)  # asks nothing


def test_latents_that_cannot_be_moved_aside_are_an_error(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = stored_plan(LATENTS)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", raising(OSError(errno.EBUSY, "Device or resource busy")))
        with pytest.raises(InputError, match=r"\(Device or resource busy\); name another folder"):
            preflight.set_aside(plan, LATENTS, True, TEXT_LOG)
    assert len(list(LATENTS.iterdir())) == 4


def test_latents_that_the_film_needs_are_not_moved_aside(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = stored_plan(LATENTS)
    used = LATENTS / f"{plan.keyframes[1].key}.safetensors"
    monkeypatch.setattr(preflight, "files_needed", lambda board: [Path("film.yaml"), used])
    with pytest.raises(InputError, match=r"the film is made from it. Keep it under another name"):
        preflight.set_aside(plan, LATENTS, True, TEXT_LOG)
    assert used.exists()


def test_latents_behind_a_symbolic_link_stay_on_their_disk(run: Run) -> None:
    plan = stored_plan(Path("elsewhere"))
    LATENTS.symlink_to("elsewhere")
    preflight.set_aside(plan, LATENTS, True, TEXT_LOG)
    assert LATENTS.is_symlink()
    assert len(list(Path("elsewhere.1").iterdir())) == 3


def mixed(name: str) -> None:
    """Gives a film a sound as `ffmpeg -c:v copy` does: its note is copied along."""
    other = Path(f"mixed{Path(name).suffix}")
    command = ("-i", name, "-f", "lavfi", "-i", "sine=440:d=1", "-map", "0:v", "-map", "1:a")
    assert run_ffmpeg("-y", *command, "-c:v", "copy", str(other)).returncode == 0
    other.replace(name)


def remuxed(name: str) -> None:
    """Copies a film's streams and note into a new file."""
    other = Path(f"copy{Path(name).suffix}")
    assert run_ffmpeg("-y", "-i", name, "-c", "copy", str(other)).returncode == 0
    other.replace(name)


def lengthened(name: str) -> None:
    """Appends something to a file."""
    Path(name).write_bytes(Path(name).read_bytes() + b"\0\0\0\x08free")


@pytest.mark.parametrize(
    ("name", "codec"),
    [("film.mp4", "h264"), ("film.mov", "h264"), ("film.mkv", "ffv1"), ("film.webm", "vp9")],
)
@pytest.mark.parametrize("change", [mixed, remuxed, lengthened])
def test_a_film_that_was_changed_is_not_replaced(
    run: Run, name: str, codec: str, change: Callable[[str], None]
) -> None:
    with Path("film.yaml").open("a") as board:
        board.write(f"output: {{codec: {codec}}}\n")
    command = ("film.yaml", "-o", name, "--device", "cpu", "-q")
    assert run(*command)[0] == 0
    written = Path(name).read_bytes()
    assert run(*command)[0] == 0  # replaced by the same bytes
    assert Path(name).read_bytes() == written
    change(name)
    changed = Path(name).read_bytes()
    code, _, err = run(*command)
    assert (code, f"{name} was changed since Render wrote it" in err) == (2, True), err
    assert Path(name).read_bytes() == changed
    assert run(*command, "--force")[0] == 0
    assert Path(name).read_bytes() == written


def test_a_retouched_still_is_not_replaced(run: Run) -> None:
    still = ("still", "film.yaml", "--at", "0s", "-o", "a.png", "--device", "cpu", "-q")
    assert run(*still)[0] == 0
    with Image.open("a.png") as image:
        chunks = PngInfo()
        chunks.add_itxt("render", str(image.info["render"]))
        image.putpixel((3, 3), (1, 2, 3))
        image.save("a.png", pnginfo=chunks)
    code, _, err = run(*still)
    assert (code, "a.png was changed since Render wrote it" in err) == (2, True)


def test_files_without_a_seal_and_of_other_kinds_are_not_replaced(run: Run) -> None:
    film = ("film.yaml", "-o", "a.mp4", "--device", "cpu", "-q")
    write_video(Path("a.mp4"), [bytes(32 * 32 * 3)] * 2, (32, 32), Fraction(4), "h264", 20,
                {"comment": '{"render": "0.1.0", "kind": "film"}'})  # fmt: skip
    assert "was written by a version of Render that does not tell" in run(*film)[2]
    Path("a.mp4").write_bytes(b"not a film")
    assert "was not written by Render" in run(*film)[2]
    for name in ("x.png", "y.png"):
        Image.new("RGB", (32, 32)).save(name)
    journey = ("interpolate", "x.png", "y.png", "-o", "b.mp4", "--model", "tiny-vqgan", "-q")
    assert run(*journey, "--device", "cpu", "--seconds", "0.5")[0] == 0
    err = run("film.yaml", "-o", "b.mp4", "--device", "cpu", "-q")[2]
    assert "b.mp4 is a journey that Render made, and not a film" in err


def test_films_of_two_storyboards_with_one_name_stand_beside_them(run: Run) -> None:
    for folder in ("ep1", "ep2"):
        Path(folder).mkdir()
        Path(folder, "board.yaml").write_text(BOARD)
        assert run(f"{folder}/board.yaml", "--device", "cpu", "-q")[0] == 0
        assert Path(folder, "board.mp4").is_file()
    assert run("ep1/board.yaml", "-o", "x.mp4", "--device", "cpu", "-q")[0] == 0
    code, _, err = run("ep2/board.yaml", "-o", "x.mp4", "--device", "cpu", "-q")
    sentence = "x.mp4 is the film of another storyboard, board.yaml"
    assert (code, sentence in err) == (2, True)
    assert run("./ep1/../ep1/board.yaml", "-o", "x.mp4", "--device", "cpu", "-q")[0] == 0


def test_a_folder_that_cannot_be_used_for_latents_is_reported(run: Run) -> None:
    name = "n" * 300  # longer than a file's name may be
    message = f"{name} cannot be used (File name too long); keep the latents elsewhere"
    code, out, err = run("check", "film.yaml", "--latents", name)
    assert (code, message in err, "to do: " in out) == (2, True, True)  # the plan is shown first
    code, _, err = run("film", "film.yaml", "-o", "a.mp4", "--latents", name)
    assert (code, message in err) == (2, True)


def memory_needed() -> int:
    """The predicted bytes of a step of film.yaml."""
    return step_memory(
        preflight.plan_film(preflight.load_storyboard(RenderRequest(Path("film.yaml"))), False)
    )


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
        ("a.jpg", "a picture is written as PNG; name it a.png"),
    ],
)
def test_a_still_that_cannot_be_written_is_reported_first(
    run: Run, output: str, sentence: str
) -> None:
    Path("stills").mkdir()
    code, _, err = run("still", "film.yaml", "--at", "0s", "-o", output)
    assert (code, sentence in err) == (2, True)
    assert "loading" not in err
