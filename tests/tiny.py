"""Tiny true models: taming's and open_clip's own classes with few channels, random weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import torch
from open_clip.timm_model import TimmModel

from render.generators.readout import LEVELS, Readout
from render.generators.vqgan import VQGAN
from render.starter.words import WordTable
from render.synthesis.classifier import Classifier, build_tower
from render.synthesis.clip_perceptor import MEAN, STD, ClipPerceptor
from render.synthesis.cutouts import Cutouts
from render.synthesis.frozen_towers import fold_normalisations, speed_up_tower
from render.weights.checkpoint import DTYPES, Entry
from render.weights.convert import write_tensors
from render.weights.open_clip_models import build_clip

GENERATOR = {
    "ddconfig": {
        "double_z": False, "z_channels": 8, "resolution": 32, "in_channels": 3, "out_ch": 3,
        "ch": 32, "ch_mult": [1, 1, 2], "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0,
    },
    "embed_dim": 4, "n_embed": 32, "gumbel": False,
}  # fmt: skip
PERCEPTOR = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def taming_state(config: dict = GENERATOR, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights under the names of a taming checkpoint, small enough to give mid greys."""
    random = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in VQGAN(config).state_dict().items():
        if name in ("low", "high"):
            continue
        if name == "codebook":
            gumbel = config.get("gumbel")
            name = "quantize.embed.weight" if gumbel else "quantize.embedding.weight"
        name = name.replace("to_codes.", "quantize.proj.")
        noise = torch.randn(value.shape, generator=random)
        is_norm_weight = "norm" in name and name.endswith("weight")
        fan_in = max(1, value[0].numel()) if value.ndim > 1 else 1
        scale = 0.5 if "quantize" in name else fan_in**-0.5 if value.ndim > 1 else 0.05
        state[name] = torch.ones_like(value) if is_norm_weight else scale * noise
    return state


def generator(config: dict = GENERATOR, seed: int = 0) -> VQGAN:
    made = VQGAN(config, digest=f"tiny-{seed}")
    made.load_taming(taming_state(config, seed))
    return made


def with_readouts(generator: VQGAN) -> VQGAN:
    """A generator with readouts whose numbers are random."""
    for level in LEVELS:
        torch.manual_seed(level)
        readout = Readout(generator.decoder.up[level].block[-1].out_channels)
        generator.readouts[level] = readout
    return generator


def perceptor(seed: int = 0) -> ClipPerceptor:
    made = clip(seed)
    speed_up_tower(made.visual)
    return ClipPerceptor(made, digest=f"tiny-{seed}")


# A true EfficientNet of timm, its smallest.
CLASSIFIER = {
    "model_name": "test_efficientnet", "embed_dim": 1000, "image_size": 32, "proj": "",
}  # fmt: skip
WORDS = "render.words.1\nlighthouse\t90 437:100\nwolf\t80 269:60 270:40\n"


def tower() -> TimmModel:
    made = build_tower(CLASSIFIER)
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in made.state_dict().values():
            if value.ndim > 1:
                fan_in = value[0].numel()
                value.copy_(torch.randn(value.shape, generator=random) * (2 / fan_in) ** 0.5)
            elif value.is_floating_point():
                value.copy_(0.8 + 0.4 * torch.rand(value.shape, generator=random))
        made.trunk.classifier.weight.mul_(20)  # margins as large as a trained one's
    return made


def classifier() -> Classifier:
    made = tower()
    fold_normalisations(made)
    return Classifier(made, WordTable.parse(WORDS), digest="tiny")


def clip(seed: int = 0) -> torch.nn.Module:
    made = build_clip(PERCEPTOR)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in made.named_parameters():
            if value.ndim > 1:
                # Every layer keeps the variance, so that cutouts have different embeddings.
                gain = 2**0.5 if "visual" in name else 1
                fan_in = value[0].numel()
                value.copy_(torch.randn(value.shape, generator=random) * gain * fan_in**-0.5)
            elif name.endswith("bn3.weight"):  # open_clip begins with silent residual branches
                value.fill_(1)
            elif "ln" not in name and "bn" not in name:
                value.copy_(torch.randn(value.shape, generator=random) * 0.05)
    return made


def no_cutouts(step: int) -> Cutouts:
    """Cutouts for a loss that reads none."""
    return Cutouts(torch.zeros(0), torch.zeros(0), {})


def kept_by(
    make: Callable[[], torch.Tensor], weights: Iterable[torch.Tensor] = ()
) -> tuple[torch.Tensor, int]:
    """What `make` returns, and the bytes that autograd keeps for its gradient, less `weights`."""
    aside = [weight.untyped_storage() for weight in weights]
    storages: dict[int, torch.UntypedStorage] = {}  # held, so that no number is used twice

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        made = make()
    for storage in aside:
        storages.pop(storage._cdata, None)
    return made, sum(storage.nbytes() for storage in storages.values())


def write_models(folder: Path) -> None:
    """A folder of models as `render models get` would leave it, named tiny-vqgan and tiny-clip.

    The same bytes every time, so that keyframes have the same keys.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(
        folder / "tiny-vqgan.safetensors",
        entries(taming_state()),
        {"format": "render.generator.1", "config": json.dumps(GENERATOR)},
    )
    state = clip().state_dict()
    state["token_embedding.rows"] = state.pop("token_embedding.weight")[:2000]
    state["token_embedding.ids"] = torch.arange(2000, dtype=torch.int32)
    write_tensors(
        folder / "tiny-clip.safetensors",
        entries(state),
        {
            "format": "render.perceptor.1",
            "config": json.dumps(PERCEPTOR),
            "mean": json.dumps(MEAN),
            "std": json.dumps(STD),
        },
    )


def entries(state: dict[str, torch.Tensor]) -> dict[str, Entry]:
    """Tensors as `write_tensors` takes them."""
    names = {getattr(torch, element.torch_name): name for name, element in DTYPES.items()}
    return {
        name: Entry(names[value.dtype], tuple(value.shape), partial(torch.clone, value))
        for name, value in state.items()
    }
