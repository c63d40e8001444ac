"""One keyframe: where its latent begins, what it is pulled towards, and the way down."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from kornia.filters import unsharp_mask
from torch import Tensor
from torch.nn import functional as F

from render.camera import moves
from render.cutouts import Looks, cut, sample_views
from render.estimate import HOST, Room
from render.generator import Generator
from render.images import fill, load_image, mask_of
from render.latents import LatentError, load_latent
from render.losses import LOSSES, Goal, Sight, Wish, distance, palette_of, weighted_sum
from render.optimize import Step, optimize
from render.perceptor import Perceptor
from render.timeline import Aim, Keyframe, Plan, derived_seed
from render.warp import newly_seen, resample, sharpness_of, warp


@dataclass(frozen=True)
class Models:
    """The frozen networks of one film, on their device (but what reads texts: that stays)."""

    generator: Generator
    perceptors: tuple[tuple[Perceptor, float], ...]  # with their weights
    room: Room = HOST  # for their steps
    recorded: bool | None = None  # whether steps are launched whole; None if it was not tried

    @property
    def device(self) -> torch.device:
        return self.generator.low.device

    @property
    def sides(self) -> tuple[int, ...]:
        """Of the perceptors' views, in pixels."""
        return tuple(dict.fromkeys(perceptor.side for perceptor, _ in self.perceptors))


Target = tuple[str | None, Path | None]  # what an aim wants: a text or an image


@dataclass(frozen=True)
class Targets:
    """All that any keyframe of a film wants, read and embedded once."""

    embedded: tuple[dict[Target, Tensor], ...]  # for each perceptor: its (D,) unit embeddings
    latents: dict[Path, Tensor]  # (1, C, h, w)


def embed_targets(plan: Plan, models: Models) -> Targets:
    """Every text, image and latent that any keyframe wants; raises LatentError."""
    aims = [aim for keyframe in plan.keyframes for aim in keyframe.aims]
    wanted = list(dict.fromkeys((a.text, a.image) for a in aims if not a.latent))
    texts = [text for text, _ in wanted if text is not None]
    images = [image for _, image in wanted if image is not None]
    tables = []
    for perceptor, _ in models.perceptors:
        table: dict[Target, Tensor] = {}
        if texts:
            table.update(
                zip([(text, None) for text in texts], perceptor.embed_texts(texts), strict=True)
            )
        for image in images:
            table[None, image] = embed_image(load_image(image, models.device), perceptor)
        tables.append(table)
    stored = dict.fromkeys(aim.latent for aim in aims if aim.latent)
    latents = {path: fitted(path, plan, models.generator) for path in stored}
    return Targets(tuple(tables), latents)


