"""What a plan costs in arithmetic, seconds and disk, before it starts."""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from render.media.atomic import atomic_write, nearest_folder
from render.media.records import read_record_text
from render.plan.memory import MemoryBudget, cutouts_at_once, machine_memory, peak_memory
from render.plan.plan import Keyframe, Plan
from render.text import megabytes_text
from render.weights.catalog import Model
from render.weights.kinds import kind_of
from render.weights.vocabulary import names_things

GUESSED_SPEED = 25.0  # GFLOP/s of one CPU core in float32, until this machine has been measured
GUESSED_START = 7.0  # seconds until the first step, likewise
MOST_HALVED = 2  # levels of a generator's readouts
WHOLE_STEPS, LEAST_WHOLE = 0.25, 2  # share and least number of a keyframe's last, whole steps
ENLARGED = 2.0  # times; 4 guided as well, but only scenes and things were compared
DECODED = (1.0, 0.5, 0.3)  # the share of a decode that a step takes at each level, by time
KEPT_SPEEDS = 5  # measured ones, of which the median counts
BLEND = 50.0  # GFLOP that blending two pictures costs a megapixel, by time and not by arithmetic
CANDIDATES = 160  # colour fields that are compared before a chain starts, at most
SHORTLIST = 40  # of them, compared in every crop; of 40 choices all were among the first 20
CANDIDATE_CROPS = 6
CHOICE_STEPS = 3  # that the choice may cost a perceptor which is not embedded


@dataclass(frozen=True)
class Estimate:
    """What is left to do, and what it takes."""

    keyframes: int
    steps: int  # in the latent
    sketch_steps: int
    gflop: float
    seconds: float
    measured: bool  # whether the speed was measured on this machine, or guessed
    memory: int  # bytes, at most
    disk: int  # bytes of the latents still to be written


@dataclass(frozen=True)
class Speed:
    """What an earlier render on this machine measured."""

    rate: float  # GFLOP/s
    start: float  # seconds from the command to the first keyframe or frame


class Costs:
    """The arithmetic of one plan in GFLOP: what a step, a keyframe and a frame take."""

    def __init__(self, plan: Plan) -> None:
        megapixels = plan.size[0] * plan.size[1] / 1e6
        self.plan = plan
        kinds = [(kind_of(chosen.model), chosen.model) for chosen in plan.models.generators]
        self.decodes = [kind.gflop(model, megapixels) for kind, model in kinds]
        self.encodes = [
            kind.encode * decode for (kind, _), decode in zip(kinds, self.decodes, strict=True)
        ]
        self.blend = BLEND * megapixels

    @cached_property
    def frame(self) -> float:
        """The mean cost of a frame: a decode, or a blend and a share of the keyframes' decodes."""
        count, keyframes = self.plan.frame_count, self.plan.keyframes
        once = min(1.0, len(keyframes) / count)

        def cost(number: int) -> float:
            moment = self.plan.moment(number)
            left = keyframes[moment.left]
            decode = self.decodes[left.generator]
            if kind_of(self.plan.generator_of(left).model).moves_latents:
                return decode
            return once * decode + self.blend if moment.between == "picture" else decode

        return statistics.fmean(map(cost, range(0, count, math.ceil(count / 64))))

    def step(self, keyframe: Keyframe, level: int = 0) -> float:
        """One step, forward and backward: with frozen weights both cost the same. `level` is that
        of `step_level`."""
        count = keyframe.settings.cutouts
        cutouts = sum(
            model.gflop_per_cutout * math.ceil(model.cutout_share * count)
            for model in taking_part(self.plan, keyframe)
        )
        return 2 * (self.decodes[keyframe.generator] * DECODED[level] + cutouts)

    def start(self, keyframe: Keyframe) -> float:
        """What comes before the first step: choosing among candidates and a sketch where a chain
        starts from nothing, else two decodes of the parent or init image."""
        decode, encode = self.decodes[keyframe.generator], self.encodes[keyframe.generator]
        if not begins_anew(keyframe):
            parent = None if keyframe.parent is None else self.plan.keyframes[keyframe.parent]
            fitted = parent is None or parent.generator != keyframe.generator
            moves = kind_of(self.plan.generator_of(keyframe).model).moves_latents
            return decode + (decode if moves and not fitted else encode)
        each = sum(model.gflop_per_cutout for model in taking_part(self.plan, keyframe))
        compared = compared_cutouts(*candidate_counts(self.plan, keyframe))
        return compared * each + self.sketch(keyframe) + decode

    def sketch(self, keyframe: Keyframe) -> float:
        """All steps of the sketch that a chain starts from; 0 where no classifier draws one."""
        if not is_sketched(self.plan, keyframe):
            return 0.0
        each = sum(model.gflop_per_cutout for model in taking_part(self.plan, keyframe))
        return 2 * each * sketch_cutouts(keyframe.settings.cutouts) * keyframe.steps

    def keyframe(self, keyframe: Keyframe) -> float:
        """The start and all steps of a keyframe."""
        return self.start(keyframe) + self.first(keyframe, self.steps(keyframe))

    def first(self, keyframe: Keyframe, count: int) -> float:
        """The first `count` steps of a keyframe."""
        early = min(count, self.steps(keyframe) - whole_steps(self.steps(keyframe)))
        level = early_level(self.plan, keyframe)
        return early * self.step(keyframe, level) + (count - early) * self.step(keyframe, 0)

    def steps(self, keyframe: Keyframe) -> int:
        """How many steps the generator takes part in."""
        return steps_in_latent(self.plan, keyframe)

    def total(self, todo: Iterable[Keyframe]) -> float:
        """These keyframes, and every frame of the film."""
        return sum(map(self.keyframe, todo)) + self.frame * len(self.plan.shown)


