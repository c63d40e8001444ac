"""Downloads from a local server that makes every mistake that servers make."""

from __future__ import annotations

import email.utils
import hashlib
import os
import socket
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from download_server import DATA, DIGEST, Server

from render.media.digest import sha256_of
from render.weights import download
from render.weights.download import DownloadError, discard, fetch


def get(urls: str | list[str], partial: Path, **keywords: Any) -> tuple[str, list[tuple[int, int]]]:
    """The digest, and every progress report."""
    reports: list[tuple[int, int]] = []
    digest = fetch(
        [urls] if isinstance(urls, str) else urls,
        partial,
        lambda done, total: reports.append((done, total)),
        **{"timeout": 5, "pause": 0, **keywords},
    )
    return digest, reports


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "not pinned"])
def test_a_whole_file_comes_and_is_reported(server: Server, tmp_path: Path, pinned: bool) -> None:
    partial = tmp_path / "a.partial"
    keywords = {"size": len(DATA), "sha256": DIGEST} if pinned else {}
    digest, reports = get(server.url, partial, **keywords)
    assert digest == DIGEST
    assert partial.read_bytes() == DATA
    assert reports[0] == (0, len(DATA))
    assert reports[-1] == (len(DATA), len(DATA))
    assert reports == sorted(reports)
    discard(partial)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "not pinned"])
def test_a_broken_connection_is_resumed(server: Server, tmp_path: Path, pinned: bool) -> None:
    server.behaviour.cut = [300_000, 200_000]
    digest, _ = get(server.url, tmp_path / "a.partial", sha256=DIGEST if pinned else None)
    assert digest == DIGEST
    assert server.behaviour.requested == [None, "bytes=300000-", "bytes=500000-"]


def test_a_download_resumes_an_earlier_run(server: Server, tmp_path: Path) -> None:
    partial = tmp_path / "a.partial"
    partial.write_bytes(DATA[:400_000])
    digest, reports = get(server.url, partial, sha256=DIGEST)
    assert (digest, server.behaviour.requested) == (DIGEST, ["bytes=400000-"])
    assert reports[0][0] == 400_000


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    partial = tmp_path / "a.partial"
    partial.write_bytes(b"something else")
    server.behaviour.ranges = False
    assert get(server.url, partial, sha256=DIGEST)[0] == DIGEST


def test_a_complete_file_is_not_requested_again(server: Server, tmp_path: Path) -> None:
    partial = tmp_path / "a.partial"
    partial.write_bytes(DATA)
    assert get(server.url, partial, size=len(DATA), sha256=DIGEST)[0] == DIGEST
    assert server.behaviour.requested == []
    assert (
        get(server.url, partial, sha256=DIGEST)[0] == DIGEST
    )  # of unknown size: the server answers 416
    assert len(server.behaviour.requested) == 1


def test_without_a_digest_only_the_same_file_is_continued(server: Server, tmp_path: Path) -> None:
    partial = tmp_path / "a.partial"
    server.behaviour.cut = [300_000] * download._ATTEMPTS
    server.behaviour.ranges = False
    with pytest.raises(DownloadError, match=r"broke off at 300,000 of 1,024,000 bytes"):
        get(server.url, partial)
    server.behaviour.ranges, server.behaviour.cut = True, []
    server.behaviour.requested.clear()
    server.behaviour.data, server.behaviour.etag = (
        DATA[::-1],
        '"2"',
    )  # the server now has another file
    assert get(server.url, partial)[0] == hashlib.sha256(DATA[::-1]).hexdigest()
    assert server.behaviour.requested == [
        "bytes=300000-"
    ]  # sent with If-Range, answered from the start


def test_without_a_digest_or_an_etag_it_starts_over(server: Server, tmp_path: Path) -> None:
    server.behaviour.etag = ""
    server.behaviour.cut = [300_000]
    assert get(server.url, tmp_path / "a.partial")[0] == DIGEST
    assert server.behaviour.requested == [None, None]


def test_a_damaged_partial_file_is_downloaded_from_the_start(
    server: Server, tmp_path: Path
) -> None:
    partial = tmp_path / "a.partial"
    partial.write_bytes(b"wrong" + DATA[5:400_000])
    assert get(server.url, partial, sha256=DIGEST)[0] == DIGEST
    assert server.behaviour.requested == ["bytes=400000-", None]


def test_a_partial_file_that_is_too_long_is_downloaded_from_the_start(
    server: Server, tmp_path: Path
) -> None:
    partial = tmp_path / "a.partial"
    partial.write_bytes(DATA + b"more")
    assert get(server.url, partial, size=len(DATA), sha256=DIGEST)[0] == DIGEST
    partial.write_bytes(DATA + b"more")
    assert get(server.url, partial, sha256=DIGEST)[0] == DIGEST  # after the server answers 416


