"""Reads the tensors of published checkpoints without running any code in them.

A PyTorch checkpoint is a zip archive of raw tensor bytes and one pickle, and a pickle is a
program. The checkpoints of the official VQGANs contain pytorch-lightning objects, so
`torch.load(weights_only=True)` refuses them, and any other loader would run whatever they name.
This module reads the pickle with an unpickler that knows only tensors and plain containers. Every
other class becomes a placeholder that accepts all arguments and does nothing. OpenAI's CLIPs are
TorchScript archives, which are zip archives of the same kind; they are read the same way, and
their code is never loaded.

torch is imported only when a tensor is read.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import re
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from safetensors import SafetensorError, safe_open

from render.weights.catalog import ModelError

if TYPE_CHECKING:
    from torch import Tensor


class ElementType(NamedTuple):
    """An element type of tensors."""

    torch_name: str  # of the torch.dtype
    size: int  # bytes per element
    storage: str  # PyTorch's storage class in checkpoints


DTYPES = {  # by their names in safetensors
    "F64": ElementType("float64", 8, "DoubleStorage"),
    "F32": ElementType("float32", 4, "FloatStorage"),
    "F16": ElementType("float16", 2, "HalfStorage"),
    "BF16": ElementType("bfloat16", 2, "BFloat16Storage"),
    "I64": ElementType("int64", 8, "LongStorage"),
    "I32": ElementType("int32", 4, "IntStorage"),
    "I16": ElementType("int16", 2, "ShortStorage"),
    "I8": ElementType("int8", 1, "CharStorage"),
    "U8": ElementType("uint8", 1, "ByteStorage"),
    "BOOL": ElementType("bool", 1, "BoolStorage"),
}
_STORAGES = {element.storage: name for name, element in DTYPES.items()}
_PICKLE_LIMIT = 16 << 20  # bytes; the pickles of the official checkpoints are below 1 MB
_CLASS_LIMIT = 10_000  # unknown classes named by a pickle
_COPY_LIMIT = 10_000_000  # references that a pickle may have copied beyond those it writes itself
_ENTRY_LIMIT = 100_000  # files in a zip archive
_DEPTH_LIMIT = 64  # nesting of TorchScript modules


class _DamagedError(Exception):
    """The bytes of a checkpoint are inconsistent; the message completes a sentence."""


@dataclass(frozen=True)
class Entry:
    """A tensor in a file: its element type and shape, and how to read it."""

    dtype: str  # a name in DTYPES
    shape: tuple[int, ...]
    read: Callable[[], Tensor]


@contextlib.contextmanager
def open_tensors(path: Path) -> Iterator[dict[str, Entry]]:
    """Opens a checkpoint, a TorchScript archive or a safetensors file; gives its tensors by name.

    If a checkpoint has a "state_dict", its tensors are given, otherwise those at the top level. A
    tensor's bytes are read when `Entry.read` is called. No code in the file is run. Raises
    ModelError, also from `Entry.read` inside the `with` block.
    """
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
    """`open_tensors` for a safetensors file."""
    try:
        with safe_open(str(path), framework="pt") as file:
            entries = {}
            for name in file.keys():  # noqa: SIM118
                view = file.get_slice(name)
                dtype, shape = view.get_dtype(), tuple(view.get_shape())
                if dtype in DTYPES:
                    entries[name] = Entry(dtype, shape, partial(file.get_tensor, name))
            yield entries
    except SafetensorError as error:
        raise ModelError(f"{path} is not a whole safetensors file ({error})") from error


@contextlib.contextmanager
def _open_zip(path: Path) -> Iterator[dict[str, Entry]]:
    """`open_tensors` for a checkpoint or a TorchScript archive."""
    try:
        with contextlib.ExitStack() as stack:
            with _zip_errors():
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
                for name, lazy in _named_tensors(root)
            }
    except _DamagedError as error:
        raise ModelError(
            f"{path} is damaged or was cut off ({error}); download it again"
        ) from error


@contextlib.contextmanager
def _zip_errors() -> Iterator[None]:
    """Turns every exception that zipfile raises for a damaged archive into a _DamagedError."""
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
        zlib.error,
    ) as error:
        raise _DamagedError(str(error) or type(error).__name__) from error


def _check_archive(archive: zipfile.ZipFile, path: Path) -> str:
    """Returns the folder in the archive that contains the pickle.

    Raises ModelError for an archive that PyTorch would not write, _DamagedError or an error of
    zipfile for one that is damaged.
    """
    entries = archive.infolist()
    roots = [name[:-9] for name in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(roots) != 1 or len(entries) > _ENTRY_LIMIT:
        raise ModelError(f"{path} is a zip file but not a PyTorch checkpoint")
    if len(set(archive.namelist())) != len(entries):
        raise ModelError(f"{path} is not as PyTorch writes it: an entry is there twice")
    # An uncompressed entry cannot be larger than the file. (TorchScript's code is compressed, but
    # it is never read.)
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
        plain = order.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if not plain or order.flag_bits & 1:  # encrypted
            raise ModelError(f"{path} is not as PyTorch writes it: its byteorder cannot be read")
        if order.file_size > 16 or archive.read(order) != b"little":
            raise ModelError(f"{path} was written on a big-endian machine; that is not read")
    return roots[0]


class _StorageType:
    """Stands for a torch storage class in the unpickler. It cannot be called."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype


