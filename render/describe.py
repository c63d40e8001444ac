"""What `render check` and `render models` say, as lines of text. No torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap

from render import models
from render.estimate import estimate, machine_memory, shortfall
from render.files import finished
from render.headers import is_whole
from render.storyboard import Prompt, Shot
from render.timeline import Keyframe, Plan

LINE = 100  # columns
PROMPT_LINES = 4  # of one shot


def describe_plan(plan: Plan, folder: Path) -> Iterator[str]:
    """Shots, frames, keyframes, chains, what is already there, and what the rest costs."""
    board = plan.board
    todo = [keyframe for keyframe in plan.keyframes if not on_disk(folder, keyframe)]
    missing = {keyframe.index for keyframe in todo}
    width, height = board.size
    yield (
        f"{board.source or 'storyboard'}: {width}x{height}, {rate(board.fps)} fps, "
        f"{float(board.duration):g} s, {plan.frame_count} frames, "
        f"{plural(len(plan.keyframes), 'keyframe')} in {plural(len(plan.chains()), 'chain')}"
    )
    if plan.size != board.size:
        yield f"  made at {plan.size[0]}x{plan.size[1]}, what {board.generator} can do, and cropped"
    yield f"  generator {board.generator}, perceptor {', '.join(n for n, _ in board.perceptors)}"
    rows = [("shot", "starts", "frames", "keyframes", "done", "begins with")]
    for number, shot in enumerate(board.shots):
        mine = range(plan.firsts[number], plan.firsts[number + 1])
        done = sum(index not in missing for index in mine)
        rows.append(
            (
                shot.name,
                f"{float(plan.starts[number]):g} s",
                str(len(plan.shot_frames(number))),
                str(len(mine)),
                "all" if done == len(mine) else f"{done} of {len(mine)}",
                begins(plan, number),
            )
        )
    yield from columns(rows)
    yield from describe_prompts(plan.board.shots)
    cost = estimate(plan, todo, speed(models.folder(), "cpu"))
    how = "as measured on this machine" if cost.measured else "guessed; the first render measures"
    yield (
        f"to do: {plural(cost.keyframes, 'keyframe')}, {plural(cost.steps, 'step')}, "
        f"{plan.frame_count} frames: about {duration(cost.seconds)} on the CPU ({how})"
    )
    disk = f"{megabytes(cost.disk)} of disk in {folder}"
    yield f"needs about {cost.memory / 2**30:.1f} GiB of memory, {disk}"
    if warning := shortfall(plan, machine_memory()):
        yield f"warning: {warning}"
    for role, name in absent(plan):
        yield f"not here yet: the {role} {name}; get it with `render models get {name}`"


def begins(plan: Plan, number: int) -> str:
    """How a shot starts, in a word or two."""
    shot = plan.board.shots[number]
    if shot.transition.kind == "cut":
        return f"cut to {shot.init.name}" if shot.init else "cut"
    return f"{shot.transition.kind} over {float(shot.transition.duration):g} s"


def describe_prompts(shots: Sequence[Shot]) -> Iterator[str]:
    """What each shot is to show, as it was understood: every prompt behind its weight."""
    width = max(40, LINE - max(len(shot.name) for shot in shots) - 4)
    rows = [("shot", "prompts")]
    for shot in shots:
        prompts = " | ".join(describe_prompt(prompt) for prompt in shot.prompts)
        lines = wrap(prompts, width, max_lines=PROMPT_LINES, placeholder=" ...")
        rows += zip((shot.name, *[""] * PROMPT_LINES), lines, strict=False)
    yield from columns(rows)


def describe_prompt(prompt: Prompt) -> str:
    """0.5 x a red sky; 1 to 0 x a red sky, where the weight changes; and where it is content."""
    weights = [f"{key.value:g}" for key in prompt.weight.keys]
    if len(weights) > 3:
        weights[1:-1] = ["..."]
    content = "" if math.isinf(prompt.stop) else f" (stop {prompt.stop:g})"
    wanted = prompt.text or f"the picture {prompt.image.name if prompt.image else ''}"
    return f"{' to '.join(weights)} x {wanted}{content}"


def on_disk(folder: Path, keyframe: Keyframe) -> bool:
    """Whether a whole latent lies there, without torch."""
    return is_whole(folder / f"{keyframe.key}.safetensors")


def absent(plan: Plan) -> list[tuple[str, str]]:
    """Models that must be fetched before this plan can be rendered."""
    board = plan.board
    wanted = [("generator", board.generator)]
    wanted += [("perceptor", name) for name, _ in board.perceptors]
    return [(role, name) for role, name in wanted if not models.path_of(models.known(role)[name])]


def describe_models() -> Iterator[str]:
    """The table of generators and perceptors."""
    rows = [("model", "for", "size", "licence", "digest", "where")]
    for row in models.table():
        size = megabytes(row.size) if row.size else "?"
        rows.append((row.name, row.role, size, row.licence, row.digest, row.where))
    yield from columns(rows)


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows of text in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()


def speed_file(folder: Path) -> Path:
    return folder.parent / "speed.json"


def speed(folder: Path, device: str) -> float | None:
    """GFLOP/s that the last render on this device reached; None if there was none."""
    try:
        value = json.loads(speed_file(folder).read_text())[device]
        return float(value) if 0.01 < float(value) < 1e7 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember_speed(folder: Path, device: str, gflop: float, seconds: float) -> None:
    """Note the speed for the next estimate. A hint: nothing fails if it cannot be written."""
    if gflop < 100 or seconds < 5:
        return  # too short: start-up would count for speed
    path = speed_file(folder)
    try:
        known = json.loads(path.read_text()) if path.exists() else {}
        known[device] = round(gflop / seconds, 2)
        path.parent.mkdir(parents=True, exist_ok=True)
        with finished(path) as partial:
            partial.write_text(json.dumps(known))
    except (OSError, ValueError, TypeError):
        return


def rate(fps: object) -> str:
    """24, or 23.976 for 24000/1001."""
    return f"{float(fps):.3f}".rstrip("0").rstrip(".")  # type: ignore[arg-type]


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def megabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """45 s, 3 min, 2 h 10 min: no more exact than it is known."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
