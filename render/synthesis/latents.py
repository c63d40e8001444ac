"""The store: a folder of latents, one safetensors file for each keyframe."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from render.errors import FilmError, InputError
from render.media.atomic import atomic_write, file_errors, remove_stale_partials
from render.media.claims import Claims
from render.media.safetensors_header import LARGEST_LATENT, has_latent, is_whole, latent_path
from render.plan.arithmetic import Arithmetic, parse_arithmetic
from render.synthesis.optimize import Unfinished

FORMAT, UNFINISHED = "render.latent.1", "render.unfinished.1"
WAIT = 0.2  # seconds between two looks at whether another process is done
LARGEST_VALUE = 1e5  # of a latent; those of known models are below 100
# The ends of sentences: what to do about a file that cannot be used.
PUT_RIGHT = "put the right one back"
OR_MAKE_AGAIN = ", or move it away to have its keyframe made again"

# What a state that somebody else wrote may raise.
UNREADABLE = (
    OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError,
)  # fmt: skip


class LatentError(InputError):
    """Latents that cannot be used: for each a line, with what to do about it."""


@dataclass(frozen=True)
class Store:
    """A folder of latents, each under its keyframe's key. Latents in it are never deleted."""

    folder: Path
    # (C, h, w) of its latents by key; that of a key which is not among them is not checked
    shapes: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    save_every: float = 60.0  # seconds after which an unfinished keyframe is saved again
    waits: bool = True  # for a keyframe that another process makes; else it is refused

    @cached_property
    def claims(self) -> Claims:
        """Which keyframes this process makes, and no other meanwhile."""
        return Claims(self.folder)

    @contextmanager
    def claimed(self, key: str, say: Callable[[str], None]) -> Iterator[None]:
        """Makes a key this process's own within the block, after waiting for another process that
        makes its latent; `say` is told of that. Raises FilmError if the store does not wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        told = False
        while not self.claims.take(key):
            holder = self.claims.holder(key)
            if not self.waits:
                raise FilmError(
                    f"{holder} makes a keyframe of this film now; run this again when it is done, "
                    "or let it wait: --if-busy wait"
                )
            if not told:
                say(f"{holder} makes the same keyframe now; waiting for it")
                told = True
            time.sleep(WAIT)
        try:
            yield
        finally:
            self.claims.give(key)

    def path(self, key: str) -> Path:
        """Returns the path of the latent under a key, whether it exists or not."""
        return latent_path(self.folder, key)

    def has(self, key: str) -> bool:
        """Returns whether a whole latent is stored under the key; a truncated file does not count.

        Only the header is read. `load` finds out whether the latent is the one that was saved.
        """
        return has_latent(self.folder, key)

    def prepare(self) -> None:
        """Makes the folder and removes what killed processes left in it: partial files, and the
        states of keyframes whose latents are stored.

        Raises LatentError if the folder cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LatentError(
                f"{self.folder} cannot be made ({error.strerror}); keep the latents elsewhere: "
                "--latents FOLDER"
            ) from error
        remove_stale_partials(self.folder)
        for state in self.folder.glob("*.unfinished"):
            if self.has(state.stem):
                self.forget_unfinished(state.stem)

    def save(self, key: str, latent: Tensor, note: dict[str, Any]) -> None:
        """Stores a latent (1, C, h, w) float32 and its note, atomically: written beside its place,
        flushed and renamed. Raises FileError if it cannot be written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        latent = latent.detach().cpu().contiguous()
        note = {**note, "key": key, "format": FORMAT, "sha256": latent_digest(latent)}
        # One metadata key: safetensors writes several in any order, and equal latents must be equal
        # bytes.
        metadata = {"render": json.dumps(note, sort_keys=True)}
        path = self.path(key)
        with atomic_write(path, through_link=False) as partial, file_errors(path):
            partial.write_bytes(save({"latent": latent}, metadata))

    def load(self, key: str) -> Tensor:
        """Returns the latent (1, C, h, w) float32 under a key; raises LatentError if it is not the
        one that was saved under it, or of another shape than the store's."""
        try:
            latent, note = load_latent(self.path(key))
        except LatentError as error:
            again = OR_MAKE_AGAIN if str(error).endswith(PUT_RIGHT) else ""
            raise LatentError(f"{error}{again}") from error
        if note.get("key") != key:
            other = "is the latent of another keyframe"
            raise LatentError(f"{self.path(key)} {other}; {PUT_RIGHT}{OR_MAKE_AGAIN}")
        if "sha256" not in note:
            raise LatentError(f"{self.path(key)} has no digest; {PUT_RIGHT}{OR_MAKE_AGAIN}")
        shape = self.shapes.get(key)
        if shape is not None and tuple(latent.shape[1:]) != shape:
            raise LatentError(
                f"{self.path(key)} holds {tuple(latent.shape[1:])}, and the keyframe's latent is "
                f"{shape}; {PUT_RIGHT}{OR_MAKE_AGAIN}"
            )
        return latent

    def unfinished_path(self, key: str) -> Path:
        """Returns where the state of an unfinished keyframe is kept."""
        return self.folder / f"{key}.unfinished"

    def save_unfinished(self, key: str, state: Unfinished, arithmetic: Arithmetic) -> None:
        """Stores the state of a keyframe between two steps, atomically; raises FileError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.unfinished_path(key)
        note = {
            "format": UNFINISHED,
            "key": key,
            "index": state.index,
            "by": str(arithmetic),
            "sha256": state_digest(state),
        }
        metadata = {"render": json.dumps(note, sort_keys=True)}
        with atomic_write(path, through_link=False) as partial, file_errors(path):
            partial.write_bytes(save(state.tensors, metadata))

    def load_unfinished(self, key: str, arithmetic: Arithmetic) -> Unfinished | None:
        """Returns the state of a keyframe that was stopped between two steps; None if there is none
        that was computed as it will be, and is whole."""
        path = self.unfinished_path(key)
        try:
            if not is_whole(path):
                return None
            with safe_open(str(path), framework="pt") as file:
                note = json.loads((file.metadata() or {}).get("render", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            state = Unfinished(note["index"], tensors)
            right = {"format": UNFINISHED, "key": key, "by": str(arithmetic)}
            if {name: note.get(name) for name in right} != right or type(state.index) is not int:
                return None
            if note.get("sha256") != state_digest(state):
                return None
        except UNREADABLE:
            return None
        usable = all(
            tensor.dtype == torch.float32 and bool(torch.isfinite(tensor).all())
            for tensor in tensors.values()
        )
        return state if usable and "start" in tensors and state.index > 0 else None

    def forget_unfinished(self, key: str) -> None:
        """Removes the state of a keyframe whose latent is stored."""
        with suppress(OSError):
            self.unfinished_path(key).unlink()

    def arithmetic(self, key: str) -> Arithmetic | None:
        """Returns how the latent under a key was computed; None if its note does not say."""
        return parse_arithmetic(load_latent(self.path(key))[1].get("arithmetic"))

    def set_damaged_aside(self, keys: Iterable[str]) -> dict[str, str]:
        """Loads each latent once, and gives another name to each that cannot be used; returns their
        keys, each with the sentence about it. Raises LatentError for one that cannot be renamed."""
        damaged: dict[str, str] = {}
        for key in keys:
            path = self.path(key)
            try:
                self.load(key)
            except LatentError as error:
                if not path.is_file() and not path.is_symlink():
                    raise
                names = (path.with_name(f"{path.name}.damaged-{n}") for n in range(1, 10_000))
                aside = next(name for name in names if not os.path.lexists(name))
                try:
                    path.rename(aside)
                except OSError as refusal:
                    raise error from refusal
                reason = str(error).partition(";")[0]
                damaged[key] = f"{reason}. It is now {aside.name}, and its keyframe is made again"
        return damaged


def load_latent(path: Path) -> tuple[Tensor, dict[str, Any]]:
    """Returns the latent (1, C, h, w) float32 of a file and its note.

    Raises LatentError if the file is no latent that Render wrote, or was changed since. A note
    without a digest, as other tools and earlier versions write it, is accepted.
    """
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
        raise LatentError(f"{path} is no latent: its tensor is not float32 of shape (1, C, h, w)")
    if not latent.numel():
        raise LatentError(f"{path} is no latent: its tensor is empty; {PUT_RIGHT}")
    if not torch.isfinite(latent).all() or latent.abs().max() > LARGEST_VALUE:
        raise LatentError(f"{path} holds numbers that no latent has; {PUT_RIGHT}")
    digest = latent_digest(latent)
    if note.get("sha256", digest) != digest:
        raise LatentError(f"{path} was changed since Render wrote it; {PUT_RIGHT}")
    return latent, note


def state_digest(state: Unfinished) -> str:
    """Returns the SHA-256 of the state of an unfinished keyframe."""
    digest = hashlib.sha256(str(state.index).encode())
    for name, tensor in sorted(state.tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def latent_digest(latent: Tensor) -> str:
    """Returns the SHA-256 of a latent's numbers as they are stored in the file."""
    return hashlib.sha256(latent.numpy().data).hexdigest()
