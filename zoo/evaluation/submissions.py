"""Official prediction files: GLUE submissions and SQuAD answers, read, scored and written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.examples import SpanExample, Split, TextExample
from zoo.data.index import Index
from zoo.data.readers import READERS
from zoo.errors import DataError, Problem, UsageError, at
from zoo.evaluation.diagnostic import read_diagnostic_labels
from zoo.evaluation.metrics import Numbers, compute_metrics, foreign
from zoo.evaluation.official_files import (
    HEADER,
    read_answers,
    read_null_odds,
    read_submission,
    server_labels,
)
from zoo.evaluation.scoring import by_name, threshold_scores
from zoo.evaluation.spans import score_spans
from zoo.paths import write_file
from zoo.spec.task import TASKS, Task, TaskKind

_SERVED = [task for task in TASKS.values() if task.submission is not None]
OFFICIAL: dict[str, Task] = {
    task.name: task
    for task in (*_SERVED, *(each.diagnostic for each in _SERVED if each.diagnostic))
}
"""The tasks with official files, including AX, which is not trained on."""


@dataclass(frozen=True)
class FileScore:
    """The scores of a predictions file, on the natural scale.

    `missing` counts questions without a prediction (score 0), `extra` predictions for unknown
    questions (ignored); GLUE files may have neither. `moved` counts gold answers that are not found
    at their offsets.
    """

    task: str
    examples: int
    missing: int
    extra: int
    metrics: dict[str, float | None]
    moved: int = 0


def score_file(
    task: Task, data: Path, predictions: Path, null_odds: Path | None = None
) -> FileScore:
    """The official scores of a predictions file; no model is needed.

    Args:
        task: a task of GLUE or SQuAD.
        data: the labelled split: a TSV file of the GLUE release or an official SQuAD JSON file.
        predictions: a GLUE submission (`index` and `prediction`, tab-separated) or a JSON object
            of answers by question id.
        null_odds: for SQuAD v2.0, the no-answer odds by question id, as JSON; they add the best and
            the cross-fitted scores, which require predictions without thresholding.

    Raises:
        DataError: a file is missing or malformed, or the data hides its labels.
        UsageError: the task has no official files, or does not use null odds.
    """
    _check_official(task)
    if null_odds is not None and not task.unanswerable:
        takers = ", ".join(name for name, each in OFFICIAL.items() if each.unanswerable)
        raise UsageError(Problem(task.name, "does not use null odds", takers, "omit them"))
    if task.kind is TaskKind.SPAN:
        return _score_answers(task, data, predictions, null_odds)
    labels, index = _labels(task, data)
    given = read_submission(task, predictions, len(labels), index)
    return FileScore(task.name, len(labels), 0, 0, compute_metrics(task, labels, given))


def write_null_odds(folder: Path, odds: Mapping[str, float]) -> Path:
    """Write the no-answer odds into `folder` in the official script's format."""
    path = folder / NULL_ODDS
    write_file(path, json.dumps(dict(odds), indent=0, sort_keys=True) + "\n")
    return path


def write_submission(
    task: Task,
    folder: Path,
    predictions: Numbers | Mapping[str, str],
    *,
    split: str = "",
    index: Sequence[int] | None = None,
) -> Path:
    """Write the official prediction file of `task` into `folder` and return its path.

    Args:
        task: a task of GLUE or SQuAD.
        folder: where the file is written, under its official name.
        predictions: class ids or numbers in the order of the data; answers by id for SQuAD.
        split: the predicted split, if its file has a specific name.
        index: the number of each prediction; counted from 0 if absent.

    Raises:
        DataError: predictions that do not fit the task.
        UsageError: the task or the split has no official file.
    """
    path = folder / submission_name(task, split)
    if isinstance(predictions, Mapping) != (task.kind is TaskKind.SPAN):
        given = f"predictions as {type(predictions).__name__}"
        raise DataError(Problem(task.name, given, "answers by id for SQuAD, else one per example"))
    if isinstance(predictions, Mapping):
        text = json.dumps(dict(predictions), ensure_ascii=False, indent=0, sort_keys=True) + "\n"
    else:
        text = _table(task, np.asarray(predictions), index)
    write_file(path, text)
    return path


def submission_name(task: Task, split: str = "") -> str:
    """The file name required by the official servers; MNLI has one per split.

    Raises:
        UsageError: the task or the split has no official file.
    """
    _check_official(task)
    assert task.submission is not None
    files = task.submission.files
    if len(set(files.values())) > 1 and split not in files:
        raise UsageError(Problem(f"{task.name}: split", repr(split), ", ".join(files)))
    return files.get(split) or next(iter(files.values()))


NULL_ODDS = "null_odds.json"


def _check_official(task: Task) -> None:
    if task.name not in OFFICIAL:
        raise UsageError(Problem(task.name, "has no official files", ", ".join(OFFICIAL)))


def _score_answers(task: Task, data: Path, predictions: Path, null_odds: Path | None) -> FileScore:
    split = _read_split(task, data)
    examples = [example for example in split.examples if isinstance(example, SpanExample)]
    answers = read_answers(predictions)
    result = score_spans(examples, answers)
    metrics = by_name(result)
    if null_odds is not None:
        odds = read_null_odds(null_odds)
        lacking = [example.id for example in examples if example.id not in odds]
        if lacking:
            given = f"{len(lacking)} of {len(examples)} questions have none, {lacking[0]!r} first"
            raise DataError(Problem(at(null_odds), given, "a number for every question"))
        metrics |= threshold_scores(examples, answers, odds).metrics
    counts = len(examples), result.missing, result.extra
    return FileScore(task.name, *counts, metrics, split.moved)


def _labels(task: Task, path: Path) -> tuple[list[float], Index | None]:
    """The labels of a split of the GLUE release, or of AX, in file order, and the file's index."""
    if not task.evaluation:  # Not trained on: its labels are published separately.
        return [*read_diagnostic_labels(_there(path))], None
    split = _read_split(task, path)
    examples = [example for example in split.examples if isinstance(example, TextExample)]
    labels = [example.label for example in examples if example.label is not None]
    if len(labels) < len(examples):
        given = f"{len(examples) - len(labels)} of {len(examples)} rows hide their label"
        raise DataError(Problem(at(path), given, "", "score against a labelled split, such as dev"))
    return labels, split.index


def _read_split(task: Task, path: Path) -> Split:
    """The examples of one labelled file at any path."""
    return READERS[task.reader].read_file(task, task.evaluation[0], _there(path))


def _there(path: Path) -> Path:
    if path.is_file():
        return path
    raise DataError(Problem(at(path), "there is no such file", "", "pass the labelled split"))


def _table(task: Task, predictions: NDArray[Any], index: Sequence[int] | None) -> str:
    problems = foreign(task, "predictions", predictions)
    if problems:
        raise DataError(*problems)
    if task.kind is TaskKind.REGRESSION:
        answers = [repr(float(value)) for value in predictions]
    else:
        labels = server_labels(task)
        answers = [labels[value] for value in predictions]
    numbers = range(len(answers)) if index is None else index
    rows = [f"{number}\t{answer}" for number, answer in zip(numbers, answers, strict=True)]
    return "\n".join([HEADER, *rows]) + "\n"
