"""Films, stills, drawings and journeys of every kind of generator."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from cli.console import BOARD, Run
from PIL import Image

from render.media.provenance import read_note
from render.media.video import read_video
from render.synthesis.latents import load_latent

CPU = ("--device", "cpu", "-q")
HEAD = BOARD.partition("shots:")[0]
DRAWING = HEAD.replace("generator: tiny-vqgan", "generator: {name: strokes, count: 12}")
KINDS = (
    HEAD + "shots:\n"
    "  - {name: dawn, duration: 1s, prompts: sea, generator: color}\n"
    "  - {name: day, duration: 1s, prompts: sea, generator: {name: strokes, count: 12},\n"
    "     transition: {kind: dissolve, duration: 0.5s}, camera: {zoom: 1.5/s}}\n"
    "  - {name: dusk, duration: 1s, prompts: fire, generator: pixels,\n"
    "     transition: {kind: continue, duration: 0.5s}, camera: {x: 20%/s}}\n"
    "  - {name: night, duration: 1s, prompts: fire, transition: {kind: continue, duration: 0.5s}}\n"
    "  - {name: end, duration: 1s, prompts: sea, generator: {name: strokes, count: 12},\n"
    "     transition: {kind: dissolve, duration: 0.5s}}\n"
)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawings of pictures are fitted in a few steps."""
    monkeypatch.setattr("render.generators.strokes.FIT_STEPS", 3)


def test_a_film_of_all_kinds_goes_on_where_it_was_stopped(run: Run) -> None:
    Path("film.yaml").write_text(KINDS)
    code, _, err = run("film.yaml", "-o", "whole.mp4", *CPU)
    assert code == 0, err
    frames = np.stack([frame.astype(int) for frame in read_video(Path("whole.mp4")).frames])
    assert len(frames) == 20
    jumps = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
    assert jumps[3:5].max() < 100  # a dissolve begins as the shot before went on
    latents = sorted(Path("film.latents").glob("*.safetensors"))
    for latent in latents[::2]:  # as if the film had been stopped
        latent.unlink()
    code, _, err = run("film.yaml", "-o", "again.mp4", *CPU)
    assert code == 0, err
    assert Path("whole.mp4").read_bytes() == Path("again.mp4").read_bytes()
    kinds = {read_note(latent)["models"][0]["name"] for latent in latents}
    assert kinds == {"color", "strokes", "pixels", "tiny-vqgan"}
    note = next(note for note in map(read_note, latents) if note["models"][0]["name"] == "strokes")
    assert note["models"][0]["parameters"] == {"count": 12, "width": 0.04, "paper": "#ffffff"}


def test_a_frame_of_strokes_is_written_as_a_drawing(run: Run) -> None:
    shots = (
        "shots:\n  - {name: a, duration: 1s, prompts: sea}\n"
        "  - {name: b, duration: 1s, prompts: fire, transition: {kind: dissolve, duration: 1s}}\n"
    )
    Path("film.yaml").write_text(DRAWING + shots)
    code, _, err = run("still", "film.yaml", "--at", "1.5s", "-o", "frame.svg", *CPU)
    assert code == 0, err
    text = Path("frame.svg").read_text()
    assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"')
    assert text.count("<path ") == 24  # both drawings,
    assert text.count('opacity="0.5"') == 1  # one half above the other
    assert read_note(Path("frame.svg"))["frame"] == 6
    assert run("still", "film.yaml", "--at", "1.5s", "-o", "frame.svg", *CPU)[0] == 0  # its own
    Path("frame.svg").write_text(text.replace("<path ", "<path class='mine' ", 1))
    code, _, err = run("still", "film.yaml", "--at", "1.5s", "-o", "frame.svg", *CPU)
    assert (code, "was changed since Render wrote it" in err) == (2, True)
    code, _, err = run("latents", "film.yaml", "--at", "0s", "-o", "kept.svg")
    assert code == 0, err
    assert Path("kept.svg").read_text().count("<path ") == 12
    code, _, err = run(
        "still", "film.yaml", "--at", "0s", "-o", "frame.svg", "--stegano", "--force", *CPU
    )
    assert (code, "no pixels" in err) == (2, True)


