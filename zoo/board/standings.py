"""The statistics of a suite, computed from stored predictions and saved with the tables."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

import zoo.statistics
from zoo.board.memory import package_sha256
from zoo.paths import write_file
from zoo.records.predicted import PredictedRun
from zoo.records.records import Record
from zoo.records.robustness import RobustnessRecord
from zoo.records.score import ScoreRecord
from zoo.records.statistics import STATISTICS_SCHEMA, SuiteStatistics
from zoo.spec.base import digest
from zoo.statistics.effort import PERMUTATIONS, RESAMPLES

if TYPE_CHECKING:
    from zoo.statistics.scored import ScoredRuns

STATISTICS = "statistics.json"

Stored = Callable[[PredictedRun], Path]
"""Finds the predictions file of a record."""


def statistics_of(
    suite: str, records: Sequence[Record], stored: Stored, memory: Path
) -> SuiteStatistics | None:
    """The statistics of all scores of a suite; None without scores.

    They are always computed, never read from the published files. The local folder `memory` caches
    them by predictions and code.

    Raises:
        DataError: predictions are missing or damaged.
    """
    scores = [record for record in records if isinstance(record, ScoreRecord)]
    if not scores:
        return None
    splits = {(record.entry, record.task, record.split) for record in scores}
    altered = [
        record
        for record in records
        if isinstance(record, RobustnessRecord)
        and (record.entry, record.task, record.split) in splits
    ]
    inputs = _fingerprint(scores, altered, stored)
    kept = memory / f"{suite}-{digest([inputs, package_sha256(zoo.statistics)])[:16]}.json"
    known = _read(kept)
    if known is not None and known.inputs == inputs and known.suite == suite:
        return known
    made = _computed(suite, scores, altered, stored, inputs)
    write_file(kept, statistics_text(made))
    return made


def statistics_text(statistics: SuiteStatistics) -> str:
    """Statistics as text."""
    return json.dumps(statistics.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def _fingerprint(
    scores: Sequence[ScoreRecord], altered: Sequence[RobustnessRecord], stored: Stored
) -> str:
    """The sha256 of all inputs and settings of the statistics."""
    whole = hashlib.sha256(f"{STATISTICS_SCHEMA} {RESAMPLES} {PERMUTATIONS}\n".encode())
    for record in sorted(scores, key=_by_name):
        about = record.entry, record.name, record.digest, record.method, record.teacher, record.twin
        whole.update(f"{about} {_content(stored(record))}\n".encode())
    for other in sorted(altered, key=_by_name):
        whole.update(f"{(*_by_name(other), other.digest)} {_content(stored(other))}\n".encode())
    return whole.hexdigest()


def _by_name(record: PredictedRun) -> tuple[str, str]:
    return record.entry, record.name


def _content(path: Path) -> str:
    # Missing predictions are reported by name when they are read.
    return hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()


def _read(path: Path) -> SuiteStatistics | None:
    try:
        return SuiteStatistics.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _computed(
    suite: str,
    scores: Sequence[ScoreRecord],
    altered: Sequence[RobustnessRecord],
    stored: Stored,
    inputs: str,
) -> SuiteStatistics:
    from zoo.statistics.standing import suite_statistics  # noqa: PLC0415  (computes seldom)

    about = {(record.entry, record.task, record.split): record for record in scores}
    perturbations = dict.fromkeys(sorted(record.perturbation for record in altered))
    return suite_statistics(
        suite,
        _scored_runs(scores, about, stored),
        inputs,
        altered={
            each: _scored_runs([one for one in altered if one.perturbation == each], about, stored)
            for each in perturbations
        },
    )


def _scored_runs(
    records: Sequence[PredictedRun],
    about: Mapping[tuple[str, str, str], ScoreRecord],
    stored: Stored,
) -> "list[ScoredRuns]":
    """The runs of each entry and split; what their scores on the dev split are `about`."""
    from zoo.evaluation.predictions import read_predictions  # noqa: PLC0415
    from zoo.statistics.scored import ScoredRuns  # noqa: PLC0415

    runs: dict[tuple[str, str, str], list[PredictedRun]] = defaultdict(list)
    for record in records:
        runs[record.entry, record.task, record.split].append(record)
    return [
        ScoredRuns(
            entry=entry,
            task=task,
            split=split,
            method=about[entry, task, split].method,
            teacher=about[entry, task, split].teacher,
            twin=about[entry, task, split].twin,
            own=own[0].own,
            runs={r.seed: read_predictions(stored(r), r.digest) for r in own},
        )
        for (entry, task, split), own in sorted(runs.items())
    ]
