"""Checks Render on a GPU in one command, and prints one table; under ten minutes.

    python tools/gpu_check.py                  the embedded models at 256 px
    python tools/gpu_check.py --full           VQGAN f16 and ViT-B/32 in full size, random weights
    python tools/gpu_check.py --device cpu     what can be checked without a card

Each row is a question, what was found, and whether it is as it should be:

the same as a CPU     one keyframe of a few steps there and here, without grain (which each kind of
                      device draws for itself): how far the latents end apart, as a share of how far
                      they moved
recorded or launched  the same of recorded steps, and seconds of a step of both
used by another       whether a recording of one keyframe paints another one rightly
recording             what it costs beside an ordinary step
memory                the most that torch reserved, against what `render check` predicts
the same seed twice   whether two runs end on the same bits
--deterministic       whether its kernels repeat, and what they cost
a failed recording    whether steps go on after one, and whether the next recording works

It exits with 1 if a row is not as it should be. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
import warnings
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from bench import clock, networks
from torch import Tensor

from render.media.digest import file_digest
from render.plan.plan import Plan
from render.plan.planner import make_plan
from render.storyboard.model import STARTERS
from render.storyboard.parser import parse
from render.synthesis.cuda_graph import GraphRecorder, RecordedSteps, Thunk
from render.synthesis.device import choose_device
from render.synthesis.keyframe import optimize_keyframe
from render.synthesis.load import load_models
from render.synthesis.models import Models
from render.synthesis.optimize import ONE_BY_ONE, Step, StepRunner
from render.synthesis.targets import embed_targets
from render.weights.catalog import STARTER, GeneratorChoice
from render.weights.selection import FilmModels, choose_models

FEW = 6  # steps of a comparison: rounding grows with every one
BOARD = """\
version: 1
size: {size}x{size}
defaults: {{iterations: {{first: {steps}}}, cutouts: {{count: 16, noise: {noise}}}}}
shots:
  - {{duration: 1s, prompts: {prompt}}}
"""
Row = tuple[str, str, bool | None]  # question, finding, whether it is as it should be


def planned(
    full: bool,
    steps: int,
    noise: float = 0.06,
    size: int = 256,
    prompt: str = "a red glow over the sea",
) -> Plan:
    """Returns the plan of a film of one shot; with `full` for the models of full size."""
    name = "vqgan-imagenet-f16-16384" if full else "starter"
    generator, perceptors = GeneratorChoice(name), (("ViT-B/32", 1.0),) if full else STARTERS
    board = parse(BOARD.format(size=size, steps=steps, noise=noise, prompt=prompt), Path())
    shots = tuple(replace(shot, generator=generator) for shot in board.shots)
    chosen: FilmModels = choose_models([generator], perceptors)
    board = replace(board, generator=generator, shots=shots, perceptors=perceptors)
    return make_plan(board, chosen, file_digest)


def loaded(full: bool, device: str, precision: str, deterministic: bool = False) -> Models:
    """Returns the models of the check on a device."""
    machine = choose_device(device, precision, "channels-last", deterministic)
    if not full:
        return load_models(choose_models([STARTER], STARTERS), machine)
    own = networks("float32", True, device)
    arithmetic = replace(own.arithmetic, precision=machine.step_precision())
    own.generator.on(machine.device, arithmetic)
    return Models((own.generator,), ((own.perceptor, 1.0),), machine.memory_budget(), arithmetic)


def steps_of(plan: Plan, models: Models, runner: StepRunner) -> Iterator[Step]:
    """Yields the steps in the latent of the film's first keyframe."""
    targets = embed_targets(plan, models)
    running = replace(models, runner=runner)
    for step in optimize_keyframe(plan, plan.keyframes[0], running, targets, None):
        if isinstance(step, Step):
            yield step


def start_and_end(plan: Plan, models: Models, runner: StepRunner = ONE_BY_ONE) -> list[Tensor]:
    """Returns the latents after the first and after the last step, on the CPU."""
    steps = list(steps_of(plan, models, runner))
    return [steps[0].average.cpu(), steps[-1].average.cpu()]


def apart(one: list[Tensor], other: list[Tensor]) -> float:
    """Returns how far two runs end apart, as a share of how far the second moved."""
    return float((one[-1] - other[-1]).norm() / (other[-1] - other[0]).norm().clamp_min(1e-9))