@torch.no_grad()
def fitted(path: Path, plan: Plan, generator: Generator) -> Tensor:
    """A stored latent of any size as one of the film's (1, C, h, w): its picture fills the frame.

    Raises LatentError.
    """
    latent = load_latent(path)[0].to(generator.low.device)
    if latent.shape[1] != len(generator.low) or not torch.isfinite(latent).all():
        raise LatentError(f"{path} is no latent of the film's generator; name another")
    width, height = (side // generator.factor for side in plan.size)
    if latent.shape[-2:] == (height, width):
        return latent
    return generator.encode(fill(generator.decode(latent), plan.size))


@torch.no_grad()
def embed_image(picture: Tensor, perceptor: Perceptor) -> Tensor:
    """(1, 3, H, W) to (D,): the mean direction of sixteen seeded views, without noise."""
    height, width = picture.shape[-2:]
    views = sample_views(16, (width, height), (0.6, 1.0), seed=0, noise=False)
    looks = views.on(picture.device, min(width, height), (perceptor.side,))
    mean = perceptor.embed_views(cut(picture, looks, perceptor.side)).mean(0)
    return F.normalize(mean, dim=0)


@torch.no_grad()
def beginning(
    plan: Plan, keyframe: Keyframe, generator: Generator, parent: Tensor | None
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """The latent a keyframe goes on from, and the picture it should hold on to, if it does.

    A camera at rest starts from the parent's own latent: no decoding and encoding, which loses a
    little every time. A moving one decodes the parent, warps it as float and encodes it, and
    what encoding had lost of the parent is moved along and added again: otherwise details stick to
    the grid of cells while the picture moves, and a slow zoom swims.
    """
    device = generator.low.device
    if parent is None:
        if keyframe.init is None:
            return None, None
        picture = load_image(keyframe.init, device, plan.size)
    else:
        before = generator.decode(parent)
        if not moves(keyframe.matrix):
            return parent, before
        picture = moved(before, keyframe)
        lost = resample(parent - generator.encode(before), keyframe.matrix, keyframe.border)
        return dream(generator.encode(picture) + lost, keyframe, generator), picture
    if not moves(keyframe.matrix):
        return generator.encode(picture), picture
    picture = moved(picture, keyframe)
    return dream(generator.encode(picture), keyframe, generator), picture


def moved(picture: Tensor, keyframe: Keyframe) -> Tensor:
    """A picture (1, 3, H, W) as the camera sees it now, sharpened by as much as is asked.

    The unsharp mask's size is Deforum's: a kernel of 5 and a sigma of 1 pixel.
    """
    seen = warp(picture, keyframe.matrix, keyframe.border)
    if keyframe.sharpen == 0.0:
        return seen
    sharp = unsharp_mask(seen, (5, 5), (1.0, 1.0))
    return seen.lerp(sharp, keyframe.sharpen).clamp(0, 1)


def dreamt(keyframe: Keyframe, size: tuple[int, int], device: torch.device) -> Tensor | None:
    """(1, 1, H, W), 1 where a keyframe dreams of what its parent did not show; None if nowhere."""
    if keyframe.border != "dream" or not moves(keyframe.matrix):
        return None
    width, height = size
    new = newly_seen(keyframe.matrix, height, width, device)
    return new if new.any() else None


def dream(latent: Tensor, keyframe: Keyframe, generator: Generator) -> Tensor:
    """A latent (1, C, h, w) with noise of codes where a keyframe shows what its parent did not, in
    every cell by as much of it as is new, so that a slow move begins to dream too.

    The codes are the picture's own, each from a random cell at about its height: codes from all of
    the codebook leave blobs in every colour, which few steps cannot paint over.
    """
    height, width = latent.shape[-2:]
    size = (width * generator.factor, height * generator.factor)
    new = dreamt(keyframe, size, latent.device)
    if new is None:
        return latent
    random = torch.Generator().manual_seed(derived_seed(keyframe.seed, "dream"))
    columns = torch.randint(width, (height, width), generator=random)
    jumps = torch.randint(-1, 2, (height, width), generator=random)
    rows = (torch.arange(height)[:, None] + jumps).clamp(0, height - 1)
    codes = generator.quantise(latent)[..., rows, columns]
    return latent.lerp(codes, F.avg_pool2d(new, generator.factor))


def unheld(held: Tensor | None, now: Tensor, new: Tensor | None) -> Tensor | None:
    """What holds a picture or latent, but where it is new nothing: there it holds itself."""
    if held is None or new is None:
        return held
    return held.lerp(now.detach(), F.interpolate(new, size=held.shape[-2:], mode="area"))


def soft_noise(size: tuple[int, int], seed: int) -> Tensor:
    """A grey picture (1, 3, H, W) with faint clouds of light and shade, to break the symmetry.

    This differs from the field's random codes: those, and coloured clouds too, leave their blobs
    in what a small perceptor paints, a green patch in a blue sky.
    """
    width, height = size
    random = torch.Generator().manual_seed(seed)
    picture = torch.full((1, 1, height, width), 0.5)
    for cells, strength in ((2, 0.04), (4, 0.03), (8, 0.03), (32, 0.02)):
        shape = (max(2, round(cells * height / width)), cells)
        clouds = torch.randn(1, 1, *shape, generator=random)
        picture += strength * F.interpolate(
            clouds, size=(height, width), mode="bicubic", align_corners=False
        )
    return picture.clamp(0, 1).expand(-1, 3, -1, -1)


# The colour grids (rows, columns) that a chain may begin as, tried in turn.
GRIDS = ((1, 1), (2, 1), (3, 1), (3, 2), (4, 3))
GROUNDS = 160
NEAREST = 40  # are looked at in every place; of 40 choices all were among the first 20
# Where they are looked at: from the top and from the left of what room there is, and what share.
PLACES = ((0, 0, 1.0), (0, 0.5, 1.0), (0, 1, 1.0), (0, 0.5, 0.5), (1, 0, 0.5), (1, 1, 0.5))


def grounds(size: tuple[int, int], seed: int) -> Tensor:
    """GROUNDS soft fields of random colours (n, 3, H, W) in [0, 1], some of them strong."""
    width, height = size
    random = torch.Generator().manual_seed(seed)
    drawn = []
    for number in range(GROUNDS):
        colours = torch.rand(1, 3, *GRIDS[number % len(GRIDS)], generator=random)
        if number % 2:
            colours = (colours - 0.5) * 1.6 + 0.5
        drawn.append(
            F.interpolate(
                colours.clamp(0, 1), size=(height, width), mode="bicubic", align_corners=True
            )
        )
    return torch.cat(drawn).clamp(0, 1)


@torch.no_grad()
def likely_start(
    plan: Plan, keyframe: Keyframe, generator: Generator, wishes: tuple[Wish, ...]
) -> Tensor:
    """The latent of the soft colours that the perceptors find nearest to what is asked, or of grey.

    From grey the way down often ends in the wrong light: a night that begins by brightening never
    turns dark again, and the way to fire leads past every other colour. A look at each ground, and
    six more at what is nearest, cost about as much as a few steps.
    """
    grey = soft_noise(plan.size, keyframe.seed).to(generator.low.device)
    if not wishes:
        return generator.encode(grey)
    width, height = plan.size
    short = 40  # pixels; they are soft
    scale = short / min(width, height)
    # A strip of a picture is looked at as one of eight to one: there is no more in its colours.
    small = (min(round(width * scale), 8 * short), min(round(height * scale), 8 * short))
    drawn = grounds(small, derived_seed(keyframe.seed, "ground")).to(grey.device)
    if wishes[0].masks is None:  # else a ground may be far from all prompts and near to one
        squeezed = F.interpolate(drawn, size=(short, short), mode="area")
        far = looked_at(squeezed, wishes, PLACES[:1])
        drawn = drawn[far.sum(1).topk(NEAREST, largest=False).indices]
    far = looked_at(drawn, wishes, PLACES)
    ground = drawn[far.sum(1).argmin(0, keepdim=True)]
    if wishes[0].masks is not None:
        ground = in_regions(ground, drawn, far, wishes[0])
    picture = F.interpolate(ground, size=(height, width), mode="bicubic", align_corners=False)
    return generator.encode((picture + (grey - 0.5)).clamp(0, 1))


def looked_at(
    drawn: Tensor, wishes: tuple[Wish, ...], places: tuple[tuple[float, float, float], ...]
) -> Tensor:
    """How far each of these pictures (n, 3, H, W) is from each prompt in these places, weighed and
    summed: (n, p)."""
    height, width = drawn.shape[-2:]
    far = drawn.new_zeros(len(drawn), len(wishes[0].targets))
    for wish in wishes:
        side, embed = wish.perceptor.side, wish.perceptor.embed_views
        for down, across, share in places:
            size = round(min(height, width) * share)
            top, left = round(down * (height - size)), round(across * (width - size))
            seen = drawn[..., top : top + size, left : left + size]
            seen = F.interpolate(seen, size=side, mode="bilinear", align_corners=False)
            # In parts, so that a large perceptor needs no more memory here than for its views.
            embedded = torch.cat([embed(part) for part in torch.split(seen, 16)])
            away = distance(embedded[:, None], wish.targets[None])
            far += wish.weight * away * wish.weights
    return far


def in_regions(ground: Tensor, drawn: Tensor, far: Tensor, wish: Wish) -> Tensor:
    """Every region with the ground that is nearest to what is asked of it, elsewhere `ground`.

    (1, 3, h, w), (n, 3, h, w), and how far each of n is from each of p prompts, (n, p).
    """
    assert wish.masks is not None
    masks = F.interpolate(wish.masks, size=ground.shape[-2:], mode="area")[:, 0]  # (p, h, w)
    flat = masks.flatten(1)
    shared = flat @ flat.T / flat.sum(1, keepdim=True).clamp_min(1e-6)  # of each, with each other
    chosen = drawn[(far @ shared.T).argmin(0)]  # (p, 3, h, w)
    covers = (masks * (wish.weights > 0)[:, None, None])[:, None]
    total = covers.sum(0, keepdim=True)
    mixed = (chosen * covers).sum(0, keepdim=True) / total.clamp_min(1e-6)
    return torch.lerp(ground, mixed, total.clamp(max=1))


def recordable(models: Models) -> bool:
    """Whether steps that are recorded end about where steps do that are not, with every loss.

    A look at six of them on a small picture. Not to the last bit: GPUs add up gradients in any
    order, as two runs that are not recorded tell, and Adam is another of torch's.
    """
    generator = models.generator
    size = (8 * generator.factor, 8 * generator.factor)
    with torch.no_grad():
        held = soft_noise(size, 0).to(models.device)
        start = generator.encode(held)
        kept = palette_of(held), sharpness_of(held)
        wanted = [(p, w, embed_image(held, p)[None]) for p, w in models.perceptors]
    one = torch.ones(1, device=models.device)
    wishes = tuple(Wish(p, weight, target, one, -one) for p, weight, target in wanted)

    def look(step: int) -> Looks:
        return sample_views(4, size, (0.4, 1.0), step).on(models.device, min(size), models.sides)

    def loss(latent: Tensor, codes: Tensor, picture: Tensor, looks: Looks) -> Tensor:
        sight = Sight(latent, codes, picture, held, start, looks, wishes, (), *kept)
        return weighted_sum(sight, tuple((name, 1.0) for name in LOSSES))

    down = partial(optimize, start, generator, look, loss, step_size=0.1, smoothing=0.0)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="a step could not be recorded")
            ends = [deque(down(steps=6, recorded=r), 1)[0] for r in (False, False, True)]
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, UserWarning):  # something in it cannot be recorded here
        return False
    one_by_one, again, whole = (end.average - start for end in ends)
    noise = (again - one_by_one).norm()
    return bool((whole - one_by_one).norm() < 0.02 * one_by_one.norm() + 3 * noise)


