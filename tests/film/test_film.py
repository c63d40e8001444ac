"""The outer loop: keyframes and frames alternate, and the film's bytes never depend on it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from plans import make_keyframes, plan_for
from tiny_film import MODELS, tiny_plan

from render.errors import FilmError
from render.film.film import make_film, missing_keyframes
from render.media.ffmpeg import VideoError
from render.plan.plan import Keyframe, Plan
from render.plan.progress import Meter, Progress, Show
from render.storyboard.parser import parse
from render.synthesis.latents import Store
from render.synthesis.models import Models


def test_frames_are_sent_before_the_last_keyframes_are_made(tmp_path: Path) -> None:
    plan, store = tiny_plan(), Store(tmp_path)
    reports: list[Progress] = []
    todo = missing_keyframes(plan, store)
    make_film(plan, MODELS, store, todo, tmp_path / "film.mp4", reports.append)
    stages = [(report.stage, report.keyframe) for report in reports]
    assert [keyframe.index for keyframe in todo] == [0, 1, 2]
    third = plan.frame_count // 3
    assert stages.index(("decode", third)) < stages.index(("optimise", 3))
    assert stages.index(("optimise", 2)) < stages.index(("decode", 2))


def test_the_share_done_is_1_only_when_the_film_exists(tmp_path: Path) -> None:
    plan, store, film = tiny_plan(), Store(tmp_path), tmp_path / "film.mp4"
    done: list[tuple[bool, bool]] = []
    make_film(
        plan,
        MODELS,
        store,
        missing_keyframes(plan, store),
        film,
        lambda report: done.append((report.done == 1, film.exists())),
    )
    assert set(done[:-1]) == {(False, False)}
    assert done[-1] == (True, True)


SHOT = "  - {duration: 0.5s, prompts: sea, keyframes: 0.25s"


@pytest.mark.parametrize(
    "shots",
    [
        f"{SHOT}}}\n",
        f"{SHOT}, camera: {{zoom: 1.2/s}}}}\n{SHOT}, transition: dissolve 0.25s}}\n",
        f"{SHOT}}}\n{SHOT}, transition: morph 0.25s}}\n{SHOT}, transition: continue}}\n",
        f"{SHOT}, transition: dissolve 0.25s}}\n{SHOT}}}\nloop: true\n",
        "  - {duration: 1f, prompts: sea}\n",
    ],
)
@pytest.mark.parametrize("stored", [0, 2])
def test_a_film_has_the_same_bytes_whichever_keyframes_are_stored_already(
    tmp_path: Path, shots: str, stored: int
) -> None:
    """Its keyframes are all made before its frames, or alternate with them."""
    text = (
        "version: 1\nsize: 48x32\nfps: 12\nmodels: {perceptors: {starter: 1, ViT-B/32: 0.5}}\n"
        f"defaults: {{iterations: {{first: 2, then: 2}}, cutouts: 2}}\nshots:\n{shots}"
    )
    plan = plan_for(parse(text, tmp_path), 4)
    before, alternating = Store(tmp_path / "before"), Store(tmp_path / "alternating")
    todo = missing_keyframes(plan, before)
    make_keyframes(plan, MODELS, before, todo, Meter(plan, todo, 0), lambda report: None)
    alternating.prepare()
    for keyframe in plan.keyframes[-stored:] if stored else ():
        shutil.copy(before.path(keyframe.key), alternating.folder)
    films, reports = (tmp_path / "before.mp4", tmp_path / "alternating.mp4"), []
    make_film(plan, MODELS, before, [], films[0], lambda report: None)
    todo = missing_keyframes(plan, alternating)
    make_film(plan, MODELS, alternating, todo, films[1], reports.append)
    assert films[0].read_bytes() == films[1].read_bytes()
    for keyframe in plan.keyframes:
        assert before.path(keyframe.key).read_bytes() == alternating.path(keyframe.key).read_bytes()
    assert [report.done for report in reports] == sorted(report.done for report in reports)
    assert [report.done for report in reports].count(1) == 1
    assert reports[-1].done == 1


class CopyingEngine:
    """An engine that optimises nothing: it copies latents that are ready in another store."""

    def __init__(self, source: Store, target: Store) -> None:
        self.source, self.target = source, target
        self.keys: list[str] = []
        self.closed = 0

    def make(self, keyframe: Keyframe) -> None:
        self.keys.append(keyframe.key)
        self.target.prepare()
        shutil.copy(self.source.path(keyframe.key), self.target.folder)

    def close(self) -> None:
        self.closed += 1


def test_another_engine_makes_all_keyframes_of_the_same_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tiny_plan()
    made, copied = Store(tmp_path / "made"), Store(tmp_path / "copied")
    films = (tmp_path / "serial.mp4", tmp_path / "copied.mp4")
    make_film(plan, MODELS, made, missing_keyframes(plan, made), films[0], lambda report: None)

    def fail(*arguments: object, **options: object) -> None:
        pytest.fail("make_film optimised a keyframe itself")

    monkeypatch.setattr("render.synthesis.optimize.make_adam", fail)
    reports: list[Progress] = []
    engines: list[CopyingEngine] = []

    def make_engine(
        plan: Plan,
        models: Models,
        store: Store,
        todo: Sequence[Keyframe],
        meter: Meter,
        show: Show,
    ) -> CopyingEngine:
        engines.append(CopyingEngine(made, store))
        return engines[-1]

    todo = missing_keyframes(plan, copied)
    make_film(plan, MODELS, copied, todo, films[1], reports.append, make_engine)
    assert films[0].read_bytes() == films[1].read_bytes()
    (engine,) = engines
    assert engine.keys == [keyframe.key for keyframe in todo]
    assert engine.closed == 1
    assert len(todo) == len(plan.keyframes)
    assert [report.keyframe for report in reports] == list(range(1, plan.frame_count + 1))
    assert {report.stage for report in reports} == {"decode"}


def test_a_failing_encoder_is_reported_with_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = tiny_plan(), Store(tmp_path)

    class FailingWriter:
        def send(self, frame: object) -> None:
            raise VideoError("film.mp4 was not written: it gave no reason.")

    monkeypatch.setattr("render.film.film.video_writer", lambda *_: nullcontext(FailingWriter()))
    with pytest.raises(FilmError, match=r"no reason\. Finished keyframes are kept in .* goes on"):
        make_film(
            plan, MODELS, store, missing_keyframes(plan, store), tmp_path / "a.mp4", lambda r: None
        )


def test_an_ffmpeg_that_dies_in_the_middle_is_reported_with_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = tiny_plan(), Store(tmp_path / "latents")
    width, height = plan.board.size
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "if '-h' in sys.argv: sys.exit(print('Encoder libx264'))\n"
        f"sys.stdin.buffer.read({width * height * 3 * 2})\n"
        "sys.exit('[x @ 0x1] it is broken.')\n"
    )
    ffmpeg.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(ffmpeg))
    todo, film = missing_keyframes(plan, store), tmp_path / "film.mp4"
    with pytest.raises(FilmError, match=r"it is broken .*\. Finished keyframes are kept in"):
        make_film(plan, MODELS, store, todo, film, lambda progress: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ffmpeg", "latents"]
    assert store.has(todo[0].key)


def test_missing_keyframes_are_made_before_frames_that_could_wait(tmp_path: Path) -> None:
    plan, store = tiny_plan(), Store(tmp_path)
    todo = missing_keyframes(plan, store)
    make_keyframes(plan, MODELS, store, todo[:2], Meter(plan, todo, 0), lambda report: None)
    reports: list[Progress] = []
    make_film(plan, MODELS, store, todo[2:], tmp_path / "film.mp4", reports.append)
    assert reports[0].stage == "optimise"
