"""Frozen networks, equal to their own forward, sooner and in less: taming's encoder and decoder,
and what open_clip's vision transformers are made of.

The modules and their weights stay taming's; only the way through them is ours, because nothing here
ever trains. A convolution then need not keep its input, and what a normalisation and its activation
gave is worked out again on the way back: a quarter is kept of what autograd's way keeps. On CPUs
of one to three threads, large 3x3 convolutions go through NNPACK's Winograd transform (Lavin &
Gray 2016), two to four times as fast as oneDNN with one. What goes which way depends on shapes and
the number of threads, never on a clock: the same film on the same machine stays the same, byte by
byte.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from taming.modules.diffusionmodules.model import AttnBlock, Decoder, Encoder, ResnetBlock
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

LEAST_CELLS = 32 * 32  # below, oneDNN is faster
# Threads of torch to the channels from which NNPACK is faster. Within torch it has one thread, and
# is 1.5 times as fast as one of oneDNN's with 32 channels, 2.4 with 64 and 3 to 4 with more. (To
# share a convolution among threads, by rows or by channels, was tried: no faster than one.)
LEAST_CHANNELS = {1: 16, 2: 64, 3: 128}


def decode(decoder: Decoder, cells: Tensor) -> Tensor:
    """What the decoder makes of (B, C, h, w): (B, 3, H, W) in -1 to 1, differentiable."""
    middle = decoder.mid
    now = frozen_convolution(decoder.conv_in, cells)
    now = residual_block(
        middle.block_2, attention_block(middle.attn_1, residual_block(middle.block_1, now))
    )
    for level in reversed(range(decoder.num_resolutions)):
        now = level_blocks(decoder.up[level], now)
        if level:
            upsample = decoder.up[level].upsample
            now = F.interpolate(now, scale_factor=2.0, mode="nearest")
            now = frozen_convolution(upsample.conv, now) if upsample.with_conv else now
    return frozen_convolution(decoder.conv_out, norm_and_swish(decoder.norm_out, now))


def encode(encoder: Encoder, picture: Tensor) -> Tensor:
    """What the encoder makes of (B, 3, H, W) in -1 to 1: (B, C, h, w)."""
    now = frozen_convolution(encoder.conv_in, picture)
    for level in range(encoder.num_resolutions):
        now = level_blocks(encoder.down[level], now)
        if level < encoder.num_resolutions - 1:
            now = encoder.down[level].downsample(now)
    middle = encoder.mid
    now = residual_block(
        middle.block_2, attention_block(middle.attn_1, residual_block(middle.block_1, now))
    )
    return frozen_convolution(encoder.conv_out, norm_and_swish(encoder.norm_out, now))


def level_blocks(level: Any, now: Tensor) -> Tensor:
    """One resolution's blocks, each with its attention where there is one."""
    for number, each in enumerate(level.block):
        now = residual_block(each, now)
        if len(level.attn):
            now = attention_block(level.attn[number], now)
    return now


def residual_block(module: ResnetBlock, x: Tensor) -> Tensor:
    """taming's ResnetBlock, without the time step and dropout that a VQGAN has not."""
    h = frozen_convolution(module.conv1, norm_and_swish(module.norm1, x))
    h = frozen_convolution(module.conv2, norm_and_swish(module.norm2, h))
    if module.in_channels != module.out_channels:
        name = "conv_shortcut" if module.use_conv_shortcut else "nin_shortcut"
        x = frozen_convolution(getattr(module, name), x)
    return x + h


def attention_block(module: AttnBlock, x: Tensor) -> Tensor:
    """taming's AttnBlock: one head over all cells."""
    normal = module.norm(x)
    query, key, value = (
        frozen_convolution(projection, normal).flatten(2).transpose(1, 2)[:, None]  # (B, 1, h·w, C)
        for projection in (module.q, module.k, module.v)
    )
    mixed = F.scaled_dot_product_attention(query, key, value)[:, 0]
    return x + frozen_convolution(module.proj_out, mixed.transpose(1, 2).reshape(x.shape))


