"""Strokes to pixels, differentiable: cubic Bezier curves with a width and a colour, one over
another (as CLIPDraw draws them by diffvg: Frans et al. 2021, arXiv 2106.14843; Li et al. 2020).

A curve is a chain of short straight segments. The pixels near each segment are listed, so that the
work grows with what is painted and not with pixels times strokes; of each pixel's distances to the
segments of one stroke the least counts. A pixel's share under a stroke follows from the distance,
over the width of one pixel, and the shares of its strokes are composed in their order.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

MOST_OPAQUE = 0.999  # of a stroke, so that what is below it keeps a little of its gradient
CANDIDATES = 8_000_000  # pixels near segments that are looked at together; a band has fewer


@dataclass(frozen=True)
class Curves:
    """N strokes in pixels, from the lowest to the topmost."""

    points: Tensor  # (N, S + 1, 2): the ends of their segments, x before y, from the top left
    radii: Tensor  # (N,): half of their widths
    colours: Tensor  # (N, 3) in [0, 1]
    opacities: Tensor  # (N,) in [0, 1]


def flatten(points: Tensor, segments: int) -> Tensor:
    """Returns the ends of the segments (N, S + 1, 2) of cubic Bezier curves (N, 4, 2)."""
    t = torch.linspace(0, 1, segments + 1, device=points.device)[:, None]
    powers = torch.cat([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], dim=1)
    return powers @ points


def rasterise(curves: Curves, size: tuple[int, int], paper: Tensor) -> Tensor:
    """Returns the picture (3, H, W) of curves on paper of a colour (3,); `size` is (width, height).

    Bands of the picture are painted one after another where it has many pixels, and then again for
    the gradient, so that memory is bounded.
    """
    width, height = size
    with torch.no_grad():
        left, top, right, bottom = _boxes(curves, range(height), width)
        candidates = ((right - left).clamp_min(0) * (bottom - top).clamp_min(0)).sum().item()
    bands = min(height, 1 + int(candidates) // CANDIDATES)
    if bands == 1:
        return _paint_band(curves, range(height), width, paper)
    edges = [height * band // bands for band in range(bands + 1)]
    rows = [range(top, bottom) for top, bottom in itertools.pairwise(edges)]
    if not (torch.is_grad_enabled() and curves.points.requires_grad):
        return torch.cat([_paint_band(curves, one, width, paper) for one in rows], dim=1)

    def paint(
        points: Tensor, radii: Tensor, colours: Tensor, opacities: Tensor, one: range
    ) -> Tensor:
        return _paint_band(Curves(points, radii, colours, opacities), one, width, paper)

    parts = (curves.points, curves.radii, curves.colours, curves.opacities)
    painted = [checkpoint(paint, *parts, one, use_reentrant=False) for one in rows]
    return torch.cat(painted, dim=1)


def _paint_band(curves: Curves, rows: range, width: int, paper: Tensor) -> Tensor:
    """Returns some rows of the picture, (3, rows, W)."""
    height = len(rows)
    pixel, stroke, segment = _covered(curves, rows, width)
    place = torch.stack([pixel % width + 0.5, pixel // width + (rows.start + 0.5)], dim=1)
    # By `index_select`: the gradient of indexing adds in an order that varies with the threads.
    ends_of_segments = curves.points.flatten(0, 1)
    number = stroke * curves.points.shape[1] + segment
    begin = ends_of_segments.index_select(0, number)
    along = ends_of_segments.index_select(0, number + 1) - begin
    # The nearest point of a segment is where the distance is least, so a change of its place does
    # not change the distance.
    share = _nearest_share(place, begin.detach(), along.detach())
    distance = ((place - begin - share[:, None] * along).square().sum(1) + 1e-6).sqrt()
    radius = curves.radii.index_select(0, stroke)
    # What of a pixel lies between the two edges of the stroke, each spread over one pixel.
    cover = (radius - distance + 0.5).clamp(0, 1) - (0.5 - radius - distance).clamp(0, 1)
    opacity = (cover * curves.opacities.index_select(0, stroke)).clamp(0, MOST_OPAQUE)
    # What each stroke lets through, multiplied over those above it, as differences of sums of
    # logarithms; the pairs of a pixel lie together, from the lowest stroke to the topmost.
    kind = torch.float32 if pixel.device.type == "mps" else torch.float64  # Metal has no float64
    sums = torch.log1p(-opacity.to(kind)).cumsum(0)
    counts = torch.bincount(pixel, minlength=height * width)
    ends = counts.cumsum(0)
    padded = torch.cat([sums.new_zeros(1), sums])
    last, first = padded.index_select(0, ends), padded.index_select(0, ends - counts)
    weight = opacity * (last.index_select(0, pixel) - sums).exp().float()
    painted = torch.zeros(height * width, 3, device=pixel.device)
    colours = curves.colours.index_select(0, stroke)
    painted = painted.index_add(0, pixel, weight[:, None] * colours)
    painted = painted + (last - first).exp().float()[:, None] * paper
    return painted.T.reshape(3, height, width)


@torch.no_grad()
def _covered(curves: Curves, rows: range, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns every pair of a pixel (its number in the band) and a stroke that reaches it, with the
    number of the stroke's nearest segment: (n,) each, by pixel and then by stroke."""
    boxes = _boxes(curves, rows, width)  # (N, S) each
    left, top, right, bottom = (box.flatten() for box in boxes)
    across = (right - left).clamp_min(0)
    areas = across * (bottom - top).clamp_min(0)
    number = torch.arange(len(areas), device=areas.device).repeat_interleave(areas)
    within = torch.arange(len(number), device=areas.device) - (areas.cumsum(0) - areas)[number]
    x, y = left[number] + within % across[number], top[number] + within // across[number]
    segments = boxes[0].shape[1]
    begins = curves.points[:, :-1].reshape(-1, 2)
    along = (curves.points[:, 1:] - curves.points[:, :-1]).reshape(-1, 2)
    place = torch.stack([x + 0.5, y + (rows.start + 0.5)], dim=1)
    begin, way = begins[number], along[number]
    share = _nearest_share(place, begin, way)
    square = (place - begin - share[:, None] * way).square().sum(1)
    stroke = number // segments
    near = square < (curves.radii[stroke] + 0.5).square()
    x, y, number, stroke, square = (each[near] for each in (x, y, number, stroke, square))
    # The pixels of each stroke's own box, one box after another.
    areas = _areas(*boxes)
    low_x, low_y = boxes[0].amin(1), boxes[1].amin(1)
    spans = (boxes[2].amax(1) - low_x).clamp_min(0)
    cell = (areas.cumsum(0) - areas)[stroke] + (y - low_y[stroke]) * spans[stroke]
    cell = cell + x - low_x[stroke]
    total = int(areas.sum())
    least = square.new_full((total,), torch.inf).scatter_reduce(0, cell, square, "amin")
    nearest = (square == least[cell]).nonzero()[:, 0]
    # Two segments are as near where they meet: the first of them counts.
    chosen = torch.full((total,), len(cell), device=cell.device)
    chosen = chosen.scatter_reduce(0, cell[nearest], nearest, "amin")
    pair = chosen[chosen < len(cell)]  # by stroke
    pixel = y[pair] * width + x[pair]
    order = pixel.to(torch.int32).argsort(stable=True)
    pair = pair[order]
    return pixel[order], stroke[pair], number[pair] % segments


