"""Load the networks of one film onto the device that computes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

import render.starter
from render.generators.generator import Generator
from render.generators.load import load_generator
from render.generators.readout import load_readouts, save_readouts
from render.generators.vqgan import VQGAN, fit_readouts
from render.plan.arithmetic import Arithmetic
from render.synthesis.classifier import load_classifier
from render.synthesis.clip_perceptor import load_clip
from render.synthesis.cuda_graph import RecordedSteps
from render.synthesis.device import Device
from render.synthesis.graph_check import recording_works
from render.synthesis.models import Models
from render.synthesis.perceptor import Perceptor
from render.synthesis.probe import choose_arithmetic
from render.synthesis.resource_errors import memory_shortage
from render.weights.catalog import Model
from render.weights.library import models_folder
from render.weights.selection import FilmModels

EMBEDDED_READOUTS = Path(render.starter.__file__).parent / "readouts.safetensors"


def load_models(
    chosen: FilmModels,
    device: Device,
    at_once: int | None = None,
    steps: bool = True,
    say: Callable[[str], None] = lambda sentence: None,
    size: tuple[int, int] = (0, 0),
) -> Models:
    """The film's models on a device.

    At most `at_once` cutouts go through a perceptor together, all of them where it is None. Where
    `steps` will be made on a GPU, recording them is tried first. `say` is told what will take some
    seconds. `size` is the (width, height) of pictures, for generators whose latents do not say it.

    Raises ModelError when weights are not on this machine, FilmError when they do not fit into
    memory.
    """
    advice = "Smaller models need less: `render models` lists their sizes."
    with memory_shortage(lambda: advice, "Nothing was changed."):
        generators, arithmetic = load_generators(chosen, device, size, steps, say)
        step_type: torch.dtype = getattr(torch, arithmetic.precision)
        perceptors = tuple(
            (load_perceptor(one.model).on(device.device, step_type, at_once), one.weight)
            for one in chosen.perceptors
        )
        models = Models(generators, perceptors, device.memory_budget(), arithmetic, say=say)
        if not steps or device.device.type != "cuda" or not models.networks:
            return models
        if recording_works(models):
            return replace(models, runner=RecordedSteps())
        return replace(models, recording_failed=True)


def load_generators(
    chosen: FilmModels,
    device: Device,
    size: tuple[int, int],
    steps: bool = False,
    say: Callable[[str], None] = lambda sentence: None,
) -> tuple[tuple[Generator, ...], Arithmetic]:
    """The film's generators on a device, and how they compute: as is best for its first network.

    Arguments and errors are those of `load_models`.
    """
    generators = tuple(load_generator(one.model, size) for one in chosen.generators)
    first = next((one for one in generators if one.is_network), generators[0])
    arithmetic = choose_arithmetic(device, first, say)
    for generator in generators:
        if steps and isinstance(generator, VQGAN):
            prepare_readouts(generator, say)
        generator.on(device.device, arithmetic)
    return generators, arithmetic


def prepare_readouts(generator: VQGAN, say: Callable[[str], None]) -> None:
    """Gives a generator, whose weights are on the CPU, its readouts: those that come with Render,
    or those kept in the folder of models, or fitted now and kept there."""
    kept = models_folder() / f"readouts-{generator.digest[:16]}.safetensors"
    for path in (EMBEDDED_READOUTS, kept):
        readouts = load_readouts(path, generator.digest, generator.decoder)
        if readouts is not None:
            generator.readouts = readouts
            return
    say("fitting the generator's small pictures, once: seconds, or a minute or two for a large one")
    fit_readouts(generator)
    with suppress(OSError):  # fitted again for the next render
        save_readouts(generator.readouts, kept, generator.digest)


def load_perceptor(model: Model) -> Perceptor:
    """The named perceptor; raises ModelError when its weights are missing or do not fit."""
    perceptor = load_classifier(model) if model.is_classifier else load_clip(model)
    perceptor.first_pull, perceptor.later_pull = model.pull
    perceptor.cutout_share = model.cutout_share
    return perceptor
