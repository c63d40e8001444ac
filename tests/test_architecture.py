"""The house stays as drawn: imports point one way, and half of it never touches torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import render

PACKAGE = Path(render.__file__).parent
MODULES = sorted(
    path.stem for path in PACKAGE.glob("*.py") if path.stem not in ("__init__", "__main__")
)
PAINTS = {
    "checkpoints", "conversion", "cutouts", "fast", "film", "frames", "generator", "images",
    "interpolate", "keyframe", "latents", "losses", "optimize", "perceptor", "recording",
    "shortage", "warp",
}  # fmt: skip
OUTSIDE = {"cli", "console", "progress", "voice"}  # what nothing else may import


def imports(module: str) -> set[str]:
    """The modules of ours that a module imports anywhere in it."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "render":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("render."):
            found.add((node.module or "").split(".")[1])
    return found & set(MODULES)


def only_for_types(module: str) -> set[str]:
    """What stands under `if TYPE_CHECKING:`; it is not imported when the program runs."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            for inner in ast.walk(node):
                if isinstance(inner, ast.ImportFrom):
                    found.add((inner.module or "").removeprefix("render."))
    return found


GRAPH = {module: imports(module) - only_for_types(module) for module in MODULES}


def test_imports_have_no_cycle() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for other in GRAPH[module]:
                visit(other, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


def test_nothing_imports_what_faces_the_user() -> None:
    for module in MODULES:
        if module not in OUTSIDE:
            assert not GRAPH[module] & OUTSIDE, module


@pytest.mark.parametrize("module", [m for m in MODULES if m not in PAINTS])
def test_the_plan_s_half_never_imports_torch(module: str) -> None:
    script = f"import sys, render.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    "command", [[], ["--help"], ["check", "storyboards/first-light.yaml"], ["models"], ["schema"]]
)
def test_quick_commands_never_import_torch(command: list[str]) -> None:
    script = (
        "import sys; from render.cli import main\n"
        f"sys.argv = ['render', *{command!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        "    sys.exit(end.code or ('torch' in sys.modules))"
    )
    root = PACKAGE.parent if (PACKAGE.parent / "storyboards").exists() else Path.cwd()
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_what_faces_the_user_speaks() -> None:
    speaking = {"print", "echo", "secho", "write_line", "stdout", "stderr"}
    for module in set(MODULES) - OUTSIDE:
        tree = ast.parse((PACKAGE / f"{module}.py").read_text())
        for node in ast.walk(tree):
            name = getattr(node, "id", "")
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in (
                "sys",
                "click",
            ):
                name = node.attr
            assert name not in speaking, f"{module}:{getattr(node, 'lineno', 0)}"


def test_nothing_runs_strangers_code() -> None:
    forbidden = {"eval", "exec", "compile"}
    for module in MODULES:
        tree = ast.parse((PACKAGE / f"{module}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                assert getattr(node.func, "id", "") not in forbidden, module
                shells = [k for k in node.keywords if k.arg == "shell"]
                assert not shells, module


def test_every_error_has_an_exit_code() -> None:
    """What a person may get to see derives from RenderError, through names or directly."""
    bases: dict[str, set[str]] = {}
    for module in MODULES:
        for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                bases[node.name] = {getattr(base, "id", "") for base in node.bases}
    public = {name for name in bases if not name.startswith("_")} - {"RenderError"}
    assert {"InputError", "StoryboardError", "VideoError", "FileError"} <= public
    for name in public:
        assert bases[name] & {"RenderError", "InputError"}, name
