"""One keyframe: where it begins, that it climbs, and that what runs out is a sentence."""

from __future__ import annotations

import errno
import math
import shutil
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import open_clip
import pytest
import tiny
import torch
from kornia.filters import laplacian
from PIL import Image
from plans import make_keyframes, plan_for
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from render.errors import FilmError
from render.film.film import make_film, missing_keyframes
from render.film.remarks import remarks
from render.media.atomic import FileError
from render.media.digest import file_digest
from render.media.ffmpeg import VideoError
from render.plan.camera import IDENTITY, Matrix
from render.plan.cost import CANDIDATE_CUTOUTS
from render.plan.key import derived_seed
from render.plan.memory import HOST_MEMORY
from render.plan.plan import ActivePrompt, Keyframe, Plan
from render.plan.planner import make_plan
from render.plan.progress import Meter, Progress
from render.storyboard.model import FADES, Region
from render.storyboard.parser import parse
from render.storyboard.problems import StoryboardError
from render.synthesis.cutouts import sample_cutouts
from render.synthesis.device import choose_device
from render.synthesis.images import load_image, region_mask
from render.synthesis.initial_latent import (
    CROPS,
    SHORTLIST,
    choose_initial_latent,
    draw_candidates,
    grey_clouds,
)
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.latents import LatentError, Store, load_latent
from render.synthesis.load import load_models
from render.synthesis.losses import LOSSES, LossInputs, distance
from render.synthesis.models import Models
from render.synthesis.resource_errors import film_shortages
from render.synthesis.statistics import ShotStatistics, palette_of, sharpness_of, shot_statistics
from render.synthesis.targets import (
    embed_targets,
    load_latent_target,
    make_latent_targets,
    make_prompt_targets,
)
from render.synthesis.warm_start import (
    fill_newly_exposed,
    newly_exposed,
    release_newly_exposed,
    warm_start,
    warp_parent,
)
from render.weights.library import named_digest
from render.weights.selection import choose_models

MODELS = Models(tiny.generator(), ((tiny.perceptor(), 1.0), (tiny.perceptor(1), 0.5)))


def planned(extra: str = "", folder: Path = Path()) -> Plan:
    text = (
        "version: 1\nsize: 48x32\nseed: 1\n"
        "models: {perceptors: {starter: 1, ViT-B/32: 0.5}}\n"  # named so; MODELS stand for them
        "defaults: {iterations: {first: 4, then: 2}, keyframes: 0.5s, cutouts: 3}\n"
        f"shots:\n  - duration: 1s\n    prompts: a red sea | fire:-0.5\n{extra}"
    )
    return plan_for(parse(text, folder), 4)


def test_a_camera_at_rest_starts_from_the_parent_itself() -> None:
    plan = planned()
    parent = torch.randn(1, 4, 8, 12)
    latent, held = warm_start(plan, plan.keyframes[1], MODELS.generator, parent)
    assert torch.equal(latent, parent)
    assert torch.equal(held, MODELS.generator.decode(parent))


def test_a_moving_camera_starts_from_what_it_sees_now() -> None:
    plan = planned("    camera: {x: 100%/s, border: wrap}\n")
    parent = torch.randn(1, 4, 8, 12)
    _, held = warm_start(plan, plan.keyframes[1], MODELS.generator, parent)
    before = MODELS.generator.decode(parent)
    assert torch.allclose(held, before.roll(-24, -1), atol=1e-3)  # half a frame to the right


def test_new_areas_are_dreamt_of_and_nothing_holds_them() -> None:
    plan = planned("    camera: {x: 100%/s, border: dream}\n")  # half a frame to the right
    keyframe = plan.keyframes[1]
    parent = torch.randn(1, 4, 8, 12)
    latent, held = warm_start(plan, keyframe, MODELS.generator, parent)
    plain = planned("    camera: {x: 100%/s, border: mirror}\n").keyframes[1]
    mirrored, _ = warm_start(plan, plain, MODELS.generator, parent)
    assert latent is not None
    assert mirrored is not None
    assert torch.equal(latent[..., :6], mirrored[..., :6])
    cells = latent[..., 6:].permute(0, 2, 3, 1).reshape(-1, 4)
    assert torch.cdist(cells, MODELS.generator.codebook).min(1).values.max() < 1e-3
    assert torch.equal(latent, warm_start(plan, keyframe, MODELS.generator, parent)[0])
    now = torch.rand(1, 3, 32, 48)
    holds = release_newly_exposed(held, now, newly_exposed(keyframe, plan.size, latent.device))
    assert holds is not None
    assert torch.equal(holds[..., 24:], now[..., 24:])
    assert torch.equal(holds[..., :24], held[..., :24])
    assert torch.isfinite(
        list(optimize_keyframe(plan, keyframe, MODELS, embed_targets(plan, MODELS), parent))[
            -1
        ].loss
    )


