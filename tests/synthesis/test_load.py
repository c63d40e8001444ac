"""Loading the networks of a film: the generator's small pictures."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
import tiny
import torch

from render.generators import vqgan
from render.generators.vqgan import load_vqgan
from render.synthesis.load import prepare_readouts
from render.weights.catalog import GENERATORS


@pytest.fixture
def said() -> list[str]:
    return []


def test_the_embedded_generator_brings_its_readouts(said: list[str]) -> None:
    generator = load_vqgan(GENERATORS["starter"])
    prepare_readouts(generator, said.append)
    assert sorted(generator.readouts) == [1, 2]
    assert said == []


def test_readouts_are_fitted_once_and_kept(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "models"))
    first, again = tiny.generator(), tiny.generator()
    first.digest = again.digest = "a" * 64
    with patch.object(vqgan, "LEAST_PSNR", 0):
        prepare_readouts(first, said.append)
    prepare_readouts(again, said.append)
    assert len(said) == 1
    assert sorted(again.readouts) == [1, 2]
    assert torch.equal(again.readouts[2].mean, first.readouts[2].mean)


def test_a_folder_that_cannot_be_written_is_no_failure(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "file" / "models"))
    generator = tiny.generator()
    with patch.object(vqgan, "LEAST_PSNR", 0):
        prepare_readouts(generator, said.append)
    assert sorted(generator.readouts) == [1, 2]
