"""Every number of the language has bounds, which schemas show and messages tell."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from zoo.errors import SpecError
from zoo.methods import METHODS
from zoo.spec.bounds import MOST_PARAMETERS, MOST_SEEDS
from zoo.spec.json_schema import json_schemas
from zoo.spec.load import LoadedSuite

Load = Callable[[dict[str, str]], LoadedSuite]
LAYERS = {"start", "layers", "hidden_layers", "teacher_layers", "buckets"}
"""Lists of layers: they are held against the depth of their teacher."""


def numbers(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every number of a schema with its place."""
    if isinstance(node, Mapping):
        if node.get("type") in ("integer", "number"):
            yield path, node
        for key, below in node.items():
            yield from numbers(below, (*path, key))
    elif isinstance(node, list):
        for place, below in enumerate(node):
            yield from numbers(below, (*path, str(place)))


def test_every_number_has_bounds() -> None:
    """Of suites, teachers, entries with all methods, studies and own tasks; above and below."""
    found = [
        ((name, *path), node)
        for name, schema in json_schemas(METHODS.classes).items()
        for path, node in numbers(schema)
    ]
    assert len(found) > 150
    endless = {
        path
        for path, node in found
        if not {"maximum", "exclusiveMaximum"} & set(node)
        or not {"minimum", "exclusiveMinimum"} & set(node)
    }
    assert {path for path in endless if "items" not in path} == set()
    assert {path[path.index("properties") + 1] for path in endless} <= LAYERS


def test_seeds_are_few(load: Load, files: dict[str, str]) -> None:
    """Each is a run of every entry on every task."""
    many = ", ".join(map(str, range(MOST_SEEDS)))
    suite = files["suite.yaml"].replace("[1, 2]", f"[{many}]")
    assert len(load({"suite.yaml": suite}).suite.seeds) == MOST_SEEDS
    with pytest.raises(SpecError) as caught:
        load({"suite.yaml": suite.replace("[0,", "[5000, 0,")})
    assert str(caught.value) == (
        "specs/small/suite.yaml:9: seeds: given [5000, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,"
        " 13, 14, ...\n"
        "  allowed: a non-empty list of at most 100, each item a whole number from 0 to"
        " 4,294,967,295"
    )


def test_the_largest_models_of_the_field_are_far_within() -> None:
    """BERT-large has 0.3 billion parameters."""
    assert MOST_PARAMETERS == 4 * 2**30