def test_a_slow_move_dreams_a_little_of_a_cell() -> None:
    still = planned("    camera: {zoom: 1.2/s, border: dream}\n")  # shows nothing new
    assert newly_exposed(still.keyframes[1], still.size, torch.device("cpu")) is None
    slow = planned("    camera: {x: 5%/s, border: dream}\n").keyframes[1]  # 1.2 pixels of 4
    latent = torch.full((1, 4, 8, 12), 100.0)
    changed = (fill_newly_exposed(latent, slow, MODELS.generator) - latent).abs().amax((0, 1, 2))
    assert changed[:-1].max() == 0
    assert 20 < changed[-1] < 30  # a quarter: one pixel's middle is outside


def test_what_is_sharpened_has_more_of_its_finest_detail() -> None:
    plain = planned("    camera: {zoom: 1.2/s}\n").keyframes[1]
    sharp = planned("    camera: {zoom: 1.2/s, sharpen: {0s: 0, 1s: 1}}\n").keyframes[1]
    assert (plain.sharpen, sharp.sharpen) == (0, 0.5)
    assert plain.key != sharp.key
    picture = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))

    def detail(keyframe: Keyframe) -> float:
        return laplacian(warp_parent(picture, keyframe), 3).var().item()

    assert 1.1 * detail(plain) < detail(sharp) < 4 * detail(plain)
    assert planned("    camera: {sharpen: 1}\n").keyframes[1].sharpen == 0  # nothing was lost


def test_what_encoding_loses_of_the_parent_is_moved_along() -> None:
    plan = planned("    camera: {x: 0.001%/s}\n")
    parent = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(5))
    begun, _ = warm_start(plan, plan.keyframes[1], MODELS.generator, parent)
    lost = parent - MODELS.generator.encode(MODELS.generator.decode(parent))
    assert (begun - parent).abs().mean() < 0.05 * lost.abs().mean()


def test_the_colours_of_a_strip_take_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    monkeypatch.setattr(
        "render.synthesis.initial_latent.draw_candidates",
        lambda size, seed: sizes.append(size) or draw_candidates(size, seed),
    )
    text = planned().board.text.replace("size: 48x32", "size: 1024x16")
    plan = plan_for(parse(text, Path()), 4)
    prompt_targets = make_prompt_targets(
        plan, plan.keyframes[0].prompts, MODELS, embed_targets(plan, MODELS)
    )
    start = choose_initial_latent(plan, plan.keyframes[0], MODELS.generator, prompt_targets)
    assert sizes == [(320, 40)]
    assert start.shape == (1, 4, 4, 256)


@pytest.mark.slow
def test_sharpening_makes_up_for_ten_seconds_of_warping() -> None:
    """Of a zoom of 1.1/s, a keyframe every quarter of a second, and nothing painted. After that the
    unsharp mask makes patterns of its own: what holds a longer zoom sharp is painting."""
    height, width = 192, 320
    across = torch.fft.rfftfreq(width) * width * height / width
    frequency = (torch.fft.fftfreq(height)[:, None] * height).hypot(across).clamp_min(1)
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    natural = torch.fft.irfft2(torch.fft.rfft2(noise) / frequency, s=(height, width))
    natural = (0.5 + 0.18 * natural / natural.std()).clamp(0, 1)  # 1/f, as photographs have it

    def lost(sharpen: float) -> float:
        """The share of its Laplacian's variance that a picture of the first second loses."""
        one = planned(f"    camera: {{zoom: 1.1/s, sharpen: {sharpen}}}\n").keyframes[1]
        quarter = 1.1**0.25
        closer = (quarter, 0.0, 0.0, 0.0, quarter, 0.0, 0.0, 0.0, 1.0)
        keyframe = replace(one, matrix=closer)
        picture, sharpness = natural, []
        for _ in range(40):
            picture = warp_parent(picture, keyframe)
            sharpness.append(laplacian(picture, 3).var().item())
        return max(abs(later / sharpness[3] - 1) for later in sharpness[4:])

    assert lost(0.05) < 0.125
    assert lost(0) > 0.8


def test_an_init_image_is_filled_cropped_and_posed(tmp_path: Path) -> None:
    picture = Image.new("RGB", (100, 32), "red")
    picture.paste("blue", (0, 0, 20, 32))  # outside the middle that is kept
    picture.save(tmp_path / "init.png")
    plan = planned("    init: init.png\n", tmp_path)
    _, held = warm_start(plan, plan.keyframes[0], MODELS.generator, None)
    assert held.shape == (1, 3, 32, 48)
    assert held[0, 0].min() > 0.95
    assert held[0, 2].max() < 0.05
    sized = load_image(tmp_path / "init.png", torch.device("cpu"), (20, 60))
    assert sized.shape == (1, 3, 60, 20)


