"""Downloads one published file completely or not at all: resumed, checked by size and SHA-256.

An unfinished download is always named NAME.partial, so that it is never taken for a finished file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from render.errors import RenderError
from render.media.atomic import FULL
from render.media.digest import sha256_of

OnProgress = Callable[[int, int], None]  # bytes so far, bytes in total (0: not known)

_CHUNK = 1 << 20  # bytes read at once
# Bytes of a download whose size nobody knows: more than any published model has.
LARGEST = 20_000_000_000
_ATTEMPTS = 5  # at one address, as long as each attempt brings new bytes or the server is busy
_BUSY = (429, 502, 503, 504)  # answers after which the same request may succeed
_LONGEST_PAUSE = 60.0  # seconds that a busy server is waited for


class DownloadError(RenderError):
    """No address gave the file, or the disk could not be written; the message is for the user."""


class _UnusableAddress(Exception):
    """An address does not give the file; the message completes "HOST ..."."""


class _BusyServer(Exception):
    """An address may give the file later; the message completes "HOST ..."."""

    def __init__(self, message: str, pause: float | None) -> None:
        """`pause` is how many seconds the server asks to wait; None if it does not say."""
        super().__init__(message)
        self.pause = pause


def fetch(
    urls: Sequence[str],
    partial: Path,
    report: OnProgress,
    *,
    size: int | None = None,
    sha256: str | None = None,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> str:
    """Downloads a file from the first address that has it to `partial`; returns its SHA-256.

    Continues what an earlier call left in `partial` if the server can. `timeout`, and `pause`
    between attempts where the server names none, are in seconds. Raises DownloadError; a file of
    another size or digest is deleted first.
    """
    download = _Download(partial, size, sha256)
    failures = []
    for url in urls:
        try:
            return _fetch_from(url, download, report, timeout, pause)
        except _UnusableAddress as reason:
            failures.append(f"{urlsplit(url).netloc} {reason}")
    raise DownloadError("; ".join(failures))


def discard(partial: Path) -> None:
    """Deletes a file that `fetch` downloaded, finished or not, and the note beside it."""
    partial.unlink(missing_ok=True)
    _note_path(partial).unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns an OSError from writing `path` into a DownloadError."""
    try:
        yield
    except OSError as error:
        raise DownloadError(_disk_sentence(error, path)) from error


def _disk_sentence(error: OSError, path: Path) -> str:
    """Returns why a file could not be written, and what to do."""
    if error.errno in FULL:
        return f"the disk is full, so {path} could not be written; make room and run it again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{path} is not writable; choose another folder with the environment variable "
            "RENDER_MODELS"
        )
    return f"{path} could not be written ({error.strerror or error})"


def _note_path(partial: Path) -> Path:
    """Returns the path of the JSON note that says which address `partial` was begun from."""
    return partial.with_name(partial.name + ".from")


@dataclass(frozen=True)
class _Download:
    """The file to write, and the published file's size and digest where they are known."""

    partial: Path
    size: int | None
    sha256: str | None

    def bytes_on_disk(self) -> int:
        """Returns how many bytes of the file are on disk."""
        return self.partial.stat().st_size if self.partial.is_file() else 0

    def validator(self, url: str) -> str:
        """Returns the ETag or date with which the partial file was begun at `url`, or ""."""
        with contextlib.suppress(OSError, ValueError):
            note = json.loads(_note_path(self.partial).read_text(encoding="utf-8"))
            if isinstance(note, dict) and note.get("url") == url:
                return str(note.get("validator") or "")
        return ""


def _fetch_from(
    url: str, download: _Download, report: OnProgress, timeout: float, pause: float
) -> str:
    """Returns the digest of the complete, checked file; raises _UnusableAddress."""
    resumed = True
    while resumed:
        resumed = _resumable_bytes(url, download) > 0
        _download_rest(url, download, report, timeout, pause)
        digest = sha256_of(download.partial)
        if download.sha256 in (None, digest):
            return digest
        # The bytes of an earlier run may have been wrong, so try once more from the start.
        discard(download.partial)
    raise _UnusableAddress(
        f"has another file: its SHA-256 is {digest}, not {download.sha256} (it was deleted)"
    )


def _resumable_bytes(url: str, download: _Download) -> int:
    """Returns after how many bytes to continue the partial file; deletes it if that is unsafe."""
    received = download.bytes_on_disk()
    # Without a digest, nobody would notice two different files joined into one.
    unsafe = download.sha256 is None and not download.validator(url)
    too_long = download.size is not None and received > download.size
    if (received and unsafe) or too_long:
        discard(download.partial)
        return 0
    return received


def _download_rest(
    url: str, download: _Download, report: OnProgress, timeout: float, pause: float
) -> None:
    """Sends requests until the partial file is complete; raises _UnusableAddress."""
    wait = 0.0
    for attempt in range(_ATTEMPTS):
        received = _resumable_bytes(url, download)
        if received and received == download.size:
            return
        if attempt:
            time.sleep(wait)
        wait = pause * (attempt + 1)
        try:
            total, failure = _request(url, received, download, report, timeout)
        except _BusyServer as busy:
            if busy.pause is not None and busy.pause > _LONGEST_PAUSE:
                minutes = math.ceil(busy.pause / 60)
                reason = f"{busy} and asks to be left alone for {minutes} min"
                raise _UnusableAddress(reason) from busy
            if attempt == _ATTEMPTS - 1:
                raise _UnusableAddress(str(busy)) from busy
            wait = wait if busy.pause is None else busy.pause
            continue
        reached = download.bytes_on_disk()
        if not failure and reached >= total:
            return
        if reached <= received and attempt:
            break
    of = f" of {total:,}" if total else ""
    raise _UnusableAddress(f"broke off at {reached:,}{of} bytes ({failure}); those are kept")


