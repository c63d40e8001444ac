"""Predicted memory: what is available, what is refused, and what is advised."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from plan.samples import TWO_SHOTS, two_shot_plan
from plans import plan_for

from render.plan import memory
from render.plan.cost import estimate
from render.plan.memory import (
    LIMITS,
    MemoryBudget,
    cutouts_at_once,
    in_parts_message,
    machine_memory,
    memory_advice,
    peak_memory,
    readout_memory,
    shortfall,
    step_memory,
)
from render.plan.plan import Plan
from render.storyboard.parser import parse
from render.weights.library import known_models


@pytest.mark.parametrize(
    ("limits", "available"),
    [
        ({}, 1000),
        ({LIMITS[0]: "max\n"}, 1000),
        ({LIMITS[0]: "600\n"}, 600),
        ({LIMITS[1]: "700\n"}, 700),
        ({LIMITS[0]: "600\n", LIMITS[1]: "700\n"}, 600),
        ({LIMITS[1]: "9223372036854771712\n"}, 1000),
    ],
)
def test_a_container_s_limit_counts_as_the_machine_s_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, str], available: int
) -> None:
    machine = {"SC_PAGE_SIZE": 10, "SC_PHYS_PAGES": 100}
    monkeypatch.setattr(memory.os, "sysconf", machine.__getitem__)
    for name, limit in limits.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(limit)
    assert machine_memory(tmp_path) == available


@pytest.mark.parametrize(
    ("share", "reported", "refused"),
    [(None, False, False), (1.0, False, False), (0.99, True, False), (0.67, True, False),
     (0.66, True, True)],
)  # fmt: skip
def test_a_large_shortfall_is_refused_and_a_small_one_only_reported(
    share: float | None, reported: bool, refused: bool
) -> None:
    plan = two_shot_plan()
    available = None if share is None else math.ceil(share * step_memory(plan))
    short = shortfall(plan, MemoryBudget(available))
    assert (short is not None) == reported
    if short is not None:
        assert short.refused == refused
        assert ("refused without --force" in short.message) == refused


def test_cutouts_are_embedded_in_parts_before_a_film_is_refused() -> None:
    plan = two_shot_plan(
        TWO_SHOTS.replace("starter", "ViT-B/32").replace("cutouts: 8", "cutouts: 32")
    )
    whole = step_memory(plan)
    assert (
        cutouts_at_once(plan, MemoryBudget(None))
        is cutouts_at_once(plan, MemoryBudget(whole))
        is None
    )
    assert cutouts_at_once(plan, MemoryBudget(whole - 1)) == 16
    odd = two_shot_plan(plan.board.text.replace("cutouts: 32", "cutouts: 33"))
    assert cutouts_at_once(odd, MemoryBudget(step_memory(odd) - 1)) == 32
    assert (
        in_parts_message(plan, MemoryBudget(whole))
        is in_parts_message(plan, MemoryBudget(0))
        is None
    )
    assert "the perceptor takes them 16 at a time" in str(
        in_parts_message(plan, MemoryBudget(whole - 1))
    )
    assert cutouts_at_once(plan, MemoryBudget(0)) == 1
    assert shortfall(plan, MemoryBudget(whole - 1)) is None
    assert shortfall(plan, MemoryBudget(step_memory(plan, at_once=1) - 1)) is not None


def test_bfloat16_and_a_gpu_need_less_memory() -> None:
    residual, transformer = (
        two_shot_plan(),
        two_shot_plan(TWO_SHOTS.replace("starter", "ViT-B/32")),
    )
    for plan in (residual, transformer):
        assert step_memory(plan, MemoryBudget(is_gpu=True)) < step_memory(plan)
    assert step_memory(residual, MemoryBudget(bytes_per_number=2)) == step_memory(
        residual
    )  # its image tower stays in float32
    less = step_memory(transformer) - step_memory(transformer, MemoryBudget(bytes_per_number=2))
    assert less == pytest.approx(8 * 3.1e6 * 8.8 / 2, rel=0.02)
    short = shortfall(transformer, MemoryBudget(2**30, is_gpu=True))
    assert short is not None
    assert "The GPU has 1.0 GiB" in short.message


def test_a_classifier_counts_by_its_measured_memory() -> None:
    alone = two_shot_plan()
    both = two_shot_plan(TWO_SHOTS.replace("starter", "[starter, starter-objects]"))
    own = known_models("perceptor")["starter-objects"].memory_per_cutout
    assert own is not None
    cutouts, megapixels = 4, 320 * 192 / 1e6  # it sees half of the 8
    expected = cutouts * (own + 12e6 * megapixels)
    assert step_memory(both) - step_memory(alone) == pytest.approx(expected, rel=1e-3)


def test_models_marked_as_transformers_are_transformers_in_open_clip() -> None:
    import open_clip

    for model in known_models("perceptor").values():
        if name := model.config.get("open_clip"):
            layers = open_clip.get_model_config(name)["vision_cfg"].get("layers")
            assert model.is_transformer == isinstance(layers, int), name


def test_the_advice_names_only_what_needs_less() -> None:
    plan = two_shot_plan()
    needs = [
        f"{bytes_ / 2**30:.1f} GiB" for bytes_ in (step_memory(plan), step_memory(plan, cutouts=2))
    ]
    assert memory_advice(plan).startswith(
        f"320x192 with 8 cutouts needs about {needs[0]}; cutouts: 2 "
    )
    assert f"cutouts: 2 needs {needs[1]} and size: [160, 96] needs " in memory_advice(plan)
    one = memory_advice(two_shot_plan(TWO_SHOTS.replace("cutouts: 8", "cutouts: 1")))
    assert one.startswith("320x192 with 1 cutout needs about")
    assert "cutouts: 1" not in one
    smallest = TWO_SHOTS.replace("cutouts: 8", "cutouts: 1").replace("320x192", "24x24")
    assert memory_advice(two_shot_plan(smallest)).endswith(
        "smaller models need less, see `render models`."
    )


def test_memory_does_not_grow_with_the_film_s_length() -> None:
    long = two_shot_plan(TWO_SHOTS.replace("2s", "2000s"))
    assert step_memory(long) == step_memory(two_shot_plan())


def test_weights_count_by_their_shapes_whatever_is_published() -> None:
    generators = {
        name: step_memory(plan_of_models(name, "starter"))
        for name in ("starter", "vqgan-imagenet-f16-1024", "vqgan-faceshq", "vqgan-sflckr")
    }
    _, *large = generators.values()
    assert len(set(large)) == 1  # the same network in files of 1 GB, of unknown size and of 4 GB
    assert large[0] > generators["starter"] + 4 * 72_000_000


def test_readouts_are_fitted_within_the_prediction() -> None:
    """A film of few pixels needs less for a step than for the fit before the first one."""
    known = known_models("generator")
    assert readout_memory(known["starter"]) == 0
    assert readout_memory(known["vqgan-coco"]) == pytest.approx(1.15e9, rel=0.01)
    small = plan_of_models("vqgan-coco", "starter", "64x64")
    weights = 4 * known["vqgan-coco"].parameters
    expected = memory.BASE_MEMORY + weights + 1.15e9
    assert peak_memory(small) == pytest.approx(expected, rel=0.01)
    assert step_memory(small) < peak_memory(small)
    assert estimate(small, (), None).memory == peak_memory(small)
    assert peak_memory(small, MemoryBudget(is_gpu=True)) < step_memory(small)
    large = plan_of_models("vqgan-coco", "starter", "1024x1024")
    assert peak_memory(large) == step_memory(large)


def plan_of_models(generator: str, perceptor: str, size: str = "256x256") -> Plan:
    """The plan of a film with these models."""
    models = f"{{generator: {generator}, perceptors: {perceptor}}}"
    head = f"version: 1\nsize: {size}\nmodels: {models}\nshots:\n"
    return plan_for(parse(head + "  - {duration: 1s, prompts: sea}\n", Path()), 16)
