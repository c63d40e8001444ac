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
class Usual:
    """What a storyboard gets with a perceptor where it says nothing else."""

    settings: tuple[tuple[str, Any], ...]  # names are those of `Settings` in storyboard/model.py
    # The factor of the losses that hold a film together; below 1 for a perceptor whose own loss
    # falls by less than the embedded one's.
    holding: float
    source: str  # of these values


# The field's, from its code: nerdyrodent/VQGAN-CLIP has 32 cutouts, turned by up to 15 degrees;
# rkhamilton/vqgan-clip-generator 32, by up to 30; both, and K. Crowson's notebook, noise of 0.1.
# While a picture is optimised, the distance of OpenAI's CLIP falls by about 0.24 (0.94 to 0.70),
# that of the embedded perceptor by 0.35 (0.55 to 0.20).
OF_CLIPS = Usual(
    (("cutouts", 32), ("noise", 0.1), ("distortion", 1.5)),
    holding=0.7,
    source="as VQGAN+CLIP's notebooks have them",
)


@dataclass(frozen=True)
class GeneratorChoice:
    """A generator as a storyboard names it."""

    name: str = "starter"
    parameters: tuple[tuple[str, Any], ...] = ()  # those that were written, by name


STARTER = GeneratorChoice()


@dataclass(frozen=True)
class Model:
    """One row of the table: a model, where it comes from and what it costs to run."""

    name: str
    role: str  # "generator" | "perceptor"
    # Generators: the keyword arguments of taming's VQModel, and "gumbel"; without weights: their
    # parameters. Perceptors: open_clip's names of the model and its weights, mean and std; a user's
    # own: keywords of open_clip's CLIP.
    config: dict[str, Any]
    licence: str
    note: str
    kind: str = "vqgan"  # generators: what their latents are, a row of `kinds.KINDS`
    urls: tuple[str, ...] = ()  # of the published file, tried in order
    size: int | None = None  # bytes of the published file
    sha256: str | None = None  # of the published file
    digest_source: str = ""  # the documents that give addresses, size and digest
    embedded: str | None = None  # file in render/starter
    parameters: int = 0  # numbers that Render keeps of it; 0 if unknown
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
    # Perceptors: the factors of its weight in a keyframe that starts a chain, and in later ones;
    # where prompts change, between the two.
    pull: tuple[float, float] = (1.0, 1.0)
    # Perceptors: the share of a step's cutouts that it sees, other than in a sketch.
    cutout_share: float = 1.0
    # Perceptors: the share of a keyframe's steps that it needs in the latent after a sketch. More
    # of them weave the embedded generator's cells into the picture; others have not been measured.
    after_sketch: float = 0.4
    usual: Usual | None = None  # perceptors

    @property
    def has_weights(self) -> bool:
        """Whether it is a network, whose weights are in a file."""
        return self.role == "perceptor" or self.kind == "vqgan"

    @property
    def is_transformer(self) -> bool:
        """Whether a perceptor's image tower is a vision transformer of open_clip's own."""
        if "open_clip" in self.config:
            return str(self.config["open_clip"]).startswith("ViT-")
        return isinstance(self.config.get("vision_cfg", {}).get("layers"), int)


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
_OPENAI_COPY = _PORTABLE.replace("vqgan/", "clip/")
_PINNED_TWICE = (
    "SHA-256 and size: pxl-pshr/pytti app/model_mirror.py; the same SHA-256: "
    "somnai-dreams/pytti-core src/pytti/image_models/vqgan.py"
)
_NOTHING_STORED = "none needed"  # it has no weights
# The licence of the publishing repository; none is stated for the weights alone.
_MIT_REPOSITORY = "MIT, as taming-transformers"
OPENAI_MEAN = [0.48145466, 0.4578275, 0.40821073]  # of the colour channels; LAION's models too
OPENAI_STD = [0.26862954, 0.26130258, 0.27577711]


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
            parameters=2_977_715,
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
            parameters=72_141_699,
            licence=_MIT_REPOSITORY,
            note="general pictures, bolder and coarser than 16384; about 1 GB",
            urls=(
                _HEIBOX + "d/8088892a516d4e3baf92/files/?p=%2Fckpts%2Flast.ckpt&dl=1",
                _HEIBOX + "f/140747ba53464f49b476/?dl=1",
                "https://github.com/ieee8023/latentshift/releases/download/weights/"
                "vqgan_imagenet_f16_1024.ckpt",
            ),
            size=957_954_257,
            digest_source="addresses: nerdyrodent/VQGAN-CLIP download_models.sh, lucidrains/"
            "DALLE-pytorch dalle_pytorch/vae.py and ieee8023/latentshift "
            "latentshift/autoencoders.py; config: CompVis/taming-transformers "
            "configs/imagenet_vqgan.yaml; no document gives its SHA-256",
            factor=16,
            channels=256,
            gflop_per_megapixel=3856.1,
        ),
        Model(
            name="vqgan-imagenet-f16-16384",
            role="generator",
            config=_vqgan(16384),
            parameters=76_073_859,
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
            parameters=68_995_971,
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
            parameters=76_073_859,
            licence="none stated",
            note="paintings",
            urls=(
                "https://github.com/pixray/pixray/releases/download/v1.7.1/vqgan_wikiart_16384.ckpt",
                _RESCUE + "wikiart/wikiart.ckpt",
                _PORTABLE + "wikiart.ckpt",
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
            name="vqgan-wikiart-f16-1024",
            role="generator",
            config=_vqgan(1024),
            licence="none stated",
            note="paintings, bolder and coarser than 16384; about 1 GB",
            parameters=72_141_699,
            urls=(
                "https://github.com/pixray/pixray/releases/download/v1.7.1/vqgan_wikiart_1024.ckpt",
            ),
            digest_source="address: the releases of pixray/pixray; number of codes: "
            "CompVis/taming-transformers issue 53; no document gives its SHA-256 or shape; "
            "that of imagenet-1024 is compared with the file when it is got",
            factor=16,
            channels=256,
            gflop_per_megapixel=3856.1,
        ),
        Model(
            name="vqgan-sflckr",
            role="generator",
            config=_vqgan(1024),
            licence=_MIT_REPOSITORY,
            note="landscapes; the download is 4.3 GB, of which the generator takes 0.3 GB",
            parameters=72_141_699,
            urls=(
                _HEIBOX + "d/73487ab6e5314cb5adba/files/?p=%2Fcheckpoints%2Flast.ckpt&dl=1",
                _RESCUE + "sflickr/sflickr.ckpt",
                _PORTABLE + "sflckr.ckpt",
            ),
            size=4_263_525_412,
            sha256="8a8adea3da8dab412675772831370dd948e0aa97bb11a9488a2f328b58dbc929",
            digest_source=_PINNED_TWICE
            + "; config: CompVis/taming-transformers configs/sflckr_transformer.yaml",
            factor=16,
            channels=256,
            gflop_per_megapixel=3856.1,
        ),
        Model(
            name="vqgan-coco",
            role="generator",
            config=_vqgan(8192),
            parameters=73_976_707,
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
            parameters=72_141_699,
            licence=_MIT_REPOSITORY,
            note="faces; the download is about 4 GB, of which the generator takes 0.3 GB",
            urls=(_RESCUE + "faceshq/faceshq.ckpt",),
            sha256="3274bba51bd565c90990bbcf7bb5dad0b9b95a6a77011980afc4c3cfc4d1cad1",
            digest_source="SHA-256: somnai-dreams/pytti-core src/pytti/image_models/vqgan.py; "
            "config: CompVis/taming-transformers configs/faceshq_transformer.yaml",
            factor=16,
            channels=256,
            gflop_per_megapixel=3856.1,
        ),
        Model(
            name="pixels",
            role="generator",
            kind="pixels",
            config={"basis": "pyramid"},
            licence=_NOTHING_STORED,
            note="a raster; any size, no file",
            channels=3,
        ),
        Model(
            name="color",
            role="generator",
            kind="color",
            config={},
            licence=_NOTHING_STORED,
            note="one colour for the whole frame, no file",
            channels=3,
        ),
        Model(
            name="strokes",
            role="generator",
            kind="strokes",
            config={"count": 256, "width": 0.04, "paper": "#ffffff"},
            licence=_NOTHING_STORED,
            note="a drawing of Bezier curves; any size, no file",
            channels=14,
        ),
    )
}


