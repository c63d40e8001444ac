"""Texts scored against pictures and colours, and colours that are found for texts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from cli.console import Run
from PIL import Image

from render.cli import scoring
from render.media.provenance import read_note

TINY = ("--perceptor", "tiny-clip", "--device", "cpu")
TEXTS = ("--text", "a red sea", "--text", "fire")


@pytest.fixture(autouse=True)
def pictures(run: Run) -> None:
    for name, colour in (("red.png", "red"), ("blue.png", "blue")):
        Image.new("RGB", (40, 24), colour).save(name)


def test_each_text_is_scored_against_each_picture(run: Run) -> None:
    code, out, err = run("score", "red.png", "blue.png", *TEXTS, *TINY, "-o", "chart.png")
    assert code == 0, err
    assert "a red sea" in out
    assert "softmax of similarity / " in out
    with Image.open("chart.png") as chart:
        assert chart.height > 2 * 120
    assert read_note(Path("chart.png"))["texts"] == ["a red sea", "fire"]
    code, out, _ = run("score", "red.png", "blue.png", *TEXTS, *TINY, "--json")
    found = json.loads(out)
    assert [row["image"] for row in found["images"]] == ["red.png", "blue.png"]
    for row in found["images"]:
        first, second = row["scores"]
        assert first["share"] + second["share"] == pytest.approx(1, abs=1e-4)
        odds = (first["similarity"] - second["similarity"]) / found["temperature"]
        assert math.log(first["share"] / second["share"]) == pytest.approx(odds, abs=1e-2)
    _, out, _ = run("score", "red.png", *TEXTS, *TINY, "--json", "--temperature", "100")
    even = json.loads(out)["images"][0]["scores"]
    assert even[0]["share"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("red.png",), "no text is given"),
        (("red.png", "--text", " "), "a text is empty"),
        (("red.png", "--text", "a\x1b[2Jb"), "holds control characters"),
        (("redd.png", "--text", "sea"), "redd.png is not there. Did you mean 'red.png'?"),
        (("broken.png", "--text", "sea"), "broken.png is not an image that can be read"),
        ((".", "--text", "sea"), "is a folder"),
        (("red.png", "--text", "sea", "--perceptor", "tiny-clop"), "did you mean tiny-clip?"),
        (("red.png", "--text", "sea", "-o", "chart.jpg"), "name it chart.png"),
        (("red.png", "--text", "sea", "-o", "red.png"), "one of the files that it would be made"),
        (("--text", "sea"), "name images to score, or --colors"),
        (("red.png", "--colors", "--text", "sea"), "name images to score, or --colors"),
        (("--colors", "--text", "sea", "--temperature", "1"), "--temperature is for images"),
    ],
)
def test_what_cannot_be_scored_is_a_sentence(
    run: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    code, out, err = run("score", *arguments, *(() if "tiny-clop" in arguments else TINY))
    assert (code, out) == (2, "")
    assert sentence in err


def test_colours_of_a_grid_are_scored(run: Run) -> None:
    code, out, err = run("score", "--colors", *TEXTS, *TINY, "--json")
    assert code == 0, err
    first, second = json.loads(out)
    assert first["text"] == "a red sea"
    assert len(second["colors"]) == scoring.BEST
    similarities = [color["similarity"] for color in first["colors"]]
    assert similarities == sorted(similarities, reverse=True)
    code, out, _ = run("score", "--colors", *TEXTS, *TINY, "-o", "grid.png")
    assert first["colors"][0]["hex"] in out
    assert read_note(Path("grid.png"))["kind"] == "chart"


def test_a_colour_is_found_for_each_text(run: Run) -> None:
    code, out, err = run(
        "color", "a red sea", "fire", *TINY, "--steps", "12", "--from", "navy", "-o", "steps.png"
    )
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "a red sea"
    assert lines[1].strip().startswith("#")
    assert read_note(Path("steps.png"))["colors"][0] == lines[1].split()[0]
    with Image.open("steps.png") as strip:
        assert strip.getpixel((14, 40)) == (0, 0, 128)  # it begins with navy
    code, out, _ = run("color", "a red sea", *TINY, "--steps", "12", "--from", "navy", "--json")
    (found,) = json.loads(out)
    assert found["hex"] == lines[1].split()[0]  # the same again, alone
    assert len(found["steps"]) == 13


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sea", "--from", "blurple"), "--from 'blurple' is no colour"),
        (("sea", "--from", "#80808080"), "is transparent; write '#808080'"),
        (("",), "a text is empty"),
        (("sea", "--steps", "0"), "--steps"),
    ],
)
def test_what_has_no_colour_is_a_sentence(
    run: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, err = run("color", *arguments, *TINY)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_text_that_the_perceptor_knows_nothing_of_is_said(run: Run) -> None:
    for name in ("starter", "starter-objects"):
        code, _, err = run("score", "red.png", "--text", "qwxyz", "--perceptor", name)
        assert (code, "knows no word of 'qwxyz'" in err) == (2, True)


def test_no_codes_are_sent_to_what_is_no_terminal(run: Run) -> None:
    _, out, _ = run("color", "sea", *TINY, "--steps", "1")
    assert "\x1b" not in out
