"""The embedded starter models: their files, the generator's colours, what the perceptors know."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from open_clip.timm_model import TimmModel
from safetensors import safe_open
from taming.modules.diffusionmodules.model import Decoder, Encoder
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "render" / "starter"
sys.path.insert(0, str(ROOT / "tools"))

from starter import fills, grounds, skies  # noqa: E402
from starter.canvas import as_bytes  # noqa: E402
from starter.scenes import scene  # noqa: E402

SWATCHES = {
    "red": (220, 30, 30),
    "orange": (245, 135, 25),
    "yellow": (250, 220, 40),
    "green": (40, 155, 55),
    "blue": (35, 75, 215),
    "purple": (125, 45, 165),
    "pink": (245, 135, 185),
    "brown": (120, 72, 38),
    "black": (8, 8, 8),
    "white": (250, 250, 250),
    "grey": (128, 128, 128),
}
FRESH = 950_000_000  # seeds from here on were never trained on


class Pair:
    """Both models, loaded with the packages' own classes and nothing of Render's."""

    def __init__(self) -> None:
        with safe_open(FOLDER / "generator.safetensors", "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        assert metadata["format"] == "render.generator.1"
        config = json.loads(metadata["config"])

        def part(name: str) -> dict[str, Tensor]:
            return {k[len(name) + 1 :]: v for k, v in tensors.items() if k.startswith(name + ".")}

        self.encoder, self.decoder = Encoder(**config["ddconfig"]), Decoder(**config["ddconfig"])
        for module in [*self.encoder.modules(), *self.decoder.modules()]:
            if isinstance(module, nn.GroupNorm):
                module.num_groups = config["norm_groups"]
        cells, width = config["ddconfig"]["z_channels"], config["embed_dim"]
        self.before, self.after = nn.Conv2d(cells, width, 1), nn.Conv2d(width, cells, 1)
        self.encoder.load_state_dict(part("encoder"), strict=True)
        self.decoder.load_state_dict(part("decoder"), strict=True)
        self.before.load_state_dict(part("quant_conv"), strict=True)
        self.after.load_state_dict(part("post_quant_conv"), strict=True)
        self.codes = tensors["quantize.embedding.weight"]
        assert self.codes.shape == (config["n_embed"], width)
        known = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "quantize.")
        assert all(name.startswith(known) for name in tensors)

        with safe_open(FOLDER / "perceptor.safetensors", "pt") as file:
            metadata = file.metadata()
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        assert metadata["format"] == "render.perceptor.1"
        self.mean = torch.tensor(json.loads(metadata["mean"])).view(3, 1, 1)
        self.std = torch.tensor(json.loads(metadata["std"])).view(3, 1, 1)
        self.clip = CLIP(**json.loads(metadata["config"]))
        rows = state.pop("token_embedding.rows").float()
        table = rows.mean(0).repeat(self.clip.token_embedding.weight.shape[0], 1)
        table[state.pop("token_embedding.ids").long()] = rows
        unknown, instead = state.pop("token_embedding.stand_ins").long().T
        table[unknown] = table[instead]
        self.clip.load_state_dict({**state, "token_embedding.weight": table}, strict=True)
        self.tokenizer = open_clip.SimpleTokenizer(context_length=self.clip.context_length)
        for module in (self.encoder, self.decoder, self.before, self.after, self.clip):
            module.eval().requires_grad_(False)

    def latent(self, pictures: Tensor) -> Tensor:
        """Quantised latents of pictures in 0 to 1."""
        found = self.before(self.encoder(pictures * 2 - 1))
        flat = found.permute(0, 2, 3, 1).reshape(-1, found.shape[1])
        codes = self.codes[torch.cdist(flat, self.codes).argmin(1)]
        return codes.view(len(found), *found.shape[2:], -1).permute(0, 3, 1, 2)

    def decoded(self, latent: Tensor) -> Tensor:
        """Pictures in 0 to 1."""
        return ((self.decoder(self.after(latent)) + 1) / 2).clamp(0, 1)

    def seen(self, pictures: Tensor) -> Tensor:
        """Unit vectors of pictures in 0 to 1, of any size."""
        side = self.clip.visual.image_size
        small = F.interpolate(pictures, size=side, mode="bilinear", antialias=True)
        return F.normalize(self.clip.encode_image((small - self.mean) / self.std), dim=-1)

    def read(self, texts: list[str]) -> Tensor:
        """Unit vectors of texts."""
        return F.normalize(self.clip.encode_text(self.tokenizer(texts)), dim=-1)


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Pair()


def stacked(pictures: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def test_the_files_are_small_and_in_sixteen_bits() -> None:
    files = sorted(FOLDER.glob("*.safetensors"))
    assert [file.stem for file in files] == ["generator", "objects", "perceptor", "readouts"]
    assert sum(file.stat().st_size for file in files) <= 30_000_000
    for path in files[:3]:
        with safe_open(path, "pt") as file:
            tensors = [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118
        large = {tensor.dtype for tensor in tensors if tensor.ndim > 1}
        assert large <= {torch.float16, torch.int32}
        if path.stem != "objects":  # its normalisations are in 32 bits
            assert {t.dtype for t in tensors} <= {torch.float16, torch.int32, torch.int64}


def test_every_number_is_finite() -> None:
    for path in FOLDER.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            for key in file.keys():  # noqa: SIM118
                assert torch.isfinite(file.get_tensor(key).float()).all(), key


def test_notices_of_others_stand_beside_what_comes_from_them() -> None:
    notice = (FOLDER / "NOTICE.txt").read_text()
    for name in ("EfficientNet-Lite0", "ImageNet", "WordNet 3.1 Copyright 2011", "CC BY 4.0"):
        assert name in notice
    assert "Apache License" in (FOLDER / "LICENSE-Apache-2.0.txt").read_text()
    with safe_open(FOLDER / "objects.safetensors", "pt") as file:
        assert file.metadata()["licence"] == "Apache-2.0"


def test_swatches_come_back_as_themselves(pair: Pair) -> None:
    palette = torch.tensor(list(SWATCHES.values())).float() / 255
    for size in (96, 160):
        pictures = palette[:, :, None, None].expand(-1, -1, size, size)
        made = pair.decoded(pair.latent(pictures)).mean((2, 3))
        assert (made - palette).abs().max() < 30 / 255
        nearest = torch.cdist(made, palette).argmin(1)
        assert [list(SWATCHES)[i] for i in nearest] == list(SWATCHES)


def test_a_swatch_is_flat(pair: Pair) -> None:
    palette = torch.tensor(list(SWATCHES.values())).float() / 255
    made = pair.decoded(pair.latent(palette[:, :, None, None].expand(-1, -1, 128, 128)))
    assert made.std((2, 3)).max() < 0.1


def test_fresh_scenes_survive_the_generator(pair: Pair) -> None:
    pictures = stacked([scene(FRESH + i).picture for i in range(12)])
    made = pair.decoded(pair.latent(pictures))
    error = (made - pictures).pow(2).mean((1, 2, 3))
    assert float((-10 * torch.log10(error)).mean()) > 19


def test_the_generator_takes_sizes_that_are_not_square(pair: Pair) -> None:
    made = pair.decoded(pair.latent(torch.rand(1, 3, 64, 104)))
    assert made.shape == (1, 3, 64, 104)


def test_blends_of_latents_decode_to_blends(pair: Pair) -> None:
    red = torch.tensor([220.0, 30, 30]).view(1, 3, 1, 1).expand(1, 3, 96, 96) / 255
    blue = torch.tensor([35.0, 75, 215]).view(1, 3, 1, 1).expand(1, 3, 96, 96) / 255
    middle = pair.decoded((pair.latent(red) + pair.latent(blue)) / 2).mean((0, 2, 3))
    assert (middle - torch.tensor([127.5, 52.5, 122.5]) / 255).abs().max() < 0.3


def test_fresh_scenes_find_their_captions(pair: Pair) -> None:
    found: dict[str, np.ndarray] = {}
    for number in range(200):
        one = scene(FRESH + 1000 + number)
        if len(found) < 40:
            found.setdefault(one.captions[0], one.picture)
    scores = pair.seen(stacked(list(found.values()))) @ pair.read(list(found)).T
    place = (scores > scores.diag()[:, None]).sum(1)
    assert float((place < 5).float().mean()) > 0.7


def test_colour_words_find_their_colours(pair: Pair) -> None:
    palette = torch.tensor(list(SWATCHES.values())).float() / 255
    scores = (
        pair.seen(palette[:, :, None, None].expand(-1, -1, 64, 64)) @ pair.read(list(SWATCHES)).T
    )
    assert int((scores.argmax(1) == torch.arange(len(SWATCHES))).sum()) >= 9


def test_scenes_are_told_apart(pair: Pair) -> None:
    random = np.random.default_rng(FRESH)
    shown = {
        "the sea": grounds.sea(random, skies.day(random, 0.5), 0.5)[0],
        "a forest": fills.inside_forest(random)[0],
        "fire": fills.fire(random)[0],
        "a starry night sky": skies.night(random, 1.0).picture,
        "an orange sunset": skies.sunset(random, 1.0).picture,
        "snowy mountains": grounds.mountains(random, skies.day(random, 0.5), 0.5, True)[0],
    }
    scores = pair.seen(stacked([as_bytes(picture) for picture in shown.values()]))
    scores = scores @ pair.read(list(shown)).T
    assert int((scores.argmax(1) == torch.arange(len(shown))).sum()) >= 5


def test_words_that_no_caption_has_land_near_those_that_do(pair: Pair) -> None:
    random = np.random.default_rng(FRESH + 1)
    shown = [
        fills.fire(random)[0],
        fills.underwater(random)[0],
        grounds.city(random, skies.night(random, 0.5), 0.5)[0],
    ]
    scores = pair.seen(stacked([as_bytes(picture) for picture in shown]))
    scores = scores @ pair.read(["a burning house", "deep in the ocean", "downtown after dark"]).T
    assert scores.argmax(1).tolist() == [0, 1, 2]


def test_gradients_reach_the_latent(pair: Pair) -> None:
    latent = pair.latent(torch.full((1, 3, 64, 64), 0.5)).requires_grad_()
    loss = (pair.seen(pair.decoded(latent)) * pair.read(["fire"])).sum()
    (slope,) = torch.autograd.grad(loss, latent)
    assert torch.isfinite(slope).all()
    assert slope.abs().max() > 0


def test_the_classifier_names_painted_landscapes() -> None:
    """Loaded with open_clip's own class; 970 and 978 are ImageNet's alp and seashore."""
    with safe_open(FOLDER / "objects.safetensors", "pt") as file:
        metadata = file.metadata()
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tower = TimmModel(**json.loads(metadata["config"])).eval()
    tower.load_state_dict(state)
    mean, std = (torch.tensor(json.loads(metadata[part])).view(3, 1, 1) for part in ("mean", "std"))
    random = np.random.default_rng(FRESH + 2)
    mountains = [grounds.mountains(random, skies.day(random, 0.5), 0.5, True)[0] for _ in range(4)]
    seas = [grounds.sea(random, skies.day(random, 0.5), 0.5)[0] for _ in range(4)]
    pictures = stacked([as_bytes(picture) for picture in (*mountains, *seas)])
    small = F.interpolate(pictures, size=tower.image_size, mode="bilinear", antialias=True)
    with torch.no_grad():
        logits = tower((small - mean) / std)
    own = torch.tensor([970] * 4 + [978] * 4)
    ranks = (logits > logits.gather(1, own[:, None])).sum(1)
    assert (ranks < 5).sum() >= 7, ranks
