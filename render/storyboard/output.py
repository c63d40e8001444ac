"""How the film is written: its codec and quality, and whether they and its size agree."""

from __future__ import annotations

from typing import Any

from render.media.codecs import CODECS, chosen_codec
from render.storyboard.model import Storyboard
from render.storyboard.reader import Reader
from render.storyboard.tables import Row, Table
from render.storyboard.values import Choice, Number
from render.storyboard.yaml_nodes import Mapping

OUTPUT = Table(
    (
        Row(
            "codec",
            Choice(("auto", *CODECS)),
            "codec",
            "how the film is encoded; auto is by the ending of its name, else h264",
        ),
        Row("quality", Number(0, 63, whole=True), "quality", "less is better"),
    )
)


def check_output(node: Mapping, given: dict[str, Any], reader: Reader) -> None:
    """Note where the size or the quality that was given is none that the codec accepts."""
    name = chosen_codec(given.get("codec", Storyboard.codec))
    codec = CODECS[name]
    width, height = given.get("size", Storyboard.size)
    if codec.even and (width % 2 or height % 2):
        better = f"{width + width % 2}x{height + height % 2}"
        message = f"size {width}x{height}: {name} needs even sides; {better} would work"
        if given.get("codec", Storyboard.codec) == "auto":
            message += ", and .gif, .apng and PNGs take any"
            reader.warn(node.get("size") or node, message)
        else:
            reader.problem(node.get("size") or node, message)
    output = node.get("output")
    quality_node = output.get("quality") if isinstance(output, Mapping) else None
    if quality_node is None or "quality" not in given:
        return
    if codec.quality is None:
        reader.warn(quality_node, f"quality has no meaning for {name}, which has one quality only")
        return
    quality, (low, high) = given["quality"], codec.quality
    if not low <= quality <= high:
        message = f"quality {quality} is out of range. For {name} it goes from {low} to {high}"
        reader.problem(quality_node, message)
    elif quality < codec.best:
        message = f"quality {quality} of {name} is lossless in a form that few players show, so "
        lossless = "codec: ffv1 is lossless, and prores is for editing"
        reader.warn(quality_node, f"{message}{codec.best} is used. {lossless}")
