"""How well texts fit pictures and colours, to one perceptor: `render score` and `render color`."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from kornia.color import rgb_to_lab
from PIL import ImageColor
from torch import Tensor

from render.generators.clamp import clamp_with_gradient
from render.generators.color import Color
from render.plan.key import derived_seed
from render.synthesis.cutouts import Cutouts
from render.synthesis.images import fill
from render.synthesis.optimize import optimize
from render.synthesis.perceptor import Perceptor

HUES, ROWS = 24, 9  # of the grid of colours: columns, and rows from light to dark; one row is grey
STEP_SIZE = 0.8  # of a colour, in units of the generator `color`
SMOOTHING = 0.5  # of its running average: a flat colour does not flicker
WEIGHT_DECAY = 0.0005  # as the generator's own in a film
AROUND = 8  # colours around its own that a step looks at


@dataclass(frozen=True)
class FoundColor:
    """A colour on its way to a text."""

    colour: tuple[float, float, float]  # red, green and blue in [0, 1]
    similarity: float


def embed_texts(perceptor: Perceptor, texts: Sequence[str]) -> Tensor:
    """Returns a perceptor's targets (p, D) of texts."""
    with torch.no_grad():
        return perceptor.embed_texts(list(texts))


@torch.no_grad()
def similarities(perceptor: Perceptor, pictures: Sequence[Tensor], targets: Tensor) -> Tensor:
    """Returns how well each target (p, D) fits each picture (1, 3, H, W): (n, p).

    A picture is scaled until it covers the perceptor's square and cropped to its centre, as CLIP
    sees pictures.
    """
    side = perceptor.side
    seen = [perceptor.embed_cutouts(fill(picture, (side, side))) for picture in pictures]
    return perceptor.similarity(torch.cat(seen)[:, None], targets[None])


def colour_grid() -> Tensor:
    """Returns the colours that are compared with a text, (ROWS, HUES, 3) in [0, 1]: light ones
    above, dark ones below, and a row of greys."""
    rows = []
    light = ROWS // 2  # rows, of which the last has the full colours
    for row in range(ROWS - 1):
        saturation = min(1.0, (row + 1) / light)
        value = min(1.0, (ROWS - 1 - row) / (ROWS - light))
        rows.append([colorsys.hsv_to_rgb(hue / HUES, saturation, value) for hue in range(HUES)])
    rows.append([(grey, grey, grey) for grey in (1 - n / (HUES - 1) for n in range(HUES))])
    return torch.tensor(rows)


@torch.no_grad()
def colour_similarities(perceptor: Perceptor, colours: Tensor, targets: Tensor) -> Tensor:
    """Returns how well targets (p, D) fit flat pictures of colours (n, 3): (n, p)."""
    side, device = perceptor.side, targets.device
    found = []
    for part in torch.split(colours.to(device), 32):
        flat = part[:, :, None, None].expand(-1, -1, side, side)
        found.append(perceptor.similarity(perceptor.embed_cutouts(flat)[:, None], targets[None]))
    return torch.cat(found)


def find_color(
    perceptor: Perceptor, target: Tensor, start: tuple[float, float, float], steps: int
) -> Iterator[FoundColor]:
    """Yields the colour after every step on the way from a start to a target (D,), and the start.

    Whole flat pictures are compared, of the colour and of colours around it.
    """
    side, device = perceptor.side, target.device
    generator = Color((side, side))
    generator.on(device)

    def similarity(picture: Tensor) -> Tensor:
        return perceptor.similarity(perceptor.embed_cutouts(picture), target[None]).mean()

    def found(latent: Tensor) -> FoundColor:
        with torch.no_grad():
            red, green, blue = latent.flatten().tolist()
            return FoundColor((red, green, blue), float(similarity(generator.paint(latent))))

    def around(step: int) -> Tensor:
        """What is added to the colour for the pictures of a step, (AROUND, 3, 1, 1)."""
        random = torch.Generator().manual_seed(derived_seed("color", step))
        half = torch.randn(AROUND // 2, 3, 1, 1, generator=random).to(device)
        return generator.tint(step / steps) * torch.cat([half, -half])

    def loss(
        latent: Tensor, codes: Tensor, picture: Tensor, cutouts: Cutouts, constants: object
    ) -> Tensor:
        pictures = clamp_with_gradient(picture + next(changes))
        return perceptor.distance(perceptor.embed_cutouts(pictures), target[None]).mean()

    changes = map(around, range(steps))
    latent = torch.tensor(start, device=device).view(1, 3, 1, 1)
    yield found(latent)
    walk = optimize(
        latent,
        generator,
        lambda step: Cutouts(torch.zeros(0), torch.zeros(0), {}),
        loss,
        steps=steps,
        step_size=STEP_SIZE,
        smoothing=SMOOTHING,
        weight_decay=WEIGHT_DECAY,
    )
    for step in walk:
        yield found(step.average)


def name_of(colour: Sequence[float]) -> str:
    """Returns the CSS colour that is nearest to a colour in [0, 1], by the distance in CIELAB."""
    names = list(ImageColor.colormap)
    known = torch.tensor([ImageColor.getrgb(name)[:3] for name in names]) / 255  # (n, 3)
    both = torch.cat([torch.tensor([list(colour)]), known]).T[None, :, :, None]
    lab = rgb_to_lab(both)[0, :, :, 0].T
    return names[int((lab[1:] - lab[:1]).square().sum(1).argmin())]


def hex_of(colour: Sequence[float]) -> str:
    """Returns a colour in [0, 1] as '#rrggbb'."""
    red, green, blue = (round(255 * min(1.0, max(0.0, part))) for part in colour)
    return f"#{red:02x}{green:02x}{blue:02x}"
