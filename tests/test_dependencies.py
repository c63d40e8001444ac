"""What pyproject.toml allows is what was tested: tools/check --lowest records the versions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTED = ROOT / "tools" / "tested"


def versions(path: Path) -> dict[str, tuple[int, ...]]:
    """The version of each package in a file of constraints."""
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==([0-9.]+)", path.read_text(), re.MULTILINE)
    return {plain(name): numbers(version) for name, version in pinned}


def plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def numbers(version: str) -> tuple[int, ...]:
    """A version without zeros at its end: 6.0 and 6 are the same."""
    found = [int(part) for part in version.strip(".").split(".")]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def bounds() -> dict[str, tuple[int, ...]]:
    """The lowest version of each dependency that pyproject.toml allows."""
    text = (ROOT / "pyproject.toml").read_text()
    listed = text[text.index("\ndependencies = [") : text.index("[project.optional-dependencies]")]
    lines = re.findall(r'^    "([^"]+)"', listed, re.MULTILINE)
    assert len(lines) >= 14
    found = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)>=([0-9.]+)", line)
        assert match, f"{line} has no lowest version, or more than one condition"
        found[plain(match[1])] = numbers(match[2])
    return found


@pytest.mark.parametrize("record", ["lowest.txt", "newest.txt"])
def test_every_dependency_was_tested_in_a_version_that_is_allowed(record: str) -> None:
    tested = versions(TESTED / record)
    for name, least in bounds().items():
        assert tested[name] >= least, name


def test_the_lowest_versions_were_tested() -> None:
    """But for those that another dependency wants newer."""
    tested = versions(TESTED / "lowest.txt")
    raised = {name for name, least in bounds().items() if tested[name] != least}
    assert raised <= {"click"}
