"""The table of models, where their weights are, and how they are installed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from checkpoint_files import CONFIG, YAML, checkpoint, taming_state
from download_server import Server
from safetensors.torch import save_file

from render.weights import install, library
from render.weights.catalog import GENERATORS, PERCEPTORS, Model, ModelError
from render.weights.download import DownloadError
from render.weights.kinds import kind_of
from render.weights.vocabulary import names_things

ROWS = [*GENERATORS.values(), *PERCEPTORS.values()]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "models"))
    yield tmp_path
    assert not list(tmp_path.glob("models/*.partial"))


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A checkpoint as it is published."""
    return checkpoint(tmp_path / "last.ckpt", taming_state())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def row(published: Path, *urls: str, pinned: bool = True) -> Model:
    return Model(
        name="tiny-f2",
        role="generator",
        config=CONFIG,
        licence="MIT",
        note="",
        urls=urls,
        size=published.stat().st_size if pinned else None,
        sha256=sha256(published) if pinned else None,
        factor=2,
        channels=8,
    )


def quiet(done: int, total: int) -> None:
    pass


def flip_byte(path: Path, keep_time: bool = True) -> None:
    """Flips one bit in the last byte of a file; a second call restores it."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("model", ROWS, ids=lambda model: f"{model.role} {model.name}")
def test_every_row_is_complete(model: Model) -> None:
    table = GENERATORS if model.role == "generator" else PERCEPTORS
    assert table[model.name] is model
    assert model.licence
    assert model.note
    if not model.has_weights:
        assert not model.embedded
        assert not model.urls
        assert set(model.config) == set(kind_of(model).parameters)
        return
    assert model.digest_source
    assert bool(model.embedded) != bool(model.urls)
    assert model.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", model.sha256)
    for url in model.urls:
        parts = urlsplit(url)
        # Without a digest, only https says whose file it is.
        assert parts.scheme == "https" or (parts.scheme == "http" and model.sha256)
    if model.sha256 is None and not model.embedded:
        assert "no document gives its SHA-256" in model.digest_source
    if model.role == "generator":
        assert model.factor in (8, 16)
        assert model.channels > 0
        assert model.gflop_per_megapixel > 0
    else:
        assert model.input_size > 0
        assert model.gflop_per_cutout > 0


def test_the_table_has_the_usual_models() -> None:
    assert {"starter", "vqgan-imagenet-f16-1024", "vqgan-imagenet-f16-16384", "vqgan-coco"} <= set(
        GENERATORS
    )
    assert {"vqgan-openimages-f8-gumbel", "vqgan-wikiart-f16-16384", "vqgan-faceshq"} <= set(
        GENERATORS
    )
    assert {"starter", "ViT-B/32", "ViT-B/16", "RN50", "ViT-L/14"} <= set(PERCEPTORS)
    assert {"ViT-B/32-laion2b", "ViT-B/16-laion2b", "ViT-L/14-laion2b", "ViT-H/14-laion2b"} <= set(
        PERCEPTORS
    )
    files = [library.weights_file(model) for model in ROWS]
    assert len({str(path).lower() for path in files}) == len(files)


@pytest.mark.parametrize(
    "model",
    [GENERATORS["starter"], PERCEPTORS["starter"], PERCEPTORS["starter-objects"]],
    ids=lambda model: f"{model.role} {model.name}",
)
def test_the_starter_rows_agree_with_the_files(model: Model) -> None:
    path = library.require_weights(model)
    header = library.weights_metadata(path)
    config = json.loads(header["config"])
    kind = "classifier" if model.is_classifier else model.role
    assert header["format"] == f"render.{kind}.1"
    if model.role == "generator":
        assert model.factor == 2 ** (len(config["ddconfig"]["ch_mult"]) - 1)
        assert model.channels == config["embed_dim"]
    elif model.is_classifier:
        assert model.input_size == config["image_size"]
        assert names_things(model, "a lighthouse")
        assert not names_things(model, "an orange sunset")
    else:
        assert model.input_size == config["vision_cfg"]["image_size"]
    began = time.perf_counter()
    assert library.weights_digest(model) == sha256(path)
    assert time.perf_counter() - began < 1


def test_the_folder_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert library.models_folder() == tmp_path / "models"
    monkeypatch.delenv("RENDER_MODELS")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert library.models_folder() == tmp_path / "cache" / "render" / "models"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert library.models_folder() == Path.home() / ".cache" / "render" / "models"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert library.models_folder() == Path.home() / "Library" / "Caches" / "render" / "models"


def test_absent_weights_say_how_to_get_them() -> None:
    model = GENERATORS["vqgan-coco"]
    assert library.weights_path(model) is None
    with pytest.raises(ModelError, match="run `render models get vqgan-coco`"):
        library.require_weights(model)
    with pytest.raises(ModelError, match="run `render models get vqgan-coco`"):
        library.weights_digest(model)
    assert library.find_model("VIT-b/32") is PERCEPTORS["ViT-B/32"]
    with pytest.raises(ModelError, match=r"did you mean vqgan-coco\?"):
        library.find_model("vqgan-cocoa")


def test_the_listing_has_every_model() -> None:
    lines = {(line.role, line.name): line for line in library.list_models()}
    assert len(lines) == len(ROWS)
    assert lines["generator", "vqgan-coco"].where == "not here"
    assert lines["generator", "vqgan-coco"].digest == "pinned"
    assert lines["generator", "vqgan-coco"].size == 296_030_214
    unpinned = lines["generator", "vqgan-imagenet-f16-1024"]
    assert unpinned.digest == "recorded at first download"


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "not pinned"])
def test_a_download_is_converted_recorded_and_found(
    server: Server,
    published: Path,
    pinned: bool,
) -> None:
    server.behaviour.data = published.read_bytes()
    model = row(published, server.url, pinned=pinned)
    reports: list[tuple[int, int]] = []
    path = install.install_model(model, lambda *numbers: reports.append(numbers))
    assert path == library.weights_path(model) == library.models_folder() / "tiny-f2.safetensors"
    assert reports[-1] == (len(server.behaviour.data), len(server.behaviour.data))
    assert library.weights_metadata(path)["source_sha256"] == sha256(published)
    assert library.weights_digest(model) == sha256(path)
    names = sorted(file.name for file in library.models_folder().iterdir())
    assert names == ["tiny-f2.safetensors", "tiny-f2.sha256"]
    server.behaviour.status = 500  # installed, so nothing is requested
    assert install.install_model(model, quiet) == path


def test_sha256sum_can_read_the_record(published: Path) -> None:
    path = install.install_model(row(published), quiet, published)
    first = path.with_suffix(".sha256").read_text().splitlines()[0]
    assert first == f"{sha256(path)}  tiny-f2.safetensors"


def test_the_first_digest_is_recorded_and_checked(
    server: Server,
    published: Path,
    tmp_path: Path,
) -> None:
    server.behaviour.data = published.read_bytes()
    model = row(published, server.url, pinned=False)
    path = install.install_model(model, quiet)
    path.unlink()
    other = checkpoint(tmp_path / "other.ckpt", {**taming_state(), "more": torch.ones(1)})
    server.behaviour.data = other.read_bytes()
    with pytest.raises(DownloadError, match="has another file: its SHA-256 is"):
        install.install_model(model, quiet)
    with pytest.raises(ModelError, match="is not the published file of tiny-f2: its SHA-256"):
        install.install_model(model, quiet, other)
    assert library.weights_path(model) is None
    server.behaviour.data = published.read_bytes()
    assert install.install_model(model, quiet) == path


def test_weights_that_change_on_the_disk_are_noticed(published: Path) -> None:
    model = row(published)
    path = install.install_model(model, quiet, published)
    digest = library.weights_digest(model)
    flip_byte(path)
    with pytest.raises(ModelError, match="is damaged"):
        library.verify_weights(model)
    with pytest.raises(ModelError, match="is damaged"):
        install.install_model(model, quiet)
    flip_byte(path)  # restores it
    library.verify_weights(model)
    flip_byte(path, keep_time=False)
    with pytest.raises(ModelError, match="not the file that was recorded"):
        library.weights_digest(model)
    flip_byte(path, keep_time=False)
    assert library.weights_digest(model) == digest


def test_offline_the_error_says_how_to_install_by_hand(published: Path) -> None:
    model = row(published, "http://127.0.0.1:9/a.ckpt", "http://127.0.0.1:9/b.ckpt")
    with pytest.raises(DownloadError) as caught:
        install.install_model(model, quiet, timeout=1)
    said = str(caught.value)
    assert "127.0.0.1:9 does not answer" in said
    assert "    http://127.0.0.1:9/a.ckpt\n    http://127.0.0.1:9/b.ckpt" in said
    assert f"SHA-256 {model.sha256}" in said
    assert "render models get tiny-f2 --from FILE" in said
    assert str(library.models_folder()) in said


def test_a_web_page_in_place_of_a_checkpoint_is_not_recorded(
    server: Server,
    published: Path,
) -> None:
    server.behaviour.data = b"<html>gone</html>" * 100  # with the content type of a file
    model = row(published, server.url, pinned=False)
    with pytest.raises(ModelError, match="not a PyTorch checkpoint"):
        install.install_model(model, quiet)
    assert list(library.models_folder().iterdir()) == []


def test_a_full_disk_while_converting_keeps_the_download(
    server: Server,
    published: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    server.behaviour.data = published.read_bytes()
    model = row(published, server.url, pinned=False)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        with pytest.raises(DownloadError, match="the disk is full"):
            install.install_model(model, quiet)
    server.behaviour.requested.clear()
    install.install_model(model, quiet)
    assert server.behaviour.requested == [f"bytes={len(server.behaviour.data)}-"]


def test_a_disk_without_room_is_reported_before_the_download(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(install.shutil, "disk_usage", lambda path: full)
    with pytest.raises(DownloadError, match="MB free; make room"):
        install.install_model(replace(row(published, "https://nowhere"), size=5_000_000), quiet)


def test_a_models_folder_that_cannot_be_read_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / ("n" * 300)))  # longer than a name may be
    with pytest.raises(ModelError, match=r"cannot be read: .*RENDER_MODELS$"):
        library.models_by_role()
    if os.name == "posix" and os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0)
        monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "locked" / "models"))
        with pytest.raises(ModelError, match=r"cannot be read: Permission denied"):
            library.models_by_role()


def test_a_folder_that_is_not_writable_is_reported(
    published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(DownloadError, match="could not be written"):
        install.install_model(row(published), quiet, published)
    if os.name == "posix" and os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "locked" / "models"))
        with pytest.raises(DownloadError, match="not writable; choose another folder"):
            install.install_model(row(published), quiet, published)


def test_installing_from_a_file_does_not_change_it(published: Path, tmp_path: Path) -> None:
    model, before = row(published), published.read_bytes()
    path = install.install_model(model, quiet, published)
    assert published.read_bytes() == before
    # The weights file of another machine can be installed too.
    elsewhere = tmp_path / "stick.safetensors"
    path.rename(elsewhere)
    path.with_suffix(".sha256").unlink()
    assert install.install_model(model, quiet, elsewhere).read_bytes() == elsewhere.read_bytes()
    assert library.weights_digest(model) == sha256(elsewhere)


def test_another_file_than_the_published_is_refused(published: Path, tmp_path: Path) -> None:
    model = row(published)
    path = install.install_model(model, quiet, published)
    with pytest.raises(ModelError, match="is not there"):
        install.install_model(model, quiet, tmp_path / "nothing.ckpt")
    with pytest.raises(ModelError, match="is a folder"):
        install.install_model(model, quiet, tmp_path)
    short = tmp_path / "short.ckpt"
    short.write_bytes(published.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"it has [\d,]+ bytes, not"):
        install.install_model(model, quiet, short)
    flip_byte(published)
    with pytest.raises(ModelError, match="its SHA-256 is"):
        install.install_model(model, quiet, published)
    with pytest.raises(ModelError, match="was not made from the published file"):
        install.install_model(replace(model, name="b", sha256="0" * 64), quiet, path)
    with pytest.raises(ModelError, match="a generator of another shape"):
        install.install_model(
            replace(model, name="b", config={**CONFIG, "n_embed": 1}), quiet, path
        )
    with pytest.raises(ModelError, match="is not a perceptor that Render wrote"):
        install.install_model(replace(PERCEPTORS["RN50"], sha256=None, size=None), quiet, path)


def test_weights_copied_into_the_folder_are_checked(published: Path) -> None:
    model = row(published)
    path = install.install_model(model, quiet, published)
    path.with_suffix(".sha256").unlink()
    assert library.weights_digest(model) == sha256(path)
    assert path.with_suffix(".sha256").exists()
    path.with_suffix(".sha256").unlink()
    with pytest.raises(ModelError, match="was not made from the published file"):
        library.weights_digest(replace(model, sha256="0" * 64))
    path.write_bytes(b"not a safetensors file")
    with pytest.raises(ModelError, match="not a safetensors file"):
        library.weights_digest(model)


def test_a_user_can_add_a_vqgan(published: Path, tmp_path: Path) -> None:
    from render.weights.convert import read_config

    yaml = tmp_path / "model.yaml"
    yaml.write_text(YAML.format(target="VQModel"))
    path = install.add_own_model("my-vqgan", published, read_config(yaml))
    model = library.known_models("generator")["my-vqgan"]
    assert (model.factor, model.channels, model.config) == (2, 8, CONFIG)
    assert model.gflop_per_megapixel > 0
    assert library.weights_path(model) == path
    assert library.weights_digest(model) == sha256(path)
    assert library.find_model("my-vqgan") == model
    assert "my-vqgan" in {line.name for line in library.list_models()}
    assert "my-vqgan" not in library.known_models("perceptor")
    (library.models_folder() / "stray.safetensors").write_bytes(b"junk")
    text = b'{"__metadata__":{"format":"render.generator.1","config":"{}"}}'
    (library.models_folder() / "odd.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text
    )
    assert set(library.known_models("generator")) == {*GENERATORS, "my-vqgan"}
    assert install.add_own_model("again.v2", path, None).exists()
    path.unlink()
    with pytest.raises(ModelError, match="there is no model named my-vqgan"):
        library.find_model("my-vqgan")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("vqgan-coco", "of Render's own table"),
        ("VQGAN-COCO", "of Render's own table"),
        ("starter", "of Render's own table"),
        ("ViT-B-32", "of Render's own table"),
        ("../up", "cannot be a name"),
        ("", "cannot be a name"),
        ("a b", "cannot be a name"),
        ("new", "give the config that came with it, --config FILE.yaml for a VQGAN"),
    ],
)
def test_unusable_names_are_refused(published: Path, name: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        install.add_own_model(name, published, None if name == "new" else CONFIG)


def test_an_unknown_role_is_refused(tmp_path: Path) -> None:
    source = untrusted_weights(tmp_path / "gift.safetensors", CONFIG, "classifier")
    with pytest.raises(ModelError, match="its shape is not known"):
        install.add_own_model("gift", source, None)


def untrusted_weights(path: Path, config: Any, role: str = "generator") -> Path:
    """A safetensors file that claims to be Render's, with this config in its header."""
    text = config if isinstance(config, str) else json.dumps(config)
    save_file({"x": torch.zeros(1)}, path, {"format": f"render.{role}.1", "config": text})
    return path