def _openai(
    name: str, open_clip: str, file: str, sha256: str, size: int, note: str, **costs: Any
) -> Model:
    """Returns the row of one of OpenAI's CLIPs, under open_clip's name of its architecture."""
    return Model(
        name=name,
        role="perceptor",
        config={
            "open_clip": f"{open_clip}-quickgelu",
            "pretrained": "openai",
            "mean": OPENAI_MEAN,
            "std": OPENAI_STD,
        },
        licence="MIT, as openai/CLIP",
        note=note,
        urls=(f"{_OPENAI}{sha256}/{file}", f"{_OPENAI_COPY}{sha256}/{file}"),
        size=size,
        sha256=sha256,
        digest_source="SHA-256: in the address, open_clip/pretrained.py; size and second address: "
        "pxl-pshr/pytti app/model_mirror.py",
        usual=OF_CLIPS,
        **costs,
    )


def _open_clip(
    name: str, open_clip: str, pretrained: str, address: str, note: str, **row: Any
) -> Model:
    """Returns the row of weights that open_clip's people trained, under open_clip's names of
    architecture and weights; `address` begins after the host."""
    return Model(
        **{
            "name": name,
            "role": "perceptor",
            "config": {
                "open_clip": open_clip,
                "pretrained": pretrained,
                "mean": row.pop("mean", OPENAI_MEAN),
                "std": row.pop("std", OPENAI_STD),
            },
            "licence": "MIT, its model card",
            "usual": OF_CLIPS,
            "note": note,
            "urls": (f"https://huggingface.co/{address}",),
            **row,
        }
    )


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
            parameters=6_216_614,
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
            parameters=4_694_073,
            digest_source="part of this package",
            input_size=96,
            gflop_per_cutout=0.144,
            memory_per_cutout=9.8e6,
            is_classifier=True,
            pull=(12.0, 0.5),
            cutout_share=0.5,
            after_sketch=0.1,
        ),
        _openai(
            "ViT-B/32",
            "ViT-B-32",
            "ViT-B-32.pt",
            "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
            353_976_522,
            "the usual first choice; fast",
            parameters=151_277_313,
            input_size=224,
            gflop_per_cutout=8.8,
        ),
        _openai(
            "ViT-B/16",
            "ViT-B-16",
            "ViT-B-16.pt",
            "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
            350_837_078,
            "finer detail than ViT-B/32, at four times the cost",
            parameters=149_620_737,
            input_size=224,
            gflop_per_cutout=35.1,
        ),
        _openai(
            "RN50",
            "RN50",
            "RN50.pt",
            "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
            255_827_503,
            "convolutional; combines well with a ViT",
            parameters=102_060_440,
            input_size=224,
            gflop_per_cutout=12.2,
        ),
        _openai(
            "RN101",
            "RN101",
            "RN101.pt",
            "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599",
            291_791_292,
            "convolutional, deeper than RN50",
            parameters=119_793_611,
            input_size=224,
            gflop_per_cutout=19.5,
        ),
        _openai(
            "RN50x4",
            "RN50x4",
            "RN50x4.pt",
            "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd",
            421_854_225,
            "convolutional, larger; 288 px",
            parameters=178_410_446,
            input_size=288,
            gflop_per_cutout=42.6,
        ),
        _openai(
            "RN50x16",
            "RN50x16",
            "RN50x16.pt",
            "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa",
            661_125_706,
            "convolutional, 384 px; for a GPU",
            parameters=291_173_264,
            input_size=384,
            gflop_per_cutout=149.4,
        ),
        _openai(
            "RN50x64",
            "RN50x64",
            "RN50x64.pt",
            "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c",
            1_353_500_174,
            "convolutional, 448 px; for a GPU with much memory",
            parameters=623_669_128,
            input_size=448,
            gflop_per_cutout=529.1,
        ),
        _openai(
            "ViT-L/14",
            "ViT-L-14",
            "ViT-L-14.pt",
            "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
            932_768_134,
            "large; for a GPU",
            parameters=427_616_513,
            input_size=224,
            gflop_per_cutout=162.0,
        ),
        _openai(
            "ViT-L/14@336px",
            "ViT-L-14-336",
            "ViT-L-14-336px.pt",
            "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
            934_088_680,
            "as ViT-L/14, with finer cutouts; for a GPU",
            parameters=427_944_193,
            input_size=336,
            gflop_per_cutout=381.9,
        ),
        _open_clip(
            "ViT-B/32-laion2b",
            "ViT-B-32",
            "laion2b_s34b_b79k",
            "laion/CLIP-ViT-B-32-laion2B-s34B-b79K/resolve/main/open_clip_pytorch_model.bin",
            "as ViT-B/32, trained on LAION-2B",
            size=605_219_813,
            sha256="1bd3c7172de5b207ceac554f5ab5266166f3b9baccc9af5989bc801016d080ad",
            digest_source="SHA-256: the page of the same file in "
            "huggingface.co/jinaai/clip-models; size: lists that give it with this digest",
            parameters=151_277_313,
            input_size=224,
            gflop_per_cutout=8.8,
        ),
        _open_clip(
            "ViT-B/16-laion2b",
            "ViT-B-16",
            "laion2b_s34b_b88k",
            "laion/CLIP-ViT-B-16-laion2B-s34B-b88K/resolve/"
            "7288da5a0d6f0b51c4a2b27c624837a9236d0112/open_clip_model.safetensors",
            "as ViT-B/16, trained on LAION-2B; about 0.6 GB",
            digest_source="address: open_clip/pretrained.py and constants.py, at a fixed revision; "
            "no document gives its SHA-256",
            parameters=149_620_737,
            input_size=224,
            gflop_per_cutout=35.1,
        ),
        _open_clip(
            "ViT-L/14-laion2b",
            "ViT-L-14",
            "laion2b_s32b_b82k",
            "laion/CLIP-ViT-L-14-laion2B-s32B-b82K/resolve/main/open_clip_pytorch_model.bin",
            "as ViT-L/14, trained on LAION-2B",
            size=1_710_631_365,
            sha256="5ddb47339f44e4fd9cace3d3960d38af1b51a25857440cfae90afc44706d7e2b",
            digest_source="SHA-256: the file's own page in huggingface.co/laion/"
            "CLIP-ViT-L-14-laion2B-s32B-b82K; size: lists that give it with this digest",
            mean=[0.5] * 3,
            std=[0.5] * 3,
            parameters=427_616_513,
            input_size=224,
            gflop_per_cutout=162.0,
        ),
        _open_clip(
            "ViT-H/14-laion2b",
            "ViT-H-14",
            "laion2b_s32b_b79k",
            "laion/CLIP-ViT-H-14-laion2B-s32B-b79K/resolve/main/open_clip_pytorch_model.bin",
            "the largest; for a GPU with much memory",
            size=3_944_692_325,
            sha256="9a78ef8e8c73fd0df621682e7a8e8eb36c6916cb3c16b291a082ecd52ab79cc4",
            digest_source="SHA-256: mlcommons/training stable_diffusion/scripts/checkpoints/"
            "download_clip.sh; size: huggingface.co/hoaiht/CLIP-ViT-H-14-laion2B-s32B-b79K",
            parameters=986_109_441,
            input_size=224,
            gflop_per_cutout=334.6,
        ),
        _open_clip(
            "ViT-B/32-datacomp",
            "ViT-B-32",
            "datacomp_xl_s13b_b90k",
            "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K/resolve/main/open_clip_pytorch_model.bin",
            "as ViT-B/32, trained on DataComp-1B; about 0.6 GB",
            digest_source="address: open_clip/pretrained.py; no document gives its SHA-256",
            parameters=151_277_313,
            input_size=224,
            gflop_per_cutout=8.8,
        ),
        _open_clip(
            "ViT-B/16-datacomp",
            "ViT-B-16",
            "datacomp_xl_s13b_b90k",
            "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K/resolve/main/open_clip_pytorch_model.bin",
            "as ViT-B/16, trained on DataComp-1B; about 0.6 GB",
            sha256="80905176486d952914c1deb3b753b8e653ab54aa4ffb14208bc5007cf7643a16",
            digest_source="SHA-256: the pages of the same file in huggingface.co/flavour/"
            "CLIP-ViT-B-16-DataComp.XL-s13B-b90K and huggingface.co/alexgenovese/clip_vision",
            parameters=149_620_737,
            input_size=224,
            gflop_per_cutout=35.1,
        ),
        _open_clip(
            "ViT-L/14-datacomp",
            "ViT-L-14",
            "datacomp_xl_s13b_b90k",
            "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K/resolve/"
            "84c9828e63dc9a9351d1fe637c346d4c1c4db341/open_clip_pytorch_model.bin",
            "as ViT-L/14, trained on DataComp-1B; about 1.7 GB",
            sha256="6509f07e6fc0da68f8e1ee881bf90803f0b053d2f7ed2013cc7c3a49ac4dd3db",
            digest_source="SHA-256: the page of the same file in huggingface.co/gadgetsam/"
            "CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
            parameters=427_616_513,
            input_size=224,
            gflop_per_cutout=162.0,
        ),
        _open_clip(
            "MobileCLIP2-S0",
            "MobileCLIP2-S0",
            "dfndr2b",
            "timm/MobileCLIP2-S0-OpenCLIP/resolve/"
            "095906d28bf54d7584dc411e8ffe448f34289e05/open_clip_model.safetensors",
            "small, at half the cost of ViT-B/32; about 0.3 GB",
            licence="Apple's, for research only",
            digest_source="address: open_clip/pretrained.py, at a fixed revision; no document "
            "gives its SHA-256",
            mean=[0.0] * 3,
            std=[1.0] * 3,
            parameters=74_885_875,
            input_size=256,
            gflop_per_cutout=4.8,
        ),
    )
}

CATALOG = {"generator": GENERATORS, "perceptor": PERCEPTORS}  # by role
