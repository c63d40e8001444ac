"""Films and stills: file names, previews, disks that refuse, and stored keyframes."""

from __future__ import annotations

import errno
import json
import os
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.console import BOARD, DISK_FULL, Run, raising
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from render.media.provenance import read_note
from render.media.video import read_video
from render.weights.catalog import ModelError


def refusing(name: str, error: OSError) -> Callable[[Path, Path], None]:
    """os.replace, on a disk that refuses the file of this name."""
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if Path(target).name == name:
            raise error
        replace(source, target)

    return refuse


@pytest.mark.parametrize(("codec", "extension"), [("prores", ".mov"), ("ffv1", ".mkv")])
def test_a_film_without_a_name_gets_the_extension_of_its_codec(
    run: Run, codec: str, extension: str
) -> None:
    Path("film.yaml").write_text(BOARD.replace("fps: 4", f"fps: 4\noutput: {{codec: {codec}}}"))
    for draft, name in (((), "film"), (("--draft",), "film.draft")):
        code, _, err = run("film.yaml", "-q", "--device", "cpu", *draft)
        assert code == 0, err
        assert Path(f"{name}{extension}").is_file()


@pytest.mark.parametrize("error", [DISK_FULL, PermissionError(errno.EACCES, "Permission denied")])
def test_a_still_that_the_disk_refuses_exits_with_1(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    monkeypatch.setattr(os, "replace", refusing("a.png", error))
    code, _, err = run("still", "film.yaml", "--at", "0s", "-o", "a.png", "--device", "cpu", "-q")
    assert code == 1, err
    assert err.startswith("render: a.png was not written: ")
    assert not list(Path().glob("*.partial*"))


def test_a_film_on_a_full_disk_is_reported_by_name(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", refusing("film.mp4", DISK_FULL))
    code, _, err = run("film.yaml", "-o", "film.mp4", "--device", "cpu", "-q")
    assert code == 1
    assert err.startswith("render: film.mp4 was not written: the disk is full.")


def test_a_preview_never_replaces_a_picture_that_render_did_not_write(run: Run) -> None:
    preview = Path("film.preview.png")
    preview.write_bytes(b"my picture")
    code, _, err = run("film.yaml", "-o", "film.mp4", "--device", "cpu")
    assert (code, preview.read_bytes()) == (2, b"my picture")
    assert "film.preview.png exists" in err
    preview.unlink()
    assert run("film.yaml", "-o", "film.mp4", "--device", "cpu")[0] == 0
    Path("film.yaml").write_text(BOARD.replace("sea", "fire"))
    assert run("film.yaml", "-o", "film.mp4", "--device", "cpu")[0] == 0  # replaces its own


def test_another_precision_continues_from_the_stored_keyframes(run: Run) -> None:
    common = ("film.yaml", "--device", "cpu", "--precision")
    code, _, err = run("film", *common, "bfloat16", "-v", "-o", "a.mp4")
    assert (code, "steps in bfloat16" in err) == (0, True)
    assert "of memory (on cpu, steps in bfloat16)" in err
    stored = {path: path.read_bytes() for path in Path("film.latents").iterdir()}
    code, _, err = run("film", *common, "float32", "-o", "b.mp4")
    assert (code, "3 of 3 keyframes are there and stay as they were computed" in err) == (0, True)
    assert "stay as they were" not in run("film", *common, "auto", "-o", "b.mp4")[2]
    assert {path: path.read_bytes() for path in Path("film.latents").iterdir()} == stored
    assert Path("a.mp4").read_bytes() == Path("b.mp4").read_bytes()
    assert run("film", *common, "float32", "-o", "c.mp4", "--latents", "c.latents")[0] == 0
    names = [path.name for path in stored]
    assert sorted(path.name for path in Path("c.latents").iterdir()) == sorted(names)
    assert any((Path("c.latents") / path.name).read_bytes() != stored[path] for path in stored)


def test_a_film_goes_on_with_the_arithmetic_of_its_latents(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("film", "film.yaml", "--device", "cpu", "-v", "-o", "a.mp4")
    code, _, err = run(*common, "--convolutions", "plain")
    assert (code, "computing in cpu, float32, plain convolutions" in err) == (0, True)
    stored = {path: path.read_bytes() for path in Path("film.latents").iterdir()}
    first = min(stored)
    first.unlink()
    monkeypatch.delenv("RENDER_CONVOLUTIONS")
    monkeypatch.setattr(
        "render.synthesis.probe.fastest_convolutions", lambda *given: pytest.fail("it was probed")
    )
    code, _, err = run(*common)
    assert (code, "computing in cpu, float32, plain convolutions" in err) == (0, True)
    assert first.read_bytes() == stored[first]


def test_a_still_of_stored_keyframes_needs_no_memory_for_steps(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = ("still", "film.yaml", "--at", "0", "-o", "a.png", "--device", "cpu", "-q")
    assert run(*still)[0] == 0
    monkeypatch.setattr("render.plan.memory.machine_memory", lambda: 1)
    assert run(*still)[0] == 0


@pytest.mark.parametrize("command", ["film", "still"])
def test_missing_weights_are_reported_before_anything_is_loaded(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(
        "render.weights.selection.FilmModels.require", raising(ModelError("get it first"))
    )
    arguments = {"film": ("-o", "a.mp4"), "still": ("--at", "0", "-o", "a.png")}[command]
    code, _, err = run(command, "film.yaml", *arguments, "--device", "cpu")
    assert err == "render: get it first\n"
    assert code != 0


@pytest.mark.parametrize("command", ["film", "still"])
def test_all_changed_latents_are_reported_before_the_first_step(run: Run, command: str) -> None:
    arguments = {"film": ("-o", "a.mp4"), "still": ("--at", "3f", "-o", "a.png")}[command]
    common = (command, "film.yaml", *arguments, "--device", "cpu", "-q")
    assert run(*common)[0] == 0
    Path(arguments[-1]).unlink()
    first, second, third, *_ = sorted(Path("film.latents").iterdir())
    third.unlink()
    for path in (first, second):
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content)
    code, _, err = run(*common)
    assert code == 2
    assert len(err.splitlines()) == 2
    for path in (first, second):
        assert f"{path} was changed since Render wrote it; put the right one back" in err
    assert not third.exists()
    assert not Path(arguments[-1]).exists()


def test_a_part_shows_the_frames_of_the_film_from_the_same_latents(run: Run) -> None:
    board = BOARD.replace("size: 32x32", "size: 32x32\noutput: {codec: ffv1}")
    board += "  - {name: dusk, duration: 1s, prompts: fire, transition: dissolve 0.5s}\n"
    Path("film.yaml").write_text(board)
    common = ("--device", "cpu", "-q")
    assert run("film.yaml", "--shots", "dusk", "-o", "part.mkv", *common)[0] == 0
    stored = {path.name: path.read_bytes() for path in Path("film.latents").iterdir()}
    assert run("film.yaml", "-o", "film.mkv", *common)[0] == 0
    assert (
        stored.items()
        <= {path.name: path.read_bytes() for path in Path("film.latents").iterdir()}.items()
    )
    whole = [frame.tobytes() for frame in read_video(Path("film.mkv")).frames]
    part = [frame.tobytes() for frame in read_video(Path("part.mkv")).frames]
    assert part == whole[4:]
    assert run("film.yaml", "--from", "0.5s", "--to", "1.5s", *common)[0] == 0
    part = [frame.tobytes() for frame in read_video(Path("film.0.5s-1.5s.mkv")).frames]
    assert part == whole[2:6]
    code, _, err = run("film.yaml", "--shots", "dusk", "-o", "film.mkv", *common)
    assert (code, "is the whole film, and a part would take its place" in err) == (2, True)
    err = run("film.yaml", "--draft", "-o", "film.mkv", *common)[2]
    assert "is the whole film, and a draft would take its place" in err


def test_settings_of_the_command_line_count_for_one_run(run: Run) -> None:
    common = ("--device", "cpu", "-q", "-o")
    assert run("film.yaml", "--fps", "2", "--size", "48x32", *common, "a.mp4")[0] == 0
    video = read_video(Path("a.mp4"))
    assert (video.size, video.fps, len(list(video.frames))) == ((48, 32), 2, 2)
    assert run("film.yaml", *common, "b.mp4")[0] == 0
    assert read_video(Path("b.mp4")).size == (32, 32)
    out = run("check", "film.yaml", "--set", "shots.dawn.prompts=a hill", "--seed", "3")[1]
    assert "1 x a hill" in out
    assert run("film.yaml", "--seed", "3", *common, "c.mp4")[0] == 0
    note = read_note(Path("c.mp4"))
    assert (note["seed"], note["settings"]) == (3, ["seed=3"])
    assert len(list(Path("film.latents").iterdir())) == 3 * 3


@pytest.mark.parametrize("output", ["a.gif", "a.apng", "frames/%03d.png"])
def test_animations_and_sequences_are_replaced_only_as_render_wrote_them(
    run: Run, output: str
) -> None:
    command = ("film.yaml", "-o", output, "--device", "cpu", "-q")
    assert run(*command)[0] == 0, run(*command)[2]
    path = Path(output.replace("%03d", "002"))
    written = path.read_bytes()
    assert read_note(path)["seed"] == 0
    assert run(*command)[0] == 0
    assert path.read_bytes() == written
    if output.endswith(".gif"):
        path.write_bytes(written[:-1] + b"!\xfe\x01x\0;")  # a comment
    else:
        with Image.open(path) as image:
            changed = image.convert("RGB").point(lambda value: 255 - value)
        chunks = PngInfo()
        chunks.add_itxt("render", json.dumps(read_note(path)))
        changed.save(path, format="png", pnginfo=chunks)
    code, _, err = run(*command)
    assert (code, f"{path} was changed since Render wrote it" in err) == (2, True)


def test_a_gif_has_no_sound_and_that_is_said(run: Run) -> None:
    with wave.open("a.wav", "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))
    Path("film.yaml").write_text(BOARD + "audio: a.wav\n")
    code, _, err = run("film.yaml", "-o", "a.gif", "--device", "cpu")
    assert (code, "warning: a.gif holds no sound" in err) == (0, True)
