"""Official prediction files, read with care: GLUE submissions, and SQuAD's answers and odds."""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading import LISTED, refuse
from zoo.errors import DataError, Problem, at
from zoo.spec.task import AX, Task, TaskKind

HEADER = "index\tprediction"
"""The first line of a GLUE submission."""


def read_submission(task: Task, path: Path, examples: int) -> NDArray[Any]:
    """The predictions of a GLUE submission in the order of their index: class ids or numbers.

    The index counts the examples of the data from 0; rows that were skipped there have none.

    Raises:
        DataError: a wrong header, rows that are not `index<TAB>prediction`, labels the server does
            not know, or indices that are not 0 to `examples` - 1, each once.
    """
    lines = _read(path).removesuffix("\n").split("\n")
    if lines[0].rstrip("\r") != HEADER:
        given = f"the header is {lines[0]!r}"
        raise DataError(Problem(at(path, 1), given, repr(HEADER), "write the header line"))
    found: dict[int, float] = {}
    problems: list[Problem] = []
    for number, line in enumerate(lines[1:], start=2):
        row = _row(task, at(path, number), line.rstrip("\r"), range(examples))
        if isinstance(row, Problem):
            problems.append(row)
        elif row[0] in found:
            problems.append(Problem(at(path, number), f"index {row[0]} appears twice", "once"))
        else:
            found[row[0]] = row[1]
    lacking = [index for index in range(examples) if index not in found]
    if lacking:
        problems.append(_lacking(path, lacking, examples))
    refuse(problems, str(path))
    kind = np.float64 if task.kind is TaskKind.REGRESSION else np.int64
    return np.array([found[index] for index in range(examples)], kind)


def read_answers(path: Path) -> dict[str, str]:
    """The answers of a SQuAD prediction file by question id.

    Raises:
        DataError: not a JSON object of texts, or an id that appears twice.
    """
    answers, problems = _read_object(path, _ANSWERS)
    problems += [
        Problem(at(path, key=name), f"the answer is {text!r}", "a text, empty for no answer")
        for name, text in answers.items()
        if not isinstance(text, str)
    ]
    refuse(problems, str(path))
    return answers


def read_null_odds(path: Path) -> dict[str, float]:
    """The odds of no answer by question id: above a threshold the question is left open.

    Raises:
        DataError: not a JSON object of numbers, or an id that appears twice.
    """
    odds, problems = _read_object(path, _ODDS)
    problems += [
        Problem(at(path, key=name), f"the odds are {value!r}", "a number above -Infinity")
        for name, value in odds.items()
        if not _is_odds(value)
    ]
    refuse(problems, str(path))
    return {name: float(value) for name, value in odds.items()}


_ANSWERS = 'a JSON object of texts by question id, as {"56be4db0": "Denver Broncos"}'
_ODDS = 'a JSON object of numbers by question id, as {"56be4db0": -1.5}'
_NAMED = ("mnli", "rte", "qnli", AX.name)


def server_labels(task: Task) -> tuple[str, ...]:
    """How the GLUE server writes the classes of `task`, in the order of their ids."""
    return task.labels if task.name in _NAMED else tuple(map(str, range(len(task.labels))))


def _row(task: Task, where: str, line: str, indices: range) -> tuple[int, float] | Problem:
    """One row of a submission: its index and its answer, or what is wrong with it."""
    columns = line.split("\t")
    if len(columns) != 2:
        return Problem(where, f"{len(columns)} columns", "2: index and prediction, tab-separated")
    index, answer = columns
    if not (index.isascii() and index.isdecimal()):
        return Problem(where, f"the index is {index!r}", f"0 to {len(indices) - 1}")
    if int(index) not in indices:
        return Problem(where, f"index {index} is out of range", f"0 to {len(indices) - 1}")
    value = _number(answer) if task.kind is TaskKind.REGRESSION else _class(task, answer)
    if value is None:
        allowed = ", ".join(server_labels(task)) or "a finite number"
        return Problem(where, f"the prediction is {answer!r}", allowed)
    return int(index), value


def _class(task: Task, answer: str) -> int | None:
    labels = server_labels(task)
    return labels.index(answer) if answer in labels else None


def _number(answer: str) -> float | None:
    try:
        value = float(answer)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _is_odds(value: object) -> bool:
    """Whether a threshold can lie on both sides of it: endless odds only where no span was found.

    What is less than any threshold could never be withheld; integers have no bound in JSON.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(value, int):
        return abs(value) < sys.float_info.max
    return not math.isnan(value) and value > -math.inf


def _lacking(path: Path, indices: Sequence[int], examples: int) -> Problem:
    first = ", ".join(map(str, indices[:LISTED])) + (", ..." if len(indices) > LISTED else "")
    given = f"{len(indices)} of {examples} indices are missing: {first}"
    return Problem(at(path), given, "one row for every example of the data")


def _unique(pairs: Iterable[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    """The object of these pairs; names that repeat are added to `twice`."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            twice.append(name)
        found[name] = value
    return found


def _read_object(path: Path, allowed: str) -> tuple[dict[str, Any], list[Problem]]:
    """A JSON object, and which of its names stand more than once."""
    twice: list[str] = []
    try:
        found = json.loads(_read(path), object_pairs_hook=lambda pairs: _unique(pairs, twice))
    except json.JSONDecodeError as error:
        given = f"not JSON: {error.msg} (column {error.colno})"
        raise DataError(Problem(at(path, error.lineno), given, allowed)) from error
    if not isinstance(found, dict):
        raise DataError(Problem(at(path, 1), f"a JSON {type(found).__name__}", allowed))
    return found, [Problem(at(path, key=k), "this id appears twice", "once") for k in twice]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(Problem(at(path), f"cannot be read: {error.strerror or error}")) from error
    except UnicodeDecodeError as error:
        raise DataError(Problem(at(path), f"not UTF-8 at byte {error.start}")) from error
