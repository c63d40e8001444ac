"""The two models of the starter pair, built from the classes of taming and open_clip."""

from __future__ import annotations

import copy
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from taming.modules.diffusionmodules.model import Decoder, Encoder
from torch import Tensor, nn

GENERATOR: dict[str, Any] = {
    "ddconfig": {
        "ch": 32,
        "out_ch": 3,
        "ch_mult": [1, 1, 2, 4],
        "num_res_blocks": 1,
        "attn_resolutions": [],
        "in_channels": 3,
        "resolution": 256,
        "z_channels": 64,
        "double_z": False,
        "dropout": 0.0,
    },
    "embed_dim": 16,
    "n_embed": 4096,
    "gumbel": False,
    # taming normalises in 32 groups. With 32 channels that is one channel a group, which removes
    # every channel's mean, so that no flat colour could be decoded.
    "norm_groups": 4,
}

PERCEPTOR: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 32, "head_width": 64},
    "text_cfg": {
        "context_length": 32,
        "vocab_size": 49408,
        "width": 128,
        "heads": 4,
        "layers": 3,
    },
}
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


class Codebook(nn.Module):
    """The codebook, with taming's name for its weights."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(count, width)

    def nearest(self, flat: Tensor) -> Tensor:
        """Returns the indices (n,) of the codes nearest to the rows of `flat` (n, width)."""
        codes = self.embedding.weight
        distances = torch.addmm(codes.pow(2).sum(1)[None], flat, codes.t(), alpha=-2)
        return distances.argmin(1)


class Generator(nn.Module):
    """A VQGAN with the names of taming's VQModel. Pictures are (n, 3, h, w) in -1 to 1."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        dd = config["ddconfig"]
        self.encoder = Encoder(**dd)
        self.decoder = Decoder(**dd)
        self.quant_conv = nn.Conv2d(dd["z_channels"], config["embed_dim"], 1)
        self.post_quant_conv = nn.Conv2d(config["embed_dim"], dd["z_channels"], 1)
        self.quantize = Codebook(config["n_embed"], config["embed_dim"])
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):
                module.num_groups = config.get("norm_groups", 32)

    def encode(self, picture: Tensor) -> Tensor:
        """Returns the latent before quantisation, (n, embed_dim, h/8, w/8)."""
        latent: Tensor = self.quant_conv(self.encoder(picture))
        return latent

    def quantise(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the nearest codes, with straight-through gradients, and their indices."""
        n, width, high, wide = latent.shape
        flat = latent.float().permute(0, 2, 3, 1).reshape(-1, width)
        numbers = self.quantize.nearest(flat.detach())
        codes = self.quantize.embedding.weight[numbers].detach()
        through = flat + (codes - flat).detach()
        return through.view(n, high, wide, width).permute(0, 3, 1, 2).contiguous(), numbers

    def decode(self, latent: Tensor) -> Tensor:
        """Returns the picture of a latent (n, embed_dim, h/8, w/8)."""
        picture: Tensor = self.decoder(self.post_quant_conv(latent))
        return picture


def new_perceptor(words: int | None = None) -> CLIP:
    """Returns a CLIP with fresh weights. `words` is the number of rows of its token table; None is
    one for each of CLIP's tokens."""
    arguments = copy.deepcopy(PERCEPTOR)
    arguments["text_cfg"]["vocab_size"] = words or arguments["text_cfg"]["vocab_size"]
    return CLIP(**arguments)


_tokenizer: Any = None


def tokens(texts: list[str]) -> Tensor:
    """Returns CLIP's tokens of the texts, (n, 32)."""
    global _tokenizer
    if _tokenizer is None:
        _tokenizer = open_clip.SimpleTokenizer(
            context_length=PERCEPTOR["text_cfg"]["context_length"]
        )
    tokenised: Tensor = _tokenizer(texts)
    return tokenised


def text_features(model: CLIP, tokenised: Tensor) -> Tensor:
    """Returns the embeddings (n, embed_dim) of tokenised texts, of unit length.

    The text tower is run over only as many positions as the longest text needs.
    """
    length = int((tokenised != 0).sum(1).max())
    tokenised = tokenised[:, :length]
    x = model.token_embedding(tokenised) + model.positional_embedding[:length]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    x = model.ln_final(x)[torch.arange(len(tokenised)), tokenised.argmax(-1)]
    projection = model.text_projection
    x = projection(x) if isinstance(projection, nn.Linear) else x @ projection
    return F.normalize(x.float(), dim=-1)


def normalised(pictures: Tensor) -> Tensor:
    """Returns pictures in 0 to 1 with CLIP's mean and standard deviation removed."""
    mean = torch.tensor(MEAN, device=pictures.device).view(3, 1, 1)
    std = torch.tensor(STD, device=pictures.device).view(3, 1, 1)
    return (pictures - mean) / std


def picture_features(model: CLIP, pictures: Tensor) -> Tensor:
    """Returns the embeddings (n, embed_dim) of pictures in 0 to 1, of unit length."""
    return F.normalize(model.visual(normalised(pictures)).float(), dim=-1)
