"""One thread for everything: tiny tensors gain nothing from two, and lose when a core is busy."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no reason to fail.
settings.register_profile("render", deadline=None)
settings.load_profile("render")
os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, here and in every subprocess
# Nothing is chosen by measuring it.
os.environ["RENDER_PRECISION"], os.environ["RENDER_CONVOLUTIONS"] = "float32", "channels-last"
# A job in the background of a shell is started with Ctrl-C ignored, and every process that the
# tests start would inherit that; a handler of our own is reset in them to what a terminal gives.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def numbers_of_every_size() -> Iterator[None]:
    """Takes back what `choose_device` sets for the process: hypothesis needs small numbers."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny true models, as `render models get` would leave them."""
    import tiny

    folder = tmp_path_factory.mktemp("models")
    tiny.write_models(folder)
    return folder
