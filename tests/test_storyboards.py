"""The storyboards that are shipped, and the page that shows and explains them."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from PIL import Image

from render.curves.easing import EASINGS
from render.curves.expression import CONSTANTS, FUNCTIONS, VARIABLES
from render.media.codecs import CODECS
from render.storyboard.camera_keys import CAMERA, PRESETS
from render.storyboard.keys import SHOT, STORYBOARD
from render.storyboard.model import BETWEEN, BORDERS, LOSS_WEIGHTS, NAMES, TRANSITIONS
from render.storyboard.parser import load, parse
from render.storyboard.prompts import PROMPT
from render.storyboard.schema import json_schema, reference

FOLDER = Path(__file__).parent.parent / "storyboards"
FILES = sorted(FOLDER.glob("*.yaml"))
GALLERY = FOLDER / "images" / "gallery"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
BEGIN, END = "<!-- reference: begin -->\n", "<!-- reference: end -->\n"


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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_lesson_has_its_picture_in_the_gallery(path: Path) -> None:
    name = path.stem
    assert (
        PAGE.count(f"| ![{name}](images/gallery/{name}.jpg) | **[{name}]({name}.yaml)**<br>") == 1
    )
    picture = GALLERY / f"{name}.jpg"
    assert picture.stat().st_size < 30_000
    with Image.open(picture) as opened:
        assert opened.width <= 320
        opened.load()


def test_the_gallery_shows_nothing_but_lessons() -> None:
    names = sorted(path.stem for path in FILES)
    assert sorted(path.stem for path in GALLERY.iterdir()) == names
    assert sorted(re.findall(r"\]\(images/gallery/([\w-]+)\.jpg\)", PAGE)) == names


def test_the_reference_is_what_the_program_prints() -> None:
    assert PAGE.count(BEGIN) == PAGE.count(END) == 1
    shown = PAGE.partition(BEGIN)[2].partition(END)[0]
    assert shown.strip() == reference().strip(), (
        "put what `python -c 'from render.storyboard.schema import reference; print(reference())'` "
        "prints between the two marks in storyboards/README.md"
    )


def test_the_page_explains_every_word_of_the_language() -> None:
    """In its own words: outside the gallery and the reference."""
    page = PAGE.partition("## Times")[2].partition(BEGIN)[0]
    blocks = re.compile(r"```\w+\n(.*?)```", re.DOTALL)
    code = [*blocks.findall(page), *re.findall(r"`([^`]+)`", blocks.sub("", page))]
    words = set(re.findall(r"[\w-]+", " ".join(code)))
    language = {
        *(row.key for table in (STORYBOARD, SHOT, CAMERA, PROMPT) for row in table.rows),
        *(*EASINGS, *VARIABLES, *CONSTANTS, *FUNCTIONS),
        *(*PRESETS, *BORDERS, *NAMES, *TRANSITIONS, *BETWEEN, *LOSS_WEIGHTS, *CODECS),
    } - {"version", "size", "shots", "name", "preset"}  # which every storyboard shows
    assert not language - words


def test_the_table_of_codecs_is_right() -> None:
    for name, codec in CODECS.items():
        endings = ", ".join(f"`{ending}`" for ending in codec.extensions)
        quality = "{} to {}".format(*codec.quality) if codec.quality else "not used"
        assert f"| `{name}` | {endings} | {quality}" in PAGE


def test_the_defaults_are_as_the_page_says() -> None:
    shown = re.search(r"```yaml\n(iterations:.*?)```\n\nThese are the defaults", PAGE, re.DOTALL)
    assert shown
    lines = "".join(f"    {line}" for line in shown[1].splitlines(keepends=True))
    plain = "version: 1\nshots:\n  - duration: 4s\n    prompts: the sea\n"
    assert parse(plain + lines, FOLDER).shots == parse(plain, FOLDER).shots
    assert shown[1].count("\n") == 6


def test_every_image_is_small() -> None:
    for path in (FOLDER / "images").glob("*.png"):
        assert path.stat().st_size < 50_000
