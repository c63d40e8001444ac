"""The serial engine: what it stores and reports, and what it keeps of a shot's first keyframe."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from PIL import Image
from plans import make_keyframes
from tiny_film import MODELS, tiny_plan

from render.errors import FilmError
from render.film.film import missing_keyframes
from render.media.digest import file_digest
from render.plan.plan import Plan
from render.plan.planner import make_plan
from render.plan.progress import Meter, Progress
from render.storyboard.parser import parse
from render.synthesis.device import choose_device
from render.synthesis.latents import Store
from render.synthesis.load import load_models
from render.synthesis.picture_statistics import palette_of, sharpness_of, shot_statistics
from render.weights.selection import choose_models


def test_a_full_disk_keeps_the_finished_keyframes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = tiny_plan(), Store(tmp_path)
    save = Store.save
    saved = []

    def save_first(self: Store, key: str, latent: torch.Tensor, note: dict) -> None:
        if saved:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(key)
        save(self, key, latent, note)

    monkeypatch.setattr(Store, "save", save_first)
    meter = Meter(plan, plan.keyframes, 1)
    with pytest.raises(FilmError, match="goes on from there"):
        make_keyframes(
            plan, MODELS, store, missing_keyframes(plan, store), meter, lambda report: None
        )
    assert [keyframe.index for keyframe in missing_keyframes(plan, store)] == [1, 2]


def test_the_first_step_of_each_keyframe_reports_its_loss(tmp_path: Path) -> None:
    plan, store = tiny_plan(), Store(tmp_path)
    reports: list[Progress] = []
    todo = missing_keyframes(plan, store)
    make_keyframes(plan, MODELS, store, todo, Meter(plan, todo, 1), reports.append)
    assert all(report.loss is not None for report in reports if report.step == 1)


def test_a_latent_that_became_nan_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = tiny_plan(), Store(tmp_path)
    monkeypatch.setattr(
        "render.synthesis.keyframe.weighted_sum",
        lambda inputs, weights: inputs.picture.sum() * float("nan"),
    )
    meter = Meter(plan, plan.keyframes, 1)
    with pytest.raises(FilmError, match="became NaN"):
        make_keyframes(
            plan, MODELS, store, missing_keyframes(plan, store), meter, lambda report: None
        )
    assert list(tmp_path.iterdir()) == []


def test_a_shot_keeps_the_palette_of_its_first_keyframe_or_of_a_picture(
    tmp_path: Path,
) -> None:
    Image.new("RGB", (30, 90), "red").save(tmp_path / "red.png")
    iterations = "    iterations: {first: 4, then: 12}\n"
    strong = iterations + "    losses: {colours: 300, brightness: 300}\n"

    def last_palette(more: str) -> tuple[Plan, torch.Tensor]:
        plan = tiny_plan(more, tmp_path)
        store = Store(tmp_path / "latents")
        for _ in missing_keyframes(plan, store):  # one at a time, as if killed after each
            one = missing_keyframes(plan, store)[:1]
            make_keyframes(plan, MODELS, store, one, Meter(plan, one, 0), lambda report: None)
        return plan, palette_of(MODELS.network.decode(store.load(plan.keyframes[-1].key)))

    without = "    losses: {colours: 0, brightness: 0}\n"
    _, free = last_palette(iterations + without)
    _, kept = last_palette(strong)
    red, kept_of_picture = last_palette(strong + "    palette: red.png\n")
    picture = shot_statistics(red, tmp_path / "red.png", None, MODELS.network).palette
    assert (kept_of_picture - picture)[0].norm() < (free - picture)[0].norm() - 0.02
    assert not torch.equal(kept, free)
    Image.new("RGB", (30, 90), "blue").save(tmp_path / "red.png")
    assert (
        tiny_plan(strong + "    palette: red.png\n", tmp_path).keyframes[0].key
        != red.keyframes[0].key
    )
    unused = tiny_plan(without + "    palette: red.png\n", tmp_path)
    assert unused.keyframes[0].key == tiny_plan(without).keyframes[0].key
    assert tiny_plan("    palette: red.png\n", tmp_path).keyframes[0].key != unused.keyframes[0].key
    assert "kept to by no loss" in unused.board.warnings[0].message


@pytest.mark.ci
@pytest.mark.slow  # with the starter models: the tiny ones paint no detail
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("losses", "least", "most"), [("{}", 0.9, 1.5), ("{sharpness: 0}", 0, 0.7)]
)
def test_a_long_zoom_stays_as_sharp_as_its_start(
    tmp_path: Path, losses: str, least: float, most: float
) -> None:
    text = (
        "version: 1\nsize: 160x96\nseed: 4\n"
        f"defaults: {{iterations: {{first: 40, then: 6}}, cutouts: 8, losses: {losses}}}\n"
        "shots:\n- {duration: 30s, prompts: a green forest, camera: {zoom: 1.1/s}}\n"
    )
    board = parse(text, tmp_path)
    chosen = choose_models(board.generators, board.perceptors)
    models, store = load_models(chosen, choose_device("cpu", "float32", "plain")), Store(tmp_path)
    plan = make_plan(board, chosen, file_digest)
    todo = missing_keyframes(plan, store)
    make_keyframes(plan, models, store, todo, Meter(plan, todo, 0), lambda report: None)
    sharpness = [
        float(sharpness_of(models.network.decode(store.load(keyframe.key))))
        for keyframe in plan.keyframes
    ]
    share = sum(sharpness[-10:]) / 10 / (sum(sharpness[:2]) / 2)
    assert least < share < most
