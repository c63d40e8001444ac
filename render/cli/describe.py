"""What `render check` and `render models` say, as lines of text. No torch."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import yaml

from render.curves.curve import Keys
from render.errors import InputError
from render.media.safetensors_header import has_latent, latent_damage, latent_path
from render.media.sound import Audio, sound_length
from render.plan.cost import disk_shortfall, estimate, known_speed
from render.plan.memory import MemoryBudget, in_parts_message, machine_memory, shortfall
from render.plan.plan import Keyframe, Plan
from render.plan.stored import stored_latents
from render.plan.wording import (
    film_texts,
    film_vocabularies,
    plan_warnings,
    usual_settings,
)
from render.storyboard.camera_keys import camera_as_written
from render.storyboard.model import Prompt, Shot, Storyboard
from render.storyboard.named_files import files_named_in
from render.text import (
    aligned_columns,
    duration_text,
    escape_unprintable,
    gibibytes_text,
    megabytes_text,
    plural,
    rate_text,
)
from render.weights import library

if TYPE_CHECKING:
    from render.synthesis.device import Device


LINE = 100  # columns
PROMPT_LINES = 4  # of one shot
READ_TEXTS = 40  # prompts whose reading is told, and texts of a shot that are listed
INLINE_TEXTS = 2  # of those that follow one another; more are listed with their times


def describe_plan(plan: Plan, folder: Path, device: Device | None = None) -> Iterator[str]:
    """The plan of a film as lines: its size, shots, prompts and cost, and which models are absent.

    The cost is that of a CPU in float32 where no device is given.
    """
    damaged = damaged_latents(plan, folder)
    todo = without_latent(plan.needed_keyframes(), folder, damaged)
    yield from _describe_size(plan)
    yield from aligned_columns(_shot_rows(plan, folder, damaged))
    yield from describe_prompts(plan.board.shots)
    yield from describe_texts(plan.board)
    yield from describe_reading(plan)
    for warning in (*plan_warnings(plan), *damaged.values()):
        yield f"warning: {warning}"
    yield from _describe_cost(plan, todo, folder, device)
    for model in plan.models.absent():
        how = f"get it with `render models get {model.name}`"
        yield f"not here yet: the {model.role} {model.name}; {how}"


def damaged_latents(plan: Plan, folder: Path) -> dict[str, str]:
    """The keys of latents that are not as they were saved, each with a sentence about it."""
    found = {}
    for keyframe in plan.needed_keyframes():
        if reason := latent_damage(folder, keyframe.key):
            found[keyframe.key] = f"{latent_path(folder, keyframe.key)} {reason}"
    return found


def without_latent(
    keyframes: Iterable[Keyframe], folder: Path, damaged: Container[str]
) -> list[Keyframe]:
    """Those of the keyframes whose latents are not stored, or `damaged`."""
    return [one for one in keyframes if one.key in damaged or not has_latent(folder, one.key)]


def _describe_size(plan: Plan) -> Iterator[str]:
    """Size, rate, length and models."""
    board = plan.board
    width, height = board.size
    yield (
        f"{board.source or 'storyboard'}: {width}x{height}, {rate_text(board.fps)} fps, "
        f"{float(board.duration):g} s, {plural(plan.frame_count, 'frame')}, "
        f"{plural(len(plan.keyframes), 'keyframe')} in {plural(len(plan.chains()), 'chain')}"
    )
    if plan.size != board.size:
        made = f"{plan.size[0]}x{plan.size[1]}"
        yield f"  made at {made}, what {listed_generators(plan)} can do, and cropped"
    perceptors = ", ".join(name for name, _ in board.perceptors)
    yield f"  generator {listed_generators(plan)}, perceptor {perceptors}"
    if usual := usual_settings(plan):
        yield f"  {usual}"
    if plan.part:
        seconds = [
            f"{float(part.start / board.fps):.6g} to {float(part.stop / board.fps):.6g} s"
            for part in plan.part
        ]
        yield f"  of which {plural(len(plan.shown), 'frame')} are made: {', '.join(seconds)}"
    if board.audio:
        yield f"  {describe_sound(board.audio, board.duration)}"


def listed_generators(plan: Plan) -> str:
    """The names of the film's generators, of those without weights with their parameters."""
    names = []
    for chosen in plan.models.generators:
        own = {} if chosen.model.has_weights else chosen.model.config
        said = ", ".join(f"{key} {value}" for key, value in own.items())
        names.append(f"{chosen.model.name} ({said})" if said else chosen.model.name)
    return ", ".join(names)


def describe_sound(audio: Audio, duration: Fraction) -> str:
    """A sound's length, and what is heard of it in a film of that duration."""
    length = sound_length(audio.file)
    if length is None:
        return f"sound {audio.file.name}, of unknown length"
    said = f"sound {audio.file.name}, {float(length):.4g} s"
    heard = length - audio.start
    if audio.loop:
        return f"{said}, which begins again until the film ends"
    if heard < duration:
        return f"{said}; it ends at {float(max(heard, Fraction(0))):.4g} s, and silence follows"
    return said if heard == duration else f"{said}; it is cut where the film ends"


