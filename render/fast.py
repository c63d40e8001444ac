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
from itertools import pairwise
from typing import Any

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import VisionTransformer
from taming.modules.diffusionmodules.model import AttnBlock, Decoder, Encoder, ResnetBlock
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_input
from torch.nn.utils.fusion import fuse_conv_bn_eval

LEAST_CELLS = 32 * 32  # below, oneDNN is faster
# Threads of torch to the channels from which NNPACK is faster. Within torch it has one thread, and
# is 1.5 times as fast as one of oneDNN's with 32 channels, 2.4 with 64 and 3 to 4 with more. (To
# share a convolution among threads, by rows or by channels, was tried: no faster than one.)
LEAST_CHANNELS = {1: 16, 2: 64, 3: 128}


def decode(decoder: Decoder, cells: Tensor) -> Tensor:
    """What the decoder makes of (B, C, h, w): (B, 3, H, W) in -1 to 1, differentiable."""
    middle = decoder.mid
    now = convolved(decoder.conv_in, cells)
    now = block(middle.block_2, attended(middle.attn_1, block(middle.block_1, now)))
    for level in reversed(range(decoder.num_resolutions)):
        now = residuals(decoder.up[level], now)
        if level:
            upsample = decoder.up[level].upsample
            now = F.interpolate(now, scale_factor=2.0, mode="nearest")
            now = convolved(upsample.conv, now) if upsample.with_conv else now
    return convolved(decoder.conv_out, swished(decoder.norm_out, now))


def encode(encoder: Encoder, picture: Tensor) -> Tensor:
    """What the encoder makes of (B, 3, H, W) in -1 to 1: (B, C, h, w)."""
    now = convolved(encoder.conv_in, picture)
    for level in range(encoder.num_resolutions):
        now = residuals(encoder.down[level], now)
        if level < encoder.num_resolutions - 1:
            now = encoder.down[level].downsample(now)
    middle = encoder.mid
    now = block(middle.block_2, attended(middle.attn_1, block(middle.block_1, now)))
    return convolved(encoder.conv_out, swished(encoder.norm_out, now))


def residuals(level: Any, now: Tensor) -> Tensor:
    """One resolution's blocks, each with its attention where there is one."""
    for number, each in enumerate(level.block):
        now = block(each, now)
        if len(level.attn):
            now = attended(level.attn[number], now)
    return now


def block(module: ResnetBlock, x: Tensor) -> Tensor:
    """taming's ResnetBlock, without the time step and dropout that a VQGAN has not."""
    h = convolved(module.conv1, swished(module.norm1, x))
    h = convolved(module.conv2, swished(module.norm2, h))
    if module.in_channels != module.out_channels:
        name = "conv_shortcut" if module.use_conv_shortcut else "nin_shortcut"
        x = convolved(getattr(module, name), x)
    return x + h


def attended(module: AttnBlock, x: Tensor) -> Tensor:
    """taming's AttnBlock: one head over all cells."""
    normal = module.norm(x)
    query, key, value = (
        convolved(projection, normal).flatten(2).transpose(1, 2)[:, None]  # (B, 1, h·w, C)
        for projection in (module.q, module.k, module.v)
    )
    mixed = F.scaled_dot_product_attention(query, key, value)[:, 0]
    return x + convolved(module.proj_out, mixed.transpose(1, 2).reshape(x.shape))


