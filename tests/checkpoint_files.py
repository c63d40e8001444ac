"""Checkpoints in taming's format with few channels, and the YAML published with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from taming.modules.diffusionmodules.model import Decoder, Encoder
from torch import Tensor, nn

from render.weights.catalog import Model

DDCONFIG: dict[str, Any] = {
    "double_z": False,
    "z_channels": 8,
    "resolution": 32,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 32,
    "ch_mult": [1, 2],
    "num_res_blocks": 1,
    "attn_resolutions": [16],
    "dropout": 0.0,
}
CONFIG: dict[str, Any] = {"ddconfig": DDCONFIG, "embed_dim": 8, "n_embed": 16, "gumbel": False}


def row(config: dict[str, Any] = CONFIG) -> Model:
    """A row of the catalogue for the tiny checkpoint."""
    return Model("tiny", "generator", config, licence="MIT", note="", factor=2, channels=8)


def taming_state(gumbel: bool = False) -> dict[str, Tensor]:
    """The state dict of taming's VQModel or GumbelVQ with few channels, discriminator included."""
    torch.manual_seed(0)
    parts = {
        "encoder": Encoder(**DDCONFIG),
        "decoder": Decoder(**DDCONFIG),
        "quant_conv": nn.Conv2d(8, 8, 1),
        "post_quant_conv": nn.Conv2d(8, 8, 1),
        "loss.discriminator.main": nn.Conv2d(3, 4, 4),
        "loss.perceptual_loss.net": nn.Conv2d(3, 4, 3),
    }
    if gumbel:
        parts |= {"quantize.embed": nn.Embedding(16, 8), "quantize.proj": nn.Conv2d(8, 16, 1)}
    else:
        parts["quantize.embedding"] = nn.Embedding(16, 8)
    return {
        f"{prefix}.{name}": tensor
        for prefix, part in parts.items()
        for name, tensor in part.state_dict().items()
    }


def checkpoint(path: Path, state: dict[str, Tensor]) -> Path:
    """Writes a state dict as pytorch-lightning does, and returns the path."""
    torch.save({"epoch": 1, "state_dict": state, "callbacks": {Path: {}}}, path)
    return path


YAML = """
model:
  base_learning_rate: 4.5e-06
  target: taming.models.vqgan.{target}
  params:
    embed_dim: 8
    n_embed: 16
    ddconfig:
      double_z: false
      z_channels: 8
      resolution: 32
      in_channels: 3
      out_ch: 3
      ch: 32
      ch_mult: [1, 2]
      num_res_blocks: 1
      attn_resolutions: [16]
      dropout: 0.0
    lossconfig: {{target: taming.modules.losses.vqperceptual.DummyLoss}}
"""
