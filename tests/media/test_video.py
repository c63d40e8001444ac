"""Whatever is written is read back: as many frames, as large, as fast, in the same colours."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from render.errors import InputError
from render.media import codecs, video
from render.media.animation import ENDINGS as ANIMATIONS
from render.media.atomic import FileError
from render.media.codecs import CODECS, CONTAINERS
from render.media.ffmpeg import VideoError, input_arguments, run_ffmpeg

SIZE = (64, 48)
# What a machine without special hardware writes; a GIF has 256 colours and hundredths of a second.
SOFTWARE = [name for name, codec in CODECS.items() if not codec.hardware and name != "gif"]
EVERY_FILE = [
    (name, ending)
    for name in SOFTWARE
    for ending in CODECS[name].extensions
    if ending not in ANIMATIONS
]


def moving(count: int, size: tuple[int, int] = SIZE) -> Iterator[NDArray[np.uint8]]:
    """Smooth pictures, each a little different."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    for number in range(count):
        channels = (x * 2 + number * 5, y * 3, np.full_like(x, number * 10))
        yield np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


def write(
    path: Path,
    frames: object = None,
    size: tuple[int, int] = SIZE,
    fps: Fraction = Fraction(24),
    codec: str = "h264",
    quality: int = 17,
    metadata: dict[str, str] | None = None,
) -> None:
    pictures = moving(5, size) if frames is None else frames
    video.write_video(path, pictures, size, fps, codec, quality, metadata or {})  # type: ignore[arg-type]


def fake_ffmpeg(path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(path))


def children() -> list[str]:
    """Processes that this one has started and not waited for, where the system tells (Linux)."""
    listed = Path("/proc/self/task").glob("*/children")
    return [pid for file in listed for pid in file.read_text().split()]


@pytest.mark.parametrize(("codec", "ending"), EVERY_FILE)
@pytest.mark.parametrize(("count", "fps"), [(1, "24"), (9, "10/3"), (25, "24000/1001")])
def test_as_many_frames_come_back_as_went_in(
    tmp_path: Path, codec: str, ending: str, count: int, fps: str
) -> None:
    path = tmp_path / f"film{ending}"
    frames = list(moving(count))
    write(path, frames, fps=Fraction(fps), codec=codec)
    found = video.read_video(path)
    assert (found.size, found.fps) == (SIZE, Fraction(fps))
    back = list(found.frames)
    assert len(back) == count
    for frame, copy in zip(frames, back, strict=True):
        difference = np.abs(frame.astype(int) - copy.astype(int))
        assert difference.max() == 0 if CODECS[codec].lossless else difference.mean() < 3
    assert list(tmp_path.iterdir()) == [path]


def test_rows_are_complete() -> None:
    for name, codec in CODECS.items():
        if not codec.hardware:
            codecs.probe(name)
        assert codec.extensions
        assert set(codec.extensions) <= set(CONTAINERS), name
        numbers = {"{quality}", "{opposite}"} & set(codec.arguments)
        assert bool(numbers) == (codec.quality is not None), name
        if codec.quality:
            assert codec.quality[0] <= 17 <= codec.quality[1], "the default suits every codec"
        assert codec.even == ("420" in codec.pixel_format or "422" in codec.pixel_format), name
    assert set(CONTAINERS) == {ending for _, ending in EVERY_FILE} | set(ANIMATIONS)


@pytest.mark.parametrize("codec", SOFTWARE)
@pytest.mark.parametrize("size", [(34, 18), (16, 16)])
def test_sizes_that_fit_no_block(tmp_path: Path, codec: str, size: tuple[int, int]) -> None:
    path = tmp_path / f"film{CODECS[codec].extensions[0]}"
    write(path, size=size, codec=codec)
    found = video.read_video(path)
    assert (found.size, len(list(found.frames))) == (size, 5)


def test_odd_sizes(tmp_path: Path) -> None:
    write(tmp_path / "odd.mkv", size=(33, 17), codec="ffv1")
    assert video.read_video(tmp_path / "odd.mkv").size == (33, 17)
    with pytest.raises(InputError, match=r"h264 needs an even width and height, and 33 x 17"):
        write(tmp_path / "odd.mp4", size=(33, 17))