def test_noise_is_seeded_grey_and_faint() -> None:
    first, other = grey_clouds((48, 32), 1), grey_clouds((48, 32), 2)
    assert torch.equal(first, grey_clouds((48, 32), 1))
    assert not torch.equal(first, other)
    assert torch.equal(first[:, 0], first[:, 2])
    assert 0.005 < first.std() < 0.15


def climbed(plan: Plan) -> torch.Tensor:
    targets = embed_targets(plan, MODELS)
    *_, last = optimize_keyframe(plan, plan.keyframes[0], MODELS, targets, None)
    return last.average


def test_climbing_does_not_read_the_global_random_state() -> None:
    plan = planned()
    torch.manual_seed(1)
    one = climbed(plan)
    torch.manual_seed(2)
    assert torch.equal(one, climbed(plan))


def test_every_prompt_and_image_is_embedded_once(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "green").save(tmp_path / "leaf.png")
    plan = planned()
    image = plan_for(
        parse(
            plan.board.text.replace(
                "prompts: a red sea | fire:-0.5", "prompts: [{image: leaf.png}, {text: a red sea}]"
            ),
            tmp_path,
        ),
        4,
        lambda role, name: name,
    )
    tables = embed_targets(image, MODELS).embedded
    assert len(tables) == 2
    for table in tables:
        assert len(table) == 2
        assert all(vector.norm().item() == pytest.approx(1, abs=1e-4) for vector in table.values())
    assert torch.isfinite(climbed(image)).all()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk of .* is full"),
        (OSError(errno.EACCES, "Permission denied", "x"), "cannot be written"),
        (FileError(errno.EFBIG, "File too large", "x"), "x was not written: .* kept in"),
        (torch.OutOfMemoryError("CUDA out of memory"), "needs about .* GiB"),
        (MemoryError(), "cutouts: 1 needs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out of memory"),
    ],
)
def test_what_runs_out_is_a_sentence(tmp_path: Path, error: Exception, sentence: str) -> None:
    with pytest.raises(FilmError, match=sentence), film_shortages(planned(), tmp_path, HOST_MEMORY):
        raise error


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="a defect"),
        film_shortages(planned(), tmp_path, HOST_MEMORY),
    ):
        raise RuntimeError("a defect")


def test_a_full_disk_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, store = planned(), Store(tmp_path)
    saved = Store.save
    calls = []

    def full(self: Store, key: str, latent: torch.Tensor, note: dict) -> None:
        if calls:
            raise OSError(errno.ENOSPC, "No space left on device")
        calls.append(key)
        saved(self, key, latent, note)

    monkeypatch.setattr(Store, "save", full)
    meter = Meter(plan, plan.keyframes, 1)
    with pytest.raises(FilmError, match="goes on from there"):
        make_keyframes(
            plan, MODELS, store, missing_keyframes(plan, store), meter, lambda report: None
        )
    assert [keyframe.index for keyframe in missing_keyframes(plan, store)] == [1, 2]


def test_frames_are_encoded_while_later_keyframes_are_still_to_be_made(tmp_path: Path) -> None:
    plan, store = planned(), Store(tmp_path)
    reports: list[Progress] = []
    todo = missing_keyframes(plan, store)
    make_film(plan, MODELS, store, todo, tmp_path / "film.mp4", reports.append)
    told = [(report.stage, report.keyframe) for report in reports]
    assert [keyframe.index for keyframe in todo] == [0, 1, 2]
    third = plan.frame_count // 3
    assert told.index(("decode", third)) < told.index(("optimise", 3))
    assert told.index(("optimise", 2)) < told.index(("decode", 2))


def test_nothing_is_done_before_the_film_is_whole(tmp_path: Path) -> None:
    plan, store, film = planned(), Store(tmp_path), tmp_path / "film.mp4"
    done: list[tuple[bool, bool]] = []
    make_film(
        plan,
        MODELS,
        store,
        missing_keyframes(plan, store),
        film,
        lambda report: done.append((report.done == 1, film.exists())),
    )
    assert set(done[:-1]) == {(False, False)}
    assert done[-1] == (True, True)


def test_a_loss_is_told_from_each_keyframe_s_first_step_on(tmp_path: Path) -> None:
    plan, store = planned(), Store(tmp_path)
    reports: list[Progress] = []
    todo = missing_keyframes(plan, store)
    make_keyframes(plan, MODELS, store, todo, Meter(plan, todo, 1), reports.append)
    assert all(report.loss is not None for report in reports if report.step == 1)


