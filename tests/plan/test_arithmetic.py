"""How networks compute, and what is remembered of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from render.plan.arithmetic import (
    CONVOLUTIONS,
    PRECISIONS,
    Arithmetic,
    choices_file,
    known_choice,
    machine_name,
    parse_arithmetic,
    remember_choice,
)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("convolutions", CONVOLUTIONS)
def test_a_note_is_read_back(precision: str, convolutions: str) -> None:
    arithmetic = Arithmetic(precision, convolutions, "cuda")
    assert parse_arithmetic(str(arithmetic)) == arithmetic


@pytest.mark.parametrize(
    "note",
    [None, 3, "", "cpu, float64, plain convolutions", "cpu, float32, odd convolutions", "float32"],
)
def test_a_note_of_something_else_is_none(note: object) -> None:
    assert parse_arithmetic(note) is None


def test_a_machine_is_another_with_other_threads_or_another_torch() -> None:
    names = {machine_name("2.14", 1), machine_name("2.14", 2), machine_name("2.15", 2)}
    assert len(names) == 3
    assert machine_name("2.14", 1) in names


def test_a_choice_is_remembered_for_its_machine(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "models"
    assert known_choice(folder, "here", "precision", PRECISIONS) is None
    remember_choice(folder, "here", "precision", "bfloat16")
    remember_choice(folder, "here", "convolutions of a", "winograd")
    remember_choice(folder, "there", "precision", "float32")
    assert known_choice(folder, "here", "precision", PRECISIONS) == "bfloat16"
    assert known_choice(folder, "here", "convolutions of a", CONVOLUTIONS) == "winograd"
    assert known_choice(folder, "there", "precision", PRECISIONS) == "float32"
    assert known_choice(folder, "there", "convolutions of a", CONVOLUTIONS) is None
    assert known_choice(folder, "here", "convolutions of a", PRECISIONS) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"here": 3}',
        '{"here": {"precision": 3}}',
        '{"here": {"precision": "odd"}}',
        '{"here": {"precision": "winograd"}}',
    ],
)
def test_a_damaged_file_is_no_choice_and_is_replaced(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "models"
    choices_file(folder).write_text(text)
    assert known_choice(folder, "here", "precision", PRECISIONS) is None
    remember_choice(folder, "here", "precision", "float32")
    assert known_choice(folder, "here", "precision", PRECISIONS) == "float32"


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    remember_choice(tmp_path / "file" / "cache" / "models", "here", "precision", "float32")
