"""Options that several commands share."""

from __future__ import annotations

import pytest
from cli.console import Run

from render.cli.options import check_device
from render.errors import InputError


@pytest.mark.parametrize(
    "arguments",
    [("check", ""), ("",), ("film.yaml", "-o", ""), ("inspect", ""), ("interpolate", "", "")],
)
def test_an_empty_file_name_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert "the name is empty" in err


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:x", "cpu:0", "cuda:1234"])
def test_an_unknown_device_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="one of auto, cpu, cuda, cuda:1, mps"):
        check_device(name)