class _Storage:
    """A torch storage whose bytes have not been read: `count` elements in the entry `key`."""

    __slots__ = ("count", "dtype", "key")

    def __init__(self, dtype: str, key: str, count: int) -> None:
        self.dtype, self.key, self.count = dtype, key, count


class _LazyTensor:
    """A tensor whose bytes have not been read; `offset` and `stride` are in elements."""

    __slots__ = ("offset", "shape", "storage", "stride")

    def __init__(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride


class _RebuildTensor:
    """Replaces torch._utils._rebuild_tensor_v2 in the unpickler.

    It is an object without a __dict__ and not a function, because a pickle may set attributes of
    what it finds, and attributes of a function would persist.
    """

    __slots__ = ()

    def __call__(
        self, storage: Any, offset: Any, shape: Any, stride: Any, *others: Any
    ) -> _LazyTensor | _Placeholder:
        """Returns the lazy tensor, or a placeholder if the arguments describe none."""
        numbers = (offset, *shape, *stride)
        if not isinstance(storage, _Storage) or len(shape) != len(stride) or len(shape) > 16:
            return _Placeholder()
        if not all(type(number) is int and number >= 0 for number in numbers):
            return _Placeholder()
        return _LazyTensor(storage, offset, tuple(shape), tuple(stride))


class _RebuildParameter:
    """Replaces torch._utils._rebuild_parameter in the unpickler."""

    __slots__ = ()

    def __call__(self, data: Any, *others: Any) -> Any:
        """Returns the tensor that the parameter holds."""
        return data


class _Placeholder:
    """Stands for an object of an unknown class: accepts every call and item, and does nothing."""

    __slots__ = ("state",)
    state: Any

    def __new__(cls, *arguments: Any, **keywords: Any) -> _Placeholder:
        """Returns one, also for a pickle that never calls __init__."""
        made = super().__new__(cls)
        made.state = None
        return made

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


class _MakeOrderedDict:
    """Replaces collections.OrderedDict in the unpickler, which may be called with pairs only."""

    __slots__ = ()

    def __call__(self, pairs: Any = ()) -> OrderedDict[Any, Any]:
        """Returns the dictionary; raises UnpicklingError for a key that is slow to hash."""
        made: OrderedDict[Any, Any] = OrderedDict()
        for key, value in list(pairs):
            _check_key(key)
            made[key] = value
        return made


def _check_key(key: Any) -> None:
    """Raises UnpicklingError for a key whose hash may take for ever: a tuple of tuples of tuples
    that a pickle of a few hundred bytes can describe is hashed along every path."""
    if isinstance(key, tuple | frozenset):
        raise pickle.UnpicklingError("a key that is neither text nor a number")


# The pickle module's unpickler in Python, not the one in C: its memory grows with the content of
# the file and not with the sizes that the file claims.
_Unpickler: Any = pickle._Unpickler


class _TensorUnpickler(_Unpickler):  # type: ignore[misc]
    """Unpickles tensors as `_LazyTensor`, plain containers as themselves, all else as placeholders.

    It never imports a module and never calls anything from outside this module, except
    OrderedDict. What a few bytes of a pickle can make it do again and again is counted.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.unknown: dict[tuple[str, str], type[_Placeholder]] = {}
        self.copies_left = _COPY_LIMIT

    def load_build(self) -> None:
        """Keeps the state of a placeholder. Tensors, storages and dictionaries have no state that
        is needed, and a pickle that sets one of them means no good."""
        state = self.stack.pop()
        if isinstance(self.stack[-1], _Placeholder):
            self.stack[-1].state = state

    def load_setitem(self) -> None:
        """Sets one item of a dictionary."""
        _check_key(self.stack[-2])
        _Unpickler.load_setitem(self)

    def load_setitems(self) -> None:
        """Sets items of a dictionary."""
        for key in self.stack[::2]:
            _check_key(key)
        _Unpickler.load_setitems(self)

    def load_dict(self) -> None:
        """Makes a dictionary of items."""
        for key in self.stack[::2]:
            _check_key(key)
        _Unpickler.load_dict(self)

    def load_additems(self) -> None:
        """Adds items to a set."""
        for key in self.stack:
            _check_key(key)
        _Unpickler.load_additems(self)

    def load_frozenset(self) -> None:
        """Makes a frozen set of items."""
        for key in self.stack:
            _check_key(key)
        _Unpickler.load_frozenset(self)

    def load_reduce(self) -> None:
        """Calls what stands for a function with a tuple of arguments."""
        self.count_copies(self.stack[-1])
        _Unpickler.load_reduce(self)

    def load_newobj(self) -> None:
        """Makes an object with a tuple of arguments."""
        self.count_copies(self.stack[-1])
        _Unpickler.load_newobj(self)

    def load_newobj_ex(self) -> None:
        """Makes an object with a tuple and a dictionary of arguments."""
        self.count_copies(self.stack[-1], self.stack[-2])
        _Unpickler.load_newobj_ex(self)

    def count_copies(self, *arguments: Any) -> None:
        """Raises UnpicklingError where a pickle has the same long arguments copied too often."""
        for given in arguments:
            parts = given if isinstance(given, tuple) else (given,)
            for part in (given, *parts[:16]):
                if isinstance(part, tuple | list | dict | set | frozenset):
                    self.copies_left -= len(part)
        if self.copies_left < 0:
            raise pickle.UnpicklingError("too many copies")

    def find_class(self, module: str, name: str) -> Any:
        """Returns what stands for module.name. Nothing is imported."""
        if (module, name) == ("collections", "OrderedDict"):
            return _MakeOrderedDict()
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return _RebuildTensor()
        if module == "torch._utils" and name == "_rebuild_parameter":
            return _RebuildParameter()
        if module == "torch" and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        if len(self.unknown) > _CLASS_LIMIT:
            raise pickle.UnpicklingError("too many classes")
        # A separate class for each name, because a pickle may set attributes of a class it finds.
        new = type("_Unknown", (_Placeholder,), {"__slots__": ()})
        return self.unknown.setdefault((module, name), new)

    def persistent_load(self, pid: Any) -> Any:
        """Returns a storage for ("storage", class, entry in the archive, device, element count)."""
        if isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage":
            _, storage_type, key, _, count = pid
            if (
                isinstance(storage_type, _StorageType)
                and isinstance(key, str)
                and type(count) is int
            ):
                return _Storage(storage_type.dtype, key, count)
        return _Placeholder()


# How each code of a pickle is acted on: as Python's unpickler does, or by a method above. Without
# out-of-band buffers and lengths announced before the bytes; PyTorch writes neither.
_OWN = {
    pickle.BUILD: _TensorUnpickler.load_build,
    pickle.SETITEM: _TensorUnpickler.load_setitem,
    pickle.SETITEMS: _TensorUnpickler.load_setitems,
    pickle.DICT: _TensorUnpickler.load_dict,
    pickle.ADDITEMS: _TensorUnpickler.load_additems,
    pickle.FROZENSET: _TensorUnpickler.load_frozenset,
    pickle.REDUCE: _TensorUnpickler.load_reduce,
    pickle.NEWOBJ: _TensorUnpickler.load_newobj,
    pickle.NEWOBJ_EX: _TensorUnpickler.load_newobj_ex,
}
_WITHOUT = {pickle.BYTEARRAY8[0], pickle.NEXT_BUFFER[0], pickle.READONLY_BUFFER[0]}
_TensorUnpickler.dispatch = {
    code: act for code, act in _Unpickler.dispatch.items() if code not in _WITHOUT
} | {code[0]: act for code, act in _OWN.items()}


def _named_tensors(root: Any) -> Iterator[tuple[str, _LazyTensor]]:
    """Yields (name, tensor) for the unpickled object.

    It is a state dict, a dict that contains one under "state_dict", or a TorchScript module.
    """
    if isinstance(root, dict):
        state_dict = root.get("state_dict")
        for name, value in (state_dict if isinstance(state_dict, dict) else root).items():
            if isinstance(name, str) and isinstance(value, _LazyTensor):
                yield name, value
        return
    pending = [("", root, 0)]
    visited: set[int] = set()  # a module that contains itself has endless paths
    while pending:
        prefix, module, depth = pending.pop()
        state = module.state if isinstance(module, _Placeholder) else None
        if not isinstance(state, dict) or depth > _DEPTH_LIMIT or id(module) in visited:
            continue
        visited.add(id(module))
        for name, value in state.items():
            if isinstance(value, _LazyTensor):
                yield f"{prefix}{name}", value
            else:
                pending.append((f"{prefix}{name}.", value, depth + 1))


def _materialise(archive: zipfile.ZipFile, folder: str, lazy: _LazyTensor) -> Tensor:
    """Reads a tensor; raises _DamagedError if it does not fit its bytes."""
    import torch

    storage, element = lazy.storage, DTYPES[lazy.storage.dtype]
    dtype = getattr(torch, element.torch_name)
    try:
        entry = archive.getinfo(f"{folder}/data/{storage.key}")
    except KeyError:
        raise _DamagedError(f"the bytes {storage.key} of a tensor are missing") from None
    if entry.file_size != storage.count * element.size:
        raise _DamagedError(f"the bytes {storage.key} of a tensor are {entry.file_size} long")
    count, last = 1, lazy.offset
    for side, step in zip(lazy.shape, lazy.stride, strict=True):
        count *= side
        last += (side - 1) * step
    # The first comparison refuses strides of zero, with which few bytes make a large tensor.
    if count > storage.count or (count and last >= storage.count):
        raise _DamagedError(f"a tensor of shape {lazy.shape} is larger than its bytes")
    if not count:
        return torch.empty(lazy.shape, dtype=dtype)
    with _zip_errors():
        data = bytearray(archive.read(entry))
    # A tensor that covers its whole storage need not be copied.
    tensor = torch.frombuffer(data, dtype=dtype).as_strided(lazy.shape, lazy.stride, lazy.offset)
    whole = count == storage.count and tensor.is_contiguous()
    return tensor if whole else tensor.contiguous().clone()
