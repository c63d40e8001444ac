"""Load the networks of one film onto the device that computes."""

from __future__ import annotations

from dataclasses import replace

from render.generators.vqgan import load_generator
from render.storyboard.model import Storyboard
from render.synthesis.device import Device
from render.synthesis.graph_check import recording_works
from render.synthesis.models import Models
from render.synthesis.perceptor import load_perceptor
from render.synthesis.resource_errors import memory_shortage
from render.weights.library import known_models


def load_models(
    board: Storyboard, machine: Device, at_once: int | None = None, steps: bool = True
) -> Models:
    """Every perceptor looks at `at_once` views together, at all of them if nothing is said; `steps`
    is whether there are any to be made.

    Raises ModelError when weights are not there, FilmError when they do not fit.
    """
    perceptors = known_models("perceptor")
    smaller = "Smaller models need less: `render models` lists their sizes."
    with memory_shortage(lambda: smaller, "Nothing was changed."):
        models = Models(
            load_generator(known_models("generator")[board.generator]).on(
                machine.device, machine.step_type
            ),
            tuple(
                (
                    load_perceptor(perceptors[name]).on(machine.device, machine.step_type, at_once),
                    weight,
                )
                for name, weight in board.perceptors
            ),
            machine.budget(),
        )
        if steps and machine.device.type == "cuda":
            return replace(models, recorded=recording_works(models))
        return models