def seconds_a_step(plan: Plan, models: Models, runner: StepRunner) -> tuple[float, float]:
    """Returns the median seconds of a keyframe's later steps, and what its first two took beyond
    that."""
    device, marks = models.device, [clock(models.device)]
    for _ in steps_of(plan, models, runner):
        marks.append(clock(device))
    each = [after - before for before, after in itertools.pairwise(marks)][1:]
    usual = statistics.median(each[len(each) // 2 :])
    return usual, max(0.0, sum(each[:2]) - 2 * usual)


def after_a_failure(plan: Plan, models: Models) -> tuple[str, bool]:
    """Returns what follows a recording that fails in the middle of its step."""
    broken = [True]
    record = GraphRecorder()

    def failing(run: Thunk) -> Thunk:
        def stop() -> Tensor:
            value = run()
            if broken.pop():
                raise RuntimeError("this failure is part of the check")
            return value

        return record(stop) if broken else record(run)

    runner = RecordedSteps(record=failing)
    stream = torch.cuda.current_stream()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        deque(steps_of(plan, models, runner), 1)
        went_on = any("could not be recorded" in str(one.message) for one in said)
        same_stream = torch.cuda.current_stream() == stream
        said.clear()
        deque(steps_of(plan, models, RecordedSteps()), 1)
        again = not any("could not be recorded" in str(one.message) for one in said)
    finding = (
        f"steps {'went on' if went_on else 'STOPPED'}, the stream is "
        f"{'the same' if same_stream else 'ANOTHER'}, the next recording "
        f"{'works' if again else 'FAILS'}"
    )
    return finding, went_on and same_stream and again


def rows(full: bool, device: str) -> Iterator[Row]:
    """Yields the table."""
    is_gpu = device.startswith("cuda")
    name = torch.cuda.get_device_name() if is_gpu else "a CPU"
    exact, few = loaded(full, device, "float32"), planned(full, FEW, noise=0)
    fast = loaded(full, device, "auto")
    yield "device", f"{name}, torch {torch.__version__}, steps in {fast.arithmetic.precision}", None

    there = start_and_end(few, loaded(full, "cpu", "float32"))
    share = apart(start_and_end(few, exact), there)
    yield "the same as a CPU, float32", f"{share:.2%} apart", share < 0.02
    share = apart(start_and_end(few, fast), there)
    yield f"the same as a CPU, {fast.arithmetic.precision}", f"{share:.1%} apart", share < 0.35

    twice = [start_and_end(few, exact) for _ in range(2)]
    share = apart(*twice)
    finding = "the same bits" if share == 0 else f"{share:.3%} apart"
    yield "the same seed twice", finding, share < 0.01

    many = planned(full, 40)
    usual, _ = seconds_a_step(many, fast, ONE_BY_ONE)
    yield "a step, launched one by one", f"{1000 * usual:.1f} ms", None
    if is_gpu:
        runner = RecordedSteps()
        share = apart(start_and_end(few, exact, runner), there)
        yield "recorded, the same as a CPU", f"{share:.2%} apart", share < 0.03
        other = planned(full, FEW, noise=0, prompt="green hills")
        own = start_and_end(other, exact, runner)
        share = apart(own, start_and_end(other, exact))
        yield "a recording, used by another keyframe", f"{share:.2%} apart", share < 0.03
        recorded, overhead = seconds_a_step(many, fast, RecordedSteps())
        yield "a step, recorded", f"{1000 * recorded:.1f} ms", recorded < 1.05 * usual
        yield "recording, beside two steps", f"{overhead:.2f} s", overhead < 3
        torch.cuda.reset_peak_memory_stats()
        deque(steps_of(many, fast, RecordedSteps()), 1)
        yield memory_row(many, fast)
        yield ("a failed recording", *after_a_failure(many, fast))
        # The last, because kernels that repeat are chosen for the whole process.
        repeating = loaded(full, device, "auto", deterministic=True)
        twice = [start_and_end(few, repeating, RecordedSteps()) for _ in range(2)]
        finding = "the same bits" if apart(*twice) == 0 else "OTHER BITS"
        yield "--deterministic, twice", finding, apart(*twice) == 0
        repeated, _ = seconds_a_step(many, repeating, RecordedSteps())
        yield "a step, --deterministic", f"{repeated / recorded:.2f} times a recorded one", None


def memory_row(plan: Plan, models: Models) -> Row:
    """Returns the most memory that torch reserved beside what is predicted."""
    from render.plan.memory import GPU_MEMORY, step_memory

    reserved = torch.cuda.max_memory_reserved() / 2**30
    # torch does not count CUDA's own context.
    predicted = (step_memory(plan, models.memory_budget) - GPU_MEMORY) / 2**30
    finding = f"{reserved:.2f} GiB reserved, {predicted:.2f} predicted"
    return "memory of a step", finding, reserved < 1.15 * predicted


def main() -> None:
    """Reads the command line, checks and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="models of full size, random weights")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("torch sees no CUDA device; --device cpu checks what can be checked without one")
    began, wrong = time.monotonic(), 0
    print("| | found | |\n| --- | --- | --- |")
    for question, finding, is_right in rows(options.full, options.device):
        wrong += is_right is False
        verdict = {True: "as it should be", False: "**WRONG**", None: ""}[is_right]
        print(f"| {question} | {finding} | {verdict} |", flush=True)
    print(f"\n{time.monotonic() - began:.0f} s")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