SHOT = "  - {duration: 0.5s, prompts: sea, keyframes: 0.25s"


@pytest.mark.parametrize(
    "shots",
    [
        f"{SHOT}}}\n",
        f"{SHOT}, camera: {{zoom: 1.2/s}}}}\n{SHOT}, transition: dissolve 0.25s}}\n",
        f"{SHOT}}}\n{SHOT}, transition: morph 0.25s}}\n{SHOT}, transition: continue}}\n",
        f"{SHOT}, transition: dissolve 0.25s}}\n{SHOT}}}\nloop: true\n",
        "  - {duration: 1f, prompts: sea}\n",
    ],
)
@pytest.mark.parametrize("kept", [0, 2])
def test_frames_and_keyframes_may_take_turns(tmp_path: Path, shots: str, kept: int) -> None:
    """A film is the same whether its keyframes are made before its frames or beside them, and
    whichever are there already."""
    text = (
        "version: 1\nsize: 48x32\nfps: 12\nmodels: {perceptors: {starter: 1, ViT-B/32: 0.5}}\n"
        f"defaults: {{iterations: {{first: 2, then: 2}}, cutouts: 2}}\nshots:\n{shots}"
    )
    plan = plan_for(parse(text, tmp_path), 4)
    before, beside = Store(tmp_path / "before"), Store(tmp_path / "beside")
    todo = missing_keyframes(plan, before)
    make_keyframes(plan, MODELS, before, todo, Meter(plan, todo, 0), lambda report: None)
    beside.prepare()
    for keyframe in plan.keyframes[-kept:] if kept else ():
        shutil.copy(before.path(keyframe.key), beside.folder)
    films, reports = (tmp_path / "before.mp4", tmp_path / "beside.mp4"), []
    make_film(plan, MODELS, before, [], films[0], lambda report: None)
    make_film(plan, MODELS, beside, missing_keyframes(plan, beside), films[1], reports.append)
    assert films[0].read_bytes() == films[1].read_bytes()
    for keyframe in plan.keyframes:
        assert before.path(keyframe.key).read_bytes() == beside.path(keyframe.key).read_bytes()
    assert [report.done for report in reports] == sorted(report.done for report in reports)
    assert [report.done for report in reports].count(1) == 1
    assert reports[-1].done == 1


def test_an_encoder_that_fails_leaves_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = planned(), Store(tmp_path)

    class Dying:
        def send(self, frame: object) -> None:
            raise VideoError("film.mp4 was not written: it gave no reason.")

    monkeypatch.setattr("render.film.film.video_writer", lambda *_: nullcontext(Dying()))
    with pytest.raises(FilmError, match=r"no reason\. Finished keyframes are kept in .* goes on"):
        make_film(
            plan, MODELS, store, missing_keyframes(plan, store), tmp_path / "a.mp4", lambda r: None
        )


def test_what_is_to_be_made_does_not_wait_for_frames_that_could_be_painted(tmp_path: Path) -> None:
    plan, store = planned(), Store(tmp_path)
    todo = missing_keyframes(plan, store)
    make_keyframes(plan, MODELS, store, todo[:2], Meter(plan, todo, 0), lambda report: None)
    reports: list[Progress] = []
    make_film(plan, MODELS, store, todo[2:], tmp_path / "film.mp4", reports.append)
    assert reports[0].stage == "optimise"


def test_a_latent_that_became_nan_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = planned(), Store(tmp_path)
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


def test_steps_and_seeds_come_from_the_plan() -> None:
    plan = planned()
    assert [keyframe.steps for keyframe in plan.keyframes] == [4, 2, 2]
    assert [keyframe.time for keyframe in plan.keyframes] == [0, Fraction(1, 2), 1]
    assert len({keyframe.seed for keyframe in plan.keyframes}) == 3


def test_a_prompt_beyond_the_context_is_named() -> None:
    plan = planned()
    words = " ".join(f"wave{n}" for n in range(30))
    long = parse(plan.board.text.replace("a red sea |", f"{words} |"), Path())
    cuts = list(remarks(plan_for(long, 4), MODELS))
    assert len(cuts) == 2  # one for each perceptor
    for name, cut in zip(("starter", "ViT-B/32"), cuts, strict=True):
        assert cut.startswith(f"{words!r} is too long for {name}, which does not read 'wave")
        assert cut.endswith("wave29'")
    assert list(remarks(plan, MODELS)) == []