def frozen_convolution(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A frozen convolution of stride 1, whose input is not kept for the way back."""
    if layer.weight.requires_grad:  # not frozen: somebody trains it
        return F.conv2d(x, layer.weight, layer.bias, padding=layer.padding)
    y: Tensor = _Convolution.apply(x, layer)
    return y


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Conv2d) -> Tensor:
        ctx.layer, ctx.shape = layer, x.shape
        return convolve(x, layer.weight, layer.bias, int(layer.padding[0]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        weight, padding = ctx.layer.weight, int(ctx.layer.padding[0])
        if uses_winograd(gradient, weight, padding):
            # The way back is the same convolution, its kernel turned round.
            return convolve(gradient, flipped_kernel(ctx.layer), None, padding), None
        back = conv2d_input(ctx.shape, weight, gradient, padding=padding)  # type: ignore[no-untyped-call]
        return back, None


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    """A convolution of stride 1, the way that is fastest for its shape."""
    if not uses_winograd(x, weight, padding):
        return F.conv2d(x, weight, bias, padding=padding)
    # One picture at a time: with more NNPACK goes another and slower way.
    winograd = torch._nnpack_spatial_convolution
    parts = [winograd(part, weight, bias, 1) for part in torch.split(x.contiguous(), 1)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def flipped_kernel(layer: nn.Conv2d) -> Tensor:
    """The layer's kernel as its gradient needs it, (in, out, 3, 3); made once for its weights."""
    made_of = layer.weight.data_ptr(), layer.weight._version
    if getattr(layer, "turned_of", None) != made_of:
        kernel = layer.weight.transpose(0, 1).flip(2, 3).contiguous()
        layer.register_buffer("turned", kernel, persistent=False)
        layer.turned_of = made_of  # type: ignore[assignment]
    return layer.get_buffer("turned")


def uses_winograd(x: Tensor, weight: Tensor, padding: int) -> bool:
    """Whether NNPACK convolves these shapes."""
    channels = LEAST_CHANNELS.get(torch.get_num_threads(), math.inf)
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and weight.shape[2:] == (3, 3)
        and padding == 1
        and x.shape[-2] * x.shape[-1] >= LEAST_CELLS
        and min(weight.shape[:2]) >= channels
        and winograd_works()
    )


@cache
def winograd_works() -> bool:
    """Whether NNPACK is there, and right on a convolution that is known."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(1, 16, 33, 35, generator=random)
    weight, bias = (torch.randn(*s, generator=random) for s in ((24, 16, 3, 3), (24,)))
    try:
        if not torch._nnpack_available():  # its own beginning: without it the next fails
            return False
        given = torch._nnpack_spatial_convolution(x, weight, bias, 1)
    except (AttributeError, RuntimeError):  # another torch, or a CPU that NNPACK does not know
        return False
    return torch.allclose(given, F.conv2d(x, weight, bias, padding=1), atol=1e-3)


def norm_and_swish(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """x·sigmoid(x) of the normalised input; only the input is kept, which other steps keep too."""
    if norm.weight.requires_grad:
        return F.silu(F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps))
    y: Tensor = _NormAndSwish.apply(x, norm)
    return y


class _NormAndSwish(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, norm: nn.GroupNorm) -> Tensor:
        x = x.contiguous()
        sizes = (*x.shape[:2], x.shape[2] * x.shape[3], norm.num_groups)
        ctx.norm, ctx.given = norm, (norm.weight, norm.bias, *sizes, norm.eps)
        y, mean, deviation = torch.ops.aten.native_group_norm(x, *ctx.given)
        ctx.sizes = sizes
        ctx.save_for_backward(x, mean, deviation)
        return F.silu(y, inplace=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, mean, deviation = ctx.saved_tensors
        y = torch.ops.aten.native_group_norm(x, *ctx.given)[0]
        inner = torch.ops.aten.silu_backward(gradient.contiguous(), y)
        outer = torch.ops.aten.native_group_norm_backward(
            inner, x, mean, deviation, ctx.norm.weight, *ctx.sizes, [True, False, False]
        )
        return outer[0], None
