"""Travel between finished pictures through latent space."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from render import __version__
from render.film.blends import BLENDS
from render.film.frames import Frame, to_frames
from render.generators.vqgan import load_generator
from render.media.provenance import to_text
from render.media.video import write_video
from render.plan.journey import Journey, JourneyError, journey_note, smaller_size_advice
from render.plan.progress import Progress
from render.synthesis.images import load_image
from render.synthesis.latents import load_latent
from render.synthesis.resource_errors import memory_shortage
from render.weights.library import known_models


def make_journey(
    journey: Journey, output: Path, device: torch.device, show: Callable[[Progress], None]
) -> None:
    """Write the film of a journey; raises FilmError where it needs more than the machine has."""
    with memory_shortage(lambda: smaller_size_advice(journey), "Nothing was written."):
        _make(journey, output, device, show)


def pictures_at_once(device: torch.device, pixels: int) -> int:
    """How many pictures of so many pixels are decoded together: on a CPU more are no faster, and of
    a GPU's memory, all of it and not what is free just now, they may take a quarter."""
    if device.type != "cuda":
        return 1
    budget = torch.cuda.get_device_properties(device).total_memory / 4
    return next((count for count in (16, 8, 4, 2) if count * DECODING * pixels < budget), 1)


DECODING = 3000  # bytes a pixel: five of the widest tensors of taming's decoder, and some more


def _make(
    journey: Journey, output: Path, device: torch.device, show: Callable[[Progress], None]
) -> None:
    """Holds three stops and a batch of pictures at a time, however many there are."""
    generator = load_generator(known_models("generator")[journey.generator]).on(device)
    factor = generator.factor
    cells = [math.ceil(side / factor) for side in journey.size]  # width, height
    blend = BLENDS[journey.blend]

    @lru_cache(maxsize=3)
    def codes(index: int) -> Tensor:
        stop = journey.stops[index]
        if stop.latent:
            latent = load_latent(stop.path)[0].to(device)
            if tuple(latent.shape[1:]) != (generator.codebook.shape[1], cells[1], cells[0]):
                raise JourneyError(
                    f"{stop.path} holds {tuple(latent.shape[1:])}, which is not a latent of "
                    f"{journey.size[0]}x{journey.size[1]} of {journey.generator}"
                )
        else:
            size = (cells[0] * factor, cells[1] * factor)
            latent = generator.encode(load_image(stop.path, device, size))
        return generator.quantise(latent)

    def mixed(number: int) -> Tensor:
        left, right, share = journey.place(number)
        return blend(generator, codes(left), codes(right), share) if share > 0 else codes(left)

    def pictures() -> Iterator[Tensor]:
        together = pictures_at_once(device, cells[0] * cells[1] * factor**2)
        for first in range(0, journey.frame_count, together):
            numbers = range(first, min(first + together, journey.frame_count))
            yield generator.paint(torch.cat([mixed(number) for number in numbers]))

    @torch.no_grad()
    def frames() -> Iterator[Frame]:
        for number, frame in enumerate(to_frames(pictures(), journey.size), start=1):
            yield frame
            if number < journey.frame_count:
                tell(number)

    def tell(number: int) -> None:
        done = number / journey.frame_count
        show(Progress("decode", "", number, journey.frame_count, 0, 0, done))

    comment = to_text(journey_note(journey, __version__))
    metadata = {"comment": comment}
    write_video(
        output, frames(), journey.size, journey.fps, journey.codec, journey.quality, metadata
    )
    tell(journey.frame_count)  # not before the encoder has ended well
