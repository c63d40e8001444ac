"""Read the tensors of published checkpoints without running anything in them.

A PyTorch checkpoint is a zip of raw tensor bytes and one pickle, and a pickle is a program.
The official VQGANs' hold pytorch-lightning objects, so `torch.load(weights_only=True)` refuses
them, and anything else would run whatever they name. Here the pickle is read by an unpickler
that knows only tensors and plain containers; every other class it names becomes a placeholder
that takes what it is given and does nothing. OpenAI's CLIPs are TorchScript archives, zips of
the same kind, and are read the same way: their code is never loaded.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from render.weights.catalog import ModelError

DTYPES = {  # dtype: name in safetensors
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_PICKLE_LIMIT = 16 << 20  # bytes; those of the official checkpoints have less than 1 MB
_CLASS_LIMIT = 10_000
_ENTRY_LIMIT = 100_000
_DEPTH_LIMIT = 64  # of modules within modules


class _DamagedError(Exception):
    """The bytes of a checkpoint do not fit together."""


class _Kind:
    """Stands for a torch storage class; callable by nobody."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class _Storage:
    """Bytes in the archive that have not been read."""

    __slots__ = ("count", "dtype", "key")

    def __init__(self, dtype: torch.dtype, key: str, count: int) -> None:
        self.dtype, self.key, self.count = dtype, key, count


