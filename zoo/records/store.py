"""Records read back from disk, every file checked."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError, ValidationInfo

from zoo.errors import Problem, ZooError, at
from zoo.records.published import read_environment
from zoo.records.records import Record

RECORD_KINDS = ("training", "score", "size", "export", "transfer", "latency")


def _with_environment(stated: Any, info: "ValidationInfo[Path]") -> Any:
    """A record as it is stored, its environment spelled out where it only names one."""
    named = stated.get("environment") if isinstance(stated, dict) else None
    if not isinstance(named, str):
        return stated
    return stated | {"environment": read_environment(info.context, named)}


_ADAPTER: TypeAdapter[Record] = TypeAdapter(Annotated[Record, BeforeValidator(_with_environment)])


def read_record(path: Path) -> Record:
    """Read one record, with its environment in full where it only names one.

    Raises:
        ZooError: the file is not a record, or another's, or its environment is not found.
    """
    try:
        record = _ADAPTER.validate_json(path.read_bytes(), context=path)
    except (OSError, ValidationError) as error:
        said = error.errors()[0] if isinstance(error, ValidationError) else None
        key = ".".join(map(str, said["loc"])) if said else ""
        raise ZooError(
            Problem(
                at(path, None, key),
                f"this is not a record of the zoo: {said['msg'] if said else error}",
                remedy="restore it from git, or build it again with `dvc repro`",
            )
        ) from error
    if path.name != f"{record.name}.json":
        raise ZooError(
            Problem(str(path), f"this record calls itself {record.name}", remedy="rename it back")
        )
    return record


def read_records(folder: Path) -> list[Record]:
    """All records directly or further below a folder, in the order of their paths."""
    return [read_record(path) for path in record_files(folder)]


def read_published(folder: Path, suite: str) -> list[Record]:
    """The records of a suite below a folder that has a folder for each entry.

    Raises:
        ZooError: one is of another suite or entry than it stands in; all such are named.
    """
    found, problems = [], []
    for path in record_files(folder):
        record = read_record(path)
        found.append(record)
        if (record.suite, record.entry) != (suite, path.parent.name):
            given = f"this is a record of {record.suite}/{record.entry}"
            allowed = f"one of {suite}/{path.parent.name}"
            problems.append(Problem(at(path), given, allowed, "restore it from git"))
    if problems:
        raise ZooError(*problems)
    return found


def record_files(folder: Path) -> list[Path]:
    """The files below a folder that are named like records; hidden ones are half-made."""
    return sorted(
        path
        for path in folder.rglob("*.json")
        if path.name.partition("-")[0] in RECORD_KINDS and not _is_hidden(path.relative_to(folder))
    )


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
