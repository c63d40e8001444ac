"""Small pictures read from the middle of a decoder, for optimisation steps.

A perceptor sees cutouts of 64 to 224 pixels; a decoder spends most of its time on the last levels,
which only enlarge. A readout takes the features before them and maps them to the colours that the
whole picture has there on average: by one convolution, fitted to pictures that the generator itself
decodes (least squares, no training). It is a function of the generator's weights, found once for
each generator and kept beside the models.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from taming.modules.diffusionmodules.model import Decoder
from torch import Tensor, nn
from torch.nn import functional as F

from render.generators import frozen_forward
from render.media.atomic import atomic_write

LEVELS = (1, 2)  # how often the size of the picture is halved
KNEE = 0.7  # standard deviations from the mean at which a feature's curve bends
PICTURES, SIDE = 20, 160  # how many pictures are decoded for a fit, and their side in pixels
HELD_OUT = 4  # of them, on which the error is measured
LEAST_PSNR = 25  # dB, below which a readout would mislead
RIDGE = 1e-6  # of the mean square of a feature


class Readout(nn.Module):
    """Maps a level's features (B, C, h, w) to colours (B, 3, h, w) in -1 to 1."""

    mean: Tensor  # (C, 1, 1) of each feature
    deviation: Tensor  # (C, 1, 1)

    def __init__(self, channels: int) -> None:
        """A readout without its numbers."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("deviation", torch.ones(channels, 1, 1))
        self.colours = nn.Conv2d(3 * channels, 3, 3, padding=1, padding_mode="replicate")
        self.requires_grad_(False)

    def curves(self, features: Tensor) -> Tensor:
        """Returns what the colours are a linear function of, (B, 3·C, h, w)."""
        normal = (features.float() - self.mean) / self.deviation
        return torch.cat([normal, F.relu(normal - KNEE), F.relu(normal + KNEE)], dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Returns the colours."""
        colours: Tensor = self.colours(self.curves(features))
        return colours


@torch.no_grad()
def fit_readout(decoder: Decoder, level: int, cells: list[Tensor]) -> tuple[Readout, float]:
    """Returns a decoder's readout at a level, and its error on the last pictures as PSNR in dB.

    `cells` are what it decodes, (1, C, h, w) each.
    """
    features = [frozen_forward.features(decoder, one, level).float() for one in cells]
    wanted = [F.avg_pool2d(frozen_forward.decode(decoder, one), 2**level) for one in cells]
    readout = Readout(features[0].shape[1])
    pixels = torch.cat([one.transpose(0, 1).flatten(1) for one in features[:-HELD_OUT]], dim=1)
    readout.mean.copy_(pixels.mean(1)[:, None, None])
    readout.deviation.copy_(pixels.std(1).clamp_min(1e-6)[:, None, None])
    size = 27 * features[0].shape[1] + 1
    squares, products = torch.zeros(size, size).double(), torch.zeros(size, 3).double()
    for one, colours in zip(features[:-HELD_OUT], wanted[:-HELD_OUT], strict=True):
        rows = F.unfold(F.pad(readout.curves(one), (1, 1, 1, 1), mode="replicate"), 3)[0]
        rows = torch.cat([rows, torch.ones(1, rows.shape[1])])  # (27·C + 1, h·w)
        squares += rows @ rows.T
        products += rows @ colours.flatten(2)[0].T
    # In place: for a generator of full size this matrix alone takes 0.4 GB.
    squares.diagonal().add_(RIDGE * squares.diagonal().mean())
    solution = torch.linalg.solve(squares, products).float().T  # (3, 27·C + 1)
    readout.colours.weight.copy_(solution[:, :-1].reshape(readout.colours.weight.shape))
    readout.colours.bias = nn.Parameter(solution[:, -1].clone(), requires_grad=False)
    errors = [
        F.mse_loss(readout(one).clamp(-1, 1), colours.clamp(-1, 1)) / 4
        for one, colours in zip(features[-HELD_OUT:], wanted[-HELD_OUT:], strict=True)
    ]
    return readout, -10 * math.log10(float(torch.stack(errors).mean()) + 1e-12)


def study_pictures(side: int = SIDE, count: int = PICTURES, seed: int = 0) -> Iterator[Tensor]:
    """Yields pictures (1, 3, side, side) in [0, 1] with edges and textures of every size, as
    photographs have them: dead leaves (Lee, Mumford & Huang 2001), and noise of a falling
    spectrum."""
    random = torch.Generator().manual_seed(seed)
    for number in range(count):
        yield (dead_leaves if number % 5 < 3 else falling_noise)(side, random).clamp(0, 1)


def dead_leaves(side: int, random: torch.Generator) -> Tensor:
    """Returns a picture of ellipses with shaded colours that cover one another."""
    down, across = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    picture = torch.rand(3, 1, 1, generator=random).expand(3, side, side)
    for _ in range(150):
        size, x, y, angle, flat = torch.rand(5, generator=random).tolist()
        radius, turn = side / 2 / (1 + 20 * size), 2 * math.pi * angle
        right, below = across - x * side, down - y * side
        along = right * math.cos(turn) + below * math.sin(turn)
        beside = (below * math.cos(turn) - right * math.sin(turn)) / (0.4 + 0.6 * flat)
        share = (radius - (along.square() + beside.square()).sqrt()).clamp(0, 1)
        first, second = torch.rand(2, 3, 1, 1, generator=random)
        shade = (along / radius / 2 + 0.5).clamp(0, 1)
        picture = picture.lerp(first.lerp(second, shade), share)
    return picture[None]


def falling_noise(side: int, random: torch.Generator) -> Tensor:
    """Returns coloured noise whose amplitude falls with the frequency, as in natural images."""
    rows, columns = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]
    frequency = (rows.square() + columns.square()).sqrt().clamp_min(1 / side)
    waves = torch.randn(1, 3, *frequency.shape, 2, generator=random)
    noise = torch.fft.irfft2(torch.view_as_complex(waves) / frequency**1.2, s=(side, side))
    mean = 0.2 + 0.6 * torch.rand(1, 3, 1, 1, generator=random)
    around: Tensor = (noise - noise.mean((2, 3), keepdim=True)) / noise.std()
    return mean + 0.22 * around


def save_readouts(readouts: dict[int, Readout], path: Path, digest: str) -> None:
    """Writes readouts atomically, with the SHA-256 of the generator's weights."""
    tensors = {
        f"{level}.{name}": tensor
        for level, readout in readouts.items()
        for name, tensor in readout.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, through_link=False) as partial:
        partial.write_bytes(save(tensors, {"generator": digest}))


def load_readouts(path: Path, digest: str, decoder: Decoder) -> dict[int, Readout] | None:
    """Returns the readouts of a file, by level; None if it is not of the generator whose weights
    have this SHA-256, or damaged. A level may be missing: its fit was too poor."""
    try:
        with safe_open(str(path), framework="pt") as file:
            if (file.metadata() or {}).get("generator") != digest:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        readouts = {}
        for level in LEVELS:
            own = {
                name.partition(".")[2]: tensor
                for name, tensor in tensors.items()
                if name.startswith(f"{level}.") and torch.isfinite(tensor).all()
            }
            if own:
                readouts[level] = Readout(decoder.up[level].block[-1].out_channels)
                readouts[level].load_state_dict(own)  # raises an error for other shapes
    except (OSError, SafetensorError, RuntimeError):
        return None
    return readouts
