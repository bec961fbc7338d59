"""Reading and validating records on disk."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError, ValidationInfo

from zoo.errors import Problem, ZooError, at
from zoo.files import read_file
from zoo.records.published import Environments
from zoo.records.records import Record

_REMEDY = "restore it from git, or rebuild it with `dvc repro`"
RECORD_KINDS = (
    *("training", "score", "size", "export", "transfer", "latency"),
    *("attention", "robustness"),
)


def _with_environment(stated: Any, info: "ValidationInfo[tuple[Path, Environments]]") -> Any:
    """A stored record, with its environment resolved if it only refers to one."""
    named = stated.get("environment") if isinstance(stated, dict) else None
    if not isinstance(named, str):
        return stated
    path, environments = info.context
    return stated | {"environment": environments.of(path, named)}


_ADAPTER: TypeAdapter[Record] = TypeAdapter(Annotated[Record, BeforeValidator(_with_environment)])


def read_record(path: Path, environments: Environments | None = None) -> Record:
    """Read one record, resolving its environment if it only refers to one.

    Whoever reads several passes the `environments` that they share.

    Raises:
        ZooError: the file is not a record, is misnamed, or its environment is not found.
    """
    content = read_file(path, remedy=_REMEDY)
    try:
        record = _ADAPTER.validate_json(content, context=(path, environments or Environments()))
    except ValidationError as error:
        said = error.errors()[0]
        place = at(path, None, ".".join(map(str, said["loc"])))
        raise ZooError(Problem(place, f"not a record: {said['msg']}", remedy=_REMEDY)) from error
    if path.name != f"{record.name}.json":
        raise ZooError(
            Problem(str(path), f"contains the record {record.name}", remedy="rename it back")
        )
    return record


def read_records(folder: Path) -> list[Record]:
    """All records below a folder, sorted by path."""
    environments = Environments()
    return [read_record(path, environments) for path in record_files(folder)]


def read_published(folder: Path, suite: str) -> list[Record]:
    """The records of a suite in a folder with one subfolder per entry.

    Raises:
        ZooError: records in the folder of another suite or entry; all are listed.
    """
    found, problems, environments = list[Record](), list[Problem](), Environments()
    for path in record_files(folder):
        record = read_record(path, environments)
        found.append(record)
        if (record.suite, record.entry) != (suite, path.parent.name):
            given = f"a record of {record.suite}/{record.entry}"
            allowed = f"records of {suite}/{path.parent.name}"
            problems.append(Problem(at(path), given, allowed, "restore it from git"))
    if problems:
        raise ZooError(*problems)
    return found


def record_files(folder: Path) -> list[Path]:
    """The files below a folder named like records; hidden ones are incomplete."""
    return sorted(
        path
        for path in folder.rglob("*.json")
        if path.name.partition("-")[0] in RECORD_KINDS and not _is_hidden(path.relative_to(folder))
    )


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
