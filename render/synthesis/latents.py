"""Latents at rest (save, load, has) and between (lerp, slerp, codes)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from render.errors import InputError
from render.media.atomic import atomic_write, file_errors, remove_stale_partials
from render.media.safetensors_header import LARGEST_LATENT, has_latent, is_whole, latent_path

FORMAT = "render.latent.1"


PUT_RIGHT = "put the right one back"
OR_MAKE_AGAIN = ", or move it away to have its keyframe made again"


class LatentError(InputError):
    """A latent that cannot be used, as a sentence with the next step in it; a line for each."""


@dataclass(frozen=True)
class Store:
    """A folder of latents, each under its keyframe's key. No latent in it is ever deleted."""

    folder: Path
    shape: tuple[int, int, int] | None = None  # (C, h, w) of what is loaded from it, if all is one

    def path(self, key: str) -> Path:
        return latent_path(self.folder, key)

    def has(self, key: str) -> bool:
        """Whether a whole latent lies under the key; one cut short does not count.

        It is not read: whether it is the one that Render wrote, loading it tells.
        """
        return has_latent(self.folder, key)

    def prepare(self) -> None:
        """Make the folder, and remove what killed processes left half-written in it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LatentError(
                f"{self.folder} cannot be made ({error.strerror}); keep the latents elsewhere: "
                "--latents FOLDER"
            ) from error
        remove_stale_partials(self.folder)

    def save(self, key: str, latent: Tensor, note: dict[str, Any]) -> None:
        """Write (1, C, h, w) float32 beside its place, flush, rename: it is there whole or not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        latent = latent.detach().cpu().contiguous()
        note = {**note, "format": FORMAT, "sha256": latent_digest(latent)}
        # One key: safetensors writes several in any order, and equal latents are equal bytes.
        metadata = {"render": json.dumps(note, sort_keys=True)}
        path = self.path(key)
        with atomic_write(path) as partial, file_errors(path):
            partial.write_bytes(save({"latent": latent}, metadata))

    def load(self, key: str) -> Tensor:
        """(1, C, h, w) float32; raises LatentError for any other than was saved."""
        try:
            latent, _ = load_latent(self.path(key))
        except LatentError as error:
            again = OR_MAKE_AGAIN if str(error).endswith(PUT_RIGHT) else ""
            raise LatentError(f"{error}{again}") from error
        if self.shape is not None and tuple(latent.shape[1:]) != self.shape:
            raise LatentError(
                f"{self.path(key)} holds {tuple(latent.shape[1:])}, and the film's latents are "
                f"{self.shape}; {PUT_RIGHT}{OR_MAKE_AGAIN}"
            )
        return latent

    def check(self, keys: Iterable[str]) -> None:
        """Load each once; raises LatentError with a line for every one that cannot be used."""
        wrong: list[str] = []
        for key in keys:
            try:
                self.load(key)
            except LatentError as error:
                wrong.append(str(error))
        if wrong:
            raise LatentError("\n".join(wrong))


def load_latent(path: Path) -> tuple[Tensor, dict[str, Any]]:
    """A latent (1, C, h, w) float32 and its note; raises LatentError for anything else."""
    try:
        if path.stat().st_size > LARGEST_LATENT:
            raise LatentError(f"{path} is too large to be a latent")
        if not is_whole(path):
            raise LatentError(f"{path} is truncated or not a latent; render its keyframe again")
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            note = json.loads(metadata.get("render", "{}"))
            if not isinstance(note, dict) or note.get("format") != FORMAT:
                raise LatentError(f"{path} is a safetensors file, but no latent that Render wrote")
            latent = file.get_tensor("latent")
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise LatentError(f"{path} cannot be read as a latent: {error}") from error
    except RecursionError as error:
        raise LatentError(
            f"{path} holds a note that is nested too deeply to be Render's; {PUT_RIGHT}"
        ) from error
    if latent.ndim != 4 or latent.shape[0] != 1 or latent.dtype != torch.float32:
        raise LatentError(f"{path} holds a tensor of another shape than a latent's")
    digest = latent_digest(latent)
    if note.get("sha256", digest) != digest:
        raise LatentError(f"{path} was changed since Render wrote it; {PUT_RIGHT}")
    return latent, note


def latent_digest(latent: Tensor) -> str:
    """SHA-256 of its numbers as they lie in the file."""
    return hashlib.sha256(latent.numpy().data).hexdigest()