class _Lazy:
    """A tensor that has not been read."""

    __slots__ = ("offset", "shape", "storage", "stride")

    def __init__(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride


class _RebuildTensor:
    """In place of torch._utils._rebuild_tensor_v2. An object without a __dict__, not a function:
    a pickle may set attributes of what it finds, and of a function that would last."""

    __slots__ = ()

    def __call__(
        self, storage: Any, offset: Any, shape: Any, stride: Any, *others: Any
    ) -> _Lazy | _Placeholder:
        numbers = (offset, *shape, *stride)
        if not isinstance(storage, _Storage) or len(shape) != len(stride) or len(shape) > 16:
            return _Placeholder()
        if not all(type(number) is int and number >= 0 for number in numbers):
            return _Placeholder()
        return _Lazy(storage, offset, tuple(shape), tuple(stride))


class _RebuildParameter:
    """In place of torch._utils._rebuild_parameter."""

    __slots__ = ()

    def __call__(self, data: Any, *others: Any) -> Any:
        return data


class _Placeholder:
    """Stands for an object of any class that is not known here: takes everything, does nothing."""

    __slots__ = ("state",)

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __call__(self, *arguments: Any, **keywords: Any) -> _Placeholder:
        return _Placeholder()

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    def extend(self, values: Any) -> None:
        pass

    def add(self, value: Any) -> None:
        pass


# The pickle module's own unpickler in Python, not the one in C: its memory grows with what is
# in the file and not with the numbers that the file claims.
_Unpickler: Any = pickle._Unpickler


class _TensorUnpickler(_Unpickler):  # type: ignore[misc]
    """Unpickles tensors as `_Lazy`, plain containers as themselves, all else as placeholders."""

    # Buffers out of the stream and lengths announced before the bytes: PyTorch writes neither.
    dispatch = {  # noqa: RUF012
        code: act
        for code, act in _Unpickler.dispatch.items()
        if code not in (pickle.BYTEARRAY8[0], pickle.NEXT_BUFFER[0], pickle.READONLY_BUFFER[0])
    }

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.unknown: dict[tuple[str, str], type[_Placeholder]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What stands for module.name; nothing is ever imported."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return _RebuildTensor()
        if module == "torch._utils" and name == "_rebuild_parameter":
            return _RebuildParameter()
        if module == "torch" and name in _STORAGES:
            return _Kind(_STORAGES[name])
        if len(self.unknown) > _CLASS_LIMIT:
            raise pickle.UnpicklingError("too many classes")
        # A class of its own: a pickle may set attributes of a class it has found.
        new = type("_Unknown", (_Placeholder,), {"__slots__": ()})
        return self.unknown.setdefault((module, name), new)

    def persistent_load(self, pid: Any) -> Any:
        """A storage: ("storage", its class, its entry in the zip, its device, its length)."""
        if isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage":
            _, kind, key, _, count = pid
            if isinstance(kind, _Kind) and isinstance(key, str) and type(count) is int:
                return _Storage(kind.dtype, key, count)
        return _Placeholder()


@dataclass(frozen=True)
class Entry:
    """A tensor in a file: what it is, and how to read it."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def read_tensors(path: Path, keep: Callable[[str], bool] = lambda name: True) -> dict[str, Tensor]:
    """The tensors of a checkpoint, a TorchScript archive or a safetensors file, by their names.

    Of a checkpoint those in its "state_dict" if it has one. Only the tensors whose name `keep`
    accepts are read. No code in the file is run. Raises ModelError.
    """
    with open_tensors(path) as entries:
        return {name: entry.read() for name, entry in entries.items() if keep(name)}


@contextlib.contextmanager
def open_tensors(path: Path) -> Iterator[dict[str, Entry]]:
    """As `read_tensors`, but each tensor is read when it is asked for. Raises ModelError."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror or error})") from error
    if start[:4] == b"PK\x03\x04":
        with _open_zip(path) as entries:
            yield entries
    elif start[8:9] == b"{":
        with _open_safetensors(path) as entries:
            yield entries
    elif start[257:262] == b"ustar" or start[:1] == b"\x80":
        raise ModelError(
            f"{path} is in the format that PyTorch wrote before version 1.6, which cannot be read "
            "without running it. If you trust it, load it in PyTorch and save it again"
        )
    else:
        what = "is not a PyTorch checkpoint" if start else "is empty"
        raise ModelError(f"{path} {what}; download it again")


@contextlib.contextmanager
def _open_safetensors(path: Path) -> Iterator[dict[str, Entry]]:
    dtypes = {name: dtype for dtype, name in DTYPES.items()}
    try:
        with safe_open(str(path), framework="pt") as file:
            entries = {}
            for name in file.keys():  # noqa: SIM118
                about = file.get_slice(name)
                if about.get_dtype() in dtypes:
                    dtype, shape = dtypes[about.get_dtype()], tuple(about.get_shape())
                    entries[name] = Entry(dtype, shape, partial(file.get_tensor, name))
            yield entries
    except SafetensorError as error:
        raise ModelError(f"{path} is not a whole safetensors file ({error})") from error


@contextlib.contextmanager
def _open_zip(path: Path) -> Iterator[dict[str, Entry]]:
    try:
        with contextlib.ExitStack() as stack:
            with _damaged():
                archive = stack.enter_context(zipfile.ZipFile(path))
                folder = _check_archive(archive, path)
                pickled = archive.read(f"{folder}/data.pkl")
            try:
                root = _TensorUnpickler(pickled).load()
            except Exception as error:  # a damaged pickle can fail in any way
                raise ModelError(f"{path} is damaged: its pickle does not read") from error
            yield {
                name: Entry(
                    lazy.storage.dtype, lazy.shape, partial(_materialise, archive, folder, lazy)
                )
                for name, lazy in _tensors(root)
            }
    except _DamagedError as error:
        raise ModelError(
            f"{path} is damaged or was cut off ({error}); download it again"
        ) from error


@contextlib.contextmanager
def _damaged() -> Iterator[None]:
    """Everything with which zipfile greets a damaged archive, as one."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        EOFError,
        NotImplementedError,
        OverflowError,
        OSError,
        ValueError,
        struct.error,
    ) as error:
        raise _DamagedError(str(error) or type(error).__name__) from error


def _check_archive(archive: zipfile.ZipFile, path: Path) -> str:
    """The folder in the archive that holds the pickle; what PyTorch never writes is refused."""
    entries = archive.infolist()
    roots = [name[:-9] for name in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(roots) != 1 or len(entries) > _ENTRY_LIMIT:
        raise ModelError(f"{path} is a zip file but not a PyTorch checkpoint")
    if len(set(archive.namelist())) != len(entries):
        raise ModelError(f"{path} is not as PyTorch writes it: an entry is there twice")
    # Stored as it is, an entry cannot hold more than the file does. (TorchScript's code, which
    # is never read, is compressed.)
    pickled, raw = f"{roots[0]}/data.pkl", f"{roots[0]}/data/"
    read = [entry for entry in entries if entry.filename.startswith((pickled, raw))]
    if any(
        entry.compress_type != zipfile.ZIP_STORED
        or entry.file_size != entry.compress_size
        or entry.flag_bits & 1  # encrypted
        for entry in read
    ):
        raise ModelError(f"{path} is not as PyTorch writes it: its tensors are not plain bytes")
    if sum(entry.file_size for entry in read) > path.stat().st_size:
        raise ModelError(f"{path} is not as PyTorch writes it: its tensors overlap")
    if archive.getinfo(pickled).file_size > _PICKLE_LIMIT:
        raise ModelError(f"{path} is not a checkpoint of tensors: its pickle is too large")
    with contextlib.suppress(KeyError):
        order = archive.getinfo(f"{roots[0]}/byteorder")
        if order.file_size > 16 or archive.read(order) != b"little":
            raise ModelError(f"{path} was written on a big-endian machine; that is not read")
    return roots[0]


def _tensors(root: Any) -> Iterator[tuple[str, _Lazy]]:
    """(name, tensor) of what was unpickled: a state dict, one inside, or a TorchScript module."""
    if isinstance(root, dict):
        inside = root.get("state_dict")
        for name, value in (inside if isinstance(inside, dict) else root).items():
            if isinstance(name, str) and isinstance(value, _Lazy):
                yield name, value
        return
    waiting = [("", root, 0)]
    while waiting:
        prefix, module, depth = waiting.pop()
        state = module.state if isinstance(module, _Placeholder) else None
        if not isinstance(state, dict) or depth > _DEPTH_LIMIT:
            continue
        for name, value in state.items():
            if isinstance(value, _Lazy):
                yield f"{prefix}{name}", value
            else:
                waiting.append((f"{prefix}{name}.", value, depth + 1))


def _materialise(archive: zipfile.ZipFile, prefix: str, lazy: _Lazy) -> Tensor:
    """The tensor itself; _DamagedError if it does not fit its bytes."""
    storage, size = lazy.storage, torch.empty(0, dtype=lazy.storage.dtype).element_size()
    try:
        entry = archive.getinfo(f"{prefix}/data/{storage.key}")
    except KeyError:
        raise _DamagedError(f"the bytes {storage.key} of a tensor are missing") from None
    if entry.file_size != storage.count * size:
        raise _DamagedError(f"the bytes {storage.key} of a tensor are {entry.file_size} long")
    count, last = 1, lazy.offset
    for side, step in zip(lazy.shape, lazy.stride, strict=True):
        count *= side
        last += (side - 1) * step
    # A step of zero would make much out of little.
    if count > storage.count or (count and last >= storage.count):
        raise _DamagedError(f"a tensor of shape {lazy.shape} is larger than its bytes")
    if not count:
        return torch.empty(lazy.shape, dtype=storage.dtype)
    with _damaged():
        data = bytearray(archive.read(entry))
    flat = torch.frombuffer(data, dtype=storage.dtype)
    # A tensor that is all of its storage need not be copied.
    tensor = flat.as_strided(lazy.shape, lazy.stride, lazy.offset)
    return (
        tensor if count == storage.count and tensor.is_contiguous() else tensor.contiguous().clone()
    )
