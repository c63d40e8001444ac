"""The perceptor: a frozen network that says how far a picture is from a prompt.

A kind of perceptor is a subclass of `Perceptor` in a module of its own: `clip_perceptor` for the
models of CLIP, `classifier` for a network that knows classes of things. It says how its texts and
cutouts are embedded and how far two embeddings are apart, so that losses need not know its kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Perceptor(nn.Module):
    """A frozen perceptor of cutouts in [0, 1].

    Embeddings have D numbers; what they mean is the subclass's own matter.
    """

    mean: Tensor  # (3, 1, 1): of the colour channels
    std: Tensor
    side: int  # of a cutout, in pixels
    # The factors of its weight in prompts, in a keyframe that starts a chain and in later ones.
    first_pull: float = 1.0
    later_pull: float = 1.0
    cutout_share: float = 1.0  # of a step's cutouts in the latent, which it sees

    def __init__(
        self, visual: nn.Module, digest: str, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        """`visual` is open_clip's image tower; `digest` is the SHA-256 of the weights file; `mean`
        and `std` normalise the channels of a picture."""
        super().__init__()
        self.digest = digest
        self.step_type = torch.float32  # the type that cutouts are embedded in
        self.at_once: int | None = None  # how many cutouts are embedded together; None is all
        size: Any = visual.image_size
        self.side = int(size[0] if isinstance(size, tuple | list) else size)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def on(
        self,
        device: torch.device,
        step_type: torch.dtype = torch.float32,
        at_once: int | None = None,
    ) -> Perceptor:
        """Moves the image tower to `device` and returns the perceptor. To be called once.

        More cutouts than `at_once` are embedded in parts, each computed twice, in less memory. A
        subclass may compute in `step_type`.
        """
        raise NotImplementedError

    def embed_texts(self, texts: list[str]) -> Tensor:
        """Returns the targets (n, D) of n texts; a target never depends on the other texts."""
        raise NotImplementedError

    def embed_image(self, embeddings: Tensor) -> Tensor:
        """Returns the target (D,) of a picture from the embeddings (n, D) of its cutouts."""
        raise NotImplementedError

    def distance(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Returns how far embeddings of cutouts (..., D) are from targets (..., D): (...)."""
        raise NotImplementedError

    def similarity(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Returns how well embeddings of cutouts (..., D) fit targets (..., D): (...), at most
        about 1."""
        raise NotImplementedError

    @property
    def temperature(self) -> float:
        """By what similarities are divided for a softmax over texts, as it was trained."""
        raise NotImplementedError

    def difference(self, embeddings: Tensor, others: Tensor) -> Tensor:
        """Returns how far embeddings of cutouts (..., D) are from one another: (...), from 0."""
        raise NotImplementedError

    def stops(self, targets: Tensor, weights: Tensor, stops: Tensor) -> Tensor:
        """Returns the signed distances (p,) below which the prompts of these targets (p, D) and
        signed weights (p,) pull no further, from those that the storyboard gives (p,)."""
        return stops

    def reads(self, text: str) -> bool:
        """Returns whether the perceptor makes anything of a text; if not, its target is 0."""
        return True

    def embed_cutouts(self, cutouts: Tensor) -> Tensor:
        """Returns the embeddings (n, D) of cutouts (n, 3, S, S) in [0, 1]."""
        if self.at_once is None or len(cutouts) <= self.at_once:
            return self._embed(cutouts)
        parts = torch.split(cutouts, self.at_once)
        # What the gradient of a part needs is dropped and computed again in the backward pass.
        # Nothing in it is random, so no random state is kept, which a CUDA graph could not record.
        recomputed = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)
        return torch.cat([recomputed(self._embed, part) for part in parts])

    def _embed(self, cutouts: Tensor) -> Tensor:
        """Returns what `embed_cutouts` does, for all cutouts together."""
        raise NotImplementedError

    def normalised(self, cutouts: Tensor) -> Tensor:
        """Returns cutouts (n, 3, S, S) as the image tower takes them."""
        return ((cutouts - self.mean) / self.std).to(self.step_type)


def angular_distance(a: Tensor, b: Tensor) -> Tensor:
    """Returns half the squared angle between unit vectors (..., D): 2·asin(|a-b|/2)², from 0 to
    π²/2, as in K. Crowson's VQGAN+CLIP notebook."""
    # Kept below 1, where the slope of asin is infinite: opposite vectors would give NaN.
    half_chord: Tensor = (a - b).norm(dim=-1).div(2).clamp(max=1 - 1e-6)
    return half_chord.arcsin().square().mul(2)


def seen_sides(perceptors: Iterable[Perceptor]) -> dict[int, float]:
    """Returns the sides of the perceptors' inputs in pixels, each with the largest share of a
    step's cutouts that one of them sees."""
    sides: dict[int, float] = {}
    for perceptor in perceptors:
        sides[perceptor.side] = max(sides.get(perceptor.side, 0.0), perceptor.cutout_share)
    return sides
