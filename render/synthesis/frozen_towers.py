"""open_clip's image towers, frozen: equal to their own forward, in less time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval


def speed_up_tower(visual: nn.Module) -> None:
    """Replace what is slow in open_clip's own towers; any other stays as it is."""
    if isinstance(visual, ModifiedResNet):
        _fold_normalisations(visual)
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


def _fold_normalisations(tower: nn.Module) -> None:
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
