"""The entries of one split as contributions of the same examples, in the same order."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.errors import MeasurementError, Problem
from zoo.evaluation.predictions import Predictions
from zoo.spec.task import TASKS, Task
from zoo.statistics.scored import ScoredRuns
from zoo.statistics.sums import FloatArray, contributions

AnswerRow = tuple[str, object]
"""The id and gold label of one example."""


@dataclass(frozen=True)
class ScoredSplit:
    """One split: its entries sorted by name, and the contributions of its examples.

    `by_metric` holds an array (seeds, examples, K) by metric and entry; the examples are in the
    order of their ids.
    """

    task: Task
    name: str
    examples: int
    entries: tuple[ScoredRuns, ...]
    by_metric: dict[str, dict[str, FloatArray]]


def scored_splits(scored: Sequence[ScoredRuns]) -> list[ScoredSplit]:
    """The splits in the order of the zoo's tasks, followed by the suite's own by name.

    Raises:
        MeasurementError: entries that appear twice, have no run or cover different examples, or
            predictions that do not fit their task.
    """
    together: dict[tuple[str, str], list[ScoredRuns]] = defaultdict(list)
    for one in scored:
        together[one.task, one.split].append(one)
    places = {task: place for place, task in enumerate(TASKS)}
    order = sorted(together, key=lambda key: (places.get(key[0], len(places)), *key))
    return [_scored_split(together[key][0].definition, key[1], together[key]) for key in order]


def _scored_split(task: Task, name: str, scored: Sequence[ScoredRuns]) -> ScoredSplit:
    entries = tuple(sorted(scored, key=lambda one: one.entry))
    _check_once(task, name, entries)
    runs = [
        (f"seed {seed} of {one.entry}", one.runs[seed]) for one in entries for seed in one.seeds
    ]
    standard, first = runs[0]
    examples = _examples(task, name, standard, first)
    for label, run in runs[1:]:
        if run.ids == first.ids and run.gold == first.gold:
            continue
        if _examples(task, name, label, run) != examples:
            raise _different(task, name, label, standard)
    by_metric: dict[str, dict[str, FloatArray]] = {metric: {} for metric in task.metrics}
    for one in entries:
        by_seed = [_contributions(task, one.runs[seed]) for seed in one.seeds]
        for metric, arrays in by_metric.items():
            arrays[one.entry] = np.stack([run[metric] for run in by_seed])
    return ScoredSplit(task, name, len(examples), entries, by_metric)


def _contributions(task: Task, run: Predictions) -> dict[str, FloatArray]:
    """Sorted by id, so that the order of rows in a file does not matter."""
    order = sorted(range(len(run.ids)), key=run.ids.__getitem__)
    return contributions(task, [run.gold[i] for i in order], [run.answers[i] for i in order])


def _examples(task: Task, name: str, label: str, run: Predictions) -> list[AnswerRow]:
    if len(set(run.ids)) < len(run.ids):
        given = f"{len(run.ids) - len(set(run.ids))} duplicate ids"
        where = f"{task.name} {name}: {label}"
        raise MeasurementError(Problem(where, given, "each example once", "score the entry again"))
    return sorted(zip(run.ids, run.gold, strict=True), key=lambda row: row[0])


def _check_once(task: Task, name: str, entries: Sequence[ScoredRuns]) -> None:
    names = [one.entry for one in entries]
    problems = [
        Problem(f"{task.name} {name}: {entry}", "duplicate entry", "all its runs together")
        for entry in sorted({entry for entry in names if names.count(entry) > 1})
    ]
    problems += [
        Problem(f"{task.name} {name}: {one.entry}", "no runs", "one run or more")
        for one in entries
        if not one.runs
    ]
    if problems:
        raise MeasurementError(*problems)


def _different(task: Task, name: str, label: str, standard: str) -> MeasurementError:
    given = f"{label} and {standard} cover different examples"
    allowed = "equal ids and gold labels for all runs of all entries"
    return MeasurementError(
        Problem(f"{task.name} {name}", given, allowed, "score both again on the same data")
    )