def test_words_that_a_perceptor_never_saw_are_named_once() -> None:
    token = open_clip.SimpleTokenizer().encoder
    sea, fire = token["sea</w>"], token["fire</w>"]
    limited = tiny.perceptor()
    limited.readings = {sea: sea, fire: fire, token["red</w>"]: fire}
    other = MODELS.perceptors[1]
    plan = planned("  - {duration: 1s, prompts: a red zeppelinesque sea}\n")
    assert list(remarks(plan, Models(MODELS.generator, ((limited, 1.0), other)))) == [
        "starter does not know these words: red (read as fire), zeppelinesque. ViT-B/32 may: "
        "`render models get ViT-B/32`"
    ]


def test_pictures_are_read_upright_on_white_and_in_16_bits(tmp_path: Path) -> None:
    device = torch.device("cpu")
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert load_image(tmp_path / "clear.png", device).min() == 1
    deep = Image.fromarray(np.full((8, 8), 32768, dtype=np.uint16))
    deep.save(tmp_path / "deep.png")
    assert load_image(tmp_path / "deep.png", device).mean().item() == pytest.approx(0.5, abs=0.01)
    turned = Image.new("RGB", (30, 10))
    exif = turned.getexif()
    exif[0x0112] = 6  # the camera was held upright
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert load_image(tmp_path / "turned.jpg", device).shape == (1, 3, 30, 10)


def test_a_chain_starts_from_the_ground_that_looks_nearest() -> None:
    """The slow, obvious version: one look at a time."""
    plan = planned()
    generator, keyframe = MODELS.generator, plan.keyframes[0]
    prompt_targets = make_prompt_targets(
        plan, keyframe.prompts, MODELS, embed_targets(plan, MODELS)
    )
    drawn = draw_candidates((60, 40), derived_seed(keyframe.seed, "ground"))
    assert 0 <= drawn.min() <= drawn.max() <= 1
    assert len(drawn) + SHORTLIST * len(CROPS) == CANDIDATE_CUTOUTS
    places = [(0, 0, 40), (0, 10, 40), (0, 20, 40), (0, 20, 20), (20, 0, 20), (20, 40, 20)]

    def score(look: torch.Tensor) -> float:
        total = 0.0
        for prompt_target in prompt_targets:
            view = F.interpolate(look, size=prompt_target.perceptor.side, mode="bilinear")
            away = distance(prompt_target.perceptor.embed_cutouts(view), prompt_target.embeddings)
            total += prompt_target.weight * float((away * prompt_target.weights).sum())
        return total

    def everywhere(ground: torch.Tensor) -> float:
        return sum(score(ground[..., y : y + side, x : x + side]) for y, x, side in places)

    each = drawn.split(1)
    nearest = sorted(
        each, key=lambda ground: score(F.interpolate(ground, size=(40, 40), mode="area"))
    )
    best = min(nearest[:SHORTLIST], key=everywhere)
    picture = F.interpolate(best, size=(32, 48), mode="bicubic")
    picture = picture + grey_clouds((48, 32), keyframe.seed) - 0.5
    start = choose_initial_latent(plan, keyframe, generator, prompt_targets)
    assert torch.allclose(start, generator.encode(picture.clamp(0, 1)), atol=1e-4)
    assert warm_start(plan, plan.keyframes[0], generator, None) == (None, None)


def test_a_chain_that_nothing_pulls_starts_from_grey() -> None:
    plan = planned()
    generator, keyframe = MODELS.generator, plan.keyframes[0]
    grey = generator.encode(grey_clouds((48, 32), keyframe.seed))
    assert torch.equal(choose_initial_latent(plan, keyframe, generator, ()), grey)


def test_regions_are_where_their_names_say(tmp_path: Path) -> None:
    device = torch.device("cpu")

    def mask(name: str | Path, moved: Matrix = IDENTITY) -> torch.Tensor:
        return region_mask(Region(name), moved, (24, 12), device)[0, 0]

    assert mask("top")[:6].min() == 1
    assert mask("top")[6:].max() == 0
    assert mask("right-third")[:, 16:].min() == 1
    assert mask("right-third")[:, :16].max() == 0
    thirds = (
        ("left-third", "centre-third", "right-third"),
        ("top-third", "middle-third", "bottom-third"),
    )
    for three in thirds:
        assert torch.equal(sum(mask(name) for name in three), torch.ones(12, 24))
    for name, (right, below) in FADES.items():
        edges = mask(name)
        assert 0 <= edges.min() <= edges.max() <= 1
        slope = edges[-1, -1] - edges[0, 0]
        assert (slope > 0.5) == (right + below > 0)
    Image.linear_gradient("L").resize((48, 24)).save(tmp_path / "light below.png")
    drawn = mask(tmp_path / "light below.png")
    assert drawn[0].max() < 0.2
    assert drawn[-1].min() > 0.8
    down = (1.0, 0.0, 0.0, 0.0, 1.0, 0.25, 0.0, 0.0, 1.0)  # by a quarter of the height
    assert mask("top", down)[7].min() > 0.9
    assert torch.equal(region_mask(None, IDENTITY, (24, 12), device), torch.ones(1, 1, 12, 24))


