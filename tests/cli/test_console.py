"""What the commands say when something goes wrong: a sentence or an object, and the exit code."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest
import torch
from PIL import Image

from render.cli import preflight
from render.cli.main import main
from render.errors import InputError, RenderError
from render.plan.memory import step_memory

BOARD = """\
version: 1
size: 32x32
fps: 4
models: {generator: tiny-vqgan, perceptors: tiny-clip}
defaults: {iterations: 1, cutouts: 2}
shots:
  - {name: dawn, duration: 1s, prompts: sea}
"""
WARNED = BOARD.replace("prompts: sea", "prompts: sea, camera: {x: 0.2}")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tmp_path: Path,
    models_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """The console script in this process: exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RENDER_MODELS", str(models_folder))
    monkeypatch.delenv("CI", raising=False)
    Path("film.yaml").write_text(BOARD)

    def render(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["render", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        code = end.value.code
        return (code if isinstance(code, int) else 0), said.out, said.err

    return render


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*arguments: object, **options: object) -> NoReturn:
        raise error

    return fail


def refusing(name: str, error: OSError) -> Callable[[Path, Path], None]:
    """os.replace, on a disk that does not take the file of that name."""
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if Path(target).name == name:
            raise error
        replace(source, target)

    return refuse


def objects(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
STILL_JSON = ("-o", "a.png", "--log-format", "json", "--device", "cpu")
JSON = ("-o", "film.mp4", "--log-format", "json", "--device", "cpu")


def test_every_mistake_of_a_storyboard_is_an_object(run: Run) -> None:
    Path("bad.yaml").write_text(BOARD.replace("fps: 4", "fsp: 4").replace("1s", "long"))
    code, out, err = run("bad.yaml", *JSON)
    assert (code, out) == (2, "")
    told = objects(err)
    assert [(event["event"], event["file"], event["line"]) for event in told] == [
        ("error", "bad.yaml", 3),
        ("error", "bad.yaml", 7),
    ]
    assert all(event["column"] >= 1 and "bad.yaml" not in event["message"] for event in told)
    code, out, err = run("bad.yaml", "-o", "film.mp4")
    assert err.splitlines()[0].startswith(f"bad.yaml:3:{told[0]['column']}: {told[0]['message']}")
    assert err.splitlines()[-1] == "2 mistakes; nothing was written"


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_every_other_error_is_an_object(run: Run, quiet: tuple[str, ...]) -> None:
    code, _, err = run("film.yaml", *JSON, *quiet, "--device", "abacus")
    assert code == 2
    (told,) = objects(err)
    assert told["event"] == "error"
    assert told["message"].startswith("--device abacus: one of")
    Path("a.png").write_bytes(b"no picture")
    code, _, err = run("interpolate", "a.png", "b.png", *JSON, *quiet)
    assert code == 2
    assert "b.png is not there" in objects(err)[0]["message"]
    code, _, err = run("still", "film.yaml", "--at", "9s", *JSON, *quiet)
    assert code == 2
    assert objects(err)[0]["message"].startswith("--at 9s: the film runs from 0 to 1 s")


@pytest.mark.parametrize("verbose", [(), ("-v",)])
def test_a_defect_is_an_object_too(
    run: Run, monkeypatch: pytest.MonkeyPatch, verbose: tuple[str, ...]
) -> None:
    monkeypatch.setattr("render.cli.rendering.plan_film", raising(KeyError("lost")))
    code, _, err = run("film.yaml", *JSON, *verbose)
    assert code == 1
    (told,) = objects(err)
    assert told["event"] == "error"
    assert "KeyError: 'lost'. This is a defect of Render" in told["message"]
    assert ("traceback" in told) == bool(verbose)


def test_warnings_are_objects_and_quiet_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("film.yaml").write_text(WARNED)
    text = run("check", "film.yaml")[2]
    assert "film.yaml:7:" in text
    assert ": warning: " in text
    monkeypatch.setattr(
        "render.weights.selection.FilmModels.require", raising(InputError("far enough"))
    )
    warning, error = objects(run("film.yaml", *JSON)[2])
    assert (warning["event"], warning["file"], warning["line"]) == ("warning", "film.yaml", 7)
    assert text == "film.yaml:7:{column}: warning: {message}\n".format(**warning)
    assert error == {"event": "error", "message": "far enough"}
    assert objects(run("film.yaml", *JSON, "-q")[2]) == [error]
    assert run("film.yaml", "-o", "film.mp4", "-q")[2] == "render: far enough\n"


def test_an_interruption_is_an_object(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("render.cli.rendering.plan_film", raising(KeyboardInterrupt()))
        code, _, err = run("film.yaml", *JSON)
        assert code == 130
        assert objects(err) == [{"event": "interrupted", "message": "Interrupted."}]
        assert run("film.yaml", "-o", "film.mp4")[::2] == (130, "\nInterrupted.\n")
    monkeypatch.setattr("render.film.film.make_film", raising(KeyboardInterrupt()))
    code, _, err = run("film.yaml", *JSON, "-v")
    assert code == 130
    told = objects(err)[-1]
    assert told["event"] == "interrupted"
    assert told["message"] == "Interrupted. No keyframe was finished, so nothing is kept yet."
    monkeypatch.setattr("render.film.film.make_still", raising(KeyboardInterrupt()))
    arguments = ("still", "film.yaml", "--at", "0s", "-o", "a.png", "--device", "cpu")
    code, _, err = run(*arguments, "--log-format", "json")
    assert code == 130
    assert objects(err)[-1]["message"].endswith("nothing is kept yet.")
    assert run(*arguments)[2].endswith("nothing is kept yet.\n")


def terminated(*arguments: object, **options: object) -> None:
    """What `kill` sends; the handler runs before the next instruction."""
    os.kill(os.getpid(), signal.SIGTERM)
    pytest.fail("nothing came of the signal")


PLACES = {
    "render.cli.rendering.plan_film": "Interrupted.",
    "render.film.film.make_film": "Interrupted. No keyframe was finished, so nothing is kept yet.",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_termination_ends_as_an_interruption_does(
    run: Run, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(place, terminated)
    code, _, err = run("film.yaml", *JSON)
    assert code == 143
    assert objects(err)[-1] == {"event": "interrupted", "message": PLACES[place]}
    code, _, err = run("film.yaml", "-o", "film.mp4", "--device", "cpu")
    assert (code, err.splitlines()[-1]) == (143, PLACES[place])
    assert "Traceback" not in err
    assert not list(Path().glob("*.partial*"))
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_termination_while_a_question_waits(
    run: Run, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("click.termui.visible_prompt_func", terminated)
    assert run("film.yaml", "-o", "film.mp4", "--fresh", "--device", "cpu")[0] == 143
    assert old.is_dir()


def test_a_termination_that_is_ignored_stays_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "render.cli.rendering.plan_film", lambda *_: os.kill(os.getpid(), signal.SIGTERM)
    )
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert run("film.yaml", *JSON)[0] == 1  # on to where a plan is missed
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM"])
def test_what_is_done_stays_done_while_python_ends(ending: str) -> None:
    code = (
        "import atexit, os, signal, sys; from render.cli import main\n"
        "sys.argv = ['render', 'schema']\n"
        f"atexit.register(lambda: os.kill(os.getpid(), signal.{ending}))\n"
        "main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_interruption_names_what_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("film.yaml", "-o", "film.mp4", "--device", "cpu", "-q")[0] == 0
    next(Path("film.latents").iterdir()).unlink()
    kept = "2 of 3 keyframes are kept in film.latents; run the same command again to go on."
    monkeypatch.setattr("render.film.film.make_film", raising(KeyboardInterrupt()))
    monkeypatch.setattr("render.film.film.make_still", raising(KeyboardInterrupt()))
    commands = ("film.yaml", *JSON), ("still", "film.yaml", "--at", "0s", *STILL_JSON)
    for arguments in commands:
        assert objects(run(*arguments)[2])[-1]["message"] == f"Interrupted. {kept}"
    monkeypatch.setattr("render.synthesis.load.load_models", raising(KeyboardInterrupt()))
    for arguments in commands:
        assert objects(run(*arguments)[2])[-1]["message"] == f"Interrupted. {kept}"


COMMANDS = {
    "film.mp4": ("film.yaml", "-o", "film.mp4"),
    "a.png": ("still", "film.yaml", "--at", "3f", "-o", "a.png"),
    "m.mp4": (
        *("interpolate", "x.png", "y.png", "-o", "m.mp4", "--model", "tiny-vqgan"),
        *("--seconds", "0.5", "--fps", "4"),
    ),
}
MADE = {
    "film.mp4": "film.mp4: 4 frames, 1 s, 32x32, made in ",
    "a.png": "a.png: frame 3, 32x32, made in ",
    "m.mp4": "m.mp4: 3 frames, 0.75 s, 32x32, made in ",
}
LOADING = {
    "film.mp4": "loading the generator tiny-vqgan and the perceptor tiny-clip",
    "a.png": "loading the generator tiny-vqgan and the perceptor tiny-clip",
    "m.mp4": "loading the generator tiny-vqgan",
}


@pytest.mark.parametrize("output", COMMANDS)
def test_what_makes_files_says_what_it_loads_and_what_it_made(run: Run, output: str) -> None:
    for name in ("x.png", "y.png"):
        Image.new("RGB", (32, 32)).save(name)
    arguments = (*COMMANDS[output], "--device", "cpu")
    code, out, err = run(*arguments)
    assert code == 0, err
    assert err.startswith(f"{LOADING[output]} ...\n")
    assert err.count("loading") == 1
    assert out.startswith(MADE[output])
    assert out.count("\n") == 1
    code, out, err = run(*arguments, "--log-format", "json")
    first, *_, last = objects(err)
    assert (code, out) == (0, "")
    assert first == {"event": "loading", "message": LOADING[output]}
    assert last == {"event": "done", "message": output}
    assert run(*arguments, "-q") == (0, "", "")
    assert run(*arguments, "-q", "--log-format", "json") == (0, "", "")


def test_nothing_is_loaded_before_a_mistake_is_told(run: Run) -> None:
    assert "loading" not in run("film.yaml", "-o", "film.mp4", "--device", "abacus")[2]


@pytest.mark.parametrize(("codec", "ending"), [("prores", ".mov"), ("ffv1", ".mkv")])
def test_a_film_without_a_name_is_called_as_its_codec_wants(
    run: Run, codec: str, ending: str
) -> None:
    Path("film.yaml").write_text(BOARD.replace("fps: 4", f"fps: 4\noutput: {{codec: {codec}}}"))
    for draft, name in (((), "film"), (("--draft",), "film.draft")):
        code, _, err = run("film.yaml", "-q", "--device", "cpu", *draft)
        assert code == 0, err
        assert Path(f"{name}{ending}").is_file()


def test_a_still_beyond_the_end_names_the_last_frame(run: Run) -> None:
    told = run("still", "film.yaml", "--at", "1s", "-o", "a.png", "--device", "cpu", "-q")[2]
    last = "its last frame is at 0.75 s: --at 3f"
    assert told == f"render: --at 1s: the film runs from 0 to 1 s, and {last}\n"
    assert run("still", "film.yaml", "--at", "3f", "-o", "a.png", "--device", "cpu", "-q")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [("check", ""), ("",), ("film.yaml", "-o", ""), ("inspect", ""), ("interpolate", "", "")],
)
def test_an_empty_name_is_told_as_one(run: Run, arguments: tuple[str, ...]) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert "the name is empty" in err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("-q", "film", "film.yaml"), "render film -q film.yaml"),
        (("-qv", "check", "film.yaml"), "render check -qv film.yaml"),
        (("--draft", "still", "film.yaml", "--at", "0s"), "render still --draft film.yaml --at 0s"),
        (("--latents", "a b", "check", "film.yaml"), "render check --latents 'a b' film.yaml"),
    ],
)
def test_the_command_comes_first(run: Run, arguments: tuple[str, ...], meant: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert f"the command comes first: {meant}\n" in err


def test_what_only_looks_like_a_command_is_none(run: Run) -> None:
    """A folder named by an option, and a storyboard without an ending."""
    Path("film").write_text(BOARD)
    common = ("-q", "--device", "cpu", "-o", "film.mp4")
    assert run(*common, "--latents", "check", "film.yaml") == (0, "", "")
    assert Path("check").is_dir()
    assert run(*common, "film") == (0, "", "")
    told = run("-qo", "schema", "film.yaml")[2]
    assert "schema: h264 is written to" in told  # it is the film's name


def test_only_what_is_spelt_alike_is_suggested(run: Run) -> None:
    assert "'--output'" in run("film.yaml", "--outptu", "film.mp4")[2]
    said = run("film.yaml", "--overwrite")[2]
    assert "No such option" in said
    assert "--verbose" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("film.yaml", "--nonsense"), "No such option"),
        (("film.yaml", "other.yaml"), "unexpected extra argument"),
        (("chek", "film.yaml"), "did you mean check?"),
        (("-q", "film", "film.yaml"), "the command comes first"),
        (("interpolate", "a", "b", "--blend", "swirl"), "--blend"),
    ],
)
@pytest.mark.parametrize("written", [("--log-format", "json"), ("--log-format=json",)])
def test_a_command_line_that_is_wrong_is_an_object(
    run: Run, arguments: tuple[str, ...], message: str, written: tuple[str, ...]
) -> None:
    code, out, err = run(*arguments, *written)
    assert (code, out) == (2, "")
    (told,) = objects(err)
    assert told["event"] == "error"
    assert message in told["message"]
    assert "\n" not in told["message"]


