"""Sheets for a reader who does not know what was asked for, which decide where judges cannot.

Every judge that was trained on ImageNet shares the classifier's training and favours what it draws.
A reader names the pictures of a shuffled sheet from a list, or chooses one of four captions.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from starter.guided import save_sheet
from torch import Tensor

# Things, each with its classes in ImageNet: twelve of the first trial, and twelve others that stand
# in no caption of the perceptor's training.
THINGS: dict[str, tuple[int, ...]] = {
    "a lighthouse": (437,),
    "a castle": (483,),
    "a volcano": (980,),
    "a daisy": (985,),
    "a strawberry": (949,),
    "a mushroom": (947, 992),
    "a goldfish": (1,),
    "a tiger": (292,),
    "a jellyfish": (107,),
    "a hot air balloon": (417,),
    "a pineapple": (953,),
    "a coral reef": (973,),
    "a pirate ship": (724,),
    "a space shuttle": (812,),
    "a suspension bridge": (839,),
    "a monarch butterfly": (323,),
    "a golden retriever": (207,),
    "a snow leopard": (289,),
    "a macaw": (88,),
    "a starfish": (327,),
    "a grand piano": (579,),
    "a gondola": (576,),
    "a pelican": (144,),
    "a dalmatian": (251,),
}
# What artists ask for.
FREE = (
    "a cathedral in the fog",
    "an old ship in a storm",
    "a city at night",
    "a lighthouse at dusk",
    "a castle on a hill",
    "a volcano erupting at night",
    "a forest of giant mushrooms",
    "a mountain lake at sunrise",
    "a steam train crossing a bridge",
    "a cat wearing a crown",
    "a wolf howling at the moon",
    "a coral reef full of fish",
    "northern lights over a frozen sea",
    "a hot air balloon over the valley",
    "a tiger in the snow",
    "a butterfly on a flower",
    "an owl made of clockwork",
    "a library with endless shelves",
    "a violin melting",
    "a stormy sea, oil on canvas",
    "a snowy village at christmas",
    "a vintage car on a desert road",
    "neon tokyo at night",
    "a desert caravan",
)


def blind_sheet(
    texts: Sequence[str], draw: Callable[[str], Tensor], path: Path, seed: int
) -> list[str]:
    """Writes a sheet of shuffled, numbered pictures, and beside it the key as JSON; returns the
    texts in the order of the sheet."""
    order = random.Random(seed).sample(list(texts), len(texts))
    save_sheet({str(number): draw(text) for number, text in enumerate(order, 1)}, path, columns=6)
    path.with_suffix(".key.json").write_text(json.dumps(order, indent=1))
    return order


def quiz(order: Sequence[str], path: Path, seed: int) -> None:
    """Writes four captions for each picture of a sheet in this order, one of them its own."""
    chance = random.Random(seed)
    lines = []
    for number, text in enumerate(order, 1):
        others = chance.sample([other for other in order if other != text], 3)
        captions = chance.sample([text, *others], 4)
        lines.append(f"{number}: " + "; ".join(f"{'abcd'[i]}) {c}" for i, c in enumerate(captions)))
    path.write_text("\n".join(lines) + "\n")
