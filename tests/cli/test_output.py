"""What is written to stdout and stderr, also where they cannot be written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cli.console import Run, json_objects
from cli.installed import BOARD, RENDER, shell, stored_files
from PIL import Image

from render.media.provenance import write_png
from render.media.video import read_video

COMMANDS = {  # by the file that they make
    "film.mp4": ("film.yaml", "-o", "film.mp4"),
    "a.png": ("still", "film.yaml", "--at", "3f", "-o", "a.png"),
    "m.mp4": (
        *("interpolate", "x.png", "y.png", "-o", "m.mp4", "--model", "tiny-vqgan"),
        *("--seconds", "0.5", "--fps", "4"),
    ),
}
MADE = {
    "film.mp4": "film.mp4: 4 frames, 1 s, 32x32, made in ",
    "a.png": "a.png: frame 3, 32x32, made in ",
    "m.mp4": "m.mp4: 3 frames, 0.75 s, 32x32, made in ",
}
FRAMES = {"film.mp4": 4, "a.png": 1, "m.mp4": 3}
LOADING = {
    "film.mp4": "loading the generator tiny-vqgan and the perceptor tiny-clip",
    "a.png": "loading the generator tiny-vqgan and the perceptor tiny-clip",
    "m.mp4": "loading the generator tiny-vqgan",
}


@pytest.mark.parametrize("output", COMMANDS)
def test_commands_report_what_they_load_and_what_they_made(run: Run, output: str) -> None:
    for name in ("x.png", "y.png"):
        Image.new("RGB", (32, 32)).save(name)
    arguments = (*COMMANDS[output], "--device", "cpu")
    code, out, err = run(*arguments)
    assert code == 0, err
    assert err.startswith(f"{LOADING[output]} ...\n")
    assert err.count("loading") == 1
    assert out.startswith(MADE[output])
    assert out.count("\n") == 1
    code, out, err = run(*arguments, "--log-format", "json")
    first, *_, last = json_objects(err)
    assert (code, out) == (0, "")
    assert first == {"event": "loading", "message": LOADING[output]}
    made = {name: last[name] for name in ("event", "message", "path")}
    assert made == {"event": "done", "message": output, "path": output}
    assert last["frames"] == FRAMES[output]
    assert last["seconds"] == (None if output.endswith(".png") else last["frames"] / 4)
    assert run(*arguments, "-q") == (0, "", "")
    assert run(*arguments, "-q", "--log-format", "json") == (0, "", "")


def test_a_closed_pipe_is_not_reported_as_an_error(
    board: Path, tmp_path: Path, models_folder: Path
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [RENDER, "check", "film.yaml"],
        cwd=tmp_path,
        env={**os.environ, "RENDER_MODELS": str(models_folder)},
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write_end)
    assert done.stderr == ""


NEEDS_DEV_FULL = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs a device that is always full"
)


@NEEDS_DEV_FULL
@pytest.mark.parametrize(
    "command",
    ["check film.yaml", "models", "schema", "inspect a.png", "--help", "check --help", "--version"],
)
def test_an_answer_that_cannot_be_written_is_an_error(
    board: Path, tmp_path: Path, models_folder: Path, command: str
) -> None:
    write_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8), {"render": "1"})
    done = shell(f'"$0" {command} >/dev/full', tmp_path, models_folder)
    sentence = "stdout cannot be written: No space left on device. Redirect the output"
    assert (done.returncode, done.stderr) == (1, f"render: {sentence}\n")
    done = shell(f'"$0" {command} | true', tmp_path, models_folder)
    assert done.stderr == ""


@NEEDS_DEV_FULL
@pytest.mark.parametrize("stdout", [">/dev/full", ">&-"])
def test_a_film_is_made_although_stdout_cannot_be_written(
    board: Path, tmp_path: Path, models_folder: Path, stdout: str
) -> None:
    command = '"$0" film.yaml -o film.mp4 2>stderr'
    shell(f"{{ {command} {stdout}; echo $? >code; }}", tmp_path, models_folder)
    assert (tmp_path / "code").read_text() == "0\n"
    assert "defect" not in (tmp_path / "stderr").read_text()
    assert len(list(read_video(tmp_path / "film.mp4").frames)) == 30


@NEEDS_DEV_FULL
def test_a_usage_error_exits_with_2_although_stderr_cannot_be_written(
    board: Path, tmp_path: Path, models_folder: Path
) -> None:
    for command in ("--bogus", "film.yaml --bogus", "chek film.yaml"):
        assert shell(f'"$0" {command} 2>/dev/full', tmp_path, models_folder).returncode == 2


@pytest.fixture(scope="module")
def usual_folder(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Path:
    """A folder with the film and the latents that the command makes with a usual stderr."""
    folder = tmp_path_factory.mktemp("usual")
    (folder / "film.yaml").write_text(BOARD)
    assert shell('"$0" film.yaml -o film.mp4', folder, models_folder).returncode == 0
    return folder


@NEEDS_DEV_FULL
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full", "2>/dev/full --log-format json"])
def test_a_film_is_the_same_although_stderr_cannot_be_written(
    board: Path, tmp_path: Path, models_folder: Path, usual_folder: Path, stderr: str
) -> None:
    environment = {**os.environ, "RENDER_MODELS": str(models_folder)}
    command = f'exec "$0" film.yaml -o film.mp4 {stderr}'
    done = subprocess.run(
        ["sh", "-c", command, RENDER], cwd=tmp_path, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0
    assert (tmp_path / "film.mp4").read_bytes() == (usual_folder / "film.mp4").read_bytes()
    assert stored_files(tmp_path) == stored_files(usual_folder)


NAME = "\x1b]0;pwn\x07\x9b31m\x08\r\u202ename"
CONTROLS = set("\x1b\x07\x9b\x08\r\u202e")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", f"{NAME}.yaml"),
        ("check", f"{NAME}.nothing"),
        ("check", "film.yaml", "--set", f"{NAME}=1"),
        ("check", "film.yaml", "--device", NAME),
        ("inspect", f"{NAME}.png"),
        ("inspect", "nothing" + NAME),
        ("interpolate", "folder", "-o", "x.mp4"),
        ("models",),
        ("models", "get", NAME),
        ("models", "get", "[/b]"),
        ("models", "import", NAME),
        ("score", "--text", "a sky", f"{NAME}.png"),
        ("still", "film.yaml", "--at", "0s", "-o", "theirs.png"),
        ("check", "named.yaml"),
        ("latents", "named.yaml"),
    ],
)
def test_no_name_and_no_content_controls_the_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    board = Path("film.yaml").read_text()
    Path(f"{NAME}.yaml").write_text(board)
    named = board.replace("prompts: sea", "prompts: sea \u202e\u2067")
    assert named != board
    Path("named.yaml").write_text(named)
    Path(f"{NAME}.png").write_bytes(b"no picture")
    Path("folder").mkdir()
    for folder in ("folder", "models"):
        Path(folder).mkdir(exist_ok=True)
        Path(folder, f"{NAME}.safetensors").write_bytes(b"no latent")
    write_png(Path("theirs.png"), np.zeros((8, 8, 3), np.uint8), {"render": "1", "kind": NAME})
    monkeypatch.setenv("RENDER_MODELS", str(Path("models").absolute()))
    code, out, err = run(*arguments)
    assert code in (0, 2), err
    assert not CONTROLS & {*out, *err}
    assert out or err
