"""A local server that can make every mistake that download servers make."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

DATA = bytes(range(256)) * 4000  # 1 MB
DIGEST = hashlib.sha256(DATA).hexdigest()


@dataclass
class Behaviour:
    """The file that the server has, and how it answers."""

    data: bytes = DATA
    ranges: bool = True  # whether it supports Range
    # After how many bytes the next responses break off.
    cut: list[int] = field(default_factory=list)
    length: bool = True  # whether it sends Content-Length
    etag: str = '"1"'
    content_type: str = "application/octet-stream"
    status: int = 200
    sent_on: str = ""  # to another address
    busy: list[tuple[int, str | None]] = field(default_factory=list)  # next statuses, Retry-After
    wrong_start: int = 0  # added to the start of the range that it claims to send
    requested: list[str | None] = field(default_factory=list)  # the Range of every request


@dataclass
class Server:
    """A running server and its behaviour, which a test may change."""

    url: str
    behaviour: Behaviour


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on a free port, stopped after the test."""
    monkeypatch.setenv("no_proxy", "*")
    behaviour = Behaviour()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested = self.headers.get("Range")
            behaviour.requested.append(requested)
            begin = 0
            if_range = self.headers.get("If-Range", behaviour.etag)
            if requested and behaviour.ranges and if_range == behaviour.etag:
                begin = int(requested.removeprefix("bytes=").removesuffix("-"))
            if behaviour.busy:
                status, retry_after = behaviour.busy.pop(0)
                self.send_response(status)
                if retry_after is not None:
                    self.send_header("Retry-After", retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if behaviour.sent_on:
                self.send_response(302)
                self.send_header("Location", behaviour.sent_on)
                self.end_headers()
                return
            if behaviour.status != 200:
                self.send_error(behaviour.status)
                return
            whole = len(behaviour.data)
            if begin >= whole:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{whole}")
                self.end_headers()
                return
            self.send_response(206 if begin else 200)
            if begin:
                first = begin + behaviour.wrong_start
                self.send_header("Content-Range", f"bytes {first}-{whole - 1}/{whole}")
            if behaviour.length:
                self.send_header("Content-Length", str(whole - begin))
            if behaviour.etag:
                self.send_header("ETag", behaviour.etag)
            self.send_header("Content-Type", behaviour.content_type)
            self.end_headers()
            end = begin + behaviour.cut.pop(0) if behaviour.cut else whole
            with contextlib.suppress(ConnectionError):  # the client may close the connection
                self.wfile.write(behaviour.data[begin:end])

        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Server(f"http://127.0.0.1:{running.server_port}/file", behaviour)
        running.shutdown()
        thread.join()
