"""Records as they are published: environments stored once, and every released form still read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.made import HASH, NOWHERE
from zoo.errors import ZooError
from zoo.records.published import ENVIRONMENTS, published_texts
from zoo.records.size import SizeRecord
from zoo.records.store import read_record, read_records

FIXTURES = Path(__file__).parents[1] / "fixtures/records"
ELSEWHERE = NOWHERE.model_copy(update={"cores": 64, "libraries": {"torch": "2.13.0"}})
REMEDY = "\n  fix: restore it from git: the records beside it name the environments that it holds"


def size(seed: int, **more: Any) -> SizeRecord:
    stated: dict[str, Any] = {
        "suite": "s",
        "entry": "kd",
        "task": "rte",
        "seed": seed,
        "declared": HASH,
        "digest": "d",
        "environment": NOWHERE,
        "parameters": 3,
        "embedding": 1,
        "non_embedding": 2,
        "checkpoint_bytes": 12,
        "weights_sha256": HASH,
    }
    return SizeRecord(**(stated | more))


RECORDS = [size(1), size(2), size(3, environment=ELSEWHERE), size(1, entry="wid")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of records, as it is published."""
    for name, text in published_texts(RECORDS).items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_published_records_come_back_whole(folder: Path) -> None:
    """Every one with its environment in full, which no file of a record states."""
    assert read_records(folder) == RECORDS
    stated = [json.loads(path.read_text())["environment"] for path in folder.glob("*/*.json")]
    held = json.loads((folder / ENVIRONMENTS).read_text())
    assert {*stated} == {*held}
    assert [len(name) for name in held] == [12, 12]


def test_an_environment_is_named_by_what_it_says(folder: Path) -> None:
    """Not by the layout of its file."""
    path = folder / ENVIRONMENTS
    held = {name: dict(reversed(one.items())) for name, one in json.loads(path.read_text()).items()}
    path.write_text(json.dumps(held))
    assert read_records(folder) == RECORDS


def remove(path: Path) -> None:
    path.unlink()


def conflict(path: Path) -> None:
    path.write_text(f"<<<<<<< HEAD\n{path.read_text()}")


def forget(path: Path) -> None:
    path.write_text('{"abc": {}}')


def alter(path: Path) -> None:
    path.write_text(path.read_text().replace('"cores": 64', '"cores": 128'))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (remove, ": there is no such file"),
        (conflict, ":1: unresolved merge conflict: <<<<<<<\n  allowed: JSON"),
        (
            forget,
            (
                ": {name}: kd/size-rte-3.json refers to this environment, which is missing"
                "\n  allowed: abc"
            ),
        ),
        (alter, ": {name}: this environment was modified after publication"),
    ],
)
def test_an_environment_that_is_not_there_is_told(
    folder: Path, damage: Callable[[Path], None], told: str
) -> None:
    """By file and name, with what the file is for."""
    record, path = folder / "kd/size-rte-3.json", folder / ENVIRONMENTS
    damage(path)
    with pytest.raises(ZooError) as caught:
        read_record(record)
    name = json.loads(record.read_text())["environment"]
    assert str(caught.value) == f"{path}{told.format(name=name)}{REMEDY}"


def test_what_is_no_environment_is_no_record(folder: Path) -> None:
    """Neither the name of one nor one in full."""
    path = folder / "kd/size-rte-1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"environment": 7}))
    with pytest.raises(ZooError) as caught:
        read_record(path)
    where = f"{path}: size.environment: not a record: "
    assert str(caught.value).startswith(where)


@pytest.mark.parametrize(
    ("form", "schema", "entry", "processors"),
    [
        ("v1", 1, "kd-3l", ["Intel(R) Xeon(R) Processor"]),
        ("v2", 2, "kd-2l", ["AMD EPYC", "AMD EPYC"]),
    ],
)
def test_every_released_form_is_read(
    form: str, schema: int, entry: str, processors: list[str]
) -> None:
    """Records of schema 2 were published with their environments in full, then by name."""
    found = read_records(FIXTURES / form / entry)
    assert {(record.schema_version, record.entry) for record in found} == {(schema, entry)}
    assert [record.environment.processor for record in found] == processors


def test_a_size_without_a_shape_keeps_its_bytes() -> None:
    """Records older than these fields have none of them, those with them all three."""
    (old, *_), shaped = published_texts([size(1)]).values(), size(1, layers=3, hidden=384, heads=12)
    assert {"layers", "hidden", "heads"}.isdisjoint(json.loads(old))
    (new, *_) = published_texts([shaped]).values()
    stated = json.loads(new)
    assert (stated["layers"], stated["hidden"], stated["heads"]) == (3, 384, 12)
