"""Faster replacements inside open_clip's frozen image towers, equal to the originals but for
rounding."""

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
    """Replaces the slow layers of open_clip's own ResNets and transformers, in place.

    A tower of another kind stays as it is. The tower can no longer be trained.
    """
    if isinstance(visual, ModifiedResNet):
        fold_normalisations(visual)
    if isinstance(visual, VisionTransformer):
        _speed_up_transformer(visual)


def _speed_up_transformer(visual: VisionTransformer) -> None:
    """Replaces the patch convolution and the attention of a vision transformer."""
    first = visual.conv1
    if isinstance(first, nn.Conv2d) and first.kernel_size == first.stride and not first.padding[0]:
        visual.conv1 = _Patches(first)
    for block in visual.transformer.resblocks:
        attention = block.attn
        plain = type(attention) is nn.MultiheadAttention and attention.bias_k is None
        if plain and attention.batch_first and attention.in_proj_weight is not None:
            block.attn = _Attention(attention)


def fold_normalisations(tower: nn.Module) -> None:
    """Folds each batch normalisation, by its stored statistics, into the convolution before it.

    For towers whose modules stand in the order in which they are computed. The tower then computes
    with channels last, which is a quarter faster; activations take that from the weights.
    """
    for module in tower.modules():
        for first, second in list(pairwise(name for name, _ in module.named_children())):
            layer, norm = getattr(module, first, None), getattr(module, second, None)
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, first, fuse_conv_bn_eval(layer.eval(), norm.eval()))
                # timm's normalisation contains the activation after it.
                setattr(module, second, getattr(norm, "act", nn.Identity()))
    tower.to(memory_format=torch.channels_last)


class _Patches(nn.Module):
    """A convolution whose stride equals its kernel, computed as a product of matrices.

    On a CPU the gradient of the convolution takes ten times as long.
    """

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
    """The self-attention of `nn.MultiheadAttention`, batch first, projecting all tokens at once.

    torch's module multiplies the weights with one position of all cutouts after another.
    """

    def __init__(self, layer: nn.MultiheadAttention) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, *rest: Tensor, **options: Any) -> tuple[Tensor, None]:
        """(n, tokens, D) to the same and None: attention weights are not computed.

        Takes the arguments of torch's module; only the mask has a meaning.
        """
        layer = self.layer
        count, tokens, width = x.shape
        head_width = width // layer.num_heads
        projected = F.linear(x.flatten(0, 1), layer.in_proj_weight, layer.in_proj_bias)
        projected = projected.view(count, tokens, 3, layer.num_heads, head_width)
        # (n, heads, tokens, D / heads) each
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind(0)
        mask = options.get("attn_mask")
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        rows = mixed.transpose(1, 2).reshape(count * tokens, width)
        return layer.out_proj(rows).view(count, tokens, width), None