def wishes_of(
    plan: Plan, aims: tuple[Aim, ...], models: Models, targets: Targets
) -> tuple[Wish, ...]:
    """The keyframe's texts and images as tensors, for each perceptor."""
    aims = tuple(aim for aim in aims if not aim.latent)
    if not aims:
        return ()
    device = models.device
    masks = None
    if any(aim.where for aim in aims):
        masks = torch.cat([mask_of(aim.where, aim.moved, plan.size, device) for aim in aims])
    weights = torch.tensor([aim.weight for aim in aims], device=device)
    stops = torch.tensor([aim.stop for aim in aims], device=device)
    return tuple(
        Wish(
            perceptor,
            weight,
            torch.stack([table[a.text, a.image] for a in aims]),
            weights,
            stops,
            masks,
        )
        for (perceptor, weight), table in zip(models.perceptors, targets.embedded, strict=True)
    )


def goals_of(
    plan: Plan, aims: tuple[Aim, ...], generator: Generator, targets: Targets
) -> tuple[Goal, ...]:
    """The keyframe's latents, and where each is meant."""
    goals = []
    for aim in aims:
        if aim.latent:
            latent, mask = targets.latents[aim.latent], None
            if aim.where:
                mask = mask_of(aim.where, aim.moved, plan.size, latent.device)
                mask = F.avg_pool2d(mask, generator.factor)
            # Pushed away from it is as far as two random codes are: beyond is no picture at all.
            stop = max(aim.stop, -1.0) if aim.weight < 0 else aim.stop
            spread = 2 * generator.codebook.var(0, correction=0).mean()
            goals.append(Goal(latent, aim.weight, stop, spread, mask))
    return tuple(goals)


