"""The documents: their commands run, their storyboards are read, their links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from click.testing import CliRunner

from render.cli.commands import cli
from render.storyboard.keys import SHOT, STORYBOARD
from render.storyboard.parser import parse

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(sysconfig.get_path("scripts"))
README, CONTRIBUTING = Path("README.md"), Path(".github", "CONTRIBUTING.md")
WITH_COMMANDS = (README, Path("storyboards", "README.md"), Path("tools", "README.md"))
MODEL_CARD = Path("render", "starter", "MODEL_CARD.md")
DOCUMENTS = (*WITH_COMMANDS, CONTRIBUTING, Path("CHANGELOG.md"), MODEL_CARD)


def text_of(document: Path) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: Path, language: str) -> list[str]:
    """The code blocks of a language, without the indent of a list that they stand in."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^\1```$", text_of(document), re.MULTILINE | re.DOTALL
    )
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def commands(document: Path) -> list[str]:
    lines = [line for block in blocks(document, "console") for line in block.splitlines()]
    return [line[2:] for line in lines if line.startswith("$ ")]


def anchors(document: Path) -> set[str]:
    """What a link may name behind #, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.*)$", text_of(document), re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def as_storyboard(block: str) -> str:
    """A block of YAML as a whole storyboard: a part of one is put where its first key belongs."""
    if block.startswith("version:"):
        return block
    key = block.partition(":")[0]
    shot = "shots:\n  - {duration: 4s, prompts: the sea}\n"
    if key in {row.key for row in STORYBOARD.rows} - {row.key for row in SHOT.rows}:
        return f"version: 1\n{block}{shot}"
    assert key in {row.key for row in SHOT.rows}, f"{key} is no key of a storyboard"
    prompts = "" if re.search("^prompts:", block, re.MULTILINE) else "    prompts: the sea\n"
    lines = "".join(f"    {line}" for line in block.splitlines(keepends=True))
    return f"version: 1\nbpm: 120\n{shot}  - name: shown\n    duration: 4s\n{prompts}{lines}"


def test_the_two_commands_come_first_and_are_what_ci_runs() -> None:
    install, test = blocks(README, "sh")
    assert install.count("\n") == test.count("\n") == 1
    assert "pip install" in install
    assert "render storyboards/first-light.yaml -o first-light.mp4" in install
    assert ".[test]" in test
    assert "-m pytest" in test
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def test_the_readme_is_short() -> None:
    assert len(text_of(README).splitlines()) < 220


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("readme")
    for name in ("storyboards", "tools"):
        ignored = shutil.ignore_patterns("*.latents", "__pycache__")
        shutil.copytree(ROOT / name, path / name, ignore=ignored)
    return path


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=str)
def test_every_command_of_a_document_runs(folder: Path, document: Path) -> None:
    assert commands(document)
    environment = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
    for command in commands(document):
        done = subprocess.run(
            command, shell=True, cwd=folder, env=environment, capture_output=True, text=True,
            timeout=280, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("document", WITH_COMMANDS[:2], ids=str)
def test_every_storyboard_in_a_document_is_one(document: Path) -> None:
    found = blocks(document, "yaml")
    assert any(block.startswith("version:") for block in found)
    for block in found:
        board = parse(as_storyboard(block), (ROOT / document).parent)
        assert not board.warnings, block


def test_every_command_has_help_and_a_place_in_the_readme() -> None:
    for name, command in cli.commands.items():
        assert command.help, name
        if name != "film":
            assert f"`render {name}" in text_of(README), name
        shown = CliRunner().invoke(cli, [name, "--help"])
        assert shown.exit_code == 0
        for parameter in command.params:
            if parameter.param_type_name == "option" and name in ("film", "interpolate"):
                assert getattr(parameter, "help", None), (name, parameter.name)


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text_of(document)):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / document).parent / path if path else ROOT / document
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_folder_of_the_package_is_in_the_readme() -> None:
    """In the part that says how to read the code, whose links another test follows."""
    part = text_of(README).partition("## Reading the code")[2].partition("\n## ")[0]
    named = set(re.findall(r"\]\(render/(\w+)\)", part))
    assert named == {path.parent.name for path in (ROOT / "render").glob("*/__init__.py")}
    assert len(re.findall(r"\]\(render/\w+/\w+\.py\)", part)) >= 5


def test_every_file_and_name_that_contributors_are_sent_to_is_there() -> None:
    text = text_of(CONTRIBUTING)
    named = re.findall(r"`((?:render|tests|tools|storyboards)/[\w./-]*)[` ]", text)
    assert len(named) >= 20
    for path in named:
        assert (ROOT / path).exists(), path
    for name, path in re.findall(r"`(\w+)` (?:of|in) `(render/[\w/]+\.py)`", text):
        assert re.search(rf"^(?:class )?{name}\b", text_of(Path(path)), re.MULTILINE), (name, path)


def test_every_tool_is_in_the_readme_of_the_tools() -> None:
    text = text_of(WITH_COMMANDS[2])
    for path in (ROOT / "tools").iterdir():
        if path.suffix == ".py" or path.name in ("check", "starter"):
            assert re.search(rf"\[{path.name}/?\]\({path.name}\)", text), path.name
