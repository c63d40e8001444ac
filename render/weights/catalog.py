"""The table of published generators and perceptors: their shapes, addresses, digests and costs.

No address, size or digest is guessed: `digest_source` cites the public documents that give them. If
no document gives a digest, `sha256` is None: the digest of the first download is recorded beside
the weights and checked from then on, and all addresses are https.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from render.errors import InputError


class ModelError(InputError):
    """A model is absent, unknown, damaged or another than expected; the message is for the user."""


@dataclass(frozen=True)
class Model:
    """One row of the table: a model, where it comes from and what it costs to run."""

    name: str
    role: str  # "generator" | "perceptor"
    # Generators: the keyword arguments of taming's VQModel, and "gumbel". Perceptors: open_clip's
    # names of the model and its weights, mean and std; a user's own: keywords of open_clip's CLIP.
    config: dict[str, Any]
    licence: str
    note: str
    urls: tuple[str, ...] = ()  # of the published file, tried in order
    size: int | None = None  # bytes of the published file
    sha256: str | None = None  # of the published file
    digest_source: str = ""  # the documents that give addresses, size and digest
    embedded: str | None = None  # file in render/starter
    factor: int = 1  # generators: pixels per latent cell along one side
    channels: int = 0  # generators: of the latent
    # Generators: SHA-256 of earlier weights with the same encoder, whose latents these decode too.
    decodes: tuple[str, ...] = ()
    gflop_per_megapixel: float = 0.0  # generators: decoding, forward only (torch's flop counter)
    input_size: int = 0  # perceptors: pixels along one side of a cutout
    gflop_per_cutout: float = 0.0  # perceptors: one cutout, forward only (torch's flop counter)
    # Perceptors: bytes that a step keeps for the gradient of one cutout, where `plan.memory` cannot
    # tell them from the GFLOP. Measured.
    memory_per_cutout: float | None = None
    # Perceptors: a classifier reads a text by a table of words, a CLIP by its text tower.
    is_classifier: bool = False
    # Perceptors: the factors of its weight in a keyframe that starts a chain, and in later ones.
    pull: tuple[float, float] = (1.0, 1.0)
    # Perceptors: the share of a step's cutouts that it sees, other than in a sketch.
    cutout_share: float = 1.0
    # Perceptors: the share of a keyframe's steps that it needs in the latent after a sketch. More
    # of them weave the embedded generator's cells into the picture; others have not been measured.
    after_sketch: float = 0.4

    @property
    def is_transformer(self) -> bool:
        """Whether a perceptor's image tower is a vision transformer, by its open_clip name."""
        return str(self.config.get("open_clip", "")).startswith("ViT-")


# From configs/imagenet_vqgan.yaml in CompVis/taming-transformers; all f16 models have this shape.
F16: dict[str, Any] = {
    "double_z": False,
    "z_channels": 256,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 1, 2, 2, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [16],
    "dropout": 0.0,
}
# From configs/openimages-8192.yaml in vipermu/taming-transformers, a copy of the published one.
F8: dict[str, Any] = {**F16, "ch_mult": [1, 1, 2, 4], "attn_resolutions": [32]}
_HEIBOX = "https://heibox.uni-heidelberg.de/"
# Copies of the same files at a fixed revision, made after the first hosts became unreliable.
_RESCUE = (
    "https://huggingface.co/Somnai/pytti-vqgan-checkpoints/resolve/"
    "debc22c8f285c7734980c464ff992d335dde6e9a/"
)
_PORTABLE = "https://huggingface.co/pxlpshr/pytti-models/resolve/main/vqgan/"
_OPENAI = "https://openaipublic.azureedge.net/clip/models/"
_LAION = "https://huggingface.co/laion/"
_PINNED_TWICE = (
    "SHA-256 and size: pxl-pshr/pytti app/model_mirror.py; the same SHA-256: "
    "somnai-dreams/pytti-core src/pytti/image_models/vqgan.py"
)
# The licence of the publishing repository; none is stated for the weights alone.
_MIT_REPOSITORY = "MIT, as taming-transformers"
_MIT_OPENAI = "MIT, as openai/CLIP"
_MIT_LAION = "MIT, its model card"
_OPENAI_SOURCE = (
    "SHA-256: in the address, open_clip/pretrained.py; size: pxl-pshr/pytti app/model_mirror.py"
)
_OPENAI_MEAN = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
}


