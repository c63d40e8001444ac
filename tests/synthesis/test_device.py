"""The device that computes, the precision of its steps and its memory."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch

from render.errors import InputError
from render.plan.memory import MemoryBudget
from render.synthesis.device import Device, choose_device, fast_step_type


@pytest.fixture(autouse=True)
def thread_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that it is restored afterwards
        monkeypatch.delenv(name)


CPU = torch.device("cpu")
THIRTY_TWO, SIXTEEN = torch.float32, torch.bfloat16


@pytest.mark.parametrize(
    "instruction", ["_is_avx512_bf16_supported", "_is_amx_tile_supported", None]
)
def test_auto_precision_is_bfloat16_where_the_cpu_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, instruction: str | None
) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name == instruction, raising=False)
    assert choose_device("cpu", "auto") == Device(CPU, SIXTEEN if instruction else THIRTY_TWO)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")  # as in another torch
    has_amx = instruction == "_is_amx_tile_supported"
    assert fast_step_type(CPU) == (SIXTEEN if has_amx else THIRTY_TWO)
    assert fast_step_type(torch.device("mps")) == THIRTY_TWO


def test_a_named_precision_is_used() -> None:
    assert choose_device("cpu", "float32") == Device(CPU, THIRTY_TWO, precision_named=True)
    assert choose_device("cpu", "bfloat16") == Device(CPU, SIXTEEN, precision_named=True)
    assert str(Device(CPU, SIXTEEN)) == "cpu, steps in bfloat16"


def test_the_named_gpu_becomes_the_current_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    selected = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", selected.append)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    with pytest.raises(InputError, match="torch sees 2 CUDA devices"):
        choose_device("cuda:2", "float32")
    assert choose_device("cuda:1", "auto") == Device(torch.device("cuda:1"), SIXTEEN)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert choose_device("auto", "auto") == Device(torch.device("cuda"), THIRTY_TWO)
    assert selected == [1, 0]


def test_the_memory_budget_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("render.plan.memory.machine_memory", lambda: 7)
    assert Device(CPU, THIRTY_TWO).memory_budget() == MemoryBudget(7)
    assert Device(CPU, SIXTEEN).memory_budget() == MemoryBudget(7, bytes_per_number=2)
    properties = SimpleNamespace(total_memory=5)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    assert Device(torch.device("cuda:1"), SIXTEEN).memory_budget() == MemoryBudget(
        5, is_gpu=True, bytes_per_number=2
    )


def test_thread_waiting_set_in_the_environment_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    choose_device("cpu", "float32")
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.delenv("OMP_WAIT_POLICY")
    choose_device("cpu", "float32")
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    choose_device("cpu", "float32")
    assert os.environ["GOMP_SPINCOUNT"] == "7"
