"""The board's rows: one per entry, task and split, joined from all records; pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from zoo.records.export import ExportRecord
from zoo.records.latency import LatencyRecord
from zoo.records.records import Record
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.training import TrainingRecord, TransferRecord
from zoo.spec.base import Spec

PLACES = 4


class RuntimeCell(Spec):
    """Latency in one runtime: this model's time over its teacher's, with its interval."""

    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    latency_ms_p50: float | None


class Row(Spec):
    """One entry on one split of one task; scores are means over seeds on their natural scale."""

    suite: str
    entry: str
    method: str
    teacher: str
    task: str
    split: str
    examples: int
    seeds: tuple[int, ...]
    primary: str
    score: float | None
    """The primary metric."""
    score_sd: float | None
    """Over seeds; None for a single one."""
    metrics: dict[str, float | None]
    majority: float | None
    """What a constant answer scores in the primary metric."""
    beats_majority: bool
    constant: bool
    """Whether any seed gave the same answer to all examples."""
    to_teacher: float | None
    """Score minus the teacher's."""
    to_twin: float | None
    """Score minus the undistilled twin's."""
    parameters: int | None
    non_embedding: int | None
    onnx_fp32_bytes: int | None
    onnx_int8_bytes: int | None
    training_seconds: float | None
    """On the task; mean over seeds."""
    transfer_seconds: float | None = None
    """On the corpus, once for all tasks."""
    runtimes: dict[str, RuntimeCell]
    digest: str
    """Of the first seed's run."""


def make_rows(records: Iterable[Record]) -> list[Row]:
    """The rows of a suite, teachers first, then entries by name, tasks in the order of names."""
    facts = _Facts(of_scored_runs(records))
    rows = [facts.row(*key) for key in facts.scores]
    return sorted(rows, key=lambda row: (row.method != "teacher", row.entry, row.task, row.split))


def of_scored_runs(records: Iterable[Record]) -> list[Record]:
    """The records of runs that are scored: what is left of an earlier spec's runs plays no part.

    A transfer belongs to no run; it stays with its entry.
    """
    given = list(records)
    scored = {(r.entry, r.digest) for r in given if isinstance(r, ScoreRecord)}
    entries = {entry for entry, _ in scored}
    return [
        record
        for record in given
        if (record.entry, record.digest) in scored
        or (isinstance(record, TransferRecord) and record.entry in entries)
    ]


class _Facts:
    """All records, findable by what they are about."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.scores: dict[tuple[str, str, str], list[ScoreRecord]] = defaultdict(list)
        self.sizes: dict[tuple[str, str], SizeRecord] = {}
        self.exports: dict[tuple[str, str, str], ExportRecord] = {}
        self.latencies: dict[tuple[str, str], list[LatencyRecord]] = defaultdict(list)
        self.seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.transfers: dict[str, float] = {}
        for record in sorted(records, key=lambda record: (record.kind, record.entry, record.name)):
            self._add(record)

    def _add(self, record: Record) -> None:
        here = record.entry, record.task
        if isinstance(record, ScoreRecord):
            self.scores[*here, record.split].append(record)
        elif isinstance(record, SizeRecord):
            self.sizes.setdefault(here, record)
        elif isinstance(record, ExportRecord):
            self.exports[*here, record.precision] = record
        elif isinstance(record, LatencyRecord):
            self.latencies[here].append(record)
        elif isinstance(record, TrainingRecord):
            self.seconds[here].append(record.seconds)
        elif isinstance(record, TransferRecord):
            self.transfers[record.entry] = round(record.seconds, 1)

    def row(self, entry: str, task: str, split: str) -> Row:
        records = sorted(self.scores[entry, task, split], key=lambda record: record.seed)
        first, here = records[0], (entry, task)
        score = self.score(entry, task, split)
        size, seconds = self.sizes.get(here), self.seconds.get(here)
        majority = first.majority[first.primary]
        return Row(
            suite=first.suite,
            entry=entry,
            method=first.method,
            teacher=first.teacher,
            task=task,
            split=split,
            examples=first.examples,
            seeds=tuple(record.seed for record in records),
            primary=first.primary,
            score=score,
            score_sd=_deviation([record.metrics[first.primary] for record in records]),
            metrics={
                name: _mean([record.metrics[name] for record in records]) for name in first.metrics
            },
            majority=majority,
            beats_majority=score is not None and score > (majority or 0.0),
            constant=any(record.constant for record in records),
            to_teacher=_minus(score, self.score(first.teacher, task, split)),
            to_twin=_minus(score, self.score(first.twin, task, split)),
            parameters=size.parameters if size else None,
            non_embedding=size.non_embedding if size else None,
            onnx_fp32_bytes=self._bytes(*here, "fp32"),
            onnx_int8_bytes=self._bytes(*here, "int8"),
            training_seconds=round(sum(seconds) / len(seconds), 1) if seconds else None,
            transfer_seconds=self.transfers.get(entry),
            runtimes={record.runtime: _cell(record) for record in self.latencies.get(here, [])},
            digest=first.digest,
        )

    def score(self, entry: str | None, task: str, split: str) -> float | None:
        """An entry's mean primary score; None where it has none."""
        records = self.scores.get((entry or "", task, split), [])
        return _mean([record.metrics[record.primary] for record in records])

    def _bytes(self, entry: str, task: str, precision: str) -> int | None:
        record = self.exports.get((entry, task, precision))
        return record.bytes if record else None


def _cell(record: LatencyRecord) -> RuntimeCell:
    return RuntimeCell(
        ratio=_rounded(record.ratio),
        ratio_low=_rounded(record.ratio_low),
        ratio_high=_rounded(record.ratio_high),
        latency_ms_p50=_rounded(record.latency_ms_p50),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """None where any value is undefined: a mean of some seeds would flatter."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return round(math.fsum(known) / len(known), PLACES)


def _deviation(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(known) < len(values):
        return None
    mean = math.fsum(known) / len(known)
    squares = math.fsum((value - mean) ** 2 for value in known)
    return round(math.sqrt(squares / (len(known) - 1)), PLACES)


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else round(ours - theirs, PLACES)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, PLACES)
