"""What `render interpolate` refuses, with its sentences, and the journey that it plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from render.curves.easing import Bezier
from render.plan.journey import Journey, JourneyError, check_memory, journey_note, plan_journey


def planned(folder: Path, side: tuple[int, int] = (64, 48), **options: Any) -> Journey:
    """The journey between two images of that size."""
    Image.new("RGB", side).save(folder / "a.png")
    return planned_between(folder / "a.png", folder, **options)


def planned_between(stop: Path, folder: Path, **options: Any) -> Journey:
    """The journey from a file to itself."""
    defaults: dict[str, Any] = {
        **{"seconds": "2", "ease": "in-out", "blend": "lerp", "loop": False, "fps": "24"},
        **{"size": None, "model": None, "codec": "h264", "quality": 17},
    }
    if "total" in options and "seconds" not in options:
        defaults["seconds"] = None
    return plan_journey((stop, stop), folder / "out.mp4", **defaults | options)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("fps", "banana", "--fps 'banana' is not a number"),
        ("fps", "1/0", "--fps '1/0' divides by zero"),
        ("fps", "0", "--fps '0' is out of range. It goes from 1 to 240"),
        ("fps", "0.5", "--fps '0.5' is out of range"),
        ("fps", "241", "--fps '241' is out of range"),
        ("fps", "23.9760001", "--fps '23.9760001' is too fine"),
        ("seconds", "banana", "--seconds 'banana' is not a time"),
        ("seconds", "0", "--seconds '0' is out of range. It goes from 0.001 s to 36000 s"),
        ("seconds", "", "--seconds '' is not a time"),
        ("fps", "", "--fps '' is not a number"),
        ("seconds", "2b", "--seconds '2b' counts beats, which only a storyboard has. Write"),
        ("seconds", " .5 b ", "--seconds '.5 b' counts beats"),
        ("seconds", "1,2", "--seconds '1,2' has 2 times, and there are 1 to go"),
        ("total", "banana", "--total 'banana' is not a time"),
        ("total", "1ms", "--total '1ms' is too short for 1 to go"),
        ("audio", Path("no.wav"), "--audio no.wav is not there"),
        ("ease", "wobble", "--ease 'wobble' is not known. There are linear"),
        ("ease", "", "--ease '' is not known"),
        ("ease", "[0.4, 0, 0.2]", "--ease 'bezier(0.4, 0, 0.2)' does not have four numbers"),
        ("ease", "2,0,0.2,1", "--ease 'bezier(2, 0, 0.2, 1)' has the handle x 2, and time"),
        ("ease", "0.4,0,0.2,1.5", "--ease 'bezier(0.4, 0, 0.2, 1.5)' swings beyond its ends"),
        ("size", "8x8", "--size: the width '8' is out of range. It goes from 16 to 4096"),
        ("size", "9" * 5000 + "x64", "--size: the width '9999"),
        ("size", "banana", "--size 'banana' is not two numbers. Write two such as 320x192"),
        ("size", "", "--size '' is not two numbers. Write two such as 320x192"),
    ],
)
def test_a_mistake_names_its_option(tmp_path: Path, option: str, value: str, sentence: str) -> None:
    with pytest.raises(JourneyError) as caught:
        planned(tmp_path, **{option: value})
    assert str(caught.value).startswith(sentence)
    assert "the line" not in str(caught.value)
    assert "8b" not in str(caught.value)


def test_every_mistake_is_reported(tmp_path: Path) -> None:
    with pytest.raises(JourneyError) as caught:
        planned(tmp_path, fps="banana", seconds="soon", ease="wobble")
    assert [line.split()[0] for line in str(caught.value).splitlines()] == [
        *("--fps", "--seconds", "--ease")
    ]


@pytest.mark.parametrize(
    "ease", ["[0.4, 0, 0.2, 1]", "0.4,0,0.2,1", "bezier(0.4, 0, 0.2, 1)", " [ .4,0 , 0.2,1 ] "]
)
def test_a_journey_may_be_eased_by_a_bezier(tmp_path: Path, ease: str) -> None:
    journey = planned(tmp_path, ease=ease, seconds="1")
    *_, share = journey.place(6)
    assert share == Bezier(0.4, 0, 0.2, 1)(0.25)
    assert "bezier(" in journey_note(journey, "1")["settings"]


@pytest.mark.parametrize(
    ("side", "size"),
    [((64, 48), (64, 48)), ((65, 49), (64, 48)), ((16, 2000), (16, 2000))],
)
def test_the_first_picture_decides_the_size(
    tmp_path: Path, side: tuple[int, int], size: tuple[int, int]
) -> None:
    assert planned(tmp_path, side).size == size


@pytest.mark.parametrize("side", [(1, 1), (3, 2000), (20, 8000)])
def test_a_picture_too_small_is_named_with_its_true_size(
    tmp_path: Path, side: tuple[int, int]
) -> None:
    with pytest.raises(JourneyError) as caught:
        planned(tmp_path, side)
    told = str(caught.value)
    assert told.startswith(f"{tmp_path / 'a.png'} is {side[0]}x{side[1]} pixels")
    assert "16 to 4096" in told
    assert "--size" in told
    assert planned(tmp_path, side, size="64x48").size == (64, 48)


def test_latents_of_the_first_embedded_generator_can_be_travelled_between(tmp_path: Path) -> None:
    sunset = Path(__file__).parent.parent.parent / "storyboards" / "images" / "sunset.safetensors"
    journey = planned_between(sunset, tmp_path)
    assert (journey.generator.name, journey.size) == ("starter", (128, 80))


def test_a_frame_that_memory_cannot_hold_is_refused_before_anything_is_loaded(
    tmp_path: Path,
) -> None:
    journey = planned(tmp_path, (4032, 3024))
    with pytest.raises(JourneyError, match=r"34\.1 GiB .* 23\.0 GiB: .* --size 2016x1512 needs"):
        check_memory(journey, 23 * 2**30)
    check_memory(journey, 64 * 2**30)
    check_memory(journey, None)


def test_a_total_is_shared_among_the_ways(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    stops = (tmp_path / "a.png",) * 4
    options: dict[str, Any] = {
        **{"ease": "linear", "blend": "lerp", "fps": "10", "size": None, "model": None},
        **{"codec": "auto", "quality": 17},
    }
    out = tmp_path / "out.mp4"
    journey = plan_journey(stops, out, seconds=None, total="2s", loop=False, **options)
    assert (journey.legs, journey.frame_count) == ((6, 6, 7), 20)
    assert journey.place(0) == (0, 1, 0.0)
    assert journey.place(6) == (1, 2, 0.0)
    assert journey.place(15) == (2, 3, pytest.approx(3 / 7))
    assert journey.place(19) == (3, 0, 0.0)
    looped = plan_journey(stops, out, seconds=None, total="2s", loop=True, **options)
    assert (looped.legs, looped.frame_count) == ((5, 5, 5, 5), 20)
    timed = plan_journey(stops, out, seconds="1s,0.5s,2s", loop=False, **options)
    assert timed.legs == (10, 5, 20)
    with pytest.raises(JourneyError, match="two ways to say the same"):
        plan_journey(stops, out, seconds="1", total="2", loop=False, **options)