def _shot_rows(plan: Plan, folder: Path, damaged: Container[str]) -> list[tuple[str, ...]]:
    """A table with a row for every shot."""
    missing = {one.index for one in without_latent(plan.keyframes, folder, damaged)}
    rows: list[tuple[str, ...]] = [("shot", "starts", "frames", "keyframes", "done", "begins with")]
    for index, shot in enumerate(plan.board.shots):
        own = range(plan.first_keyframes[index], plan.first_keyframes[index + 1])
        done = sum(keyframe not in missing for keyframe in own)
        rows.append(
            (
                shot.name,
                f"{float(plan.starts[index]):g} s",
                str(len(plan.shot_frames(index))),
                str(len(own)),
                "all" if done == len(own) else f"{done} of {len(own)}",
                beginning_of(shot),
            )
        )
    return rows


def _describe_cost(
    plan: Plan, todo: Sequence[Keyframe], folder: Path, device: Device | None
) -> Iterator[str]:
    """What the missing keyframes and the frames take in time, memory and disk."""
    name, where, budget = "cpu", "on a CPU in float32", MemoryBudget(machine_memory())
    if device:
        name, where, budget = str(device.device), f"on {device}", device.memory_budget()
    cost = estimate(plan, todo, known_speed(library.models_folder(), name), budget)
    how = (
        "at the speed measured on this machine"
        if cost.measured
        else "guessed; the first render measures"
    )
    sketches = f"{plural(cost.sketch_steps, 'step')} of sketches, " if cost.sketch_steps else ""
    yield (
        f"to do: {plural(cost.keyframes, 'keyframe')}, {sketches}{plural(cost.steps, 'step')}, "
        f"{plural(len(plan.shown), 'frame')}: about {duration_text(cost.seconds)} on "
        f"{'the CPU' if name == 'cpu' else name} ({how})"
    )
    disk = f"{megabytes_text(cost.disk)} of disk in {folder}"
    yield f"needs about {gibibytes_text(cost.memory)} of memory ({where}), {disk}"
    if todo and (short := shortfall(plan, budget)):
        yield f"warning: {where}: {short.message}"
    elif todo and (parts := in_parts_message(plan, budget)):
        yield f"warning: {where}: {parts}"
    if lack := disk_shortfall(cost.disk, folder):
        yield f"warning: {lack}"


def describe_cameras(board: Storyboard) -> Iterator[str]:
    """Every shot's camera in YAML, its presets and short forms as what they stand for."""
    shots = [
        {"name": shot.name, "camera": camera_as_written(shot.camera, board.fps)}
        for shot in board.shots
    ]
    text = yaml.safe_dump({"shots": shots}, sort_keys=False, allow_unicode=True, width=LINE)
    yield from text.splitlines()


def beginning_of(shot: Shot) -> str:
    """How a shot begins, in a word or two."""
    if shot.transition.kind == "cut":
        return f"cut to {shot.init.name}" if shot.init else "cut"
    return f"{shot.transition.kind} over {float(shot.transition.duration):g} s"


def describe_prompts(shots: Sequence[Shot]) -> Iterator[str]:
    """What each shot is to show, as it was understood: every prompt behind its weight."""
    width = max(40, LINE - max(len(shot.name) for shot in shots) - 4)
    rows = [("shot", "prompts")]
    for shot in shots:
        prompts = " | ".join(shot_prompts(shot))
        lines = wrap(prompts, width, max_lines=PROMPT_LINES, placeholder=" ...")
        rows += zip((shot.name, *[""] * PROMPT_LINES), lines, strict=False)
    yield from aligned_columns(rows)


def shot_prompts(shot: Shot) -> Iterator[str]:
    """A shot's prompts; the texts that follow one another under one key are counted only."""
    timed = {prompt.text for prompt in shot.prompts if _is_timed(prompt)}
    if len(timed) <= INLINE_TEXTS:
        yield from map(describe_prompt, shot.prompts)
        return
    yield f"{len(timed)} texts, one after the other, listed below"
    yield from (describe_prompt(prompt) for prompt in shot.prompts if not _is_timed(prompt))


def describe_texts(board: Storyboard) -> Iterator[str]:
    """When each text of those shots is fully there whose texts follow one another."""
    rows = [("shot", "at", "text")]
    for shot in board.shots:
        times = text_times(shot)
        if len(times) > INLINE_TEXTS:
            name = shot.name
            for time, text in times[:READ_TEXTS]:
                at, width = f"{float(time):.6g} s", LINE - len(shot.name) - 16
                for line in wrap(text, width, max_lines=PROMPT_LINES, placeholder=" ..."):
                    rows.append((name, at, line))
                    name = at = ""
            if len(times) > READ_TEXTS:
                rows.append(("", "...", f"and {len(times) - READ_TEXTS} more"))
    if len(rows) > 1:
        yield from aligned_columns(rows)


