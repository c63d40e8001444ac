"""The installed command, end to end, on tiny true models: films, stills, resume, errors."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from render.film.remarks import unread_words
from render.media.provenance import write_png
from render.media.video import read_video

RENDER = Path(sysconfig.get_path("scripts")) / "render"
BOARD = """\
version: 1
size: 64x48
fps: 12
seed: 7
models: {generator: tiny-vqgan, perceptors: tiny-clip}
style: oil painting
exclude: text
defaults:
  iterations: {first: 6, then: 3}
  keyframes: {every: 0.5s}
  cutouts: 3
shots:
  - name: dawn
    duration: 1s
    prompts: a red sea | a sun:0.5
    camera: {zoom: 1.2/s}
  - name: fire
    duration: 1s
    prompts: fire
    transition: 0.5s
  - name: night
    duration: 0.5s
    prompts: night
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, models_folder: Path) -> Run:
    """The installed `render` in a folder of its own, with the tiny models to be had."""
    environment = {**os.environ, "RENDER_MODELS": str(models_folder), "COLUMNS": "100"}

    def render(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [RENDER, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            **options,  # type: ignore[call-overload]
        )

    return render


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "film.yaml"
    path.write_text(BOARD)
    return path


def latents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "film.latents").iterdir()}


def test_a_film_is_made_described_and_not_made_twice(run: Run, board: Path, tmp_path: Path) -> None:
    before = run("check", "film.yaml")
    assert before.returncode == 0, before.stderr
    assert "8 keyframes" not in before.stdout
    assert "7 keyframes in 2 chains" in before.stdout
    made = run("film.yaml", "-o", "film.mp4")
    assert made.returncode == 0, made.stderr
    assert "\x1b" not in made.stderr  # no control codes without a terminal
    film = read_video(tmp_path / "film.mp4")
    assert (film.size, film.fps) == ((64, 48), Fraction(12))
    assert len(list(film.frames)) == 30
    assert (tmp_path / "film.preview.png").exists()
    note = json.loads(run("inspect", "film.mp4", "--json").stdout)
    assert note["storyboard"] == BOARD
    assert {m["name"] for m in note["models"]} == {"tiny-vqgan", "tiny-clip"}
    assert all(len(model["sha256"]) == 64 for model in note["models"])
    assert run("inspect", "film.mp4", "--storyboard").stdout == BOARD

    stored, times = latents(tmp_path), {}
    for path in (tmp_path / "film.latents").iterdir():
        times[path.name] = path.stat().st_mtime_ns
    first = (tmp_path / "film.mp4").read_bytes()
    again = run("film", "film.yaml", "-o", "again.mp4", "-q")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (tmp_path / "again.mp4").read_bytes() == first
    assert latents(tmp_path) == stored
    for path in (tmp_path / "film.latents").iterdir():
        assert path.stat().st_mtime_ns == times[path.name], "a finished keyframe was made again"
    assert "all" in run("check", "film.yaml").stdout

    # Another frame rate or codec decodes again and optimises nothing.
    board.write_text(BOARD.replace("fps: 12", "fps: 23.976"))
    assert run("film.yaml", "-o", "other.mp4").returncode == 0
    assert latents(tmp_path) == stored
    assert read_video(tmp_path / "other.mp4").fps == Fraction(24000, 1001)

    # An edit to the first chain leaves the second alone.
    board.write_text(BOARD.replace("prompts: fire", "prompts: a lake"))
    edited = run("check", "film.yaml").stdout
    table = edited[: edited.index("prompts")]
    rows = {line.split()[0]: line for line in table.splitlines() if line.startswith("  ")}
    assert " all " in rows["dawn"]
    assert "1 of 3" in rows["fire"]  # its first keyframe only knows the prompts of the dawn
    assert " all " in rows["night"]


