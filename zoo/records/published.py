"""Published records: a folder of records stores each environment once.

It contains one folder per entry and one file of environments; a record refers to its own by
content hash.
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
"""Digits of the sha256 that names an environment."""
_REMEDY = "restore it from git: the records beside it name the environments that it holds"


def published_texts(records: Iterable[Record]) -> dict[str, str]:
    """The files of a folder of records, by relative path."""
    files: dict[str, str] = {}
    environments: dict[str, Any] = {}
    for record in records:
        stated = json.loads(record_text(record))
        name = _name(stated["environment"])
        environments[name] = stated["environment"]
        files[f"{record.entry}/{record.name}.json"] = _text(stated | {"environment": name})
    return files | {ENVIRONMENTS: _text(environments)}


def read_environment(record: Path, name: str) -> Any:
    """The environment that a record's file refers to, as plain data.

    Raises:
        ZooError: it is missing, or was modified after publication.
    """
    path = record.parent.parent / ENVIRONMENTS
    held = read_json(path, remedy=_REMEDY)
    if name not in held:
        given = f"{record.parent.name}/{record.name} refers to this environment, which is missing"
        raise ZooError(Problem(at(path, None, name), given, ", ".join(held), _REMEDY))
    if _name(held[name]) != name:
        given = "this environment was modified after publication"
        raise ZooError(Problem(at(path, None, name), given, remedy=_REMEDY))
    return held[name]


class Environments:
    """Environments that records refer to, each read and verified once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Path, str], Any] = {}

    def of(self, record: Path, name: str) -> Any:
        """As `read_environment`, which raises."""
        key = record.parent.parent, name
        if key not in self._found:
            self._found[key] = read_environment(record, name)
        return self._found[key]


def _name(environment: Any) -> str:
    return digest(environment)[:_DIGITS]


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
