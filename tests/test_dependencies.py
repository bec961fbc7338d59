"""What is imported is declared, and what is declared is used."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import zoo
from tests.conftest import CHECKOUT

STATED = tomllib.loads(Path(CHECKOUT, "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = STATED["project"]
EXTRAS = PROJECT["optional-dependencies"]
GROUPS = STATED["dependency-groups"]
DEVELOPMENT = EXTRAS["dev"]
OPTIONAL = {"openvino": "openvino", "pynvml": "nvidia-ml-py"}
"""Modules that are imported where they are installed, and who brings them."""
USED_OTHERWISE = {
    "onnxscript": "torch.onnx writes graphs with it",
    "ruamel-yaml-clib": "DVC reads YAML with ruamel.yaml, which is slow without it",
}


def declared(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(one).name) for one in requirements}


def imported(folder: Path) -> set[str]:
    """The distributions whose modules a folder's files import, in functions too."""
    names = {name for path in folder.rglob("*.py") for name in modules(path)}
    names -= {*sys.stdlib_module_names, "zoo", "tests", "benchmarks"}
    installed = packages_distributions()
    return {
        canonicalize_name(found)
        for name in names
        for found in ([OPTIONAL[name]] if name in OPTIONAL else installed[name])
    }


def modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).partition(".")[0]


def test_dependencies_are_what_the_zoo_uses() -> None:
    """None is missing that only another brings by chance, none is installed for nothing."""
    needed = imported(Path(zoo.__file__).parent)
    assert not needed & USED_OTHERWISE.keys()
    required = needed - set(OPTIONAL.values())
    assert declared(PROJECT["dependencies"]) == required | USED_OTHERWISE.keys()
    assert {canonicalize_name(name) for name in OPTIONAL.values()} <= declared(
        [*chain(*EXTRAS.values())]
    )


def test_what_only_tests_import_is_declared_for_them() -> None:
    assert imported(Path(CHECKOUT, "tests")) <= declared(
        [*PROJECT["dependencies"], *chain(*EXTRAS.values())]
    )


def test_all_that_is_declared_is_pinned() -> None:
    """Tests run on the versions of constraints.txt, torch's without the name of a build."""
    lines = Path(CHECKOUT, "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    versions = {canonicalize_name(pin.name): str(pin.specifier) for pin in pins}
    assert declared([*PROJECT["dependencies"], *DEVELOPMENT, *GROUPS["docs"]]) <= versions.keys()
    assert all(version.startswith("==") for version in versions.values())
    assert "+" not in versions["torch"]


def test_the_lowest_versions_are_those_that_are_declared() -> None:
    """Of all that tests import: what the environment `lowest` installs is what is promised."""
    lines = Path(CHECKOUT, "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.lower().replace("_", "-").split("==") for line in lines if "==" in line)
    wanted = [*PROJECT["dependencies"], *DEVELOPMENT]
    stated = (re.match(r"([\w.-]+)>=([\d.]+)", line) for line in wanted)
    bounds = {found[1].lower().replace("_", "-"): found[2] for found in stated if found}
    for name, version in pinned.items():
        bound = bounds.pop(name)
        assert version.split(".")[: bound.count(".") + 1] == bound.split("."), name
        assert set(version.split(".")[bound.count(".") + 1 :]) <= {"0"}, name
    assert set(bounds) == {"grimp", "import-linter", "mypy", "ruff", "types-psutil", "types-pyyaml"}
