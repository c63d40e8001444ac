"""Fixtures of the inner loop."""

from __future__ import annotations

import sys

import pytest
import torch
from synthesis.tapes import TAPES


@pytest.fixture
def on_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allows steps to be recorded on tapes: torch's Adam may be captured on a CPU."""
    TAPES.clear()
    adam = sys.modules[torch.optim.Adam.__module__]
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda *_: ["cpu"])
    # kornia computes the Laplacian of small pictures on a CPU in another way than on a GPU.
    laplacian = sys.modules["kornia.filters.laplacian"]
    monkeypatch.setattr(laplacian, "_laplacian_slices_eligible", lambda _: False, raising=False)
