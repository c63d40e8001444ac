"""The generator with taming's own forward: the reference that `frozen_forward` is compared with."""

from __future__ import annotations

from torch import Tensor

from render.generators.clamp import clamp_with_gradient
from render.generators.vqgan import VQGAN


class ReferenceGenerator(VQGAN):
    """A VQGAN that calls taming's modules, always in float32, with autograd's memory use."""

    def encode(self, picture: Tensor) -> Tensor:
        """Returns what `VQGAN.encode` returns."""
        latent: Tensor = self.quant_conv(self.encoder(picture * 2 - 1))
        if self.to_codes is None:
            return latent
        codes = self.codebook[self.to_codes(latent).argmax(dim=1)]  # (B, h, w, C)
        return codes.permute(0, 3, 1, 2).contiguous()

    def paint(self, codes: Tensor, *, step: bool = False, level: int = 0) -> Tensor:
        """Returns what `VQGAN.paint` returns; `step` changes nothing."""
        return clamp_with_gradient((self.decoder(self.post_quant_conv(codes)) + 1) / 2)


def reference_generator(generator: VQGAN) -> ReferenceGenerator:
    """Returns a ReferenceGenerator that shares the weights, and the device, of a generator."""
    reference = ReferenceGenerator(generator.config, generator.digest)
    reference.load_state_dict(generator.state_dict(), assign=True)
    return reference
