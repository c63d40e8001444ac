"""The server that tests download from, as a fixture."""

from download_server import server  # noqa: F401
