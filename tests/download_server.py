"""A server on this machine that does all that servers do wrong."""

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
class Manner:
    """How the server answers: what it has, and what it does wrong."""

    data: bytes = DATA
    ranges: bool = True  # understands Range
    cut: list[int] = field(default_factory=list)  # bytes after which each next answer breaks off
    length: bool = True  # says Content-Length
    etag: str = '"1"'
    kind: str = "application/octet-stream"
    status: int = 200
    lie: int = 0  # added to the first byte of the range it says it sends
    asked: list[str | None] = field(default_factory=list)  # the Range of every request


@dataclass
class Server:
    url: str
    manner: Manner


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    manner = Manner()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            manner.asked.append(asked)
            begin = 0
            if_range = self.headers.get("If-Range", manner.etag)
            if asked and manner.ranges and if_range == manner.etag:
                begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if manner.status != 200:
                self.send_error(manner.status)
                return
            whole = len(manner.data)
            if begin >= whole:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{whole}")
                self.end_headers()
                return
            self.send_response(206 if begin else 200)
            if begin:
                first = begin + manner.lie
                self.send_header("Content-Range", f"bytes {first}-{whole - 1}/{whole}")
            if manner.length:
                self.send_header("Content-Length", str(whole - begin))
            if manner.etag:
                self.send_header("ETag", manner.etag)
            self.send_header("Content-Type", manner.kind)
            self.end_headers()
            end = begin + manner.cut.pop(0) if manner.cut else whole
            with contextlib.suppress(ConnectionError):  # the other side has heard enough
                self.wfile.write(manner.data[begin:end])

        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Server(f"http://127.0.0.1:{running.server_port}/file", manner)
        running.shutdown()
        thread.join()
