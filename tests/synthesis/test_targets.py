"""What a keyframe is optimised towards: embedded prompts and stored latents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from PIL import Image
from plans import plan_for
from tiny_film import MODELS, latent_note, optimised_first_keyframe, tiny_plan
from torch.nn import functional as F

from render.storyboard.model import Region
from render.storyboard.parser import parse
from render.synthesis.cutouts import sample_cutouts
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.latents import LatentError, Store
from render.synthesis.losses import LOSSES, LossInputs
from render.synthesis.targets import (
    embed_targets,
    load_latent_target,
    make_latent_targets,
    make_prompt_targets,
)


def test_every_prompt_and_image_is_embedded_once(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "green").save(tmp_path / "leaf.png")
    plan = plan_for(
        parse(
            tiny_plan().board.text.replace(
                "prompts: a red sea | fire:-0.5", "prompts: [{image: leaf.png}, {text: a red sea}]"
            ),
            tmp_path,
        ),
        4,
    )
    tables = embed_targets(plan, MODELS).embedded
    assert len(tables) == 2
    for table in tables:
        assert len(table) == 2
        assert all(vector.norm().item() == pytest.approx(1, abs=1e-4) for vector in table.values())
    assert torch.isfinite(optimised_first_keyframe(plan)).all()


def test_a_prompt_with_a_region_has_its_gradient_there() -> None:
    plan = tiny_plan()
    prompt = plan.keyframes[0].prompts[0]
    only = replace(
        plan.keyframes[0], prompts=(replace(prompt, where=Region("left-third")),), parent=None
    )
    prompt_target, *_ = make_prompt_targets(plan, only, MODELS, embed_targets(plan, MODELS))
    picture = torch.rand(1, 3, 32, 48, requires_grad=True)
    draw = sample_cutouts(64, (48, 32), (0.2, 0.4), seed=0)
    cutouts = draw.on(picture.device, 32, MODELS.sides)
    latent = torch.zeros(1, 4, 8, 12)
    inputs = LossInputs(latent, latent, picture, None, None, cutouts, (prompt_target,))
    (gradient,) = torch.autograd.grad(LOSSES["prompts"](inputs), picture)
    strength = gradient.abs().sum((0, 1, 2))
    assert strength[:16].sum() > 10 * strength[30:].sum() >= 0


def test_a_latent_prompt_pulls_within_its_region(tmp_path: Path) -> None:
    """The keyframe becomes the stored latent in the region of the prompt, and nowhere else."""
    models = replace(MODELS, perceptors=())
    stored = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(3)) * 0.5
    Store(tmp_path).save("stored", stored, latent_note())
    distances = {}
    for where in ("", ", where: left", ", weight: -1"):
        board = (
            tiny_plan()
            .board.text.replace("first: 4", "first: 60")
            .replace(
                "prompts: a red sea | fire:-0.5", f"prompts: {{latent: stored.safetensors{where}}}"
            )
        )
        plan = plan_for(parse(board, tmp_path), 4)
        targets = embed_targets(plan, models)
        *_, last = optimize_keyframe(plan, plan.keyframes[0], models, targets, None)
        distances[where] = (last.average - stored).square().mean((0, 1, 2))  # for each column
    whole, left, away = distances.values()
    assert whole.mean() < 0.3 * left[6:].mean()
    assert left[:6].mean() < 0.3 * left[6:].mean()
    assert away.mean() > left[6:].mean()


def test_a_latent_of_another_size_is_scaled_and_cropped_to_the_frame(tmp_path: Path) -> None:
    plan, generator, store = tiny_plan(), MODELS.network, Store(tmp_path)

    def as_target(latent: torch.Tensor) -> torch.Tensor:
        store.save("it", latent, latent_note())
        return load_latent_target(store.path("it"), plan, MODELS, 0)

    own = torch.randn(1, 4, 8, 12)
    assert torch.equal(as_target(own), own)
    square = generator.encode(torch.full((1, 3, 64, 64), 0.5))
    scaled = F.interpolate(generator.decode(square), size=(48, 48), mode="bicubic", antialias=True)
    expected = generator.encode(scaled[..., 8:40, :].clamp(0, 1))
    assert torch.allclose(as_target(square), expected, atol=1e-3)
    for wrong in (torch.zeros(1, 1, 8, 12), torch.full((1, 4, 8, 12), torch.nan)):
        with pytest.raises(
            LatentError, match=r"no latent of the film.s generator|numbers that no latent has"
        ):
            as_target(wrong)


def test_an_excluded_latent_pushes_no_further_than_the_distance_of_two_codes(
    tmp_path: Path,
) -> None:
    Store(tmp_path).save("it", torch.zeros(1, 4, 8, 12), latent_note())
    stops = {}
    for extra in ("", ", stop: 0.3"):
        board = tiny_plan().board.text.replace(
            "a red sea | fire:-0.5",
            f"a red sea\n    exclude: {{latent: it.safetensors{extra}}}",
        )
        plan = plan_for(parse(board, tmp_path), 4)
        targets = embed_targets(plan, MODELS)
        (latent_target,) = make_latent_targets(plan, plan.keyframes[0], MODELS.network, targets)
        stops[extra] = (latent_target.weight, latent_target.stop)
    assert list(stops.values()) == [(-1.0, -1.0), (-1.0, -0.3)]


def test_a_classifier_of_prompts_without_a_thing_takes_no_part() -> None:
    classifier = tiny.classifier()
    models = replace(MODELS, perceptors=(*MODELS.perceptors[:1], (classifier, 1.0)))

    def taking_part(prompt: str, more: str = "") -> list[object]:
        text = f"version: 1\nsize: 48x32\nshots:\n  - {{duration: 1s, prompts: {prompt}{more}}}\n"
        plan = plan_for(parse(text, Path()), 4)
        targets = embed_targets(plan, models)
        made = make_prompt_targets(plan, plan.keyframes[0], models, targets)
        return [target.perceptor for target in made]

    both = [MODELS.perceptors[0][0], classifier]
    assert taking_part("a lighthouse") == both
    assert taking_part("a red glow") == both[:1]
    assert taking_part("a red glow | a lighthouse") == both
    assert taking_part("a red glow", ", losses: {likeness: 1}") == both