def test_a_prompt_pulls_where_it_is_meant() -> None:
    """The gradient in the picture of a prompt for the left half lies in the left half."""
    plan = planned()
    prompt = plan.keyframes[0].prompts[0]
    only = (replace(prompt, where=Region("left-third")),)
    prompt_target, *_ = make_prompt_targets(plan, only, MODELS, embed_targets(plan, MODELS))
    picture = torch.rand(1, 3, 32, 48, requires_grad=True)
    views = sample_cutouts(64, (48, 32), (0.2, 0.4), seed=0)
    looks = views.on(picture.device, 32, MODELS.sides)
    nothing = torch.zeros(1, 4, 8, 12)
    look = LossInputs(nothing, nothing, picture, None, None, looks, (prompt_target,))
    (slope,) = torch.autograd.grad(LOSSES["prompts"](look), picture)
    strength = slope.abs().sum((0, 1, 2))
    assert strength[:16].sum() > 10 * strength[30:].sum() >= 0


def test_regions_begin_with_their_own_colours() -> None:
    """Each region has the ground that its own prompts are nearest to."""
    text = planned().board.text.replace(
        "prompts: a red sea | fire:-0.5",
        "prompts: [{text: green, where: top}, {text: black, where: bottom}]",
    )
    plan = plan_for(parse(text, Path()), 4)
    keyframe = plan.keyframes[0]
    prompt_targets = make_prompt_targets(
        plan, keyframe.prompts, MODELS, embed_targets(plan, MODELS)
    )
    everywhere = tuple(replace(prompt_target, masks=None) for prompt_target in prompt_targets)
    starts = [
        choose_initial_latent(plan, keyframe, MODELS.generator, w)
        for w in (prompt_targets, everywhere)
    ]
    assert torch.isfinite(starts[0]).all()
    assert not torch.equal(*starts)
    assert torch.isfinite(climbed(plan)).all()


def test_a_latent_is_become_where_it_is_meant(tmp_path: Path) -> None:
    """The more of the frame a stored latent is wanted in, the more of it is that latent."""
    models = replace(MODELS, perceptors=())
    stored = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(3)) * 0.5
    Store(tmp_path).save("wanted", stored, note_of_latent())
    ends = {}
    for where in ("", ", where: left", ", weight: -1"):
        board = (
            planned()
            .board.text.replace("first: 4", "first: 60")
            .replace(
                "prompts: a red sea | fire:-0.5", f"prompts: {{latent: wanted.safetensors{where}}}"
            )
        )
        plan = plan_for(parse(board, tmp_path), 4)
        targets = embed_targets(plan, models)
        first = list(optimize_keyframe(plan, plan.keyframes[0], models, targets, None))[-1].average
        ends[where] = (first - stored).square().mean((0, 1, 2))  # of every column
    whole, left, away = ends.values()
    assert whole.mean() < 0.3 * left[6:].mean()
    assert left[:6].mean() < 0.3 * left[6:].mean()
    assert away.mean() > left[6:].mean()


def test_a_latent_of_another_size_fills_the_frame(tmp_path: Path) -> None:
    plan, generator, store = planned(), MODELS.generator, Store(tmp_path)

    def fitting(latent: torch.Tensor) -> torch.Tensor:
        store.save("it", latent, note_of_latent())
        return load_latent_target(store.path("it"), plan, generator)

    own = torch.randn(1, 4, 8, 12)
    assert torch.equal(fitting(own), own)
    flat = generator.encode(torch.full((1, 3, 64, 64), 0.5))
    seen = F.interpolate(generator.decode(flat), size=(48, 48), mode="bicubic", antialias=True)
    expected = generator.encode(seen[..., 8:40, :].clamp(0, 1))
    assert torch.allclose(fitting(flat), expected, atol=1e-3)
    for wrong in (torch.zeros(1, 1, 8, 12), torch.full((1, 4, 8, 12), torch.nan)):
        with pytest.raises(LatentError, match="no latent of the film's generator"):
            fitting(wrong)


def test_a_latent_is_pushed_away_from_as_far_as_another_code(tmp_path: Path) -> None:
    Store(tmp_path).save("it", torch.zeros(1, 4, 8, 12), note_of_latent())
    stops = {}
    for extra in ("", ", stop: 0.3"):
        board = planned().board.text.replace(
            "a red sea | fire:-0.5",
            f"a red sea\n    exclude: {{latent: it.safetensors{extra}}}",
        )
        plan = plan_for(parse(board, tmp_path), 4)
        targets = embed_targets(plan, MODELS)
        (latent_target,) = make_latent_targets(
            plan, plan.keyframes[0].prompts, MODELS.generator, targets
        )
        stops[extra] = (latent_target.weight, latent_target.stop)
    assert list(stops.values()) == [(-1.0, -1.0), (-1.0, -0.3)]