def convolved(layer: nn.Conv2d, x: Tensor) -> Tensor:
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
        if goes_by_winograd(gradient, weight, padding):
            # The way back is the same convolution, its kernel turned round.
            return convolve(gradient, turned(ctx.layer), None, padding), None
        back = conv2d_input(ctx.shape, weight, gradient, padding=padding)  # type: ignore[no-untyped-call]
        return back, None


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    """A convolution of stride 1, the way that is fastest for its shape."""
    if not goes_by_winograd(x, weight, padding):
        return F.conv2d(x, weight, bias, padding=padding)
    # One picture at a time: with more NNPACK goes another and slower way.
    winograd = torch._nnpack_spatial_convolution
    parts = [winograd(part, weight, bias, 1) for part in torch.split(x.contiguous(), 1)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def turned(layer: nn.Conv2d) -> Tensor:
    """The layer's kernel as its gradient needs it, (in, out, 3, 3); made once for its weights."""
    made_of = layer.weight.data_ptr(), layer.weight._version
    if getattr(layer, "turned_of", None) != made_of:
        kernel = layer.weight.transpose(0, 1).flip(2, 3).contiguous()
        layer.register_buffer("turned", kernel, persistent=False)
        layer.turned_of = made_of  # type: ignore[assignment]
    return layer.get_buffer("turned")


def goes_by_winograd(x: Tensor, weight: Tensor, padding: int) -> bool:
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


def swished(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """x·sigmoid(x) of the normalised input; only the input is kept, which other steps keep too."""
    if norm.weight.requires_grad:
        return F.silu(F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps))
    y: Tensor = _Swished.apply(x, norm)
    return y


class _Swished(torch.autograd.Function):
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


def hasten(visual: nn.Module) -> None:
    """Replace what is slow in open_clip's own towers; any other stays as it is."""
    if isinstance(visual, ModifiedResNet):
        _fold(visual)
        # A quarter faster with channels innermost, which all that follows takes over from a weight.
        visual.to(memory_format=torch.channels_last)
    if not isinstance(visual, VisionTransformer):
        return
    first = visual.conv1
    if isinstance(first, nn.Conv2d) and first.kernel_size == first.stride and not first.padding[0]:
        visual.conv1 = _Patches(first)
    for part in visual.transformer.resblocks:
        attention = part.attn
        plain = type(attention) is nn.MultiheadAttention and attention.bias_k is None
        if plain and attention.batch_first and attention.in_proj_weight is not None:
            part.attn = _Attention(attention)


def _fold(tower: nn.Module) -> None:
    """A normalisation by stored statistics becomes a part of the convolution before it."""
    for part in tower.modules():
        pairs = [(f"conv{number}", f"bn{number}") for number in (1, 2, 3)]
        if isinstance(part, nn.Sequential):
            pairs = list(pairwise(name for name, _ in part.named_children()))
        for first, second in pairs:
            layer, norm = getattr(part, first, None), getattr(part, second, None)
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(part, first, fuse_conv_bn_eval(layer.eval(), norm.eval()))
                setattr(part, second, nn.Identity())


class _Patches(nn.Module):
    """A convolution whose steps are as wide as its kernel, as a product of matrices: on a CPU the
    gradient of the convolution takes ten times as long."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, H, W) to (n, D, H / side, W / side)."""
        high, wide = self.layer.kernel_size
        count, channels, height, width = x.shape
        patches = x.reshape(count, channels, height // high, high, width // wide, wide)
        rows = patches.permute(0, 2, 4, 1, 3, 5).flatten(3)  # (n, h, w, C·side·side)
        return F.linear(rows, self.layer.weight.flatten(1), self.layer.bias).permute(0, 3, 1, 2)


class _Attention(nn.Module):
    """A view's attention to itself as torch's module has it, which multiplies the weights with one
    place of all views after another: here with all places of all views at once."""

    def __init__(self, layer: nn.MultiheadAttention) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, *rest: Tensor, **options: Any) -> tuple[Tensor, None]:
        """(n, places, D) to the same; what torch's module takes, and no weights of attention."""
        layer = self.layer
        count, places, width = x.shape
        of_head = width // layer.num_heads
        three = F.linear(x.flatten(0, 1), layer.in_proj_weight, layer.in_proj_bias)
        three = three.view(count, places, 3, layer.num_heads, of_head).permute(2, 0, 3, 1, 4)
        query, key, value = three.unbind(0)  # (n, heads, places, D / heads)
        mask = options.get("attn_mask")
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        rows = mixed.transpose(1, 2).reshape(count * places, width)
        return layer.out_proj(rows).view(count, places, width), None
