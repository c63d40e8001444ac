"""A drawing: cubic Bezier curves, each with a width, a colour and an opacity, one over another.

CLIPDraw (Frans, Soros & Witkowski 2021, arXiv 2106.14843) optimises such curves for a text. Here
they also follow the camera: their points move, so a zoom never blurs, and strokes that leave the
frame are drawn anew within it, so it never ends.
"""

from __future__ import annotations

import torch
from PIL import ImageColor
from torch import Tensor
from torch.nn import functional as F

from render.generators.generator import Generator, Start
from render.generators.rasterise import Curves, flatten, rasterise
from render.generators.warp import View, newly_exposed_mask, warp_parent
from render.plan.camera import Matrix, moves
from render.plan.key import derived_seed
from render.weights.kinds import STROKE_NUMBERS

# The numbers of a stroke. Points and widths are in heights of the picture, from its centre, x
# before y; BIRTH says when it was drawn anew: a stroke with another birth is another stroke.
POINTS, WIDTH, COLOUR, OPACITY, BIRTH = slice(0, 8), 8, slice(9, 12), 12, 13
# How far a step of size 1 moves each of them. CLIPDraw's, of a picture of 224 pixels in 250 steps,
# are 1 pixel, 0.1 pixels and 0.01.
STEPS = (*[0.008] * 8, 0.001, *[0.04] * 3, 0.03, 0.0)
REACH = 0.12  # heights from one point of a new stroke to the next, at most, along each side
THINNEST, WIDEST = 0.002, 0.6  # heights; a stroke beyond them is drawn anew
NEAREST = 0.05  # how near to the camera's own plane a point may be, 1 being the picture's distance
FAR = 50.0  # heights from the centre: no point of a stroke is further away
FIT_STEPS, FIT_SIZE, FIT_SIDE = 80, 1.0, 192  # of a drawing of a picture: steps, step size, pixels


