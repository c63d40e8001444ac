"""The commands: their arguments, options and help.

Exit codes: 0 done, 2 the user's input is wrong, 1 anything else, 130 interrupted, 143 terminated.
What imports torch or takes long to import is imported inside the commands that need it.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from render import __version__
from render.cli.exits import FAILED, report_errors, report_interruption
from render.cli.options import (
    FILE,
    SETTINGS,
    SHELLS,
    convolutions_option,
    device_option,
    draft_option,
    latents_option,
    log_option,
    part_options,
    plan_options,
    quiet_option,
    rendering_options,
    settings_options,
)
from render.cli.output import TEXT_LOG, Log, download_bar, report_made, write_answer, write_line
from render.cli.preflight import (
    check_latents,
    check_overwrite,
    files_of,
    load_device,
    load_storyboard,
    plan_film,
    plan_part,
)
from render.cli.rendering import render_animatic, render_film, render_still
from render.cli.request import RenderRequest
from render.errors import InputError


class Commands(click.Group):
    """A group whose first argument may also be a storyboard: `render film.yaml` makes the film."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first argument: `film` where that is no command's name."""
        if args and args[0] not in self.commands:
            first = args[0]
            if re.fullmatch(r"[a-z][a-z-]*", first) and not Path(first).exists():
                near = difflib.get_close_matches(first, self.list_commands(ctx), 1)
                hint = f"did you mean {near[0]}?" if near else "`render --help` lists them"
                raise click.UsageError(f"{first!r} is neither a command nor a file; {hint}")
            args = ["film", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let options of `film` come before the storyboard: `render -o out.mp4 film.yaml`."""
        if args and args[0].startswith("-") and args[0] not in ("--help", "-h", "--version"):
            self.check_order(args)
            args = ["film", *args]
        return super().parse_args(ctx, args)

    def check_order(self, args: list[str]) -> None:
        """Raises UsageError for `render -q still film.yaml`, which would make a film of `still`."""
        options = [one for one in self.commands["film"].params if isinstance(one, click.Option)]
        flags = {name for one in options if one.is_flag for name in one.opts}
        letters = "".join(name[1] for name in flags if len(name) == 2)
        valued = {name for one in options if not one.is_flag for name in one.opts}
        for place, word in enumerate(args):
            is_name = word in self.commands and not Path(word).is_file()
            before = args[place - 1]
            if re.fullmatch(f"-[{letters}]+[a-z]", before):  # -qo is -q -o
                before = f"-{before[-1]}"
            if is_name and before not in valued:
                meant = shlex.join(["render", word, *args[:place], *args[place + 1 :]])
                raise click.UsageError(f"the command comes first: {meant}")

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of their help."""
        return [
            *("film", "check", "animatic", "still", "variants", "sheet", "latents"),
            *("interpolate", "color", "score", "inspect", "models", "schema"),
            *("new", "doctor", "completion"),
        ]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What may follow `render`: a command or a storyboard."""
        return [*super().shell_complete(ctx, incomplete), CompletionItem(incomplete, type="file")]


@click.group(cls=Commands, context_settings=SETTINGS, invoke_without_command=True)
@click.version_option(__version__, message="render %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Render makes an animated film from a storyboard: shots with prompts and a moving camera.

    \b
      render storyboard.yaml -o film.mp4     make the film; run it again to go on
      render check storyboard.yaml           find mistakes, see the plan, cost nothing
      render interpolate a.png b.png -o morph.mp4

    Killed at any moment, the same command goes on from the saved latents, and the film is the same.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command()
@click.argument("storyboard", type=FILE)
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="OUT.mp4",
    help="The film.  [default: STORYBOARD.mp4 beside the storyboard, or as the codec ends; a draft "
    "is STORYBOARD.draft.mp4]",
)
@draft_option
@part_options
@settings_options
@rendering_options
@click.option(
    "--fresh",
    is_flag=True,
    help="Make every keyframe of this film anew; their old latents are moved aside.",
)
@click.option("-y", "--yes", is_flag=True, help="Answer yes to what --fresh asks.")
@click.option(
    "--force",
    is_flag=True,
    help="Overwrite OUT.mp4 even if Render did not write it, and start even if memory "
    "seems too small.",
)
@quiet_option
@click.option("-v", "--verbose", is_flag=True, help="Say more: models, folders, tracebacks.")
@log_option
def film(quiet: bool, log_format: str, **options: Any) -> None:
    """Make the film of STORYBOARD (`render STORYBOARD` does the same).

    Finished keyframes are kept as latents and never made twice: run the same command again after
    an interruption or an edit, and only what is missing or changed is made.
    """
    request = RenderRequest(log=Log(quiet, log_format == "json"), **options)
    with report_errors(request.log, request.verbose):
        render_film(request)


@cli.command()
@click.argument("storyboard", type=FILE)
@draft_option
@part_options
@settings_options
@latents_option
@click.option("--expand", is_flag=True, help="Print only the cameras, with presets expanded.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="json: the plan as one object on stdout, and mistakes one a line on the error stream.",
)
def check(expand: bool, log_format: str, **options: Any) -> None:
    """Find every mistake in STORYBOARD, or show its plan: keyframes, what is done, the cost."""
    log = Log(json=log_format == "json")
    with report_errors(log):
        from render.cli.describe import describe_cameras, describe_plan

        request = RenderRequest(log=log, **options)
        board = load_storyboard(request)
        if expand:
            write_answer("\n".join(describe_cameras(board)))
            return
        plan = plan_part(plan_film(board, request.draft), request)
        if log.json:
            from render.cli.plan_json import plan_as_json

            write_answer(json.dumps(plan_as_json(plan, request.latents_folder), indent=1))
        else:
            write_answer("\n".join(describe_plan(plan, request.latents_folder)))
        check_latents(request.latents_folder)


@cli.command()
@click.argument("storyboard", type=FILE)
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="MOVES.mp4",
    help="The animatic.  [default: STORYBOARD.animatic.mp4 beside the storyboard]",
)
@part_options
@plan_options
@click.option("--force", is_flag=True, help="Overwrite MOVES.mp4 even if Render did not write it.")
@quiet_option
@log_option
def animatic(quiet: bool, log_format: str, **options: Any) -> None:
    """Play STORYBOARD in seconds, without any model: moves, cuts, prompts, beats and sound.

    A test card, or the picture that a shot begins with, moves exactly as the film will, frame for
    frame. Below it are the time, the shot, the camera's speed, the prompts with their weights, and
    the sound. The picture's longer side has 320 to 640 pixels.
    """
    request = RenderRequest(log=Log(quiet, log_format == "json"), **options)
    with report_errors(request.log):
        render_animatic(request)


@cli.command()
@click.argument("storyboard", type=FILE)
@click.option(
    "--at",
    "at",
    required=True,
    multiple=True,
    metavar="TIME",
    help="When: 3.2s, 1500ms, 90f (frames), 1:02.5. Several make several files.",
)
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="FRAME.png",
    required=True,
    help="The frame; of several, FRAME-12f.png for frame 12, or frames/%06d.png. Of strokes also "
    "FRAME.svg.",
)
@click.option(
    "--seeds",
    metavar="1..9",
    help="Not one frame but one for each of these seeds, beside one another: 1..9, or 1,4,7.",
)
@click.option(
    "--stegano",
    is_flag=True,
    help="Hide the note in the lowest bits of the pixels too, where it outlives the removal of "
    "metadata; `render inspect` finds it.",
)
@draft_option
@settings_options
@rendering_options
@click.option(
    "--force",
    is_flag=True,
    help="Overwrite FRAME.png even if Render did not write it, and start even if memory "
    "seems too small.",
)
@quiet_option
@log_option
def still(
    at: tuple[str, ...],
    seeds: str | None,
    stegano: bool,
    quiet: bool,
    log_format: str,
    **options: Any,
) -> None:
    """One frame of STORYBOARD as a PNG, making only the keyframes that lead to it."""
    request = RenderRequest(log=Log(quiet, log_format == "json"), **options)
    with report_errors(request.log):
        if seeds is None:
            render_still(request, at, stegano)
            return
        from render.cli.variants import render_sheet_of_seeds

        render_sheet_of_seeds(request, at, seeds, stegano)


@cli.command()
@click.argument("storyboard", type=FILE)
@click.option("-o", "--output", type=FILE, metavar="FOLDER", required=True, help="The folder.")
@click.option("--at", default="0s", metavar="TIME", show_default=True, help="When in the film.")
@click.option("--seeds", metavar="1..9", help="A variant for each of these seeds.")
@click.option(
    "--vary",
    metavar="KEY=VALUE,VALUE",
    help="A variant for each value of a key, as in step=0.4,0.8.",
)
@draft_option
@settings_options
@rendering_options
@click.option(
    "--force",
    is_flag=True,
    help="Overwrite files that Render did not write, and start even if memory seems too small.",
)
@quiet_option
@log_option
def variants(
    at: str, seeds: str | None, vary: str | None, quiet: bool, log_format: str, **options: Any
) -> None:
    """One frame of STORYBOARD with many seeds, or with many values of one key.

    FOLDER gets a picture and a latent of each, and sheet.png with all of them side by side.
    `render interpolate FOLDER -o morph.mp4` travels from one to the next.
    """
    request = RenderRequest(log=Log(quiet, log_format == "json"), **options)
    with report_errors(request.log):
        from render.cli.variants import render_variants

        render_variants(request, at, seeds, vary)


@cli.command()
@click.argument("storyboard", type=FILE)
@click.option(
    "--at",
    "times",
    multiple=True,
    metavar="TIME",
    help="The one of the keyframe nearest to this time, of the shot that is on screen.",
)
@click.option("-o", "--output", type=FILE, metavar="NAME.safetensors", help="Where it is copied.")
@draft_option
@settings_options
@latents_option
@click.option("--force", is_flag=True, help="Overwrite NAME.safetensors.")
def latents(times: tuple[str, ...], output: Path | None, force: bool, **options: Any) -> None:
    """List the latents of STORYBOARD by shot and time, or copy one out.

    `--at 3.2s -o kept.safetensors` copies, and `-o drawing.svg` writes a drawing of strokes. A copy
    may be a shot's `init`, a prompt's `latent`, or a stop of `render interpolate`.
    """
    with report_errors():
        from render.cli.describe import describe_latents
        from render.cli.rendering import copy_latent

        request = RenderRequest(output=output, force=force, **options)
        board = load_storyboard(request)
        plan = plan_film(board, request.draft)
        if not times and output is None:
            write_answer("\n".join(describe_latents(plan, request.latents_folder)))
        elif len(times) != 1 or output is None:
            raise InputError("to copy a latent out, say once when and where: --at 3.2s -o NAME")
        else:
            copy_latent(request, plan, times[0])


@cli.command()
@click.argument("storyboard", type=FILE)
@click.option("-o", "--output", type=FILE, metavar="SHEET.png", required=True, help="The sheet.")
@click.option("--count", type=click.IntRange(1, 400), default=24, show_default=True,
              help="About how many frames are on it.")  # fmt: skip
@click.option("--columns", type=click.IntRange(1, 20), default=4, show_default=True)
@draft_option
@part_options
@settings_options
@device_option
@latents_option
@click.option("--force", is_flag=True, help="Overwrite SHEET.png even if Render did not write it.")
def sheet(count: int, columns: int, **options: Any) -> None:
    """A contact sheet of STORYBOARD: frames of what is rendered, with times, shots and prompts."""
    request = RenderRequest(**options)
    with report_errors(request.log):
        from render.cli.rendering import render_sheet

        render_sheet(request, count, columns)


@cli.command()
@click.argument("inputs", type=FILE, nargs=-1, required=True, metavar="A B [C ...]")
@click.option("-o", "--output", type=FILE, metavar="OUT.mp4", required=True, help="The film.")
@click.option(
    "--seconds",
    metavar="TIME[,TIME]",
    help="From each picture to the next; or a time for each way.  [default: 2]",
)
@click.option("--total", metavar="TIME", help="How long the whole film is, instead of --seconds.")
@click.option("--audio", type=FILE, metavar="FILE", help="A sound that plays under the film.")
@click.option(
    "--ease",
    default="in-out",
    show_default=True,
    help="The easing between two pictures: linear, in, out, smooth, ... or a Bezier's handles, "
    "0.4,0,0.2,1.",
)
@click.option(
    "--blend",
    type=click.Choice(["lerp", "slerp", "codes"]),
    default="lerp",
    show_default=True,
    help="The way through latent space.",
)
@click.option("--loop", is_flag=True, help="Go on from the last picture back to the first.")
@click.option("--fps", default="24", show_default=True, help="24, 23.976, 30000/1001, ...")
@click.option("--size", metavar="WxH", help="[default: the first input's]")
@click.option(
    "--model", metavar="NAME", help="The generator.  [default: the latents' own, else starter]"
)
@click.option(
    "--codec",
    default="auto",
    show_default=True,
    help="How it is encoded; auto is by the ending of OUT.",
)
@click.option("--quality", type=int, default=17, show_default=True, help="Less is better.")
@device_option
@convolutions_option
@click.option(
    "--force",
    is_flag=True,
    help="Overwrite OUT.mp4 even if Render did not write it, and start even if memory seems too "
    "small.",
)
@quiet_option
@log_option
def interpolate(
    inputs: tuple[Path, ...],
    output: Path,
    force: bool,
    device: str,
    convolutions: str,
    quiet: bool,
    log_format: str,
    **options: Any,
) -> None:
    """Travel through latent space between finished pictures (PNG, JPG) and latents (.safetensors).

    A folder stands for the latents in it by their names, or for its pictures if it has none.

    The film shows every input exactly, and no frame twice: n legs of s seconds are n·s·fps frames,
    and one more for the last picture unless --loop.
    """
    log = Log(quiet, log_format == "json")
    began = time.monotonic()
    with report_errors(log):
        from render.plan.journey import check_memory, plan_journey
        from render.plan.memory import machine_memory

        journey = plan_journey(inputs, output, **options)
        if not force and not device.startswith(("cuda", "mps")):
            check_memory(journey, machine_memory())
        needed = [stop.path for stop in journey.stops]
        needed += [journey.audio.file] if journey.audio else []
        for file in files_of(output, range(journey.frame_count)):
            check_overwrite(file, force, needed, "journey")
        names = [f"the generator {journey.generator.name}"]
        chosen = load_device(device, "float32", convolutions, log, names)

        from render.cli.progress import display
        from render.film.interpolate import make_journey

        with report_interruption(log, lambda: "Interrupted."), display(log.display) as show:
            make_journey(journey, output, chosen, show)
        length = float(journey.frame_count / journey.fps)
        report_made(log, output, journey.frame_count, length, journey.size, began)


perceptor_option = click.option(
    "--perceptor", metavar="NAME", default="starter", show_default=True, help="What judges."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON value on stdout.")


@cli.command()
@click.argument("images", type=FILE, nargs=-1, metavar="[IMAGE ...]")
@click.option("--text", "texts", multiple=True, metavar="TEXT", help="A text; may be repeated.")
@click.option("--colors", is_flag=True, help="Score a grid of colours instead of images.")
@click.option(
    "-o", "--output", type=FILE, metavar="CHART.png", help="Draw the scores as a bar chart."
)
@perceptor_option
@click.option(
    "--temperature",
    type=click.FloatRange(0.0001, 100),
    help="Of the softmax over the texts.  [default: the perceptor's own]",
)
@json_option
@device_option
@click.option("--force", is_flag=True, help="Overwrite CHART.png even if Render did not write it.")
def score(**options: Any) -> None:
    """How well each TEXT fits each IMAGE: their similarity, and its share among the texts.

    A CLIP's similarity is the cosine of the angle between its embeddings.
    """
    with report_errors():
        from render.cli.scoring import score_command

        score_command(**options)


@cli.command()
@click.argument("prompts", nargs=-1, required=True, metavar="PROMPT [PROMPT ...]")
@click.option("-o", "--output", type=FILE, metavar="STEPS.png", help="Draw the steps as a strip.")
@click.option("--from", "start", default="#808080", show_default=True, metavar="COLOUR",
              help="The colour to begin with.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1, 10_000), default=100, show_default=True)
@perceptor_option
@json_option
@device_option
@click.option("--force", is_flag=True, help="Overwrite STEPS.png even if Render did not write it.")
def color(**options: Any) -> None:
    """The colour of each PROMPT: one flat colour, optimised step by step.

    
      render color "the color of a banana" "the color of the sea" -o steps.png
    """
    with report_errors():
        from render.cli.scoring import find_colors

        find_colors(**options)


@cli.command()
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="The note as it is stored.")
@click.option("--storyboard", is_flag=True, help="Only the storyboard, ready to be rendered again.")
@click.option("--included", metavar="NAME", help="Only the text of a file that it takes in.")
def inspect(file: Path, as_json: bool, storyboard: bool, included: str | None) -> None:
    """What Render noted in FILE (PNG, MP4, latent): storyboard, prompts, seed, models, steps."""
    with report_errors():
        from render.cli.describe import describe_needs, included_text
        from render.media.provenance import format_note, read_note

        note = read_note(file)
        if as_json:
            text = json.dumps(note, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
        elif included is not None:
            text = included_text(note, included)
        elif storyboard:
            text = str(note.get("storyboard") or "")
            if not text:
                how = f"`render inspect {file}` tells how it was made"
                raise InputError(f"{file} has no storyboard; {how}")
            for sentence in describe_needs(note, text):
                TEXT_LOG.say("note", sentence)
        else:
            text = format_note(note) + "\n"
        # Control characters must not reach a terminal; a file gets every byte.
        write_answer(text, end="", as_it_is=not sys.stdout.isatty())


@cli.group(invoke_without_command=True, context_settings=SETTINGS)
@click.pass_context
def models(ctx: click.Context) -> None:
    """List generators and perceptors: size, licence, where. `models get NAME` fetches one."""
    if ctx.invoked_subcommand is None:
        with report_errors():
            from render.cli.describe import describe_models

            write_answer("\n".join(describe_models()))


@models.command()
@click.argument("name")
@click.option("--from", "source", type=FILE, metavar="FILE", help="A file you already have.")
@click.option(
    "--config",
    type=FILE,
    metavar="FILE",
    help="The config of your own model: taming's YAML of a VQGAN, open_clip's JSON of a CLIP.",
)
@quiet_option
def get(name: str, source: Path | None, config: Path | None, quiet: bool) -> None:
    """Download the weights of NAME, or take them from a file; checked, resumed, never half-made.

    NAME is one of `render models`, a new name for a file of your own, or a model of open_clip's
    with the tag of its weights, as in ViT-B-32:laion400m_e32.
    """
    log = Log(quiet)
    interrupted = "Interrupted; the same command goes on from here."
    with report_errors(log), report_interruption(log, lambda: interrupted):
        from render.weights.catalog import CATALOG
        from render.weights.install import add_own_model, install_model
        from render.weights.library import find_model

        in_table = any(name.lower() in map(str.lower, rows) for rows in CATALOG.values())
        if config is not None and (":" in name or in_table):
            raise InputError(f"--config is for models of your own; that of {name} is known")
        if ":" in name:
            from render.weights.open_clip_models import tagged_model

            row = tagged_model(name)
            with download_bar(name, quiet) as shown:
                path = install_model(row, shown, source)
            name = path.stem
        elif source is not None and not in_table:
            path = add_own_model(name, source, None if config is None else read_own_config(config))
        else:
            with download_bar(name, quiet) as shown:
                path = install_model(find_model(name), shown, source)
    if not quiet:
        write_line(sys.stdout, f"{name} is at {path}")


def read_own_config(path: Path) -> dict[str, Any]:
    """The config of a user's own model: of a CLIP if it is JSON, else of a VQGAN."""
    if path.suffix.lower() == ".json":
        from render.weights.open_clip_models import read_perceptor_config

        return read_perceptor_config(path)
    from render.weights.convert import read_config

    return read_config(path)


@models.command("import")
@click.argument("folders", nargs=-1, type=FILE, metavar="[FOLDER]...")
@quiet_option
def import_(folders: tuple[Path, ...], quiet: bool) -> None:
    """Take weights that another program downloaded, found by their digests in each FOLDER.

    Without a FOLDER, in the caches of OpenAI's clip, of Hugging Face's hub and of torch's. The
    files there stay as they are.
    """
    log = Log(quiet)
    with report_errors(log), report_interruption(log, lambda: "Interrupted; nothing was lost."):
        from render.weights.imports import import_weights, usual_folders

        among = folders or tuple(usual_folders())
        names = import_weights(among, lambda sentence: log.say("note", sentence))
    if not quiet:
        where = ", ".join(map(str, among)) or "the usual folders, of which there is none"
        answer = f"taken: {', '.join(names)}" if names else f"nothing to take in {where}"
        write_line(sys.stdout, answer)


@cli.command()
def schema() -> None:
    """The JSON Schema of storyboards, for editors."""
    with report_errors():
        from render.storyboard.schema import json_schema

        write_answer(json.dumps(json_schema(), indent=2))


@cli.command()
@click.argument("name")
def new(name: str) -> None:
    """Write a storyboard with comments to NAME.yaml, to begin with: three shots, ten seconds."""
    with report_errors():
        from render.cli.first_run import next_commands, write_storyboard

        path = write_storyboard(name)
        lines = [f"{path} is a storyboard. Read it, change it, and then:"]
        write_answer("\n".join([*lines, *(f"  {command}" for command in next_commands(path))]))


@cli.command()
def doctor() -> None:
    """Tell what this machine has for Render, and what to do about each lack.

    Device, threads, memory, ffmpeg and its codecs, models, disk. Exits with 1 if films cannot be
    made here.
    """
    with report_errors():
        from render.cli.first_run import described, examine

        findings = list(examine())
        write_answer("\n".join(described(findings)))
        if any(finding.is_serious for finding in findings):
            raise click.exceptions.Exit(FAILED)


@cli.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.option("--install", is_flag=True, help="Write it where the shell finds it.")
def completion(shell: str | None, install: bool) -> None:
    """Complete commands, options and files in SHELL: print the script, or --install it.

    SHELL is your own unless you name one.
    """
    with report_errors():
        from render.cli.first_run import completion_script, install_completion, shell_of_user

        shell = shell or shell_of_user()
        script = completion_script(shell, cli)
        if not install:
            write_answer(script, end="")
            return
        for path in install_completion(shell, script):
            write_answer(f"{path} is written")
        write_answer("Open a new terminal, and the Tab key completes what follows `render`.")