def test_what_is_no_drawing_is_not_written_as_one(run: Run) -> None:
    code, _, err = run("still", "film.yaml", "--at", "0s", "-o", "a.svg", *CPU)
    assert (code, "frame 0 comes from the generator tiny-vqgan" in err) == (2, True)
    assert run("still", "film.yaml", "--at", "0s", "-o", "a.png", *CPU)[0] == 0
    code, _, err = run("latents", "film.yaml", "--at", "0s", "-o", "a.svg")
    assert (code, "the latent is one of the generator tiny-vqgan" in err) == (2, True)
    assert not Path("a.svg").exists()


def test_a_journey_travels_within_a_kind_and_between_kinds(run: Run) -> None:
    Path("film.yaml").write_text(KINDS)
    names = {}
    for kind, time in (("color", "0s"), ("strokes", "1.5s"), ("pixels", "2.75s"), ("end", "4.75s")):
        assert run("still", "film.yaml", "--at", time, "-o", f"{kind}.png", *CPU)[0] == 0
        names[kind] = f"{kind}.safetensors"
        code, _, err = run("latents", "film.yaml", "--at", time, "-o", names[kind])
        assert code == 0, err
    assert load_latent(Path("color.safetensors"))[0].shape == (1, 3, 1, 1)
    for stops, made_by in (
        (("strokes", "end"), "strokes"),
        (("color", "color"), "color"),
        (("pixels", "strokes", "color"), "starter"),
    ):
        inputs = [names[stop] for stop in stops]
        code, _, err = run("interpolate", *inputs, "-o", "m.mp4", "--force", "--fps", "4", *CPU)
        assert code == 0, err
        note = read_note(Path("m.mp4"))
        assert note["models"][0]["name"] == made_by
        assert sum(1 for _ in read_video(Path("m.mp4")).frames) == 8 * (len(stops) - 1) + 1
    slerp = ("--blend", "slerp", "-o", "s.mp4", *CPU)
    code, _, err = run("interpolate", names["strokes"], names["end"], *slerp)
    assert (code, "strokes travel with --blend lerp" in err) == (2, True)


def test_pictures_are_drawn_and_travelled_between(run: Run) -> None:
    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGB", (48, 32), colour).save(name)
    common = ("--model", "strokes", "--fps", "4", "--seconds", "0.5", *CPU)
    code, _, err = run("interpolate", "a.png", "b.png", "-o", "m.mp4", *common)
    assert code == 0, err
    first, *_, last = read_video(Path("m.mp4")).frames
    assert first[..., 0].mean() > first[..., 2].mean() + 20
    assert last[..., 2].mean() > last[..., 0].mean() + 20


def test_a_latent_of_another_kind_or_count_is_refused(run: Run) -> None:
    Path("film.yaml").write_text(DRAWING + "shots:\n  - {duration: 1s, prompts: sea}\n")
    assert run("still", "film.yaml", "--at", "0s", "-o", "a.png", *CPU)[0] == 0
    (latent, *_) = Path("film.latents").glob("*.safetensors")
    shutil.copy(latent, "kept.safetensors")
    shot = "shots:\n  - {duration: 1s, prompts: sea, init: kept.safetensors}\n"
    Path("film.yaml").write_text(HEAD + shot)
    code, _, err = run("check", "film.yaml")
    assert (code, "made by the generator strokes, and the film's is tiny-vqgan" in err) == (2, True)
    Path("film.yaml").write_text(DRAWING.replace("count: 12", "count: 20") + shot)
    code, _, err = run("check", "film.yaml")
    assert (code, "has 12 strokes, and the film's drawings have 20" in err) == (2, True)
    Path("film.yaml").write_text(DRAWING + shot)
    assert run("still", "film.yaml", "--at", "0.5s", "-o", "b.png", *CPU)[0] == 0
