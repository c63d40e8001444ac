"""Frames on keyframes are their pictures; frames between them are continuous with those."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from plans import plan_for

from render.film.frames import (
    MIXES,
    FrameDownload,
    FramePainter,
    blend_keyframes,
    frames,
    morph,
    restore_sharpness,
    to_frames,
)
from render.generators.warp import warp
from render.plan.camera import IDENTITY
from render.plan.moments import Moment
from render.plan.plan import Plan
from render.storyboard.model import OVERLAPPING
from render.storyboard.parser import parse
from render.synthesis.images import to_frame
from render.synthesis.latents import Store
from render.synthesis.picture_statistics import sharpness_of

GENERATOR = tiny.generator()


def planned(camera: str = "", between: str = "auto") -> Plan:
    text = (
        "version: 1\nsize: 62x46\nfps: 8\nshots:\n  - duration: 1s\n    prompts: sea\n"
        f"    keyframes: {{every: 0.5s, between: {between}}}\n{camera}"
    )
    return plan_for(parse(text, Path()), 4)


def filled(plan: Plan, folder: Path) -> Store:
    store = Store(folder)
    width, height = plan.size
    for keyframe in plan.keyframes:
        random = torch.Generator().manual_seed(int(keyframe.key[:8], 16))
        store.save(keyframe.key, torch.randn(1, 4, height // 4, width // 4, generator=random), {})
    return store


def test_a_frame_on_a_keyframe_is_its_picture(tmp_path: Path) -> None:
    plan = planned("    camera: {zoom: 1.3/s}\n")
    store = filled(plan, tmp_path)
    made = list(frames(plan, store, (GENERATOR,), range(plan.frame_count)))
    assert len(made) == 8
    for number, index in ((0, 0), (4, 1)):
        picture = GENERATOR.decode(store.load(plan.keyframes[index].key))
        assert np.array_equal(made[number], to_frame(picture, (62, 46)))
        assert made[number].shape == (46, 62, 3)


def test_auto_chooses_by_whether_the_camera_moves() -> None:
    assert planned("    camera: {zoom: 1.3/s}\n").moment(1).between == "picture"
    assert planned().moment(1).between == "latent"
    assert planned("    camera: {zoom: 1.3/s}\n", "latent").moment(1).between == "latent"
    assert planned(between="picture").moment(1).between == "picture"


def test_asking_for_one_frame_gives_the_same_as_asking_for_all(tmp_path: Path) -> None:
    plan = planned("    camera: {zoom: 1.3/s, angle: 9deg/s}\n")
    store = filled(plan, tmp_path)
    made = list(frames(plan, store, (GENERATOR,), range(plan.frame_count)))
    for number in (1, 3, 6):
        (one,) = frames(plan, store, (GENERATOR,), [number])
        assert np.array_equal(one, made[number])


def test_a_painted_frame_is_a_whole_picture_without_a_gradient(tmp_path: Path) -> None:
    plan = planned("    camera: {zoom: 1.3/s}\n")
    painter = FramePainter(plan, filled(plan, tmp_path), (GENERATOR,))
    for number in (0, 1):
        picture = painter.paint(number)
        assert picture.shape == (1, 3, plan.size[1], plan.size[0])
        assert 0 <= picture.min() <= picture.max() <= 1
        assert not picture.requires_grad


@pytest.mark.parametrize("kind", OVERLAPPING)
@pytest.mark.parametrize("camera", ["{}", "{zoom: 1.3/s, x: 5%/s}"])
def test_a_shot_becomes_the_next_without_a_jump(tmp_path: Path, kind: str, camera: str) -> None:
    def made(*shots: str) -> list[np.ndarray]:
        head = f"version: 1\nsize: 64x48\nfps: 8\ndefaults: {{keyframes: 0.5s, camera: {camera}}}\n"
        text = head + "shots:\n" + "".join(f"  - {{prompts: sea, {shot}}}\n" for shot in shots)
        plan = plan_for(parse(text, Path()), 4)
        store = filled(plan, tmp_path)
        return [
            one.astype(int) for one in frames(plan, store, (GENERATOR,), range(plan.frame_count))
        ]

    transition = f"transition: {{kind: {kind}, duration: 1s, ease: linear}}"
    film = made("name: a, duration: 1s", f"name: b, duration: 2s, {transition}")
    before, after = made("name: a, duration: 3s"), made("name: b, duration: 2s")
    assert len(film) == 24
    assert np.array_equal(film[:8], before[:8])
    assert np.abs(film[8] - before[8]).max() <= 1  # as if it simply went on
    assert np.array_equal(film[16:], after[8:])
    halfway = (before[12] + after[4]) / 2
    assert (np.abs(film[12] - halfway).max() <= 1) == (kind == "dissolve")


def test_a_morph_begins_and_ends_with_its_pictures() -> None:
    before, after = torch.rand(2, 1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(morph(GENERATOR, before, after, 0.0), before, atol=1e-5)
    assert torch.allclose(morph(GENERATOR, before, after, 1.0), after, atol=1e-5)


def moment(
    share: float, left: tuple[float, ...], right: tuple[float, ...], border: str = "mirror"
) -> Moment:
    return Moment(0, 1, share, left, right, border, "picture")  # type: ignore[arg-type]


def test_a_still_camera_crossfades() -> None:
    black, white = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    mixed = blend_keyframes(black, white, moment(0.25, IDENTITY, IDENTITY))
    assert torch.allclose(mixed, torch.full_like(mixed, 0.25), atol=1e-6)


@pytest.mark.parametrize("border", ["mirror", "dream", "#ff0000"])
def test_where_one_picture_does_not_cover_the_frame_the_other_is_shown(border: str) -> None:
    black, white = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    away = (1.0, 0.0, 0.5, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)  # half a frame to the right
    mixed = blend_keyframes(black, white, moment(0.25, away, IDENTITY, border))
    assert mixed[..., :12].min() > 0.99  # the left keyframe never saw this: all from the right
    assert torch.allclose(mixed[..., 4:-4, 20:], torch.tensor(0.25), atol=1e-3)


def noise(seed: int) -> torch.Tensor:
    """A soft random picture (1, 3, 48, 64)."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 24, 32, generator=random)
    return torch.nn.functional.interpolate(coarse, size=(48, 64), mode="bicubic").clamp(0, 1)