@dataclass(frozen=True)
class Anchor:
    """What a keyframe keeps to, if it does; as `losses.Sight` holds it."""

    palette: Tensor | None = None
    sharp: Tensor | None = None


@torch.no_grad()
def anchor(plan: Plan, picture: Path | None, first: Tensor | None, generator: Generator) -> Anchor:
    """Of the palette's picture, as it fills the frame, and of the shot's first latent
    (1, C, h, w), which is the palette where there is no picture."""
    palette = None if first is None else generator.decode(first)
    sharp = None if palette is None else sharpness_of(palette)
    if picture is not None:
        palette = load_image(picture, generator.low.device, plan.size)
    return Anchor(None if palette is None else palette_of(palette), sharp)


def climb(
    plan: Plan,
    keyframe: Keyframe,
    models: Models,
    targets: Targets,
    parent: Tensor | None,
    kept: Anchor | None = None,
) -> Iterator[Step]:
    """Optimise one keyframe from its parent's latent (1, C, h, w); yields after every step.

    `kept` is what it keeps to beside its parent.
    """
    settings = keyframe.settings
    begun, held = beginning(plan, keyframe, models.generator, parent)
    wishes = wishes_of(plan, keyframe.aims, models, targets)
    goals = goals_of(plan, keyframe.aims, models.generator, targets)
    palette, sharp = (kept.palette, kept.sharp) if kept else (None, None)
    new = dreamt(keyframe, plan.size, models.device)

    def look(step: int) -> Looks:
        seed = derived_seed(keyframe.seed, step)
        views = sample_views(settings.cutouts, plan.size, settings.cutout_size, seed)
        return views.on(models.device, min(plan.size), models.sides)

    def loss(latent: Tensor, codes: Tensor, picture: Tensor, looks: Looks) -> Tensor:
        parent = unheld(held, picture, new), unheld(begun, latent, new)
        sight = Sight(latent, codes, picture, *parent, looks, wishes, goals, palette, sharp)
        return weighted_sum(sight, settings.losses)

    return optimize(
        likely_start(plan, keyframe, models.generator, wishes) if begun is None else begun,
        models.generator,
        look,
        loss,
        steps=keyframe.steps,
        step_size=keyframe.step_size,
        smoothing=settings.smoothing,
        new=None if new is None else F.avg_pool2d(new, models.generator.factor),
        recorded=bool(models.recorded),
    )
