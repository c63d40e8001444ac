"""What a film or a still is asked for on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from render.cli.output import TEXT_LOG, Log
from render.plan.part import part_name


@dataclass(frozen=True)
class RenderRequest:
    """The arguments and options of `render STORYBOARD`, `render still` and `render check`."""

    storyboard: Path
    output: Path | None = None  # None is a name made from the storyboard's
    draft: bool = False
    allow_outside: bool = False  # the storyboard may name files that are not in its folder
    settings: tuple[str, ...] = ()  # keys of the storyboard with other values, as `seed=5`
    shots: str | None = None  # the names of the shots that are made; None is all
    start: str | None = None  # when the part that is made begins; None is the film's beginning
    end: str | None = None  # and when it ends
    device: str = "auto"
    precision: str = "auto"
    convolutions: str = "auto"
    deterministic: bool = False  # kernels that repeat to the last bit, also on a GPU
    latents: Path | None = None  # None is a folder beside the storyboard
    if_busy: str = "wait"  # where another run makes the same keyframe: or "refuse"
    save_every: float = 60.0  # seconds after which an unfinished keyframe is saved
    fresh: bool = False  # move the old latents aside
    yes: bool = False  # without asking
    force: bool = False  # overwrite other programs' files, and ignore a shortage of memory
    verbose: bool = False
    log: Log = TEXT_LOG

    @property
    def latents_folder(self) -> Path:
        """Where latents are kept: beside the storyboard, so that every film of it shares them."""
        return self.latents or self.storyboard.with_name(f"{self.storyboard.stem}.latents")

    def film_output(self, extension: str) -> Path:
        """The film's file; without -o it is named after the storyboard, and beside it."""
        part = part_name(self.shots, self.start, self.end)
        ending = f"{part}{'.draft' if self.draft else ''}{extension}"
        return self.output or self.storyboard.with_name(f"{self.storyboard.stem}{ending}")


def preview_path(output: Path) -> Path:
    """The picture beside a film that shows what is being optimised."""
    if re.search("%[0-9]*d", output.name):  # of a sequence: named as it is, or as its folder
        name = re.sub(r"%[0-9]*d", "", output.stem).strip("_-. ")
        own_folder = output.parent.name and not name
        beside = output.parent if own_folder else output
        return beside.with_name(f"{name or output.parent.name or 'film'}.preview.png")
    return output.with_name(f"{output.stem}.preview.png")
