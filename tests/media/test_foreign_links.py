"""Files of strangers beside a film: links and pipes under the names that Render writes to."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from render.errors import InputError
from render.media.atomic import atomic_write
from render.media.claims import FILE, Claims
from render.media.codecs import check_place
from render.media.provenance import ProvenanceError, read_note
from render.media.safetensors_header import has_latent, latent_damage, latent_path, read_header
from render.plan.arithmetic import remember_choice
from render.plan.cost import known_speed, remember_speed
from render.weights.library import read_record, write_record


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file that nobody named."""
    path = tmp_path / "precious.txt"
    path.write_text("a line of the user's\n" * 20_000)
    return path


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_claims_are_not_written_through_a_link(precious: Path, link: object) -> None:
    before = precious.read_bytes()
    folder = precious.parent / "film.latents"
    folder.mkdir()
    link(precious, folder / FILE)  # type: ignore[operator]
    assert Claims(folder).take("a keyframe")
    assert precious.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
def test_a_pipe_under_a_name_of_ours_hangs_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    assert Claims(tmp_path).take("a keyframe")
    pipe = latent_path(tmp_path, "key")
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="no ordinary file"):
        read_header(pipe)
    assert not has_latent(tmp_path, "key")
    assert latent_damage(tmp_path, "key") == "is no ordinary file; move it away"


def test_a_name_that_nobody_chose_replaces_a_link_and_not_its_target(precious: Path) -> None:
    before, link = precious.read_bytes(), precious.with_name("key.safetensors")
    link.symlink_to(precious)
    with atomic_write(link, through_link=False) as partial:
        partial.write_bytes(b"a latent")
    assert (link.read_bytes(), link.is_symlink()) == (b"a latent", False)
    assert precious.read_bytes() == before
    chosen = precious.with_name("film.mp4")
    chosen.symlink_to(precious)
    with atomic_write(chosen) as partial:
        partial.write_bytes(b"a film")
    assert (chosen.is_symlink(), precious.read_bytes()) == (True, b"a film")


def test_a_link_to_itself_is_told_at_the_door(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.symlink_to(path)
    with pytest.raises(InputError, match="cannot be written: Too many levels of symbolic links"):
        check_place(path, "film.mp4")
    (tmp_path / "new.mp4").symlink_to("later.mp4")  # which the film makes
    check_place(tmp_path / "new.mp4", "film.mp4")


def test_a_link_to_nowhere_is_no_latent(tmp_path: Path) -> None:
    latent_path(tmp_path, "key").symlink_to("nowhere")
    assert latent_damage(tmp_path, "key") == (
        "is a link to nowhere, and its keyframe is made again"
    )


def test_records_beside_models_are_not_written_through_links(precious: Path) -> None:
    before = precious.read_bytes()
    models = precious.parent / "models"
    models.mkdir()
    for name in ("speed.json", "arithmetic.json"):
        precious.with_name(name).symlink_to(precious)
    (models / "mine.sha256").symlink_to(precious)
    (models / "mine.safetensors").write_bytes(b"weights")
    remember_choice(models, "here", "convolutions", "plain")
    remember_speed(models, "cpu", 1000, 10, 1)
    write_record(models / "mine.safetensors", "0" * 64, "1" * 64)
    assert precious.read_bytes() == before
    assert read_record(models / "mine.safetensors")["source"] == "1" * 64


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
def test_a_record_that_is_a_pipe_or_huge_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.sha256")
    assert read_record(tmp_path / "mine.safetensors") == {}
    (tmp_path / "speed.json").touch()
    os.truncate(tmp_path / "speed.json", 1 << 31)
    assert known_speed(tmp_path / "models", "cpu") is None


def test_notes_that_never_end_take_no_time(tmp_path: Path) -> None:
    """Each took minutes: by the square of its length."""
    drawing, picture = tmp_path / "a.svg", tmp_path / "a.gif"
    drawing.write_text("<svg" + '<metadata id="render">' * 100_000)
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
    picture.write_bytes(head + b"!\xfe" + b"\x01{" + b"\x01a" * 1_000_000 + b"\0;")
    for path in (drawing, picture):
        with pytest.raises(ProvenanceError):
            read_note(path)