def test_the_same_storyboard_gives_the_same_bytes(run: Run, board: Path, tmp_path: Path) -> None:
    assert run("film.yaml", "-o", "one.mp4").returncode == 0
    shutil.move(tmp_path / "film.latents", tmp_path / "kept")
    assert run("film.yaml", "-o", "two.mp4").returncode == 0
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_fresh_asks_and_moves_aside(run: Run, board: Path, tmp_path: Path) -> None:
    assert run("film.yaml", "-o", "film.mp4", "-q").returncode == 0
    stored = latents(tmp_path)
    refused = run("film.yaml", "-o", "film.mp4", "--fresh", input="n\n")
    assert refused.returncode == 2
    assert "add --yes" in refused.stderr  # a pipe cannot be asked
    assert latents(tmp_path) == stored
    done = run("film.yaml", "-o", "film.mp4", "--fresh", "--yes", "-q")
    assert done.returncode == 0, done.stderr
    assert latents(tmp_path) == stored
    assert {p.name for p in (tmp_path / "film.latents.1").iterdir()} == set(stored)


def test_a_damaged_latent_is_made_again(run: Run, board: Path, tmp_path: Path) -> None:
    assert run("film.yaml", "-o", "film.mp4", "-q").returncode == 0
    film, stored = (tmp_path / "film.mp4").read_bytes(), latents(tmp_path)
    victim = sorted((tmp_path / "film.latents").iterdir())[2]
    victim.write_bytes(victim.read_bytes()[:100])
    assert run("film.yaml", "-o", "film.mp4", "-q").returncode == 0
    assert latents(tmp_path) == stored
    assert (tmp_path / "film.mp4").read_bytes() == film


def test_draft_still_and_json(run: Run, board: Path, tmp_path: Path) -> None:
    board.write_text(BOARD.replace("64x48", "128x96"))
    draft = run("film.yaml", "-o", "draft.mp4", "--draft", "--log-format", "json")
    assert draft.returncode == 0, draft.stderr
    events = [json.loads(line) for line in draft.stderr.splitlines()]
    shares = [event["done"] for event in events if event.get("event") == "progress"]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert read_video(tmp_path / "draft.mp4").size == (64, 48)
    made = run("still", "film.yaml", "--at", "0.25s", "-o", "frame.png", "--draft")
    assert made.returncode == 0, made.stderr
    with Image.open(tmp_path / "frame.png") as image:
        assert image.size == (64, 48)
        still = np.array(image)
    frames = list(read_video(tmp_path / "draft.mp4").frames)
    apart = [np.abs(frame.astype(int) - still).mean() for frame in frames]
    assert np.argmin(apart) == 3  # the film's own frame, but for x264
    told = run("inspect", "frame.png").stdout
    assert "dawn" in told
    assert "draft" in told  # without it the note's storyboard would make another picture


def test_a_still_makes_no_more_than_it_needs(run: Run, board: Path, tmp_path: Path) -> None:
    assert run("still", "film.yaml", "--at", "0.5s", "-o", "frame.png").returncode == 0
    assert len(latents(tmp_path)) == 2


def test_interpolate_passes_every_input_exactly(run: Run, board: Path, tmp_path: Path) -> None:
    assert run("film.yaml", "-o", "film.mp4", "-q").returncode == 0
    latent = f"film.latents/{sorted(latents(tmp_path))[0]}"
    random_picture = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(random_picture).save(tmp_path / "photo.jpg")
    assert run("still", "film.yaml", "--at", "0s", "-o", "a.png").returncode == 0
    common = ("--seconds", "0.5", "--model", "tiny-vqgan", "--fps", "12")
    for blend in ("lerp", "slerp", "codes"):
        made = run(
            "interpolate", "a.png", latent, "photo.jpg", "-o", "m.mp4", "--blend", blend, *common
        )
        assert made.returncode == 0, made.stderr
        assert len(list(read_video(tmp_path / "m.mp4").frames)) == 2 * 6 + 1
    looped = run("interpolate", "a.png", latent, "-o", "loop.mp4", "--loop", *common)
    assert looped.returncode == 0, looped.stderr
    frames = list(read_video(tmp_path / "loop.mp4").frames)
    assert len(frames) == 12
    assert not np.array_equal(frames[0], frames[-1])
    assert "journey" in run("inspect", "loop.mp4").stdout


