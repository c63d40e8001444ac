"""Reading checkpoints: every kind of tensor is read, and no code in the file is run."""

from __future__ import annotations

import argparse
import builtins
import io
import os
import pickle
import random
import subprocess
import sys
import types
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import Tensor, nn

from render.weights.catalog import ModelError
from render.weights.checkpoint import DTYPES, open_tensors


def same(left: Tensor, right: Tensor) -> bool:
    return left.dtype == right.dtype and left.shape == right.shape and torch.equal(left, right)


def read_tensors(path: Path, keep: Callable[[str], bool] = lambda name: True) -> dict[str, Tensor]:
    """All tensors of a file whose names `keep` accepts."""
    with open_tensors(path) as entries:
        return {name: entry.read() for name, entry in entries.items() if keep(name)}


def attempt(path: Path) -> tuple[dict[str, Tensor], str]:
    """(tensors, ""), or ({}, the error)."""
    try:
        return read_tensors(path), ""
    except ModelError as error:
        return {}, str(error)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_element_type_is_read(tmp_path: Path, dtype: str) -> None:
    tensor = (torch.arange(12).reshape(3, 4) % 2).to(getattr(torch, DTYPES[dtype].torch_name))
    assert tensor.element_size() == DTYPES[dtype].size
    torch.save({"a": tensor}, tmp_path / "a.ckpt")
    save_file({"a": tensor}, str(tmp_path / "a.safetensors"))
    for path in tmp_path.iterdir():
        assert same(read_tensors(path)["a"], tensor)
        with open_tensors(path) as entries:
            assert entries["a"].dtype == dtype


def test_views_scalars_and_shared_storages_are_read(tmp_path: Path) -> None:
    base = torch.arange(24.0)
    state = {
        "all": base,
        "slice": base[3:9],
        "transposed": base.reshape(4, 6).t(),
        "strided": base[::3],
        "scalar": torch.tensor(7),
        "empty": torch.empty(0, 3),
        "parameter": nn.Parameter(torch.ones(2)),
    }
    torch.save(state, tmp_path / "a.ckpt")
    tensors = read_tensors(tmp_path / "a.ckpt")
    assert set(tensors) == set(state)
    for name, tensor in state.items():
        assert same(tensors[name], tensor.detach()), name
        assert not tensors[name].requires_grad


def test_only_the_requested_tensors_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"a": torch.ones(2), "loss.b": torch.ones(3)}, tmp_path / "a.ckpt")
    read: list[str] = []
    plain = zipfile.ZipFile.read

    def watched(self: zipfile.ZipFile, name: Any, pwd: bytes | None = None) -> bytes:
        read.append(name if isinstance(name, str) else name.filename)
        return plain(self, name, pwd)

    monkeypatch.setattr(zipfile.ZipFile, "read", watched)
    tensors = read_tensors(tmp_path / "a.ckpt", lambda name: not name.startswith("loss."))
    assert set(tensors) == {"a"}
    assert [name for name in read if "/data/" in name] == ["a/data/0"]


def test_a_safetensors_file_reads_the_same_way(tmp_path: Path) -> None:
    state = {"a": torch.randn(2, 3), "b": torch.arange(4)}
    save_file(state, str(tmp_path / "a.safetensors"))
    tensors = read_tensors(tmp_path / "a.safetensors")
    assert all(same(tensors[name], state[name]) for name in state)
    with open_tensors(tmp_path / "a.safetensors") as entries:
        assert (entries["a"].dtype, entries["a"].shape) == ("F32", (2, 3))


