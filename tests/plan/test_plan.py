"""The plan: its latents, chains and shots."""

from __future__ import annotations

from plan.samples import two_shot_plan


def test_latents_have_the_shape_that_the_generator_makes() -> None:
    plan = two_shot_plan()
    assert set(plan.latent_shapes.values()) == {(16, 24, 40)}
    assert set(plan.latent_shapes) == {one.key for one in plan.keyframes}