def test_interpolate_refuses_what_does_not_fit(run: Run, board: Path, tmp_path: Path) -> None:
    assert run("film.yaml", "-o", "film.mp4", "-q").returncode == 0
    latent = f"film.latents/{sorted(latents(tmp_path))[0]}"
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / latent).read_bytes()[:80])
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    Image.new("RGB", (64, 48)).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-200])
    strange = json.dumps({"render": "1", "kind": "latent", "size": 3, "models": "none"})
    save_file({"latent": torch.zeros(1)}, tmp_path / "odd.safetensors", {"render": strange})
    cases = {
        ("a.png",): "two or more",
        ("a.png", "absent.png"): "absent.png is not there",
        ("a.png", "film.yaml"): "not an image",
        ("a.png", "cut.jpg"): "cut.jpg is not an image",
        ("a.png", "odd.safetensors"): "not a latent that Render wrote",
        ("a.png", "a.png", "--fps", "0", "--seconds", "10f"): "--fps '0' is out of range",
        ("a.png", "cut.safetensors"): "cut.safetensors",
        (latent, "a.png", "--size", "128x96"): "64x48, not 128x96",
        (latent, "a.png", "--model", "starter"): "another model",
        ("a.png", "a.png", "--ease", "wobble"): "--ease 'wobble' is not known",
        ("a.png", "a.png", "--seconds", "0"): "--seconds '0' is out of range",
        ("a.png", "a.png", "--codec", "betamax"): "betamax",
    }
    for arguments, sentence in cases.items():
        result = run("interpolate", *arguments, "-o", "out.mp4")
        assert result.returncode == 2, (arguments, result.stderr)
        assert sentence in result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "out.mp4").exists()


def test_what_the_user_gets_wrong_is_a_sentence_and_2(
    run: Run, board: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "holiday.mp4").write_bytes(b"somebody's film")
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    cases = {
        ("absent.yaml", "-o", "o.mp4"): "no such file",
        ("chek", "film.yaml"): "chek",
        ("empty.yaml", "-o", "o.mp4"): "empty.yaml:1:1",
        ("film.yaml", "-o", "folder.mp4"): "folder",
        ("film.yaml", "-o", "absent/o.mp4"): "absent",
        ("film.yaml", "-o", "o.xyz"): ".xyz",
        ("film.yaml", "-o", "holiday.mp4"): "not written by Render",
        ("film.yaml", "-o", "o.mp4", "--device", "abacus"): "abacus",
        ("film.yaml", "-o", "o.mp4", "--device", "cuda:7"): "cuda:7",
        ("still", "film.yaml", "--at", "99s", "-o", "o.png"): "0 to 2.5 s",
        ("still", "film.yaml", "--at", "soon", "-o", "o.png"): "soon",
        ("still", "film.yaml", "--at", "1s", "-o", "o.jpg"): "PNG",
        ("still", "film.yaml", "--at", "1s", "-o", "photo.png"): "not written by Render",
        ("film.yaml", "-o", "o.mp4", "--fresh", "-y", "--device", "mps"): "Metal",
        ("inspect", "film.yaml"): "film.yaml",
        ("inspect", "absent.png"): "no such file",
        ("models", "get", "vqgan-imaginet"): "did you mean",
        ("models", "get", "tiny-clip", "--from", "film.yaml"): "a perceptor of your own",
        ("film.yaml", "--nonsense"): "nonsense",
    }
    for arguments, sentence in cases.items():
        result = run(*arguments)
        assert result.returncode == 2, (arguments, result.stdout, result.stderr)
        assert sentence in result.stderr, (arguments, result.stderr)
        assert "Traceback" not in result.stderr
    assert (tmp_path / "holiday.mp4").read_bytes() == b"somebody's film"
    assert not (tmp_path / "film.latents").exists()