class Strokes(Generator):
    """Latents are (B, 14, N, 1): N strokes of 14 numbers, from the lowest to the topmost."""

    kind = "strokes"
    step_shares = (1.0,)
    spread = 0.1
    moves_latents = True

    def __init__(self, size: tuple[int, int], count: int, width: float, paper: str) -> None:
        """`count` strokes on paper of a colour, for pictures of a size, (width, height); `width` is
        that of the widest new stroke, in heights."""
        super().__init__()
        self.size, self.count, self.width = size, count, width
        low, high = torch.zeros(STROKE_NUMBERS, 1, 1), torch.ones(STROKE_NUMBERS, 1, 1)
        low[POINTS], high[POINTS] = -FAR, FAR
        low[WIDTH], high[WIDTH] = THINNEST, WIDEST
        high[BIRTH] = 1e5
        self.register_buffer("low", low)
        self.register_buffer("high", high)
        self.register_buffer("steps", torch.tensor(STEPS)[:, None, None])
        self.register_buffer("paper", torch.tensor(ImageColor.getrgb(paper)) / 255)

    steps: Tensor  # (14, 1, 1)
    paper: Tensor  # (3,)

    @property
    def levels(self) -> tuple[int, ...]:
        """0 to 2: a smaller picture is drawn faster."""
        return (0, 1, 2)

    @property
    def half_width(self) -> float:
        """Half of the picture's width, in heights."""
        return self.size[0] / self.size[1] / 2

    def begin(self, picture: Tensor, seed: int) -> Tensor:
        """Returns new strokes all over the frame, in the colours of a picture."""
        random = torch.Generator().manual_seed(seed)
        # Spread evenly: the R2 sequence (M. Roberts 2018), shifted at random.
        steps = torch.tensor([0.7548776662466927, 0.5698402909980532])
        places = (torch.arange(self.count)[:, None] * steps + torch.rand(2, generator=random)) % 1
        places = (places - 0.5) * torch.tensor([2 * self.half_width, 1.0])
        return self.new_strokes(places.to(picture.device), picture, random, birth=0)

    def new_strokes(
        self, places: Tensor, picture: Tensor, random: torch.Generator, birth: int
    ) -> Tensor:
        """Returns strokes (1, 14, n, 1) about places (n, 2), in heights from the centre, in the
        colours that a picture (1, 3, H, W) has there."""
        count = len(places)
        draws = torch.rand(count, 10, generator=random).to(places.device)
        turns = (draws[:, :8].view(-1, 4, 2) - 0.5) * 2 * REACH
        turns[:, 0] = 0
        points = turns.cumsum(1)
        points = points - points.mean(1, keepdim=True) + places[:, None]
        grid = places * torch.tensor([1 / self.half_width, 2.0], device=places.device)
        colours = read_at(picture, grid)[0, :, 0]
        strokes = torch.empty(1, STROKE_NUMBERS, count, 1, device=places.device)
        strokes[0, POINTS, :, 0] = points.reshape(count, 8).T
        strokes[0, WIDTH, :, 0] = self.width * (0.25 + 0.75 * draws[:, 8])
        strokes[0, COLOUR, :, 0] = colours
        strokes[0, OPACITY, :, 0] = 0.5 + 0.4 * draws[:, 9]
        strokes[0, BIRTH] = birth
        return strokes

    @torch.no_grad()
    def encode(self, picture: Tensor) -> Tensor:
        """Returns drawings of pictures, fitted by descent on the squared difference of pixels."""
        return torch.cat([self._drawing_of(one[None]) for one in picture])

    def _drawing_of(self, picture: Tensor) -> Tensor:
        """Returns a drawing of one picture."""
        scale = min(1.0, FIT_SIDE / min(picture.shape[-2:]))
        size = (max(1, round(picture.shape[-1] * scale)), max(1, round(picture.shape[-2] * scale)))
        small = F.interpolate(picture, size=size[::-1], mode="area")
        start = self.begin(small, seed=0)
        offset = torch.zeros_like(start, requires_grad=True)
        optimizer = torch.optim.Adam([offset], betas=(0.8, 0.99))
        for step in range(FIT_STEPS):
            optimizer.param_groups[0]["lr"] = FIT_SIZE * (1 - 0.9 * step / FIT_STEPS)
            with torch.enable_grad():
                drawn = self._draw(start + offset * self.steps, size)
                loss = F.mse_loss(drawn, small)
                (offset.grad,) = torch.autograd.grad(loss, offset)
            optimizer.step()
            moved = start + offset * self.steps
            self.move_offsets([offset], moved.maximum(self.low).minimum(self.high) - moved)
        return start + offset.detach() * self.steps

    def paint(self, codes: Tensor, *, step: bool = False, level: int = 0) -> Tensor:
        """Returns the pictures, drawn at their size."""
        width, height = self.size
        return self._draw(codes, (width >> level, height >> level))

    def _draw(self, codes: Tensor, size: tuple[int, int]) -> Tensor:
        """Returns the pictures of strokes (B, 14, N, 1) at a size."""
        return torch.stack([rasterise(self.curves(one, size), size, self.paper) for one in codes])

    def curves(self, strokes: Tensor, size: tuple[int, int]) -> Curves:
        """Returns strokes (14, N, 1) in pixels of a picture of this size."""
        width, height = size
        strokes = strokes[..., 0]
        points = strokes[POINTS].T.reshape(-1, 4, 2) * height
        points = points + torch.tensor([width / 2, height / 2], device=points.device)
        segments = 16 if min(size) <= 512 else 32
        radii = strokes[WIDTH] * height / 2
        colours, opacities = strokes[COLOUR].T.clamp(0, 1), strokes[OPACITY].clamp(0, 1)
        return Curves(flatten(points, segments), radii, colours, opacities)

    def seen(self, latent: Tensor, matrix: Matrix, border: str) -> Tensor:
        """Returns strokes with their points and widths as the camera sees them.

        Under perspective the curve of the moved points is near to the moved curve, not equal to it.
        """
        if not moves(matrix):
            return latent
        m = torch.tensor(matrix, device=latent.device).view(3, 3)
        points = latent[:, POINTS, :, 0].transpose(1, 2)
        points = points.reshape(*points.shape[:2], 4, 2)
        moved = F.pad(points, (0, 1), value=1.0) @ m.T
        # Behind the camera, and far beyond a horizon, a point is far outside.
        depth = moved[..., 2:].clamp_min(NEAREST)
        places = (moved[..., :2] / depth).clamp(-FAR, FAR)
        # How much larger a small part of the picture becomes there: the root of its area.
        middle = points.mean(2)  # (B, N, 2)
        w = (F.pad(middle, (0, 1), value=1.0) @ m[2]).clamp_min(NEAREST)
        growth = (abs(determinant(matrix)) / w**3).sqrt()
        latent = latent.clone()
        latent[:, POINTS, :, 0] = places.flatten(2).transpose(1, 2)
        latent[:, WIDTH, :, 0] *= growth
        # What is partly behind the camera is not seen, and what comes too near fades.
        seen = (moved[..., 2] > NEAREST).all(2)
        fading = (2 - latent[:, WIDTH, :, 0] / WIDEST).clamp(0, 1)
        latent[:, OPACITY, :, 0] *= seen * fading
        return latent

    @torch.no_grad()
    def warm_start(self, parent: Tensor, view: View) -> Start:
        """Returns the parent's strokes as the camera sees them. Those that it no longer sees, and
        as many of the smallest as the share of the frame that the parent did not show, are drawn
        anew, in the colours that are seen where they are put."""
        if not moves(view.matrix):
            return Start(parent, self.decode(parent))
        strokes = self.seen(parent, view.matrix, view.border)
        width, height = self.size
        shown = 1 - newly_exposed_mask(view.matrix, height, width, parent.device)
        lost = self._lost(strokes, 1 - float(shown.mean()))
        if not lost.any():
            return Start(strokes, self.decode(strokes))
        beneath = warp_parent(self.decode(parent), view)
        random = torch.Generator().manual_seed(derived_seed(view.seed, "strokes"))
        places = self._new_places(int(lost.sum()), shown, random)
        birth = derived_seed(view.seed, "birth") % 99_991 + 1
        new = self.new_strokes(places, beneath, random, birth)
        # On bare paper a stroke keeps its old colour: in that of the paper it would be lost.
        bare = (new[:, COLOUR] - self.paper[:, None, None]).abs().amax(1, keepdim=True) < 0.02
        new[:, COLOUR] = torch.where(bare, strokes[:, COLOUR][:, :, lost], new[:, COLOUR])
        strokes[:, :, lost] = new
        free = lost.float()[None, None, :, None]
        return Start(strokes, self.decode(strokes), None, free)

    def _lost(self, strokes: Tensor, uncovered: float) -> Tensor:
        """Returns which of the strokes (1, 14, N, 1) are drawn anew: (N,)."""
        numbers = strokes[0, ..., 0]
        points, width = numbers[POINTS].view(4, 2, -1), numbers[WIDTH]
        low, high = points.amin(0) - width / 2, points.amax(0) + width / 2  # (2, N)
        edge = torch.tensor([self.half_width, 0.5], device=strokes.device)[:, None]
        lost = ((high < -edge) | (low > edge)).any(0) | (width > WIDEST) | (width < THINNEST)
        lost |= numbers[OPACITY] == 0
        wanted = round(uncovered * self.count) - int(lost.sum())
        if wanted > 0:
            area = (width * (width + (high - low).norm(dim=0))).masked_fill(lost, torch.inf)
            lost[area.argsort(stable=True)[:wanted]] = True
        return lost

    def _new_places(self, count: int, shown: Tensor, random: torch.Generator) -> Tensor:
        """Returns where new strokes are put, (n, 2) in heights from the centre: where the parent
        did not show the frame, if that is a hundredth of it or more, else anywhere."""
        tries = torch.rand(8 * count, 2, generator=random).to(shown.device) * 2 - 1
        empty = 1 - read_at(shown, tries)[0, 0, 0]
        is_empty = empty > 0.5
        share = 1 - float(shown.mean())
        first = min(int(is_empty.sum()), count) if share > 0.01 else 0
        chosen = torch.cat([tries[is_empty][:first], tries[~is_empty][: count - first]])
        chosen = torch.cat([chosen, tries])[:count]
        return chosen * torch.tensor([self.half_width, 0.5], device=shown.device)

    def with_exposed(self, start: Start, view: View) -> Start:
        """Returns the start as it is: strokes were fitted to all of its picture."""
        return start

    def between(self, before: Tensor, after: Tensor, fraction: float) -> Tensor:
        """Returns strokes between two neighbouring keyframes; one that was drawn anew fades out
        while its successor fades in."""
        same = before[:, BIRTH : BIRTH + 1] == after[:, BIRTH : BIRTH + 1]
        if bool(same.all()):
            return torch.lerp(before, after, fraction)
        kept = torch.where(same, torch.lerp(before, after, fraction), before)
        kept[:, OPACITY] = torch.where(
            same[:, 0], kept[:, OPACITY], (1 - fraction) * before[:, OPACITY]
        )
        new = after.clone()
        new[:, OPACITY] *= fraction * ~same[:, 0]
        both = torch.stack([kept, new], dim=3).flatten(2, 3)  # each successor right above
        return both[:, :, both[:, OPACITY, :, 0].amax(0) > 0]

    def travel(self, before: Tensor, after: Tensor, fraction: float) -> Tensor:
        """Returns strokes between two drawings: each moves to one that is near, by their places on
        a Z-order curve (Morton 1966), and their order changes with them."""
        if fraction in (0.0, 1.0):
            return after if fraction else before
        # Where a keyframe fades into the next, there are more of them.
        count = max(before.shape[2], after.shape[2], 1)
        before, after = (_with_unseen(drawing, count) for drawing in (before, after))
        ranks = [_morton_order(drawing) for drawing in (before, after)]
        partner = torch.empty_like(ranks[1])
        partner[ranks[0]] = ranks[1]  # of each stroke of `before`, its index in `after`
        mixed = torch.lerp(before, after[:, :, partner], fraction)
        heights = torch.lerp(
            torch.arange(count, device=before.device).float(), partner.float(), fraction
        )
        return mixed[:, :, heights.argsort(stable=True)]

    def share_of(self, mask: Tensor, latent: Tensor) -> Tensor:
        """Returns how much of a mask is at the middle of each stroke, (1, 1, N, 1)."""
        middle = latent[0, POINTS, :, 0].view(4, 2, -1).mean(0).T  # (N, 2)
        grid = middle * torch.tensor([1 / self.half_width, 2.0], device=latent.device)
        return read_at(mask, grid).transpose(2, 3)

    def restored(self, average: Tensor, start: Tensor) -> Tensor:
        """Returns an average with the births of the start: a mean of equal numbers rounds."""
        average = average.clone()
        average[:, BIRTH] = start[:, BIRTH]
        return average

    def zero_offsets(self, latent: Tensor) -> list[Tensor]:
        """Returns zeros of the latent's shape."""
        return [torch.zeros_like(latent)]

    def add_offsets(self, start: Tensor, offsets: list[Tensor]) -> Tensor:
        """Returns the start with its offsets, each number by its own unit."""
        return start + offsets[0] * self.steps

    def move_offsets(self, offsets: list[Tensor], change: Tensor) -> None:
        """Moves the offsets so that the latent moves by a change of its shape."""
        offsets[0].add_(change / self.steps.clamp_min(1e-6) * (self.steps > 0))


