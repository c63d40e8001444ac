"""Images that a storyboard names: what is wrong with them, and their size when upright."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image
from storyboard.samples import GROUND, HEAD, board, check_mistake, problems

from render.media.pictures import IMAGE_FORMATS
from render.storyboard.context import FilmContext, ShotContext
from render.storyboard.named_files import probe_image
from render.storyboard.parser import parse
from render.storyboard.problems import StoryboardError
from render.storyboard.reader import Reader
from render.storyboard.regions import Mask
from render.storyboard.yaml_nodes import Mistake, Scalar
from render.synthesis.images import load_image

CPU = torch.device("cpu")


def photograph(folder: Path, orientation: int, form: str = "JPEG") -> Path:
    """96x64 as it is stored, and held by a phone as the orientation says."""
    path = folder / f"{orientation}.{form.lower()}"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (96, 64), "white").save(path, form, exif=exif)
    return path


@pytest.mark.parametrize("form", IMAGE_FORMATS)
@pytest.mark.parametrize("orientation", range(10))
def test_a_picture_is_as_large_as_it_will_be_loaded(
    tmp_path: Path, orientation: int, form: str
) -> None:
    path = photograph(tmp_path, orientation, form)
    height, width = load_image(path, CPU).shape[-2:]
    assert probe_image(path) == (width, height)


@pytest.mark.parametrize("size", [(96, 64), (64, 96)])
def test_a_mask_must_have_the_film_s_shape_when_it_is_upright(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    for orientation in (1, 6):
        path = photograph(tmp_path, orientation)
        node, reader = Scalar(path.name, 1, 1), Reader()
        context = ShotContext(FilmContext(tmp_path, tmp_path, size=size))
        height, width = load_image(path, CPU).shape[-2:]
        if (width, height) == size:
            assert Mask().read(node, "where", context, reader) == path.resolve()
        else:
            with pytest.raises(Mistake, match=f"is {width}x{height}, another shape than the film"):
                Mask().read(node, "where", context, reader)


def test_a_mask_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = photograph(tmp_path, 6)
    opened, open_image = [], Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: opened.append(a) or open_image(*a, **k))
    context, reader = ShotContext(FilmContext(tmp_path, tmp_path, size=(64, 96))), Reader()
    for _ in range(3):
        Mask().read(Scalar(path.name, 1, 1), "where", context, reader)
    assert len(opened) == 2  # probed, and looked at for light


@pytest.mark.parametrize("exif", [b"Exi", b"Exif\0\0MM\0*\0\0"])
def test_a_picture_whose_orientation_cannot_be_read_is_reported(
    tmp_path: Path, exif: bytes
) -> None:
    Image.new("RGB", (96, 64)).save(tmp_path / "a.png", exif=exif)
    assert "is not an image that can be read" in str(probe_image(tmp_path / "a.png"))


MISTAKES = [
    (GROUND + "  init: [a]", 5, "a list"),
    (GROUND + "  init: https://a.b/c.png", 5, "Download it and name the file"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)


def test_images_are_probed(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "red").save(tmp_path / "fine.jpg")
    Image.new("RGB", (64, 48), "red").save(tmp_path / "fine.png")
    Image.new("RGB", (200, 200), "red").save(tmp_path / "whole.jpg")
    (tmp_path / "cut.png").write_bytes((tmp_path / "fine.png").read_bytes()[:-30])
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-300])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    Image.new("1", (9000, 9000)).save(tmp_path / "huge.png")
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")

    def prompt(name: str) -> str:
        return HEAD + f"shots:\n- duration: 1\n  prompts: [{{image: {name}}}]\n"

    for name in ("fine.jpg", "fine.png", "./fine.png"):
        (only,) = board(prompt(name), tmp_path).shots[0].prompts
        assert only.image == (tmp_path / name).resolve()
        assert only.text is None
    for name, says in {
        "missing.png": "is not there",
        "cut.png": "cannot be read|not an image",
        "cut.jpg": "not an image",
        "text.png": "not an image",
        "empty.png": "not an image",
        "folder.png": "is a folder",
        "huge.png": "9000x9000",
        "bomb.png": "far too large",
        '"a\\0b"': "cannot be a file's name",
        "x" * 5000: "cannot be a file's name|not there",
    }.items():
        (problem,) = problems(prompt(name), tmp_path)
        assert any(part in problem.message for part in says.split("|")), problem
        assert problem.line == 4


@pytest.mark.parametrize("key", ["init: {}", "prompts: {{image: {}}}", "palette: {}"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (r"images\hills.png", "has backslashes. Write folders with /: 'images/hills.png'"),
        (r"C:\work\hills.png", "is a path of a Windows machine"),
        ("D:/work/hills.png", "write 'hills.png'"),
        ("~/hills.png", "~ is not expanded here"),
        ("~anna/hills.png", "~anna is not expanded here"),
        ("$HOME/hills.png", "$HOME is not expanded here"),
        ("Hills.PNG", "Did you mean 'hills.png'?"),
        ("hils.png", "Did you mean 'hills.png'?"),
        ("hills.jpg", "Did you mean 'hills.png'?"),
        ("https://example.org/hills.png", "is an address"),
        ("file:///hills.png", "is an address"),
        ("s3://bucket/hills.png", "is an address"),
        ("  hills.png ", "Write it without what stands around it: 'hills.png'"),
    ],
)
def test_paths_from_elsewhere_are_told_how_to_write_them(
    tmp_path: Path, key: str, name: str, said: str
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "hills.png")
    given = key.format(f"'{name}'")
    prompts = "" if given.startswith("prompts") else "  prompts: a\n"
    with pytest.raises(StoryboardError) as error:
        parse(f"version: 1\nshots:\n- duration: 1s\n{prompts}  {given}\n", tmp_path)
    assert said in str(error.value)


@pytest.mark.skipif(os.name == "nt", reason="a backslash separates folders there")
def test_a_name_that_only_looks_foreign_is_taken(tmp_path: Path) -> None:
    for name in (r"a\b.png", "$x.png", "~.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
        parse(f"version: 1\nshots:\n- duration: 1s\n  prompts: a\n  init: '{name}'\n", tmp_path)


@pytest.mark.parametrize("key", ["init: a.png", "prompts: {image: a.png}", "palette: a.png"])
def test_a_picture_that_is_too_narrow_is_refused(tmp_path: Path, key: str) -> None:
    prompts = "" if key.startswith("prompts") else "  prompts: a\n"
    text = f"version: 1\nshots:\n- duration: 1s\n{prompts}  {key}\n"
    for size in ((60_000, 1), (1, 60_000), (4100, 100)):
        Image.new("1", size).save(tmp_path / "a.png")
        with pytest.raises(StoryboardError, match="too narrow to fill a frame"):
            parse(text, tmp_path)
    Image.new("1", (4000, 100)).save(tmp_path / "a.png")
    parse(text, tmp_path)


@pytest.mark.parametrize("key", ["init", "image", "latent", "palette", "mask", "include", "audio"])
def test_a_file_elsewhere_is_opened_only_if_that_is_allowed(tmp_path: Path, key: str) -> None:
    """Named by its whole path, by .. or by a link: a storyboard from anywhere is data."""
    folder = tmp_path / "board"
    folder.mkdir()
    Image.new("RGB", (320, 192)).save(tmp_path / "a.png")
    (folder / "link.png").symlink_to(tmp_path / "a.png")
    where = {
        "init": "init: {}", "image": "prompts: {{image: {}}}", "latent": "prompts: {{latent: {}}}",
        "palette": "palette: {}", "mask": "prompts: {{text: sea, where: {}}}",
    }  # fmt: skip
    for name in (str(tmp_path / "a.png"), "../a.png", "link.png", "./../board/link.png"):
        text = "version: 1\nshots:\n  - {duration: 2s, prompts: sea}\n"
        if key in where:
            line = where[key].format(name)
            prompts = "" if line.startswith("prompts") else "prompts: sea, "
            text = f"version: 1\nshots:\n  - {{duration: 2s, {prompts}{line}}}\n"
        elif key == "include":
            text += f"  - include: {name}\n"
        else:
            text += f"audio: {name}\n"
        with pytest.raises(StoryboardError) as caught:
            parse(text, folder)
        assert "is outside the storyboard's folder" in str(caught.value)
        try:
            parse(text, folder, allow_outside=True)
        except StoryboardError as error:  # it is no latent, sound or storyboard
            assert "outside" not in str(error)  # noqa: PT017
