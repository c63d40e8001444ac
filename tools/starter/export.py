"""Writes the averaged weights as the safetensors files that are part of Render, in 16 bits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import load_file
from starter.classifier import export_classifier, unfolded
from starter.loop import write_tensors as write
from starter.models import MEAN, STD
from starter.teacher import SentenceEncoder
from torch import Tensor

from render.generators.readout import save_readouts
from render.generators.vqgan import fit_readouts, load_vqgan
from render.weights.catalog import GENERATORS

NEAR = 0.5  # the lowest cosine between sentence vectors at which a word stands in for another
LICENCE = "MIT"


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the tensors contiguous, those of floating point in 16 bits."""
    return {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in state.items()
    }


def export_generator(work: Path, target: Path) -> dict[str, Any]:
    """Writes generator.safetensors from the latest checkpoint, of the whole or of its decoder;
    returns its step, its minutes and whether it has codes."""
    paths = [path for path in (work / "decoder.pt", work / "vqgan.pt") if path.exists()]
    kept = torch.load(max(paths, key=lambda path: path.stat().st_mtime), weights_only=True)
    config = kept["config"]
    metadata = {
        "format": "render.generator.1",
        "config": json.dumps(config),
        "licence": LICENCE,
    }
    write(target / "generator.safetensors", halved(kept["average"]), metadata)
    return {"step": kept["step"], "minutes": kept["elapsed"] / 60, "codes": kept["coded"]}


def export_readouts(target: Path) -> dict[int, float]:
    """Writes readouts.safetensors for the exported generator; returns the error of each level as
    PSNR in dB."""
    row = GENERATORS["starter"]
    path = str((target / str(row.embedded)).resolve())
    generator = load_vqgan(replace(row, embedded=path))
    errors = fit_readouts(generator)
    save_readouts(generator.readouts, target / "readouts.safetensors", generator.digest)
    return errors


def stand_ins(known: set[int]) -> Tensor:
    """Returns tokens of words that training did not see, each with the token of the known word that
    is nearest in meaning, (n, 2).

    Only words that are a single token of CLIP's count, which are the frequent ones. Distances are
    those of the sentence encoder, as in training.
    """
    words = {
        token: written.removesuffix("</w>")
        for token, written in open_clip.SimpleTokenizer().decoder.items()
        if len(written) > 6 and written.endswith("</w>") and written[:-4].isalpha()
    }
    trained = [token for token in words if token in known]
    others = [token for token in words if token not in known]
    encoder = SentenceEncoder()
    vectors = encoder([words[token] for token in trained])
    best = (encoder([words[token] for token in others]) @ vectors.T).max(1)
    pairs = zip(others, best.indices.tolist(), best.values.tolist(), strict=True)
    return torch.tensor(
        [(a, trained[b]) for a, b, near in pairs if near >= NEAR], dtype=torch.int32
    )


def known_words(tokens: list[int]) -> list[str]:
    """Returns the words that are one token of CLIP's and that training saw, sorted."""
    decoder = open_clip.SimpleTokenizer().decoder
    written = (decoder[token] for token in tokens)
    return sorted(
        w.removesuffix("</w>") for w in written if w.endswith("</w>") and w[:-4].isalnum()
    )


def export_perceptor(work: Path, target: Path) -> dict[str, Any]:
    """Writes perceptor.safetensors from the last checkpoint; returns its step and minutes."""
    kept = torch.load(work / "clip.pt", weights_only=True)
    state = halved(kept["average"])
    state["token_embedding.rows"] = state.pop("token_embedding.weight")
    state["token_embedding.ids"] = used = kept["used"].to(torch.int32)
    state["token_embedding.stand_ins"] = stand_ins(set(used.tolist()))
    metadata = {
        "format": "render.perceptor.1",
        "config": json.dumps(kept["config"]),
        "mean": json.dumps(MEAN),
        "std": json.dumps(STD),
        "known": " ".join(known_words(used.tolist())),
        "licence": LICENCE,
    }
    write(target / "perceptor.safetensors", state, metadata)
    return {"step": kept["step"], "minutes": kept["elapsed"] / 60}


def export_objects(work: Path, target: Path) -> dict[str, Any]:
    """Writes objects.safetensors from the last checkpoint and the table of words; returns its step
    and minutes. Where only the table is new, the tensors stay as they are."""
    words = (work / "words.txt").read_text()
    if not (work / "classifier.pt").exists():
        export_classifier(load_file(target / "objects.safetensors"), words, target)
        return {"words": words.count("\n")}
    kept = torch.load(work / "classifier.pt", weights_only=True)
    export_classifier(unfolded(kept["average"]), words, target)
    return {"step": kept["step"], "minutes": kept["elapsed"] / 60}


def export(work: Path, target: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Writes the file of every model that has a checkpoint; yields its name and its state. What was
    not trained stays as it is."""
    parts = (
        (("vqgan.pt", "decoder.pt"), "generator", export_generator),
        (("clip.pt",), "perceptor", export_perceptor),
        (("classifier.pt", "words.txt"), "objects", export_objects),
    )
    for checkpoints, name, write_file in parts:
        if any((work / checkpoint).exists() for checkpoint in checkpoints):
            yield name, write_file(work, target)
