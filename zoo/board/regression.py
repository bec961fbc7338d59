"""Regression check: this machine's build against the published results.

Digests and sizes must be equal, scores not significantly worse. Scores differ between machines,
so predictions are compared example by example: a run has regressed if it lost more than a margin
and the interval of a paired bootstrap excludes zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from zoo.data.inputs_file import skipped_tasks
from zoo.evaluation.predictions import Predictions, read_predictions
from zoo.paths import Project
from zoo.records.measured import RECORD_SCHEMA
from zoo.records.records import Record
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.store import read_records
from zoo.spec.task import Task
from zoo.statistics.bootstrap import percentile_interval
from zoo.statistics.resample import bootstrap_weights, weighted_sums
from zoo.statistics.sums import contributions, value

MARGIN = 0.02
CONFIDENCE = 0.99
REGRESSION_RESAMPLES = 400

Verdict = Literal["same", "within noise", "improved", "regressed", "missing", "differs", "skipped"]


@dataclass(frozen=True)
class Comparison:
    """One result, published and built."""

    fact: str
    verdict: Verdict
    published: str
    built: str

    @property
    def failed(self) -> bool:
        """Whether the build is worse than the published result."""
        return self.verdict in ("regressed", "missing", "differs")


def compare_suite(project: Project, suite: str) -> Iterator[Comparison]:
    """Compare every published score and size of a suite with this machine's build.

    Optional tasks that the build skipped are left out.
    """
    built = {_key(r): r for r in read_records(project.build / suite)}
    published = list(read_records(project.results / suite / "records"))
    skipped = skipped_tasks(project, suite, {record.task for record in published})
    for record in published:
        if not isinstance(record, ScoreRecord | SizeRecord):
            continue
        if record.task in skipped:
            fact = f"{record.entry} {record.name}"
            yield Comparison(fact, "skipped", record.digest[:12], "its data were absent")
        else:
            yield from _compared(project, record, built.get(_key(record)))


def _key(record: Record) -> tuple[str, str]:
    return record.entry, record.name


def _compared(project: Project, published: Record, built: Record | None) -> Iterator[Comparison]:
    fact = f"{published.entry} {published.name}"
    # Digests of schema 1 did not cover contents: such runs are compared by predictions alone.
    comparable = published.schema_version == RECORD_SCHEMA
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
    return Comparison(fact, _verdict(published.definition, before, after, theirs, ours), *told)


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

    Resamples in which either metric is undefined are left out; if none remains, the interval is
    infinite.
    """
    sides = [
        contributions(task, side.gold, side.answers)[task.primary][None] for side in (before, after)
    ]
    examples = len(before.ids)
    weights = bootstrap_weights(examples, REGRESSION_RESAMPLES, np.random.default_rng(0))
    theirs, ours = (
        value(task, task.primary, sums, examples) for sums in weighted_sums(sides, weights)
    )
    differences = ours - theirs
    if np.isnan(differences).all():
        return float("-inf"), float("inf")
    return percentile_interval(differences, 1 - CONFIDENCE)
