"""The sound of a film."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import pytest
from storyboard.samples import GROUND, PULSE, board, check_mistake

from render.media.sound import Audio

MISTAKES = [
    ("audio: none.wav\n" + GROUND, 1, "audio 'none.wav' is not there. Put the file at "),
    ("audio: {loop: true}\n" + GROUND, 1, "has no 'file'"),
    (f"audio: {{file: {PULSE}, loop: maybe}}\n" + GROUND, 1, "loop 'maybe' is neither true"),
    (f"audio: {{file: {PULSE}, start: -11h}}\n" + GROUND, 1, "is not a time"),
    (f"audio: {{file: {PULSE}, volume: -1}}\n" + GROUND, 1, "out of range"),
    (f"audio: {{file: {PULSE}, fade_out: -1s}}\n" + GROUND, 1, "out of range"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)


def test_a_start_after_the_end_of_the_sound_is_warned_of() -> None:
    (warning,) = board(f"audio: {{file: {PULSE}, start: 100s}}\n" + GROUND).warnings
    assert (warning.line, "so nothing is heard" in warning.message) == (1, True)
    assert not board(f"audio: {{file: {PULSE}, start: 100s, loop: true}}\n" + GROUND).warnings


@pytest.mark.parametrize(
    ("audio", "said"),
    [
        ("a.wav", "ends after 0.1 s, and 3.9 s of silence follow"),
        ("{file: a.wav, start: -1s}", "ends after 1.1 s, and 2.9 s of silence follow"),
        ("{file: a.wav, start: 50ms}", "ends after 0.05 s, and 3.95 s of silence follow"),
        ("{file: a.wav, loop: true}", ""),
        ("{file: a.wav, start: -3.6s}", ""),
    ],
)
def test_silence_at_the_end_of_a_film_is_told(tmp_path: Path, audio: str, said: str) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    found = [one.message for one in board(f"audio: {audio}\n{GROUND}", tmp_path).warnings]
    assert [said in message for message in found] == [True] * bool(said)


def test_a_film_s_sound(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(80_000))
    path = (tmp_path / "a.wav").resolve()
    assert board(f"audio: a.wav\n{GROUND}", tmp_path).audio == Audio(path)
    long = f"audio: {{file: a.wav, start: 1m, loop: true}}\n{GROUND}"
    assert board(long, tmp_path).audio == Audio(path, Fraction(60), True)
    shaped = f"audio: {{file: a.wav, start: -2s, volume: 0.5, fade_in: 1s, fade_out: 2s}}\n{GROUND}"
    shapes = (0.5, Fraction(1), Fraction(2))
    assert board(shaped, tmp_path).audio == Audio(path, Fraction(-2), False, *shapes)
    assert board(f"audio:\n{GROUND}", tmp_path).audio is None