def _request(
    url: str, received: int, download: _Download, report: OnProgress, timeout: float
) -> tuple[int, str]:
    """Requests the bytes from `received` on, and appends them to the partial file.

    Returns the size of the whole file (0: not known) and why the connection broke ("": it did
    not). Raises _UnusableAddress, _BusyServer.
    """
    import http.client  # imported here: these take as long to import as all of `render --help`
    import urllib.error
    import urllib.request

    class SafeRedirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *given: Any) -> Any:
            _check_scheme(given[-1])
            return super().redirect_request(*given)

    _check_scheme(url)
    opener = urllib.request.build_opener(SafeRedirects)
    request = urllib.request.Request(url, headers={"User-Agent": "render"})
    if received:
        request.add_header("Range", f"bytes={received}-")
        if validator := download.validator(url):
            request.add_header("If-Range", validator)
    try:
        with opener.open(request, timeout=timeout) as response:
            total = _check_response(response, received, download)
            if response.status != 206:
                received = 0  # the server ignores ranges or the file has changed: start over
            _write_note(url, response, download)
            return total, _append(response, received, total, download, report)
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            if error.code == 416 and received:
                if _size_in_range(error.headers) == received:
                    return received, ""  # the file was complete
                discard(download.partial)
                return 0, "it was of another length"
            answer = f"answers {error.code} {error.reason}"
            if error.code in _BUSY:
                raise _BusyServer(answer, _retry_after(error.headers)) from error
            raise _UnusableAddress(answer) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _UnusableAddress(f"does not answer ({reason})") from error


def _check_scheme(url: str) -> None:
    """Raises _UnusableAddress for an address, perhaps one that a server sends on to, whose answer
    anyone on the way could replace. This machine itself may be asked without TLS."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _UnusableAddress(f"sends on to what is no address ({error})") from error
    here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme != "https" and not here:
        raise _UnusableAddress(f"is no https address ({parts.scheme}://{parts.hostname})")


def _check_response(response: Any, received: int, download: _Download) -> int:
    """Returns the size of the whole file (0: not known); raises _UnusableAddress."""
    content_type = response.headers.get_content_type()
    if content_type in ("text/html", "application/xhtml+xml"):
        raise _UnusableAddress("answers with a web page instead of the file")
    if response.status == 206:
        start = re.match(r"bytes ([0-9]{1,18})-", response.headers.get("Content-Range", ""))
        if start is None or int(start[1]) != received:
            raise _UnusableAddress("answers with another part of the file than was asked for")
        total = _size_in_range(response.headers)
    else:
        length = response.headers.get("Content-Length", "")
        total = int(length) if re.fullmatch(r"[0-9]{1,18}", length) else 0
    if download.size is not None and total and total != download.size:
        raise _UnusableAddress(f"has another file: {total:,} bytes, not {download.size:,}")
    return total or download.size or 0


def _retry_after(headers: Any) -> float | None:
    """Returns the seconds in a Retry-After header, which holds them or a date; None without one."""
    from email.utils import parsedate_to_datetime

    said = headers.get("Retry-After", "").strip()
    if said.isdecimal():
        return float(said[:9])
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None


def _size_in_range(headers: Any) -> int:
    """Returns the size of the whole file in the Content-Range header, 0 if there is none."""
    found = re.search(r"/([0-9]{1,18})$", headers.get("Content-Range", ""))
    return int(found[1]) if found else 0


def _write_note(url: str, response: Any, download: _Download) -> None:
    """Writes down the address and the ETag or date of the file that the partial file is part of."""
    etag = response.headers.get("ETag", "")
    # A weak ETag does not guarantee the same bytes.
    validator = (
        etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
    )
    path = _note_path(download.partial)
    with disk_errors(path):
        text = json.dumps({"url": url, "validator": validator or ""})
        path.write_text(text, encoding="utf-8")


def _append(
    response: Any, received: int, total: int, download: _Download, report: OnProgress
) -> str:
    """Appends the response to the partial file and flushes it; returns why it broke off, or ""."""
    from http.client import HTTPException

    failure = ""
    with disk_errors(download.partial), download.partial.open("ab") as file:
        _lock(file, download.partial)
        file.truncate(received)
        report(received, total)
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (OSError, HTTPException) as error:
                failure = str(error) or type(error).__name__
                break
            if not chunk:
                break
            received += len(chunk)
            if received > (total or LARGEST):
                most = total or LARGEST
                raise _UnusableAddress(f"sends more than the {most:,} bytes it should")
            file.write(chunk)
            report(received, total)
        file.flush()
        os.fsync(file.fileno())
    return failure or ("the connection was closed" if received < total else "")


def _lock(file: IO[bytes], path: Path) -> None:
    """Locks the file; raises DownloadError if another process is downloading to it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DownloadError(f"another process is downloading to {path}; wait for it") from error
