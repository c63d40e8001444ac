"""The tools import, and what they change in Render exists."""

from __future__ import annotations

import importlib
from fractions import Fraction

import pytest
import torch
from plan.samples import DAWN, NIGHT, plan
from tiny_film import MODELS, tiny_plan
from torch.nn import functional as F

from render.generators.warp import warp
from render.plan.camera import between
from render.synthesis.optimize import ONE_BY_ONE

TOOLS = [
    "bench", "bench_film", "bench_generators", "contact_sheet", "eval_starter", "gpu_check",
    "plot_bench", "quality", "record", "torture", "twin",
]  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_imports(tool: str) -> None:
    importlib.import_module(tool)


def test_every_lever_changes_something_that_exists() -> None:
    from bench_film import LEVERS

    for name, lever in LEVERS.items():
        for owner, attribute, _ in lever.patches:
            assert hasattr(owner, attribute), f"{name}: {attribute}"


def test_the_check_of_a_gpu_compares_runs() -> None:
    from gpu_check import apart, seconds_a_step, start_and_end

    film = tiny_plan()
    first, again = (start_and_end(film, MODELS) for _ in range(2))
    assert apart(first, again) == 0
    other = [first[0], first[0]]
    assert apart(other, first) == pytest.approx(1)
    usual, overhead = seconds_a_step(film, MODELS, ONE_BY_ONE)
    assert usual > 0
    assert overhead >= 0


def test_flicker_is_what_the_camera_of_each_shot_does_not_explain() -> None:
    from quality import flickers

    film = plan(DAWN, NIGHT.replace("}", ", camera: {x: 40%/s}}"))
    coarse = torch.rand(1, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    pictures = [F.interpolate(coarse, size=film.size[::-1], mode="bicubic")]
    for number in range(film.frame_count - 1):  # both cameras move at one rate
        camera = film.board.shots[film.shot_of(number)].camera
        step = between(camera, Fraction(0), 1 / film.board.fps, film.frame_size)
        pictures.append(warp(pictures[-1], step, "mirror"))
    assert max(flickers(film, pictures)) < 0.01