def test_wrong_bytes_are_deleted_and_reported(server: Server, tmp_path: Path) -> None:
    server.behaviour.data = bytes(reversed(DATA))
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:\d+ has another file: its SHA-256 is"):
        get(server.url, tmp_path / "a.partial", size=len(DATA), sha256=DIGEST)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_size_is_refused_before_the_download(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match="1,024,000 bytes, not 1,024,001"):
        get(server.url, tmp_path / "a.partial", size=len(DATA) + 1)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_end_is_stopped(server: Server, tmp_path: Path) -> None:
    server.behaviour.length = False
    with pytest.raises(DownloadError, match="sends more than the 1,000 bytes"):
        get(server.url, tmp_path / "a.partial", size=1000)


def test_a_server_may_omit_the_length(server: Server, tmp_path: Path) -> None:
    server.behaviour.length = False
    digest, reports = get(server.url, tmp_path / "a.partial")
    assert (digest, reports[-1]) == (DIGEST, (len(DATA), 0))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"status": 404}, "answers 404 Not Found"),
        ({"status": 500}, "answers 500"),
        (
            {"content_type": "text/html; charset=utf-8"},
            "answers with a web page instead of the file",
        ),
    ],
    ids=["404", "500", "html"],
)
def test_a_wrong_answer_is_reported(
    server: Server, tmp_path: Path, wrong: dict[str, Any], sentence: str
) -> None:
    for name, value in wrong.items():
        setattr(server.behaviour, name, value)
    with pytest.raises(DownloadError, match=sentence):
        get(server.url, tmp_path / "a.partial")
    assert not (tmp_path / "a.partial").exists()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses in seconds, none of which is waited for."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def test_a_busy_server_is_asked_again_after_the_pause_that_it_names(
    server: Server, tmp_path: Path, slept: list[float]
) -> None:
    date = email.utils.format_datetime(
        datetime.now(timezone.utc) + timedelta(seconds=30), usegmt=True
    )
    server.behaviour.busy = [(429, "7"), (503, date), (503, None), (429, "soon")]
    assert get(server.url, tmp_path / "a.partial", pause=1)[0] == DIGEST
    assert slept == [7, pytest.approx(29.5, abs=1), 3, 4]


def test_a_busy_server_loses_no_bytes(server: Server, tmp_path: Path, slept: list[float]) -> None:
    (tmp_path / "a.partial").write_bytes(DATA[:400_000])
    server.behaviour.busy = [(503, "2")]
    assert get(server.url, tmp_path / "a.partial", sha256=DIGEST)[0] == DIGEST
    assert server.behaviour.requested == ["bytes=400000-"] * 2
    assert slept == [2]


@pytest.mark.parametrize(
    ("busy", "sentence"),
    [
        ([(503, "0")] * 5, "answers 503 Service Unavailable"),
        ([(429, "3600")], "answers 429 Too Many Requests and asks to be left alone for 60 min"),
    ],
    ids=["always", "for long"],
)
def test_a_server_that_stays_busy_is_given_up(
    server: Server,
    tmp_path: Path,
    slept: list[float],
    busy: list[tuple[int, str | None]],
    sentence: str,
) -> None:
    server.behaviour.busy = list(busy)
    with pytest.raises(DownloadError, match=sentence):
        get(server.url, tmp_path / "a.partial")
    assert len(server.behaviour.requested) == len(busy)
    assert max(slept, default=0) < 60


def test_another_part_than_was_asked_for_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.partial").write_bytes(DATA[:1000])
    server.behaviour.wrong_start = 1
    with pytest.raises(DownloadError, match="another part of the file"):
        get(server.url, tmp_path / "a.partial", sha256=DIGEST)


def test_addresses_are_tried_in_order(server: Server, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/file"
        assert get([nobody, server.url], tmp_path / "a.partial", sha256=DIGEST)[0] == DIGEST
        with pytest.raises(DownloadError, match=r"does not answer.*; .*does not answer"):
            get([nobody, nobody], tmp_path / "b.partial", sha256=DIGEST)


def test_a_silent_server_times_out(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file"
        with pytest.raises(DownloadError, match="does not answer"):
            get(url, tmp_path / "a.partial", timeout=0.2)


def test_a_full_disk_is_reported_and_the_bytes_are_kept(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DownloadError, match="the disk is full"):
        get(server.url, tmp_path / "a.partial", sha256=DIGEST)
    assert (tmp_path / "a.partial").stat().st_size == len(DATA)


def test_a_folder_in_place_of_the_file_is_reported(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.partial").mkdir()
    with pytest.raises(DownloadError, match="could not be written"):
        get(server.url, tmp_path / "a.partial")


def test_two_downloads_of_one_file_do_not_mix(server: Server, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / "a.partial").open("ab") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process is downloading"):
            get(server.url, tmp_path / "a.partial")
    assert sha256_of(tmp_path / "a.partial") == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("address", ["http://example.com/a", "ftp://example.com/a", "file:///a"])
def test_only_addresses_with_tls_are_asked(server: Server, tmp_path: Path, address: str) -> None:
    """And none to which a server sends on; this machine itself may be asked without."""
    with pytest.raises(DownloadError, match="is no https address"):
        fetch((address,), tmp_path / "a", lambda done, total: None)
    server.behaviour.sent_on = address
    with pytest.raises(DownloadError, match=r"no https address|does not answer|answers 302"):
        fetch((server.url,), tmp_path / "a", lambda done, total: None)
    assert not (tmp_path / "a").exists()
