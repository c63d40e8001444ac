"""Variants: one frame of a film with many seeds, or with many values of one key, side by side."""

from __future__ import annotations

import math
import os
import re
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from render.cli.exits import interruption_message, report_interruption
from render.cli.output import Log, report_made
from render.cli.preflight import (
    check_latents,
    check_overwrite,
    check_picture_output,
    files_needed,
    frame_at,
    load_device,
    load_storyboard,
    model_names,
    plan_film,
)
from render.cli.rendering import Loaded, prepare
from render.cli.request import RenderRequest
from render.errors import InputError
from render.media.atomic import atomic_write, file_errors, nearest_folder
from render.media.safetensors_header import latent_path
from render.plan.notes import frame_note
from render.storyboard.named_files import LATENT_SUFFIX
from render.text import plural

if TYPE_CHECKING:
    from render.plan.plan import Plan

MOST_VARIANTS = 100


@dataclass(frozen=True)
class Variant:
    """A variant of a film: how it differs, and its plan."""

    setting: str  # as `seed=3`
    plan: Plan
    number: int  # of the frame

    @property
    def name(self) -> str:
        """What its files are called, without their number."""
        return re.sub(r"[^\w.-]+", "-", self.setting).strip("-")[:60]

    @property
    def key(self) -> str:
        """The key of the keyframe at the frame, or before it."""
        return self.plan.keyframes[self.plan.moment(self.number).left].key


def read_seeds(text: str) -> list[str]:
    """The settings of seeds such as 1..9 or 1,4,7..9; raises InputError."""
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,19})\s*(?:\.\.\s*(\d{1,19})\s*)?", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first:
            raise InputError(f"--seeds {text}: write a range, 1..9, or a list, 1,4,7")
        if last - first >= MOST_VARIANTS:
            raise InputError(f"--seeds {text}: over {MOST_VARIANTS} variants; ask for fewer")
        seeds += range(first, last + 1)
    return [f"seed={seed}" for seed in dict.fromkeys(seeds)]


def read_values(text: str) -> list[str]:
    """The settings of a key and its values, such as step=0.4,0.8; raises InputError."""
    key, equals, values = text.partition("=")
    parts = [value.strip() for value in _split(values)]
    if not equals or not key.strip() or not all(parts):
        raise InputError(f"--vary {text}: write a key and its values, as in step=0.4,0.8")
    return [f"{key.strip()}={value}" for value in dict.fromkeys(parts)]


