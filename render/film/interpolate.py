"""A film that travels between finished pictures through latent space: `render interpolate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from render import __version__
from render.film.blends import BLENDS
from render.film.frames import to_frames
from render.generators.generator import Generator
from render.generators.load import load_generator
from render.media.note_text import to_text
from render.media.seal import FIELD, UNSEALED
from render.media.sequence import SequenceWriter, is_sequence
from render.media.sound import Soundtrack
from render.media.video import VideoWriter, video_writer
from render.plan.journey import (
    DECODING,
    Journey,
    JourneyError,
    Stop,
    journey_note,
    share_latents,
    smaller_size_advice,
)
from render.plan.progress import Progress
from render.synthesis.device import Device
from render.synthesis.images import fill, load_image
from render.synthesis.latents import load_latent
from render.synthesis.probe import choose_arithmetic
from render.synthesis.resource_errors import memory_shortage
from render.weights.kinds import kind_of, latent_shape


def make_journey(
    journey: Journey, output: Path, device: Device, show: Callable[[Progress], None]
) -> None:
    """Writes the film of a journey to `output`, and reports every frame to `show`.

    Keeps three stops and one batch of pictures in memory, whatever the length. Raises FilmError
    if it needs more memory than the machine has, JourneyError or LatentError for a stop that cannot
    be used, and what `video_writer` raises.
    """
    metadata = {"comment": to_text(journey_note(journey, __version__) | {FIELD: UNSEALED})}
    encoding = journey.size, journey.fps, journey.codec, journey.quality
    count = journey.frame_count
    with memory_shortage(lambda: smaller_size_advice(journey), "Nothing was written."):
        painter = JourneyPainter(journey, device)
        sound = Soundtrack(journey.audio, count / journey.fps) if journey.audio else None
        with journey_writer(journey, output, encoding, metadata, sound) as video:
            for number, frame in enumerate(to_frames(painter.pictures(), journey.size), start=1):
                video.send(frame)
                if number < count:  # the last one is done when the encoder has ended
                    show(frame_progress(number, count))
        show(frame_progress(count, count))


def journey_writer(
    journey: Journey,
    output: Path,
    encoding: tuple[tuple[int, int], Fraction, str, int],
    metadata: dict[str, str],
    sound: Soundtrack | None,
) -> AbstractContextManager[VideoWriter | SequenceWriter]:
    """What writes the frames: a film, or a sequence of pictures."""
    if not is_sequence(output):
        return video_writer(output, *encoding, metadata, sound)

    def note_of_frame(number: int) -> dict[str, Any]:
        return journey_note(journey, __version__) | {"frame": number}

    return nullcontext(SequenceWriter(output, range(journey.frame_count), note_of_frame))


def frame_progress(number: int, count: int) -> Progress:
    """Returns the report of `number` frames of `count`."""
    return Progress("decode", "", number, count, 0, 0, number / count)


class JourneyPainter:
    """Paints the pictures of a journey, in batches; caches the codes of three stops."""

    def __init__(self, journey: Journey, device: Device) -> None:
        """Loads the journey's generator onto `device`; raises ModelError."""
        self.journey = journey
        generator = self.generator = load_generator(journey.generator, journey.made_size)
        generator.on(device.device, choose_arithmetic(device, generator))

        @lru_cache(maxsize=3)
        def codes(index: int) -> Tensor:
            return generator.quantise(stop_latent(journey, journey.stops[index], generator))

        # A closure, not a method: a cache that refers to `self` would keep its tensors until the
        # garbage collector runs.
        self._codes = codes

    def pictures(self) -> Iterator[Tensor]:
        """Yields the pictures of all frames, in batches (n, 3, H, W) in [0, 1]."""
        width, height = self.journey.made_size
        batch = pictures_at_once(self.generator.device, width * height)
        count = self.journey.frame_count
        for first in range(0, count, batch):
            yield self._paint(range(first, min(first + batch, count)))

    @torch.no_grad()
    def _paint(self, numbers: range) -> Tensor:
        """Returns the pictures (n, 3, H, W) of these frames."""
        return self.generator.paint(torch.cat([self._latent(number) for number in numbers]))

    def _latent(self, number: int) -> Tensor:
        """Returns the latent (1, C, h, w) that frame `number` is painted from."""
        left, right, fraction = self.journey.place(number)
        if fraction <= 0:
            return self._codes(left)
        blend = BLENDS[self.journey.blend]
        return blend(self.generator, self._codes(left), self._codes(right), fraction)


def stop_latent(journey: Journey, stop: Stop, generator: Generator) -> Tensor:
    """Returns the latent (1, C, h, w) of a stop: the stored one, or that of its encoded image, or
    of the picture of another generator's latent.

    Raises LatentError, and JourneyError for a stored latent of another shape than the journey's.
    """
    device, size = generator.device, journey.made_size
    if stop.generator is None:
        return generator.encode(load_image(stop.path, device, size))
    latent = load_latent(stop.path)[0].to(device)
    own = share_latents(stop.generator, journey.generator)
    shape = tuple(latent.shape[1:])
    fits = kind_of(journey.generator).any_size or shape == latent_shape(journey.generator, size)
    if own and not fits:
        raise JourneyError(
            f"{stop.path} holds {shape}, which is not a latent of "
            f"{journey.size[0]}x{journey.size[1]} of {journey.generator.name}"
        )
    if own:
        return latent
    maker = load_generator(stop.generator, size).on(device)
    return generator.encode(fill(maker.decode(latent), size))


def pictures_at_once(device: torch.device, pixels: int) -> int:
    """Returns how many pictures of so many pixels are decoded together.

    On a CPU one, as more are no faster; on a GPU up to 16, as many as fit into a quarter of its
    whole memory, whatever of it is free just now, so that the number is the same every time.
    """
    if device.type != "cuda":
        return 1
    budget = torch.cuda.get_device_properties(device).total_memory / 4
    return next((count for count in (16, 8, 4, 2) if count * DECODING * pixels < budget), 1)