def lightning_checkpoint(path: Path, state: dict[str, Tensor], monkeypatch: Any) -> None:
    """A checkpoint as pytorch-lightning 1.0 wrote it, with classes as keys and its own dicts."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    with monkeypatch.context() as patch:
        for part in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
            patch.setitem(sys.modules, part, types.ModuleType(part))
        callback = type("ModelCheckpoint", (), {"__module__": name})
        sys.modules[name].ModelCheckpoint = callback  # type: ignore[attr-defined]
        attributes = type("AttributeDict", (dict,), {"__module__": "pytorch_lightning"})
        sys.modules["pytorch_lightning"].AttributeDict = attributes  # type: ignore[attr-defined]
        checkpoint = {
            "epoch": 12,
            "global_step": 345_000,
            "pytorch-lightning_version": "1.0.8",
            "callbacks": {
                callback: {
                    "best_model_score": torch.tensor(0.5),
                    "best_model_path": Path("logs/last.ckpt"),
                    "callback": callback(),
                }
            },
            "optimizer_states": [
                {"state": {0: {"step": 1, "exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1}]}
            ],
            "lr_schedulers": [],
            "state_dict": OrderedDict(state),
            "hparams_name": "kwargs",
            "hyper_parameters": attributes(a=1, b=argparse.Namespace(c=2)),
        }
        torch.save(checkpoint, path)
    assert name not in sys.modules or not hasattr(sys.modules[name], "AttributeDict")


def test_a_lightning_checkpoint_is_read_without_lightning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"encoder.a": torch.randn(3), "loss.discriminator.b": torch.randn(2)}
    lightning_checkpoint(tmp_path / "last.ckpt", state, monkeypatch)
    with pytest.raises(pickle.UnpicklingError):  # the reason for our own unpickler
        torch.load(tmp_path / "last.ckpt", weights_only=True)
    before = set(sys.modules)
    tensors = read_tensors(tmp_path / "last.ckpt")
    assert set(tensors) == set(state)
    assert all(same(tensors[name], state[name]) for name in state)
    assert set(sys.modules) == before


def test_a_torchscript_clip_is_read_without_running_its_code(tmp_path: Path) -> None:
    clip = CLIP(
        embed_dim=8,
        vision_cfg={"image_size": 32, "layers": 2, "width": 16, "patch_size": 16, "head_width": 8},
        text_cfg={"context_length": 8, "vocab_size": 32, "width": 16, "heads": 2, "layers": 1},
    ).eval()
    inputs = (torch.zeros(1, 3, 32, 32), torch.zeros(1, 8, dtype=torch.long))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; OpenAI's files are not
        torch.jit.save(torch.jit.trace(clip, inputs, check_trace=False), str(tmp_path / "clip.pt"))
    tensors = read_tensors(tmp_path / "clip.pt")
    state = clip.state_dict()
    assert set(state) <= set(tensors)
    assert all(same(tensors[name], state[name]) for name in state)


class Reduced:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call

    def __call__(self) -> None:
        """Makes the object callable, which pickle requires of nested calls."""


MARK = "render-test-mark"
CALLS: list[str] = []


def call_me(*arguments: Any) -> str:
    CALLS.append("called")
    return "called"


def attacks(mark: Path) -> dict[str, Any]:
    command = f"{sys.executable} -c \"open(r'{mark}', 'w')\""
    code = f"open({str(mark)!r}, 'w')"
    inner = pickle.dumps(Reduced(os.system, command))
    return {
        "os.system": Reduced(os.system, command),
        "eval": Reduced(builtins.eval, code),
        "exec": Reduced(builtins.exec, code),
        "subprocess": Reduced(subprocess.check_call, [sys.executable, "-c", code]),
        "getattr of a module": Reduced(
            Reduced(getattr, Reduced(__import__, "os"), "system"), command
        ),
        "torch.load": Reduced(torch.load, str(mark.with_name("other.ckpt"))),
        "pickle in a pickle": Reduced(pickle.loads, inner),
        "torch.hub": Reduced(torch.hub.load, "owner/repository", "model"),
        "our own function": Reduced(call_me),
        "as a key": {Reduced(call_me): 1},
        "as arguments of a tensor": Reduced(
            torch._utils._rebuild_tensor_v2, Reduced(call_me), 0, (1,), (1,), False, OrderedDict()
        ),
        "in an ordered dict": Reduced(OrderedDict, [("a", Reduced(call_me))]),
    }


@pytest.mark.parametrize("name", attacks(Path("mark")))
def test_nothing_in_a_pickle_is_run(tmp_path: Path, name: str) -> None:
    mark = tmp_path / MARK
    attack = attacks(mark)[name]
    torch.save(Reduced(call_me), tmp_path / "other.ckpt")
    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": {"a": torch.ones(2)}, "callbacks": [attack, {"b": [attack]}]}, path)
    CALLS.clear()
    tensors = read_tensors(path)
    assert set(tensors) == {"a"}
    assert not mark.exists()
    assert not CALLS


def archive(path: Path, pickled: bytes, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/data.pkl", pickled)
        for name, data in entries.items():
            file.writestr(name.replace("__", "/"), data)
    return path


def test_a_pickle_cannot_change_the_stand_ins_for_torch(tmp_path: Path) -> None:
    # GLOBAL finds an object and BUILD sets its attributes; those of a function would persist.
    for module, name in (
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch", "FloatStorage"),
        ("collections", "OrderedDict"),
        ("os", "system"),
    ):
        state = pickle.dumps((None, {"__call__": 1, "update": 2, "__init__": 3}), protocol=2)
        evil = b"\x80\x02c" + f"{module}\n{name}\n".encode() + state[2:-1] + b"b."
        path = archive(tmp_path / f"{name}.ckpt", evil)
        found, problem = attempt(path)
        assert found == {}
        assert not problem or "does not read" in problem
    torch.save({"a": torch.ones(2)}, tmp_path / "good.ckpt")
    assert same(read_tensors(tmp_path / "good.ckpt")["a"], torch.ones(2))
    assert OrderedDict(a=1).update is not None


@pytest.mark.parametrize(
    "evil",
    [
        pytest.param(b"\x80\x02r\xff\xff\xff\x7f.", id="memo index of two thousand million"),
        pytest.param(b"\x80\x05\x96" + b"\xff" * 5 + b"\0\0\0.", id="bytearray of a terabyte"),
        pytest.param(b"\x80\x02(" * 10, id="marks without end"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x02X\xff\xff\xff\x7fabc.", id="string longer than the file"),
    ],
)
def test_a_pickle_cannot_claim_memory(tmp_path: Path, evil: bytes) -> None:
    with pytest.raises(ModelError, match="pickle does not read"):
        read_tensors(archive(tmp_path / "evil.ckpt", evil))


def nested_pairs(depth: int) -> bytes:
    """A tuple of two equal tuples of two equal tuples ...: 2^depth paths in 4 bytes each."""
    return b"N" + b"".join(b"2\x86" for _ in range(depth))


ORDERED = b"ccollections\nOrderedDict\n"
LONG = b"(" + b"K\x01" * 1000 + b"tq\x00"  # a tuple of 1000 numbers, in the memo
PAIRS = b"](" + b"K\x01K\x01\x86" * 1000 + b"e\x85q\x00"  # the arguments of a dictionary
BOMBS = {
    "key": b"\x80\x02}" + nested_pairs(128) + b"K\x01s.",
    "keys": b"\x80\x02}(" + nested_pairs(128) + b"K\x01u.",
    "dict": b"\x80\x02(" + nested_pairs(128) + b"K\x01d.",
    "set": b"\x80\x04\x8f(" + nested_pairs(128) + b"\x90.",
    "frozen set": b"\x80\x04(" + nested_pairs(128) + b"\x91.",
    "ordered": b"\x80\x02" + ORDERED + b"](" + nested_pairs(128) + b"K\x01\x86e\x85R.",
    "copies": b"\x80\x02" + ORDERED + b"q\x01" + PAIRS + b"R0" + b"h\x01h\x00R" * 20_000 + b".",
    "calls": b"\x80\x02" + LONG + b"0" + b"ca\nb\nq\x01h\x00R0" + b"h\x01h\x00R0" * 20_000 + b"N.",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", BOMBS)
def test_a_small_pickle_cannot_take_for_ever(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="pickle does not read"):
        read_tensors(archive(tmp_path / "a.ckpt", BOMBS[name]))


@pytest.mark.timeout(60)
def test_a_module_that_contains_itself_is_visited_once(tmp_path: Path) -> None:
    itself = b"\x80\x02ca\nb\n)\x81q\x00}(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00ub."
    assert read_tensors(archive(tmp_path / "a.ckpt", itself)) == {}


@pytest.mark.parametrize(
    "pickled",
    [b"(ia\nb\n.", b"ca\nb\n.", b"\x80\x02ca\nb\n)\x81.", b"(ca\nb\no.", b"N.", b"]."],
)
def test_a_pickle_of_other_objects_has_no_tensors(tmp_path: Path, pickled: bytes) -> None:
    assert read_tensors(archive(tmp_path / "a.ckpt", pickled)) == {}


@pytest.mark.parametrize(
    "slots", [{"offset": -5}, {"stride": "text"}, {"shape": (1.5,)}, {"storage": 3}]
)
def test_a_pickle_cannot_change_a_tensor_after_it_was_checked(
    tmp_path: Path, slots: dict[str, Any]
) -> None:
    whole = tensor_pickle(FOUR, 0, (4,), (1,))
    state = pickle.dumps((None, slots), protocol=2)[2:-1]
    built = whole.replace(b"R", b"R" + state + b"b", 1) if b"R" in whole else whole
    path = archive(tmp_path / "a.ckpt", built, a__data__0=bytes(16))
    assert read_tensors(path)["a"].shape == (4,)


def test_too_many_classes_are_refused(tmp_path: Path) -> None:
    evil = b"\x80\x02" + b"".join(b"cm\n%d\n0" % number for number in range(20_000)) + b"N."
    with pytest.raises(ModelError, match="pickle does not read"):
        read_tensors(archive(tmp_path / "evil.ckpt", evil))


def tensor_pickle(storage: tuple[Any, ...], offset: Any, shape: Any, stride: Any) -> bytes:
    """The pickle of {"a": a tensor with these numbers}, which may be invalid."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, found: Any) -> Any:
            return found.pid if isinstance(found, Stored) else None

    class Stored:
        pid = storage

    buffer = io.BytesIO()
    arguments = (Stored(), offset, shape, stride, False, OrderedDict())
    tensor = Reduced(torch._utils._rebuild_tensor_v2, *arguments)
    Pickler(buffer, protocol=2).dump({"a": tensor})
    return buffer.getvalue()