def _vqgan(codes: int, ddconfig: dict[str, Any] = F16, gumbel: bool = False) -> dict[str, Any]:
    """Returns the config of a published VQGAN with this number of codes."""
    return {"ddconfig": ddconfig, "embed_dim": 256, "n_embed": codes, "gumbel": gumbel}


GENERATORS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            name="starter",
            role="generator",
            config={},  # is in the file's header
            licence="MIT",
            note="small and embedded; for drafts and first films",
            embedded="generator.safetensors",
            digest_source="part of this package",
            factor=8,
            channels=16,
            decodes=("f5cf3dc0f1e24855593ff2a7de414bd4204e956b6f3be9191c831b897f6fb938",),
            gflop_per_megapixel=228.3,
        ),
        Model(
            name="vqgan-imagenet-f16-1024",
            role="generator",
            config=_vqgan(1024),
            licence=_MIT_REPOSITORY,
            note="general pictures, bolder and coarser than 16384; about 1 GB",
            urls=(
                _HEIBOX + "d/8088892a516d4e3baf92/files/?p=%2Fckpts%2Flast.ckpt&dl=1",
                _HEIBOX + "f/140747ba53464f49b476/?dl=1",
            ),
            digest_source="addresses: nerdyrodent/VQGAN-CLIP download_models.sh and lucidrains/"
            "DALLE-pytorch dalle_pytorch/vae.py; config: CompVis/taming-transformers "
            "configs/imagenet_vqgan.yaml; no document gives its SHA-256",
            factor=16,
            channels=256,
            gflop_per_megapixel=3856.1,
        ),
        Model(
            name="vqgan-imagenet-f16-16384",
            role="generator",
            config=_vqgan(16384),
            licence=_MIT_REPOSITORY,
            note="general pictures; most VQGAN+CLIP films were made with it",
            urls=(
                _HEIBOX + "d/a7530b09fed84f80a887/files/?p=%2Fckpts%2Flast.ckpt&dl=1",
                _HEIBOX + "f/867b05fc8c4841768640/?dl=1",
                _RESCUE + "imagenet/imagenet.ckpt",
                _PORTABLE + "imagenet.ckpt",
            ),
            size=980_092_370,
            sha256="845a68805098cb666420d5db93df53f3a3b6dd443e6dd85c05759c5b998cd663",
            digest_source=_PINNED_TWICE,
            factor=16,
            channels=256,
            gflop_per_megapixel=3856.1,
        ),
        Model(
            name="vqgan-openimages-f8-gumbel",
            role="generator",
            config=_vqgan(8192, F8, gumbel=True),
            licence=_MIT_REPOSITORY,
            note="the sharpest: 8 pixels per latent cell, so four times as many cells as f16",
            urls=(
                _HEIBOX + "d/2e5662443a6b4307b470/files/?p=%2Fckpts%2Flast.ckpt&dl=1",
                _RESCUE + "openimages/openimages.ckpt",
                _PORTABLE + "openimages.ckpt",
            ),
            size=376_581_823,
            sha256="5cd6c74810ab97e00e942c25403f73afc081e8b19987b31ec0d9ff5b68e7ab14",
            digest_source=_PINNED_TWICE,
            factor=8,
            channels=256,
            gflop_per_megapixel=4762.4,
        ),
        Model(
            name="vqgan-wikiart-f16-16384",
            role="generator",
            config=_vqgan(16384),
            licence="none stated",
            note="paintings",
            urls=(
                "https://github.com/pixray/pixray/releases/download/v1.7.1/vqgan_wikiart_16384.ckpt",
                _RESCUE + "wikiart/wikiart.ckpt",
                _PORTABLE + "wikiart.ckpt",
                "http://eaidata.bmk.sh/data/Wikiart_16384/wikiart_f16_16384_8145600.ckpt",
            ),
            size=1_005_327_541,
            sha256="bd08bb46301f98be1712bb2be9f8868cea30b53137cd985d4d6e8da8b3e02c36",
            digest_source=_PINNED_TWICE + "; addresses: app/patch_pytti.py and "
            "docs/engine-modernization-plan.md of the same two, nerdyrodent/VQGAN-CLIP",
            factor=16,
            channels=256,
            gflop_per_megapixel=3856.1,
        ),
        Model(
            name="vqgan-coco",
            role="generator",
            config=_vqgan(8192),
            licence=_MIT_REPOSITORY,
            note="photographs of everyday scenes",
            urls=(
                _RESCUE + "coco/coco.ckpt",
                _PORTABLE + "coco_first_stage.ckpt",
                "https://batbot.ai/models/VQGAN/coco_first_stage.ckpt",
            ),
            size=296_030_214,
            sha256="106cc20fde571df14afc4349d62218d8213cf47177c682ecaa78a8c28b12f9de",
            digest_source=_PINNED_TWICE,
            factor=16,
            channels=256,
            gflop_per_megapixel=3856.1,
        ),
        Model(
            name="vqgan-faceshq",
            role="generator",
            config=_vqgan(1024),
            licence=_MIT_REPOSITORY,
            note="faces; the download is about 4 GB, of which the generator takes 0.3 GB",
            urls=(
                _RESCUE + "faceshq/faceshq.ckpt",
                "https://app.koofr.net/content/links/a04deec9-0c59-4673-8b37-3d696fe63a5d/files/get/"
                "last.ckpt?path=%2F2020-11-13T21-41-45_faceshq_transformer%2Fcheckpoints%2Flast.ckpt",
            ),
            sha256="3274bba51bd565c90990bbcf7bb5dad0b9b95a6a77011980afc4c3cfc4d1cad1",
            digest_source="SHA-256: somnai-dreams/pytti-core src/pytti/image_models/vqgan.py; "
            "config: CompVis/taming-transformers configs/faceshq_transformer.yaml",
            factor=16,
            channels=256,
            gflop_per_megapixel=3856.1,
        ),
    )
}