def test_frames_between_keyframes_are_as_sharp_as_the_keyframes() -> None:
    left, right = noise(0), noise(0).lerp(noise(1), 0.3)
    half = (1.0, 0.0, 0.5 / 48, 0.0, 1.0, 0.5 / 48, 0.0, 0.0, 1.0)  # half a pixel softens most
    back = (1.0, 0.0, -0.5 / 48, 0.0, 1.0, -0.5 / 48, 0.0, 0.0, 1.0)
    expected = (sharpness_of(left) + sharpness_of(right)) / 2
    crossfaded = (warp(left, half, "mirror") + warp(right, back, "mirror")) / 2
    assert sharpness_of(crossfaded) < 0.7 * expected
    middle = blend_keyframes(left, right, moment(0.5, half, back))
    assert torch.isclose(sharpness_of(middle), expected, rtol=0.03)


def test_sharpness_is_restored_but_never_reduced_or_invented() -> None:
    picture = 0.25 + noise(0) / 2  # nothing is clamped
    own = sharpness_of(picture)
    assert torch.equal(restore_sharpness(picture, own / 2), picture)
    assert torch.isclose(sharpness_of(restore_sharpness(picture, 1.5 * own)), 1.5 * own, rtol=1e-3)
    assert torch.isclose(sharpness_of(restore_sharpness(picture, 9 * own)), 2 * own, rtol=1e-3)
    flat = torch.full_like(picture, 0.5)
    assert torch.equal(restore_sharpness(flat, own), flat)


def test_in_a_zoom_in_the_rim_changes_with_the_rest() -> None:
    grey, light = torch.full((1, 3, 48, 64), 0.2), torch.full((1, 3, 48, 64), 0.8)
    smaller = (0.98, 0.0, 0.0, 0.0, 0.98, 0.0, 0.0, 0.0, 1.0)  # the new one, before it is reached
    larger = (1.1, 0.0, 0.0, 0.0, 1.1, 0.0, 0.0, 0.0, 1.0)
    nearly = blend_keyframes(grey, light, moment(0.9, larger, smaller))
    assert (nearly - (0.1 * 0.2 + 0.9 * 0.8)).abs().max() < 0.05


def test_every_overlapping_transition_has_a_mix() -> None:
    assert set(MIXES) == set(OVERLAPPING)


def test_batches_of_pictures_become_single_frames() -> None:
    pictures = torch.rand(5, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    batches = to_frames(pictures.split(3), (20, 12))
    for frame, picture in zip(batches, pictures, strict=True):
        cropped = picture[:, 2:14, 2:22].permute(1, 2, 0)
        assert frame.dtype == np.uint8
        assert np.array_equal(frame, (cropped * 255).round().numpy().astype(np.uint8))


def test_on_a_cpu_frames_arrive_at_once() -> None:
    download = FrameDownload((24, 16))
    batches = torch.rand(3, 2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    assert [len(list(download.push(batch))) for batch in batches] == [2, 2, 2]
    assert list(download.flush()) == []


@pytest.mark.gpu
def test_a_gpu_is_one_batch_ahead() -> None:
    download = FrameDownload((24, 16))
    batches = torch.rand(3, 2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    arrived = [list(download.push(batch.cuda())) for batch in batches]
    assert [len(batch) for batch in arrived] == [0, 2, 2]
    pairs = zip([*arrived[1], *arrived[2], *download.flush()], batches.flatten(0, 1), strict=True)
    for frame, picture in pairs:
        assert np.array_equal(frame, to_frame(picture[None], (24, 16)))
