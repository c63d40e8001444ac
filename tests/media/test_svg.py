"""Drawings as SVG files: XML that says what was drawn, and a note."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from render.media.provenance import read_note, why_not_replaced
from render.media.svg import Layer, Stroke, write_svg

NOTE = {"render": "1", "kind": "frame", "storyboard": "a <b> & 'c'\n]]> \x1b ü"}
LAYERS = [
    Layer("#ffffff", [Stroke([0, 0, 1.234, 2, 3, 4, 5, 6], 2.5, "#102030", 0.5)]),
    Layer("#000000", [], 0.25),
]


def test_a_drawing_is_xml_with_its_note(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    write_svg(path, (40, 30), LAYERS, NOTE)
    root = ElementTree.parse(path).getroot()
    name = "{http://www.w3.org/2000/svg}"
    assert (root.tag, root.get("viewBox")) == (f"{name}svg", "0 0 40 30")
    below, above = root.findall(f"{name}g")
    assert (below.get("opacity"), above.get("opacity")) == (None, "0.25")
    (stroke,) = below.findall(f"{name}path")
    assert stroke.get("d") == "M0.00 0.00C1.23 2.00 3.00 4.00 5.00 6.00"
    assert (stroke.get("stroke"), stroke.get("stroke-width")) == ("#102030", "2.50")
    found = read_note(path)
    assert {key: found[key] for key in NOTE} == NOTE
    assert why_not_replaced(path, "frame", None) is None
    path.write_text(path.read_text().replace("#102030", "#102031"))
    assert why_not_replaced(path, "frame", None) == "was changed since Render wrote it"


def test_the_same_drawing_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        write_svg(tmp_path / name, (40, 30), LAYERS, NOTE)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
