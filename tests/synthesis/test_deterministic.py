"""With `--deterministic`, no part of a step has a gradient whose sum varies on CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import setitem
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from synthesis.tapes import recorded_plan, steps_of
from torch import Tensor

from render.errors import InputError
from render.synthesis import keyframe as optimised
from render.synthesis.device import choose_device
from render.synthesis.optimize import ONE_BY_ONE

# After the documentation of torch.use_deterministic_algorithms: these raise an error on CUDA.
# Bilinear interpolation and replicated padding are not among them, because torch then computes
# them in another way.
VARYING = (
    "GridSampler", "AdaptiveAvgPool", "AdaptiveMaxPool", "UpsampleBicubic", "ReflectionPad",
    "MaxUnpool", "Fractional", "AvgPool3D", "Put", "Median", "ScatterReduce", "Bincount", "Histc",
)  # fmt: skip


def nodes(loss: Tensor) -> Iterator[str]:
    """The names of all operations that a loss's gradient passes."""
    seen: set[Any] = set()
    waiting = [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node.name()
        waiting.extend(following for following, _ in node.next_functions)


@pytest.mark.parametrize("number", [0, 1])
def test_no_gradient_of_a_step_is_summed_in_varying_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    plan, losses = recorded_plan(tmp_path), []
    loss_of = optimised.keyframe_loss

    def noted(*given: Any) -> Tensor:
        losses.append(loss_of(*given))
        return losses[-1]

    monkeypatch.setattr(optimised, "keyframe_loss", noted)

    def varying() -> set[str]:
        losses.clear()
        steps_of(plan, number, ONE_BY_ONE)
        names = {name for loss in losses for name in nodes(loss)}
        assert any("Convolution" in name for name in names)
        return {name for name in names if any(word in name for word in VARYING)}

    assert "GridSampler2DBackward0" in varying()
    torch.use_deterministic_algorithms(True)
    try:
        assert varying() == set()
    finally:
        torch.use_deterministic_algorithms(False)


def test_kernels_that_repeat_are_chosen_on_a_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: dict[str, Any] = {}
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on: chosen.update(all=on))
    for name in ("flash", "mem_efficient", "cudnn"):
        choose = partial(setitem, chosen, name)
        monkeypatch.setattr(torch.backends.cuda, f"enable_{name}_sdp", choose)
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    choose_device("cpu", deterministic=True)
    assert chosen == {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: None)
    choose_device("cuda", deterministic=True)
    assert chosen == {"all": True, "flash": False, "mem_efficient": False, "cudnn": False}
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(InputError, match="--device cpu repeats"):
        choose_device("mps", deterministic=True)


def test_the_classifier_has_no_such_gradient_either() -> None:
    cutouts = torch.rand(2, 3, 64, 64, requires_grad=True)
    classifier = tiny.classifier()
    names = set(nodes(classifier.embed_cutouts(cutouts).sum()))
    assert not {name for name in names if any(word in name for word in VARYING)}
