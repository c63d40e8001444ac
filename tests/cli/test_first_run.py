"""The first minutes: a storyboard to begin with, what the machine has, completion in shells."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cli.console import Run
from cli.installed import RENDER

from render.cli import first_run
from render.cli.first_run import Finding, described, examine
from render.storyboard.parser import load


def test_a_new_storyboard_is_one_and_says_what_comes_next(run: Run) -> None:
    code, out, err = run("new", "my-film")
    assert (code, err) == (0, "")
    board = load(Path("my-film.yaml"))
    assert not board.warnings
    assert (board.duration, len(board.shots)) == (10, 3)
    for line in out.splitlines()[1:]:
        assert line.startswith("  render ")
        assert "my-film.yaml" in line
    assert "NAME" not in Path("my-film.yaml").read_text()
    code, out, err = run("check", "my-film.yaml")
    assert code == 0, err
    assert "warning" not in out + err


def test_a_new_storyboard_takes_no_other_s_place(run: Run) -> None:
    Path("mine.yaml").write_text("precious")
    Path("gone.yaml").symlink_to("nowhere")
    for name in ("mine", "mine.yaml", "gone"):
        code, _, err = run("new", name)
        assert code == 2
        assert "is there already, and is kept as it is" in err
    assert Path("mine.yaml").read_text() == "precious"
    code, _, err = run("new", "no/such/film")
    assert (code, "there is no folder" in err) == (2, True)


def test_the_doctor_tells_what_there_is(run: Run) -> None:
    code, out, err = run("doctor")
    assert (code, err) == (0, "")
    for subject in ("render", "device", "threads", "memory", "ffmpeg", "codecs", "models", "disk"):
        assert any(line.startswith(subject) for line in out.splitlines()), subject
    assert out.splitlines()[-1] == "ready to make films"


def test_the_doctor_says_what_to_do_about_a_lack(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "no-ffmpeg"))
    code, out, _ = run("doctor")
    assert code == 1
    assert out.splitlines()[-1] == "1 lack; films cannot be made"
    assert "->" in out
    monkeypatch.setattr(first_run, "LITTLE_DISK", 10**18)
    monkeypatch.setattr(first_run, "LITTLE_MEMORY", 10**18)
    advice = {finding.subject: finding.advice for finding in examine()}
    assert "make room in" in advice["disk here"]
    assert "render small films only" in advice["memory"]


def test_a_lack_stands_below_its_line() -> None:
    lines = list(described([Finding("disk", "0 MB free", "make room"), Finding("threads", "2")]))
    assert lines == [
        "disk     0 MB free",
        "         -> make room",
        "threads  2",
        "ready to make films",
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such shells")
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shell: str
) -> None:
    home = tmp_path / "it's home"
    home.mkdir()
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    own = home / f".{shell}rc"
    if shell != "fish":
        own.write_text("alias ll='ls -l'\n")
    for _ in range(2):
        code, out, err = run("completion", "--install")
        assert (code, err) == (0, "")
    scripts = [
        path for path in home.rglob("*") if path.name in (f"completion.{shell}", "render.fish")
    ]
    assert len(scripts) == 1
    assert "_RENDER_COMPLETE" in scripts[0].read_text()
    if shell != "fish":
        assert own.read_text().startswith("alias ll='ls -l'\n")
        assert own.read_text().count(str(scripts[0]).replace("'", "'\"'\"'")) == 2
    assert f"{scripts[0]} is written" in out


def test_an_unknown_shell_is_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    code, _, err = run("completion")
    assert code == 2
    assert "tcsh is not one of bash, zsh, fish: name one of them" in err
    code, out, _ = run("completion", "fish")
    assert (code, "complete" in out) == (0, True)


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes_commands_and_files(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "COMP_WORDS": "render che",
        "COMP_CWORD": "1",
        "_RENDER_COMPLETE": "bash_complete",
    }
    done = subprocess.run([RENDER], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["plain,check", "file,che"]


def test_the_doctor_goes_on_where_there_is_no_home(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDER_MODELS", "~no-such-user/models")
    code, out, err = run("doctor")
    assert (code, err) == (1, "")
    assert "there is no home of such a user" in out
    assert "disk here" in out
    monkeypatch.setenv("SHELL", "")
    code, _, err = run("completion")
    assert (code, "it is not known which shell you use; name one of bash" in err) == (2, True)
