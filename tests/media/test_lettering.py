"""Drawn text fits its width and has no letters that a font lacks."""

from __future__ import annotations

import pytest

from render.media.lettering import FONTS, default_font, fitting, font_of, has_letter


def test_text_of_ascii_is_drawn_in_pillow_s_font() -> None:
    assert fitting("a castle", 200) == ("a castle", default_font(10))


@pytest.mark.parametrize("text", ["ein grüner Wald", "море и небо", "日本の城", "قلعة", "\ue000"])
def test_no_letter_is_drawn_as_a_missing_one(text: str) -> None:
    shown, font = fitting(text, 500)
    assert len(shown) == len(text)
    assert all(has_letter(font, letter) or letter.isspace() for letter in shown)


def test_letters_that_no_font_has_lose_their_accents(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_letter(default_font(10), "ü")
    monkeypatch.setattr("render.media.lettering.FONTS", ("no-such-font.ttf",))
    assert fitting("grün 城", 500)[0] == "grun ?"


def test_the_font_is_the_one_with_the_most_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    fonts = {"a.ttf": set("ab"), "b.ttf": set("abc"), None: set("a")}
    made = {name: default_font(11 + place) for place, name in enumerate(["a.ttf", "b.ttf"])}
    monkeypatch.setattr("render.media.lettering.FONTS", ("a.ttf", "b.ttf", "c.ttf"))
    monkeypatch.setattr("render.media.lettering._machine_font", lambda name, size: made.get(name))
    known = {made["a.ttf"]: fonts["a.ttf"], made["b.ttf"]: fonts["b.ttf"]}
    monkeypatch.setattr(
        "render.media.lettering.has_letter", lambda font, letter: letter in known.get(font, "a")
    )
    assert font_of("a") is default_font(10)
    assert font_of("ab") is made["a.ttf"]
    assert font_of("abcd") is made["b.ttf"]


def test_a_text_of_several_lines_is_drawn_as_one() -> None:
    assert fitting("a castle\non a\thill", 500)[0] == "a castle on a hill"


@pytest.mark.parametrize("width", [0, 5, 20, 60, 100])
def test_long_text_is_cut(width: int) -> None:
    shown, font = fitting("a castle on a very high hill", width)
    assert font.getlength(shown) <= width
    assert shown.endswith("...") or not shown
    assert width < 60 or shown.startswith("a c")


def test_fonts_are_files_that_pillow_searches_for() -> None:
    assert all(name.endswith((".ttf", ".ttc", ".otf")) for name in FONTS)