def _split(values: str) -> list[str]:
    """Values at the commas that are in no brackets and in no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in values:
        if letter == "," and not depth and not quote:
            parts.append("")
            continue
        if letter in "'\"":
            quote = "" if letter == quote else quote or letter
        elif not quote:
            depth += (letter in "[{") - (letter in "]}")
        parts[-1] += letter
    return parts


def render_sheet_of_seeds(
    request: RenderRequest, times: tuple[str, ...], seeds: str, stegano: bool
) -> None:
    """Make a frame with many seeds, on a sheet; raises RenderError."""
    assert request.output is not None  # the command requires it
    if len(times) != 1:
        raise InputError("--seeds makes one frame many times: write one --at")
    check_picture_output(request.output)
    _render(request, times[0], read_seeds(seeds), request.output, None, stegano)


def render_variants(request: RenderRequest, at: str, seeds: str | None, vary: str | None) -> None:
    """Make a frame with many seeds or values, each with its latent, and a sheet of them; raises
    RenderError."""
    assert request.output is not None  # the command requires it
    folder = request.output
    if (seeds is None) == (vary is None):
        raise InputError("say what varies, once: --seeds 1..9 or --vary step=0.4,0.8")
    settings = read_values(vary) if vary is not None else read_seeds(seeds or "")
    nearest_folder(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; -o names a folder")
    _render(request, at, settings, folder / "sheet.png", folder, stegano=False)


def _planned(request: RenderRequest, at: str, settings: list[str]) -> list[Variant]:
    """The variants, all checked; raises InputError."""
    if not 2 <= len(settings) <= MOST_VARIANTS:
        count = plural(len(settings), "variant")
        raise InputError(f"{count} cannot be compared; 2 to {MOST_VARIANTS} can")
    key = settings[0].partition("=")[0]
    if twice := [one for one in request.settings if one.partition("=")[0] == key]:
        raise InputError(f"{twice[0]} is set for all variants, and {key} varies; leave it out")
    found = []
    for index, setting in enumerate(settings):
        if index == 1:
            request = replace(request, log=Log(quiet=True))  # warned of once
        board = load_storyboard(request, setting)
        plan = plan_film(board, request.draft)
        number = frame_at(at, plan)
        found.append(Variant(setting, replace(plan, part=(range(number, number + 1),)), number))
    return found


def check_latent(path: Path, force: bool) -> None:
    """Raises InputError unless a file may be replaced by a latent: only another one may, or with
    `force` any file."""
    from render.media.provenance import ProvenanceError, read_note

    if force or not os.path.lexists(path):
        return
    try:
        kind = read_note(path).get("kind")
    except ProvenanceError:
        kind = None
    if kind != "latent":
        raise InputError(
            f"{path} exists and is no latent of Render's; choose another folder or add --force"
        )


def _render(
    request: RenderRequest,
    at: str,
    settings: list[str],
    sheet: Path,
    folder: Path | None,
    stegano: bool,
) -> None:
    """Make the variants and write the sheet, and into a folder each picture and latent."""
    began, log = time.monotonic(), request.log
    variants = _planned(request, at, settings)
    first, needed = variants[0].plan, files_needed(variants[0].plan.board)
    files = [
        (folder or sheet.parent) / f"{number:0{len(str(MOST_VARIANTS))}d}-{variant.name}.png"
        for number, variant in enumerate(variants, start=1)
    ]
    check_overwrite(sheet, request.force, needed, "sheet", first.board.source)
    for file in files if folder else ():
        check_overwrite(file, request.force, needed, "frame", first.board.source)
        check_latent(file.with_suffix(LATENT_SUFFIX), request.force)
    if folder and folder.is_dir() and not request.force:
        own = {file.with_suffix(LATENT_SUFFIX) for file in files}
        if others := sorted(set(folder.glob(f"*{LATENT_SUFFIX}")) - own):
            raise InputError(
                f"{folder} holds other latents, as {others[0].name}; choose another folder or add "
                "--force"
            )
    check_latents(request.latents_folder)
    for variant in variants:
        variant.plan.models.require()
    how = request.device, request.precision, request.convolutions
    device = load_device(*how, log, model_names(first), request.deterministic)

    from render.cli.progress import display
    from render.film.film import make_still
    from render.film.sheet import Cell, drawn_sheet
    from render.media.provenance import place_of, write_png
    from render.plan.notes import note_of

    loaded: Loaded | None = None
    cells = []
    with report_interruption(log, partial(interruption_message, first, request.latents_folder)):
        for variant, file in zip(variants, files, strict=True):
            plan = variant.plan
            loaded, store, todo = prepare(request, plan, device, loaded)
            request = replace(request, log=Log(quiet=True))  # warned of once
            with display(log.display) as show:
                frame = make_still(plan, loaded.models, store, todo, variant.number, show)
            cells.append(Cell(frame, [variant.setting]))
            if folder is None:
                continue
            with file_errors(file):
                folder.mkdir(parents=True, exist_ok=True)
            write_png(file, frame, frame_note(plan, variant.number, file))
            kept = file.with_suffix(LATENT_SUFFIX)
            stored = latent_path(request.latents_folder, variant.key)
            with file_errors(kept), atomic_write(kept, through_link=False) as partial_file:
                partial_file.write_bytes(stored.read_bytes())
    columns = min(len(cells), max(1, math.ceil(math.sqrt(len(cells)))))
    picture = drawn_sheet(cells, first.board.size, columns)
    note = note_of(first, "sheet") | {
        "variants": settings,
        "made_from": place_of(first.board.source, sheet),
    }
    write_png(sheet, picture, note, stegano)
    size = (picture.shape[1], picture.shape[0])
    what = f"{plural(len(cells), 'variant')} of frame {variants[0].number}"
    report_made(log, sheet, len(cells), None, size, began, what)