def with_option(name: str, value: Any) -> dict[str, Any]:
    return {**CONFIG, "ddconfig": {**CONFIG["ddconfig"], name: value}}


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (with_option("ch", 10**9), "ddconfig.ch is 1000000000, and should be"),
        (with_option("ch", "32"), "ddconfig.ch is '32', and should be"),
        (with_option("ch", 10**400), "ddconfig.ch is something else, and should be"),
        (with_option("ch", None), "ddconfig.ch is None"),
        (with_option("ch_mult", [1] * 1000), "ch_mult should be a list of at most 8"),
        (with_option("ch_mult", "[1, 2]"), "ch_mult should be a list"),
        (with_option("ch_mult", [1, "a"]), "ch_mult should hold whole numbers"),
        (with_option("num_res_blocks", 10**6), "num_res_blocks is 1000000"),
        (with_option("num_res_blocks", [2]), "num_res_blocks is [2]"),
        (with_option("dropout", "none"), "dropout should be"),
        ({**CONFIG, "embed_dim": float("inf")}, "embed_dim is inf"),
        ({**CONFIG, "n_embed": -1}, "n_embed is -1"),
        ({**CONFIG, "norm_groups": 0}, "norm_groups is 0"),
        ({**CONFIG, "norm_groups": 5}, "norm_groups is 5, and should divide"),
        ({**CONFIG, "ddconfig": [1]}, "ddconfig should be a mapping"),
        ({}, "ddconfig should be a mapping"),
        ([CONFIG], "config should be a mapping"),
        ("[" * 100_000, "its shape is not known"),
        ("{", "its shape is not known"),
        # The config is valid, but the tensors are missing.
        (CONFIG, "it lacks"),
        ({**CONFIG, "ddconfig": {**CONFIG["ddconfig"], "ch": 1024, "ch_mult": [64] * 8}}, "lacks"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_an_untrusted_header_is_checked(tmp_path: Path, config: Any, sentence: str) -> None:
    source = untrusted_weights(tmp_path / "gift.safetensors", config)
    with pytest.raises(ModelError, match=re.escape(sentence)):
        install.add_own_model("gift", source, None)
    assert not list(library.models_folder().glob("*"))
    # Copied into the folder, it is ignored.
    library.models_folder().mkdir(parents=True, exist_ok=True)
    if "lack" not in sentence:
        shutil.copyfile(source, library.models_folder() / "gift.safetensors")
        assert "gift" not in library.known_models("generator")


@pytest.mark.parametrize("side", [10**400, "64", 0, None, [64]])
def test_an_untrusted_perceptor_is_checked(side: Any) -> None:
    library.models_folder().mkdir(parents=True)
    config = {"vision_cfg": {"image_size": side, "width": 32}}
    untrusted_weights(library.models_folder() / "gift.safetensors", config, "perceptor")
    assert "gift" not in library.known_models("perceptor")
    assert len(library.list_models()) == len(ROWS)


@pytest.mark.parametrize("look_up", [library.list_models, lambda: library.find_model("GIFT")])
def test_each_header_in_the_folder_is_read_once(
    monkeypatch: pytest.MonkeyPatch, look_up: Callable[[], Any]
) -> None:
    library.models_folder().mkdir(parents=True)
    untrusted_weights(library.models_folder() / "gift.safetensors", CONFIG)
    read: list[str] = []
    read_header = library.read_header

    def counted(path: Path) -> dict[str, Any]:
        read.append(path.name)
        return read_header(path)

    monkeypatch.setattr(library, "read_header", counted)
    look_up()
    assert read == ["gift.safetensors"]


@pytest.mark.parametrize(
    "tensor",
    [
        {"dtype": "F32", "shape": [10**4000] * 2, "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 10**400]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [-(10**9)], "data_offsets": [-4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": ["a", "b"]},
        {"dtype": "F32", "shape": [1]},
        3,
    ],
)
def test_what_a_header_claims_is_not_counted(tensor: Any) -> None:
    library.models_folder().mkdir(parents=True)
    metadata = {"format": "render.generator.1", "config": json.dumps(CONFIG)}
    text = json.dumps({"__metadata__": metadata, "x": tensor}).encode()
    path = library.models_folder() / "gift.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"0000")
    known = library.known_models("generator")
    assert "gift" not in known or known["gift"].parameters == 1


def test_a_damaged_header_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for data in (b"", b"\xff" * 8, b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{", b"x" * 100):
        path.write_bytes(data)
        with pytest.raises(ModelError, match="not a safetensors file"):
            library.weights_metadata(path)
    text = json.dumps({"__metadata__": [1]}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(ModelError, match="not a safetensors file"):
        library.weights_metadata(path)


def test_listing_models_imports_nothing_heavy() -> None:
    code = (
        "import sys; from render.weights import library; library.list_models();"
        "library.known_models('generator');"
        "print(sorted({'torch', 'numpy', 'yaml', 'urllib.request'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    root = Path(__file__).parent.parent.parent
    found: Any = subprocess.run(command, check=True, cwd=root, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
