"""The sound of a film begins at its first sample, lasts as long, and has the same bytes."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from render.media.codecs import CODECS, CONTAINERS
from render.media.ffmpeg import VideoError, input_arguments, run_ffmpeg
from render.media.sound import (
    ENCODERS,
    Audio,
    SoundError,
    Soundtrack,
    fitting_layout,
    layout_remark,
    sound_length,
    sound_problem,
    waveform,
)
from render.media.video import read_video, write_video
from render.storyboard.audio import check_audio
from render.storyboard.reader import Reader
from render.storyboard.yaml_nodes import Scalar

RATE = 8000
FRAMES = 30  # at 24 fps 1.25 s
LENGTH = Fraction(FRAMES, 24)


def noise(seconds: float) -> np.ndarray:
    """16-bit noise, which correlates with itself at no shift but 0."""
    random = np.random.default_rng(1)
    return random.integers(-8000, 8000, round(RATE * seconds)).astype(np.int16)


@pytest.fixture
def track(tmp_path: Path) -> Path:
    path = tmp_path / "a track: one.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(noise(1).tobytes())
    return path


def write_film(path: Path, audio: Audio | None, codec: str = "h264") -> Path:
    pictures = [bytes([number]) * (64 * 48 * 3) for number in range(FRAMES)]
    sound = None if audio is None else Soundtrack(audio, LENGTH)
    write_video(path, pictures, (64, 48), Fraction(24), codec, 17, {"title": "t"}, sound)
    return path


def decoded_sound(path: Path) -> np.ndarray:
    raw = run_ffmpeg(
        *input_arguments(path), "-map", "0:a:0", "-ar", str(RATE), "-ac", "1", "-f", "s16le", "-"
    )
    assert not raw.returncode, raw.stderr
    return np.frombuffer(raw.stdout, np.int16)


def expected(seconds: float, *parts: np.ndarray) -> np.ndarray:
    whole = np.concatenate([*parts, np.zeros(2 * RATE, np.int16)])
    return whole[: round(seconds * RATE)]


@pytest.mark.parametrize(
    ("audio", "parts"),
    [
        ({}, [noise(1)]),
        ({"loop": True}, [noise(1), noise(1)]),
        ({"start": Fraction(1, 4)}, [noise(1)[RATE // 4 :]]),
        ({"start": Fraction(1, 4), "loop": True}, [noise(1)[RATE // 4 :], noise(1)]),
        ({"start": Fraction(3)}, []),
    ],
)
@pytest.mark.parametrize(("codec", "ending"), [("ffv1", ".mkv"), ("prores", ".mov")])
def test_every_sample_is_in_its_place(
    tmp_path: Path, track: Path, audio: dict[str, object], parts: list[np.ndarray],
    codec: str, ending: str,
) -> None:  # fmt: skip
    film = write_film(tmp_path / f"film{ending}", Audio(track, **audio), codec)  # type: ignore[arg-type]
    assert np.array_equal(decoded_sound(film), expected(float(LENGTH), *parts))
    assert len(list(read_video(film).frames)) == FRAMES


@pytest.mark.parametrize(("codec", "ending"), [("h264", ".mp4"), ("vp9", ".webm")])
def test_a_lossy_sound_begins_with_the_film(
    tmp_path: Path, track: Path, codec: str, ending: str
) -> None:
    film = write_film(tmp_path / f"film{ending}", Audio(track, loop=True), codec)
    played = decoded_sound(film).astype(float)
    wanted = expected(1.25, noise(1), noise(1)).astype(float)
    delays = range(-200, 200)
    scores = [np.dot(np.roll(wanted, delay)[400:6000], played[400:6000]) for delay in delays]
    assert delays[int(np.argmax(scores))] == 0
    assert len(played) == pytest.approx(len(wanted), abs=RATE // 20)
    again = write_film(tmp_path / f"again{ending}", Audio(track, loop=True), codec)
    assert film.read_bytes() == again.read_bytes()


@pytest.mark.parametrize(
    ("audio", "silence"),
    [({"start": Fraction(-1, 4)}, 0.25), ({"start": Fraction(-1, 2), "loop": True}, 0.5)],
)
def test_a_sound_may_begin_after_the_film(
    tmp_path: Path, track: Path, audio: dict[str, object], silence: float
) -> None:
    film = write_film(tmp_path / "film.mkv", Audio(track, **audio), "ffv1")  # type: ignore[arg-type]
    before = np.zeros(round(silence * RATE), np.int16)
    assert np.array_equal(decoded_sound(film), expected(float(LENGTH), before, noise(1)))


def test_a_film_that_ends_before_its_sound_begins_is_silent(tmp_path: Path, track: Path) -> None:
    film = write_film(tmp_path / "film.mkv", Audio(track, Fraction(-10)), "ffv1")
    assert np.array_equal(decoded_sound(film), np.zeros(round(1.25 * RATE), np.int16))


def test_volume_and_fades_shape_the_sound(tmp_path: Path, track: Path) -> None:
    def loudness(**options: object) -> np.ndarray:
        audio = Audio(track, loop=True, **options)  # type: ignore[arg-type]
        sound = decoded_sound(write_film(tmp_path / "film.mkv", audio, "ffv1")).astype(float)
        return np.sqrt((sound.reshape(10, -1) ** 2).mean(1))  # in tenths of the film

    plain = loudness()
    assert loudness(volume=0.5) == pytest.approx(plain / 2, rel=0.01)
    rising = loudness(fade_in=Fraction(1)) / plain
    assert rising[0] < 0.1 < 0.4 < rising[4] < 0.7 < 0.95 < rising[9]
    falling = loudness(fade_out=Fraction(1)) / plain
    assert falling[0] > 0.95 > 0.6 > falling[6] > 0.1 > falling[9]


LAYOUTS_IN_FILES = ["5.1(side)", "hexagonal", "22.2", "6.1(back)", "3.1", "7.1(wide)", "downmix"]


@pytest.mark.parametrize("layout", LAYOUTS_IN_FILES)
@pytest.mark.parametrize(
    ("codec", "ending"), [("h264", ".mp4"), ("vp9", ".webm"), ("ffv1", ".mkv")]
)
def test_any_layout_of_loudspeakers_is_held_or_mixed(
    tmp_path: Path, layout: str, codec: str, ending: str
) -> None:
    path = tmp_path / "many.mka"
    made = run_ffmpeg(
        *("-f", "lavfi", "-i", "sine=440:d=2", "-af", f"aformat=channel_layouts={layout}"),
        *("-c:a", "pcm_s16le", str(path)),
    )
    if made.returncode:  # swresample cannot mix to it: silence in each channel
        count = {"22.2": 24, "hexagonal": 6}.get(layout, 8)
        source = f"aevalsrc={'|'.join(['0.1'] * count)}:c={layout}:d=2"
        made = run_ffmpeg("-f", "lavfi", "-i", source, "-c:a", "pcm_s16le", str(path))
        assert not made.returncode, made.stderr
    remark = layout_remark(Audio(path), ending)
    assert remark is None or "it is mixed to" in remark
    film = write_film(tmp_path / f"film{ending}", Audio(path), codec)
    assert decoded_sound(film).size > RATE


def test_a_sound_that_no_layout_fits_is_refused(
    track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENCODERS, ".mp4", ("-c:a", "no_such_encoder"))
    fitting_layout.cache_clear()
    with pytest.raises(SoundError, match=r"cannot be encoded for \.mp4: .* Mix it to stereo"):
        fitting_layout(track, ".mp4")


def test_files_without_sound_are_reported(tmp_path: Path, track: Path) -> None:
    assert sound_problem(track) is None
    silent = write_film(tmp_path / "silent.mp4", None)
    (tmp_path / "text.wav").write_text("not a sound")
    for path in (silent, tmp_path / "text.wav"):
        assert "has no sound that ffmpeg can read" in (sound_problem(path) or "")
    with wave.open(str(tmp_path / "empty.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
    assert "no length" in (sound_problem(tmp_path / "empty.wav") or "")
    assert "is not there" in (sound_problem(tmp_path / "absent.wav") or "")
    assert "is not an ordinary file" in (sound_problem(tmp_path) or "")


@pytest.mark.parametrize(
    ("audio", "warned"),
    [
        ({"start": Fraction(100)}, True),
        ({"start": Fraction(1)}, True),
        ({"start": Fraction(9, 10)}, False),
        ({"start": Fraction(100), "loop": True}, False),
        ({}, False),
    ],
)
def test_a_start_after_the_end_of_the_sound_is_warned_of(
    track: Path, audio: dict[str, object], warned: bool
) -> None:
    reader = Reader()
    check_audio(Audio(track, **audio), Fraction(1, 10), ".mp4", Scalar("", 3, 9), reader)  # type: ignore[arg-type]
    found = [(warning.line, warning.message) for warning in reader.warnings]
    start = audio.get("start", Fraction(0))
    silent = f"audio starts at {start} s, and '{track.name}' ends at 1 s, so nothing is heard. Let "
    assert found == ([(3, f"{silent}it start earlier, or write loop: true")] if warned else [])


@pytest.mark.parametrize("ending", [".mp3", ".m4a", ".ogg", ".flac"])
def test_sound_length_is_that_of_the_decoded_sound(
    tmp_path: Path, track: Path, ending: str
) -> None:
    path = tmp_path / f"track{ending}"
    assert not run_ffmpeg(*input_arguments(track), str(path)).returncode
    assert sound_length(path) == pytest.approx(1, abs=0.1)
    assert sound_length(tmp_path / "absent.wav") is None


def test_every_container_has_an_encoder() -> None:
    silent = {".gif", ".apng"}
    assert set(ENCODERS) == set(CONTAINERS) - silent
    endings = {ending for codec in CODECS.values() for ending in codec.extensions}
    assert endings - silent <= set(ENCODERS)


def test_parts_of_a_film_have_their_own_sound(tmp_path: Path, track: Path) -> None:
    def heard(*parts: tuple[Fraction, Fraction]) -> np.ndarray:
        length = sum((end - start for start, end in parts), Fraction(0))
        path, count = tmp_path / "part.mkv", round(length * 24)
        pictures = [bytes(64 * 48 * 3)] * count
        sound = Soundtrack(Audio(track, Fraction(-1, 4)), LENGTH, parts)
        write_video(path, pictures, (64, 48), Fraction(24), "ffv1", 17, {"title": "t"}, sound)
        return decoded_sound(path)

    whole = expected(float(LENGTH), np.zeros(RATE // 4, np.int16), noise(1))
    first, last = (Fraction(0), Fraction(1, 2)), (Fraction(3, 4), Fraction(1))
    assert np.array_equal(heard(first), whole[: RATE // 2])
    assert np.array_equal(heard(last), whole[RATE * 3 // 4 : RATE])
    both = np.concatenate([whole[: RATE // 2], whole[RATE * 3 // 4 : RATE]])
    assert np.array_equal(heard(first, last), both)


def test_no_channel_of_many_is_left_out(tmp_path: Path) -> None:
    """Of twelve channels only the last one sounds."""
    path = tmp_path / "many.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(12)
        file.setsampwidth(2)
        file.setframerate(RATE)
        samples = np.zeros((2 * RATE, 12), np.int16)
        samples[:, 11] = noise(2)
        file.writeframes(samples.tobytes())
    for codec, ending in (("h264", ".mp4"), ("vp9", ".webm"), ("ffv1", ".mkv")):
        film = write_film(tmp_path / f"film{ending}", Audio(path), codec)
        assert np.abs(decoded_sound(film).astype(float)).mean() > 100, ending


@pytest.mark.parametrize(
    ("audio", "loud"),
    [
        ({}, [True] * 8 + [False] * 2),
        ({"loop": True}, [True] * 10),
        ({"start": Fraction(-1, 2)}, [False] * 4 + [True] * 6),
        ({"start": Fraction(1, 2)}, [True] * 4 + [False] * 6),
    ],
)
def test_a_waveform_tells_when_a_film_is_loud(
    track: Path, audio: dict[str, object], loud: list[bool]
) -> None:
    """In ten parts of a film of 1.25 s; the sound has 1 s."""
    peaks = waveform(Soundtrack(Audio(track, **audio), LENGTH), 10)  # type: ignore[arg-type]
    assert [peak > 0.2 for peak in peaks] == loud
    assert max(peaks) == pytest.approx(8000 / 32768, abs=0.01)
    faded = waveform(Soundtrack(Audio(track, volume=0.5), LENGTH), 10)
    assert max(faded) == pytest.approx(4000 / 32768, abs=0.01)


def test_a_sound_that_cannot_be_decoded_has_no_waveform(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF no sound")
    with pytest.raises(VideoError, match=r"a\.wav cannot be decoded: "):
        waveform(Soundtrack(Audio(path), LENGTH), 10)
