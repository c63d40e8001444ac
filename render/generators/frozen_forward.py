"""The forward of taming's frozen encoder and decoder: the same numbers, faster and in less memory.

The modules and their weights are taming's; only the computation differs, because the weights are
never trained. A convolution need not keep its input for the backward pass, and the output of a
normalisation and its activation is computed again there: a quarter of the memory of autograd's own
graph is kept. On a CPU, convolutions are computed in one of three ways (`set_convolutions`), of
which each is the fastest somewhere: plane by plane as taming does, with the channels of a pixel
side by side, or the large ones by NNPACK's Winograd transform (Lavin & Gray 2016).
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

WINOGRAD_PIXELS = 32 * 32  # of an image, from which NNPACK can be faster than oneDNN
# From how many channels NNPACK can be faster, by the number of torch's threads. Within torch it
# uses one thread. (Splitting a convolution over threads, by rows or by channels, was no faster.)
WINOGRAD_CHANNELS = {1: 16, 2: 64, 3: 128}


def has_winograd() -> bool:
    """Returns whether the way "winograd" differs from "plain" here."""
    return torch.get_num_threads() in WINOGRAD_CHANNELS and winograd_works()


def set_convolutions(network: nn.Module, way: str) -> None:
    """Sets how a network's convolutions are computed on a CPU: one of CONVOLUTIONS
    (plan/arithmetic.py). Activations take their layout in memory from the weights."""
    is_last = way == "channels-last"
    network.to(memory_format=torch.channels_last if is_last else torch.contiguous_format)
    channels = WINOGRAD_CHANNELS.get(torch.get_num_threads(), math.inf)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer._buffers.pop("flipped", None)
            layer.__dict__.pop("flipped_version", None)
            is_winograd = (
                way == "winograd"
                and layer.kernel_size == (3, 3)
                and layer.padding == (1, 1)
                and min(layer.weight.shape[:2]) >= channels
                and winograd_works()
            )
            setattr(layer, "winograd", is_winograd)  # noqa: B010 (a module's own type is Tensor)


def decode(decoder: Decoder, cells: Tensor) -> Tensor:
    """Returns the decoder's output for (B, C, h, w): (B, 3, H, W) in -1 to 1, differentiable."""
    x = features(decoder, cells, 0)
    return frozen_convolution(decoder.conv_out, norm_and_swish(decoder.norm_out, x))


def features(decoder: Decoder, cells: Tensor, level: int) -> Tensor:
    """Returns what the decoder makes of cells (B, C, h, w) at a resolution: (B, C', H / 2^level,
    W / 2^level), differentiable."""
    x = middle_blocks(decoder.mid, frozen_convolution(decoder.conv_in, cells))
    for index in reversed(range(level, decoder.num_resolutions)):
        x = level_blocks(decoder.up[index], x)
        if index > level:
            upsample = decoder.up[index].upsample
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = frozen_convolution(upsample.conv, x) if upsample.with_conv else x
    return x


def encode(encoder: Encoder, picture: Tensor) -> Tensor:
    """Returns the encoder's output for (B, 3, H, W) in -1 to 1: (B, C, h, w)."""
    x = frozen_convolution(encoder.conv_in, picture)
    for index in range(encoder.num_resolutions):
        x = level_blocks(encoder.down[index], x)
        if index < encoder.num_resolutions - 1:
            x = encoder.down[index].downsample(x)
    x = middle_blocks(encoder.mid, x)
    return frozen_convolution(encoder.conv_out, norm_and_swish(encoder.norm_out, x))


def middle_blocks(middle: Any, x: Tensor) -> Tensor:
    """Returns the output of the blocks at the lowest resolution."""
    x = attention_block(middle.attn_1, residual_block(middle.block_1, x))
    return residual_block(middle.block_2, x)


def level_blocks(level: Any, x: Tensor) -> Tensor:
    """Returns the output of one resolution's blocks, each followed by attention if it has any."""
    for index, block in enumerate(level.block):
        x = residual_block(block, x)
        if len(level.attn):
            x = attention_block(level.attn[index], x)
    return x


def residual_block(module: ResnetBlock, x: Tensor) -> Tensor:
    """Returns the output of taming's ResnetBlock, without its time step and dropout.

    A VQGAN uses neither.
    """
    h = frozen_convolution(module.conv1, norm_and_swish(module.norm1, x))
    h = frozen_convolution(module.conv2, norm_and_swish(module.norm2, h))
    if module.in_channels != module.out_channels:
        name = "conv_shortcut" if module.use_conv_shortcut else "nin_shortcut"
        x = frozen_convolution(getattr(module, name), x)
    return x + h


