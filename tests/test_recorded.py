"""Keys and seeds stay what they were: users' latents lie under them.

tests/recorded/keys.json is written by `tools/record.py golden`. When the algorithm changes on
purpose, its number rises, the changelog says why, and the file is written again.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from record import BOARDS, GOLDEN, golden_keys, golden_latents
from safetensors.torch import load_file

from render.storyboard.schema import json_schema
from render.weights.catalog import PERCEPTORS


def test_keys_seeds_and_moments_are_those_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path))
    recorded = json.loads((BOARDS / "keys.json").read_text())
    assert golden_keys(tmp_path) == recorded


def test_the_recorded_storyboards_use_every_key_of_the_language() -> None:
    written = "".join(path.read_text() for path in sorted(BOARDS.glob("*.yaml")))

    def keys(schema: object) -> set[str]:
        found: set[str] = set()
        if isinstance(schema, dict):
            found |= set(schema.get("properties", {}))
            for value in schema.values():
                found |= keys(value)
        elif isinstance(schema, list):
            for value in schema:
                found |= keys(value)
        return found

    missing = {
        key for key in keys(json_schema()) if not re.search(rf"(?:^|[\s{{,]){key}:", written, re.M)
    }
    assert missing <= set(PERCEPTORS), "names of perceptors are keys of their weights"


def test_the_latents_of_a_tiny_film_are_near_those_recorded() -> None:
    """On every machine: processors add in other orders, and differ in the last bits only.

    tests/recorded/latents.safetensors is written by `tools/record.py latents`. If this fails, the
    algorithm has changed: its number in plan/key.py rises, or users' latents no longer fit.
    """
    recorded, now = load_file(BOARDS / "latents.safetensors"), golden_latents()
    assert set(recorded) == set(now) == {f"{kind}.{n}" for kind in GOLDEN for n in range(2)}
    for name, latent in now.items():
        apart = (latent - recorded[name]).abs().mean() / recorded[name].abs().mean()
        assert apart < 0.01, name