FOUR = ("storage", torch.FloatStorage, "0", "cpu", 4)


@pytest.mark.parametrize(
    ("storage", "offset", "shape", "stride"),
    [
        pytest.param(FOUR, 0, (5,), (1,), id="longer than its bytes"),
        pytest.param(FOUR, 2, (3,), (1,), id="beyond its bytes"),
        pytest.param(FOUR, 0, (2, 2), (3, 1), id="steps beyond its bytes"),
        pytest.param(FOUR, 0, (1 << 40,), (0,), id="a terabyte by steps of zero"),
        pytest.param(("storage", torch.FloatStorage, "0", "cpu", 5), 0, (4,), (1,), id="count"),
        pytest.param(("storage", torch.DoubleStorage, "0", "cpu", 4), 0, (4,), (1,), id="dtype"),
        pytest.param(("storage", torch.FloatStorage, "1", "cpu", 4), 0, (4,), (1,), id="missing"),
        pytest.param(("storage", torch.FloatStorage, "../x", "", 4), 0, (4,), (1,), id="a path"),
    ],
)
def test_a_tensor_that_does_not_fit_its_bytes_is_refused(
    tmp_path: Path, storage: Any, offset: int, shape: Any, stride: Any
) -> None:
    pickled = tensor_pickle(storage, offset, shape, stride)
    path = archive(tmp_path / "a.ckpt", pickled, a__data__0=bytes(16))
    with pytest.raises(ModelError, match="damaged or was cut off"):
        read_tensors(path)


