"""The device that computes, the precision of its steps and its memory."""

from __future__ import annotations

import os

import pytest
import torch

from render.errors import InputError
from render.generators import frozen_forward
from render.plan.arithmetic import PLAIN, Arithmetic
from render.plan.memory import MemoryBudget
from render.synthesis import probe
from render.synthesis.device import Device, choose_device
from render.synthesis.probe import fastest_precision, has_precision


@pytest.fixture(autouse=True)
def thread_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that it is restored afterwards
        monkeypatch.delenv(name)


CPU = torch.device("cpu")


def test_what_is_named_is_used() -> None:
    assert choose_device("cpu") == Device(CPU)
    assert choose_device("cpu", "float32") == Device(CPU, "float32")
    chosen = choose_device("cpu", "bfloat16", "winograd")
    assert chosen == Device(CPU, "bfloat16", "winograd")
    assert str(chosen) == "cpu, steps in bfloat16"


def test_a_film_goes_on_as_it_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = Arithmetic("bfloat16", "winograd")
    monkeypatch.setattr(probe, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(frozen_forward, "has_winograd", lambda: True)
    assert Device(CPU).like(begun) == Device(CPU, "bfloat16", "winograd")
    assert Device(CPU, "float32").like(begun) == Device(CPU, "float32", "winograd")
    assert Device(CPU, None, "plain").like(begun) == Device(CPU, "bfloat16", "plain")
    assert Device(CPU).like(None) == Device(CPU)
    monkeypatch.setattr(probe, "has_bfloat16", lambda device: False)
    assert Device(CPU).like(begun) == Device(CPU, None, "winograd")
    monkeypatch.setattr(frozen_forward, "has_winograd", lambda: False)
    assert Device(CPU).like(begun) == Device(CPU)
    on_gpu = Arithmetic("bfloat16", "plain", "cuda")
    assert Device(CPU).like(on_gpu) == Device(CPU)
    assert not Device(torch.device("cuda"), None, "winograd").differs_from(on_gpu)
    assert Device(CPU, "float32").differs_from(begun)
    assert Device(CPU, "float32").differs_from(None)
    assert not Device(CPU, "bfloat16").differs_from(begun)
    assert not Device(CPU).differs_from(begun)
    assert Device(CPU).like(PLAIN) == Device(CPU, "float32", "plain")


def test_the_named_gpu_becomes_the_current_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    selected = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", selected.append)
    with pytest.raises(InputError, match="torch sees 2 CUDA devices"):
        choose_device("cuda:2", "float32")
    assert choose_device("cuda:1") == Device(torch.device("cuda:1"))
    assert choose_device("auto") == Device(torch.device("cuda"))
    assert selected == [1, 0]


def test_the_memory_budget_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("render.plan.memory.machine_memory", lambda: 7)
    assert Device(CPU, "float32").memory_budget() == MemoryBudget(7)
    assert Device(CPU, "bfloat16").memory_budget() == MemoryBudget(7, bytes_per_number=2)
    # What other programs left, and what this one holds for reuse.
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3, 8))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 2)
    assert Device(torch.device("cuda:1"), "bfloat16").memory_budget() == MemoryBudget(
        5, is_gpu=True, bytes_per_number=2
    )


@pytest.mark.parametrize(
    ("bfloat16", "capability", "fastest"),
    [
        (True, (8, 0), "bfloat16"),
        (False, (7, 5), "float16"),  # T4, RTX 20
        (False, (7, 0), "float16"),  # V100
        (False, (6, 1), "float32"),  # GTX 10
    ],
)
def test_a_gpu_without_bfloat16_computes_in_float16_if_it_is_fast(
    monkeypatch: pytest.MonkeyPatch, bfloat16: bool, capability: tuple[int, int], fastest: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **kind: bfloat16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu = torch.device("cuda")
    assert fastest_precision(gpu) == fastest
    begun = Arithmetic("float16", "plain", "cuda")
    kept = "float16" if capability >= (7, 0) else None
    assert Device(gpu).like(begun).precision == kept
    assert not has_precision(CPU, "float16")


def test_float32_is_not_rounded_on_a_gpu() -> None:
    choose_device("cpu", "float32")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_thread_waiting_set_in_the_environment_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    choose_device("cpu", "float32")
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.delenv("OMP_WAIT_POLICY")
    choose_device("cpu", "float32")
    assert os.environ["GOMP_SPINCOUNT"] == "3000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    choose_device("cpu", "float32")
    assert os.environ["GOMP_SPINCOUNT"] == "7"


def test_numbers_too_small_to_matter_are_zero() -> None:
    choose_device("cpu", "float32")
    assert torch.tensor([1e-39]).mul(1.0).item() == 0.0