def _boxes(curves: Curves, rows: range, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns the box of pixels near each segment: its left, top, right and bottom, (N, S) each,
    the last two just outside it, the rows counted from the band's first."""
    begin, end = curves.points[:, :-1], curves.points[:, 1:]
    reach = (curves.radii + 0.5)[:, None, None]
    limit = torch.tensor([width, len(rows)], device=begin.device)
    offset = torch.tensor([0.5, rows.start + 0.5], device=begin.device)
    low = (torch.minimum(begin, end) - reach - offset).ceil().long().clamp_min(0).minimum(limit)
    high = (torch.maximum(begin, end) + reach - offset).floor().long() + 1
    high = high.clamp_min(0).minimum(limit)
    return low[..., 0], low[..., 1], high[..., 0], high[..., 1]


def _areas(left: Tensor, top: Tensor, right: Tensor, bottom: Tensor) -> Tensor:
    """Returns how many pixels the box around all segments of each stroke has, (N,)."""
    across = (right.amax(1) - left.amin(1)).clamp_min(0)
    return across * (bottom.amax(1) - top.amin(1)).clamp_min(0)


def _nearest_share(place: Tensor, begin: Tensor, along: Tensor) -> Tensor:
    """Returns where on segments the points nearest to places are: (n,), from 0 at their begin."""
    length = along.square().sum(1).clamp_min(1e-9)
    return (((place - begin) * along).sum(1) / length).clamp(0, 1)
