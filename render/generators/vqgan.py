"""The generator: a frozen VQGAN between pictures and latents (Esser et al. 2021, arXiv 2012.09841).

taming's own Encoder and Decoder, held in a small module of ours, because `taming.models.vqgan`
imports parts of pytorch-lightning that no longer exist. The package on the index is the original
taming-transformers: of the Gumbel (f8) models only the codebook and one 1x1 convolution are needed
here, which are two tensors and not worth depending on a fork.
"""

from __future__ import annotations

import contextlib
import io
import json
from copy import deepcopy
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from taming.modules.diffusionmodules.model import Decoder, Encoder
from torch import Tensor, nn

from render.generators import frozen_forward
from render.weights.catalog import Model, ModelError
from render.weights.library import require_weights, weights_digest


class _ClampWithGradient(torch.autograd.Function):
    """Clamp to [0, 1] whose gradient stops only where it would push further out (K. Crowson)."""

    @staticmethod
    def forward(ctx: Any, picture: Tensor) -> Tensor:
        ctx.save_for_backward(picture)
        return picture.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (picture,) = ctx.saved_tensors
        kept: Tensor = gradient * (gradient * (picture - picture.clamp(0, 1)) >= 0)
        return kept


class Generator(nn.Module):
    """A frozen VQGAN. Latents are (B, C, h, w) float32 before quantisation, pictures in [0, 1]."""

    codebook: Tensor  # (codes, C)
    low: Tensor  # (C, 1, 1)
    high: Tensor  # (C, 1, 1)

    def __init__(self, config: dict[str, Any], digest: str = "") -> None:
        """`config` holds taming's ddconfig, embed_dim, n_embed, whether it is a Gumbel model, and
        the number of norm_groups if it is not taming's 32."""
        super().__init__()
        self.digest = digest
        self.config = config
        self.reference = False  # taming's own way through its modules, to compare with
        options = dict(config["ddconfig"])
        channels, cells = config["embed_dim"], options["z_channels"]
        with contextlib.redirect_stdout(io.StringIO()):  # taming's Decoder prints its shape
            self.encoder, self.decoder = Encoder(**options), Decoder(**options)
        encoded = 2 * cells if options.get("double_z", True) else cells
        self.quant_conv = nn.Conv2d(encoded, channels, 1)
        self.post_quant_conv = nn.Conv2d(channels, cells, 1)
        # taming always asks for 32 groups. With few channels that is one a group, which takes every
        # channel's mean away, and flat colours with it: small models say how many they want.
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):
                module.num_groups = config.get("norm_groups", 32)
        # Gumbel models choose a code by this convolution when they encode.
        self.to_codes = nn.Conv2d(channels, config["n_embed"], 1) if config.get("gumbel") else None
        self.register_buffer("codebook", torch.zeros(config["n_embed"], channels))
        self.register_buffer("low", torch.zeros(channels, 1, 1))
        self.register_buffer("high", torch.zeros(channels, 1, 1))
        self.step_decoder: Decoder | None = None  # where steps have another type than float32
        self.requires_grad_(False).eval()

    def on(self, device: torch.device, step_type: torch.dtype = torch.float32) -> Generator:
        """Itself, its weights loaded, on a device; in another type than float32, steps paint with a
        copy of the decoder."""
        self.step_decoder = None
        self.to(device)
        if step_type != torch.float32:
            self.step_decoder = deepcopy(self.decoder).to(step_type)
        return self

    @property
    def factor(self) -> int:
        """Pixels to a latent cell, along one side."""
        return int(2 ** (len(self.config["ddconfig"]["ch_mult"]) - 1))

    def load_taming(self, tensors: dict[str, Tensor]) -> None:
        """Take the tensors of a taming checkpoint, by their own names; raises ModelError."""
        names = {
            "quantize.embedding.weight": "codebook",
            "quantize.embed.weight": "codebook",
            "quantize.proj.weight": "to_codes.weight",
            "quantize.proj.bias": "to_codes.bias",
        }
        state = {names.get(name, name): tensor.float() for name, tensor in tensors.items()}
        if "codebook" in state:
            state["low"] = state["codebook"].min(dim=0).values[:, None, None]
            state["high"] = state["codebook"].max(dim=0).values[:, None, None]
        try:
            self.load_state_dict(state, assign=True)  # of a mapped file only what is used is read
        except RuntimeError as error:
            raise ModelError(f"the weights do not fit the generator's config: {error}") from error

    def encode(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to the latent (B, C, H/f, W/f) before quantisation."""
        picture = picture * 2 - 1
        cells = (
            self.encoder(picture)
            if self.reference
            else frozen_forward.encode(self.encoder, picture)
        )
        latent: Tensor = self.quant_conv(cells)
        if self.to_codes is not None:
            return self._look_up(self.to_codes(latent).argmax(dim=1))
        return latent

    def quantise(self, latent: Tensor) -> Tensor:
        """Every cell replaced by its nearest code (squared L2); the gradient passes straight."""
        cells = latent.detach().permute(0, 2, 3, 1).reshape(-1, latent.shape[1])  # (B·h·w, C)
        distances = torch.addmm(
            self.codebook.square().sum(1)[None], cells, self.codebook.T, alpha=-2
        )
        nearest = distances.argmin(1).view(latent.shape[0], *latent.shape[2:])
        codes = self._look_up(nearest)
        return latent + (codes - latent).detach() if latent.requires_grad else codes

    def _look_up(self, indices: Tensor) -> Tensor:
        """(B, h, w) of code numbers to (B, C, h, w)."""
        return self.codebook[indices].permute(0, 3, 1, 2).contiguous()

    def paint(self, codes: Tensor, *, step: bool = False) -> Tensor:
        """Codes (or any blend of them) (B, C, h, w) to pictures (B, 3, H, W) float32 in [0, 1]; for
        a `step`, which only wants a gradient of them, in its own type."""
        cells = self.post_quant_conv(codes)
        decoder = self.step_decoder if step and self.step_decoder else self.decoder
        if self.reference:
            picture = self.decoder(cells)
        else:
            picture = frozen_forward.decode(decoder, cells.to(decoder.conv_in.weight.dtype)).float()
        clamped: Tensor = _ClampWithGradient.apply((picture + 1) / 2)
        return clamped

    def decode(self, latent: Tensor) -> Tensor:
        """A latent to the picture it stands for: quantised, then painted."""
        return self.paint(self.quantise(latent))


def load_generator(model: Model) -> Generator:
    """The named generator from its safetensors file; raises ModelError when it is not there."""
    path = require_weights(model)
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is not a readable safetensors file ({error})") from error
    if metadata.get("format") != "render.generator.1":
        raise ModelError(
            f"{path} is not a generator that Render wrote; get it with `render models`"
        )
    generator = Generator(json.loads(metadata["config"]), weights_digest(model))
    generator.load_taming(tensors)
    return generator
