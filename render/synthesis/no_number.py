"""Why a keyframe became no number: a sentence that names the model, the prompt or the settings."""

from __future__ import annotations

import torch

from render.plan.plan import Keyframe, Plan
from render.synthesis.models import Models
from render.synthesis.targets import FilmTargets
from render.text import quoted


def no_number(plan: Plan, keyframe: Keyframe, models: Models, targets: FilmTargets) -> str:
    """Returns the sentence about a keyframe whose loss or latent is NaN or infinite."""
    shot = plan.board.shots[keyframe.shot].name
    place = f"the keyframe at {float(keyframe.time):g} s of shot {shot!r} became NaN"
    return f"{place}: {_cause(plan, keyframe, models, targets)}. Finished keyframes are kept"


@torch.no_grad()
def _cause(plan: Plan, keyframe: Keyframe, models: Models, targets: FilmTargets) -> str:
    """Returns the first cause that is found, as the middle of a sentence."""
    generators = zip(plan.models.generators, models.generators, strict=True)
    perceptors = zip(plan.models.perceptors, models.perceptors, strict=True)
    networks = [
        *((f"the generator {chosen.model.name}", own) for chosen, own in generators),
        *((f"the perceptor {chosen.model.name}", own) for chosen, (own, _) in perceptors),
    ]
    for name, network in networks:
        if not all(torch.isfinite(weight).all() for weight in network.state_dict().values()):
            return f"the weights of {name} hold values that are no numbers; get it again"
    for chosen, table in zip(plan.models.perceptors, targets.embedded, strict=True):
        for prompt in keyframe.prompts:
            target = table.get((prompt.text, prompt.image))
            if target is not None and not torch.isfinite(target).all():
                what = quoted(prompt.text) if prompt.text else f"{prompt.image}"
                return f"the perceptor {chosen.model.name} makes no number of {what}; change it"
    weights = {name: weight for name, weight in keyframe.settings.losses if weight}
    largest = max(weights, key=lambda name: abs(weights[name]))
    advice = f"a smaller step than {keyframe.step_size:g}"
    if models.arithmetic.precision != "float32":
        advice += ", --precision float32"
    return (
        f"{advice}, or a smaller weight of a loss than {weights[largest]:g} of {largest}, may "
        "prevent this"
    )
