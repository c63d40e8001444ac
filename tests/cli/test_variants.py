"""Variants of a frame: seeds and values side by side, each with a latent that can be kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.console import Run
from PIL import Image

from render.cli.variants import read_seeds, read_values
from render.errors import InputError
from render.media.provenance import read_note

CPU = ("--device", "cpu", "-q")


def test_seeds_are_ranges_and_lists() -> None:
    assert read_seeds("1..3") == ["seed=1", "seed=2", "seed=3"]
    assert read_seeds("4, 7..8,4") == ["seed=4", "seed=7", "seed=8"]
    for wrong in ("", "a", "3..1", "1..", "1..1000", "-1..3", "1.5", "9" * 30):
        with pytest.raises(InputError, match=r"--seeds"):
            read_seeds(wrong)


def test_values_are_split_outside_brackets_and_quotes() -> None:
    assert read_values("step=0.4,0.8") == ["step=0.4", "step=0.8"]
    assert read_values("size=[64, 48],[32, 32]") == ["size=[64, 48]", "size=[32, 32]"]
    assert read_values("style='a, b',c") == ["style='a, b'", "style=c"]
    for wrong in ("step", "=1,2", "step=", "step=1,,2"):
        with pytest.raises(InputError, match="--vary"):
            read_values(wrong)


def test_a_still_of_many_seeds_is_a_sheet(run: Run) -> None:
    common = ("still", "film.yaml", "--at", "0s", "-o", "sheet.png", *CPU)
    code, _, err = run(*common, "--seeds", "1..4", "--stegano")
    assert code == 0, err
    with Image.open("sheet.png") as sheet:
        assert sheet.width > 2 * 240
    note = read_note(Path("sheet.png"))
    assert (note["kind"], note["variants"][0], len(note["variants"])) == ("sheet", "seed=1", 4)
    assert (
        len(list(Path("film.latents").glob("*.safetensors"))) == 4
    )  # each is a latent that can be kept
    for wrong, says in (
        (("--seeds", "1"), "2 to 100"),
        (("--at", "0.5s", "--seeds", "1..2"), "--at"),
    ):
        code, _, err = run(*common, *wrong)
        assert (code, says in err) == (2, True), err


def test_variants_fill_a_folder_that_interpolate_takes(run: Run) -> None:
    made = ("variants", "film.yaml", "-o", "made", "--vary", "step=0.2,0.8", *CPU)
    code, _, err = run(*made)
    assert code == 0, err
    assert sorted(path.name for path in Path("made").iterdir()) == [
        "001-step-0.2.png", "001-step-0.2.safetensors",
        "002-step-0.8.png", "002-step-0.8.safetensors", "sheet.png",
    ]  # fmt: skip
    assert read_note(Path("made/002-step-0.8.png"))["settings"] == ["step=0.8"]
    assert run(*made)[0] == 0  # replaces its own
    code, _, err = run("interpolate", "made", "-o", "m.mp4", "--fps", "4", *CPU)
    assert code == 0, err
    assert read_note(Path("m.mp4"))["inputs"] == [
        "001-step-0.2.safetensors",
        "002-step-0.8.safetensors",
    ]
    (Path("made") / "001-step-0.2.png").write_bytes(b"mine")
    code, _, err = run(*made)
    assert (code, "was not written by Render" in err) == (2, True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "say what varies, once"),
        (("--seeds", "1..2", "--vary", "step=1,2"), "say what varies, once"),
        (("--seed", "5", "--seeds", "1..2"), "seed=5 is set for all variants, and seed varies"),
        (("--vary", "steps=1,2"), "did you mean step?"),
        (("--vary", "step=1,99"), "step '99' is out of range"),
        (("--seeds", "1..2", "--at", "9s"), "the film runs from 0 to 1 s"),
    ],
)
def test_what_cannot_be_varied_is_said_at_once(
    run: Run, options: tuple[str, ...], sentence: str
) -> None:
    code, _, err = run("variants", "film.yaml", "-o", "made", *options, *CPU)
    assert code == 2
    assert sentence in err
    assert not Path("made").exists()


def test_a_folder_without_pictures_is_no_journey(run: Run) -> None:
    Path("empty").mkdir()
    code, _, err = run("interpolate", "empty", "empty", "-o", "m.mp4", *CPU)
    assert (code, "empty is a folder; name a picture or a latent in it" in err) == (2, True)


def test_a_file_of_the_user_s_is_not_replaced_by_a_latent(run: Run) -> None:
    Path("v").mkdir()
    Path("v/001-seed-1.safetensors").write_text("mine")
    code, _, err = run("variants", "film.yaml", "--seeds", "1,2", "--at", "0s", "-o", "v")
    assert code == 2
    assert "001-seed-1.safetensors exists and is no latent of Render's" in err
    assert Path("v/001-seed-1.safetensors").read_text() == "mine"
