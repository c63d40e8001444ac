"""The installed command, end to end, on tiny true models: films, stills, resume, errors."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from cli.installed import BOARD, Render, start, stored_files
from PIL import Image
from safetensors.torch import save_file

from render.media.video import read_video


def test_a_film_is_planned_made_and_not_made_twice(
    render: Render, board: Path, tmp_path: Path
) -> None:
    before = render("check", "film.yaml")
    assert before.returncode == 0, before.stderr
    assert "8 keyframes" not in before.stdout
    assert "7 keyframes in 2 chains" in before.stdout
    made = render("film.yaml", "-o", "film.mp4")
    assert made.returncode == 0, made.stderr
    assert "\x1b" not in made.stderr  # no control codes without a terminal
    film = read_video(tmp_path / "film.mp4")
    assert (film.size, film.fps) == ((64, 48), Fraction(12))
    assert len(list(film.frames)) == 30
    assert (tmp_path / "film.preview.png").exists()
    note = json.loads(render("inspect", "film.mp4", "--json").stdout)
    assert note["storyboard"] == BOARD
    assert {model["name"] for model in note["models"]} == {"tiny-vqgan", "tiny-clip"}
    assert all(len(model["sha256"]) == 64 for model in note["models"])
    assert render("inspect", "film.mp4", "--storyboard").stdout == BOARD

    stored, times = stored_files(tmp_path), {}
    for path in (tmp_path / "film.latents").iterdir():
        times[path.name] = path.stat().st_mtime_ns
    first = (tmp_path / "film.mp4").read_bytes()
    again = render("film", "film.yaml", "-o", "again.mp4", "-q")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (tmp_path / "again.mp4").read_bytes() == first
    assert stored_files(tmp_path) == stored
    for path in (tmp_path / "film.latents").iterdir():
        assert path.stat().st_mtime_ns == times[path.name], "a finished keyframe was made again"
    assert "all" in render("check", "film.yaml").stdout

    # Another frame rate or codec decodes again and optimises nothing.
    board.write_text(BOARD.replace("fps: 12", "fps: 23.976"))
    assert render("film.yaml", "-o", "other.mp4").returncode == 0
    assert stored_files(tmp_path) == stored
    assert read_video(tmp_path / "other.mp4").fps == Fraction(24000, 1001)

    # An edit to the first chain leaves the second alone.
    board.write_text(BOARD.replace("prompts: fire", "prompts: a lake"))
    edited = render("check", "film.yaml").stdout
    table = edited[: edited.index("prompts")]
    rows = {line.split()[0]: line for line in table.splitlines() if line.startswith("  ")}
    assert " all " in rows["dawn"]
    assert "1 of 3" in rows["fire"]  # its first keyframe has only prompts of the dawn
    assert " all " in rows["night"]


def test_the_same_storyboard_gives_the_same_bytes(
    render: Render, board: Path, tmp_path: Path
) -> None:
    assert render("film.yaml", "-o", "one.mp4").returncode == 0
    shutil.move(tmp_path / "film.latents", tmp_path / "kept")
    assert render("film.yaml", "-o", "two.mp4").returncode == 0
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_fresh_moves_the_latents_aside(render: Render, board: Path, tmp_path: Path) -> None:
    assert render("film.yaml", "-o", "film.mp4", "-q").returncode == 0
    stored = stored_files(tmp_path)
    refused = render("film.yaml", "-o", "film.mp4", "--fresh", input="n\n")
    assert refused.returncode == 2
    assert "add --yes" in refused.stderr  # stdin is a pipe
    assert stored_files(tmp_path) == stored
    done = render("film.yaml", "-o", "film.mp4", "--fresh", "--yes", "-q")
    assert done.returncode == 0, done.stderr
    assert stored_files(tmp_path) == stored
    assert {p.name for p in (tmp_path / "film.latents.1").iterdir()} == set(stored)


def test_a_changed_latent_repairs_itself_and_its_children_stay(
    render: Render, board: Path, tmp_path: Path
) -> None:
    assert render("film.yaml", "-o", "film.mp4", "-q").returncode == 0
    film, stored = (tmp_path / "film.mp4").read_bytes(), stored_files(tmp_path)
    listed = render("latents", "film.yaml").stdout.splitlines()[1].split()[-1]
    path = tmp_path / listed
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    checked = render("check", "film.yaml").stdout
    assert "was changed since Render wrote it, and its keyframe is made again" in checked
    assert "to do: 1 keyframe" in checked
    done = render("film.yaml", "-o", "film.mp4")
    assert done.returncode == 0, done.stderr
    assert f"It is now {path.name}.damaged-1, and its keyframe is made again" in done.stderr
    assert (tmp_path / "film.mp4").read_bytes() == film
    assert stored_files(tmp_path) == stored


def test_a_damaged_latent_is_made_again(render: Render, board: Path, tmp_path: Path) -> None:
    assert render("film.yaml", "-o", "film.mp4", "-q").returncode == 0
    film, stored = (tmp_path / "film.mp4").read_bytes(), stored_files(tmp_path)
    damaged = sorted((tmp_path / "film.latents").iterdir())[2]
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert render("film.yaml", "-o", "film.mp4", "-q").returncode == 0
    assert stored_files(tmp_path) == stored
    assert (tmp_path / "film.mp4").read_bytes() == film


def test_a_still_of_a_draft_is_a_frame_of_its_film(
    render: Render, board: Path, tmp_path: Path
) -> None:
    board.write_text(BOARD.replace("64x48", "128x96"))
    draft = render("film.yaml", "-o", "draft.mp4", "--draft", "--log-format", "json")
    assert draft.returncode == 0, draft.stderr
    events = [json.loads(line) for line in draft.stderr.splitlines()]
    shares = [event["done"] for event in events if event.get("event") == "progress"]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert read_video(tmp_path / "draft.mp4").size == (64, 48)
    made = render("still", "film.yaml", "--at", "0.25s", "-o", "frame.png", "--draft")
    assert made.returncode == 0, made.stderr
    with Image.open(tmp_path / "frame.png") as image:
        assert image.size == (64, 48)
        still = np.array(image)
    frames = list(read_video(tmp_path / "draft.mp4").frames)
    differences = [np.abs(frame.astype(int) - still).mean() for frame in frames]
    assert np.argmin(differences) == 3  # the film's frame, apart from x264's losses
    note = render("inspect", "frame.png").stdout
    assert "dawn" in note
    assert "draft" in note  # without it, the storyboard of the note makes another picture


def test_a_still_makes_only_the_keyframes_that_it_needs(
    render: Render, board: Path, tmp_path: Path
) -> None:
    assert render("still", "film.yaml", "--at", "0.5s", "-o", "frame.png").returncode == 0
    assert len(stored_files(tmp_path)) == 2


def test_interpolate_makes_a_film_of_pictures_and_latents(
    render: Render, board: Path, tmp_path: Path
) -> None:
    assert render("film.yaml", "-o", "film.mp4", "-q").returncode == 0
    latent = f"film.latents/{sorted(stored_files(tmp_path))[0]}"
    random_picture = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(random_picture).save(tmp_path / "photo.jpg")
    assert render("still", "film.yaml", "--at", "0s", "-o", "a.png").returncode == 0
    common = ("--seconds", "0.5", "--model", "tiny-vqgan", "--fps", "12")
    for blend in ("lerp", "slerp", "codes"):
        made = render(
            "interpolate", "a.png", latent, "photo.jpg", "-o", "m.mp4", "--blend", blend, *common
        )
        assert made.returncode == 0, made.stderr
        assert len(list(read_video(tmp_path / "m.mp4").frames)) == 2 * 6 + 1
    looped = render("interpolate", "a.png", latent, "-o", "loop.mp4", "--loop", *common)
    assert looped.returncode == 0, looped.stderr
    frames = list(read_video(tmp_path / "loop.mp4").frames)
    assert len(frames) == 12
    assert not np.array_equal(frames[0], frames[-1])
    assert "journey" in render("inspect", "loop.mp4").stdout


def test_interpolate_refuses_wrong_inputs_and_options(
    render: Render, board: Path, tmp_path: Path
) -> None:
    assert render("film.yaml", "-o", "film.mp4", "-q").returncode == 0
    latent = f"film.latents/{sorted(stored_files(tmp_path))[0]}"
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / latent).read_bytes()[:80])
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    Image.new("RGB", (64, 48)).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-200])
    wrong_note = json.dumps({"render": "1", "kind": "latent", "size": 3, "models": "none"})
    save_file({"latent": torch.zeros(1)}, tmp_path / "odd.safetensors", {"render": wrong_note})
    cases = {
        ("a.png",): "two or more",
        ("a.png", "absent.png"): "absent.png is not there",
        ("a.png", "film.yaml"): "not an image",
        ("a.png", "cut.jpg"): "cut.jpg is not an image",
        ("a.png", "odd.safetensors"): "not a latent that Render wrote",
        ("a.png", "a.png", "--fps", "0", "--seconds", "10f"): "--fps '0' is out of range",
        ("a.png", "cut.safetensors"): "cut.safetensors",
        (latent, "a.png", "--size", "128x96"): "64x48, not 128x96",
        ("a.png", "a.png", "--ease", "wobble"): "--ease 'wobble' is not known",
        ("a.png", "a.png", "--seconds", "0"): "--seconds '0' is out of range",
        ("a.png", "a.png", "--codec", "betamax"): "betamax",
    }
    for arguments, sentence in cases.items():
        result = render("interpolate", *arguments, "-o", "out.mp4")
        assert result.returncode == 2, (arguments, result.stderr)
        assert sentence in result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "out.mp4").exists()


def test_wrong_input_is_reported_in_a_sentence_and_exits_with_2(
    render: Render, board: Path, tmp_path: Path
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
        ("models", "get", "tiny-clip", "--from", "film.yaml"): "is one of your models already",
        ("models", "get", "vqgan-coco", "--from", "film.yaml"): "is not the published file",
        ("film.yaml", "--nonsense"): "nonsense",
    }
    for arguments, sentence in cases.items():
        result = render(*arguments)
        assert result.returncode == 2, (arguments, result.stdout, result.stderr)
        assert sentence in result.stderr, (arguments, result.stderr)
        assert "Traceback" not in result.stderr
    assert (tmp_path / "holiday.mp4").read_bytes() == b"somebody's film"
    assert not (tmp_path / "film.latents").exists()


def test_keyframes_without_steps_only_follow_the_camera(
    render: Render, board: Path, tmp_path: Path
) -> None:
    """With no steps and no loss on a first keyframe, its initial latent is stored."""
    text = BOARD.replace("then: 3}", "then: 0}")
    losses = "  losses: {prompts: 0, smoothness: 0, commitment: 0}"
    board.write_text(text.replace("  cutouts: 3", losses))
    made = render("film.yaml", "-o", "film.mp4")
    assert made.returncode == 0, made.stderr
    first, *_, last = list(read_video(tmp_path / "film.mp4").frames)[:12]
    assert not np.array_equal(first, last)  # the camera moved


def test_a_file_in_place_of_the_latents_folder_is_an_error(
    render: Render, board: Path, tmp_path: Path
) -> None:
    (tmp_path / "film.latents").write_text("a file where a folder should be")
    for arguments in (("film.yaml", "-o", "o.mp4"), ("check", "film.yaml")):
        result = render(*arguments)
        assert result.returncode == 2
        assert ("7 keyframes" in result.stdout) == (arguments[0] == "check")
        assert result.stderr.startswith("render: film.latents is a file; choose a folder for the")


def test_ctrl_c_says_that_keyframes_are_kept(
    board: Path, tmp_path: Path, models_folder: Path
) -> None:
    board.write_text(BOARD.replace("then: 3", "then: 400"))
    process = start(tmp_path, models_folder, "film.yaml", "-o", "film.mp4")
    wait_for(lambda: len(list((tmp_path / "film.latents").glob("*.safetensors"))) >= 1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "keyframes are kept" in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.glob("film.mp4*"))  # nor a partial one


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_two_runs_of_one_film_share_its_keyframes(
    render: Render, board: Path, tmp_path: Path, models_folder: Path
) -> None:
    """Both end with the same film; each keyframe is made by one of them."""
    board.write_text(BOARD.replace("then: 3", "then: 12").replace("first: 6", "first: 30"))
    folder = tmp_path / "film.latents"
    first = start(tmp_path, models_folder, "film.yaml", "-o", "film.mp4", "--log-format", "json")
    while not list(folder.glob("*.safetensors")):
        assert first.poll() is None
        time.sleep(0.01)
    refused = start(tmp_path, models_folder, "film.yaml", "-o", "c.mp4", "--if-busy", "refuse")
    second = start(tmp_path, models_folder, "film.yaml", "-o", "other.mp4", "--log-format", "json")
    ends = [process.communicate(timeout=100) for process in (first, second, refused)]
    assert (first.returncode, second.returncode) == (0, 0), ends
    assert (tmp_path / "film.mp4").read_bytes() == (tmp_path / "other.mp4").read_bytes()
    said = [" ".join(filter(None, end)) for end in ends]
    assert "makes the same keyframe now; waiting for it" in said[0] + said[1]
    if refused.returncode:  # it came in time
        assert refused.returncode == 1
        assert "makes a keyframe of this film now; run this again" in said[2]


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("wanted", [20])
def test_killed_many_times_the_film_is_the_same(
    render: Render, board: Path, tmp_path: Path, models_folder: Path, wanted: int
) -> None:
    """kill -9 at random moments, from start-up to encoding; the bytes are those of one run."""
    board.write_text(BOARD.replace("then: 3", "then: 12").replace("first: 6", "first: 20"))
    assert (
        render("film.yaml", "-o", "undisturbed.mp4", "--latents", "undisturbed.latents").returncode
        == 0
    )
    expected = (tmp_path / "undisturbed.mp4").read_bytes()
    total = len(list((tmp_path / "undisturbed.latents").glob("*.safetensors")))
    chance = random.Random(5)
    kills = 0
    rounds = 0
    while kills < wanted:
        rounds += 1
        assert rounds < 60
        folder = tmp_path / "film.latents"
        process = start(tmp_path, models_folder, "film.yaml", "-o", "film.mp4")
        known = len(list(folder.glob("*.safetensors"))) if folder.exists() else 0
        leftover = set(tmp_path.glob("*.partial"))
        # Kill during start-up, or shortly after another keyframe or the film was begun.
        started = time.monotonic()
        waits = chance.random() < 0.6
        while waits and process.poll() is None and time.monotonic() - started < 60:
            stored = len(list(folder.glob("*.safetensors"))) if folder.exists() else 0
            encoding = known == total and set(tmp_path.glob("*.partial")) > leftover
            if stored > known or encoding:
                break
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.25))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate(timeout=60)
        if (tmp_path / "film.mp4").exists():  # it finished before: that film must be right too
            assert (tmp_path / "film.mp4").read_bytes() == expected
            (tmp_path / "film.mp4").unlink()
            shutil.rmtree(folder)
    last = render("film.yaml", "-o", "film.mp4")
    assert last.returncode == 0, last.stderr
    assert (tmp_path / "film.mp4").read_bytes() == expected
    expected_latents = {
        p.name: p.read_bytes() for p in (tmp_path / "undisturbed.latents").glob("*.safetensors")
    }
    kept = {p.name: p.read_bytes() for p in (tmp_path / "film.latents").glob("*.safetensors")}
    assert kept == expected_latents
