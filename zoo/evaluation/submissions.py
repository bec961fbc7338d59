"""Official prediction files: GLUE submissions and SQuAD answers, read, scored and written."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data import glue, squad
from zoo.data.examples import SpanExample, Split, TextExample
from zoo.data.reading import LISTED, refuse
from zoo.errors import DataError, Problem, UsageError, at
from zoo.evaluation.metrics import Numbers, foreign, score
from zoo.evaluation.spans import SpanScore, score_spans
from zoo.paths import write_file
from zoo.spec.task import TASKS, Task, TaskKind

OFFICIAL: tuple[str, ...] = tuple(name for name, task in TASKS.items() if task.source != "pocket")


@dataclass(frozen=True)
class FileScore:
    """What a prediction file scores, on the natural scale.

    `missing` counts questions without an answer (they score 0), `extra` answers to questions that
    are not in the data (ignored); GLUE files may have neither.
    """

    task: str
    examples: int
    missing: int
    extra: int
    metrics: dict[str, float | None]


def score_file(task: Task, data: Path, predictions: Path) -> FileScore:
    """The official scores of a prediction file; no model is needed.

    Args:
        task: a task of GLUE or SQuAD.
        data: the labelled split: a TSV file of the GLUE release or an official SQuAD JSON file.
        predictions: a GLUE submission (`index` and `prediction`, tab-separated) or a JSON object
            of answers by question id.

    Raises:
        DataError: either file is missing or malformed, or the data hides its labels.
        UsageError: the task has no official files.
    """
    _check_official(task)
    if task.kind is TaskKind.SPAN:
        return _score_answers(task, data, predictions)
    labels = _labels(task, data)
    given = read_submission(task, predictions, len(labels))
    return FileScore(task.name, len(labels), 0, 0, score(task, labels, given))


def read_submission(task: Task, path: Path, examples: int) -> NDArray[Any]:
    """The predictions of a GLUE submission in the order of their index: class ids or numbers.

    The index counts the examples of the data from 0; rows that were skipped there have none.

    Raises:
        DataError: a wrong header, rows that are not `index<TAB>prediction`, labels the server does
            not know, or indices that are not 0 to `examples` - 1, each once.
    """
    lines = _read(path).removesuffix("\n").split("\n")
    if lines[0].rstrip("\r") != _HEADER:
        given = f"the header is {lines[0]!r}"
        raise DataError(Problem(at(path, 1), given, repr(_HEADER), "write the header line"))
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
    twice: list[str] = []
    try:
        answers = json.loads(_read(path), object_pairs_hook=lambda pairs: _unique(pairs, twice))
    except json.JSONDecodeError as error:
        given = f"not JSON: {error.msg} (column {error.colno})"
        raise DataError(Problem(at(path, error.lineno), given, _ANSWERS)) from error
    if not isinstance(answers, dict):
        raise DataError(Problem(at(path, 1), f"a JSON {type(answers).__name__}", _ANSWERS))
    problems = [Problem(at(path, key=name), "this id appears twice", "once") for name in twice]
    problems += [
        Problem(at(path, key=name), f"the answer is {text!r}", "a text, empty for no answer")
        for name, text in answers.items()
        if not isinstance(text, str)
    ]
    refuse(problems, str(path))
    return answers


def write_submission(
    task: Task, folder: Path, predictions: Numbers | Mapping[str, str], *, split: str = ""
) -> Path:
    """Write the official prediction file of `task` into `folder` and return its path.

    Args:
        task: a task of GLUE or SQuAD.
        folder: where the file is written, under its official name.
        predictions: class ids or numbers in the order of the data; answers by id for SQuAD.
        split: for MNLI, which file: `dev_matched`, `dev_mismatched` or `ax`.

    Raises:
        DataError: predictions that are no answers of the task.
        UsageError: the task or the split has no official file.
    """
    path = folder / submission_name(task, split)
    if isinstance(predictions, Mapping) != (task.kind is TaskKind.SPAN):
        given = f"predictions as {type(predictions).__name__}"
        raise DataError(Problem(task.name, given, "answers by id for SQuAD, else one per example"))
    if isinstance(predictions, Mapping):
        text = json.dumps(dict(predictions), ensure_ascii=False, indent=0, sort_keys=True) + "\n"
    else:
        text = _table(task, np.asarray(predictions))
    write_file(path, text)
    return path


def submission_name(task: Task, split: str = "") -> str:
    """The name the official servers ask for; MNLI has one for each split.

    Raises:
        UsageError: the task or the split has no official file.
    """
    _check_official(task)
    if task.kind is TaskKind.SPAN:
        return "predictions.json"
    if task.name != "mnli":
        return f"{task.folder}.tsv"
    if split not in _MNLI_FILES:
        raise UsageError(Problem(f"{task.name}: split", repr(split), ", ".join(_MNLI_FILES)))
    return _MNLI_FILES[split]


_HEADER = "index\tprediction"
_ANSWERS = 'a JSON object of texts by question id, as {"56be4db0": "Denver Broncos"}'
_MNLI_FILES = {"dev_matched": "MNLI-m.tsv", "dev_mismatched": "MNLI-mm.tsv", "ax": "AX.tsv"}
_NAMED = ("mnli", "rte", "qnli")


def _check_official(task: Task) -> None:
    if task.name not in OFFICIAL:
        raise UsageError(Problem(task.name, "has no official files", ", ".join(OFFICIAL)))


def _score_answers(task: Task, data: Path, predictions: Path) -> FileScore:
    examples = [e for e in _read_split(task, data).examples if isinstance(e, SpanExample)]
    result = score_spans(examples, read_answers(predictions))
    return FileScore(task.name, len(examples), result.missing, result.extra, _by_name(result))


def _by_name(result: SpanScore) -> dict[str, float | None]:
    """The scores of all questions and, under the rules of v2.0, of those with and without one."""
    metrics: dict[str, float | None] = {"exact_match": result.exact_match, "f1": result.f1}
    for name, part in (("has_answer", result.has_answer), ("no_answer", result.no_answer)):
        if part:
            metrics |= {f"{name}_exact_match": part.exact_match, f"{name}_f1": part.f1}
    return metrics


def _labels(task: Task, path: Path) -> list[float]:
    """The labels of a split of the GLUE release, in file order."""
    examples = [e for e in _read_split(task, path).examples if isinstance(e, TextExample)]
    labels = [example.label for example in examples if example.label is not None]
    if len(labels) < len(examples):
        given = f"{len(examples) - len(labels)} of {len(examples)} rows hide their label"
        raise DataError(Problem(at(path), given, "", "score against a labelled split, such as dev"))
    return labels


def _read_split(task: Task, path: Path) -> Split:
    """The examples of one labelled file, wherever it lies."""
    if not path.is_file():
        raise DataError(Problem(at(path), "there is no such file", "", "name the labelled split"))
    read_file = squad.read_file if task.source == "squad" else glue.read_file
    return read_file(task, task.evaluation[0], path)


def _server_labels(task: Task) -> tuple[str, ...]:
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
        allowed = ", ".join(_server_labels(task)) or "a finite number"
        return Problem(where, f"the prediction is {answer!r}", allowed)
    return int(index), value


def _class(task: Task, answer: str) -> int | None:
    labels = _server_labels(task)
    return labels.index(answer) if answer in labels else None


def _number(answer: str) -> float | None:
    try:
        value = float(answer)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


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


def _table(task: Task, predictions: NDArray[Any]) -> str:
    problems = foreign(task, "predictions", predictions)
    if problems:
        raise DataError(*problems)
    if task.kind is TaskKind.REGRESSION:
        answers = [repr(float(value)) for value in predictions]
    else:
        labels = _server_labels(task)
        answers = [labels[value] for value in predictions]
    return "\n".join([_HEADER, *(f"{i}\t{a}" for i, a in enumerate(answers))]) + "\n"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(Problem(at(path), f"cannot be read: {error.strerror or error}")) from error
    except UnicodeDecodeError as error:
        raise DataError(Problem(at(path), f"not UTF-8 at byte {error.start}")) from error