def _clip(open_clip: str, pretrained: str, statistics: dict[str, list[float]]) -> dict[str, Any]:
    """Returns the config of a published CLIP, under open_clip's names of model and weights."""
    return {"open_clip": open_clip, "pretrained": pretrained, **statistics}


PERCEPTORS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            name="starter",
            role="perceptor",
            config={},  # is in the file's header
            licence="MIT",
            note="small and embedded; trained on colours, light and scenes",
            embedded="perceptor.safetensors",
            digest_source="part of this package",
            input_size=64,
            gflop_per_cutout=0.145,
            after_sketch=0.1,
        ),
        Model(
            name="starter-objects",
            role="perceptor",
            config={},  # is in the file's header
            licence="Apache-2.0",
            note="small and embedded; a classifier that draws things, beside starter",
            embedded="objects.safetensors",
            digest_source="part of this package",
            input_size=96,
            gflop_per_cutout=0.144,
            memory_per_cutout=9.8e6,
            is_classifier=True,
            pull=(12.0, 0.5),
            cutout_share=0.5,
            after_sketch=0.1,
        ),
        Model(
            name="ViT-B/32",
            role="perceptor",
            config=_clip("ViT-B-32-quickgelu", "openai", _OPENAI_MEAN),
            licence=_MIT_OPENAI,
            note="the usual first choice; fast",
            urls=(
                _OPENAI + "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/"
                "ViT-B-32.pt",
            ),
            size=353_976_522,
            sha256="40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
            digest_source=_OPENAI_SOURCE,
            input_size=224,
            gflop_per_cutout=8.8,
        ),
        Model(
            name="ViT-B/16",
            role="perceptor",
            config=_clip("ViT-B-16-quickgelu", "openai", _OPENAI_MEAN),
            licence=_MIT_OPENAI,
            note="finer detail than ViT-B/32, at four times the cost",
            urls=(
                _OPENAI + "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f/"
                "ViT-B-16.pt",
            ),
            size=350_837_078,
            sha256="5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
            digest_source=_OPENAI_SOURCE,
            input_size=224,
            gflop_per_cutout=35.1,
        ),
        Model(
            name="RN50",
            role="perceptor",
            config=_clip("RN50-quickgelu", "openai", _OPENAI_MEAN),
            licence=_MIT_OPENAI,
            note="convolutional; combines well with a ViT",
            urls=(
                _OPENAI + "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/"
                "RN50.pt",
            ),
            size=255_827_503,
            sha256="afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
            digest_source=_OPENAI_SOURCE,
            input_size=224,
            gflop_per_cutout=12.2,
        ),
        Model(
            name="ViT-L/14",
            role="perceptor",
            config=_clip("ViT-L-14-quickgelu", "openai", _OPENAI_MEAN),
            licence=_MIT_OPENAI,
            note="the largest of OpenAI's in this table; for a GPU",
            urls=(
                _OPENAI + "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/"
                "ViT-L-14.pt",
            ),
            size=932_768_134,
            sha256="b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
            digest_source=_OPENAI_SOURCE,
            input_size=224,
            gflop_per_cutout=162.0,
        ),
        Model(
            name="ViT-B/32-laion2b",
            role="perceptor",
            config=_clip("ViT-B-32", "laion2b_s34b_b79k", _OPENAI_MEAN),
            licence=_MIT_LAION,
            note="as ViT-B/32, trained on LAION-2B; about 0.6 GB",
            urls=(
                _LAION + "CLIP-ViT-B-32-laion2B-s34B-b79K/resolve/main/open_clip_pytorch_model.bin",
            ),
            sha256="1bd3c7172de5b207ceac554f5ab5266166f3b9baccc9af5989bc801016d080ad",
            digest_source="SHA-256: the page of the same file in huggingface.co/jinaai/clip-models",
            input_size=224,
            gflop_per_cutout=8.8,
        ),
        Model(
            name="ViT-B/16-laion2b",
            role="perceptor",
            config=_clip("ViT-B-16", "laion2b_s34b_b88k", _OPENAI_MEAN),
            licence=_MIT_LAION,
            note="as ViT-B/16, trained on LAION-2B; about 0.6 GB",
            urls=(
                _LAION + "CLIP-ViT-B-16-laion2B-s34B-b88K/resolve/"
                "7288da5a0d6f0b51c4a2b27c624837a9236d0112/open_clip_model.safetensors",
            ),
            digest_source="address: open_clip/pretrained.py and constants.py, at a fixed revision; "
            "no document gives its SHA-256",
            input_size=224,
            gflop_per_cutout=35.1,
        ),
        Model(
            name="ViT-L/14-laion2b",
            role="perceptor",
            config=_clip("ViT-L-14", "laion2b_s32b_b82k", {"mean": [0.5] * 3, "std": [0.5] * 3}),
            licence=_MIT_LAION,
            note="as ViT-L/14, trained on LAION-2B; about 1.7 GB",
            urls=(
                _LAION + "CLIP-ViT-L-14-laion2B-s32B-b82K/resolve/main/open_clip_pytorch_model.bin",
            ),
            sha256="5ddb47339f44e4fd9cace3d3960d38af1b51a25857440cfae90afc44706d7e2b",
            digest_source="SHA-256: the file's own page in huggingface.co/laion/"
            "CLIP-ViT-L-14-laion2B-s32B-b82K",
            input_size=224,
            gflop_per_cutout=162.0,
        ),
        Model(
            name="ViT-H/14-laion2b",
            role="perceptor",
            config=_clip("ViT-H-14", "laion2b_s32b_b79k", _OPENAI_MEAN),
            licence=_MIT_LAION,
            note="the largest; for a GPU with much memory",
            urls=(
                _LAION + "CLIP-ViT-H-14-laion2B-s32B-b79K/resolve/main/open_clip_pytorch_model.bin",
            ),
            size=3_944_692_325,
            sha256="9a78ef8e8c73fd0df621682e7a8e8eb36c6916cb3c16b291a082ecd52ab79cc4",
            digest_source="SHA-256: mlcommons/training stable_diffusion/scripts/checkpoints/"
            "download_clip.sh; size: huggingface.co/hoaiht/CLIP-ViT-H-14-laion2B-s32B-b79K",
            input_size=224,
            gflop_per_cutout=334.6,
        ),
    )
}

CATALOG = {"generator": GENERATORS, "perceptor": PERCEPTORS}  # by role
