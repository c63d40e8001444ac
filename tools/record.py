"""Records what a change of the code must not change, and compares two records.

    python tools/record.py make before.json            # everything but the sentences
    python tools/record.py quick before.json           # everything but the films, in seconds
    python tools/record.py golden tests/recorded/keys.json   # the keys, which a test compares with
    python tools/record.py latents tests/recorded/latents.safetensors   # and latents, likewise
    python tools/record.py sentences sentences.json    # runs the tests, and takes minutes
    python tools/record.py compare before.json after.json

A record holds the plans of every storyboard in storyboards/ and tests/recorded/ (keys, seeds,
parents, steps), digests of the latents, frames and films that the storyboards of tests/recorded/
give, the JSON Schema, and the help of every command. Latents, frames and films are the same only on
one machine with one version of torch. The sentences are the messages of all mistakes and errors in
the tests.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from render.media.video import read_video
from render.plan.plan import Keyframe
from render.storyboard.parser import load, parse
from render.storyboard.schema import json_schema
from render.weights.catalog import GENERATORS

ROOT = Path(__file__).parent.parent
BOARDS = ROOT / "tests" / "recorded"
# The kinds of generators, each with a generator as a storyboard names it.
GOLDEN = {
    "vqgan": "starter",
    "pixels": "pixels",
    "waves": "{name: pixels, basis: spectrum}",
    "strokes": "{name: strokes, count: 9, width: 0.2}",
    "color": "color",
}
COMMANDS = (
    "",
    "film",
    "check",
    "animatic",
    "still",
    "interpolate",
    "inspect",
    "models",
    "models get",
    "schema",
)
LESSONS = ROOT / "storyboards"
JOURNEY = ("storyboards/images/hills.png", "storyboards/images/sunset.safetensors")


def plans(boards: list[Path]) -> dict[str, Any]:
    """Returns the plan of every storyboard, by file name.

    The digest of a model is its role and name, so that its file need not be there.
    """
    from plans import plan_for

    records = {}
    for path in boards:
        board = load(path, allow_outside=True)
        names = [one.name for one in board.generators]
        rows = [GENERATORS.get(name, GENERATORS["starter"]) for name in names]
        factor = 4 if "tiny-vqgan" in names else max(row.factor for row in rows)
        plan = plan_for(board, factor, lambda role, name: f"{role} {name}")
        records[path.name] = {
            "frames": plan.frame_count,
            "keyframes": [keyframe_of(keyframe) for keyframe in plan.keyframes],
            "moments": digest([plain(plan.moment(n)) for n in range(plan.frame_count)]),
        }
    return records


def golden_keys(folder: Path) -> dict[str, Any]:
    """Returns the key and seed of every keyframe and a digest of all frames' moments, for the
    storyboards in tests/recorded/.

    Writes the models that they name into `folder`, which must be empty, and points RENDER_MODELS at
    it.
    """
    tiny_models(folder)
    os.environ["RENDER_MODELS"] = str(folder)
    return {
        name: {
            "frames": plan["frames"],
            "keyframes": [f"{k['key']} {k['seed']}" for k in plan["keyframes"]],
            "moments": plan["moments"],
        }
        for name, plan in plans(sorted(BOARDS.glob("*.yaml"))).items()
    }


def golden_latents() -> dict[str, Any]:
    """Returns the latents (1, C, h, w) of the first two keyframes of a tiny film, for each kind of
    generator: what the algorithm makes of given numbers, nearly the same on every machine."""
    sys.path.insert(0, str(ROOT / "tests"))
    from plans import plan_for
    from tiny_film import MODELS, tiny_plan  # type: ignore[import-not-found]

    from render.generators.load import load_generator
    from render.synthesis.keyframe import optimize_keyframe
    from render.synthesis.optimize import Step
    from render.synthesis.targets import embed_targets

    latents = {}
    for kind, name in GOLDEN.items():
        text = tiny_plan("    camera: {zoom: 1.2/s, border: dream}\n").board.text
        text = text.replace("size: 48x32", "size: 24x16")
        plan = plan_for(
            parse(text.replace("models: {", f"models: {{generator: {name}, "), Path()), 4
        )
        generator = MODELS.network
        if kind != "vqgan":
            generator = load_generator(plan.models.generators[0].model, plan.size)
        models, parent = replace(MODELS, generators=(generator,)), None
        for keyframe in plan.keyframes[:2]:
            targets = embed_targets(plan, models)
            for step in optimize_keyframe(plan, keyframe, models, targets, parent):
                if isinstance(step, Step):
                    latents[f"{kind}.{keyframe.index}"] = step.average
            parent = latents[f"{kind}.{keyframe.index}"]
    return latents


def keyframe_of(keyframe: Keyframe) -> dict[str, Any]:
    """Returns what is recorded of a keyframe."""
    return {
        "key": keyframe.key,
        "seed": keyframe.seed,
        "shot": keyframe.shot,
        "time": str(keyframe.time),
        "parent": keyframe.parent,
        "steps": keyframe.steps,
        "matrix": list(keyframe.matrix),
    }


def plain(value: Any) -> Any:
    """Returns a value as lists, without the names of its classes and fields, which may change."""
    if is_dataclass(value) and not isinstance(value, type):
        return [plain(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Fraction | Path) else value


def digest(value: Any) -> str:
    """Returns the SHA-256 of bytes, or of a value written as JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()


