"""The probe of a machine; no test depends on what is fast here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch

from render.errors import InputError
from render.generators.vqgan import VQGAN, load_vqgan
from render.plan.arithmetic import CONVOLUTIONS, PRECISIONS, Arithmetic
from render.synthesis import probe
from render.synthesis.device import Device
from render.synthesis.probe import choose_arithmetic
from render.weights.library import known_models

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "models"))
    return tmp_path


def test_the_fastest_convolutions_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "has_winograd", lambda: True)
    generator = tiny.generator()
    for fastest in CONVOLUTIONS:
        seconds = iter([1.0 if way == fastest else 2.0 for way in CONVOLUTIONS])
        monkeypatch.setattr(probe, "seconds_of", lambda run, seconds=seconds: next(seconds))
        said: list[str] = []
        assert probe._measure_convolutions(generator, said.append) == fastest
        assert len(said) == 1


def test_a_probe_runs_once_for_a_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    probes: list[object] = []
    measure = probe._measure_convolutions

    def counted(generator: VQGAN, say: Callable[[str], None]) -> str:
        probes.append(generator)
        return measure(generator, say)

    monkeypatch.setattr(probe, "_measure_convolutions", counted)
    generator = tiny.generator()
    first = probe.fastest_convolutions(generator)
    assert first in CONVOLUTIONS
    assert probe.fastest_convolutions(generator) == first
    assert len(probes) == 1
    torch.set_num_threads(torch.get_num_threads() + 1)
    try:
        probe.fastest_convolutions(generator)
    finally:
        torch.set_num_threads(torch.get_num_threads() - 1)
    assert len(probes) == 2  # another number of threads is another machine


@pytest.mark.parametrize(("bfloat16", "expected"), [(0.5, "bfloat16"), (0.95, "float32")])
def test_bfloat16_is_chosen_where_it_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, bfloat16: float, expected: str
) -> None:
    seconds = iter([1.0, bfloat16])
    monkeypatch.setattr(probe, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(probe, "seconds_of", lambda run: (run(), next(seconds))[1])
    probe._measure_precision.cache_clear()
    try:
        assert probe.fastest_precision(CPU) == expected
        assert probe.fastest_precision(CPU) == expected  # from the file
    finally:
        probe._measure_precision.cache_clear()


@pytest.mark.parametrize(
    "instruction", ["_is_avx512_bf16_supported", "_is_amx_tile_supported", None]
)
def test_a_processor_without_the_instructions_is_not_probed(
    monkeypatch: pytest.MonkeyPatch, instruction: str | None
) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name == instruction, raising=False)
    assert probe.has_bfloat16(CPU) == bool(instruction)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")  # as in another torch
    assert probe.has_bfloat16(CPU) == (instruction == "_is_amx_tile_supported")
    assert not probe.has_bfloat16(torch.device("mps"))
    monkeypatch.setattr(probe, "has_bfloat16", lambda device: False)
    monkeypatch.setattr(probe, "seconds_of", lambda run: pytest.fail("it was probed"))
    assert probe.fastest_precision(CPU) == "float32"


def test_what_the_user_names_is_not_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "seconds_of", lambda run: pytest.fail("it was probed"))
    monkeypatch.setattr(probe, "has_winograd", lambda: True)
    for precision in PRECISIONS:
        for convolutions in CONVOLUTIONS:
            device = Device(CPU, precision, convolutions)
            chosen = probe.choose_arithmetic(device, tiny.generator())
            assert chosen == Arithmetic(precision, convolutions)
    elsewhere = Device(torch.device("meta"), "float32")
    chosen = probe.choose_arithmetic(elsewhere, tiny.generator())
    assert chosen == Arithmetic("float32", "plain", "meta")


def test_convolutions_that_are_not_here_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "has_winograd", lambda: False)
    with pytest.raises(InputError, match="--convolutions winograd"):
        probe.choose_arithmetic(Device(CPU, "float32", "winograd"), tiny.generator())


def test_float16_is_for_generators_whose_numbers_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "fastest_precision", lambda device: "float16")
    fitting, embedded = tiny.generator(), load_vqgan(known_models("generator")["starter"])
    assert choose_arithmetic(Device(CPU, None, "plain"), fitting).precision == "float16"
    assert fitting.step_decoder is None  # as it was
    assert choose_arithmetic(Device(CPU, None, "plain"), embedded).precision == "float32"
    assert choose_arithmetic(Device(CPU, "float16", "plain"), fitting).precision == "float16"
    with pytest.raises(InputError, match="--precision float16: this generator's numbers are too"):
        choose_arithmetic(Device(CPU, "float16", "plain"), embedded)
