"""The house stands as it is drawn: rooms import one way, methods stand alone, all is documented."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

import zoo
from tests.conftest import CHECKOUT

PACKAGE = Path(zoo.__file__).parent
ARCHITECTURE = Path(CHECKOUT, "docs/architecture.md").read_text(encoding="utf-8")
FILES = sorted(PACKAGE.rglob("*.py"))
VERBS = PACKAGE / "cli" / "app.py"
"""Its functions are named like the verbs; so are those of `cli` that do them."""
SHARED = {
    "LIBRARY": "what a module of a runtime offers, asked for by this name",
    "load_split": "of the readers in `READERS`, told apart by their modules",
    "read_file": "of the readers in `READERS`, told apart by their modules",
    "read_split": "of the readers in `READERS`, told apart by their modules",
}
"""Public names that several modules define, and why. Take away from it, add nothing to it."""


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_rooms_import_one_way_and_methods_stand_alone() -> None:
    """What `[tool.importlinter]` in pyproject.toml forbids, shown with the chain of imports."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=named)
def test_everything_public_says_what_it_is(path: Path) -> None:
    """Modules, classes, functions and methods have docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module"
    for node in public(tree):
        assert ast.get_docstring(node), node.name


def public(tree: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    """Public definitions of a module or class; those within functions are nobody else's."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def drawn() -> set[tuple[str, str]]:
    """The arrows between rooms in docs/architecture.md: who imports whom."""
    (arrows,) = re.findall(r"```mermaid\n(flowchart TD\n    cli .*?)```", ARCHITECTURE, re.DOTALL)
    lines = [line.strip().split(" --> ") for line in arrows.splitlines() if " --> " in line]
    return {(here, there) for here, rooms in lines for there in rooms.split(" & ")}


def imports_between_rooms() -> set[tuple[str, str]]:
    """Who imports whom, by the names of rooms."""
    graph = grimp.build_graph("zoo", cache_dir=None)
    rooms = sorted(graph.find_children("zoo"))
    for name in rooms:
        graph.squash_module(name)
    return {
        (here.removeprefix("zoo."), there.removeprefix("zoo."))
        for here in rooms
        for there in graph.find_modules_directly_imported_by(here)
        if there not in ("zoo", here)
    }


def test_the_rooms_are_drawn() -> None:
    """The drawing has all rooms, and along its arrows one reaches whatever a room imports."""
    imports, arrows = imports_between_rooms(), drawn()
    assert {name for arrow in arrows for name in arrow} == {
        name for pair in imports for name in pair
    }
    assert arrows <= imports
    reached, more = set[tuple[str, str]](), set(arrows)
    while more - reached:
        reached |= more
        more = {(a, d) for a, b in reached for c, d in arrows if b == c}
    assert imports <= reached


def test_the_steps_of_the_data_are_where_architecture_says() -> None:
    """Every `file`: `name` of the page is a definition of that file."""
    steps = re.findall(r"`zoo/([\w/]+\.py)`: `(\w+)`", ARCHITECTURE)
    assert len(steps) > 10
    for file, name in steps:
        tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in public(tree)}, f"{file}: {name}"


def defined(tree: ast.Module) -> Iterator[str]:
    """The public names of a module: of classes, functions, constants and types."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            walked = (each for target in targets for each in ast.walk(target))
            names = [each.id for each in walked if isinstance(each, ast.Name)]
        else:
            continue
        yield from (name for name in names if not name.startswith("_"))


def test_a_public_name_means_one_thing() -> None:
    """Only one module defines it: whoever reads it need not look where it comes from."""
    modules = defaultdict[str, set[str]](set)
    for path in FILES:
        if path != VERBS:
            for name in defined(ast.parse(path.read_text(encoding="utf-8"))):
                modules[name].add(named(path))
    several = {name: sorted(files) for name, files in modules.items() if len(files) > 1}
    assert {name: files for name, files in several.items() if name not in SHARED} == {}
    assert several.keys() == SHARED.keys()


HEAVY = {
    *("numpy", "pandas", "pyarrow", "scipy", "sklearn", "torch"),
    *("accelerate", "datasets", "onnx", "onnxruntime", "transformers"),
}


@pytest.mark.parametrize("verb", ["check", "run", "show", "sync"])
def test_a_verb_that_computes_nothing_imports_no_heavy_library(verb: str) -> None:
    code = f"import sys, zoo.cli.{verb}; print(*sorted({HEAVY} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=CHECKOUT
    )
    assert (done.stdout, done.stderr) == ("\n", "")
