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
from render.media.sound import sound_length
from render.media.video import read_video
from render.synthesis.latents import load_latent
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
    stored = {path: path.read_bytes() for path in Path("film.latents").glob("*.safetensors")}
    code, _, err = run("film", *common, "float32", "-o", "b.mp4")
    assert (code, "3 of 3 keyframes are there and stay as they were computed" in err) == (0, True)
    assert "stay as they were" not in run("film", *common, "auto", "-o", "b.mp4")[2]
    assert {
        path: path.read_bytes() for path in Path("film.latents").glob("*.safetensors")
    } == stored
    assert Path("a.mp4").read_bytes() == Path("b.mp4").read_bytes()
    assert run("film", *common, "float32", "-o", "c.mp4", "--latents", "c.latents")[0] == 0
    names = [path.name for path in stored]
    assert sorted(path.name for path in Path("c.latents").glob("*.safetensors")) == sorted(names)
    assert any((Path("c.latents") / path.name).read_bytes() != stored[path] for path in stored)


def test_a_film_goes_on_with_the_arithmetic_of_its_latents(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("film", "film.yaml", "--device", "cpu", "-v", "-o", "a.mp4")
    code, _, err = run(*common, "--convolutions", "plain")
    assert (code, "computing in cpu, float32, plain convolutions" in err) == (0, True)
    stored = {path: path.read_bytes() for path in Path("film.latents").glob("*.safetensors")}
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
def test_changed_latents_are_said_set_aside_and_made_again(run: Run, command: str) -> None:
    arguments = {"film": ("-o", "a.mp4"), "still": ("--at", "3f", "-o", "a.png")}[command]
    common = (command, "film.yaml", *arguments, "--device", "cpu")
    assert run(*common, "-q")[0] == 0
    made = Path(arguments[-1]).read_bytes()
    first, second, *_ = sorted(Path("film.latents").glob("*.safetensors"))
    whole = {path: path.read_bytes() for path in (first, second)}
    for path, content in whole.items():
        path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    code, _, err = run(*common)
    assert code == 0, err
    for path, content in whole.items():
        assert f"{path} was changed since Render wrote it. It is now {path.name}.damaged-1" in err
        assert path.read_bytes() == content
    assert Path(arguments[-1]).read_bytes() == made


def test_a_part_shows_the_frames_of_the_film_from_the_same_latents(run: Run) -> None:
    board = BOARD.replace("size: 32x32", "size: 32x32\noutput: {codec: ffv1}")
    board += "  - {name: dusk, duration: 1s, prompts: fire, transition: dissolve 0.5s}\n"
    Path("film.yaml").write_text(board)
    common = ("--device", "cpu", "-q")
    assert run("film.yaml", "--shots", "dusk", "-o", "part.mkv", *common)[0] == 0
    stored = {path.name: path.read_bytes() for path in Path("film.latents").glob("*.safetensors")}
    assert run("film.yaml", "-o", "film.mkv", *common)[0] == 0
    assert (
        stored.items()
        <= {
            path.name: path.read_bytes() for path in Path("film.latents").glob("*.safetensors")
        }.items()
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
    assert len(list(Path("film.latents").glob("*.safetensors"))) == 3 * 3


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


def test_several_stills_are_several_files(run: Run) -> None:
    common = ("--device", "cpu", "-q", "-o")
    assert run("still", "film.yaml", "--at", "3f", "--at", "0s", *common, "s.png")[0] == 0
    assert sorted(path.name for path in Path().glob("s*.png")) == ["s-0f.png", "s-3f.png"]
    assert [read_note(Path(f"s-{n}f.png"))["frame"] for n in (0, 3)] == [0, 3]
    assert run("still", "film.yaml", "--at", "2f", *common, "f/%02d.png")[0] == 0
    assert Path("f/02.png").is_file()
    assert run("still", "film.yaml", "--at", "3f", *common, "one.png")[0] == 0
    assert Path("one.png").read_bytes() == Path("s-3f.png").read_bytes()


def test_latents_are_listed_and_copied_out_by_their_time(run: Run) -> None:
    Path("film.yaml").write_text(BOARD + "  - {name: dusk, duration: 1s, prompts: fire}\n")
    assert run("latents", "film.yaml")[1].count("not made yet") == 6
    code, _, err = run("latents", "film.yaml", "--at", "1.5s", "-o", "kept.safetensors")
    assert (code, "the keyframe at 1.5 s of shot 'dusk' is not rendered yet" in err) == (2, True)
    assert run("film.yaml", "-o", "film.mp4", "--device", "cpu", "-q")[0] == 0
    listed = [line.split() for line in run("latents", "film.yaml")[1].splitlines()[1:]]
    assert [line[0] for line in listed] == ["dawn"] * 3 + ["dusk"] * 3
    assert all(Path(line[-1]).is_file() for line in listed)
    assert run("latents", "film.yaml", "--shots", "dusk")[0] == 2  # no such option
    code, out, _ = run("latents", "film.yaml", "--at", "1.5s", "-o", "kept.safetensors")
    assert (code, out) == (0, "kept.safetensors: the latent of 1.5 s, 0.5 s into shot 'dusk'\n")
    assert Path("kept.safetensors").read_bytes() == Path(listed[4][-1]).read_bytes()
    again = ("latents", "film.yaml", "--at", "0", "-o")
    assert "kept.safetensors exists" in run(*again, "kept.safetensors")[2]
    assert "name it kept.safetensors" in run(*again, "kept.png")[2]
    assert "say once when and where" in run("latents", "film.yaml", "--at", "0")[2]
    err = run("still", "film.yaml", "--at", "0", "-o", "a.safetensors")[2]
    assert "`render latents` copies" in err


@pytest.mark.parametrize("init", ["kept.safetensors", "{latent: kept.safetensors}"])
def test_a_film_may_begin_with_a_latent(run: Run, init: str) -> None:
    assert run("film.yaml", "-o", "film.mp4", "--device", "cpu", "-q")[0] == 0
    assert run("latents", "film.yaml", "--at", "0.5s", "-o", "kept.safetensors")[0] == 0
    shot = f"{{name: dawn, duration: 1s, init: {init}, prompts: sea, iterations: 1, step: 0.0001}}"
    text = BOARD[: BOARD.index("  - {name")] + f"  - {shot}\n"
    Path("next.yaml").write_text(text)
    assert run("next.yaml", "-o", "next.mp4", "--device", "cpu", "-q")[0] == 0
    listed = run("latents", "next.yaml")[1].splitlines()[1].split()
    first, kept = (load_latent(Path(name))[0] for name in (listed[-1], "kept.safetensors"))
    assert (first - kept).abs().max() < 0.01
    Path("next.yaml").write_text(text.replace("kept", "none"))
    assert "'none.safetensors' is not there" in run("check", "next.yaml")[2]
    Path("next.yaml").write_text(text.replace(f"init: {init}", "init: {image: a.png}"))
    assert "Write a path, or {latent: PATH}" in run("check", "next.yaml")[2]


def test_a_sheet_shows_what_is_there(run: Run) -> None:
    Path("film.yaml").write_text(BOARD + "  - {name: dusk, duration: 1s, prompts: fire}\n")
    sheet = ("sheet", "film.yaml", "-o", "sheet.png", "--device", "cpu", "--count", "8")
    assert "no keyframe of this film is in film.latents yet" in run(*sheet)[2]
    assert run("film.yaml", "--shots", "dawn", "-o", "a.mp4", "--device", "cpu", "-q")[0] == 0
    code, out, err = run(*sheet)
    assert code == 0, err
    assert "sheet.png: 4 of 8 frames" in out
    with Image.open("sheet.png") as image:
        first, last = image.getpixel((100, 100)), image.getpixel((100, 400))
    assert first != (42, 42, 42) == last
    assert read_note(Path("sheet.png"))["kind"] == "sheet"
    assert run(*sheet)[0] == 0


def test_a_morph_to_a_song(run: Run) -> None:
    with wave.open("a.wav", "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * 250)
    for name in ("x.png", "y.png"):
        Image.new("RGB", (32, 32), "teal").save(name)
    morph = ("interpolate", "x.png", "y.png", "x.png", "--model", "tiny-vqgan", "--fps", "4")
    common = ("--device", "cpu", "-q", "-o", "m.mp4")
    assert run(*morph, "--total", "4s", "--audio", "a.wav", *common)[0] == 0
    assert len(list(read_video(Path("m.mp4")).frames)) == 16
    assert sound_length(Path("m.mp4")) == pytest.approx(4, abs=0.1)
    assert run(*morph, "--seconds", "1,2", *common)[0] == 0
    assert len(list(read_video(Path("m.mp4")).frames)) == 4 + 8 + 1


def test_drafts_and_parts_are_made_twice_as_films_are(run: Run) -> None:
    common = ("film.yaml", "--device", "cpu", "-q")
    for options in (("--draft",), ("--shots", "dawn"), ("--shots", "dawn", "-o", "f/%03d.png")):
        for _ in range(2):
            assert run(*common, *options) == (0, "", "")


def test_a_codec_without_sound_is_warned_of(run: Run) -> None:
    with wave.open("a.wav", "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))
    for codec in ("gif", "apng"):
        Path("film.yaml").write_text(BOARD + f"audio: a.wav\noutput: {{codec: {codec}}}\n")
        code, _, err = run("check", "film.yaml")
        assert (code, f"a .{codec} holds no sound" in err) == (0, True)


def test_fresh_moves_only_what_a_part_uses(run: Run) -> None:
    Path("film.yaml").write_text(BOARD + "  - {name: dusk, duration: 1s, prompts: fire}\n")
    common = ("film.yaml", "--device", "cpu", "-q")
    assert run(*common)[0] == 0
    assert run(*common, "--shots", "dusk", "--fresh", "-y")[0] == 0
    assert len(list(Path("film.latents.1").glob("*.safetensors"))) == 3
    assert len(list(Path("film.latents").glob("*.safetensors"))) == 6
    assert run("check", "film.yaml", "--shots", "dusk")[1].count("  all ") == 2


def test_the_input_of_a_copy_or_a_morph_is_never_replaced(run: Run) -> None:
    common = ("--device", "cpu", "-q")
    assert run("film.yaml", *common)[0] == 0
    assert run("latents", "film.yaml", "--at", "0", "-o", "kept.safetensors")[0] == 0
    Path("next.yaml").write_text(
        BOARD.replace("prompts: sea", "prompts: sea, init: kept.safetensors")
    )
    assert run("next.yaml", *common)[0] == 0
    copy = ("latents", "next.yaml", "--at", "0.5s", "-o", "kept.safetensors", "--force")
    assert "is one of the files that it would be made from" in run(*copy)[2]
    Path("other.latent").symlink_to("kept.safetensors")
    Path("next.yaml").write_text(
        BOARD.replace("prompts: sea", "prompts: sea, init: {latent: other.latent}")
    )
    assert run("next.yaml", "-o", "other.mp4", *common)[0] == 0


def test_a_storyboard_is_told_what_it_needs_to_be_made_again(run: Run) -> None:
    Path("more.yaml").write_text("- {name: more, duration: 1s, prompts: fire}\n")
    Path("film.yaml").write_text(BOARD + "  - include: more.yaml\n")
    assert run("film.yaml", "--seed", "5", "--device", "cpu", "-q")[0] == 0
    _, out, err = run("inspect", "film.mp4", "--storyboard")
    assert out == Path("film.yaml").read_text()
    assert "it takes in more.yaml, which is kept too" in err
    assert "it was rendered with --set seed=5" in err
    assert run("inspect", "film.mp4", "--included", "more.yaml")[1] == Path("more.yaml").read_text()
    assert "are: more.yaml" in run("inspect", "film.mp4", "--included", "x")[2]
    Path("more.yaml").write_text("- {name: more, duration: 1x, prompts: fire}\n")
    first = json.loads(run("check", "film.yaml", "--log-format", "json")[2].splitlines()[0])
    assert (first["file"], first["line"]) == ("more.yaml", 1)
