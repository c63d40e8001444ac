"""Latents that a storyboard names: which files are accepted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_film import latent_note, tiny_plan

from render.media.provenance import generator_of, read_note
from render.storyboard.parser import parse
from render.storyboard.problems import StoryboardError
from render.synthesis.latents import LatentError, Store, load_latent
from render.weights.catalog import GENERATORS
from render.weights.library import weights_digest


def test_a_file_that_is_no_latent_of_the_generator_is_a_mistake(tmp_path: Path) -> None:
    Store(tmp_path).save("here", torch.zeros(1, 4, 8, 12), latent_note())
    Store(tmp_path).save("strange", torch.zeros(1, 4, 8, 12), latent_note("vqgan-\x1b[2J"))
    Store(tmp_path).save("old", torch.zeros(1, 4, 8, 12), latent_note(digest="0" * 64))
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "here.safetensors").read_bytes()[:-9])
    whole = (tmp_path / "here.safetensors").read_bytes()
    header_length = int.from_bytes(whole[:8], "little")
    offsets = (header_length + 2).to_bytes(8, "little") + whole[8:].replace(b"1536]", b"1536.0]")
    (tmp_path / "offsets.safetensors").write_bytes(offsets)
    Store(tmp_path).save("huge", torch.zeros(1, 1, 1, 2000), latent_note())
    Image.new("RGB", (40, 40)).save(tmp_path / "leaf.png")
    changed = bytearray((tmp_path / "here.safetensors").read_bytes())
    changed[-2] ^= 255
    (tmp_path / "changed.safetensors").write_bytes(changed)
    with pytest.raises(
        LatentError, match=r"changed since Render wrote it; put the right one back$"
    ):
        load_latent(tmp_path / "changed.safetensors")
    with pytest.raises(LatentError, match="or move it away to have its keyframe made again"):
        Store(tmp_path).load("changed")
    mistakes = {
        "absent.safetensors": "is not there. Put the file at",
        "cut.safetensors": "is not a latent that Render wrote",
        "changed.safetensors": "was changed since Render wrote it. Put the right one back",
        "offsets.safetensors": "is not a latent that Render wrote",
        "leaf.png": "is not a latent that Render wrote",
        "huge.safetensors": "holds no latent of a size that Render makes",
        "strange.safetensors": r"was made by the generator vqgan-\\x1b\[2J, and the film's is",
        "old.safetensors": "was made by another version of the generator starter",
    }
    for name, mistake in mistakes.items():
        board = tiny_plan().board.text.replace("a red sea | fire:-0.5", f"[{{latent: {name}}}]")
        with pytest.raises(StoryboardError, match=f"latent '{name}' {mistake}"):
            parse(board, tmp_path)


def test_a_latent_of_a_generator_without_weights_here_is_accepted_by_name(tmp_path: Path) -> None:
    """Of weights that are not on this machine only the name is known."""
    name = "vqgan-imagenet-f16-1024"
    Store(tmp_path).save("it", torch.zeros(1, 4, 8, 12), latent_note(name, "0" * 64))
    board = (
        f"version: 1\nexclude: {{latent: it.safetensors}}\nmodels: {{generator: {name}}}\n"
        "shots: [{duration: 1s, prompts: a sea}]\n"
    )
    assert parse(board, tmp_path).shots[0].prompts[1].latent == tmp_path / "it.safetensors"


def test_latents_of_the_first_embedded_generator_are_decoded_by_the_present_one() -> None:
    """Its encoder is the same, and so is the meaning of a latent."""
    sunset = Path(__file__).parent.parent.parent / "storyboards" / "images" / "sunset.safetensors"
    maker, digest = generator_of(read_note(sunset))
    assert maker == "starter"
    assert digest != weights_digest(GENERATORS["starter"])
    board = f"version: 1\nshots: [{{duration: 1s, prompts: [{{latent: {sunset}}}]}}]\n"
    assert parse(board, Path()).shots[0].prompts[0].latent == sunset
