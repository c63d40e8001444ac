"""Claims: what one process works on, another does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from render.media.claims import FILE, LINE, PLACES, Claims, place_of

HOLD = (
    "import sys, time; from pathlib import Path; from render.media.claims import Claims\n"
    "claims = Claims(Path(sys.argv[1])); print(claims.take('key'), flush=True); time.sleep(60)"
)


def test_a_claim_belongs_to_one_process_and_ends_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        claims = Claims(tmp_path)
        assert not claims.take("key")
        assert claims.holder("key").startswith(f"process {other.pid} on ")
        assert claims.take("another key")  # at another place
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    assert claims.take("key")
    assert claims.holder("key").startswith(f"process {os.getpid()} on ")
    claims.give("key")
    claims.give("key")
    assert (tmp_path / FILE).stat().st_size <= PLACES * LINE


def test_a_folder_that_takes_no_file_gives_every_claim(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    claims = Claims(tmp_path)
    assert claims.take("key")
    claims.give("key")
    assert claims.holder("key") == "another process"


@pytest.mark.parametrize("line", [b"process 1 \x1b[2J", b"\xff" * 64, b""])
def test_what_steers_a_terminal_is_no_holder(tmp_path: Path, line: bytes) -> None:
    with (tmp_path / FILE).open("wb") as file:
        file.seek(place_of("key"))
        file.write(line)
    assert Claims(tmp_path).holder("key") == "another process"