def begins_anew(keyframe: Keyframe) -> bool:
    """Whether a keyframe starts a chain, and from no image."""
    return keyframe.parent is None and keyframe.init is None


def takes_part(model: Model, keyframe: Keyframe) -> bool:
    """Whether a perceptor takes part in a keyframe: not a classifier of prompts that name no
    thing."""
    if not model.is_classifier or dict(keyframe.settings.losses)["likeness"]:
        return True
    prompts = [prompt for prompt in keyframe.prompts if not prompt.latent]
    return any(p.image is not None or names_things(model, p.text or "") for p in prompts)


def taking_part(plan: Plan, keyframe: Keyframe) -> list[Model]:
    """The perceptors that take part in a keyframe."""
    models = (chosen.model for chosen in plan.models.perceptors)
    return [model for model in models if takes_part(model, keyframe)]


def is_sketched(plan: Plan, keyframe: Keyframe) -> bool:
    """Whether a keyframe starts from a sketch: it starts a chain, from no image, by text, and a
    classifier of the film knows a thing that one of its prompts names.

    Other perceptors draw noise in pixels, and what a picture shows the classifier may not know. Of
    a generator without a network the sketch would be no cheaper.
    """
    by_text = dict(keyframe.settings.losses)["prompts"] > 0 and not any(
        prompt.latent and prompt.weight > 0 for prompt in keyframe.prompts
    )
    has_network = plan.generator_of(keyframe).model.has_weights
    if not (begins_anew(keyframe) and keyframe.steps and by_text and has_network):
        return False
    texts = [prompt.text for prompt in keyframe.prompts if prompt.text and prompt.weight > 0]
    models = [chosen.model for chosen in plan.models.perceptors if chosen.model.is_classifier]
    return any(names_things(model, text) for model in models for text in texts)


def candidate_counts(plan: Plan, keyframe: Keyframe) -> tuple[int, int]:
    """How many colour fields are compared before a chain starts, and how many of them in every
    crop: fewer where a perceptor is costly, so that the choice costs no more than a few steps.

    The counts decide the picture, so they follow from what is in the key. With regions there is no
    shortlist: a field may be far from all prompts and near to one.
    """
    has_regions = any(prompt.where and not prompt.latent for prompt in keyframe.prompts)
    shortlist = CANDIDATES if has_regions else SHORTLIST
    share = 1.0
    if not all(model.embedded for model in taking_part(plan, keyframe)):
        limit = 2 * CHOICE_STEPS * keyframe.settings.cutouts  # a step goes forward and backward
        share = min(1.0, limit / compared_cutouts(CANDIDATES, shortlist))
    count = max(1, math.floor(share * CANDIDATES))
    return count, count if has_regions else max(1, math.floor(share * SHORTLIST))


def compared_cutouts(candidates: int, shortlist: int) -> int:
    """How many cutouts are embedded to choose among candidates: one of each, unless all of them are
    on the shortlist, and every crop of those on it."""
    return (candidates if shortlist < candidates else 0) + CANDIDATE_CROPS * shortlist


