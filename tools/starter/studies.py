"""Studies with exact captions: plain colours, shapes, textures, and subjects in a style."""

from __future__ import annotations

import numpy as np
from starter.canvas import Array, Random, X, Y, as_bytes, pick, ramp, rgb, shifted, solid
from starter.drawings import Drawings, captions_of
from starter.fills import COLOURS, Painted, many_colours, plain, two_colours
from starter.scenes import Scene, chosen, scene
from starter.shapes import ELEVEN, shape
from starter.styles import STYLES
from starter.textures import TEXTURES
from starter.words import article


def shade(random: Random) -> Painted:
    """Paints a light or a dark shade of a named colour."""
    word = str(pick(random, "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"))
    light = random.random() < 0.5
    share = float(random.uniform(0.4, 0.6))
    tone = COLOURS[word] * (1 - share) + (rgb(255, 255, 255) if light else rgb(0, 0, 0)) * share
    tone = shifted(random, tone, 0.02)
    picture = solid(tone)
    if random.random() < 0.4:
        place = X if random.random() < 0.5 else Y
        picture = ramp((tone * 1.07, tone * 0.93), place)
    how = pick(random, "light", "pale", "bright") if light else pick(random, "dark", "deep")
    names = (
        f"{how} {word}",
        f"plain {how} {word}",
        f"the colour {how} {word}",
        f"a {how} {word} ground",
    )
    return np.clip(picture, 0, 1), names


def colour(random: Random) -> Painted:
    """Paints a plain colour, a shade, two colours or many."""
    if random.random() < 0.35:  # so that the eleven basic names are the most frequent
        word = str(pick(random, *ELEVEN))
        names = (word, word, f"plain {word}", f"the colour {word}", f"{article(word)} ground")
        return solid(shifted(random, COLOURS[word], 0.04)), names
    return chosen(random, {plain: 2, two_colours: 2, shade: 1.5, many_colours: 0.5})(random)


def texture(random: Random) -> Painted:
    """Paints a pattern or a material."""
    return chosen(random, TEXTURES)(random)


def background(random: Random) -> Array:
    """Returns the background of a drawing: a plain colour, a gradient, or in a quarter of the draws
    a scene."""
    if random.random() < 0.25:
        return scene(int(random.integers(1 << 30))).picture.astype(np.float32) / 255
    tones = [shifted(random, COLOURS[pick(random, *COLOURS)], 0.05) for _ in range(2)]
    return ramp((tones[0], tones[1]), Y) if random.random() < 0.4 else solid(tones[0])


def styled(random: Random, drawings: Drawings, name: str | None = None) -> Painted:
    """Returns a scene or a drawing in a style, the one named or any, and its captions."""
    name = name or str(pick(random, *STYLES))
    style, kind = STYLES[name]
    if random.random() < 0.5 and drawings.named:
        drawing = drawings.random_named(random)
        picture = drawings.laid_on(as_bytes(background(random)), drawing, random, (0.6, 1.0))
        subject = str(pick(random, *captions_of(drawings.names[drawing])[2:4]))
    else:
        shown = scene(int(random.integers(1 << 30)))
        picture, subject = shown.picture, str(pick(random, *shown.captions))
    both = f"{subject}, {name}", f"{kind} of {subject}"
    return style(random, picture.astype(np.float32) / 255), (name, kind, *both, *both)


def study(seed: int, drawings: Drawings) -> Scene:
    """Returns the study of a seed."""
    random = np.random.default_rng((seed, 1))
    kind = str(pick(random, "colour", "shape", "texture", "style"))
    if kind == "style":
        picture, names = styled(random, drawings)
    else:
        picture, names = {"colour": colour, "shape": shape, "texture": texture}[kind](random)
    captions = names if len(names) == 6 else tuple(str(pick(random, *names)) for _ in range(6))
    return Scene(as_bytes(picture), captions, kind)