def test_keyframes_may_be_moved_and_not_worked_on(run: Run, board: Path, tmp_path: Path) -> None:
    """No steps, and losses that ask nothing of a first picture: what begins is what is kept."""
    text = BOARD.replace("then: 3}", "then: 0}")
    losses = "  losses: {prompts: 0, smoothness: 0, commitment: 0}"
    board.write_text(text.replace("  cutouts: 3", losses))
    made = run("film.yaml", "-o", "film.mp4")
    assert made.returncode == 0, made.stderr
    first, *_, last = list(read_video(tmp_path / "film.mp4").frames)[:12]
    assert not np.array_equal(first, last)  # the camera went on


def test_a_reader_that_has_seen_enough_is_no_defect(
    run: Run, board: Path, tmp_path: Path, models_folder: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [RENDER, "check", "film.yaml"],
        cwd=tmp_path,
        env={**os.environ, "RENDER_MODELS": str(models_folder)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert done.stderr == ""


FULL = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs a device that is always full"
)


@FULL
@pytest.mark.parametrize(
    "command",
    ["check film.yaml", "models", "schema", "inspect a.png", "--help", "check --help", "--version"],
)
def test_an_answer_that_cannot_be_written_is_told(
    board: Path, tmp_path: Path, models_folder: Path, command: str
) -> None:
    write_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8), {"render": "1"})
    done = shell(f'"$0" {command} >/dev/full', tmp_path, models_folder)
    sentence = "stdout cannot be written: No space left on device. Send what is told there"
    assert (done.returncode, done.stderr) == (1, f"render: {sentence} somewhere else\n")
    done = shell(f'"$0" {command} | true', tmp_path, models_folder)
    assert done.stderr == ""


@FULL
@pytest.mark.parametrize("end", [">/dev/full", ">&-"])
def test_a_film_is_made_where_nobody_reads_that_it_is(
    board: Path, tmp_path: Path, models_folder: Path, end: str
) -> None:
    made = '"$0" film.yaml -o film.mp4 2>said'
    shell(f"{{ {made} {end}; echo $? >code; }}", tmp_path, models_folder)
    assert (tmp_path / "code").read_text() == "0\n"
    assert "defect" not in (tmp_path / "said").read_text()
    assert len(list(read_video(tmp_path / "film.mp4").frames)) == 30


@FULL
def test_a_usage_error_that_cannot_be_written_is_one(
    board: Path, tmp_path: Path, models_folder: Path
) -> None:
    for command in ("--bogus", "film.yaml --bogus", "chek film.yaml"):
        assert shell(f'"$0" {command} 2>/dev/full', tmp_path, models_folder).returncode == 2


