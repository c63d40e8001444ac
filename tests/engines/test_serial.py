"""The serial engine: what it stores and reports, and what it keeps of a shot's first keyframe."""

from __future__ import annotations

import errno
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cli.console import raising
from PIL import Image
from plans import make_keyframes, plan_for
from safetensors.torch import save_file
from tiny_film import MODELS, optimised_first_keyframe, tiny_plan

from render.errors import FilmError
from render.film.film import missing_keyframes
from render.generators.load import load_generator
from render.media.digest import file_digest
from render.media.provenance import read_note
from render.plan.plan import Plan
from render.plan.planner import make_plan
from render.plan.progress import Meter, Progress
from render.storyboard.parser import parse
from render.synthesis.clip_perceptor import ClipPerceptor
from render.synthesis.device import choose_device
from render.synthesis.latents import Store
from render.synthesis.load import load_models
from render.synthesis.models import Models
from render.synthesis.optimize import Unfinished
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
    assert not list(tmp_path.glob("*.safetensors"))


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


KINDS = [
    "starter",
    "pixels",
    "{name: pixels, basis: spectrum}",
    "{name: strokes, count: 9}",
    "color",
]


class StoppedError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [0, 1])
def test_a_keyframe_goes_on_where_it_was_stopped(tmp_path: Path, kind: str, number: int) -> None:
    """After a stop at every step: the same bytes, and no step is made twice."""
    text = tiny_plan().board.text.replace("models: {", f"models: {{generator: {kind}, ")
    text = text.replace("first: 4, then: 2", "first: 5, then: 5")
    text += "    camera: {zoom: 1.2/s}\n    optimizer: adamw\n"
    plan = plan_for(parse(text, Path()), 4)
    generator = MODELS.network
    if kind != "starter":
        generator = load_generator(plan.models.generators[0].model, plan.size)
    models = replace(MODELS, generators=(generator,))
    todo = list(plan.keyframes[: number + 1])
    whole, stopped = Store(tmp_path / "whole"), Store(tmp_path / "stopped", save_every=0)
    make_keyframes(plan, models, whole, todo, Meter(plan, todo, 0), lambda _: None)
    made: list[int] = []

    def stop(progress: Progress) -> None:
        if progress.stage == "optimise" and progress.keyframe == number + 1:
            made.append(progress.step)
            if len(made) in (2, 3, 5, 7):
                raise StoppedError

    for _ in range(4):
        missing = [keyframe for keyframe in todo if not stopped.has(keyframe.key)]
        with pytest.raises(StoppedError):
            make_keyframes(plan, models, stopped, missing, Meter(plan, missing, 0), stop)
    last = [todo[-1]]
    make_keyframes(plan, models, stopped, last, Meter(plan, last, 0), lambda p: made.append(p.step))
    # A step is shown before its state is saved, so the one that was shown last is made again.
    assert made == [1, 2, 2, 2, 3, 3, 4, 4, 5]
    for keyframe in todo:
        own, right = (store.path(keyframe.key).read_bytes() for store in (stopped, whole))
        assert own == right
        assert not stopped.unfinished_path(keyframe.key).exists()


def test_a_state_that_is_not_the_keyframe_s_is_not_used(tmp_path: Path) -> None:
    plan, store = tiny_plan(), Store(tmp_path)
    keyframe = plan.keyframes[0]
    arithmetic, shape = MODELS.arithmetic, (1, 4, 8, 12)
    good = {"start": torch.zeros(shape)}
    path = store.unfinished_path(keyframe.key)
    store.save_unfinished(keyframe.key, Unfinished(3, good), arithmetic)
    assert store.load_unfinished(keyframe.key, arithmetic) is not None
    assert store.load_unfinished(keyframe.key, replace(arithmetic, precision="bfloat16")) is None
    copy = store.unfinished_path("other")
    copy.write_bytes(path.read_bytes())
    assert store.load_unfinished("other", arithmetic) is None
    for index, tensors in (
        (-1, good),
        (3, {"average": torch.zeros(shape)}),
        (3, {"start": torch.full(shape, torch.nan)}),
    ):
        store.save_unfinished(keyframe.key, Unfinished(index, tensors), arithmetic)
        assert store.load_unfinished(keyframe.key, arithmetic) is None
    # Changed on the disk: a number, and how many steps are done.
    store.save_unfinished(keyframe.key, Unfinished(3, good), arithmetic)
    whole = path.read_bytes()
    for changed in (whole[:-1] + b"\x80", whole.replace(b'index\\": 3', b'index\\": 1')):
        assert changed != whole
        path.write_bytes(changed)
        assert store.load_unfinished(keyframe.key, arithmetic) is None
    for note in ("5", "null", "[]"):
        save_file(good, path, {"render": note})
        assert store.load_unfinished(keyframe.key, arithmetic) is None
    store.save_unfinished(keyframe.key, Unfinished(3, good), arithmetic)
    path.write_bytes(path.read_bytes()[:-4])
    assert store.load_unfinished(keyframe.key, arithmetic) is None
    # One that only looks right is set aside when it does not fit.
    for index in (1, 10**12):
        state = Unfinished(index, {"start": torch.zeros(1, 1, 1, 1)})
        store.save_unfinished(keyframe.key, state, arithmetic)
        make_keyframes(plan, MODELS, store, [keyframe], Meter(plan, [keyframe], 0), lambda _: None)
        assert torch.equal(store.load(keyframe.key), optimised_first_keyframe(plan))
        store.path(keyframe.key).unlink()


