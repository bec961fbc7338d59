"""Has anything regressed? What was built here against what is published.

Digests must be the same, sizes the same, scores not significantly worse. Scores differ between
machines, so the same examples are compared answer by answer: a run has regressed if it lost more
than a margin and a paired bootstrap leaves no doubt about the sign.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zoo.evaluation.answers import exact_and_f1
from zoo.evaluation.metrics import score
from zoo.evaluation.predictions import Predictions, read_predictions
from zoo.paths import Project
from zoo.records.measured import SCHEMA
from zoo.records.records import Record
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.store import read_records
from zoo.spec.task import TASKS, Task, TaskKind

MARGIN = 0.02
CONFIDENCE = 0.99
RESAMPLES = 400

Verdict = Literal["same", "within noise", "improved", "regressed", "missing", "differs"]


@dataclass(frozen=True)
class Comparison:
    """One fact, published and built."""

    fact: str
    verdict: Verdict
    published: str
    built: str

    @property
    def failed(self) -> bool:
        """Whether the build is worse than what is published."""
        return self.verdict in ("regressed", "missing", "differs")


def compare(project: Project, suite: str) -> Iterator[Comparison]:
    """Every published score and size of a suite against what was built on this machine."""
    built = {_key(r): r for r in read_records(project.build / suite)}
    for record in read_records(project.results / suite / "records"):
        ours = built.get(_key(record))
        if isinstance(record, ScoreRecord | SizeRecord):
            yield from _compared(project, record, ours)


def _key(record: Record) -> tuple[str, str]:
    return record.entry, record.name


def _compared(project: Project, published: Record, built: Record | None) -> Iterator[Comparison]:
    fact = f"{published.entry} {published.name}"
    # Digests of schema 1 did not name contents: such runs are compared by their answers alone.
    comparable = published.schema_version == SCHEMA
    if not comparable:
        fact += f" (published in schema {published.schema_version})"
    if built is None:
        yield Comparison(fact, "missing", published.digest[:12], "not built")
    elif comparable and built.digest != published.digest:
        yield Comparison(fact, "differs", published.digest[:12], built.digest[:12])
    elif isinstance(published, SizeRecord) and isinstance(built, SizeRecord):
        same = published.parameters == built.parameters
        yield Comparison(
            fact,
            "same" if same else "differs",
            f"{published.parameters:,}",
            f"{built.parameters:,}",
        )
    elif isinstance(published, ScoreRecord) and isinstance(built, ScoreRecord):
        yield _compared_scores(project, fact, published, built)


def _compared_scores(
    project: Project, fact: str, published: ScoreRecord, built: ScoreRecord
) -> Comparison:
    theirs, ours = published.metrics[published.primary], built.metrics[built.primary]
    told = tuple("undefined" if value is None else f"{value:.4f}" for value in (theirs, ours))
    stored = project.results / published.suite / "predictions" / published.entry
    before = read_predictions(stored / published.predictions, published.digest)
    fresh = project.entry(built.suite, built.entry).score / "predictions"
    after = read_predictions(fresh / built.predictions, built.digest)
    if before.ids != after.ids or before.gold != after.gold:
        return Comparison(fact, "differs", "other examples", told[1])
    if before.answers == after.answers:
        return Comparison(fact, "same", *told)
    return Comparison(fact, _verdict(TASKS[published.task], before, after, theirs, ours), *told)


def _verdict(
    task: Task, before: Predictions, after: Predictions, theirs: float | None, ours: float | None
) -> Verdict:
    if theirs is None or ours is None:
        lost, won = theirs is not None, ours is not None
        return "regressed" if lost else "improved" if won else "within noise"
    low, high = paired_interval(task, before, after)
    if high < 0 and ours - theirs < -MARGIN:
        return "regressed"
    if low > 0 and ours - theirs > MARGIN:
        return "improved"
    return "within noise"


def paired_interval(task: Task, before: Predictions, after: Predictions) -> tuple[float, float]:
    """Bootstrap interval of the primary metric's difference (after - before) over examples.

    Resamples in which either metric is undefined are left out; without any left nothing is known,
    and the interval is infinite.
    """
    metric = _resampled(task, before), _resampled(task, after)
    generator = np.random.default_rng(0)
    count = len(before.ids)
    differences = []
    for _ in range(RESAMPLES):
        rows = generator.integers(0, count, count)
        theirs, ours = metric[0](rows), metric[1](rows)
        if theirs is not None and ours is not None:
            differences.append(ours - theirs)
    if not differences:
        return float("-inf"), float("inf")
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return float(low), float(high)


def _resampled(task: Task, predictions: Predictions) -> Callable[[NDArray[np.int64]], float | None]:
    """The primary metric of a task on some rows."""
    if task.kind is TaskKind.SPAN:
        gold = [value if isinstance(value, tuple) else () for value in predictions.gold]
        by_example = exact_and_f1(gold, [str(answer) for answer in predictions.answers])
        values = by_example[1] if task.primary == "f1" else by_example[0]
        return lambda rows: float(values[rows].mean())
    labels, answers = np.array(predictions.gold), np.array(predictions.answers)
    return lambda rows: score(task, labels[rows], answers[rows])[task.primary]
