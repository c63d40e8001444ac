"""A part of a film: some of its shots, or what is between two times."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from render.errors import InputError
from render.media.sound import Soundtrack
from render.plan.plan import Plan
from render.storyboard import literals
from render.text import nearest, quoted


def part_of(
    plan: Plan, shots: str | None = None, start: str | None = None, end: str | None = None
) -> Plan:
    """The plan of a part of the film: the shots, or acts, of these names with commas between them,
    or the frames from a time to another one, None for the film's beginning or end.

    Keyframes and latents are those of the whole film. Raises InputError.
    """
    if shots is None and start is None and end is None:
        return plan
    if shots is None:
        return replace(plan, part=(_frames_between(plan, start, end),))
    if start is not None or end is not None:
        raise InputError("--shots and --from or --to are two ways to say the same; use one of them")
    names = [shot.name for shot in plan.board.shots]
    acts = [shot.act for shot in plan.board.shots]
    chosen = []
    for name in [shots] if shots in names else [part.strip() for part in shots.split(",")]:
        found = [index for index, one in enumerate(names) if name and name in (one, acts[index])]
        if not found:
            known = dict.fromkeys([*names, *filter(None, acts)])
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"there are {', '.join([*known][:20])}"
            raise InputError(f"--shots {quoted(name)}: there is no such shot; {hint}")
        chosen += found
    ranges = [plan.shot_frames(index) for index in sorted(set(chosen))]
    return replace(plan, part=_joined([part for part in ranges if part]))


def part_name(shots: str | None, start: str | None, end: str | None) -> str:
    """What is added to the name of a film of a part, such as ".storm-dawn" or ".12s-20s"."""
    if shots is not None:
        return "." + "-".join("".join(map(_plain, part.strip())) for part in shots.split(","))
    if start is None and end is None:
        return ""
    return "." + "-".join("".join(map(_plain, text)) for text in (start or "0s", end or "end"))


def _plain(letter: str) -> str:
    """The letter, or a substitute for one that has a meaning in a path."""
    return letter if letter.isalnum() or letter in "._" else "_"


def _frames_between(plan: Plan, start: str | None, end: str | None) -> range:
    """The frames that begin between two times; raises InputError."""
    board, count = plan.board, plan.frame_count
    first = 0 if start is None else _frame(plan, start, "--from")
    stop = count if end is None else _frame(plan, end, "--to")
    if first >= count:
        end_time = f"{float(board.duration):g} s"
        raise InputError(f"--from {start}: no frame begins then; the film ends at {end_time}")
    if stop <= first:
        raise InputError(f"--to {end}: that is not after --from {start or 0}; no frame is between")
    return range(first, min(stop, count))


def film_time(option: str, text: str, plan: Plan) -> Fraction:
    """The seconds from the film's beginning that an option says; raises InputError."""
    board = plan.board
    try:
        seconds = literals.time(text, board.fps, board.bpm)
    except ValueError as error:
        raise InputError(f"{option} {quoted(text)} {error}") from error
    return seconds + (board.first_beat if text.strip().endswith("b") else 0)


def _frame(plan: Plan, text: str, option: str) -> int:
    """The first frame that begins at a time or after it; raises InputError."""
    return max(0, math.ceil(film_time(option, text, plan) * plan.board.fps))


def _joined(ranges: list[range]) -> tuple[range, ...]:
    """The ranges in order, those that follow one another directly as one."""
    joined: list[range] = []
    for part in ranges:
        if joined and joined[-1].stop == part.start:
            joined[-1] = range(joined[-1].start, part.stop)
        else:
            joined.append(part)
    return tuple(joined)


def soundtrack_of(plan: Plan) -> Soundtrack | None:
    """What is heard of the film's sound in what is shown; None if it has none."""
    board = plan.board
    if board.audio is None:
        return None
    parts = tuple((part.start / board.fps, part.stop / board.fps) for part in plan.part)
    return Soundtrack(board.audio, plan.frame_count / board.fps, parts)


def seconds_shown(plan: Plan) -> Fraction:
    """The length of what is shown."""
    return len(plan.shown) / plan.board.fps
