"""A study's rows: one per variant, task and split, each compared with the base; pure."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from zoo.board.table import DECIMAL_PLACES, Row, make_rows, minus
from zoo.records.attention import AttentionRecord
from zoo.records.records import Record
from zoo.records.score import ScoreRecord
from zoo.records.training import TransferRecord
from zoo.spec.study import TRAIN_AXIS, StudyJob, StudyVariant


class StudyRow(Row):
    """One variant on one split of one task, compared with the base."""

    variant: str
    values: dict[str, Any]
    """The value on every axis; null where the varied entry states none."""
    scores: dict[int, float | None]
    """Scores by seed."""
    to_base: float | None
    """Score minus the base's."""
    attention_kl: float | None = None
    """Mean divergence of its heads from the teacher's, in nats; None where it was not compared."""


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
    """The records of a variant, of the kinds that the study needs."""
    asked = {"latency": job.latency, "attention": job.attention}
    asked_for = (kind for kind, wanted in asked.items() if wanted)
    kinds = {"transfer", "training", "score", "size", *asked_for}
    return [
        record
        for record in records
        if record.kind in kinds and named(record) in variant.records.get(record.entry, ())
    ]


def named(record: Record) -> str:
    """The identity by which a study refers to a record; in schema 1 its digest."""
    return record.declared or record.digest


def unmeasured(job: StudyJob, records: Iterable[Record]) -> Iterator[str]:
    """The variants with runs that were not scored, or not compared where the study asks for it."""
    given = list(records)
    for variant in job.variants:
        own = records_of(job, variant, given)
        known = {named(r) for r in own if isinstance(r, ScoreRecord | TransferRecord)}
        scored = {named(r) for r in own if isinstance(r, ScoreRecord)} if job.attention else set()
        compared = {named(r) for r in own if isinstance(r, AttentionRecord)}
        stated = {one for named_in in variant.records.values() for one in named_in}
        if not (stated <= known and scored <= compared):
            yield variant.name


def axis_value(row: StudyRow, axis: str) -> Any:
    """A variant's value on an axis; for `train`, where the study states none, the actual number."""
    value = row.values[axis]
    return row.train_examples if axis == TRAIN_AXIS and value is None else value


def _study_row(
    variant: StudyVariant, row: Row, records: Sequence[Record], base: float | None
) -> StudyRow:
    scores = {
        record.seed: record.metrics[record.primary]
        for record in records
        if isinstance(record, ScoreRecord) and (record.task, record.split) == (row.task, row.split)
    }
    compared = [
        record.mean
        for record in records
        if isinstance(record, AttentionRecord)
        and (record.task, record.split) == (row.task, row.split)
    ]
    return StudyRow(
        **dict(row),
        variant=variant.name,
        values=variant.values,
        scores=dict(sorted(scores.items())),
        to_base=minus(row.score, base),
        attention_kl=round(sum(compared) / len(compared), DECIMAL_PLACES) if compared else None,
    )


def value_text(value: Any) -> str:
    """A value as written in a study's file."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
