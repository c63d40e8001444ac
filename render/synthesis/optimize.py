"""THE INNER LOOP: Adam minimises the losses of one latent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from render.generators.generator import Generator
from render.synthesis.cutouts import Cutouts

# Shorter averages than Adam's defaults, because a keyframe has only about a dozen steps.
BETAS = (0.8, 0.99)

Loss = Callable[[Tensor, Tensor, Tensor, Cutouts, Any], Tensor]


@dataclass(frozen=True)
class Step:
    """The state after one step."""

    index: int  # 1..steps; 0 where there are none
    steps: int
    loss: Tensor  # (), on the device: reading it waits for the step
    average: Tensor  # (B, C, h, w): the running average of the latent, which is shown and stored
    canvas: Canvas | None = None  # what `unfinished` is made of; None where there are no steps

    def unfinished(self) -> Unfinished | None:
        """A copy of the state, from which the optimisation goes on; None where it is finished."""
        if self.canvas is None or self.index == self.steps:
            return None
        return Unfinished(self.index, self.canvas.state())


@dataclass(frozen=True)
class Unfinished:
    """The state of an optimisation between two steps."""

    index: int  # how many steps are done
    tensors: dict[str, Tensor]  # of `Canvas.state`, on the CPU


class Canvas:
    """The tensors of a latent that is optimised, which steps change in place."""

    def __init__(self, start: Tensor, generator: Generator, *, capturable: bool) -> None:
        """A canvas that begins with a generator's latent (B, C, h, w); `capturable` is of
        `make_adam`."""
        self.start = start.clone()
        self.offsets = [offset.requires_grad_() for offset in generator.zero_offsets(start)]
        self.optimizer = make_adam(self.offsets, capturable=capturable)
        self.average = torch.zeros_like(start)
        self.decay = start.new_zeros(())  # the share of the latent that the next step takes away

    @torch.no_grad()
    def begin(self, start: Tensor) -> None:
        """Begin anew with another latent of the same shape, in the same tensors."""
        self.start.copy_(start)
        moments = (each for state in self.optimizer.state.values() for each in state.values())
        for tensor in (*self.offsets, self.average, *moments):
            tensor.zero_()

    def _tensors(self) -> dict[str, Tensor]:
        """All tensors that steps change, and the start; Adam's once it has taken a step."""
        found = {"start": self.start, "average": self.average}
        for number, offset in enumerate(self.offsets):
            found[f"offsets.{number}"] = offset.detach()
            for name, moment in self.optimizer.state.get(offset, {}).items():
                found[f"{name}.{number}"] = moment
        return found

    def state(self) -> dict[str, Tensor]:
        """Copies on the CPU of everything that the next steps depend on."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self._tensors().items()}

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Set everything to what `state` returned. Raises ValueError if it is of another canvas."""
        for number, offset in enumerate(self.offsets):
            # As Adam makes them at its first step.
            moments = self.optimizer.state[offset]
            if not moments:
                group = self.optimizer.param_groups[number]
                place = offset.device if group["capturable"] else torch.device("cpu")
                moments["step"] = torch.zeros((), device=place)
                moments["exp_avg"] = torch.zeros_like(offset)
                moments["exp_avg_sq"] = torch.zeros_like(offset)
        own = self._tensors()
        if {n: t.shape for n, t in own.items()} != {n: t.shape for n, t in state.items()}:
            raise ValueError("the state is that of another optimisation")
        for name, tensor in own.items():
            tensor.copy_(state[name])


@dataclass(frozen=True)
class StepFunction:
    """Everything that a step does on its device.

    Two that are equal do the same to the same tensors, so that one recording serves for both.
    """

    canvas: Canvas
    generator: Generator
    loss: Loss
    smoothing: float
    level: int
    decays: bool = False  # by the canvas's decay

    def __call__(self, cutouts: Cutouts, constants: Any, exposed: Tensor | None = None) -> Tensor:
        """Change the canvas by a step, with `exposed` only there; returns the loss ()."""
        canvas, generator, scale = self.canvas, self.generator, self.generator.gradient_scale
        start, offsets = canvas.start, canvas.offsets

        def changed(latent: Tensor) -> Tensor:
            """The latent, or the start with only its newly exposed part replaced by it."""
            return latent if exposed is None else start + exposed * (latent - start)

        canvas.optimizer.zero_grad(set_to_none=True)
        latent = changed(generator.add_offsets(start, offsets))
        codes = generator.quantise(latent)
        picture = generator.paint(codes, step=True, level=self.level)
        value = self.loss(latent, codes, picture, cutouts, constants)
        if value.requires_grad:  # else every weight is 0 at this time
            (value * scale).backward()  # type: ignore[no-untyped-call]
            for offset in offsets if scale != 1 else ():
                if offset.grad is not None:
                    offset.grad /= scale
        canvas.optimizer.step()
        with torch.no_grad():
            moved = generator.add_offsets(start, offsets)
            wanted = moved * (1 - canvas.decay) if self.decays else moved
            inside = wanted.maximum(generator.low).minimum(generator.high)
            generator.move_offsets(offsets, inside - moved)
            canvas.average.mul_(self.smoothing).add_(changed(inside), alpha=1 - self.smoothing)
        return value.detach()


