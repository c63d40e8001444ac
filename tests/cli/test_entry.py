"""The console script ends with the exit code of its command."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signals_during_interpreter_shutdown_do_not_change_the_exit_code(name: str) -> None:
    code = (
        "import atexit, os, signal, sys; from render.cli import main\n"
        "sys.argv = ['render', 'schema']\n"
        f"atexit.register(lambda: os.kill(os.getpid(), signal.{name}))\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
