"""The board's rows: one per entry, task and split, joined from all records; pure."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pydantic import Field

from zoo.records.export import ExportRecord
from zoo.records.latency import REPLAY, LatencyRecord
from zoo.records.records import Record
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.statistics import Contrast, Drop, Standing, SuiteStatistics
from zoo.records.training import TrainingRecord, TransferRecord
from zoo.spec.base import Spec
from zoo.spec.teacher import TEACHER

DECIMAL_PLACES = 4
"""Decimals of numbers on boards."""


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
    """Standard deviation over seeds; None for a single one."""
    score_low: float | None = None
    score_high: float | None = None
    """95 % confidence interval over examples and, if there are several, seeds."""
    rank: tuple[int, int] | None = None
    """Its rank range among the students on this split."""
    resolution: float | None = None
    """The minimum detectable difference between two students on these examples."""
    metrics: dict[str, float | None]
    majority: float | None
    """The majority baseline in the primary metric."""
    beats_majority: bool
    constant: bool
    """Whether any seed predicts the same for all examples."""
    to_teacher: float | None
    """Score minus the teacher's."""
    to_twin: float | None
    """Score minus the undistilled twin's."""
    against_teacher: Contrast | None = None
    against_twin: Contrast | None = None
    """The same differences with intervals, and tests corrected over the board."""
    size: SizeRecord | None = None
    training_seconds: float | None
    """Training time on the task, mean over seeds."""
    transfer_seconds: float | None = None
    """Training time on the corpus, once for all tasks."""
    corpus_steps: int | None = None
    """Steps on the corpus, all phases together; None without a corpus stage of its own."""
    corpus_epochs: float | None = None
    """Passes over the corpus; None also where they were not recorded."""
    task_epochs: float | None = None
    """Passes over the task's training data, all phases together; mean over seeds."""
    train_examples: int | None = None
    """Training examples of the task, without augmented copies."""
    training_peak_memory_bytes: int | None = None
    """Peak memory of the training process on the task; maximum over seeds."""
    exports: dict[str, ExportRecord] = Field(default_factory=dict)
    """Export records by precision."""
    runtimes: dict[str, LatencyRecord] = Field(default_factory=dict)
    """Latency by runtime, `<runtime>@cuda` on a GPU: the cell with the smallest batch and then the
    longest sequences; all cells are in latency.csv."""
    drops: dict[str, Drop] = Field(default_factory=dict)
    """What it loses on altered examples, by perturbation."""
    digest: str
    """The digest of the first seed's run."""
    declared: bool = True
    """Whether the specs declare these runs now; if not, they are out of date."""
    marks: tuple[str, ...] = ()
    """Remarks recorded during training, e.g. that weights were pruned, not compressed."""


Declared = Collection[tuple[str, str]]
"""What the specs declare of each entry's runs."""


def shown(records: Sequence[LatencyRecord]) -> dict[str, LatencyRecord]:
    """The record that boards show for each runtime, by displayed name."""
    drawn = [record for record in records if record.cell != REPLAY]
    found: dict[str, LatencyRecord] = {}
    for record in sorted(drawn, key=lambda r: (r.batch_size, -r.lengths[1], r.name)):
        found.setdefault(runtime_name(record), record)
    return dict(sorted(found.items()))


def runtime_name(record: LatencyRecord) -> str:
    """A runtime's displayed name: with the device if that is not the CPU."""
    return record.runtime if record.device == "cpu" else f"{record.runtime}@{record.device}"


def minus(ours: float | None, theirs: float | None) -> float | None:
    """The difference; None if either side is."""
    return None if ours is None or theirs is None else round(ours - theirs, DECIMAL_PLACES)


def make_rows(
    records: Iterable[Record],
    statistics: SuiteStatistics | None = None,
    declared: Declared | None = None,
) -> list[Row]:
    """The rows of a suite: teachers first, then entries by name, tasks by name.

    Without statistics, intervals, tests and ranks are None.
    """
    facts = _Facts(of_scored_runs(records), statistics, declared)
    rows = [facts.row(*key) for key in facts.scores]
    return sorted(rows, key=lambda row: (row.method != TEACHER, row.entry, row.task, row.split))


