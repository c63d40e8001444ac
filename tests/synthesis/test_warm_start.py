"""The latent that a keyframe continues from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from kornia.filters import laplacian
from PIL import Image
from tiny_film import MODELS, tiny_plan

from render.generators.generator import Start
from render.generators.warp import View, newly_exposed, warp_parent
from render.plan.plan import Keyframe
from render.synthesis.images import load_image
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.targets import (
    embed_targets,
)
from render.synthesis.warm_start import release_newly_exposed, warm_start


def view_of(keyframe: Keyframe) -> View:
    """How the camera of a keyframe sees its parent."""
    return View(keyframe.matrix, keyframe.border, keyframe.sharpen, keyframe.seed)


def test_a_resting_camera_starts_from_the_parent_s_latent() -> None:
    plan = tiny_plan()
    parent = torch.randn(1, 4, 8, 12)
    start = warm_start(plan, plan.keyframes[1], MODELS, parent)
    assert start is not None
    assert torch.equal(start.latent, parent)
    assert torch.equal(start.picture, MODELS.network.decode(parent))


def test_a_moving_camera_starts_from_the_warped_parent() -> None:
    plan = tiny_plan("    camera: {x: 100%/s, border: wrap}\n")
    parent = torch.randn(1, 4, 8, 12)
    start = warm_start(plan, plan.keyframes[1], MODELS, parent)
    assert start is not None
    before = MODELS.network.decode(parent)
    assert torch.allclose(
        start.picture, before.roll(-24, -1), atol=1e-3
    )  # half a frame to the right


def test_newly_exposed_cells_are_random_codes_and_no_loss_compares_them() -> None:
    plan = tiny_plan("    camera: {x: 100%/s, border: dream}\n")  # half a frame to the right
    keyframe = plan.keyframes[1]
    parent = torch.randn(1, 4, 8, 12)
    start = warm_start(plan, keyframe, MODELS, parent)
    mirror = tiny_plan("    camera: {x: 100%/s, border: mirror}\n").keyframes[1]
    mirrored = warm_start(plan, mirror, MODELS, parent)
    assert start is not None
    assert mirrored is not None
    latent, parent_picture = start.latent, start.picture
    assert torch.equal(latent[..., :6], mirrored.latent[..., :6])
    cells = latent[..., 6:].permute(0, 2, 3, 1).reshape(-1, 4)
    assert torch.cdist(cells, MODELS.network.codebook).min(1).values.max() < 1e-3
    again = warm_start(plan, keyframe, MODELS, parent)
    assert again is not None
    assert torch.equal(latent, again.latent)
    current, exposed = torch.rand(1, 3, 32, 48), start.exposed
    reference = release_newly_exposed(parent_picture, current, exposed)
    assert reference is not None
    assert torch.equal(reference[..., 24:], current[..., 24:])
    assert torch.equal(reference[..., :24], parent_picture[..., :24])
    *_, last = optimize_keyframe(plan, keyframe, MODELS, embed_targets(plan, MODELS), parent)
    assert torch.isfinite(last.loss)


def test_a_slow_move_mixes_a_code_into_part_of_a_cell() -> None:
    zoom = tiny_plan("    camera: {zoom: 1.2/s, border: dream}\n")  # exposes nothing
    assert newly_exposed(view_of(zoom.keyframes[1]), zoom.size, torch.device("cpu")) is None
    slow = tiny_plan("    camera: {x: 5%/s, border: dream}\n").keyframes[1]  # 1.2 pixels of 4
    latent = torch.full((1, 4, 8, 12), 100.0)
    start = MODELS.network.with_exposed(Start(latent, torch.zeros(1, 3, 32, 48)), view_of(slow))
    changed = (start.latent - latent).abs().amax((0, 1, 2))
    assert changed[:-1].max() == 0
    assert 20 < changed[-1] < 30  # a quarter: the centre of one pixel of four is outside


def test_sharpening_raises_the_finest_detail() -> None:
    plain = tiny_plan("    camera: {zoom: 1.2/s}\n").keyframes[1]
    sharp = tiny_plan("    camera: {zoom: 1.2/s, sharpen: {0s: 0, 1s: 1}}\n").keyframes[1]
    assert (plain.sharpen, sharp.sharpen) == (0, 0.5)
    assert plain.key != sharp.key
    picture = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))

    def detail(keyframe: Keyframe) -> float:
        return laplacian(warp_parent(picture, view_of(keyframe)), 3).var().item()

    assert 1.1 * detail(plain) < detail(sharp) < 4 * detail(plain)
    assert (
        tiny_plan("    camera: {sharpen: 1}\n").keyframes[1].sharpen == 0
    )  # nothing was resampled


def test_the_error_of_encoding_the_parent_is_warped_too() -> None:
    plan = tiny_plan("    camera: {x: 0.001%/s}\n")
    parent = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(5))
    start = warm_start(plan, plan.keyframes[1], MODELS, parent)
    assert start is not None
    latent = start.latent
    error = parent - MODELS.network.encode(MODELS.network.decode(parent))
    assert (latent - parent).abs().mean() < 0.05 * error.abs().mean()


@pytest.mark.slow
@pytest.mark.ci
def test_sharpening_compensates_ten_seconds_of_warping() -> None:
    """A zoom of 1.1/s with a keyframe every quarter of a second, without steps. After ten seconds
    the unsharp mask makes patterns of its own: only steps keep a longer zoom sharp."""
    height, width = 192, 320
    across = torch.fft.rfftfreq(width) * width * height / width
    frequency = (torch.fft.fftfreq(height)[:, None] * height).hypot(across).clamp_min(1)
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    natural = torch.fft.irfft2(torch.fft.rfft2(noise) / frequency, s=(height, width))
    natural = (0.5 + 0.18 * natural / natural.std()).clamp(0, 1)  # 1/f, like photographs

    def change(sharpen: float) -> float:
        """How much the variance of the Laplacian changes after the first second, as a share."""
        keyframe = tiny_plan(f"    camera: {{zoom: 1.1/s, sharpen: {sharpen}}}\n").keyframes[1]
        zoom = 1.1**0.25
        keyframe = replace(keyframe, matrix=(zoom, 0.0, 0.0, 0.0, zoom, 0.0, 0.0, 0.0, 1.0))
        picture, sharpness = natural, []
        for _ in range(40):
            picture = warp_parent(picture, view_of(keyframe))
            sharpness.append(laplacian(picture, 3).var().item())
        return max(abs(later / sharpness[3] - 1) for later in sharpness[4:])

    assert change(0.05) < 0.125
    assert change(0) > 0.8


def test_an_init_image_is_scaled_and_cropped_to_the_frame(tmp_path: Path) -> None:
    picture = Image.new("RGB", (100, 32), "red")
    picture.paste("blue", (0, 0, 20, 32))  # cropped away
    picture.save(tmp_path / "init.png")
    plan = tiny_plan("    init: init.png\n", tmp_path)
    start = warm_start(plan, plan.keyframes[0], MODELS, None)
    assert start is not None
    loaded = start.picture
    assert loaded.shape == (1, 3, 32, 48)
    assert loaded[0, 0].min() > 0.95
    assert loaded[0, 2].max() < 0.05
    scaled = load_image(tmp_path / "init.png", torch.device("cpu"), (20, 60))
    assert scaled.shape == (1, 3, 60, 20)
