"""The JSON Schemas describe what loads: for editors, and for what messages call allowed."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field

from zoo.methods import METHODS
from zoo.spec.base import Name, Spec
from zoo.spec.json_schema import json_schemas
from zoo.spec.schema import schema_of
from zoo.spec.shape import Shape
from zoo.spec.yaml import read_yaml

Node = dict[str, Any]
SCHEMAS = json_schemas(METHODS.classes)
KIND = {"suite.yaml": "suite", "teachers/t.yaml": "teacher"}


def resolved(node: Node, schema: Node) -> Node:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return node


def strays(value: Any, node: Node, schema: Node, path: str = "") -> Iterator[str]:
    """Where a mapping has keys the schema lacks, or lacks keys the schema requires."""
    node = resolved(node, schema)
    if "anyOf" in node:
        node = resolved(next(each for each in node["anyOf"] if each.get("type") != "null"), schema)
    if "discriminator" in node:
        tag = node["discriminator"]
        node = resolved({"$ref": tag["mapping"][value[tag["propertyName"]]]}, schema)
    if not isinstance(value, dict):
        return
    yield from (f"{path} lacks {key}" for key in node.get("required", ()) if key not in value)
    for key, below in value.items():
        inner = node.get("properties", {}).get(key) or node.get("additionalProperties")
        if inner:
            yield from strays(below, inner, schema, f"{path}.{key}")
        else:
            yield f"{path}.{key} is unknown"


def test_good_files_fit_their_schemas(tmp_path: Any, files: dict[str, str], write: Any) -> None:
    """Every key of the good suite is known to the schema, and none that is required is absent."""
    write(tmp_path, files)
    for file in files:
        schema = SCHEMAS[KIND.get(file, "entry")]
        content = read_yaml(tmp_path / "specs/small" / file, file).content
        assert list(strays(content, schema, schema)) == [], file


def test_what_every_file_must_have() -> None:
    """A suite that extends another has what it leaves out from there."""
    suite, *others = SCHEMAS.values()
    assert suite["if"] == {"required": ["extends"]}
    assert suite["else"] == {"required": ["tasks", "seeds"]}
    assert "required" not in suite
    assert [schema["required"] for schema in others] == [
        ["source", "optimise"],
        ["teacher", "student", "method"],
        ["entry", "axes"],
        ["files", "texts", "metrics"],
    ]


def test_unions_are_told_apart_by_name() -> None:
    """An editor offers every method, source and corpus, each with its own keys."""
    method = SCHEMAS["entry"]["properties"]["method"]["discriminator"]
    assert method["propertyName"] == "name"
    assert sorted(method["mapping"]) == sorted(METHODS.classes)
    source = SCHEMAS["teacher"]["properties"]["source"]["discriminator"]
    assert source["propertyName"] == "kind"
    assert sorted(source["mapping"]) == ["distilled", "folder", "hub", "pretrained"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_object_is_closed_and_every_field_told(name: str) -> None:
    """No key is open, and each has a sentence for people."""
    objects = [SCHEMAS[name], *SCHEMAS[name].get("$defs", {}).values()]
    for each in objects:
        assert each["additionalProperties"] is False, each["title"]
        for key, field in each["properties"].items():
            told = field.get("description")
            assert told or key in ("kind", "name"), f"{each['title']}.{key}"


class Example(Spec):
    """One field of every sort."""

    whole: int
    """From anywhere."""
    counted: int = Field(gt=0, lt=10)
    """Between."""
    share: float = Field(ge=0, le=1)
    """Of one."""
    open_share: float = Field(gt=0, lt=1)
    """Of one."""
    name: Name
    """A name."""
    word: str
    """Any."""
    pair: tuple[int, str]
    """Two."""
    shape: Shape | None
    """A mapping."""
    free: Any
    """Anything."""
    matched: str = Field(pattern="^x+$")
    """A pattern nobody put into words."""


@pytest.mark.parametrize(
    ("field", "takes"),
    [
        ("whole", "a whole number"),
        ("counted", "a whole number from 1 to 9"),
        ("share", "a number from 0 to 1"),
        ("open_share", "a number above 0 and below 1"),
        ("name", "at most 64 lower-case letters, digits, dots and dashes"),
        ("word", "text"),
        ("pair", "a non-empty list"),
        ("shape", "a mapping, or null"),
        ("free", "another value"),
        ("matched", "text that matches ^x+$"),
    ],
)
def test_what_a_field_takes_is_said_in_words(field: str, takes: str) -> None:
    schema = schema_of(Example)
    path, node = schema.locate((field,))
    assert path == (field,)
    assert schema.takes(node) == takes


def test_items_of_a_fixed_list_have_their_own_words() -> None:
    schema = schema_of(Example)
    assert schema.takes(schema.locate(("pair", 0))[1]) == "a whole number"
    assert schema.takes(schema.locate(("pair", 1))[1]) == "text"
