"""Fetch one published file, whole or not at all: resumed, checked against size and SHA-256.

An unfinished file is only ever called NAME.partial, so that it never looks finished.
"""

from __future__ import annotations

import contextlib
import errno
import json
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

OnProgress = Callable[[int, int], None]  # bytes so far, bytes in all (0: not known)

_CHUNK = 1 << 20
_ATTEMPTS = 5  # at one address, as long as each brings something new


class DownloadError(RenderError):
    """No address gave the file, or the disk would not take it; sentences."""


class _UnusableAddress(Exception):
    """This address will not do; why, as the end of a sentence."""


@dataclass(frozen=True)
class _Wanted:
    """The file that is wanted, as far as it is known."""

    partial: Path
    size: int | None
    sha256: str | None

    @property
    def note(self) -> Path:
        """Where the partial file came from: it may only be continued from there, or if pinned."""
        return self.partial.with_name(self.partial.name + ".from")

    def forget(self) -> None:
        discard(self.partial)


def discard(partial: Path) -> None:
    """Delete a file that `fetch` brought, finished or not, and its note."""
    partial.unlink(missing_ok=True)
    partial.with_name(partial.name + ".from").unlink(missing_ok=True)


def _disk_sentence(error: OSError, path: Path) -> str:
    """Why a file could not be written, and what to do."""
    if error.errno in FULL:
        return f"the disk is full, so {path} could not be written; make room and run it again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{path} is not writable; choose another folder with the environment variable "
            "RENDER_MODELS"
        )
    return f"{path} could not be written ({error.strerror or error})"


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the disk has to say about `path` into a DownloadError."""
    try:
        yield
    except OSError as error:
        raise DownloadError(_disk_sentence(error, path)) from error


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
    """Bring the file at the first address that has it to `partial`; its SHA-256.

    What an earlier call left in `partial` is continued where the server can. `timeout` and
    `pause` (between attempts) are in seconds. Raises DownloadError; a file of another size or
    digest is deleted before that.
    """
    wanted = _Wanted(partial, size, sha256)
    failures = []
    for url in urls:
        try:
            return _from_one(url, wanted, report, timeout, pause)
        except _UnusableAddress as reason:
            failures.append(f"{urlsplit(url).netloc} {reason}")
    raise DownloadError("; ".join(failures))


def _from_one(url: str, wanted: _Wanted, report: OnProgress, timeout: float, pause: float) -> str:
    """The digest of the whole, checked file from this one address, or _Unfit."""
    continued = True
    while continued:
        continued = _may_continue(url, wanted) > 0
        _complete(url, wanted, report, timeout, pause)
        digest = sha256_of(wanted.partial)
        if wanted.sha256 in (None, digest):
            return digest
        wanted.forget()  # what had been left may have been at fault: once more from the start
    raise _UnusableAddress(
        f"has another file: its SHA-256 is {digest}, not {wanted.sha256} (it was deleted)"
    )


def _may_continue(url: str, wanted: _Wanted) -> int:
    """How many bytes of the partial file can be kept with this address."""
    have = wanted.partial.stat().st_size if wanted.partial.is_file() else 0
    if have and wanted.sha256 is None and not _validator(url, wanted):
        wanted.forget()  # two files spliced together would never be noticed
        return 0
    if wanted.size is not None and have > wanted.size:
        wanted.forget()
        return 0
    return have


def _validator(url: str, wanted: _Wanted) -> str:
    """The ETag or date under which the partial file was begun at this address, or nothing."""
    with contextlib.suppress(OSError, ValueError):
        note = json.loads(wanted.note.read_text(encoding="utf-8"))
        if isinstance(note, dict) and note.get("url") == url:
            return str(note.get("validator") or "")
    return ""


def _complete(url: str, wanted: _Wanted, report: OnProgress, timeout: float, pause: float) -> None:
    """Ask until the partial file is as long as it should be, or _Unfit."""
    for attempt in range(_ATTEMPTS):
        have = _may_continue(url, wanted)
        if have and have == wanted.size:
            return
        if attempt:
            time.sleep(pause * attempt)
        total, broken = _request(url, have, wanted, report, timeout)
        reached = wanted.partial.stat().st_size if wanted.partial.is_file() else 0
        if not broken and reached >= total:
            return
        if reached <= have and attempt:
            break
    of = f" of {total:,}" if total else ""
    raise _UnusableAddress(f"broke off at {reached:,}{of} bytes ({broken}); those are kept")


def _request(
    url: str, have: int, wanted: _Wanted, report: OnProgress, timeout: float
) -> tuple[int, str]:
    """One request for what is missing: (bytes the file should have, why it broke off or "")."""
    import http.client  # here, because these take as long to import as all of `render --help`
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "render"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if validator := _validator(url, wanted):
            request.add_header("If-Range", validator)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            total = _check_answer(response, have, wanted)
            if response.status != 206:
                have = 0  # the server ignores ranges, or the file has changed: from the start
            _note_source(url, response, wanted)
            broken = _append(response, have, total, wanted, report)
            return total, broken
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            if error.code == 416 and have:
                if _total(error.headers) == have:
                    return have, ""  # all of it had come already
                wanted.forget()
                return 0, "it was of another length"
            raise _UnusableAddress(f"answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _UnusableAddress(f"does not answer ({reason})") from error


def _check_answer(response: Any, have: int, wanted: _Wanted) -> int:
    """The length of the whole file as the answer gives it (0: not given), or _Unfit."""
    kind = response.headers.get_content_type()
    if kind in ("text/html", "application/xhtml+xml"):
        raise _UnusableAddress("answers with a web page instead of the file")
    if response.status == 206:
        begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if begins is None or int(begins[1]) != have:
            raise _UnusableAddress("answers with another part of the file than was asked for")
        total = _total(response.headers)
    else:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else 0
    if wanted.size is not None and total and total != wanted.size:
        raise _UnusableAddress(f"has another file: {total:,} bytes, not {wanted.size:,}")
    return total or wanted.size or 0


def _total(headers: Any) -> int:
    """The length of the whole file in a Content-Range, 0 if it is not there."""
    found = re.search(r"/(\d+)$", headers.get("Content-Range", ""))
    return int(found[1]) if found else 0


def _note_source(url: str, response: Any, wanted: _Wanted) -> None:
    etag = response.headers.get("ETag", "")
    # A weak ETag does not promise the same bytes.
    validator = (
        etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
    )
    with disk_errors(wanted.note):
        text = json.dumps({"url": url, "validator": validator or ""})
        wanted.note.write_text(text, encoding="utf-8")


def _append(response: Any, have: int, total: int, wanted: _Wanted, report: OnProgress) -> str:
    """Append the answer to the partial file, safe on the disk; why it broke off, or nothing."""
    from http.client import HTTPException

    broken = ""
    with disk_errors(wanted.partial), wanted.partial.open("ab") as file:
        _lock(file, wanted.partial)
        file.truncate(have)
        report(have, total)
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (OSError, HTTPException) as error:
                broken = str(error) or type(error).__name__
                break
            if not chunk:
                break
            have += len(chunk)
            if total and have > total:
                raise _UnusableAddress(f"sends more than the {total:,} bytes it should")
            file.write(chunk)
            report(have, total)
        file.flush()
        os.fsync(file.fileno())
    return broken or ("the connection was closed" if have < total else "")


def _lock(file: IO[bytes], path: Path) -> None:
    """Two downloads of one file would write over each other: the second one stops."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DownloadError(f"another process is downloading to {path}; wait for it") from error
