"""The inner loop goes down, stays in the box, and ends on the same bits."""

from __future__ import annotations

import tiny
import torch

from render.optimize import Step, optimize


def run(steps: int = 20, smoothing: float = 0.5) -> list[Step]:
    generator = tiny.generator()
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    start = torch.zeros(1, 4, 8, 8)

    def loss(latent: torch.Tensor, codes: torch.Tensor, picture: torch.Tensor, step: int):  # type: ignore[no-untyped-def]
        return (picture - target).square().mean()

    return list(optimize(start, generator, loss, steps=steps, step_size=0.1, smoothing=smoothing))


def test_the_loss_falls() -> None:
    steps = run(40)
    assert [step.index for step in steps] == list(range(1, 41))
    assert steps[-1].loss < steps[0].loss


def test_two_runs_end_on_the_same_bits() -> None:
    assert torch.equal(run()[-1].average, run()[-1].average)


def test_the_latent_stays_in_the_box_of_the_codes() -> None:
    generator = tiny.generator()
    average = run(60, smoothing=0.0)[-1].average
    assert (average >= generator.low - 1e-6).all()
    assert (average <= generator.high + 1e-6).all()


def test_the_average_is_bias_corrected() -> None:
    first = run(1, smoothing=0.9)[0]
    plain = run(1, smoothing=0.0)[0]
    assert torch.allclose(first.average, plain.average, atol=1e-6)


def test_no_steps_stay_where_it_begins() -> None:
    (only,) = run(0)
    assert (only.index, only.steps) == (0, 0)
    assert torch.equal(only.average, torch.zeros(1, 4, 8, 8))


def test_a_loss_that_asks_nothing_moves_nothing() -> None:
    start = tiny.generator().codebook[0].view(1, 4, 1, 1).repeat(1, 1, 2, 2)
    steps = optimize(
        start, tiny.generator(), lambda *_: torch.zeros(()), steps=2, step_size=1.0, smoothing=0.5
    )
    assert torch.allclose([step.average for step in steps][-1], start, atol=1e-6)
