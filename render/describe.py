"""What `render check` and `render models` say, as lines of text. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import yaml

from render import models
from render.camerakeys import plain
from render.estimate import (
    Room,
    estimate,
    gibibytes,
    in_parts,
    known_speed,
    machine_memory,
    shortfall,
)
from render.headers import has_latent
from render.storyboard import Prompt, Shot, Storyboard
from render.timeline import Plan

if TYPE_CHECKING:
    from render.machine import Machine

LINE = 100  # columns
PROMPT_LINES = 4  # of one shot


def describe_plan(plan: Plan, folder: Path, machine: Machine | None = None) -> Iterator[str]:
    """Shots, frames, keyframes, chains, what is already there, and what the rest costs, on a CPU
    in float32 where no machine is named.

    What is there is counted by a quick look: a latent that was changed since is told of by the
    render, which reads them all before it begins.
    """
    board = plan.board
    todo = [keyframe for keyframe in plan.keyframes if not has_latent(folder, keyframe.key)]
    missing = {keyframe.index for keyframe in todo}
    width, height = board.size
    yield (
        f"{board.source or 'storyboard'}: {width}x{height}, {rate(board.fps)} fps, "
        f"{float(board.duration):g} s, {plural(plan.frame_count, 'frame')}, "
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
    device, where, room = "cpu", "on a CPU in float32", Room(machine_memory())
    if machine:
        device, where, room = str(machine.device), f"on {machine}", machine.room()
    cost = estimate(plan, todo, known_speed(models.folder(), device), room)
    how = "as measured on this machine" if cost.measured else "guessed; the first render measures"
    on = "the CPU" if device == "cpu" else device
    yield (
        f"to do: {plural(cost.keyframes, 'keyframe')}, {plural(cost.steps, 'step')}, "
        f"{plural(plan.frame_count, 'frame')}: about {duration(cost.seconds)} on {on} ({how})"
    )
    disk = f"{megabytes(cost.disk)} of disk in {folder}"
    yield f"needs about {gibibytes(cost.memory)} of memory ({where}), {disk}"
    if todo and (short := shortfall(plan, room)):
        yield f"warning: {where}: {short.message}"
    elif todo and (parts := in_parts(plan, room)):
        yield f"warning: {where}: {parts}"
    for role, name in absent(plan):
        yield f"not here yet: the {role} {name}; get it with `render models get {name}`"


def describe_cameras(board: Storyboard) -> Iterator[str]:
    """Every shot's camera in YAML, its presets and short forms as what they stand for."""
    shots = [{"name": shot.name, "camera": plain(shot.camera, board.fps)} for shot in board.shots]
    text = yaml.safe_dump({"shots": shots}, sort_keys=False, allow_unicode=True, width=LINE)
    yield from text.splitlines()


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
    content = "" if prompt.stop is None else f" (stop {prompt.stop})"
    files = {"picture": prompt.image, "latent": prompt.latent}
    named = (f"the {what} {path.name}" for what, path in files.items() if path)
    wanted = prompt.text or next(named)
    if prompt.text and re.search(r"[@|(]| x ", prompt.text):
        wanted = f"'{wanted}'"  # what is meant by these here, nobody wrote
    if prompt.where:
        wanted += f" @ {prompt.where.picture.name if prompt.where.picture else prompt.where.name}"
    if prompt.weight.constant:
        return f"{prompt.share.scaled(prompt.weight.at(0))} x {wanted}{content}"
    share = "" if prompt.share.constant else f" x ({prompt.share})"
    return f"{prompt.weight}{share} x {wanted}{content}"


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
