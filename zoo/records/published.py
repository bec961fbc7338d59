"""Records as they are published: a folder of records holds each of their environments once.

In it are a folder for each entry and one file of environments; a record names its own by the
content of it.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo.errors import Problem, ZooError, at
from zoo.json_files import read_json
from zoo.records.records import Record
from zoo.records.text import record_text
from zoo.spec.base import digest

ENVIRONMENTS = "environments.json"
_DIGITS = 12
"""Of the sha256 that an environment is named by."""
_REMEDY = "restore it from git: the records beside it name the environments that it holds"


def published_texts(records: Iterable[Record]) -> dict[str, str]:
    """The files of a folder of records, by their paths below it."""
    files: dict[str, str] = {}
    environments: dict[str, Any] = {}
    for record in records:
        stated = json.loads(record_text(record))
        name = _name(stated["environment"])
        environments[name] = stated["environment"]
        files[f"{record.entry}/{record.name}.json"] = _text(stated | {"environment": name})
    return files | {ENVIRONMENTS: _text(environments)}


def read_environment(record: Path, name: str) -> Any:
    """The environment that the file of a record names, as plain data.

    Raises:
        ZooError: there is none of that name, or it was changed since it was published.
    """
    path = record.parent.parent / ENVIRONMENTS
    held = read_json(path, remedy=_REMEDY)
    if name not in held:
        given = f"{record.parent.name}/{record.name} names this environment, which is not there"
        raise ZooError(Problem(at(path, None, name), given, ", ".join(held), _REMEDY))
    if _name(held[name]) != name:
        given = "this environment was changed after it was published"
        raise ZooError(Problem(at(path, None, name), given, remedy=_REMEDY))
    return held[name]


def _name(environment: Any) -> str:
    return digest(environment)[:_DIGITS]


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
