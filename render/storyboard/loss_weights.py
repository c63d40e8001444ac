"""The losses of a shot: what each is for, and the weights that apply in the shot."""

from __future__ import annotations

from typing import Any

from render.curves.curve import Curve
from render.storyboard.animated import AnimatedNumber, split_moving
from render.storyboard.context import ShotContext
from render.storyboard.model import HOLDING, LOSS_WEIGHTS, OF_PALETTE, STEADY
from render.storyboard.reader import Reader
from render.storyboard.tables import Row, Table
from render.storyboard.yaml_nodes import Mapping
from render.weights.kinds import kind_of

LOSS_MEANINGS = {
    "prompts": "come near to the prompts",
    "smoothness": "let neighbouring pixels be alike",
    "commitment": "let the latent be near to codes that the generator knows",
    "decay": "let the latent be small, which is soft and pale",
    "hold": "stay near to the keyframe before, as the camera sees it now",
    "latent": "stay near to its latent: coarser than hold",
    "likeness": "stay what it was to the perceptors, whatever becomes of its pixels",
    "edges": "keep its outlines, whatever becomes of its colours",
    "colours": "keep the palette's colours, their mean and how far they spread; "
    "80 if nothing is said in a shot that begins anew and has a palette, or keeps its prompts and "
    "has no init; else 0",
    "brightness": "be as light, on the whole, as the palette; 80 or 0 as colours",
    "contrast": "be as rich in light and dark as the palette",
    "sharpness": "be no less sharp than the shot's first keyframe, however long the zoom",
}
LOSSES = Table(
    tuple(
        Row(name, AnimatedNumber(0, 10_000), name, meaning)
        for name, meaning in LOSS_MEANINGS.items()
    )
)

LossWeights = tuple[tuple[str, float], ...]  # (name, weight)
MovingCurves = tuple[tuple[str, Curve], ...]  # (name, curve)


def shot_losses(
    given: dict[str, Any], steady: bool, node: Mapping, context: ShotContext, reader: Reader
) -> tuple[LossWeights, MovingCurves]:
    """The weight of every loss at the beginning of a shot, and the weights that change.

    `given` holds what was read of the shot. The weights that it sets replace those of STEADY, which
    apply if the shot is `steady`, and those of LOSS_WEIGHTS, as the film's perceptor scales them.
    Notes a shot in which every loss is 0, and warns of a palette that no loss compares with.
    """
    written, moving = split_moving(given.get("losses", {}))
    changing = {name for name, curve in moving if curve.extremes() != (0.0, 0.0)}
    usual = {**LOSS_WEIGHTS, **written}
    if not any(weight or name in changing for name, weight in usual.items()):
        message = f"every loss of shot '{context.name}' is 0, so nothing is asked of it. "
        reader.problem(node.get("losses") or node, message + "Give one a weight")
    of_kind = kind_of(context.film.generator_model).losses
    unwritten = {**LOSS_WEIGHTS, **(STEADY if steady else {}), **of_kind}
    for name in HOLDING:
        unwritten[name] = round(unwritten[name] * context.film.holding, 6)
    weights = {**unwritten, **written}
    if given.get("palette") and not any(weights[n] or n in changing for n in OF_PALETTE):
        message = "the palette is kept to by no loss. Write one, as in 'losses: {colours: 20}'"
        reader.warn(node.get("palette") or node, message)
    return tuple(weights.items()), moving
