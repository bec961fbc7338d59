"""`zoo score`: the official scores of a predictions file, without a model."""

import json
from dataclasses import asdict
from pathlib import Path

from zoo.errors import Problem, UsageError, suggestion
from zoo.evaluation.submissions import OFFICIAL, FileScore, score_file
from zoo.spec.task import TASKS


def score(
    task: str, data: Path, predictions: Path, null_odds: Path | None = None, *, as_json: bool
) -> str:
    """The text that `zoo score TASK --data FILE --predictions FILE` prints.

    Tables show metrics x 100 with three decimals; JSON keeps the natural scale, with null for
    undefined metrics.

    Raises:
        UsageError: unknown task, or one without official files.
        DataError: a file that cannot be scored.
    """
    if task not in OFFICIAL:
        where, known = f"task {task!r}", ", ".join(OFFICIAL)
        reason = "has no official files" if task in TASKS else "there is no such task"
        raise UsageError(Problem(where, reason, known, suggestion(task, OFFICIAL)))
    result = score_file(OFFICIAL[task], data, predictions, null_odds)
    return _json(result) if as_json else _table(result)


def _json(result: FileScore) -> str:
    stated = asdict(result)
    if not result.moved:
        del stated["moved"]  # only reported if not zero
    return json.dumps(stated, indent=2, sort_keys=True)


def _table(result: FileScore) -> str:
    counts = f"{result.examples} examples, {result.missing} missing, {result.extra} extra"
    width = max(map(len, result.metrics))
    rows = [f"{name:<{width}}  {_percent(value)}" for name, value in result.metrics.items()]
    moved = f"{result.moved} gold answers realigned: not found at their offsets"
    return "\n".join([f"{result.task}: {counts}", *rows, *([moved] if result.moved else [])])


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.3f}"
