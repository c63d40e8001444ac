"""Atomic writing: a file is complete or as it was before, and errors are sentences."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from render.errors import RenderError
from render.media.atomic import (
    PARTIAL_NAME,
    FileError,
    atomic_write,
    keep_fresh,
    machine_digits,
    remove_stale_partials,
)


def test_a_file_is_replaced_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path) as partial:
        assert PARTIAL_NAME.search(partial.name)
        assert partial.name.startswith(f"a.txt.{os.getpid()}-")
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_only_abandoned_partial_files_are_removed(tmp_path: Path) -> None:
    fresh, other = "a.txt.2-0123abcd.partial", "b[1].txt.3-0123abcd.partial"
    # Somebody's own files have such names: the report of a year, a number of a draft.
    kept = ["a.txt", fresh, "a.txt.2023.partial", "a.txt.partial", other, "c.partial.mp4"]
    for name in [*kept, "a.txt.1-0123abcd.partial"]:
        (tmp_path / name).touch()
        if name != fresh:
            os.utime(tmp_path / name, (0, 0))
    remove_stale_partials(tmp_path, "a.txt")
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
    remove_stale_partials(tmp_path, "b[1].txt")
    remove_stale_partials(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted({*kept} - {other})


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell without harm")
def test_a_partial_file_of_a_dead_process_is_removed_at_once(tmp_path: Path) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    pid, here = int(dead.stdout), machine_digits()
    elsewhere = f"{int(here, 16) ^ 1:04x}"
    kept = [
        f"a.txt.{os.getpid()}-{here}0000.partial",
        f"a.txt.{pid}-{elsewhere}0000.partial",
        f"a.txt.{pid}.partial",
    ]
    for name in [*kept, f"a.txt.{pid}-{here}0000.partial"]:
        (tmp_path / name).touch()
    remove_stale_partials(tmp_path, "a.txt")
    assert sorted(os.listdir(tmp_path)) == sorted(kept)


def test_processes_of_the_same_number_never_share_a_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two containers that share a folder can have processes of the same number."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    path = tmp_path / "a.txt"
    with atomic_write(path) as first:
        first.write_text("half")
        with atomic_write(path) as second:
            second.write_text("whole")
        assert path.read_text() == "whole"
        first.write_text("whole too")
    assert path.read_text() == "whole too"
    assert list(tmp_path.iterdir()) == [path]


def test_a_partial_file_that_is_kept_fresh_is_not_removed(tmp_path: Path) -> None:
    partial = tmp_path / "a.txt.1-0123abcd.partial"
    keep_fresh(partial)  # it does not exist yet
    assert not partial.exists()
    partial.touch()
    os.utime(partial, (0, 0))
    keep_fresh(partial)
    remove_stale_partials(tmp_path)
    assert partial.exists()


@pytest.mark.parametrize("error", [ValueError("why"), KeyboardInterrupt(), OSError(5, "mine")])
def test_an_exception_inside_is_raised_unchanged(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write() -> None:
        with atomic_write(path) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(type(error)) as caught:
        write()
    assert caught.value is error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "the disk is full. Free some space and run the same command again."),
        (errno.EDQUOT, "the disk is full. Free some space and run the same command again."),
        (errno.EACCES, "Permission denied."),
    ],
)
def test_errors_of_the_disk_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, sentence: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    path = tmp_path / "a.txt"
    with pytest.raises(FileError) as caught, atomic_write(path) as partial:
        partial.write_text("new")
    assert isinstance(caught.value, RenderError)
    assert (caught.value.exit_code, caught.value.errno) == (1, number)
    assert str(caught.value) == f"{path} was not written: {sentence}"
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"a\.txt was not written: No such file"):  # noqa: SIM117
        with atomic_write(tmp_path / "none" / "a.txt"):
            pass


def test_a_folder_that_cannot_be_flushed_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, flushed = os.fsync, []

    def only_files(number: int) -> None:
        flushed.append(number)
        if len(flushed) > 1:
            raise OSError(errno.EINVAL, "not a folder")
        fsync(number)

    monkeypatch.setattr(os, "fsync", only_files)
    with atomic_write(tmp_path / "a.txt") as partial:
        partial.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert len(flushed) == (1 if os.name == "nt" else 2)


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_a_link(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "film.mp4", tmp_path / "link.mp4"
    if exists:
        target.write_bytes(b"old")
    link.symlink_to(target)
    with atomic_write(link) as partial:
        assert partial.parent == target.parent  # a rename does not go from disk to disk
        partial.write_bytes(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert not list(tmp_path.glob("**/*.partial"))


def test_the_first_write_in_a_folder_removes_what_killed_processes_left(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"other.png.{ended.pid}-{machine_digits()}0000.partial"
    own, theirs = tmp_path / "notes.partial", tmp_path / f"x.{os.getpid()}-0000.partial"
    for path in (left, own, theirs):
        path.touch()
    with atomic_write(tmp_path / "a.txt") as partial:
        partial.write_text("a")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "a.txt", own, theirs])
