"""What stands below the picture of an animatic: time, shot, speed, prompts, and the whole film."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageColor, ImageDraw

from render.media.lettering import EMPTY, INK, default_font, fitting
from render.media.sound import waveform
from render.plan.moments import Moment
from render.plan.part import soundtrack_of
from render.plan.plan import Plan
from render.report.captions import beat_at, crossing_at, prompts_at, speed_at, transition_at
from render.report.test_card import shot_colour

MOST_ROWS = 8  # prompts that are listed at once
FAINT, BAR, SOUND = "#a0a0a0", "#5a7fb0", "#6fae8f"
ACCENT, PUSH = "#ffd060", "#e06050"  # of beats and transitions, and of weights below 0


class Panel:
    """What stands below the picture."""

    def __init__(self, plan: Plan, width: int) -> None:
        """Decodes the sound, if there is one; raises VideoError."""
        self.plan, self.width = plan, width + width % 2
        self.letter = max(11, round(width / 40))
        self.font = default_font(self.letter)
        self.line, self.gap = round(self.letter * 1.35), max(4, self.letter // 2)
        numbers = plan.shown[:: max(1, len(plan.shown) // 500)]
        found = [prompts_at(plan, number, plan.moment(number)) for number in numbers]
        self.rows = min(MOST_ROWS, max(1, *map(len, found)))
        weights = (abs(weight) for prompts in found for _, weight in prompts)
        self.heaviest = max(weights, default=0.0) or 1.0
        self.band = self._band()
        self.told: tuple[int, str] | None = None  # from which frame on, and the speed
        height = (2 + self.rows) * self.line + 3 * self.gap + self.band.height
        self.height = height + height % 2

    def draw(self, canvas: Image.Image, top: int, index: int, moment: Moment) -> None:
        """Draw the panel of frame `index` of those that are shown, and of its moment."""
        plan, number = self.plan, self.plan.shown[index]
        draw, left, right = ImageDraw.Draw(canvas), self.gap, self.width - self.gap
        y = top + self.gap // 2
        shot = plan.board.shots[plan.shot_of(number)].name
        hundredths = math.floor(100 * number / plan.board.fps)
        clock = f"{hundredths // 6000}:{hundredths % 6000 / 100:05.2f}"
        place = f"{number} / {plan.frame_count}"
        if plan.board.bpm:
            beat, glow = beat_at(plan, number)
            side = self.letter - 2
            right -= side
            box = (right, y + 2, right + side, y + 2 + side)
            draw.ellipse(box, fill=mixed(EMPTY, ACCENT, glow))
            right -= self.gap
            place = f"beat {beat}   {place}"
        right = self._right(draw, right, y, place)
        self._text(draw, left, y, f"{clock}   {shot}", right - left - self.gap)
        y, right = y + self.line, self.width - self.gap
        if transition := transition_at(plan, number, moment):
            right = self._right(draw, right, y, transition, ACCENT)
        self._text(draw, left, y, self._speed(number), right - left - self.gap, FAINT)
        self._draw_prompts(draw, y + self.line + self.gap // 2, prompts_at(plan, number, moment))
        y = top + self.height - self.band.height - self.gap // 2
        canvas.paste(self.band, (0, y))
        x = round((index + 0.5) / len(plan.shown) * self.width)
        draw.rectangle((x - 1, y, x, y + self.band.height - 1), fill="white")

    def _speed(self, number: int) -> str:
        """How the camera moves, told anew six times a second: more could not be read."""
        steady = number - number % max(1, round(self.plan.board.fps / 6))
        first = max(steady, self.plan.shot_frames(self.plan.shot_of(number)).start)
        if self.told is None or self.told[0] != first:
            self.told = first, speed_at(self.plan, first)
        return self.told[1]

    def _draw_prompts(
        self, draw: ImageDraw.ImageDraw, y: int, prompts: list[tuple[str, float]]
    ) -> None:
        """Draw a row for each prompt, its weight as a bar; of too many, the heaviest."""
        more = len(prompts) - self.rows
        if more > 0:
            heaviest = sorted(prompts, key=lambda one: -abs(one[1]))[: self.rows - 1]
            prompts = [one for one in prompts if one in heaviest]
        bar = self.width // 6
        for text, weight in prompts:
            below = (self.gap, y + 2, self.gap + bar, y + self.line - 3)
            draw.rectangle(below, fill=EMPTY)
            length = round(bar * min(1.0, abs(weight) / self.heaviest))
            if length:
                filled = (*below[:2], self.gap + length, below[3])
                draw.rectangle(filled, fill=PUSH if weight < 0 else BAR)
            said = f"{weight:.2f}"
            numbers = self.font.getlength("-0.00")
            left = 2 * self.gap + bar
            self._right(draw, round(left + numbers), y, said)
            left += round(numbers) + self.gap
            self._text(draw, left, y, text, self.width - self.gap - left)
            y += self.line
        if more > 0:
            self._text(draw, self.gap, y, f"and {more + 1} more", self.width - 2 * self.gap)

    def _text(
        self, draw: ImageDraw.ImageDraw, x: int, y: int, text: str, width: float, ink: str = INK
    ) -> None:
        """Draw as much of a text as fits."""
        draw.bitmap((x, y), _written(text, self.letter, max(0, round(width))), fill=ink)

    def _right(
        self, draw: ImageDraw.ImageDraw, right: int, y: int, text: str, ink: str = INK
    ) -> int:
        """Draw a text that ends at `right`, and return where it begins."""
        written = _written(text, self.letter, self.width)
        draw.bitmap((right - written.width, y), written, fill=ink)
        return right - written.width

    def _band(self) -> Image.Image:
        """The whole film: its shots in their colours, cuts, beats and the sound."""
        plan, width = self.plan, self.width
        shown, height = plan.shown, self.line
        sound = soundtrack_of(plan)
        low = round(self.letter * (2.6 if sound else 0.8 if plan.board.bpm else 0.3))
        band = Image.new("RGB", (width, height + low), EMPTY)
        draw = ImageDraw.Draw(band)
        numbers = [shown[x * len(shown) // width] for x in range(width)]
        for x, number in enumerate(numbers):
            draw.line((x, 0, x, height - 1), fill=self._band_colour(number))
        if sound:
            peaks = waveform(sound, max(width, min(plan.frame_count, 20 * width)))
            self._draw_sound(draw, peaks, height, low)
        self._draw_beats(draw, height + low, low // 4 if sound else low)
        first = 0
        for x in range(1, width + 1):
            if x < width and plan.shot_of(numbers[x]) == plan.shot_of(numbers[first]):
                continue
            shot = plan.board.shots[plan.shot_of(numbers[first])]
            if first:
                ink = "white" if shot.transition.kind == "cut" else FAINT
                draw.line((first, 0, first, height + low), fill=ink)
            room = x - first - 6
            name, font = fitting(shot.name, room, self.letter)
            if len(name) > 4 or not name.endswith("..."):
                draw.text((first + 4, 0), name, fill=INK, font=font)
            first = x
        return band

    def _band_colour(self, number: int) -> tuple[int, int, int]:
        """The colour of a frame in the band, a mixture in a transition."""
        plan, index = self.plan, self.plan.shot_of(number)
        moment = plan.moment(number)
        share = crossing_at(plan, number) if moment.before is None else moment.share
        before = index - 1 if index else len(plan.board.shots) - 1
        red, green, blue = (
            round(255 * (a + share * (b - a)))
            for a, b in zip(shot_colour(before), shot_colour(index), strict=True)
        )
        return red, green, blue

    def _draw_sound(
        self, draw: ImageDraw.ImageDraw, peaks: Sequence[float], top: int, height: int
    ) -> None:
        """Draw the loudness of what is shown about a line in the middle."""
        plan, width = self.plan, self.width
        middle = top + height / 2
        for x in range(width):
            first, last = (
                plan.shown[min(len(plan.shown) - 1, side * len(plan.shown) // width)]
                for side in (x, x + 1)
            )
            places = (math.floor(n * len(peaks) / plan.frame_count) for n in (first, last))
            start, stop = places
            loud = max(peaks[start : max(stop, start + 1)], default=0.0)
            half = min(1.0, loud) * (height / 2 - 1)
            draw.line((x, round(middle - half), x, round(middle + half)), fill=SOUND)

    def _draw_beats(self, draw: ImageDraw.ImageDraw, bottom: int, height: int) -> None:
        """Draw a tick for each beat, if there is room."""
        plan, shown = self.plan, self.plan.shown
        if not plan.board.bpm:
            return
        room = self.width / (len(shown) / float(plan.board.fps)) * 60 / float(plan.board.bpm)
        if room < 4:
            return
        last = None
        for index, number in enumerate(shown):
            beat, _ = beat_at(plan, number)
            if last is not None and beat != last and beat >= 0:
                x = round(index / len(shown) * self.width)
                draw.line((x, bottom - height, x, bottom), fill=ACCENT)
            last = beat


@lru_cache(maxsize=256)
def _written(text: str, size: int, width: int) -> Image.Image:
    """Returns as much of a text as fits into a width as a mask, kept for the next frames."""
    text, font = fitting(text, width, size)
    mask = Image.new("L", (max(1, math.ceil(font.getlength(text))), round(1.5 * size)))
    ImageDraw.Draw(mask).text((0, 0), text, fill=255, font=font)
    return mask


def mixed(dark: str, light: str, share: float) -> tuple[int, int, int]:
    """Returns a colour between two."""
    a, b = ImageColor.getrgb(dark), ImageColor.getrgb(light)
    red, green, blue = (round(p + share * (q - p)) for p, q in zip(a[:3], b[:3], strict=True))
    return red, green, blue