@pytest.mark.parametrize("shape", [("a",), (-1,), (2.5,), (1,) * 17], ids=str)
def test_a_tensor_with_an_invalid_shape_is_left_out(tmp_path: Path, shape: Any) -> None:
    pickled = tensor_pickle(FOUR, 0, shape, (1,) * len(shape))
    path = archive(tmp_path / "a.ckpt", pickled, a__data__0=bytes(16))
    assert read_tensors(path) == {}


def test_compressed_entries_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/data.pkl", tensor_pickle(FOUR, 0, (4,), (1,)))
        file.writestr("a/data/0", bytes(1 << 20))
    with pytest.raises(ModelError, match="not plain bytes"):
        read_tensors(path)


def test_files_that_are_not_checkpoints_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    with pytest.raises(ModelError, match="cannot be read"):
        read_tensors(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_tensors(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="is empty"):
        read_tensors(path)
    path.write_bytes(b"<!doctype html>" * 100)
    with pytest.raises(ModelError, match="not a PyTorch checkpoint"):
        read_tensors(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(ModelError, match="a zip file but not"):
        read_tensors(path)
    torch.save({"a": torch.ones(1)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match=r"before version 1\.6"):
        read_tensors(path)
    path.write_bytes(b"\x10\0\0\0\0\0\0\0{" + b"x" * 100)
    with pytest.raises(ModelError, match="safetensors"):
        read_tensors(path)


def test_a_file_damaged_anywhere_is_reported(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.arange(30.0), "b": torch.ones(2, 3)}}, tmp_path / "good")
    whole = (tmp_path / "good").read_bytes()
    path = tmp_path / "bad.ckpt"
    draw = random.Random(0)
    for case in range(300):
        data = bytearray(whole)
        if case % 3:
            for _ in range(draw.randint(1, 4)):
                data[draw.randrange(len(data))] = draw.randrange(256)
        else:
            del data[draw.randrange(len(data)) :]
        path.write_bytes(data)
        found, problem = attempt(path)
        assert not problem or str(path) in problem
        assert all(tensor.numel() <= 60 for tensor in found.values())