def determinant(m: Matrix) -> float:
    """Returns the determinant of a 3x3 matrix."""
    return (
        m[0] * (m[4] * m[8] - m[5] * m[7])
        - m[1] * (m[3] * m[8] - m[5] * m[6])
        + m[2] * (m[3] * m[7] - m[4] * m[6])
    )


def _with_unseen(strokes: Tensor, count: int) -> Tensor:
    """Returns strokes (1, 14, n, 1) and so many transparent copies above them that they are
    `count`; of no strokes at all, the copies are of nothing."""
    own = strokes.shape[2]
    if own == count:
        return strokes
    numbers = torch.arange(count - own, device=strokes.device) % max(own, 1)
    copies = strokes[:, :, numbers] if own else strokes.new_zeros(1, STROKE_NUMBERS, count, 1)
    copies = copies.clone()
    copies[:, OPACITY] = 0
    return torch.cat([strokes, copies], dim=2)


def read_at(picture: Tensor, places: Tensor) -> Tensor:
    """Returns what a picture (1, C, H, W) shows at places (n, 2) from -1 to 1: (1, C, 1, n)."""
    return F.grid_sample(picture, places[None, None], padding_mode="border", align_corners=False)


def _morton_order(strokes: Tensor) -> Tensor:
    """Returns the indices (N,) of strokes (1, 14, N, 1) along a Z-order curve."""
    middle = strokes[0, POINTS, :, 0].view(4, 2, -1).mean(0)  # (2, N)
    low = middle.amin(1, keepdim=True)
    span = (middle.amax(1, keepdim=True) - low).clamp_min(1e-9)
    cells = ((middle - low) / span * 1023).long()
    code = torch.zeros_like(cells[0])
    for bit in range(10):
        for axis in range(2):
            code |= ((cells[axis] >> bit) & 1) << (2 * bit + axis)
    return code.argsort(stable=True)
