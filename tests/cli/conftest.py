"""Fixtures of the command line: commands in this process, and as they are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli import console, installed

from render.cli.entry import main


@pytest.fixture
def run(
    tmp_path: Path,
    models_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> console.Run:
    """Runs the console script in this process: returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RENDER_MODELS", str(models_folder))
    monkeypatch.delenv("CI", raising=False)
    Path("film.yaml").write_text(console.BOARD)

    def run_in_process(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["render", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        written = capsys.readouterr()
        code = end.value.code
        return (code if isinstance(code, int) else 0), written.out, written.err

    return run_in_process


@pytest.fixture
def render(tmp_path: Path, models_folder: Path) -> installed.Render:
    """Runs the installed `render` in a folder of its own, with the tiny models."""
    environment = {**os.environ, "RENDER_MODELS": str(models_folder), "COLUMNS": "100"}

    def run_installed(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [installed.RENDER, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            **options,  # type: ignore[call-overload]
        )

    return run_installed


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """The storyboard of the tests that run the installed command, as film.yaml."""
    path = tmp_path / "film.yaml"
    path.write_text(installed.BOARD)
    return path
