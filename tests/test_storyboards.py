"""The storyboards that are shipped: each loads without a warning, is short, and fits the schema."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from render.storyboard.parser import load
from render.storyboard.schema import json_schema

FOLDER = Path(__file__).parent.parent / "storyboards"
FILES = sorted(FOLDER.glob("*.yaml"))


def test_there_are_lessons_besides_the_first_film() -> None:
    assert FOLDER / "first-light.yaml" in FILES
    assert len(FILES) >= 7


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_storyboard(path: Path) -> None:
    film = load(path)
    assert film.warnings == ()
    assert 2 <= film.duration <= 12
    assert path.read_text(encoding="utf-8").startswith("# "), "a lesson begins with its subject"
    # The way an editor sees it: as JSON, where every key is a text.
    document = json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8"))))
    jsonschema.Draft202012Validator(json_schema()).validate(document)


def test_every_image_is_small() -> None:
    for path in (FOLDER / "images").glob("*.png"):
        assert path.stat().st_size < 50_000
