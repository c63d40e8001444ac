"""`render animatic`: as long as the film, with its sound, and never in its place."""

from __future__ import annotations

import json
import wave
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from cli.console import BOARD, Run

from render.media.ffmpeg import input_arguments, run_ffmpeg
from render.media.provenance import read_note
from render.media.video import read_video

SHOTS = """\
version: 1
size: 32x32
fps: 24
bpm: 120
models: {generator: tiny-vqgan, perceptors: tiny-clip}
shots:
  - {name: dawn, duration: 1.3s, prompts: sea, camera: {zoom: 1.1/s}}
  - {name: dusk, duration: 0.9s, prompts: fire, transition: dissolve 0.5s}
"""


def write_sound(path: str, seconds: float) -> None:
    samples = np.random.default_rng(1).integers(-9000, 9000, round(8000 * seconds))
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.astype(np.int16).tobytes())


@pytest.mark.parametrize("fps", ["24", "12.5", "30000/1001"])
def test_it_has_the_frames_the_rate_and_the_sound_of_the_film(run: Run, fps: str) -> None:
    write_sound("song.wav", 1)
    Path("film.yaml").write_text(SHOTS + "audio: {file: song.wav, loop: true}\n")
    code, out, err = run("animatic", "film.yaml", "--fps", fps, "-o", "moves.mp4")
    assert (code, "made in" in out) == (0, True), err
    video = read_video(Path("moves.mp4"))
    frames = list(video.frames)
    assert video.fps == Fraction(fps)
    assert len(frames) == int(Fraction("2.2") * Fraction(fps) + Fraction(1, 2))
    assert video.size[0] == 320
    assert video.size[1] > 320
    assert all(np.abs(a.astype(int) - b).max() > 20 for a, b in pairwise(frames))
    arguments = (*input_arguments(Path("moves.mp4")), "-map", "0:a:0", "-ar", "8000")
    raw = run_ffmpeg(*arguments, "-ac", "1", "-f", "s16le", "-").stdout
    assert len(raw) / 2 / 8000 == pytest.approx(float(len(frames) / video.fps), abs=0.05)
    assert np.abs(np.frombuffer(raw, np.int16)[-4000:-800]).mean() > 1000


def test_it_never_takes_the_place_of_a_film_nor_a_film_its(run: Run) -> None:
    assert run("animatic", "film.yaml", "-q")[0] == 0
    made = Path("film.animatic.mp4")
    assert read_note(made)["kind"] == "animatic"
    first = made.read_bytes()
    assert run("animatic", "film.yaml", "-q")[0] == 0  # its own is replaced by the same
    assert made.read_bytes() == first
    code, _, err = run("film.yaml", "-o", str(made), "--device", "cpu", "-q")
    assert (code, "is an animatic that Render made, and not a film" in err) == (2, True)
    assert run("film.yaml", "--device", "cpu", "-q")[0] == 0
    film = Path("film.mp4").read_bytes()
    code, _, err = run("animatic", "film.yaml", "-o", "film.mp4")
    assert (code, "is a film that Render made, and not an animatic" in err) == (2, True)
    assert Path("film.mp4").read_bytes() == film
    assert run("animatic", "film.yaml", "-o", "film.mp4", "--force", "-q")[0] == 0
    assert read_note(Path("film.mp4"))["kind"] == "animatic"


def test_it_needs_no_weights(run: Run) -> None:
    board = BOARD.replace("tiny-vqgan", "vqgan-imagenet-f16-16384").replace("tiny-clip", "ViT-B/32")
    Path("film.yaml").write_text(board.replace("32x32", "64x64"))
    assert run("animatic", "film.yaml", "-q")[0] == 0


def test_a_part_of_it_has_that_part_s_frames_and_sound(run: Run) -> None:
    write_sound("song.wav", 3)
    Path("film.yaml").write_text(SHOTS + "audio: song.wav\n")
    assert run("animatic", "film.yaml", "--from", "0.5s", "--to", "1s", "-q")[0] == 0
    part = Path("film.0.5s-1s.animatic.mp4")
    assert len(list(read_video(part).frames)) == 12
    assert read_note(part)["frames"] == [[12, 24]]
    assert run("animatic", "film.yaml", "--shots", "dusk", "-o", "dusk.gif", "-q")[0] == 0
    assert len(list(read_video(Path("dusk.gif")).frames)) == 21


def test_progress_is_told_as_json(run: Run) -> None:
    code, _, err = run("animatic", "film.yaml", "-o", "a.mp4", "--log-format", "json")
    assert code == 0
    told = [json.loads(line) for line in err.splitlines()]
    assert [one["frame"] for one in told if one["event"] == "progress"] == [1, 2, 3, 4]
    assert told[-1]["event"] == "done"
    assert told[-1]["frames"] == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "moves.png"), "h264 is written to .mp4"),
        (("-o", "nowhere/moves.mp4"), "there is no folder nowhere"),
        (("-o", "film.yaml"), "h264 is written to"),
        (("-o", "a.gif", "--fps", "60"), "Players show at most 50"),
        (("--shots", "noon",), "there is no such shot"),
        (("--size", "3",), "size"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_said_before_anything_is_written(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    before = {path.name for path in Path().iterdir()}
    code, _, err = run("animatic", "film.yaml", *arguments)
    assert (code, said in err) == (2, True), err
    assert {path.name for path in Path().iterdir()} == before


def test_every_mistake_of_the_storyboard_is_told(run: Run) -> None:
    Path("film.yaml").write_text(BOARD + "  - {duration: x, prompts: a, camera: {zom: 2}}\n")
    code, _, err = run("animatic", "film.yaml", "-o", "a.mp4")
    assert code == 2
    assert "duration" in err
    assert "zom" in err
    assert not Path("a.mp4").exists()


def test_a_damaged_first_picture_is_a_sentence(run: Run) -> None:
    Path("hill.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    Path("film.yaml").write_text(BOARD.replace("prompts: sea", "prompts: sea, init: hill.png"))
    code, _, err = run("animatic", "film.yaml", "-o", "a.mp4")
    assert (code, "hill.png" in err, "Traceback" in err) == (2, True, False)