def test_what_is_no_latent_of_the_generator_is_told_at_the_door(tmp_path: Path) -> None:
    Store(tmp_path).save("here", torch.zeros(1, 4, 8, 12), note_of_latent())
    Store(tmp_path).save("strange", torch.zeros(1, 4, 8, 12), note_of_latent("vqgan-\x1b[2J"))
    Store(tmp_path).save("old", torch.zeros(1, 4, 8, 12), note_of_latent(digest="0" * 64))
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "here.safetensors").read_bytes()[:-9])
    Store(tmp_path).save("huge", torch.zeros(1, 1, 1, 2000), note_of_latent())
    Image.new("RGB", (40, 40)).save(tmp_path / "leaf.png")
    changed = bytearray((tmp_path / "here.safetensors").read_bytes())
    changed[-2] ^= 255
    (tmp_path / "changed.safetensors").write_bytes(changed)
    with pytest.raises(
        LatentError, match=r"changed since Render wrote it; put the right one back$"
    ):
        load_latent(tmp_path / "changed.safetensors")
    with pytest.raises(LatentError, match="or move it away to have its keyframe made again"):
        Store(tmp_path).load("changed")
    reasons_by_name = {
        "there.safetensors": "is not there. Put the latent at",
        "cut.safetensors": "is not a latent that Render wrote",
        "changed.safetensors": "was changed since Render wrote it. Put the right one back",
        "leaf.png": "is not a latent that Render wrote",
        "huge.safetensors": "holds no latent of a size that Render makes",
        "strange.safetensors": r"was made by the generator vqgan-\\x1b\[2J, and the film's is",
        "old.safetensors": "was made by another version of the generator starter",
    }
    for name, reason in reasons_by_name.items():
        board = planned().board.text.replace("a red sea | fire:-0.5", f"[{{latent: {name}}}]")
        with pytest.raises(StoryboardError, match=f"latent '{name}' {reason}"):
            parse(board, tmp_path)


def test_a_latent_of_the_film_s_own_generator_may_be_named_anywhere(tmp_path: Path) -> None:
    """Also where its weights are not here yet, so that nothing is known of them but their name."""
    name = "vqgan-imagenet-f16-1024"
    Store(tmp_path).save("it", torch.zeros(1, 4, 8, 12), note_of_latent(name, "0" * 64))
    board = (
        f"version: 1\nexclude: {{latent: it.safetensors}}\nmodels: {{generator: {name}}}\n"
        "shots: [{duration: 1s, prompts: a sea}]\n"
    )
    assert parse(board, tmp_path).shots[0].prompts[1].latent == tmp_path / "it.safetensors"


def note_of_latent(generator: str = "starter", digest: str = "") -> dict[str, object]:
    made_by = {"role": "generator", "name": generator}
    made_by["sha256"] = digest or named_digest("generator", "starter")
    return {"render": "1", "kind": "latent", "models": [made_by]}


def test_a_shot_keeps_to_the_palette_of_its_first_keyframe_or_of_a_picture(
    tmp_path: Path,
) -> None:
    Image.new("RGB", (30, 90), "red").save(tmp_path / "red.png")
    long = "    iterations: {first: 4, then: 12}\n"
    strong = long + "    losses: {colours: 300, brightness: 300}\n"

    def last(extra: str) -> tuple[Plan, torch.Tensor]:
        plan = planned(extra, tmp_path)
        store = Store(tmp_path / "latents")
        for _ in missing_keyframes(plan, store):  # one by one, as if killed after each
            one = missing_keyframes(plan, store)[:1]
            make_keyframes(plan, MODELS, store, one, Meter(plan, one, 0), lambda report: None)
        return plan, palette_of(MODELS.generator.decode(store.load(plan.keyframes[-1].key)))

    free_of_it = "    losses: {colours: 0, brightness: 0}\n"
    _, free = last(long + free_of_it)
    own, kept = last(strong)
    red, reddened = last(strong + "    palette: red.png\n")
    wanted = shot_statistics(red, tmp_path / "red.png", None, MODELS.generator)
    assert wanted.sharpness is None
    assert (reddened - wanted.palette)[0].norm() < (free - wanted.palette)[0].norm() - 0.02
    assert not torch.equal(kept, free)
    first = torch.randn(1, 4, 8, 12)
    decoded = MODELS.generator.decode(first)
    both = shot_statistics(own, None, first, MODELS.generator)
    assert torch.equal(both.palette, palette_of(decoded))
    assert torch.equal(both.sharpness, sharpness_of(decoded))
    assert shot_statistics(own, None, None, MODELS.generator) == ShotStatistics()
    others = shot_statistics(red, tmp_path / "red.png", first, MODELS.generator)
    assert torch.equal(others.palette, wanted.palette)  # its sharpness is another matter
    assert torch.equal(others.sharpness, both.sharpness)
    Image.new("RGB", (30, 90), "blue").save(tmp_path / "red.png")
    assert (
        planned(strong + "    palette: red.png\n", tmp_path).keyframes[0].key
        != red.keyframes[0].key
    )
    unused = planned(free_of_it + "    palette: red.png\n", tmp_path)
    assert unused.keyframes[0].key == planned(free_of_it).keyframes[0].key
    assert planned("    palette: red.png\n", tmp_path).keyframes[0].key != unused.keyframes[0].key
    assert "kept to by no loss" in unused.board.warnings[0].message


