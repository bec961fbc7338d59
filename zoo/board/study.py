"""A study's rows: one per variant and task split, each beside the base; pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from zoo.board.cells import PLACES
from zoo.board.table import Row, make_rows
from zoo.records.records import Record
from zoo.records.score import ScoreRecord
from zoo.records.training import TrainingRecord, TransferRecord
from zoo.spec.base import Spec
from zoo.spec.study import TRAIN, StudyJob, StudyVariant


class StudyRow(Spec):
    """One variant on one split of one task; scores are on their natural scale."""

    variant: str
    values: dict[str, Any]
    """Of every axis; null where the varied entry states none."""
    task: str
    split: str
    primary: str
    """The metric that is the score."""
    examples: int
    """Scored ones."""
    train_examples: int | None
    seeds: tuple[int, ...]
    scores: dict[int, float | None]
    """By seed."""
    score: float | None
    """Their mean; None where any is undefined."""
    score_sd: float | None
    """Over seeds; None for a single one."""
    to_base: float | None
    """Score minus the base's."""
    parameters: int | None
    training_seconds: float | None
    """Of a run on the task, mean over seeds; training on the corpus is not among them."""
    ratios: dict[str, float | None]
    """Time over the teacher's by runtime: below 1 it is faster."""


def study_rows(job: StudyJob, records: Iterable[Record]) -> list[StudyRow]:
    """Variants in the study's order, the base first, each with its tasks in the suite's order."""
    given = list(records)
    base: dict[tuple[str, str], float | None] = {}
    found = []
    for variant in job.variants:
        own = records_of(job, variant, given)
        for row in sorted(make_rows(own), key=lambda row: (job.tasks.index(row.task), row.split)):
            there = base.setdefault((row.task, row.split), row.score)
            found.append(_study_row(variant, row, own, there))
    return found


def records_of(job: StudyJob, variant: StudyVariant, records: Iterable[Record]) -> list[Record]:
    """The records that are a variant's own, of the kinds that the study waits for."""
    kinds = {"transfer", "training", "score", "size", *(("latency",) if job.latency else ())}
    return [
        record
        for record in records
        if record.kind in kinds and named(record) in variant.records.get(record.entry, ())
    ]


def named(record: Record) -> str:
    """What a study names a record by; in schema 1 that was its digest."""
    return record.declared or record.digest


def unmeasured(job: StudyJob, records: Iterable[Record]) -> Iterator[str]:
    """The variants of which some run has no scores."""
    given = list(records)
    for variant in job.variants:
        own = records_of(job, variant, given)
        known = {named(r) for r in own if isinstance(r, ScoreRecord | TransferRecord)}
        if not {one for stated in variant.records.values() for one in stated} <= known:
            yield variant.name


def axis_value(row: StudyRow, axis: str) -> Any:
    """A variant's value on an axis; of `train`, where the study states none, what there was."""
    value = row.values[axis]
    return row.train_examples if axis == TRAIN and value is None else value


def _study_row(
    variant: StudyVariant, row: Row, records: Sequence[Record], base: float | None
) -> StudyRow:
    scores = {
        record.seed: record.metrics[record.primary]
        for record in records
        if isinstance(record, ScoreRecord) and (record.task, record.split) == (row.task, row.split)
    }
    trained = [r for r in records if isinstance(r, TrainingRecord) and r.task == row.task]
    difference = None if row.score is None or base is None else round(row.score - base, PLACES)
    return StudyRow(
        variant=variant.name,
        values=variant.values,
        task=row.task,
        split=row.split,
        primary=row.primary,
        examples=row.examples,
        train_examples=trained[0].examples if trained else None,
        seeds=row.seeds,
        scores=dict(sorted(scores.items())),
        score=row.score,
        score_sd=row.score_sd,
        to_base=difference,
        parameters=row.parameters,
        training_seconds=row.training_seconds,
        ratios={name: cell.ratio for name, cell in sorted(row.runtimes.items())},
    )
