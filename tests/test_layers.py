"""The house stands as it is drawn: rooms import one way, methods stand alone, all is documented."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoo

PACKAGE = Path(zoo.__file__).parent
ORDER = (
    {"errors"},
    {"disk"},
    {"paths", "lazy", "json_files", "processes"},
    {"spec"},
    {"records"},
    {"losses"},
    {"models"},
    {"data"},
    {"distil"},
    {"compact"},
    {"methods"},
    {"training"},
    {"evaluation"},
    {"export"},
    {"statistics"},
    {"latency"},
    {"board"},
    {"pipeline"},
    {"cli"},
)
"""Each room imports only from itself and from those before it, not from those beside it."""

MOST_LINES = 300
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = [path for path in FILES if path != PACKAGE / "__init__.py"]


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room(name: str) -> str:
    return name.split("/", maxsplit=1)[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """The zoo's modules that a file names in imports, dotted, without `zoo.`, in functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports escape the fingerprints"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("zoo.") for name in names if name.startswith("zoo."))


def test_every_room_has_its_place() -> None:
    """A new folder is put into the order before anything is built in it."""
    assert len(MODULES) > len(ORDER)
    assert {room(named(path)) for path in MODULES} == set().union(*ORDER)


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_rooms_import_from_earlier_rooms_only(path: Path) -> None:
    """Data flows one way."""
    place = {name: number for number, rooms in enumerate(ORDER) for name in rooms}
    here = room(named(path))
    for name in imported(path):
        there = name.split(".")[0]
        assert there == here or place[there] < place[here], f"{named(path)} imports zoo.{name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "methods").glob("[!_]*.py")), ids=named)
def test_a_method_imports_no_other(path: Path) -> None:
    """A method is read, copied and removed as one file."""
    assert not [name for name in imported(path) if name.startswith("methods")]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_everything_public_says_what_it_is(path: Path) -> None:
    """Modules, classes, functions and methods have docstrings, and no file tells two stories."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert ast.get_docstring(tree), "the module"
    for node in public(tree):
        assert ast.get_docstring(node), node.name
    assert len(source.splitlines()) <= MOST_LINES


def public(tree: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    """Public definitions of a module or class; those within functions are nobody else's."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)
