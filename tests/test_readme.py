"""The README is under test: its commands run, its storyboards are read, its files are there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from click.testing import CliRunner

from render.cli.commands import cli
from render.storyboard.parser import parse

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SCRIPTS = Path(sysconfig.get_path("scripts"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


COMMANDS = [
    line[2:] for block in blocks("console") for line in block.splitlines() if line[:2] == "$ "
]


def test_the_two_commands_come_first_and_are_what_ci_runs() -> None:
    install, test = blocks("sh")
    assert install.count("\n") == test.count("\n") == 1
    assert "pip install" in install
    assert "render storyboards/first-light.yaml -o first-light.mp4" in install
    assert ".[test]" in test
    assert "-m pytest" in test
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("readme")
    shutil.copytree(
        ROOT / "storyboards", path / "storyboards", ignore=shutil.ignore_patterns("*.latents")
    )
    return path


def test_every_command_of_the_readme_runs(folder: Path) -> None:
    assert len(COMMANDS) >= 5
    environment = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
    for command in COMMANDS:
        done = subprocess.run(
            shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True,
            timeout=280, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_the_storyboard_in_the_readme_is_one() -> None:
    whole = [block for block in blocks("yaml") if block.startswith("version:")]
    assert whole
    for block in whole:
        board = parse(block, ROOT)
        assert not board.warnings


def test_every_command_has_help_and_a_place_in_the_readme() -> None:
    for name, command in cli.commands.items():
        assert command.help, name
        if name != "film":
            assert f"`render {name}" in README, name
        shown = CliRunner().invoke(cli, [name, "--help"])
        assert shown.exit_code == 0
        for parameter in command.params:
            if parameter.param_type_name == "option" and name in ("film", "interpolate"):
                assert getattr(parameter, "help", None), (name, parameter.name)


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