def films(boards: list[Path], folder: Path) -> dict[str, Any]:
    """Returns digests of the latents, frames and films that the command makes with one thread."""
    records: dict[str, Any] = {}
    for path in boards:
        output = folder / (path.stem + (".mkv" if "ffv1" in path.read_text() else ".mp4"))
        latents = folder / f"{path.stem}.latents"
        outside = "--allow-outside"  # of pictures and sounds of the lessons
        render(folder, str(path), "-o", str(output), "--latents", str(latents), outside)
        frames = hashlib.sha256()
        for frame in read_video(output).frames:
            frames.update(frame.tobytes())
        still = folder / "still.png"
        options = ("--at", "0.3s", "-o", str(still), "--force", "--latents", str(latents), outside)
        render(folder, "still", str(path), *options)
        records[path.name] = {
            "latents": {
                file.name: digest(file.read_bytes())
                for file in sorted(latents.glob("*.safetensors"))
            },
            "film": digest(output.read_bytes()),
            "frames": frames.hexdigest(),
            "still": digest(still.read_bytes()),
        }
    journey = folder / "journey.mp4"
    inputs = [str(ROOT / name) for name in JOURNEY]
    width, height = json.loads(render(folder, "inspect", inputs[1], "--json"))["size"]
    travelling = ("--seconds", "0.3", "--size", f"{width}x{height}", "--loop", "--blend", "slerp")
    render(folder, "interpolate", *inputs, "-o", str(journey), *travelling)
    records["interpolate"] = digest(journey.read_bytes())
    return records


def tiny_models(folder: Path) -> None:
    """Writes the models that the storyboards of tests/recorded/ name into a folder."""
    sys.path.insert(0, str(ROOT / "tests"))
    import tiny

    tiny.write_models(folder)


def render(folder: Path, *arguments: str) -> str:
    """Runs the command with the tiny models and one thread, and returns what it writes to stdout;
    raises SystemExit if it fails."""
    environment = {**os.environ, "RENDER_MODELS": str(folder / "models"), "OMP_NUM_THREADS": "1"}
    # Not what is fastest just now, which would round otherwise from run to run.
    environment |= {"RENDER_CONVOLUTIONS": "plain", "RENDER_PRECISION": "float32"}
    environment |= {"XDG_CACHE_HOME": str(folder), "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "render", *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=folder
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def make(output: Path, with_films: bool = True) -> None:
    """Writes the record, with `with_films` the digests of films as well."""
    boards = sorted(BOARDS.glob("*.yaml"))
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "models").mkdir()
        tiny_models(folder / "models")
        made_films = {"films": films(boards, folder)} if with_films else {}
        os.environ["RENDER_MODELS"] = str(folder / "models")  # where `plans` looks for the models
        record = {
            "plans": plans([*sorted(LESSONS.glob("*.yaml")), *boards]),
            **made_films,
            "schema": json_schema(),
            "help": {name: render(folder, *name.split(), "--help") for name in COMMANDS},
        }
    finally:
        shutil.rmtree(folder)
    output.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