@pytest.mark.parametrize("codec", SOFTWARE)
def test_colours_come_back(tmp_path: Path, codec: str) -> None:
    path = tmp_path / f"flat{CODECS[codec].extensions[0]}"
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)]
    write(
        path, [np.full((SIZE[1], SIZE[0], 3), colour, np.uint8) for colour in colours], codec=codec
    )
    for frame, colour in zip(video.read_video(path).frames, colours, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 3, colour


@pytest.mark.parametrize("codec", [name for name in SOFTWARE if CODECS[name].even])
def test_colours_are_bt709_and_say_so(tmp_path: Path, codec: str) -> None:
    """Red is (63, 102, 240) in bt709's limited range; in bt601's it were (81, 90, 240)."""
    path = tmp_path / f"red{CODECS[codec].extensions[0]}"
    write(path, [bytes([255, 0, 0]) * (SIZE[0] * SIZE[1])], codec=codec)
    command = [video.ffmpeg_path(), "-hide_banner", "-i", str(path)]
    command += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    shown = subprocess.run(command, capture_output=True, check=True)
    assert f"{CODECS[codec].pixel_format}(tv, bt709, ".encode() in shown.stderr
    luma = SIZE[0] * SIZE[1]
    planes = (shown.stdout[0], shown.stdout[luma], shown.stdout[luma * 5 // 4])
    assert planes == pytest.approx((63, 102, 240), abs=1)


@pytest.mark.parametrize("codec", SOFTWARE)
def test_same_frames_same_bytes(tmp_path: Path, codec: str) -> None:
    first, second = (tmp_path / f"{name}{CODECS[codec].extensions[-1]}" for name in "ab")
    for path in (first, second):
        write(path, moving(12), codec=codec, metadata={"title": "a", "comment": "b"})
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1", "h265_10bit", "av1_10bit"])
def test_quality_counts(tmp_path: Path, codec: str) -> None:
    bounds = CODECS[codec].quality
    assert bounds
    sizes = []
    for quality in bounds:
        path = tmp_path / f"{quality}{CODECS[codec].extensions[0]}"
        write(path, codec=codec, quality=quality)
        sizes.append(path.stat().st_size)
        for wrong in (bounds[0] - 1, bounds[1] + 1):
            with pytest.raises(InputError, match="is a number from"):
                write(path, codec=codec, quality=wrong)
    assert sizes[0] > sizes[1]


def test_frames_may_be_bytes(tmp_path: Path) -> None:
    for name, frames in (("a", list(moving(3))), ("b", [f.tobytes() for f in moving(3)])):
        write(tmp_path / f"{name}.mp4", frames)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("ending", [name for name in CONTAINERS if name not in ANIMATIONS])
def test_metadata_comes_back_exactly(tmp_path: Path, ending: str) -> None:
    codec = next(name for name, codec in CODECS.items() if ending in codec.extensions)
    comment = 'é=;#\\ "x" [y]\n;line\ttab 日本 \\\n=\n' * 40_000  # 1.8 MB
    metadata = {"title": "[film] # 1; a=b\\", "comment": comment}
    write(tmp_path / f"film{ending}", codec=codec, metadata=metadata)
    found = video.read_metadata(tmp_path / f"film{ending}")
    assert {name: found.get(name) for name in metadata} == metadata


@pytest.mark.parametrize("name", ["-x", "a b", "a:b", "é☃", "%d", "a'b\"c", "new\nline", "[x]"])
def test_odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(f"{name}.mp4")
    write(path, metadata={"title": name})
    assert len(list(video.read_video(path).frames)) == 5
    assert video.read_metadata(path)["title"] == name
    assert os.listdir() == [str(path)]


class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [Stop("why"), KeyboardInterrupt(), OSError(errno.EIO, "mine")])
def test_what_the_frames_raise_goes_on_and_nothing_is_left(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"the film of yesterday")

    def frames() -> Iterator[NDArray[np.uint8]]:
        yield from moving(50)  # more than a pipe holds: ffmpeg is at work
        deadline = time.monotonic() + 10
        while len(list(tmp_path.glob("film.mp4.*.partial"))) < 2:  # ffmpeg's beside its notes
            assert time.monotonic() < deadline
        raise error

    with pytest.raises(type(error)) as caught:
        write(path, frames())
    assert caught.value is error
    assert path.read_bytes() == b"the film of yesterday"
    assert list(tmp_path.iterdir()) == [path]
    assert not children()


def test_what_killed_runs_left_is_swept_and_what_others_write_is_not(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    left = [tmp_path / f"film.mp4.{n}-0123abcd.partial" for n in (1, 2)]
    theirs = [tmp_path / "film.mp4.3-0123abcd.partial", tmp_path / "film.partial.mp4"]
    for file in left + theirs:
        file.touch()
    for file in left:
        os.utime(file, (0, 0))
    write(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, *theirs])


def test_a_film_being_encoded_is_not_swept_however_long_ffmpeg_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    ages = []

    def frames() -> Iterator[NDArray[np.uint8]]:
        for frame in moving(60):
            partials = list(tmp_path.glob("film.mp4.*.partial"))
            for partial in partials if len(partials) == 2 else ():
                ages.append(time.time() - partial.stat().st_mtime)
                os.utime(partial, (0, 0))
            yield frame
            time.sleep(0.01)

    write(path, frames())
    assert sum(age < 3600 for age in ages) >= 10  # touched again after each time it was aged


def test_a_film_whose_next_frame_takes_long_is_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "film.mp4"
    monkeypatch.setattr(video, "PULSE", 0.01)
    touched = []

    def frames() -> Iterator[NDArray[np.uint8]]:
        for number, frame in enumerate(moving(20)):
            if number in (0, 10):  # before the first, and while one is worked on
                partials = list(tmp_path.glob("film.mp4.*.partial"))
                for partial in partials:
                    os.utime(partial, (0, 0))
                time.sleep(0.5)
                touched.extend(partial.stat().st_mtime > 0 for partial in partials)
            yield frame

    write(path, frames())
    assert len(touched) >= 2
    assert all(touched)


def test_two_processes_write_one_film_at_once(tmp_path: Path) -> None:
    """Both write the same bytes, and neither touches the other's file."""
    path = tmp_path / "film.mp4"
    script = ENDLESS.replace("itertools.count()", "range(100)")
    both = [subprocess.Popen([sys.executable, "-c", script, str(path)]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(list(video.read_video(path).frames)) == 100
    assert list(tmp_path.iterdir()) == [path]


ENDLESS = """
import itertools, sys, time
from fractions import Fraction
from pathlib import Path
from render.media.video import write_video

def frames():
    for number in itertools.count():
        time.sleep(0.002)
        yield bytes([number % 256]) * (64 * 48 * 3)

write_video(Path(sys.argv[1]), frames(), (64, 48), Fraction(24), "h264", 17, {})
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs the signals of POSIX")
@pytest.mark.parametrize("ending", ["SIGINT", "SIGKILL"])
def test_a_process_that_is_ended(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "film.mp4"
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(path)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 20
    # Its notes and the film: an ffmpeg that lives on would make what it has yet to open.
    while len(list(tmp_path.glob("film.mp4.*.partial"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, getattr(signal, ending))  # as Ctrl-C does: all of the session
    process.wait(20)
    if ending == "SIGINT":
        assert not list(tmp_path.iterdir())
    assert not path.exists()
    for left in tmp_path.iterdir():  # which ffmpeg may still be ending
        left.unlink()
    write(path)
    write(tmp_path / "again.mp4")
    assert path.read_bytes() == (tmp_path / "again.mp4").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["again.mp4", "film.mp4"]


@pytest.mark.timeout(60)
def test_an_interruption_while_a_frame_is_queued_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal between two instructions of a Condition once left the writer waiting for a pulse."""
    monkeypatch.setattr(video, "PULSE", 3600.0)
    notify, armed = threading.Condition.notify, False

    def interrupted(self: threading.Condition, n: int = 1) -> None:
        nonlocal armed
        if armed and threading.current_thread() is threading.main_thread() and self._waiters:
            armed = False
            self._waiters[0].release()
            raise KeyboardInterrupt
        notify(self, n)

    monkeypatch.setattr(threading.Condition, "notify", interrupted)

    def interrupted_film() -> None:
        nonlocal armed
        settings = SIZE, Fraction(24), "h264", 30, {}
        with video.video_writer(tmp_path / "film.mp4", *settings) as writer:
            for number, frame in enumerate(moving(40)):
                armed = number >= 5
                writer.send(frame)
                time.sleep(0.02)  # so that the other thread waits for the next
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_film()
    assert not list(tmp_path.iterdir())
    assert not children()


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"short"],
        [np.zeros((48, 64, 4), np.uint8)],
        [np.zeros((64, 48, 3), np.uint8)],
        [np.zeros((48, 64, 3), np.float32)],
    ],
)
def test_wrong_frames(tmp_path: Path, frames: list[object]) -> None:
    with pytest.raises(VideoError):
        write(tmp_path / "film.mp4", frames)
    assert not list(tmp_path.iterdir())
    assert not children()


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("sys.exit('[x @ 0x1] av_write(): No space left on device')", "the disk is full. Free"),
        ("sys.exit('[x @ 0x1] it is broken.')", r"film.mp4 was not written: it is broken \("),
        ("sys.stdin.buffer.read(); sys.exit(3)", r"it gave no reason \(ffmpeg ended with 3\)"),
        ("import os; os.kill(os.getpid(), 9)", "ffmpeg was ended by signal 9"),
        ("import signal as s; s.signal(25, s.SIG_DFL); s.raise_signal(25)", "File too large"),
        ("sys.stderr.write('x' * 2**20 + chr(10)); sys.stdin.read(); sys.exit(1)", "xxx"),
        ("sys.exit()", "was not written"),
    ],
)
def test_ffmpeg_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, sentence: str
) -> None:
    probed = "if '-h' in sys.argv: sys.exit(print('Encoder libx264'))\n"
    fake_ffmpeg(tmp_path / "ffmpeg", monkeypatch, probed + script)
    frames = (bytes(SIZE[0] * SIZE[1] * 3) for _ in range(50))  # more than a pipe holds
    with pytest.raises(VideoError, match=sentence):
        write(tmp_path / "film.mp4", frames)
    assert os.listdir(tmp_path) == ["ffmpeg"]
    assert not children()


