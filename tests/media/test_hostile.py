"""Files of strangers: no other file is opened for them, and nothing waits for ever."""

from __future__ import annotations

import base64
import os
import struct
import subprocess
import sys
import time
import wave
import zipfile
import zlib
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from render.errors import InputError
from render.media import ffmpeg, video
from render.media.ffmpeg import VideoError, input_arguments, run_ffmpeg
from render.media.sound import sound_length, sound_problem
from render.media.video import read_metadata, write_video
from render.storyboard.named_files import probe_image
from render.synthesis.images import load_image
from render.weights.catalog import ModelError
from render.weights.checkpoint import open_tensors
from render.weights.convert import read_config


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A sound that no storyboard names."""
    path = tmp_path / "elsewhere" / "secret.wav"
    path.parent.mkdir()
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * 100)
    return path


@pytest.mark.parametrize("name", ["list.m3u8", "list.wav", "list.mp3", "list.ffconcat", "a.sdp"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:2,\nPATH\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile 'PATH'\n",
        "ffconcat version 1.0\nfile secret.wav\n",
        "v=0\nm=audio 5004 RTP/AVP 0\n",
        ";FFMETADATA1\ntitle=x\n",
    ],
)
def test_a_list_that_names_other_files_is_no_sound(secret: Path, name: str, text: str) -> None:
    path = secret.with_name(name)
    path.write_text(text.replace("PATH", str(secret)))
    assert "has no sound that ffmpeg can read" in (sound_problem(path) or "")
    assert sound_length(path) is None
    with pytest.raises(VideoError):
        read_metadata(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
def test_a_pipe_is_no_sound(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    assert sound_problem(tmp_path / "a.wav") == "is not an ordinary file. Name a sound"


def test_usual_sounds_are_read(secret: Path) -> None:
    for ending in ("mp3", "m4a", "ogg", "flac", "aac", "aiff", "mka", "webm", "ac3", "wv", "mp2"):
        path = secret.with_suffix(f".{ending}")
        done = run_ffmpeg(*input_arguments(secret), str(path))
        if not done.returncode:
            assert sound_problem(path) is None, ending


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Puts a program in the place of ffmpeg."""
    path = folder / "ffmpeg"
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")
    path.chmod(0o755)
    monkeypatch.setattr(ffmpeg, "ffmpeg_path", lambda: str(path))
    monkeypatch.setattr(video, "ffmpeg_path", lambda: str(path))
    monkeypatch.setattr(video, "check_output", lambda path, codec: None)


@pytest.mark.skipif(os.name == "nt", reason="a script cannot stand for a program")
def test_a_probe_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, monkeypatch, "time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(VideoError, match="did not end within 1 seconds"):
        run_ffmpeg("-i", "x", limit=1)
    assert time.monotonic() - began < 20


@pytest.mark.skipif(os.name == "nt", reason="a script cannot stand for a program")
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("os.close(0); time.sleep(60)", "for minutes"),  # takes nothing, and stays
        ("time.sleep(60)", "took no frame for minutes"),  # never reads
        ("sys.stdin.buffer.read(); time.sleep(60)", "did not end for minutes"),
        ("sys.stdin.buffer.read()", "ended well, but wrote nothing"),
        ("sys.stdin.buffer.read(); open(sys.argv[-1][5:], 'w')", "ended well, but wrote nothing"),
        ("sys.stdin.buffer.read(9); sys.exit('why')", "why"),
    ],
)
def test_an_ffmpeg_that_hangs_or_writes_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str
) -> None:
    fake(tmp_path, monkeypatch, body)
    for name, seconds in (("STALL", 1.0), ("END_STALL", 1.0), ("GRACE", 1.0)):
        monkeypatch.setattr(video, name, seconds)
    frames = [bytes(640 * 480 * 3)] * 20
    began = time.monotonic()
    with pytest.raises(VideoError, match=said):
        write_video(tmp_path / "a.mp4", frames, (640, 480), Fraction(24), "h264", 17, {})
    assert time.monotonic() - began < 30
    assert [path.name for path in tmp_path.iterdir()] == ["ffmpeg"]


LISTS = "[" + "[]," * 900_000 + "[]]"  # which as JSON takes twenty times as much memory


def png_with(text: bytes) -> bytes:
    """A PNG of one pixel with a note."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    note = chunk(b"iTXt", b"render\0" + bytes(4) + text)
    pixels = chunk(b"IDAT", zlib.compress(bytes(2)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + note + pixels + chunk(b"IEND", b"")


def latent_with(text: bytes) -> bytes:
    """A safetensors file whose header is this."""
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", png_with(f'{{"render": "1", "x": {LISTS}}}'.encode())),
        ("b.png", png_with(f'{{"render": "1", "x": {LISTS * 30}}}'.encode())),
        ("a.safetensors", latent_with(f'{{"x": {LISTS}}}'.encode())),
        ("b.safetensors", latent_with(f'{{"x": {LISTS * 8}}}'.encode())),
        ("a.svg", f'<svg><metadata id="render">{{"x": {LISTS * 30}}}</metadata>'.encode()),
        ("a.gif", b"GIF89a\x01\x00\x01\x00\x00\x00\x00" + b"!\xfe" + b"\xff[" * 3_000_000),
    ],
)
def test_a_crafted_note_takes_little_memory(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from render.media.provenance import ProvenanceError, read_note\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "try:\n    read_note(Path(sys.argv[1]))\nexcept ProvenanceError:\n    pass\n"
        "print(peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 100


# Fuzzing found these.
IEND_FIRST = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAAElFTkSuQmCC")


def test_a_png_without_pixels_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(IEND_FIRST)
    assert "is not an image that can be read" in str(probe_image(tmp_path / "a.png"))
    with pytest.raises(InputError, match="is damaged and cannot be read whole"):
        load_image(tmp_path / "a.png", torch.device("cpu"))


def test_an_archive_with_an_encrypted_part_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/byteorder", b"little")
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1  # in the directory
    path.write_bytes(data)
    with pytest.raises(ModelError, match="its byteorder cannot be read"), open_tensors(path):
        pass


@pytest.mark.parametrize("text", ["70", "\n999", "- 1", "null", "''", "[" * 90])
def test_a_config_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ModelError):
        read_config(path)


def test_an_archive_whose_compression_is_broken_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.", zipfile.ZIP_STORED)
        archive.writestr("a/byteorder", b"little")
    data = bytearray(path.read_bytes())
    begins = data.index(b"a/byteorder") + len(b"a/byteorder")
    data[begins : begins + 4] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(ModelError, match="is damaged or was cut off"), open_tensors(path):
        pass
