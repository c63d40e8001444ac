"""Fuzzes one reader: python -m trials.fuzz_one READER CORPUS, and then options of libFuzzer."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import atheris


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name, corpus, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["render"]):  # before anything of Render is imported
        from trials.readers import READERS
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chdir(folder)
    atheris.Setup([sys.argv[0], *options, corpus], READERS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
