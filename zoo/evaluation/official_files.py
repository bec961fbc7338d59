"""Strict readers of official prediction files: GLUE submissions, SQuAD answers and odds."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.index import Index
from zoo.data.reading import plain_number, refuse, text_lines, whole_number
from zoo.errors import DataError, Problem, at
from zoo.files import MISSING, REGULAR, unreadable
from zoo.json_files import LISTED, read_json, shortened
from zoo.spec.task import Task, TaskKind

HEADER = "index\tprediction"
"""The first line of a GLUE submission."""


def read_submission(
    task: Task, path: Path, examples: int, index: Index | None = None
) -> NDArray[Any]:
    """The predictions of a GLUE submission in the order of the data: class ids or numbers.

    Args:
        task: a task of GLUE, or AX.
        path: the submission: `index` and `prediction`, tab-separated.
        examples: number of examples in the data; skipped rows have no prediction.
        index: the data's own index, if any. Predictions refer to it, or count examples from 0.

    Raises:
        DataError: a wrong header, rows that are not `index<TAB>prediction`, unknown labels,
            missing, duplicate or unknown indices, or an ambiguous index.
    """
    problems: list[Problem] = []
    lines = text_lines(_there(path), problems)
    line, header = next(lines, (1, ""))
    refuse(problems, str(path))
    if header != HEADER:
        given = f"the header is {header!r}"
        raise DataError(Problem(at(path, line), given, repr(HEADER), "write the header line"))
    rows = list(lines)
    order = _order(path, rows, examples, index)
    known = frozenset(order)
    found: dict[int, float] = {}
    for number, text in rows:
        row = _row(task, at(path, number), text, known)
        if isinstance(row, Problem):
            problems.append(row)
        elif row[0] in found:
            problems.append(Problem(at(path, number), f"index {row[0]} appears twice", "once"))
        else:
            found[row[0]] = row[1]
    lacking = [number for number in order if number not in found]
    if lacking:
        problems.append(_lacking(path, lacking, examples))
    refuse(problems, str(path))
    kind = np.float64 if task.kind is TaskKind.REGRESSION else np.int64
    return np.array([found[number] for number in order], kind)


def _order(
    path: Path, rows: Sequence[tuple[int, str]], examples: int, index: Index | None
) -> Sequence[int]:
    """The index of each example: the data's own if the predictions use it, else its position."""
    counted = range(examples)
    if index is None:
        return counted
    given = {whole_number(text.split("\t")[0].strip(" ")) for _line, text in rows}
    if given == set(counted) and not index.is_set_of(counted):
        return counted
    own = index.numbers()
    if own != tuple(counted) and set(own) == set(counted):
        told = f"its index ({index.file}) is 0 to {examples - 1} in another order than its rows"
        remedy = "sort the rows of the data by their index: predictions may count either"
        raise DataError(Problem(at(path), told, "an index that counts the rows", remedy))
    return own


def read_answers(path: Path) -> dict[str, str]:
    """The answers of a SQuAD prediction file by question id.

    Raises:
        DataError: not a JSON object of strings, or a duplicate id.
    """
    answers = _read_object(path, _ANSWERS)
    problems = [
        Problem(
            at(path, key=name), f"the answer is {shortened(text)}", "a text, empty for no answer"
        )
        for name, text in answers.items()
        if not isinstance(text, str)
    ]
    refuse(problems, str(path))
    return answers


def read_null_odds(path: Path) -> dict[str, float]:
    """The no-answer odds by question id: above a threshold no answer is given.

    Raises:
        DataError: not a JSON object of numbers, or a duplicate id.
    """
    odds = _read_object(path, _ODDS, endless=True)
    problems = [
        Problem(at(path, key=name), f"the odds are {shortened(value)}", "a number above -Infinity")
        for name, value in odds.items()
        if not _is_odds(value)
    ]
    refuse(problems, str(path))
    return {name: float(value) for name, value in odds.items()}


_ANSWERS = 'a JSON object of texts by question id, as {"56be4db0": "Denver Broncos"}'
_ODDS = 'a JSON object of numbers by question id, as {"56be4db0": -1.5}'


def server_labels(task: Task) -> tuple[str, ...]:
    """The server's labels of `task`, in class order."""
    return task.submission.labels if task.submission else ()


def _row(task: Task, where: str, line: str, known: frozenset[int]) -> tuple[int, float] | Problem:
    """One row of a submission: its index and prediction, or its problem."""
    columns = line.split("\t")
    if len(columns) != 2:
        return Problem(where, f"{len(columns)} columns", "2: index and prediction, tab-separated")
    index, answer = (cell.strip(" ") for cell in columns)
    allowed = f"{min(known)} to {max(known)}" if known else "none: the data has no examples"
    number = whole_number(index)
    if number is None:
        return Problem(where, f"the index is {shortened(index)}", allowed)
    if number not in known:
        inside = min(known) <= number <= max(known) if known else False
        given = "is not in the data" if inside else "is out of range"
        return Problem(where, f"index {number} {given}", allowed)
    value = plain_number(answer) if task.kind is TaskKind.REGRESSION else _class(task, answer)
    if value is None:
        allowed = ", ".join(server_labels(task)) or "a finite number"
        return Problem(where, f"the prediction is {shortened(answer)}", allowed)
    return number, value


def _class(task: Task, answer: str) -> int | None:
    labels = server_labels(task)
    return labels.index(answer) if answer in labels else None


def _is_odds(value: object) -> bool:
    """Whether a value is valid null odds: a number, or Infinity for questions without a span.

    -Infinity could never exceed a threshold.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not math.isnan(value) and value > -math.inf


def _lacking(path: Path, indices: Sequence[int], examples: int) -> Problem:
    first = ", ".join(map(str, indices[:LISTED])) + (", ..." if len(indices) > LISTED else "")
    given = f"{len(indices)} of {examples} indices are missing: {first}"
    return Problem(at(path), given, "one row for every example of the data")


def _there(path: Path) -> Path:
    given = unreadable(path)
    if given:
        allowed = "" if given == MISSING else REGULAR
        raise DataError(Problem(at(path), given, allowed, "pass the predictions file"))
    return path


def _read_object(path: Path, allowed: str, *, endless: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = read_json(
        path, dict, remedy=f"write {allowed}", error=DataError, endless=endless
    )
    return found