def of_scored_runs(records: Iterable[Record]) -> list[Record]:
    """The records of scored runs: leftovers of an earlier spec are ignored.

    A transfer belongs to its entry rather than to a run.
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
    """All records, indexed by subject."""

    def __init__(
        self,
        records: Iterable[Record],
        statistics: SuiteStatistics | None,
        declared: Declared | None,
    ) -> None:
        self.declared = declared
        self.standings = {
            (one.entry, one.task, one.split): one
            for one in (statistics.standings if statistics else ())
        }
        self.resolutions = {
            (one.task, one.split): one.difference
            for one in (statistics.resolutions if statistics else ())
        }
        self.drops: dict[tuple[str, str, str], dict[str, Drop]] = defaultdict(dict)
        for drop in statistics.drops if statistics else ():
            self.drops[drop.entry, drop.task, drop.split][drop.perturbation] = drop
        self.scores: dict[tuple[str, str, str], list[ScoreRecord]] = defaultdict(list)
        self.sizes: dict[tuple[str, str], SizeRecord] = {}
        self.exports: dict[tuple[str, str, str], ExportRecord] = {}
        self.latencies: dict[tuple[str, str], list[LatencyRecord]] = defaultdict(list)
        self.trainings: dict[tuple[str, str], list[TrainingRecord]] = defaultdict(list)
        self.transfers: dict[str, TransferRecord] = {}
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
            self.trainings[here].append(record)
        elif isinstance(record, TransferRecord):
            self.transfers[record.entry] = record

    def row(self, entry: str, task: str, split: str) -> Row:
        records = sorted(self.scores[entry, task, split], key=lambda record: record.seed)
        first, here = records[0], (entry, task)
        score = self.score(entry, task, split)
        trainings = self.trainings.get(here, [])
        transfer = self.transfers.get(entry)
        seconds = [record.seconds for record in trainings]
        peaks = [r.peak_memory_bytes for r in trainings if r.peak_memory_bytes is not None]
        standing = self.standings.get((entry, task, split))
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
            **_certainty(standing, first.primary),
            resolution=self.resolutions.get((task, split)),
            metrics={
                name: _mean([record.metrics[name] for record in records]) for name in first.metrics
            },
            majority=majority,
            beats_majority=score is not None and score > (majority or 0.0),
            constant=any(record.constant for record in records),
            to_teacher=minus(score, self.score(first.teacher, task, split)),
            to_twin=minus(score, self.score(first.twin, task, split)),
            size=self.sizes.get(here),
            training_seconds=round(sum(seconds) / len(seconds), 1) if seconds else None,
            transfer_seconds=round(transfer.seconds, 1) if transfer else None,
            corpus_steps=sum(phase.steps for phase in transfer.phases) if transfer else None,
            corpus_epochs=_epochs(transfer) if transfer else None,
            task_epochs=_mean([_epochs(record) for record in trainings]),
            train_examples=max((record.examples for record in trainings), default=None),
            training_peak_memory_bytes=max(peaks, default=None),
            exports={
                precision: record
                for (*where, precision), record in self.exports.items()
                if tuple(where) == here
            },
            runtimes=shown(self.latencies.get(here, [])),
            drops=self.drops.get((entry, task, split), {}),
            digest=first.digest,
            declared=all(self.is_declared(record) for record in records),
            marks=_marks([*([transfer] if transfer else []), *trainings]),
        )

    def is_declared(self, record: ScoreRecord) -> bool:
        """Whether the specs declare the run now."""
        return self.declared is None or (record.entry, record.declared) in self.declared

    def score(self, entry: str | None, task: str, split: str) -> float | None:
        """An entry's mean primary score; None without scores."""
        records = self.scores.get((entry or "", task, split), [])
        return _mean([record.metrics[record.primary] for record in records])


def _certainty(standing: Standing | None, primary: str) -> dict[str, Any]:
    """The statistics of a row."""
    if standing is None:
        return {}
    low, high = standing.metrics[primary].shown
    return {
        "score_low": _rounded(low),
        "score_high": _rounded(high),
        "rank": standing.rank,
        "against_teacher": standing.to_teacher,
        "against_twin": standing.to_twin,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMAL_PLACES)


def _epochs(record: TransferRecord | TrainingRecord) -> float | None:
    """The passes of all phases over their data; None if a phase does not tell."""
    passes = [phase.passes for phase in record.phases]
    known = [each for each in passes if each is not None]
    return round(math.fsum(known), DECIMAL_PLACES) if known and len(known) == len(passes) else None


def _marks(records: Iterable[TransferRecord | TrainingRecord]) -> tuple[str, ...]:
    """The remarks of phases for the board, each once."""
    closings = (phase.closing for record in records for phase in record.phases)
    return tuple(dict.fromkeys(one.mark for one in closings if one is not None and one.mark))


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean, or None if any value is undefined: a mean of some seeds would be biased."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return round(math.fsum(known) / len(known), DECIMAL_PLACES)


def _deviation(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(known) < len(values):
        return None
    mean = math.fsum(known) / len(known)
    squares = math.fsum((value - mean) ** 2 for value in known)
    return round(math.sqrt(squares / (len(known) - 1)), DECIMAL_PLACES)