def test_a_storyboard_taken_from_a_note_says_which_pictures_it_needs(run: Run) -> None:
    Path("images").mkdir()
    Image.new("RGB", (32, 32)).save("images/hill.png")
    begins = BOARD.replace("prompts: sea", "prompts: sea, init: images/hill.png")
    Path("film.yaml").write_text(begins)
    arguments = ("--at", "0s", "-o", "a.png", "--device", "cpu", "-q")
    assert run("still", "film.yaml", *arguments) == (0, "", "")
    assert run("inspect", "a.png", "--storyboard") == (
        *(0, begins),
        "note: the storyboard needs these files beside it: images/hill.png\n",
    )
    Path("film.yaml").write_text(BOARD)
    assert run("still", "film.yaml", *arguments) == (0, "", "")
    assert run("inspect", "a.png", "--storyboard") == (0, BOARD, "")


def test_getting_models_ends_with_the_right_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from render.weights.download import DownloadError

    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "models"))
    with monkeypatch.context() as patch:
        patch.setattr("render.weights.install.fetch", raising(DownloadError("it does not answer")))
        code, _, err = run("models", "get", "vqgan-coco")
        assert code == 1
        assert err.startswith("render: vqgan-coco could not be downloaded: it does not answer.\n")
        assert "--from FILE" in err
    usage = type("Usage", (), {"free": 1000})
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda path: usage)
        code, _, err = run("models", "get", "vqgan-coco")
        assert (code, "make room" in err) == (1, True)
    Path("file").touch()
    monkeypatch.setenv("RENDER_MODELS", "file/models")
    assert run("models", "get", "vqgan-coco")[0] == 1
    monkeypatch.setenv("RENDER_MODELS", str(tmp_path / "models"))
    for arguments in (("vqgan-cocoa",), ("vqgan-coco", "--from", "none"), ("x", "--from", "none")):
        code, _, err = run("models", "get", *arguments)
        assert code == 2, (arguments, err)
        assert err.startswith("render: ")


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (("schema",), "render.storyboard.schema.json_schema"),
        (("models",), "render.cli.describe.describe_models"),
        (("models", "get", "vqgan-coco"), "render.weights.library.known_models"),
        (("inspect", "film.yaml"), "render.media.provenance.read_note"),
    ],
)
def test_no_command_ends_with_a_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], place: str
) -> None:
    monkeypatch.setattr(place, raising(ZeroDivisionError("lost")))
    code, _, err = run(*command)
    assert code == 1
    assert err.startswith("render: ZeroDivisionError: lost. This is a defect of Render")


