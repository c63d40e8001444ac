"""A frozen VQGAN that encodes pictures to latents and decodes them (Esser et al. 2021, 2012.09841).

The module holds taming's Encoder and Decoder itself, because `taming.models.vqgan` imports parts of
pytorch-lightning that no longer exist. The package on PyPI is the original taming-transformers,
without Gumbel models. Of those (f8) Render needs only the codebook and one 1x1 convolution, which
do not justify depending on a fork.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from taming.modules.diffusionmodules.model import Decoder, Encoder
from torch import Tensor, nn
from torch.nn import functional as F

from render.generators import frozen_forward
from render.generators.clamp import clamp_with_gradient
from render.generators.generator import Generator, Start
from render.generators.readout import (
    LEAST_PSNR,
    LEVELS,
    Readout,
    fit_readout,
    study_pictures,
)
from render.generators.warp import View, resample, warp_parent
from render.plan.arithmetic import PLAIN, Arithmetic
from render.plan.camera import Matrix, moves
from render.plan.key import derived_seed
from render.weights.catalog import Model, ModelError
from render.weights.library import require_weights, weights_digest

# Codes shorter than this share of the longest are not in use: all but 974 of imagenet-16384's have
# stayed near zero, where training began.
DEAD_CODE = 0.01
UNIT_SPREAD = 1.837  # the standard deviation of the codes that Render's step sizes were tuned for


FLOAT16_SCALE = 2.0**14  # brings a picture's gradient, about 1e-7 a pixel, into float16's range


class VQGAN(Generator):
    """A frozen VQGAN.

    Latents are (B, C, h, w) before quantisation, with a cell of C numbers for `factor` pixels.
    """

    kind = "vqgan"
    is_network = True
    codebook: Tensor  # (codes, C); `low` and `high` are its least and greatest values

    def __init__(self, config: dict[str, Any], digest: str = "") -> None:
        """Builds the networks without weights; `load_taming` loads them.

        `config` contains taming's ddconfig, embed_dim and n_embed, "gumbel" for a Gumbel model, and
        norm_groups if it is not taming's 32. `digest` is the SHA-256 of the weights file.
        """
        super().__init__()
        self.digest = digest
        self.config = config
        options = dict(config["ddconfig"])
        channels, cells = config["embed_dim"], options["z_channels"]
        with contextlib.redirect_stdout(io.StringIO()):  # taming's Decoder prints its shape
            self.encoder, self.decoder = Encoder(**options), Decoder(**options)
        encoded = 2 * cells if options.get("double_z", True) else cells
        self.quant_conv = nn.Conv2d(encoded, channels, 1)
        self.post_quant_conv = nn.Conv2d(channels, cells, 1)
        # taming always has 32 groups. With few channels that is one channel per group, which
        # removes each channel's mean and so flat colours; small models give their own number.
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):
                module.num_groups = config.get("norm_groups", 32)
        # Gumbel models choose the code of each cell by this convolution when they encode.
        self.to_codes = nn.Conv2d(channels, config["n_embed"], 1) if config.get("gumbel") else None
        self.register_buffer("codebook", torch.zeros(config["n_embed"], channels))
        self.register_buffer("low", torch.zeros(channels, 1, 1))
        self.register_buffer("high", torch.zeros(channels, 1, 1))
        self.step_decoder: Decoder | None = None  # a copy in another precision, see `on`
        self.readouts: dict[int, Readout] = {}  # by level; not in the weights file
        self.requires_grad_(False).eval()

    def on(self, device: torch.device, arithmetic: Arithmetic = PLAIN) -> VQGAN:
        """Moves the generator, with weights loaded, to a device, and returns it.

        If the arithmetic's precision is not float32, `paint(..., step=True)` uses a copy of the
        decoder in it. Its convolutions count on a CPU only.
        """
        self.step_decoder = None
        self.to(device)
        for readout in self.readouts.values():
            readout.to(device)
        way = arithmetic.convolutions if device.type == "cpu" else "plain"
        frozen_forward.set_convolutions(self.encoder, way)
        frozen_forward.set_convolutions(self.decoder, way)
        self.gradient_scale = FLOAT16_SCALE if arithmetic.precision == "float16" else 1.0
        if arithmetic.precision != "float32":
            self.step_decoder = deepcopy(self.decoder).to(getattr(torch, arithmetic.precision))
        return self

    @property
    def levels(self) -> tuple[int, ...]:
        """Those of its readouts, and 0."""
        return (0, *self.readouts)

    @property
    def factor(self) -> int:
        """Pixels per latent cell along one side."""
        return int(2 ** (len(self.config["ddconfig"]["ch_mult"]) - 1))

    def load_taming(self, tensors: dict[str, Tensor]) -> None:
        """Loads the tensors of a taming checkpoint by their names there; raises ModelError."""
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
            self.load_state_dict(state, assign=True)  # reads a memory-mapped file only when used
        except RuntimeError as error:
            raise ModelError(f"the weights do not fit the generator's config: {error}") from error
        self.spread, self.unit = code_statistics(self.codebook)

    def encode(self, picture: Tensor) -> Tensor:
        """Returns the latent (B, C, H/f, W/f), before quantisation, of (B, 3, H, W) in [0, 1].

        A Gumbel model chooses codes as it encodes, so its latent is already quantised.
        """
        encoded = frozen_forward.encode(self.encoder, picture * 2 - 1)
        latent: Tensor = self.quant_conv(encoded).contiguous()
        if self.to_codes is not None:
            return self._look_up(self.to_codes(latent).argmax(dim=1))
        return latent

    def quantise(self, latent: Tensor) -> Tensor:
        """Returns the latent with every cell replaced by its nearest code (squared L2).

        The gradient passes straight through, as in VQ-VAE.
        """
        cells = latent.detach().permute(0, 2, 3, 1).reshape(-1, latent.shape[1])  # (B·h·w, C)
        distances = torch.addmm(
            self.codebook.square().sum(1)[None], cells, self.codebook.T, alpha=-2
        )
        nearest = distances.argmin(1).view(latent.shape[0], *latent.shape[2:])
        codes = self._look_up(nearest)
        return latent + (codes - latent).detach() if latent.requires_grad else codes

    def _look_up(self, indices: Tensor) -> Tensor:
        """Returns the codes (B, C, h, w) of code indices (B, h, w)."""
        return self.codebook[indices].permute(0, 3, 1, 2).contiguous()

    def paint(self, codes: Tensor, *, step: bool = False, level: int = 0) -> Tensor:
        """Returns the pictures (B, 3, H, W) of codes (B, C, h, w), or of blends of codes.

        With `step` the decoder computes in the precision of `on`, for an optimisation step that
        needs only the gradient. Where `level` is not 0, pictures are read from its features at
        H / 2^level, W / 2^level by one of `readouts`, and differ a little from the whole ones.
        """
        cells = self.post_quant_conv(codes)
        decoder = self.step_decoder if step and self.step_decoder else self.decoder
        cells = cells.to(decoder.conv_in.weight.dtype)
        if level:
            picture = self.readouts[level](frozen_forward.features(decoder, cells, level))
        else:
            picture = frozen_forward.decode(decoder, cells).float()
        return clamp_with_gradient((picture.contiguous() + 1) / 2)

    def share_of(self, mask: Tensor, latent: Tensor) -> Tensor:
        """Returns how much of each cell a mask (1, 1, H, W) covers."""
        return F.avg_pool2d(mask, self.factor)

    @torch.no_grad()
    def seen(self, latent: Tensor, matrix: Matrix, border: str) -> Tensor:
        """Returns a latent as the camera sees it after a movement: decoded, warped and encoded.

        The error of encoding it is warped too and added: otherwise details stick to the grid of
        cells while the picture moves, and a slow zoom swims.
        """
        return self.warm_start(latent, View(matrix, border)).latent

    @torch.no_grad()
    def warm_start(self, parent: Tensor, view: View) -> Start:
        """Returns the parent itself where the camera rests, because decoding and encoding lose a
        little every time; else as `seen`."""
        picture = self.decode(parent)
        if not moves(view.matrix):
            return Start(parent, picture)
        warped = warp_parent(picture, view)
        latent = self.encode(warped)
        latent = latent + resample(parent - self.encode(picture), view.matrix, view.border)
        return self.with_exposed(Start(latent, warped), view)

    def with_exposed(self, start: Start, view: View) -> Start:
        """Returns a start with random codes where it is newly exposed.

        Each cell is mixed with a code by the share of it that is newly exposed, so that a slow move
        changes cells too. The codes are the latent's own, each from a random cell of about the same
        height: random codes of the codebook leave coloured blobs, which a few steps do not remove.
        """
        start = super().with_exposed(start, view)
        if start.exposed is None:
            return start
        height, width = start.latent.shape[-2:]
        random = torch.Generator().manual_seed(derived_seed(view.seed, "dream"))
        columns = torch.randint(width, (height, width), generator=random)
        jumps = torch.randint(-1, 2, (height, width), generator=random)
        rows = (torch.arange(height)[:, None] + jumps).clamp(0, height - 1)
        codes = self.quantise(start.latent)[..., rows, columns]
        share = self.share_of(start.exposed, start.latent)
        return replace(start, latent=start.latent.lerp(codes, share), free=share)


@torch.no_grad()
def fit_readouts(generator: VQGAN) -> dict[int, float]:
    """Gives a generator its readouts, fitted to the pictures that it makes of study pictures;
    returns their errors as PSNR in dB. One that is too poor is left out, and steps look at larger
    pictures. Takes seconds; a generator of full size a minute."""
    cells = [
        generator.post_quant_conv(generator.quantise(generator.encode(picture)))
        for picture in study_pictures()
    ]
    errors = {}
    for level in LEVELS:
        readout, errors[level] = fit_readout(generator.decoder, level, cells)
        if errors[level] >= LEAST_PSNR:  # not so where it is no number
            generator.readouts[level] = readout
    return errors


def code_statistics(codebook: Tensor) -> tuple[float, float]:
    """Returns the `spread` and the `unit` of a generator from its codes (n, C), those in use only.

    Each model has a latent of its own scale. Its unit is the standard deviation of its codes, as a
    share of the one for which step sizes and weights of losses were found; to three digits, so that
    it does not depend on the order in which a machine adds.
    """
    lengths = codebook.norm(dim=1)
    if not torch.isfinite(lengths).all():
        return 1.0, 1.0  # the render says that its first keyframe is no number
    in_use = codebook[lengths >= DEAD_CODE * lengths.max()].double()
    variance = float(in_use.var(0, correction=0).mean())
    if variance == 0:  # a single code
        return 1.0, 1.0
    return 2 * variance, float(f"{math.sqrt(variance) / UNIT_SPREAD:.3g}")


def load_vqgan(model: Model) -> VQGAN:
    """Returns the generator with its weights; raises ModelError if they are absent or damaged."""
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
    generator = VQGAN(json.loads(metadata["config"]), weights_digest(model))
    generator.load_taming(tensors)
    return generator