def text_times(shot: Shot) -> list[tuple[Fraction, str]]:
    """The seconds into a shot at which texts that follow one another have their whole share."""
    found = set()
    for prompt in shot.prompts:
        course = prompt.share.course
        if _is_timed(prompt) and isinstance(course, Keys):
            found |= {(key.time, prompt.text or "") for key in course.keys if key.value == 1}
    return sorted(found)


def _is_timed(prompt: Prompt) -> bool:
    """Whether a prompt is one of several texts that follow one another."""
    return not prompt.share.constant


def describe_reading(plan: Plan) -> Iterator[str]:
    """Which words of each prompt the perceptors know; nothing if they know any word."""
    readers = {name: read for name, read in film_vocabularies(plan).items() if read is not None}
    texts = film_texts(plan)
    if not readers or not texts:
        return
    rows = [("prompt", *(f"{name} knows" for name in readers))]
    width = (LINE - 2) // (len(readers) + 1) - 2
    for text in texts[:READ_TEXTS]:
        known = (", ".join(reader(text)) or "nothing" for reader in readers.values())
        cells = [
            wrap(part, width, max_lines=PROMPT_LINES, placeholder=" ...") or [""]
            for part in (text, *known)
        ]
        rows += zip_longest(*cells, fillvalue="")
    yield from aligned_columns(rows)
    if len(texts) > READ_TEXTS:
        yield f"  and {plural(len(texts) - READ_TEXTS, 'prompt')} more"


def describe_prompt(prompt: Prompt) -> str:
    """0.5 x a red sky; 1 to 0 x a red sky, where the weight changes; and where it is content."""
    content = "" if prompt.stop is None else f" (stop {prompt.stop})"
    files = {"picture": prompt.image, "latent": prompt.latent}
    named = (f"the {what} {path.name}" for what, path in files.items() if path)
    wanted = prompt.text or next(named)
    if prompt.text and re.search(r"[@|(]| x ", prompt.text):
        wanted = f"'{wanted}'"  # quoted, because it contains our own separators
    if prompt.where:
        wanted += f" @ {prompt.where.picture.name if prompt.where.picture else prompt.where.name}"
    if prompt.weight.constant:
        return f"{prompt.share.scaled(prompt.weight.at(0))} x {wanted}{content}"
    share = "" if prompt.share.constant else f" x ({prompt.share})"
    return f"{prompt.weight}{share} x {wanted}{content}"


def describe_needs(note: Mapping[str, Any], storyboard: str) -> Iterator[str]:
    """What a storyboard from a note needs to give the same film again: files, and settings."""
    texts = _included_in(note)
    named = [name for text in (storyboard, *texts.values()) for name in files_named_in(text)]
    if pictures := [name for name in dict.fromkeys(named) if name not in texts]:
        needed = ", ".join(map(escape_unprintable, pictures))
        yield f"the storyboard needs these files beside it: {needed}"
    for name in texts:
        shown = escape_unprintable(name)
        yield f"it takes in {shown}, which is kept too: render inspect FILE --included {shown}"
    settings = note.get("settings")
    if isinstance(settings, list) and settings:
        options = " ".join(f"--set {escape_unprintable(str(setting))}" for setting in settings)
        yield f"it was rendered with {options}"
    if note.get("draft"):
        yield "it was rendered with --draft"


def included_text(note: Mapping[str, Any], name: str) -> str:
    """The text of a file that a storyboard takes in, from a note; raises InputError."""
    texts = _included_in(note)
    if name not in texts:
        known = ", ".join(map(escape_unprintable, texts)) or "none"
        raise InputError(f"--included {name}: the files that are taken in are: {known}")
    return texts[name]


def _included_in(note: Mapping[str, Any]) -> dict[str, str]:
    """The names and texts of the files that a note's storyboard takes in."""
    found = note.get("included")
    texts = found.items() if isinstance(found, dict) else ()
    return {name: text for name, text in texts if isinstance(text, str)}


def describe_latents(plan: Plan, folder: Path) -> Iterator[str]:
    """The table of a film's latents: when each keyframe is, and the file that holds it."""
    rows: list[tuple[str, ...]] = [("shot", "at", "into the shot", "steps", "file")]
    for latent in stored_latents(plan, folder):
        keyframe = latent.keyframe
        times = (f"{float(time):.6g} s" for time in (latent.time, keyframe.time))
        file = str(latent.path) if latent.is_there else "not made yet"
        rows.append((latent.shot, *times, str(keyframe.steps), file))
    yield from aligned_columns(rows)


def describe_models() -> Iterator[str]:
    """The table of generators and perceptors."""
    rows = [("model", "for", "size", "licence", "digest", "where")]
    for row in library.list_models():
        size = megabytes_text(row.size) if row.size else "-" if row.digest == "none" else "?"
        rows.append((row.name, row.role, size, row.licence, row.digest, row.where))
    yield from aligned_columns(rows)