def shell(command: str, folder: Path, models_folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of sh in which $0 is the installed command."""
    return subprocess.run(
        ["sh", "-c", command, RENDER],
        cwd=folder,
        env={**os.environ, "RENDER_MODELS": str(models_folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_end_of_a_long_prompt_is_found_in_few_looks() -> None:
    looks = []

    class Counting:
        context = 77

        def tokens_of(self, text: str) -> int:
            looks.append(text)
            return len(text.split()) + 2

    words = [f"wave{number}" for number in range(500)]
    for count in (1, 74, 75):
        assert unread_words(" ".join(words[:count]), Counting()) == ""  # type: ignore[arg-type]
    looks.clear()
    assert unread_words(" ".join(words), Counting()) == " ".join(words[75:])  # type: ignore[arg-type]
    assert len(looks) <= 10


@FULL
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full", "2>/dev/full --log-format json"])
def test_nobody_listening_does_not_stop_a_film(
    run: Run, board: Path, tmp_path: Path, models_folder: Path, stderr: str
) -> None:
    environment = {**os.environ, "RENDER_MODELS": str(models_folder)}
    command = f'exec "$0" film.yaml -o film.mp4 {stderr}'
    done = subprocess.run(
        ["sh", "-c", command, RENDER], cwd=tmp_path, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0
    assert run("film.yaml", "-o", "heard.mp4", "--latents", "heard.latents").returncode == 0
    assert (tmp_path / "film.mp4").read_bytes() == (tmp_path / "heard.mp4").read_bytes()
    assert latents(tmp_path) == {
        path.name: path.read_bytes() for path in (tmp_path / "heard.latents").iterdir()
    }


def test_an_unwritable_latents_folder_is_a_sentence(run: Run, board: Path, tmp_path: Path) -> None:
    (tmp_path / "film.latents").write_text("a file where a folder should be")
    for arguments in (("film.yaml", "-o", "o.mp4"), ("check", "film.yaml")):
        result = run(*arguments)
        assert result.returncode == 2
        assert ("7 keyframes" in result.stdout) == (arguments[0] == "check")
        assert result.stderr.startswith("render: film.latents is in the way: latents are kept in a")


def test_ctrl_c_says_what_is_kept(board: Path, tmp_path: Path, models_folder: Path) -> None:
    board.write_text(BOARD.replace("then: 3", "then: 400"))
    process = start(tmp_path, models_folder, "film.yaml", "-o", "film.mp4")
    wait_for(lambda: len(list((tmp_path / "film.latents").glob("*.safetensors"))) >= 1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "keyframes are kept" in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.glob("film.mp4*"))  # nor what was begun of it


def start(folder: Path, models_folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "RENDER_MODELS": str(models_folder)}
    return subprocess.Popen(
        [RENDER, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_killed_twenty_times_the_film_is_the_same(
    run: Run, board: Path, tmp_path: Path, models_folder: Path
) -> None:
    """kill -9 at random moments, from start-up to encoding; then the bytes of a quiet run."""
    board.write_text(BOARD.replace("then: 3", "then: 12").replace("first: 6", "first: 20"))
    assert run("film.yaml", "-o", "quiet.mp4", "--latents", "quiet.latents").returncode == 0
    expected = (tmp_path / "quiet.mp4").read_bytes()
    wanted = len(list((tmp_path / "quiet.latents").glob("*.safetensors")))
    chance = random.Random(5)
    kills = 0
    rounds = 0
    while kills < 20:
        rounds += 1
        assert rounds < 60
        folder = tmp_path / "film.latents"
        process = start(tmp_path, models_folder, "film.yaml", "-o", "film.mp4")
        known = len(list(folder.glob("*.safetensors"))) if folder.exists() else 0
        left = set(tmp_path.glob("*.partial"))
        # Strike at start-up, or within the next moments after work has visibly gone on.
        began = time.monotonic()
        patient = chance.random() < 0.6
        while patient and process.poll() is None and time.monotonic() - began < 60:
            there = len(list(folder.glob("*.safetensors"))) if folder.exists() else 0
            encoding = known == wanted and set(tmp_path.glob("*.partial")) > left
            if there > known or encoding:
                break
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.25))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate(timeout=60)
        if (tmp_path / "film.mp4").exists():  # it got through: that film must be right too
            assert (tmp_path / "film.mp4").read_bytes() == expected
            (tmp_path / "film.mp4").unlink()
            shutil.rmtree(folder)
    last = run("film.yaml", "-o", "film.mp4")
    assert last.returncode == 0, last.stderr
    assert (tmp_path / "film.mp4").read_bytes() == expected
    quiet = {p.name: p.read_bytes() for p in (tmp_path / "quiet.latents").iterdir()}
    kept = {p.name: p.read_bytes() for p in (tmp_path / "film.latents").glob("*.safetensors")}
    assert kept == quiet
