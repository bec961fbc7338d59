"""What was released once can be read for ever: records of every schema, and specs as they were."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from zoo.paths import Project
from zoo.records.measured import RECORD_SCHEMA, MeasuredRun
from zoo.records.store import RECORD_KINDS, read_record, record_files
from zoo.resolve.entry import read_suite
from zoo.spec.recipe import RECIPE_SCHEMA

FIXTURES = Path(__file__).parent / "fixtures"
RECORDS = sorted((FIXTURES / "records").glob("v*"))
SPECS = sorted((FIXTURES / "specs").glob("v*"))
NEWER_KINDS = {"attention": 2, "robustness": 2}
"""The first schema of kinds of records that schema 1 did not have."""
DECLARED = "declared.json"
"""What the specs beside it declare: pairs of an entry and the sha256 of one of its runs."""


def version(folder: Path) -> int:
    return int(folder.name.removeprefix("v"))


def test_every_version_has_fixtures() -> None:
    """Whoever raises a number adds a folder, and nobody removes one."""
    read = get_args(MeasuredRun.model_fields["schema_version"].annotation)
    assert RECORD_SCHEMA in read
    assert sorted(map(version, RECORDS)) == sorted(read)
    assert max(map(version, SPECS)) == RECIPE_SCHEMA


@pytest.mark.parametrize("folder", RECORDS, ids=version)
def test_records_of_every_version_load(folder: Path) -> None:
    """One of each kind, and nothing that they state is lost."""
    records = {path: read_record(path) for path in record_files(folder)}
    expected = {kind for kind in RECORD_KINDS if NEWER_KINDS.get(kind, 1) <= version(folder)}
    assert {record.kind for record in records.values()} == expected
    for path, record in records.items():
        stated = json.loads(path.read_text())
        if isinstance(stated["environment"], str):  # the name of one that stands beside it
            del stated["environment"]
        assert stated["schema_version"] == record.schema_version == version(folder)
        assert holds(json.loads(record.model_dump_json()), stated), record.name


def holds(read: Any, stated: Any) -> bool:
    """Whether what was read says all that was stated; more it may say."""
    if isinstance(stated, dict):
        return all(key in read and holds(read[key], value) for key, value in stated.items())
    if isinstance(stated, list):
        return len(read) == len(stated) and all(map(holds, read, stated))
    return bool(read == stated)


@pytest.mark.parametrize("folder", SPECS, ids=version)
def test_specs_of_every_version_load(folder: Path) -> None:
    """They are valid; as long as the schema is theirs, they declare what they declared then."""
    suite = read_suite(Project(folder), "pocket")
    assert suite.loaded.teachers
    assert suite.loaded.entries
    assert suite.loaded.studies
    if version(folder) == RECIPE_SCHEMA:
        expected = json.loads((folder / DECLARED).read_text())
        assert sorted(map(list, suite.declared_runs)) == expected