def test_what_a_kill_left_beside_a_finished_latent_is_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save("done", torch.zeros(1, 4, 8, 12), {})
    for key in ("done", "begun"):
        store.save_unfinished(key, Unfinished(1, {"start": torch.zeros(1)}), MODELS.arithmetic)
    store.prepare()
    assert [store.unfinished_path(key).exists() for key in ("done", "begun")] == [False, True]


def test_fewer_cutouts_at_once_where_a_card_runs_out_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tiny_plan().board.text.replace("cutouts: 3", "cutouts: 12")
    plan, said = plan_for(parse(text, Path()), 4), []
    perceptors = tuple((deepcopy(one), weight) for one, weight in MODELS.perceptors)
    models = replace(MODELS, perceptors=perceptors, say=said.append)
    real = ClipPerceptor._embed

    def embed(perceptor: ClipPerceptor, cutouts: torch.Tensor) -> torch.Tensor:
        if len(cutouts) > 4 and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(perceptor, cutouts)

    todo = list(plan.keyframes[:2])
    usual, short = Store(tmp_path / "usual"), Store(tmp_path / "short")
    make_keyframes(plan, models, usual, todo, Meter(plan, todo, 0), lambda _: None)
    monkeypatch.setattr(ClipPerceptor, "_embed", embed)
    make_keyframes(plan, models, short, todo, Meter(plan, todo, 0), lambda _: None)
    assert [perceptor.at_once for perceptor, _ in perceptors] == [4, 4]
    assert len(said) == 1
    for keyframe in todo:
        own, right = (store.load(keyframe.key) for store in (short, usual))
        assert torch.allclose(own, right, atol=1e-3)
    monkeypatch.setattr(ClipPerceptor, "_embed", raising(torch.OutOfMemoryError("CUDA")))
    with pytest.raises(FilmError, match="out of memory"):
        make_keyframes(plan, models, Store(tmp_path), todo, Meter(plan, todo, 0), lambda _: None)


def test_a_keyframe_that_is_no_number_says_why(tmp_path: Path) -> None:
    plan, store = tiny_plan(), Store(tmp_path)
    keyframe = plan.keyframes[0]

    def made(models: Models) -> None:
        make_keyframes(plan, models, store, [keyframe], Meter(plan, [keyframe], 0), lambda _: None)

    broken = deepcopy(MODELS.perceptors[0][0])
    broken.clip.visual.attnpool.c_proj.bias.data[0] = torch.nan
    with pytest.raises(FilmError, match="weights of the perceptor starter hold values"):
        made(replace(MODELS, perceptors=((broken, 1.0), MODELS.perceptors[1])))
    odd = deepcopy(MODELS.perceptors[0][0])
    odd.embed_texts = lambda texts: torch.full((len(texts), 16), torch.nan)  # type: ignore[method-assign]
    with pytest.raises(FilmError, match="perceptor starter makes no number of 'a red sea'"):
        made(replace(MODELS, perceptors=((odd, 1.0), MODELS.perceptors[1])))
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_latent_says_what_it_was_made_on(tmp_path: Path) -> None:
    """One and two threads, and processors with other instructions, differ in the last bits."""
    plan, store = tiny_plan(), Store(tmp_path)
    todo = [plan.keyframes[0]]
    make_keyframes(plan, MODELS, store, todo, Meter(plan, todo, 0), lambda _: None)
    said = read_note(store.path(todo[0].key))["made_on"]
    threads, instructions, torch_version = said.split(", ")
    assert int(threads.split()[0]) == torch.get_num_threads()
    assert instructions == torch.backends.cpu.get_cpu_capability()
    assert torch_version == f"torch {torch.__version__}"
