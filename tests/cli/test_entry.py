"""The console script ends with the exit code of its command."""

from __future__ import annotations

import os
import signal
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


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signal")
def test_ctrl_c_while_the_command_line_is_imported_is_no_traceback() -> None:
    code = (
        "import os, signal, sys; from render.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # as a terminal starts it\n"
        "class Early:\n"
        "    def find_spec(self, name, *others):\n"
        "        if name == 'render.cli.entry': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Early())\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
