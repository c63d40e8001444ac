"""The tools import, and what they change in Render exists."""

from __future__ import annotations

import importlib

import pytest

TOOLS = ["bench", "bench_film", "contact_sheet", "eval_starter", "plot_bench", "quality", "record"]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_imports(tool: str) -> None:
    importlib.import_module(tool)


def test_every_lever_changes_something_that_exists() -> None:
    from bench_film import LEVERS

    for name, lever in LEVERS.items():
        for owner, attribute, _ in lever.patches:
            assert hasattr(owner, attribute), f"{name}: {attribute}"