EVERYTHING = (
    "    losses: {latent: 1, likeness: 1, edges: 1, contrast: 1, decay: 1}\n"
    "    camera: {zoom: 1.2/s}\n    exclude: {text: grey, where: top}\n"
)


class Copies(TorchDispatchMode):
    """Notes of each copy from the CPU to the device whether it waits for all that is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[bool] = []

    def __torch_dispatch__(self, function, types, given=(), named=None):
        named = named or {}
        made = function(*given, **named)
        if function is torch.ops.aten._to_copy.default and given[0].device != made.device:
            self.waits.append(not named.get("non_blocking"))
        return made


@pytest.mark.parametrize("number", [0, 1])
def test_no_step_waits_for_the_device(number: int) -> None:
    """The meta device has no numbers: whatever would wait to read one is an error there."""
    plan, meta = planned(EVERYTHING), torch.device("meta")
    perceptors = tuple((deepcopy(one).on(meta), weight) for one, weight in MODELS.perceptors)
    models = Models(deepcopy(MODELS.generator).on(meta), perceptors)
    latent = torch.empty(1, 4, 8, 12, device="meta")
    targets = replace(embed_targets(plan, models), latents={Path("kept"): latent})
    latent_target = ActivePrompt(None, None, 0.5, -math.inf, latent=Path("kept"))
    keyframe = replace(
        plan.keyframes[number], prompts=(*plan.keyframes[number].prompts, latent_target)
    )
    kept = ShotStatistics(*(torch.empty(shape, device="meta") for shape in ((2, 3), ())))
    climbing = optimize_keyframe(plan, keyframe, models, targets, latent if number else None, kept)
    next(climbing)
    with Copies() as copies:
        steps = list(climbing)
    assert copies.waits
    assert not any(copies.waits)
    assert steps[-1].index == steps[-1].steps
    with pytest.raises(RuntimeError, match="meta"):
        float(steps[-1].loss)


class Operations(TorchDispatchMode):
    """Counts what is asked of a device: about as many launches."""

    count = 0

    def __torch_dispatch__(self, function, types, given=(), named=None):
        self.count += not function.is_view
        return function(*given, **(named or {}))


def test_a_step_is_few_operations() -> None:
    plan = planned()
    one = Models(MODELS.generator, MODELS.perceptors[:1])
    climbing = optimize_keyframe(plan, plan.keyframes[0], one, embed_targets(plan, one), None)
    next(climbing)
    with Operations() as operations:
        next(climbing)
    assert operations.count < 800


@pytest.mark.slow  # the models are Render's own, for a tiny one paints no detail
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("losses", "least", "most"), [("{}", 0.9, 1.5), ("{sharpness: 0}", 0, 0.7)]
)
def test_a_long_zoom_stays_as_sharp_as_it_began(
    tmp_path: Path, losses: str, least: float, most: float
) -> None:
    text = (
        "version: 1\nsize: 160x96\nseed: 4\n"
        f"defaults: {{iterations: {{first: 40, then: 6}}, cutouts: 8, losses: {losses}}}\n"
        "shots:\n- {duration: 30s, prompts: a green forest, camera: {zoom: 1.1/s}}\n"
    )
    board = parse(text, tmp_path)
    chosen = choose_models(board.generator, board.perceptors)
    models, store = load_models(chosen, choose_device("cpu", "float32")), Store(tmp_path)
    plan = make_plan(board, chosen, file_digest)
    todo = missing_keyframes(plan, store)
    make_keyframes(plan, models, store, todo, Meter(plan, todo, 0), lambda report: None)
    sharp = [
        float(sharpness_of(models.generator.decode(store.load(keyframe.key))))
        for keyframe in plan.keyframes
    ]
    share = sum(sharp[-10:]) / 10 / (sum(sharp[:2]) / 2)
    assert least < share < most