class StepRunner:
    """How steps are launched: one by one here, or as `cuda_graph` records them."""

    captures = False  # then Adam keeps its step sizes and its count of steps as tensors

    def canvas(self, start: Tensor, generator: Generator) -> Canvas:
        """The canvas of a keyframe that begins with this latent (B, C, h, w) of a generator."""
        return Canvas(start, generator, capturable=self.captures)

    def run(self, step: StepFunction, cutouts: Cutouts, constants: Any) -> Tensor:
        """Run a step; returns its loss ()."""
        return step(cutouts, constants)

    def forget(self) -> None:
        """Release what is kept of earlier steps, because the next ones compute in another way."""


ONE_BY_ONE = StepRunner()


def whole_picture(step: int) -> int:
    """The level of a step whose picture is never halved: 0."""
    return 0


def only_level(level: int) -> Any:
    """The constants of a loss that needs none but the level."""
    return level


def optimize(
    start: Tensor,
    generator: Generator,
    cutouts_at: Callable[[int], Cutouts],
    loss: Loss,
    *,
    steps: int,
    step_size: float,
    smoothing: float,
    weight_decay: float = 0.0,
    exposed: Tensor | None = None,
    level_at: Callable[[int], int] = whole_picture,
    constants_at: Callable[[int], Any] = only_level,
    runner: StepRunner = ONE_BY_ONE,
    unfinished: Unfinished | None = None,
) -> Iterator[Step]:
    """Adam from a latent (B, C, h, w); yields after every step, with `unfinished` after those that
    are not done yet. Raises ValueError for the state of another optimisation.

    `level_at(step)` says how often the picture that a step looks at is halved, `cutouts_at(step)`
    returns its cutouts, and `loss(latent, codes, picture, cutouts, constants)` a scalar computed
    with tensors only. Its constants are of `constants_at(level)`: all that it needs and that
    differs between keyframes, as dataclasses of tensors. `step_size` is in units of the generator.
    `smoothing` is the decay of the bias-corrected running average (as Adam's own, Kingma & Ba
    2015). `weight_decay` takes a share of the latent away at every step, as AdamW does (Loshchilov
    & Hutter 2019), but of the latent, not of the offsets. In the first third of the steps, only
    what the camera newly `exposed`, in [0, 1] and of a shape that broadcasts to the latent's, may
    change. Zero steps yield the start once. Each channel of the latent stays in the generator's
    range; that of a codebook is where the gradient through quantisation has a meaning. What a step
    moves out of it is set back, as in K. Crowson's notebook. (A clamp within the loss has no
    gradient outside, and what has left the range would never return.)

    This differs from other programs, which optimise each cell separately: Adam then changes fine
    grain as strongly as composition, and checkerboards build up over a film. Here the latent is its
    start plus the offsets of its generator, of a grid a pyramid, whose coarse ones move further.
    """
    if steps == 0:
        yield Step(0, 0, start.new_zeros(()), start)
        return
    start = start.maximum(generator.low).minimum(generator.high)
    canvas, total_weight, first = runner.canvas(start, generator), 0.0, 0
    if unfinished is not None:
        if not 0 < unfinished.index < steps:
            raise ValueError(f"{unfinished.index} of {steps} steps are done")
        canvas.restore(unfinished.tensors)
        first = unfinished.index
        for _ in range(first):
            total_weight = total_weight * smoothing + (1 - smoothing)
    for step in range(first, steps):
        set_step_sizes(canvas.optimizer, generator, step_size, step, steps)
        if weight_decay:
            canvas.decay.fill_(weight_decay * step_size_at(step_size, step, steps))
        level = level_at(step)
        run_step = StepFunction(canvas, generator, loss, smoothing, level, weight_decay > 0)
        if exposed is not None and step < steps // 3:  # too few to be worth a recording
            value = run_step(cutouts_at(step), constants_at(level), exposed)
        else:
            value = runner.run(run_step, cutouts_at(step), constants_at(level))
        total_weight = total_weight * smoothing + (1 - smoothing)
        average = generator.restored(canvas.average / total_weight, canvas.start)
        yield Step(step + 1, steps, value, average, canvas)


def make_adam(offsets: list[Tensor], *, capturable: bool) -> torch.optim.Adam:
    """Adam with a group for each tensor of offsets; `set_step_sizes` sets their step sizes.

    A `capturable` one keeps its step sizes as tensors, which a CUDA graph reads when it is
    replayed.
    """
    rates = [offset.new_zeros(()) if capturable else 0.0 for offset in offsets]
    groups = [{"params": [o], "lr": rate} for o, rate in zip(offsets, rates, strict=True)]
    return torch.optim.Adam(groups, betas=BETAS, capturable=capturable)


def set_step_sizes(
    optimizer: torch.optim.Adam, generator: Generator, step_size: float, step: int, steps: int
) -> None:
    """Set the step size of each tensor of offsets for one step."""
    for group, share in zip(optimizer.param_groups, generator.step_shares, strict=True):
        size = step_size_at(step_size * generator.unit * share, step, steps)
        group["lr"] = group["lr"].fill_(size) if isinstance(group["lr"], Tensor) else size


def step_size_at(size: float, step: int, steps: int) -> float:
    """The size of one step. It rises over the first third of the steps, at most eight, while Adam's
    averages are still poor, and falls linearly to about a fifth, so that the keyframe settles."""
    rise = max(1.0, min(8.0, steps / 3))
    return size * (1 - 0.8 * step / steps) * min(1.0, (step + 1) / rise)