@pytest.mark.parametrize("error", [FULL, PermissionError(errno.EACCES, "Permission denied")])
def test_a_still_that_the_disk_does_not_take_is_not_the_users_fault(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    monkeypatch.setattr(os, "replace", refusing("a.png", error))
    code, _, err = run("still", "film.yaml", "--at", "0s", "-o", "a.png", "--device", "cpu", "-q")
    assert code == 1, err
    assert err.startswith("render: a.png was not written: ")
    assert not list(Path().glob("*.partial*"))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "--size 32x24 needs about a quarter"),
        (MemoryError(), "--size 32x24 needs about a quarter"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "--size 32x24"),
    ],
)
def test_a_journey_too_large_says_what_would_fit(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 48)).save(name)
    monkeypatch.setattr("render.generators.vqgan.Generator.encode", raising(error))
    common = ("--model", "tiny-vqgan", "--device", "cpu", "-q")
    code, _, err = run("interpolate", "a.png", "b.png", "-o", "m.mp4", *common)
    assert code == 1
    assert err.startswith("render: out of memory. ")
    assert sentence in err
    assert "defect" not in err
    assert not Path("m.mp4").exists()


def test_a_journey_on_a_full_disk_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 48)).save(name)
    monkeypatch.setattr(os, "fsync", raising(FULL))
    common = ("--model", "tiny-vqgan", "--device", "cpu", "-q", "--seconds", "0.1")
    code, _, err = run("interpolate", "a.png", "b.png", "-o", "m.mp4", *common)
    assert code == 1
    assert err.startswith("render: m.mp4 was not written: the disk is full. Free some space")