def sketch_cutouts(cutouts: int) -> int:
    """How many cutouts a step of a sketch has, where a keyframe's own steps have `cutouts`."""
    return max(1, cutouts // 2)


def steps_in_latent(plan: Plan, keyframe: Keyframe) -> int:
    """How many steps the generator takes part in: of a keyframe with a sketch, the share that the
    most demanding of its perceptors asks for."""
    if not is_sketched(plan, keyframe):
        return keyframe.steps
    share = max(chosen.model.after_sketch for chosen in plan.models.perceptors)
    return math.ceil(share * keyframe.steps)


def step_level(plan: Plan, keyframe: Keyframe, step: int, steps: int) -> int:
    """How often the picture that a step (0 to `steps` - 1) looks at is halved.

    The last steps look at the whole picture. The others see no less of it than their perceptors
    need: a cutout of mean size is not enlarged more than ENLARGED times for the largest input.
    """
    return 0 if step >= steps - whole_steps(steps) else early_level(plan, keyframe)


def whole_steps(steps: int) -> int:
    """How many of the last of so many steps look at the whole picture."""
    return min(steps, max(LEAST_WHOLE, math.ceil(WHOLE_STEPS * steps)))


def early_level(plan: Plan, keyframe: Keyframe) -> int:
    """The level of the earlier steps, which do not look at the whole picture."""
    low, high = keyframe.settings.cutout_size
    cutout = (low + high) / 2 * min(plan.size)
    needed = max((model.input_size for model in taking_part(plan, keyframe)), default=0)
    level = MOST_HALVED
    while level and cutout / 2**level * ENLARGED < needed:
        level -= 1
    return level


def halved_size(size: tuple[int, int], level: int) -> tuple[int, int]:
    """A (width, height), halved as often as that."""
    return size[0] >> level, size[1] >> level


def estimate(
    plan: Plan, todo: Iterable[Keyframe], speed: Speed | None, budget: MemoryBudget | None = None
) -> Estimate:
    """What the keyframes `todo` and all frames take.

    `speed` is what was measured on this machine, None if nothing was; `budget` is main memory
    where none is given.
    """
    todo = list(todo)
    costs = Costs(plan)
    gflop = costs.total(todo)
    assumed = speed or Speed(GUESSED_SPEED * (os.cpu_count() or 1), GUESSED_START)
    budget = budget or MemoryBudget(machine_memory())
    return Estimate(
        keyframes=len(todo),
        steps=sum(map(costs.steps, todo)),
        sketch_steps=sum(keyframe.steps for keyframe in todo if is_sketched(plan, keyframe)),
        gflop=gflop,
        seconds=assumed.start + gflop / assumed.rate,
        measured=speed is not None,
        memory=peak_memory(plan, budget, cutouts_at_once(plan, budget)),
        disk=sum(4 * math.prod(plan.latent_shapes[keyframe.key]) for keyframe in todo)
        + len(todo) * (2048 + len(plan.board.text)),
    )


def disk_shortfall(disk: int, folder: Path) -> str | None:
    """A sentence if `disk` bytes do not fit where `folder` is or will be; None if they do.

    Also None for a folder that cannot be used at all: `check_latents` reports it.
    """
    try:
        present = nearest_folder(folder)
        free = shutil.disk_usage(present).free
    except OSError:
        return None
    if disk <= free:
        return None
    return (
        f"the latents need {megabytes_text(disk)} of disk, and {megabytes_text(free)} are free in "
        f"{present}. Make room, or choose another folder with --latents"
    )


def speed_file(models_folder: Path) -> Path:
    """Where measured speeds are kept: beside the folder of models."""
    return models_folder.parent / "speed.json"


def known_speed(models_folder: Path, device: str) -> Speed | None:
    """The median of what the last renders on this device measured; None if there was none.

    One render beside other work may be four times slower than the next.
    """
    measured = _measured_speeds(speed_file(models_folder)).get(device, [])
    if not measured:
        return None
    rates, starts = zip(*measured, strict=True)
    return Speed(statistics.median(rates), statistics.median(starts))


def remember_speed(
    models_folder: Path, device: str, gflop: float, seconds: float, start: float
) -> None:
    """Keep the speed for the next estimates. Only a hint: nothing fails if it cannot be written."""
    if gflop < 100 or seconds < 5:
        return  # too short: start-up would count as speed
    path = speed_file(models_folder)
    speeds = _measured_speeds(path)
    now = (round(gflop / seconds, 2), round(start, 2))
    speeds[device] = [*speeds.get(device, []), now][-KEPT_SPEEDS:]
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, through_link=False) as partial:
            partial.write_text(json.dumps(speeds))


def _measured_speeds(path: Path) -> dict[str, list[tuple[float, float]]]:
    """The rates and starts that a file holds, by device; invalid ones are left out."""
    speeds: dict[str, list[tuple[float, float]]] = {}
    with suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
        for device, measured in json.loads(read_record_text(path)).items():
            with suppress(ValueError, TypeError, OverflowError):
                pairs = [(float(rate), float(start)) for rate, start in measured]
                speeds[device] = [
                    (rate, start) for rate, start in pairs if 0.01 < rate < 1e7 and 0 < start < 600
                ]
    return speeds