def attention_block(module: AttnBlock, x: Tensor) -> Tensor:
    """Returns the output of taming's AttnBlock: self-attention with one head over all cells."""
    normal = module.norm(x)
    query, key, value = (
        frozen_convolution(projection, normal).flatten(2).transpose(1, 2)[:, None]  # (B, 1, h·w, C)
        for projection in (module.q, module.k, module.v)
    )
    mixed = F.scaled_dot_product_attention(query, key, value)[:, 0]
    return x + frozen_convolution(module.proj_out, mixed.transpose(1, 2).reshape(x.shape))


def frozen_convolution(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Returns a layer's convolution of stride 1; its input is not kept for the backward pass."""
    if layer.weight.requires_grad:  # the layer is trained, so its weight needs a gradient
        return F.conv2d(x, layer.weight, layer.bias, padding=layer.padding)
    y: Tensor = _Convolution.apply(x, layer)
    return y


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Conv2d) -> Tensor:
        ctx.layer, ctx.shape = layer, x.shape
        if uses_winograd(x, layer):
            return winograd(x, layer.weight, layer.bias)
        return F.conv2d(x, layer.weight, layer.bias, padding=layer.padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        layer = ctx.layer
        if uses_winograd(gradient, layer):
            # The gradient is the same convolution with the kernel flipped.
            return winograd(gradient, flipped_kernel(layer), None), None
        padding = int(layer.padding[0])
        back = conv2d_input(ctx.shape, layer.weight, gradient, padding=padding)  # type: ignore[no-untyped-call]
        return back, None


def uses_winograd(x: Tensor, layer: nn.Conv2d) -> bool:
    """Returns whether a layer's convolution of x (B, C, H, W), or its gradient, uses NNPACK."""
    return (
        getattr(layer, "winograd", False)
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.shape[-2] * x.shape[-1] >= WINOGRAD_PIXELS
    )


def winograd(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Returns a 3x3 convolution with a padding of 1, by NNPACK."""
    # One image at a time, because NNPACK uses another and slower algorithm for a batch.
    convolve = torch._nnpack_spatial_convolution
    parts = [convolve(part, weight, bias, 1) for part in torch.split(x.contiguous(), 1)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def flipped_kernel(layer: nn.Conv2d) -> Tensor:
    """Returns the layer's kernel as its gradient needs it, (in, out, 3, 3); cached on the layer."""
    version = layer.weight.data_ptr(), layer.weight._version
    if getattr(layer, "flipped_version", None) != version:
        kernel = layer.weight.transpose(0, 1).flip(2, 3).contiguous()
        layer.register_buffer("flipped", kernel, persistent=False)
        layer.flipped_version = version  # type: ignore[assignment]
    return layer.get_buffer("flipped")


@cache
def winograd_works() -> bool:
    """Returns whether NNPACK is available and gives the right result for one convolution."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(1, 16, 33, 35, generator=random)
    weight, bias = (torch.randn(*s, generator=random) for s in ((24, 16, 3, 3), (24,)))
    try:
        if not torch._nnpack_available():  # also initialises NNPACK, without which the next fails
            return False
        y = torch._nnpack_spatial_convolution(x, weight, bias, 1)
    except (AttributeError, RuntimeError):  # another torch, or a CPU that NNPACK does not support
        return False
    return torch.allclose(y, F.conv2d(x, weight, bias, padding=1), atol=1e-3)


def norm_and_swish(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """Returns y·sigmoid(y) of the normalised input y.

    Only the input x is kept for the backward pass, which other operations keep anyway.
    """
    if norm.weight.requires_grad:
        return F.silu(F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps))
    y: Tensor = _NormAndSwish.apply(x, norm)
    return y


class _NormAndSwish(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, norm: nn.GroupNorm) -> Tensor:
        ctx.layout = layout_of(x)
        x = x.contiguous(memory_format=ctx.layout)
        sizes = (*x.shape[:2], x.shape[2] * x.shape[3], norm.num_groups)
        ctx.weight, ctx.sizes = norm.weight, sizes
        ctx.arguments = (norm.weight, norm.bias, *sizes, norm.eps)
        y, mean, deviation = torch.ops.aten.native_group_norm(x, *ctx.arguments)
        ctx.save_for_backward(x, mean, deviation)
        return F.silu(y, inplace=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, mean, deviation = ctx.saved_tensors
        y = torch.ops.aten.native_group_norm(x, *ctx.arguments)[0]
        inner = torch.ops.aten.silu_backward(gradient.contiguous(memory_format=ctx.layout), y)
        outer = torch.ops.aten.native_group_norm_backward(
            inner, x, mean, deviation, ctx.weight, *ctx.sizes, [True, False, False]
        )
        return outer[0], None


def layout_of(x: Tensor) -> torch.memory_format:
    """Returns in which of the two layouts a tensor (B, C, H, W) lies, or should."""
    last = torch.channels_last
    is_last = x.is_contiguous(memory_format=last) and not x.is_contiguous()
    return last if is_last else torch.contiguous_format
