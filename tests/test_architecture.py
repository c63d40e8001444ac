"""The house stays as drawn: imports point down the wings, and half of them load no torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import render

PACKAGE = Path(render.__file__).parent
# From the top of the house to its foundation; each wing imports only what stands below it.
WINGS = (
    "cli", "studio", "report", "film", "engines", "synthesis", "generators", "plan", "storyboard",
    "weights", "curves", "media", "starter",
)  # fmt: skip
FOUNDATION = {"errors", "text", "__init__"}  # modules that every wing may import
WITHOUT_TORCH = {"cli", "report", "plan", "storyboard", "weights", "curves", "media"}
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
TREES = {module: ast.parse(path.read_text()) for module, path in FILES.items()}


def wing_of(module: str) -> str:
    """The folder that a module stands in, or its own name where it stands in none."""
    return module.partition(".")[0]


def only_for_types(tree: ast.Module) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING:`; it is not imported when the program runs."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }


def imports(module: str) -> set[str]:
    """The modules of ours that a module imports anywhere in it."""
    ignored, found = only_for_types(TREES[module]), set()
    for node in ast.walk(TREES[module]):
        if not isinstance(node, ast.ImportFrom) or node in ignored:
            continue
        package = (node.module or "").removeprefix("render").removeprefix(".")
        if node.module == "render" or (node.module or "").startswith("render."):
            for alias in node.names:
                inside = f"{package}.{alias.name}".removeprefix(".")
                found.add(inside if inside in FILES else package or "__init__")
    return found


GRAPH = {module: imports(module) for module in FILES}


def test_every_folder_is_a_wing_that_says_what_it_is_for() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(WINGS)
    for wing in folders:
        sentence = ast.get_docstring(TREES[wing])
        assert sentence, wing
        assert sentence.endswith("."), wing


def test_every_wing_imports_only_what_stands_below_it() -> None:
    for module, others in GRAPH.items():
        wing = wing_of(module)
        if wing not in WINGS:
            assert {wing_of(other) for other in others} <= FOUNDATION | {"cli"}, module
            continue
        below = {*WINGS[WINGS.index(wing) :], *FOUNDATION}
        assert {wing_of(other) for other in others} <= below, module


def test_imports_have_no_cycle() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for other in GRAPH.get(module, set()):
                visit(other, (*path, module))
            done.add(module)

    for module in FILES:
        visit(module, ())


@pytest.mark.parametrize("wing", sorted(WITHOUT_TORCH & {wing_of(module) for module in FILES}))
def test_the_plan_s_half_never_imports_torch(wing: str) -> None:
    modules = [f"render.{module}" for module in FILES if wing_of(module) == wing]
    script = (
        "import importlib, sys\n"
        f"for module in {modules!r}:\n"
        "    importlib.import_module(module)\n"
        "    assert 'torch' not in sys.modules, module"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["--help"],
        ["check", "storyboards/first-light.yaml"],
        ["animatic", "storyboards/audio.yaml", "--to", "0.5s", "-o"],
        ["models"],
        ["schema"],
    ],
)
def test_quick_commands_never_import_torch(command: list[str], tmp_path: Path) -> None:
    if command[-1:] == ["-o"]:
        command = [*command, str(tmp_path / "moves.mp4")]
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
    for module, tree in TREES.items():
        if wing_of(module) == "cli":
            continue
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
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                assert getattr(node.func, "id", "") not in forbidden, module
                shells = [k for k in node.keywords if k.arg == "shell"]
                assert not shells, module


def test_every_error_has_an_exit_code() -> None:
    """What a person may get to see derives from RenderError, through names or directly."""
    bases: dict[str, set[str]] = {}
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                bases[node.name] = {getattr(base, "id", "") for base in node.bases}
    interruptions = {"TerminatedError"}  # which is told as Ctrl-C is
    public = {name for name in bases if not name.startswith("_")} - {"RenderError"} - interruptions
    assert {"InputError", "StoryboardError", "VideoError", "FileError"} <= public
    for name in public:
        assert bases[name] & {"RenderError", "InputError"}, name
