"""Travel between finished pictures through latent space."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from render import __version__
from render.frames import Frame, to_frames
from render.generator import load_generator
from render.images import load_image
from render.journey import Journey, JourneyError, note_of, smaller
from render.latents import BLENDS, load_latent
from render.models import known
from render.provenance import to_text
from render.shortage import memory_shortage
from render.timeline import Report
from render.video import write_video


def make_journey(
    journey: Journey, output: Path, device: torch.device, show: Callable[[Report], None]
) -> None:
    """Write the film of a journey; raises FilmError where it needs more than the machine has."""
    with memory_shortage(lambda: smaller(journey), "Nothing was written."):
        _make(journey, output, device, show)


def at_once(device: torch.device, pixels: int) -> int:
    """How many pictures of so many pixels are decoded together: on a CPU more are no faster, and of
    a GPU's memory, all of it and not what is free just now, they may take a quarter."""
    if device.type != "cuda":
        return 1
    room = torch.cuda.get_device_properties(device).total_memory / 4
    return next((count for count in (16, 8, 4, 2) if count * DECODING * pixels < room), 1)


DECODING = 3000  # bytes a pixel: five of the widest tensors of taming's decoder, and some more


def _make(
    journey: Journey, output: Path, device: torch.device, show: Callable[[Report], None]
) -> None:
    """Holds three stops and a batch of pictures at a time, however many there are."""
    generator = load_generator(known("generator")[journey.generator]).on(device)
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
        together = at_once(device, cells[0] * cells[1] * factor**2)
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
        show(Report("decode", "", number, journey.frame_count, 0, 0, done))

    comment = to_text(note_of(journey, __version__))
    metadata = {"comment": comment}
    write_video(
        output, frames(), journey.size, journey.fps, journey.codec, journey.quality, metadata
    )
    tell(journey.frame_count)  # not before the encoder has ended well
