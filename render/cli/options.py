"""The options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from render.errors import InputError
from render.plan.arithmetic import CONVOLUTIONS, PRECISIONS


class File(click.Path):
    """A file's name; an empty one is refused, because pathlib would read it as this folder."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Called by click with the argument as written."""
        if not os.fspath(value):
            self.fail("the name is empty; write one", param, ctx)
        return super().convert(value, param, ctx)


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
FILE = File(path_type=Path)
SHELLS = ("bash", "zsh", "fish")  # whose completion is known
latents_option = click.option(
    "--latents",
    type=FILE,
    metavar="FOLDER",
    help="Where the keyframes' latents are kept.  [default: STORYBOARD.latents, beside it]",
)
device_option = click.option(
    "--device",
    default="auto",
    metavar="auto|cpu|cuda|cuda:1|mps",
    show_default=True,
    help="What computes.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(("auto", *PRECISIONS)),
    default="auto",
    envvar="RENDER_PRECISION",
    help="What steps are computed in; auto is bfloat16 where the device is faster in it, float16 "
    "on GPUs without it, else float32. Latents, losses and frames are float32 always.",
)
convolutions_option = click.option(
    "--convolutions",
    type=click.Choice(("auto", *CONVOLUTIONS)),
    default="auto",
    envvar="RENDER_CONVOLUTIONS",
    help="How a CPU computes the generator's convolutions; auto tries all once and keeps the "
    "fastest. The pictures are alike, their last bits are not.",
)
deterministic_option = click.option(
    "--deterministic",
    is_flag=True,
    envvar="RENDER_DETERMINISTIC",
    help="On a GPU, take only kernels that give the same bits in every run. They are slower; "
    "tools/gpu_check.py measures by how much. A CPU repeats without it.",
)
draft_option = click.option(
    "--draft",
    is_flag=True,
    help="Half the size, a third of the steps (at least 10 and 5), the same plan.",
)


SETTING_OPTIONS = (
    ("--set", "KEY=VALUE", "Another value for a key, as in losses.hold=0.8 for all shots or "
     "shots.storm.step=0.5 for one."),
    ("--seed", "NUMBER", "Another seed."),
    ("--fps", "RATE", "Another frame rate."),
    ("--size", "WxH", "Another size."),
    ("--codec", "NAME", "Another codec."),
    ("--quality", "NUMBER", "Another quality: less is better."),
)  # fmt: skip


def settings_options(command: Any, but: Collection[str] = ()) -> Any:
    """Adds the options that set keys of the storyboard, `but` some; they arrive as `settings`."""
    command = click.option(
        "--allow-outside",
        is_flag=True,
        help="Let the storyboard name files that are not in its folder.",
    )(command)
    for name, metavar, text in reversed([row for row in SETTING_OPTIONS if row[0] not in but]):
        key = {"--codec": "output.codec", "--quality": "output.quality"}.get(name, name[2:])
        command = click.option(
            name,
            key.replace(".", "_"),
            metavar=metavar,
            multiple=name == "--set",
            expose_value=False,
            callback=_collect(key),
            help=f"{text} For this run only.",
        )(command)
    return command


def plan_options(command: Any) -> Any:
    """Adds those of `settings_options` that say what happens in the film, not how it is encoded."""
    return settings_options(command, but=("--codec", "--quality"))


def _collect(key: str) -> Any:
    """A callback of click that adds an option's value to the settings of the command."""

    def collect(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        settings = ctx.params.setdefault("settings", ())
        given = value if key == "set" else () if value is None else (f"{key}={value}",)
        ctx.params["settings"] = (*settings, *given)

    return collect


shots_option = click.option(
    "--shots",
    metavar="NAME,NAME",
    help="Only these shots, or acts; the latents are those of the film.",
)
from_option = click.option("--from", "start", metavar="TIME", help="Only from this time on.")
to_option = click.option("--to", "end", metavar="TIME", help="Only what is before this time.")


def part_options(command: Any) -> Any:
    """Adds the options that choose a part of the film."""
    return shots_option(from_option(to_option(command)))


save_every_option = click.option(
    "--save-every",
    type=click.FloatRange(0, 86_400),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How often a keyframe that takes long is saved on its way; a killed render goes on from "
    "there.",
)
if_busy_option = click.option(
    "--if-busy",
    type=click.Choice(["wait", "refuse"]),
    default="wait",
    show_default=True,
    help="Where another run makes a keyframe that this one needs: wait for it, or stop.",
)
RENDERING = (
    device_option, precision_option, convolutions_option, deterministic_option,
    latents_option, save_every_option, if_busy_option,
)  # fmt: skip


def rendering_options(command: Any) -> Any:
    """Adds the options of every command that makes keyframes."""
    for option in reversed(RENDERING):
        command = option(command)
    return command


quiet_option = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
log_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="json: one object a line, for machines, all of them on the error stream.",
)


def check_device(name: str) -> None:
    """Raises InputError for a word that names no device; whether it exists, only torch knows."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", name):
        raise InputError(f"--device {name}: one of auto, cpu, cuda, cuda:1, mps")
