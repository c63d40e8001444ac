"""The inner loop lowers the loss, stays in the codebook's box, and ends on the same bits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import tiny
import torch

from render.plan.arithmetic import Arithmetic
from render.synthesis.optimize import Step, optimize
from render.synthesis.sketch import Raster


def run(steps: int = 20, smoothing: float = 0.5) -> list[Step]:
    generator = tiny.generator()
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    start = torch.zeros(1, 4, 8, 8)

    def loss(latent: torch.Tensor, codes: torch.Tensor, picture: torch.Tensor, *rest: object):  # type: ignore[no-untyped-def]
        return (picture - target).square().mean()

    return list(
        optimize(
            start, generator, tiny.no_cutouts, loss, steps=steps, step_size=0.1, smoothing=smoothing
        )
    )


def test_the_loss_falls() -> None:
    steps = run(40)
    assert [step.index for step in steps] == list(range(1, 41))
    assert steps[-1].loss < steps[0].loss


def test_two_runs_end_on_the_same_bits() -> None:
    assert torch.equal(run()[-1].average, run()[-1].average)


def test_the_latent_stays_in_the_codebook_s_box() -> None:
    generator = tiny.generator()
    average = run(60, smoothing=0.0)[-1].average
    assert (average >= generator.low - 1e-6).all()
    assert (average <= generator.high + 1e-6).all()


def test_gradients_that_float16_cannot_hold_are_scaled() -> None:
    target = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))

    def moved(precision: str, scale: float | None = None) -> torch.Tensor:
        generator = tiny.generator()
        generator.on(torch.device("cpu"), Arithmetic(precision))
        generator.gradient_scale = scale or generator.gradient_scale

        def loss(latent: torch.Tensor, codes: torch.Tensor, picture: torch.Tensor, *rest: object):  # type: ignore[no-untyped-def]
            return 1e-4 * (picture - target).square().mean()  # about 1e-8 a pixel

        start = torch.zeros(1, 4, 16, 16)
        options = {"steps": 3, "step_size": 0.1, "smoothing": 0.0}
        steps = optimize(start, generator, tiny.no_cutouts, loss, **options)  # type: ignore[arg-type]
        return list(steps)[-1].average.flatten()

    exact = moved("float32")
    assert moved("float16", 1.0).norm() < 0.5 * exact.norm()  # most of it vanished
    assert torch.cosine_similarity(moved("float16"), exact, dim=0) > 0.97
    assert torch.equal(moved("float32", 2.0**14), exact)  # a power of two changes no bit


def test_what_a_step_moves_out_of_the_box_can_return_at_once() -> None:
    raster = Raster(torch.device("cpu"))  # its latent is its picture, from -0.2 to 1.2
    aims = deque([3.0] * 30 + [0.6] * 70)

    def loss(latent: torch.Tensor, codes: torch.Tensor, picture: torch.Tensor, *rest: object):  # type: ignore[no-untyped-def]
        return (latent - aims.popleft()).square().mean()

    start = torch.full((1, 3, 16, 16), -2.0)  # outside, as an encoded picture may be
    *_, last = optimize(
        start, raster, tiny.no_cutouts, loss, steps=100, step_size=0.2, smoothing=0.0
    )
    assert torch.allclose(last.average, torch.tensor(0.6), atol=0.05)


def test_the_average_is_bias_corrected() -> None:
    first = run(1, smoothing=0.9)[0]
    plain = run(1, smoothing=0.0)[0]
    assert torch.allclose(first.average, plain.average, atol=1e-6)


def test_no_steps_yield_the_start_once() -> None:
    (only,) = run(0)
    assert (only.index, only.steps) == (0, 0)
    assert torch.equal(only.average, torch.zeros(1, 4, 8, 8))


def test_a_loss_without_a_gradient_changes_nothing() -> None:
    start = tiny.generator().codebook[0].view(1, 4, 1, 1).repeat(1, 1, 2, 2)
    steps = optimize(
        start,
        tiny.generator(),
        tiny.no_cutouts,
        lambda *_: torch.zeros(()),
        steps=2,
        step_size=1.0,
        smoothing=0.5,
    )
    assert torch.allclose([step.average for step in steps][-1], start, atol=1e-6)


def step_lengths(loss_of: Callable[[torch.Tensor], torch.Tensor], steps: int = 20) -> torch.Tensor:
    """How far each step moves the latent's cells, (steps, cells), with a constant gradient."""
    generator = tiny.generator()
    generator.low.fill_(-100)
    generator.high.fill_(100)
    start = torch.zeros(1, 4, 8, 8)
    taken = optimize(
        start,
        generator,
        tiny.no_cutouts,
        lambda latent, *_: loss_of(latent),
        steps=steps,
        step_size=0.1,
        smoothing=0.0,
    )
    latents = torch.stack([start, *(step.average for step in taken)]).flatten(1)
    return latents.diff(dim=0).abs()


def test_step_sizes_rise_and_then_fall() -> None:
    lengths = step_lengths(lambda latent: latent.sum() * 1e-3).mean(1)
    longest = int(lengths.argmax())
    assert lengths[0] < 0.3 * lengths[longest]
    assert 2 < longest < 10
    assert (lengths[: longest + 1].diff() > 0).all()
    assert (lengths[longest:].diff() < 0).all()
    assert lengths[-1] < 0.4 * lengths[longest]


def test_coarse_structure_moves_further_than_single_cells() -> None:
    rows, columns = torch.arange(8)[:, None], torch.arange(8)
    checkerboard = ((rows + columns) % 2) * 2.0 - 1
    coarse = step_lengths(lambda latent: latent.sum() * 1e-3).sum()
    fine = step_lengths(lambda latent: (latent * checkerboard).sum() * 1e-3).sum()
    assert coarse > 3 * fine > 0


def test_only_newly_exposed_cells_move_for_the_first_third_of_the_steps() -> None:
    generator = tiny.generator()
    start = generator.codebook[:16].T.reshape(1, 4, 4, 4).contiguous()
    exposed = torch.zeros(1, 1, 4, 4)
    exposed[..., 2:] = 1

    def loss(latent: torch.Tensor, codes: torch.Tensor, picture: torch.Tensor, *rest: object):  # type: ignore[no-untyped-def]
        return (picture - 1).square().mean()

    taken = optimize(
        start,
        generator,
        tiny.no_cutouts,
        loss,
        steps=9,
        step_size=0.1,
        smoothing=0.0,
        exposed=exposed,
    )
    changes = [(step.average - start).abs().amax((0, 1, 2)) for step in taken]
    for number, change in enumerate(changes, start=1):
        assert change[2:].min() > 0
        assert (change[:2].max() > 0) == (number > 3)