# A path below the folders whose names differ from machine to machine and from run to run.
FOLDERS_OF_THIS_MACHINE = re.compile(
    "(?:"
    + "|".join(re.escape(str(folder)) for folder in (tempfile.gettempdir(), ROOT, Path.home()))
    + r")(?:/[^\s'\":;,)/]+)*(?=/)"
)


class Sentences:
    """A plugin of pytest that collects the messages of all our mistakes and errors.

    Tests whose input hypothesis draws are left out, because their messages differ from run to run.
    """

    def __init__(self) -> None:
        self.messages: set[str] = set()
        self.is_random = True

    def collect(self, message: object) -> None:
        """Adds a message, without the temporary folders, whose names differ from run to run."""
        if isinstance(message, str) and not self.is_random:
            message = FOLDERS_OF_THIS_MACHINE.sub("FOLDER", message)
            self.messages.add(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", message))

    def pytest_configure(self) -> None:
        """Replaces the two initialisers that messages pass through."""
        from render.errors import RenderError
        from render.storyboard.problems import Problem

        original, collect = Problem.__init__, self.collect

        def problem_made(self: Problem, *given: Any, **named: Any) -> None:
            original(self, *given, **named)
            collect(self.message)

        def error_made(self: RenderError, *given: Any) -> None:
            super(RenderError, self).__init__(*given)
            for message in given:
                collect(message)

        Problem.__init__ = problem_made  # type: ignore[method-assign]
        RenderError.__init__ = error_made  # type: ignore[assignment]

    def pytest_runtest_call(self, item: Any) -> None:
        """Marks whether the test that runs now is drawn by hypothesis."""
        self.is_random = getattr(item.obj, "is_hypothesis_test", False)


def sentences(output: Path) -> int:
    """Runs the tests, writes all messages and returns the exit code of pytest."""
    import pytest

    plugin = Sentences()
    code = pytest.main(["-q", "-n", "0"], plugins=[plugin])
    output.write_text(json.dumps(sorted(plugin.messages), indent=1, ensure_ascii=False) + "\n")
    return int(code)


def differences(before: Any, after: Any, place: str = "") -> Iterator[str]:
    """Yields every place where two records differ, without the parts that only one has."""
    if isinstance(before, dict) and isinstance(after, dict):
        shared = before.keys() & after.keys() if place == "" else before.keys() | after.keys()
        for key in sorted(shared):
            yield from differences(before.get(key), after.get(key), f"{place}/{key}")
    elif isinstance(before, list) and isinstance(after, list) and place == "":
        yield from (f"- {line}" for line in sorted(set(before) - set(after)))
        yield from (f"+ {line}" for line in sorted(set(after) - set(before)))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, pair in enumerate(zip(before, after, strict=True)):
            yield from differences(*pair, f"{place}/{number}")
    elif before != after:
        yield f"{place}:\n  - {before!r}\n  + {after!r}"


def main() -> None:
    """Reads the command line and runs the command that it names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument(
        "command", choices=("make", "quick", "golden", "latents", "sentences", "compare")
    )
    parser.add_argument(
        "files", type=Path, nargs="+", help="the file to write, or the two to compare"
    )
    given = parser.parse_args()
    if given.command in ("make", "quick"):
        make(given.files[0], with_films=given.command == "make")
    elif given.command == "golden":
        with tempfile.TemporaryDirectory() as folder:
            keys = golden_keys(Path(folder))
        given.files[0].write_text(json.dumps(keys, indent=1, sort_keys=True) + "\n")
    elif given.command == "latents":
        from safetensors.torch import save_file

        save_file(golden_latents(), str(given.files[0]))
    elif given.command == "sentences":
        raise SystemExit(sentences(given.files[0]))
    else:
        before, after = (json.loads(path.read_text()) for path in given.files)
        lines = list(differences(before, after))
        print("\n".join(lines) or "equal")
        raise SystemExit(bool(lines))


if __name__ == "__main__":
    main()
