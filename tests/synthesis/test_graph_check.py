"""A recording that does not repeat its steps is noticed before it is used."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from synthesis.tapes import (
    LAUNCHED,
    PERCEPTORS,
    record_on_tape,
    recorded_plan,
    runner_with,
    steps_of,
)

from render.synthesis.cuda_graph import Thunk
from render.synthesis.graph_check import recording_works
from render.synthesis.models import Models


def test_a_recording_is_tried_before_it_is_used(tmp_path: Path, on_tape: None) -> None:
    models = Models((tiny.generator(),), PERCEPTORS)
    assert recording_works(models, runner_with(record_on_tape))

    def record_without_replay(run: Thunk) -> Thunk:
        value = run()
        return lambda: value.clone()

    assert not recording_works(models, runner_with(record_without_replay))

    def fail_to_record(run: Thunk) -> Thunk:
        raise RuntimeError("operation not permitted when stream is capturing")

    failing = runner_with(fail_to_record)
    assert not recording_works(models, failing)
    # Where recording fails later, in a film, steps continue one by one.
    plan = recorded_plan(tmp_path)
    with pytest.warns(UserWarning, match="could not be recorded"):
        made = steps_of(plan, 0, failing)
    assert torch.equal(made[-1].average, steps_of(plan, 0, LAUNCHED)[-1].average)