def test_frames_are_made_while_ffmpeg_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five pictures that no pipe would hold, before ffmpeg reads the first byte."""
    made = tmp_path / "made"
    waits = f"""
import os, time
if "-h" in sys.argv:
    sys.exit(print("Encoder libx264"))
until = time.monotonic() + 20
while not os.path.exists({str(made)!r}):
    if time.monotonic() > until:
        sys.exit(1)
    time.sleep(0.01)
open(sys.argv[-1].removeprefix("file:"), "wb").write(sys.stdin.buffer.read())"""
    fake_ffmpeg(tmp_path / "ffmpeg", monkeypatch, waits)

    def frames() -> Iterator[NDArray[np.uint8]]:
        yield from moving(5, (512, 256))
        made.touch()

    write(tmp_path / "film.mp4", frames(), (512, 256))
    assert (tmp_path / "film.mp4").stat().st_size == 5 * 512 * 256 * 3


def test_full_disk(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(tmp_path)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("only root can mount a small disk")
    try:
        noise = np.random.default_rng(0)
        frames = (noise.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(60))
        with pytest.raises(VideoError, match="the disk is full"):
            write(tmp_path / "film.mkv", frames, codec="ffv1")
        assert not list(tmp_path.iterdir())
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_found_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"film\.mp4 was not written: the disk is full"):
        write(tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "codec", "sentence"),
    [
        (
            "film.avi",
            "h264",
            r"written to \.mp4, \.mov, \.m4v or \.mkv, not \.avi. Name it film\.mp4",
        ),
        (
            "film.webm",
            "h264",
            r"not \.webm. Name it film\.mp4, or set the codec to vp9, av1 or av1_10bit",
        ),
        ("film", "h264", "the name has no ending"),
        ("film.MP4", "prores", r"written to \.mov or \.mkv, not \.MP4"),
        ("no/film.mp4", "h264", "there is no folder"),
        (".", "h264", "is a folder"),
        ("film.mp4", "h267", "no codec 'h267'. There are h264, h265,"),
        ("x" * 252 + ".mp4", "h264", "the name takes 256 bytes"),
        ("\u590f" * 74 + ".mp4", "h264", "the name takes 226 bytes"),
    ],
)
def test_outputs_that_cannot_be(tmp_path: Path, name: str, codec: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        codecs.check_output(tmp_path / name, codec)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(InputError, match="cannot be written to"):
        codecs.check_output(tmp_path / "film.mp4", "h264")


def test_good_outputs(tmp_path: Path) -> None:
    codecs.check_output(tmp_path / "film.mp4", "h264")
    codecs.check_output(tmp_path / "FILM.MP4", "h264")
    codecs.check_output(Path("film.mp4"), "h264")


@pytest.mark.parametrize(
    ("size", "fps", "sentence"),
    [
        ((14, 14), "24", "too small"),
        (SIZE, "0", "cannot have 0 frames"),
        (SIZE, "-1", "cannot have"),
        (SIZE, "241", "up to 240"),
        (SIZE, "10000001/1000000", "cannot have"),
    ],
)
def test_frames_that_cannot_be(size: tuple[int, int], fps: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        codecs.check_frame(size, Fraction(fps), "h264", 17)


@pytest.mark.parametrize("fps", ["1/3", "1", "25/2", "30000/1001", "60", "237/10"])
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_frame_rates_are_exact(tmp_path: Path, fps: str, ending: str) -> None:
    write(tmp_path / f"film{ending}", fps=Fraction(fps))
    assert video.read_video(tmp_path / f"film{ending}").fps == Fraction(fps)


def test_no_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"cannot be run at .*none: No such file"):
        codecs.check_output(tmp_path / "film.mp4", "h264")
    fake_ffmpeg(tmp_path / "ffmpeg", monkeypatch, "print('Encoder mpeg4')")
    with pytest.raises(InputError, match="cannot write h264: it was built without libx264"):
        codecs.probe("h264")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(VideoError, match="pip install imageio-ffmpeg"):
        video.ffmpeg_path()


def test_reading_what_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    for read in (video.read_video, video.read_metadata):
        for name in ("text.mp4", "none.mp4"):
            with pytest.raises(VideoError, match="cannot be read as a video"):
                read(tmp_path / name)


def test_reading_half_a_film(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write(path, moving(25))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(VideoError, match="cannot be read"):
        list(video.read_video(path).frames)


def test_a_reader_that_stops_early_leaves_no_process(tmp_path: Path) -> None:
    write(tmp_path / "film.mp4", moving(25))
    frames = video.read_video(tmp_path / "film.mp4").frames
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert not children()


def test_importing_is_cheap() -> None:
    code = "import sys, render.media.video; print({'numpy', 'torch', 'PIL'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
def test_the_best_quality_plays_everywhere(tmp_path: Path, codec: str) -> None:
    row = CODECS[codec]
    assert row.quality is not None
    path = tmp_path / f"best{row.extensions[0]}"
    write(path, codec=codec, quality=row.quality[0])
    shown = run_ffmpeg("-loglevel", "info", *input_arguments(path)).stderr.decode()
    assert "yuv420p" in shown
    assert "4:4:4" not in shown


def test_ten_bits_and_full_colour_are_what_their_names_say(tmp_path: Path) -> None:
    for codec, shown in (
        ("h265_10bit", b"yuv420p10le"), ("av1_10bit", b"yuv420p10le"), ("prores_4444", b"444p1"),
    ):  # fmt: skip
        path = tmp_path / f"film{CODECS[codec].extensions[0]}"
        write(path, codec=codec)
        assert shown in run_ffmpeg("-loglevel", "info", *input_arguments(path)).stderr, codec


def test_a_gif_plays_as_long_as_the_film_and_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    write(path, list(moving(24)), fps=Fraction(24), codec="gif", metadata={"comment": "{}"})
    with Image.open(path) as image:
        assert (image.size, image.n_frames, image.info["loop"]) == (SIZE, 24, 0)
        durations = []
        for number in range(24):
            image.seek(number)
            durations.append(image.info["duration"])
            difference = np.asarray(image.convert("RGB")).astype(int) - list(moving(24))[number]
            assert np.abs(difference).mean() < 8
    assert sum(durations) == pytest.approx(1000, abs=20)
    again = tmp_path / "again.gif"
    write(again, list(moving(24)), fps=Fraction(24), codec="gif", metadata={"comment": "{}"})
    assert again.read_bytes() == path.read_bytes()
    with pytest.raises(InputError, match="at most 50 frames per second of a GIF"):
        write(path, fps=Fraction(60), codec="gif")


def test_a_codec_whose_hardware_is_not_there_is_refused_at_the_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder that ffmpeg does not have stands for one whose hardware is not there."""
    row = replace(CODECS["h264_nvenc"], encoder="no_such_encoder")
    monkeypatch.setitem(CODECS, "h264_nvenc", row)
    with pytest.raises(
        InputError, match=r"h264_nvenc needs an NVIDIA GPU and its driver: .* h264 "
    ):
        codecs.check_output(tmp_path / "film.mp4", "h264_nvenc")


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "h264"), ("a.mov", "h264"), ("a.webm", "vp9"), ("a.GIF", "gif"), ("a.apng", "apng"),
     ("a.mkv", "h264"), ("a", "h264")],
)  # fmt: skip
def test_auto_is_by_the_ending_of_the_name(name: str, codec: str) -> None:
    assert codecs.chosen_codec("auto", Path(name)) == codec
    assert codecs.chosen_codec("av1", Path(name)) == "av1"


@pytest.mark.parametrize("codec", ["h265", "h265_10bit"])
def test_apple_s_players_know_the_tag(tmp_path: Path, codec: str) -> None:
    for ending in (".mp4", ".mov"):
        write(tmp_path / f"a{ending}", codec=codec)
        assert b"hvc1" in (tmp_path / f"a{ending}").read_bytes()


def test_a_film_that_another_run_wrote_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"

    def frames() -> Iterator[bytes]:
        yield bytes(SIZE[0] * SIZE[1] * 3)
        path.write_bytes(b"of another run")
        yield bytes(SIZE[0] * SIZE[1] * 3)

    with pytest.raises(VideoError, match="another run wrote it meanwhile"):
        write(path, frames())  # type: ignore[arg-type]
    assert path.read_bytes() == b"of another run"
    assert list(tmp_path.iterdir()) == [path]
