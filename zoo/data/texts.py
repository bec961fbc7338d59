"""Texts with their labels, from files or from the hub: the same examples.

Splits with public labels are read for training and scoring: train and the dev splits. Test sets,
whose labels are hidden, are read to be answered (`hidden.py`).
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.data import hub
from zoo.data.examples import Split, TextExample
from zoo.data.json_lines import json_rows
from zoo.data.numbering import Numbering
from zoo.data.reading import plain_number, refuse, required_split
from zoo.data.tables import TableRow, no_rows, tsv_rows
from zoo.errors import DataError, Problem, at
from zoo.spec.task import Reader, Task


def read_split(task: Task, split: str, folder: Path) -> Split:
    """One split from its place below `folder`.

    Raises:
        DataError: as `read_file`.
    """
    return read_file(task, split, folder / task.path(split))


def read_file(task: Task, split: str, file: Path) -> Split:
    """One split from a file in the layout of the task.

    Raises:
        DataError: the file is missing or empty, a column is missing, rows are truncated, a label is
            not allowed, or bytes are not UTF-8; all problems of the file at once.
    """
    required_split(task, split)
    problems: list[Problem] = []
    examples: list[TextExample] = []
    numbering = Numbering(file, ("index",))
    skipped = 0
    for row in ROWS[task.reader](task, task.columns, file, problems):
        made = None if row is None else _labelled(task, split, len(examples), file, row)
        if isinstance(made, Problem):
            problems.append(made)
        elif row is None or made is None:
            skipped += 1
        else:
            examples.append(made)
            numbering.add(row)
    refuse(problems, str(file))
    found = Split(split, tuple(examples), skipped, index=numbering.index)
    return filled(task, found, str(file))


def load_split(task: Task, split: str, revision: str) -> Split:
    """One split from the hub: the examples that `read_split` gives, ids and order included.

    Rows that `read_split` skips are already gone on the hub, so `skipped` is 0.

    Raises:
        DataError: the hub cannot be reached, or the data set is not what the task says.
    """
    required_split(task, split)
    source = hub.split_of(task, split, revision)
    texts = task.columns.on_hub
    data = hub.load_columns(source, (*texts, "label"))
    _check_label_order(task, data.features["label"], str(source))
    problems: list[Problem] = []
    examples: list[TextExample] = []
    for number, row in enumerate(hub.iterate_rows(data)):
        label = _hub_label(task, row["label"])
        if label is None:
            where = at(str(source), key=f"row {number}")
            remedy = "use a split with public labels, or another revision"
            problems.append(_bad_label(where, row["label"], _allowed(task, _digits(task)), remedy))
        else:
            examples.append(example(task, split, number, [row[name] for name in texts], label))
    refuse(problems, str(source))
    return filled(task, Split(split, tuple(examples)), str(source))


ROWS = {Reader.TSV: tsv_rows, Reader.JSON_LINES: json_rows}
"""How files are read into rows, by who reads them."""


def _labelled(
    task: Task, split: str, number: int, file: Path, row: TableRow
) -> TextExample | Problem:
    """The example of a row, or what is wrong with its label."""
    label = _file_label(task, row.cells[task.columns.label].strip())
    if label is None:
        where = at(file, row.line, task.columns.label)
        public = "use a split with public labels, or " if task.hub else ""
        given, allowed = row.cells[task.columns.label], _allowed(task, task.written)
        return _bad_label(where, given, allowed, f"{public}{task.mend}")
    return example(task, split, number, [row.cells[name] for name in task.columns.texts], label)


def _digits(task: Task) -> tuple[str, ...]:
    return tuple(str(number) for number in range(len(task.labels)))


def _file_label(task: Task, cell: str) -> int | float | None:
    if task.limits is not None:
        return _score(cell, task.limits)
    return task.written.index(cell) if cell in task.written else None


def _hub_label(task: Task, value: float | None) -> int | float | None:
    if task.limits is not None:
        return _score(value, task.limits)
    return value if isinstance(value, int) and 0 <= value < len(task.labels) else None


def _score(value: str | float | None, limits: tuple[float, float]) -> float | None:
    """A number as the hub stores it (32 bits), rounded to what that precision means."""
    number = plain_number(value) if isinstance(value, str) else value
    if number is None or isinstance(number, bool) or not math.isfinite(number):
        return None
    score = float(np.float32(number))
    return round(score, 5) if limits[0] <= score <= limits[1] else None


def example(
    task: Task, split: str, number: int, texts: Sequence[str], label: float | None
) -> TextExample:
    """An example; its id counts the kept rows, since the hub's MRPC `idx` has gaps."""
    first, *second = (text.strip() for text in texts)
    return TextExample(f"{task.name}-{split}-{number}", first, second[0] if second else None, label)


def _check_label_order(task: Task, feature: object, where: str) -> None:
    names = getattr(feature, "names", None) or []  # only datasets' ClassLabel has names
    if list(task.labels) != list(names):
        raise DataError(
            Problem(
                where,
                f"the labels are {', '.join(names) or 'not classes'}",
                f"{', '.join(task.labels) or 'numbers'}, in this order",
                "check the revision: class ids would change meaning",
            )
        )


def _allowed(task: Task, written: Sequence[str]) -> str:
    if task.limits is None:
        return ", ".join(written)
    return "a number from {:g} to {:g}".format(*task.limits)


def _bad_label(where: str, given: object, allowed: str, remedy: str) -> Problem:
    return Problem(where, f"the label {given!r}", allowed, remedy)


def filled(task: Task, split: Split, where: str) -> Split:
    """The split, which must have examples."""
    if not split.examples:
        raise DataError(no_rows(task, where))
    return split