def test_a_film_that_the_disk_does_not_take_names_the_film(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", refusing("film.mp4", FULL))
    code, _, err = run("film.yaml", "-o", "film.mp4", "--device", "cpu", "-q")
    assert code == 1
    assert err.startswith("render: film.mp4 was not written: the disk is full.")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "film.latents"
    folder.mkdir()
    (folder / "key.safetensors").touch()
    return folder


@pytest.mark.parametrize("ci", [None, "true"])
def test_fresh_where_nobody_can_be_asked(
    run: Run, old: Path, monkeypatch: pytest.MonkeyPatch, ci: str | None
) -> None:
    if ci:
        monkeypatch.setenv("CI", ci)
    code, _, err = run("film.yaml", "--fresh", *JSON)
    assert code == 2
    assert "add --yes" in objects(err)[-1]["message"]
    assert [path.name for path in old.iterdir()] == ["key.safetensors"]
    assert not old.with_name("film.latents.1").exists()


def test_fresh_asks_on_a_terminal(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    asked = []

    def answer(question: str, **options: object) -> bool:
        asked.append(question)
        if options.get("abort") and len(asked) == 1:
            raise click.Abort
        return len(asked) > 1

    monkeypatch.setattr(click, "confirm", answer)
    with pytest.raises(RenderError, match="nothing was moved") as caught:
        preflight.set_aside(old, False)
    assert caught.value.exit_code == 1
    assert old.is_dir()
    preflight.set_aside(old, False)
    assert not old.exists()
    assert old.with_name("film.latents.1").is_dir()


def test_latents_that_cannot_be_moved_aside_are_told(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", raising(OSError(errno.EBUSY, "Device or resource busy")))
        with pytest.raises(InputError) as caught:
            preflight.set_aside(old, True)
    busy = "cannot be moved aside (Device or resource busy); name another with --latents"
    assert str(caught.value) == f"{old} {busy}"
    monkeypatch.chdir(old)
    for here in (Path(), Path("..")):
        with pytest.raises(InputError, match=r"cannot be moved aside \(this command runs in it"):
            preflight.set_aside(here, True)
    assert old.is_dir()


def test_what_the_film_is_made_from_is_not_moved_aside(old: Path) -> None:
    prompt = old / "kept.safetensors"
    with pytest.raises(InputError, match=r"the film is made from kept\.safetensors in it. Keep"):
        preflight.set_aside(old, True, [old.with_name("film.yaml"), prompt])
    assert old.is_dir()
    preflight.set_aside(old, True, [old.with_name("film.yaml")])
    assert not old.exists()


def test_a_link_to_latents_is_moved_and_they_are_not(old: Path) -> None:
    link = old.with_name("linked.latents")
    link.symlink_to(old)
    preflight.set_aside(link, True)
    assert old.is_dir()
    assert not link.exists()
    assert link.with_name("linked.latents.1").samefile(old)


def test_fresh_without_latents_or_with_yes_asks_nothing(old: Path) -> None:
    preflight.set_aside(old.with_name("none"), False)
    preflight.set_aside(old, True)
    assert old.with_name("film.latents.1").is_dir()


def test_a_preview_never_replaces_somebody_s_picture(run: Run) -> None:
    preview = Path("film.preview.png")
    preview.write_bytes(b"my picture")
    code, _, err = run("film.yaml", "-o", "film.mp4", "--device", "cpu")
    assert (code, preview.read_bytes()) == (2, b"my picture")
    assert "film.preview.png exists" in err
    preview.unlink()
    assert run("film.yaml", "-o", "film.mp4", "--device", "cpu")[0] == 0
    edited = BOARD.replace("sea", "fire")
    Path("film.yaml").write_text(edited)
    assert run("film.yaml", "-o", "film.mp4", "--device", "cpu")[0] == 0  # its own it replaces


@pytest.mark.parametrize("command", ["film", "still"])
@pytest.mark.parametrize("refused", [False, True])
def test_a_film_that_does_not_fit_into_memory_says_so_beforehand(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str, refused: bool
) -> None:
    needed = step_memory(preflight.plan_film(preflight.load_storyboard(Path("film.yaml")), False))
    there = int(needed / (1.51 if refused else 1.49))
    monkeypatch.setattr("render.plan.memory.machine_memory", lambda: there)
    monkeypatch.setattr("render.cli.describe.machine_memory", lambda: there)
    told, end = "32x32 with 2 cutouts needs about", "so the film is refused without --force."
    code, out, _ = run("check", "film.yaml")
    at_most = "warning: on a CPU in float32: "
    assert (code, f"{at_most}{told}" in out, end in out) == (0, True, refused)
    arguments = {"film": ("-o", "a.mp4"), "still": ("--at", "0", "-o", "a.png")}[command]
    common = (command, "film.yaml", *arguments, "--device", "cpu")
    code, _, err = run(*common)
    assert (code, told in err, end in err) == (2 if refused else 0, True, refused)
    code, _, err = run(*common, "--force", "--latents", "forced.latents")
    assert (code, f"warning: {told}" in err) == (0, True)
    code, _, err = run(*common, "--latents", "forced.latents")
    assert (code, told in err) == (0, False)  # nothing is left to be made


def test_views_that_do_not_fit_together_are_looked_at_in_parts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = (
        step_memory(preflight.plan_film(preflight.load_storyboard(Path("film.yaml")), False)) - 1
    )
    monkeypatch.setattr("render.plan.memory.machine_memory", lambda: there)
    monkeypatch.setattr("render.cli.describe.machine_memory", lambda: there)
    told = "2 cutouts at once would need"
    assert f"warning: on a CPU in float32: {told}" in run("check", "film.yaml")[1]
    parts = []

    def counted(embed: Callable[..., object], part: object, **options: object) -> object:
        parts.append(len(part))
        return embed(part)

    monkeypatch.setattr("render.synthesis.perceptor.checkpoint", counted)
    code, _, err = run("still", "film.yaml", "--at", "0", "-o", "a.png", "--device", "cpu")
    assert (code, told in err, set(parts)) == (0, True, {1})


def test_another_precision_goes_on_with_what_is_kept(run: Run) -> None:
    common = ("film.yaml", "--device", "cpu", "--precision")
    code, _, err = run("film", *common, "bfloat16", "-v", "-o", "a.mp4")
    assert (code, "steps in bfloat16" in err) == (0, True)
    assert "of memory (on cpu, steps in bfloat16)" in err
    kept = {path: path.read_bytes() for path in Path("film.latents").iterdir()}
    code, _, err = run("film", *common, "float32", "-o", "b.mp4")
    assert (code, "3 of 3 keyframes are there and stay as they were made" in err) == (0, True)
    assert "stay as they were" not in run("film", *common, "auto", "-o", "b.mp4")[2]
    assert {path: path.read_bytes() for path in Path("film.latents").iterdir()} == kept
    assert Path("a.mp4").read_bytes() == Path("b.mp4").read_bytes()
    assert run("film", *common, "float32", "-o", "c.mp4", "--latents", "c.latents")[0] == 0
    names = [path.name for path in kept]
    assert sorted(path.name for path in Path("c.latents").iterdir()) == sorted(names)
    assert any((Path("c.latents") / path.name).read_bytes() != kept[path] for path in kept)


def test_a_still_weighs_only_the_keyframes_that_it_needs(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = ("still", "film.yaml", "--at", "0", "-o", "a.png", "--device", "cpu", "-q")
    assert run(*still)[0] == 0
    monkeypatch.setattr("render.plan.memory.machine_memory", lambda: 1)
    assert run(*still)[0] == 0


@pytest.mark.parametrize("command", ["film", "still"])
def test_what_is_missing_is_told_before_anything_is_loaded(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    from render.weights.catalog import ModelError

    monkeypatch.setattr(
        "render.weights.selection.FilmModels.require", raising(ModelError("get it first"))
    )
    arguments = {"film": ("-o", "a.mp4"), "still": ("--at", "0", "-o", "a.png")}[command]
    code, _, err = run(command, "film.yaml", *arguments, "--device", "cpu")
    assert err == "render: get it first\n"
    assert code != 0


@pytest.mark.parametrize("command", ["film", "still"])
def test_every_latent_that_was_changed_is_told_before_a_step(run: Run, command: str) -> None:
    arguments = {"film": ("-o", "a.mp4"), "still": ("--at", "3f", "-o", "a.png")}[command]
    common = (command, "film.yaml", *arguments, "--device", "cpu", "-q")
    assert run(*common)[0] == 0
    Path(arguments[-1]).unlink()
    first, second, third, *_ = sorted(Path("film.latents").iterdir())
    third.unlink()
    for path in (first, second):
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content)
    code, _, err = run(*common)
    assert code == 2
    assert len(err.splitlines()) == 2
    for path in (first, second):
        assert f"{path} was changed since Render wrote it; put the right one back" in err
    assert not third.exists()
    assert not Path(arguments[-1]).exists()


PICTURED = {
    "init": "prompts: sea, init: NAME",
    "image": "prompts: {image: NAME}",
    "exclude": "prompts: sea, exclude: {image: NAME}",
}


@pytest.mark.parametrize("key", PICTURED)
def test_no_film_is_written_over_what_it_is_made_from(run: Run, key: str) -> None:
    still = ("still", "film.yaml", "--at", "0s", "--device", "cpu", "-q", "-o")
    names = ("s.png", "film.preview.png")
    for name in names:
        assert run(*still, name)[0] == 0
    kept = {name: Path(name).read_bytes() for name in names}

    def pictured(name: str) -> str:
        return BOARD.replace("prompts: sea", PICTURED[key].replace("NAME", name))

    Path("link.png").symlink_to("s.png")
    for name, output in (("link.png", "s.png"), ("s.png", "./link.png")):
        Path("film.yaml").write_text(pictured(name))
        for force in ((), ("--force",)):
            code, _, err = run(*still, output, *force)
            assert (code, "is one of the files that it would be made from" in err) == (2, True)
    Path("film.yaml").write_text(pictured("film.preview.png"))
    code, _, err = run("film.yaml", "-o", "film.mp4", "--device", "cpu", "--force")
    assert (code, "film.preview.png is one of the files" in err) == (2, True)
    assert {name: Path(name).read_bytes() for name in names} == kept


@pytest.mark.parametrize("name", ["a\x1b[31m.png", "link.png"])
def test_a_picture_s_name_never_steers_the_terminal(run: Run, name: str) -> None:
    Image.new("RGB", (32, 32)).save("a\x1b[31m.png")
    Path("link.png").symlink_to("a\x1b[31m.png")
    written = json.dumps(name)
    Path("film.yaml").write_text(BOARD.replace("prompts: sea", f"prompts: sea, init: {written}"))
    code, out, err = run("check", "film.yaml")
    assert (code, out) == (2, "")
    assert "holds control characters. Rename the file" in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("a" * 245 + ".png", "the name is too long. Choose one under 220 characters"),
        ("stills", "stills is a folder. Name a file in it, such as stills/frame.png"),
        ("absent/a.png", "there is no folder absent. Make it first"),
        ("a.jpg", "a still is written as PNG; name it a.png"),
    ],
)
def test_a_still_that_cannot_be_written_is_told_first(run: Run, output: str, sentence: str) -> None:
    Path("stills").mkdir()
    code, _, err = run("still", "film.yaml", "--at", "0s", "-o", output)
    assert (code, sentence in err) == (2, True)
    assert "loading" not in err
