"""`render score` and `render color`: how well texts fit pictures and colours."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from render import __version__
from render.cli.output import TEXT_LOG, Log, report_made, write_answer
from render.cli.preflight import check_overwrite, check_picture_output, load_device
from render.errors import InputError
from render.storyboard.named_files import probe_image, similar_name
from render.text import aligned_columns, escape_unprintable, is_printable, nearest
from render.weights.library import known_models, require_weights
from render.weights.vocabulary import vocabulary

if TYPE_CHECKING:
    from torch import Tensor

    from render.synthesis.perceptor import Perceptor
    from render.weights.catalog import Model

MOST_IMAGES, MOST_TEXTS, LONGEST_TEXT = 200, 50, 1000
BEST = 5  # colours that are listed for a text


def check_texts(texts: tuple[str, ...], what: str) -> None:
    """Raises InputError for texts that cannot be compared with anything."""
    if not texts:
        raise InputError(f"no text is given; {what}")
    if len(texts) > MOST_TEXTS:
        raise InputError(f"{len(texts)} texts are more than {MOST_TEXTS}; give fewer")
    for text in texts:
        if not text.strip():
            raise InputError(f"a text is empty; {what}")
        if len(text) > LONGEST_TEXT or not is_printable(text):
            raise InputError(
                f"the text {escape_unprintable(text[:40])!r} is too long or holds control "
                "characters; write a sentence"
            )


def chosen_perceptor(name: str, texts: tuple[str, ...]) -> Model:
    """The perceptor of a name, whose weights are here and which knows something of each text;
    raises InputError."""
    models = known_models("perceptor")
    if name not in models:
        near = nearest(name, list(models))
        hint = f"did you mean {near}?" if near else "`render models` lists them"
        raise InputError(f"--perceptor {name}: there is no such perceptor; {hint}")
    model = models[name]
    require_weights(model)
    known = vocabulary(model)
    for text in texts:
        if known is not None and not known(text):
            raise InputError(
                f"{name} knows no word of {text!r}; use others, or another --perceptor"
            )
    return model


def load_chosen(name: str, texts: tuple[str, ...], device: str, as_json: bool) -> Perceptor:
    """The perceptor of a name, which knows something of each text, on a device; raises InputError.
    What is loaded is said unless the answer is JSON."""
    model, log = chosen_perceptor(name, texts), Log(quiet=True) if as_json else TEXT_LOG
    chosen = load_device(device, "float32", "auto", log, [f"the perceptor {name}"])

    from render.synthesis.load import load_perceptor

    return load_perceptor(model).on(chosen.device)


def check_chart(output: Path | None, force: bool, needed: tuple[Path, ...], kind: str) -> None:
    """Raises InputError unless a chart may be written."""
    if output is not None:
        check_picture_output(output)
        check_overwrite(output, force, needed, kind)


def score_images(
    images: tuple[Path, ...],
    texts: tuple[str, ...],
    perceptor: str,
    temperature: float | None,
    output: Path | None,
    device: str,
    as_json: bool,
    force: bool,
) -> None:
    """Print how well texts fit images, and draw the chart; raises RenderError."""
    began = time.monotonic()
    check_texts(texts, 'write --text "a sunset"')
    if len(images) > MOST_IMAGES:
        raise InputError(f"{len(images)} images are more than {MOST_IMAGES}; give fewer")
    problems = [_image_problem(image) for image in images]
    if found := [problem for problem in problems if problem]:
        raise InputError("\n".join(found))
    check_chart(output, force, images, "chart")
    loaded = load_chosen(perceptor, texts, device, as_json)

    from render.synthesis.images import load_image
    from render.synthesis.score import embed_texts, similarities

    targets = embed_texts(loaded, texts)
    pictures = [load_image(image, targets.device) for image in images]
    cosines = similarities(loaded, pictures, targets).cpu()
    divisor = temperature or loaded.temperature
    shares = (cosines / divisor).softmax(1)
    if as_json:
        write_answer(json.dumps(_as_objects(images, texts, cosines, shares, divisor), indent=1))
    else:
        rows: list[tuple[str, ...]] = [("image", "text", "similarity", "share")]
        for image, own, parts in zip(images, cosines.tolist(), shares.tolist(), strict=True):
            for place, (text, cosine, share) in enumerate(zip(texts, own, parts, strict=True)):
                name = escape_unprintable(str(image)) if place == 0 else ""
                rows.append((name, text, f"{cosine:.4f}", f"{100 * share:.1f}%"))
        write_answer("\n".join(aligned_columns(rows)))
        write_answer(f"by {perceptor}; the shares are a softmax of similarity / {divisor:.4g}")
    if output is not None:
        from render.film.charts import bar_chart
        from render.synthesis.images import to_frame

        frames = [to_frame(one, (one.shape[-1], one.shape[-2])) for one in pictures]
        chart = bar_chart(frames, texts, cosines.tolist(), shares.tolist())
        about = {"texts": list(texts), "perceptor": perceptor}
        _write_chart(output, chart, "chart", about, Log(quiet=as_json), began)


def _image_problem(image: Path) -> str | None:
    """What is wrong with an image, as a sentence; None if it can be read."""
    if not image.exists():
        return f"{image} is not there.{similar_name(image)}"
    found = probe_image(image)
    return f"{image} {found}" if isinstance(found, str) else None


def _as_objects(
    images: tuple[Path, ...], texts: tuple[str, ...], cosines: Tensor, shares: Tensor, by: float
) -> dict[str, Any]:
    """The scores as JSON has them."""
    return {
        "temperature": by,
        "images": [
            {
                "image": str(image),
                "scores": [
                    {"text": text, "similarity": round(cosine, 6), "share": round(share, 6)}
                    for text, cosine, share in zip(texts, own, parts, strict=True)
                ],
            }
            for image, own, parts in zip(images, cosines.tolist(), shares.tolist(), strict=True)
        ],
    }


def score_colors(
    texts: tuple[str, ...],
    perceptor: str,
    output: Path | None,
    device: str,
    as_json: bool,
    force: bool,
) -> None:
    """Print the colours of a grid that fit texts best, and draw the grid; raises RenderError."""
    began = time.monotonic()
    check_texts(texts, 'write --text "the color of a banana"')
    check_chart(output, force, (), "chart")
    loaded = load_chosen(perceptor, texts, device, as_json)

    from render.synthesis.score import (
        colour_grid,
        colour_similarities,
        embed_texts,
        hex_of,
        name_of,
    )

    grid = colour_grid()
    colours = grid.reshape(-1, 3)
    scores = colour_similarities(loaded, colours, embed_texts(loaded, texts)).cpu()  # (n, p)
    best = scores.topk(BEST, dim=0).indices.T.tolist()
    found = [
        [
            (hex_of(colours[index].tolist()), name_of(colours[index].tolist()), score)
            for index, score in zip(own, scores[own, number].tolist(), strict=True)
        ]
        for number, own in enumerate(best)
    ]
    if as_json:
        objects = [
            {"text": text, "colors": [dict(zip(("hex", "name", "similarity"), one, strict=True))
                                      for one in own]}
            for text, own in zip(texts, found, strict=True)
        ]  # fmt: skip
        write_answer(json.dumps(objects, indent=1))
    else:
        for text, own in zip(texts, found, strict=True):
            _print_colors(text, own)
    if output is not None:
        from render.film.charts import colour_chart

        pixels = (grid * 255).round().byte().numpy()
        chart = colour_chart(pixels, texts, scores.reshape(*grid.shape[:2], -1).numpy())
        about = {"texts": list(texts), "perceptor": perceptor}
        _write_chart(output, chart, "chart", about, Log(quiet=as_json), began)


def find_colors(
    prompts: tuple[str, ...],
    perceptor: str,
    start: str,
    steps: int,
    output: Path | None,
    device: str,
    as_json: bool,
    force: bool,
) -> None:
    """Optimise a colour for each prompt, print it, and draw its steps; raises RenderError."""
    from PIL import ImageColor

    began = time.monotonic()
    check_texts(prompts, 'write one, as in render color "the color of a banana"')
    try:
        red, green, blue, *alpha = ImageColor.getrgb(start)
    except ValueError as error:
        raise InputError(
            f"--from {escape_unprintable(start)!r} is no colour; write one as '#808080', navy or "
            "rgb(0, 0, 128)"
        ) from error
    if alpha:
        raise InputError(f"--from {start} is transparent; write '#{red:02x}{green:02x}{blue:02x}'")
    check_chart(output, force, (), "colors")
    loaded = load_chosen(perceptor, prompts, device, as_json)

    from render.synthesis.score import embed_texts, find_color, hex_of, name_of

    first = (red / 255, green / 255, blue / 255)
    ways = []
    for prompt, target in zip(prompts, embed_texts(loaded, prompts), strict=True):
        ways.append(list(find_color(loaded, target, first, steps)))
        end = ways[-1][-1]
        if not as_json:
            _print_colors(prompt, [(hex_of(end.colour), name_of(end.colour), end.similarity)])
    if as_json:
        objects = [
            {
                "prompt": prompt,
                "hex": hex_of(way[-1].colour),
                "name": name_of(way[-1].colour),
                "similarity": way[-1].similarity,
                "steps": [hex_of(one.colour) for one in way],
            }
            for prompt, way in zip(prompts, ways, strict=True)
        ]
        write_answer(json.dumps(objects, indent=1))
    if output is not None:
        import numpy as np

        from render.film.charts import colour_strips

        strips = [
            np.round(255 * np.array([one.colour for one in way])).astype(np.uint8) for way in ways
        ]
        about = {
            "prompts": [{"prompt": prompt, "weight": 1.0} for prompt in prompts],
            "perceptor": perceptor,
            "colors": [hex_of(way[-1].colour) for way in ways],
            "steps": steps,
        }
        captions = [f"{hex_of(way[-1].colour)}  {p}" for p, way in zip(prompts, ways, strict=True)]
        chart = colour_strips(strips, captions)
        _write_chart(output, chart, "colors", about, Log(quiet=as_json), began)


def _print_colors(text: str, colors: list[tuple[str, str, float]]) -> None:
    """Print a text and colours for it, each with a swatch where the terminal shows colours."""
    write_answer(text)
    for code, name, similarity in colors:
        red, green, blue = (int(code[place : place + 2], 16) for place in (1, 3, 5))
        swatch = f"\x1b[48;2;{red};{green};{blue}m      \x1b[0m" if shows_colours() else ""
        line = f"  {swatch}{' ' if swatch else ''}{code}  {name:<20} {similarity:.4f}"
        write_answer(line, as_it_is=True)


def shows_colours() -> bool:
    """Whether stdout is a terminal that may be sent colours."""
    import os

    return (
        sys.stdout is not None
        and sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def _write_chart(
    output: Path, chart: Any, kind: str, about: dict[str, Any], log: Log, began: float
) -> None:
    """Write a chart with its note, and say so."""
    from render.media.provenance import write_png

    write_png(output, chart, {"render": __version__, "kind": kind, **about})
    report_made(log, output, 1, None, (chart.shape[1], chart.shape[0]), began, kind)


def score_command(**options: Any) -> None:
    """Score images or colours, as the options of `render score` say; raises RenderError."""
    images, colors = options.pop("images"), options.pop("colors")
    if bool(images) == colors:
        raise click.UsageError(
            "name images to score, or --colors to score a grid of colours, and not both"
        )
    if colors:
        if options.pop("temperature") is not None:
            raise click.UsageError("--temperature is for images: colours are not shared out")
        score_colors(**options)
    else:
        score_images(images, **options)
