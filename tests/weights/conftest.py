"""The fixture of the server that tests download from."""

from download_server import server  # noqa: F401
