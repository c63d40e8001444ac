"""Commands: their order, inspect, models get, interpolate and check."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import tiny
import torch
from cli.console import BOARD, DISK_FULL, Run, raising
from PIL import Image

from render.weights.download import DownloadError


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (("-q", "film", "film.yaml"), "render film -q film.yaml"),
        (("-qv", "check", "film.yaml"), "render check -qv film.yaml"),
        (("--draft", "still", "film.yaml", "--at", "0s"), "render still --draft film.yaml --at 0s"),
        (("--latents", "a b", "check", "film.yaml"), "render check --latents 'a b' film.yaml"),
    ],
)
def test_options_before_the_command_are_refused(
    run: Run, arguments: tuple[str, ...], suggestion: str
) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert f"the command comes first: {suggestion}\n" in err


def test_files_and_folders_may_be_named_like_commands(run: Run) -> None:
    """A folder of latents and a storyboard without an extension."""
    Path("film").write_text(BOARD)
    common = ("-q", "--device", "cpu", "-o", "film.mp4")
    assert run(*common, "--latents", "check", "film.yaml") == (0, "", "")
    assert Path("check").is_dir()
    assert run(*common, "--force", "film") == (0, "", "")
    err = run("-qo", "schema", "film.yaml")[2]
    assert "schema: h264 is written to" in err  # the name of the film


def test_inspect_lists_the_pictures_that_the_storyboard_needs(run: Run) -> None:
    Path("images").mkdir()
    Image.new("RGB", (32, 32)).save("images/hill.png")
    with_picture = BOARD.replace("prompts: sea", "prompts: sea, init: images/hill.png")
    Path("film.yaml").write_text(with_picture)
    arguments = ("--at", "0s", "-o", "a.png", "--device", "cpu", "-q")
    assert run("still", "film.yaml", *arguments) == (0, "", "")
    assert run("inspect", "a.png", "--storyboard") == (
        *(0, with_picture),
        "note: the storyboard needs these files beside it: images/hill.png\n",
    )
    Path("film.yaml").write_text(BOARD)
    assert run("still", "film.yaml", *arguments) == (0, "", "")
    assert run("inspect", "a.png", "--storyboard") == (0, BOARD, "")


def test_models_get_exits_with_1_or_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "models"))
    with monkeypatch.context() as patch:
        patch.setattr("render.weights.install.fetch", raising(DownloadError("it does not answer")))
        code, _, err = run("models", "get", "vqgan-coco")
        assert code == 1
        assert err.startswith("render: vqgan-coco could not be downloaded: it does not answer.\n")
        assert "--from FILE" in err
    usage = type("Usage", (), {"free": 1000})
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda path: usage)
        code, _, err = run("models", "get", "vqgan-coco")
        assert (code, "make room" in err) == (1, True)
    Path("file").touch()
    monkeypatch.setenv("RENDER_MODELS", "file/models")
    assert run("models", "get", "vqgan-coco")[0] == 1
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "models"))
    for arguments in (("vqgan-cocoa",), ("vqgan-coco", "--from", "none"), ("x", "--from", "none")):
        code, _, err = run("models", "get", *arguments)
        assert code == 2, (arguments, err)
        assert err.startswith("render: ")


def test_a_clip_of_one_s_own_is_got_from_a_file(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "models"))
    torch.save(tiny.clip().state_dict(), "clip.pt")
    Path("clip.json").write_text(json.dumps(tiny.PERCEPTOR))
    code, out, _ = run("models", "get", "mine", "--from", "clip.pt", "--config", "clip.json")
    assert (code, out) == (0, f"mine is at {tmp_path / 'models' / 'mine.safetensors'}\n")
    assert "mine" in run("models")[1]
    code, _, err = run("models", "get", "ViT-B-32:openapi")
    assert code == 2
    assert "open_clip has no weights 'openapi' of ViT-B-32. It has openai" in err


def test_models_import_says_what_it_took(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "models"))
    Path("cache").mkdir()
    assert run("models", "import", "cache") == (0, "nothing to take in cache\n", "")
    assert run("models", "import", "none")[::2] == (2, "render: none is not there\n")
    monkeypatch.setattr("render.weights.imports.usual_folders", list)
    said = "nothing to take in the usual folders, of which there is none\n"
    assert run("models", "import") == (0, said, "")
    monkeypatch.setattr("render.weights.imports.import_weights", lambda among, say: ["RN50"])
    assert run("models", "import", "cache") == (0, "taken: RN50\n", "")


@pytest.mark.parametrize(
    ("command", "function"),
    [
        (("schema",), "render.storyboard.schema.json_schema"),
        (("models",), "render.cli.describe.describe_models"),
        (("models", "get", "vqgan-coco"), "render.weights.library.find_model"),
        (("inspect", "film.yaml"), "render.media.provenance.read_note"),
    ],
)
def test_no_command_ends_with_a_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], function: str
) -> None:
    monkeypatch.setattr(function, raising(ZeroDivisionError("lost")))
    code, _, err = run(*command)
    assert code == 1
    assert err.startswith("render: ZeroDivisionError: lost. This is a defect of Render")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "--size 32x24 needs about a quarter"),
        (MemoryError(), "--size 32x24 needs about a quarter"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "--size 32x24"),
    ],
)
def test_a_journey_out_of_memory_says_which_size_would_fit(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 48)).save(name)
    monkeypatch.setattr("render.generators.vqgan.VQGAN.encode", raising(error))
    common = ("--model", "tiny-vqgan", "--device", "cpu", "-q")
    code, _, err = run("interpolate", "a.png", "b.png", "-o", "m.mp4", *common)
    assert code == 1
    assert err.startswith("render: out of memory. ")
    assert sentence in err
    assert "defect" not in err
    assert not Path("m.mp4").exists()


def test_a_journey_on_a_full_disk_is_reported_in_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 48)).save(name)
    monkeypatch.setattr(os, "fsync", raising(DISK_FULL))
    common = ("--model", "tiny-vqgan", "--device", "cpu", "-q", "--seconds", "0.1")
    code, _, err = run("interpolate", "a.png", "b.png", "-o", "m.mp4", *common)
    assert code == 1
    assert err.startswith("render: m.mp4 was not written: the disk is full. Free some space")


@pytest.mark.parametrize("name", ["a\x1b[31m.png", "link.png"])
def test_control_characters_in_a_picture_s_name_do_not_reach_the_terminal(
    run: Run, name: str
) -> None:
    Image.new("RGB", (32, 32)).save("a\x1b[31m.png")
    Path("link.png").symlink_to("a\x1b[31m.png")
    shot = f"prompts: sea, init: {json.dumps(name)}"
    Path("film.yaml").write_text(BOARD.replace("prompts: sea", shot))
    code, out, err = run("check", "film.yaml")
    assert (code, out) == (2, "")
    assert "holds control characters. Rename the file" in err
    assert "\x1b" not in err
