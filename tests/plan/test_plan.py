"""The plan: its latents, chains and shots."""

from __future__ import annotations

from plan.samples import two_shot_plan


def test_latents_have_the_shape_that_the_generator_makes() -> None:
    assert two_shot_plan().latent_shape == (16, 24, 40)
